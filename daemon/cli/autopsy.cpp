// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <cstdio>
#include <filesystem>
#include <map>
#include <memory>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "autopsy/diagnosis.h"
#include "autopsy/reader.h"
#include "autopsy/report.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/terminal.h"
#include "config/config.h"
#include "incident/json.h"
#include "incident/parse.h"
#include "ledger/ledger.h"

namespace disarmd {

namespace {

// Logs of hundreds of megabytes are read; what never ends is not.
constexpr std::size_t bytes_max = std::size_t{4} << 30U;

struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
};

Result<std::string> read_all(const std::string& path) {
    const bool is_stdin = path == "-";
    const std::unique_ptr<std::FILE, Close> file(is_stdin ? nullptr : std::fopen(path.c_str(), "rbe"));
    const auto name = is_stdin ? std::string("standard input") : printable(path);
    if (!is_stdin && file == nullptr)
        return fail(Error::from_errno(fmt::format("opening {}", name)));
    auto* const from = is_stdin ? stdin : file.get();
    std::string bytes;
    // What has no size says so, or 0.
    std::error_code unknown;
    if (const auto size = std::filesystem::file_size(path, unknown); !unknown && size <= bytes_max)
        bytes.reserve(size);
    std::array<char, 1U << 16U> part{};
    while (const auto count = std::fread(part.data(), 1, part.size(), from)) {
        if (bytes.size() + count > bytes_max)
            return fail(
                {EFBIG,
                 fmt::format("reading {}: it is larger than {} bytes; cut out the part around the crash",
                             name, bytes_max)});
        bytes.append(part.data(), count);
    }
    if (std::ferror(from) != 0)
        return fail(Error::from_errno(fmt::format("reading {}", name)));
    return bytes;
}

bool exists(const std::string& path) {
    std::error_code error;
    return std::filesystem::exists(path, error) || error;
}

// What a ledger says of that kernel's modules; of all kernels' where none is named. A record that is damaged
// is left out, and that is said.
Result<std::vector<RecordedFree>> records_of(const std::string& path, const std::string& kernel) {
    auto ledger = Ledger::open_for_reading(path);
    if (!ledger)
        return fail(ledger.error());
    const auto frees = ledger->frees(kernel.empty() ? std::nullopt : std::optional(kernel));
    if (!frees)
        return fail(frees.error());
    std::vector<RecordedFree> records;
    std::size_t damaged = 0;
    for (const auto& free : *frees) {
        if (!free.has_record) {
            auto& record = records.emplace_back();
            record.module = free.module;
            record.when = time_text(free.at);
            record.freed_at_s = std::chrono::duration<double>(free.at.time_since_epoch()).count();
            record.ranges = free.ranges;
            continue;
        }
        const auto document = ledger->record(free.id);
        if (!document)
            return fail(document.error());
        const auto incident = *document ? parse_incident(**document) : fail({ENOENT, "it is gone"});
        if (incident)
            records.push_back(recorded_of(*incident));
        else
            ++damaged;
    }
    if (damaged != 0)
        say("disarmd: {} of {} can't be read\n", count_text(damaged, "record"), printable(path));
    return records;
}

// The crash need not have been this host's: where modules lay says little then, and only the address of a
// timer or of its callback is taken for a proof.
std::vector<RecordedFree> records_of_this_host(const std::string& kernel) {
    const auto config = load_config(std::nullopt);
    const auto path = config ? config->sinks.ledger_path : std::string(default_ledger_path);
    if (!exists(path))
        return {};
    auto records = records_of(path, kernel);
    if (!records) {
        say("disarmd: this host's ledger is left out: {}\n", records.error().text());
        return {};
    }
    std::erase_if(*records, [](const RecordedFree& record) { return !record.leak; });
    for (auto& record : *records)
        record.ranges.clear();
    return std::move(*records);
}

// Each kernel's records, once.
class Records {
public:
    explicit Records(std::optional<std::string> ledger) : ledger_(std::move(ledger)) {}

    Result<const std::vector<RecordedFree>*> of(const std::string& kernel) {
        const auto found = by_kernel_.find(kernel);
        if (found != by_kernel_.end())
            return &found->second;
        auto records = ledger_ ? records_of(*ledger_, kernel) : records_of_this_host(kernel);
        if (!records)
            return fail(records.error());
        return &by_kernel_.emplace(kernel, std::move(*records)).first->second;
    }

private:
    std::optional<std::string> ledger_;
    std::map<std::string, std::vector<RecordedFree>> by_kernel_;
};

ExitCode code_of(CrashVerdict verdict) {
    switch (verdict) {
    case CrashVerdict::this_pattern:
        return ExitCode::found;
    case CrashVerdict::related:
    case CrashVerdict::not_this_pattern:
        return ExitCode::clean;
    case CrashVerdict::cant_tell:
        break;
    }
    return ExitCode::inconclusive;
}

// Of several files: one that could not be read counts most, then one that is this crash.
ExitCode graver_of(ExitCode one, ExitCode other) {
    for (const auto code : {ExitCode::usage, ExitCode::found, ExitCode::inconclusive}) {
        if (one == code || other == code)
            return code;
    }
    return ExitCode::clean;
}

} // namespace

ExitCode autopsy(const AutopsyOptions& options) {
    if (options.ledger && !exists(*options.ledger))
        return complain({ENOENT, fmt::format("there is no ledger {}", printable(*options.ledger))},
                        ExitCode::usage);
    const bool single = options.files.size() == 1;
    auto code = ExitCode::clean;
    Records all_records(options.ledger);
    std::vector<std::vector<std::string>> rows{autopsy_columns()};
    for (const auto& file : options.files) {
        const auto bytes = read_all(file);
        if (!bytes) {
            code = graver_of(code, complain(bytes.error(), ExitCode::usage));
            continue;
        }
        const auto crash = read_crash(*bytes);
        const auto records = all_records.of(crash.several_kernels ? "" : crash.release);
        if (!records)
            return complain(records.error(), ExitCode::usage);
        const auto diagnosis = diagnose(crash, **records);
        const auto its_code = code_of(diagnosis.verdict);
        if (options.json || single) {
            const auto lines = quoted_lines(*bytes, diagnosis);
            const auto text = options.json ? to_line(to_json(file, crash, diagnosis, lines)) + '\n'
                                           : to_page(crash, diagnosis, lines, colour_of_stdout());
            code = graver_of(code, print_result(text, its_code));
        } else {
            rows.push_back(to_row(file, crash, diagnosis));
            code = graver_of(code, its_code);
        }
    }
    if (single || options.json || rows.size() == 1)
        return code;
    const auto size = size_of_stdout();
    return print_result(columns_text(rows, size ? std::optional(size->columns) : std::nullopt), code);
}

} // namespace disarmd
