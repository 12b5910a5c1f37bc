// SPDX-License-Identifier: Apache-2.0
//
// A crash's text, and, behind a line "%%", what a ledger has recorded: lines "free MODULE INCIDENT CAUSE
// START SIZE" and "timer KIND CALLBACK TIMER ADDRESS CAUSE", of which words may be missing.
#include <charconv>
#include <string>

#include <nlohmann/json.hpp>

#include "autopsy/diagnosis.h"
#include "autopsy/reader.h"
#include "autopsy/report.h"
#include "base/text.h"
#include "fuzz.h"

namespace disarmd::fuzz {

namespace {

std::string_view take_until(std::string_view& text, char end) {
    const auto part = text.substr(0, text.find(end));
    text.remove_prefix(std::min(part.size() + 1, text.size()));
    return part;
}

std::string take_word(std::string_view& text) {
    return std::string(take_until(text, ' '));
}

std::uint64_t take_number(std::string_view& text) {
    const auto word = take_until(text, ' ');
    std::uint64_t value = 0;
    std::from_chars(word.data(), word.data() + word.size(), value, 16);
    return value;
}

std::vector<RecordedFree> records_of(std::string_view text) {
    std::vector<RecordedFree> records;
    while (!text.empty()) {
        auto line = take_until(text, '\n');
        const auto what = take_word(line);
        if (what == "free") {
            auto& free = records.emplace_back();
            free.module = take_word(line);
            free.incident = take_word(line);
            free.causes = take_word(line);
            free.leak = !free.causes.empty();
            const auto start = take_number(line);
            free.ranges.push_back({start, take_number(line)});
        } else if (what == "timer" && !records.empty()) {
            auto& timer = records.back().timers.emplace_back();
            timer.kind = take_word(line);
            timer.callback = take_word(line);
            timer.timer = take_number(line);
            timer.callback_address = take_number(line);
            timer.cause = take_word(line);
        }
    }
    return records;
}

void check_sizes(const CrashText& crash) {
    check(crash.reports.size() <= reports_max, "reports_max");
    check(crash.reports_left_out == 0 || crash.reports.size() == reports_max,
          "none is left out before the last");
    check(crash.modules.names.size() <= modules_max, "modules_max");
    check(crash.told.size() <= told_max, "told_max, of modules");
    for (const auto& told : crash.told)
        check(told.timers.size() <= told_max, "told_max, of timers");
    for (const auto& report : crash.reports) {
        check(report.frames.size() <= frames_max, "frames_max");
        check(report.exceptions.size() <= exceptions_max, "exceptions_max");
        check(report.first_line <= report.last_line && report.last_line <= crash.lines, "a report's lines");
        for (const auto& exception : report.exceptions)
            check(exception.frames_above <= report.frames.size(), "frames above an exception");
    }
}

void check_evidence(const std::vector<Evidence>& all, const CrashText& crash) {
    for (const auto& each : all)
        check(each.line <= crash.lines && !each.says.empty(), "evidence is of a line");
}

// What is said of it; an answer has everything that is printed.
std::string answer_to(std::string_view bytes, const std::vector<RecordedFree>& records) {
    const auto crash = read_crash(bytes);
    check_sizes(crash);
    const auto diagnosis = diagnose(crash, records);
    check(!diagnosis.rule.empty() && !diagnosis.what.empty(), "a rule decides");
    check_evidence(diagnosis.evidence, crash);
    check_evidence(diagnosis.against, crash);
    check_evidence(diagnosis.consequences, crash);
    for (const auto& suspect : diagnosis.suspects)
        check(suspect.line <= crash.lines, "a suspect is of a line");
    const auto lines = quoted_lines(bytes, diagnosis);
    auto answer = to_page(crash, diagnosis, lines, Colour::never);
    // It throws if a string is not UTF-8.
    answer += to_json("crash.log", crash, diagnosis, lines).dump() + '\n';
    answer += columns_text({autopsy_columns(), to_row("crash.log", crash, diagnosis)});
    return answer;
}

} // namespace

} // namespace disarmd::fuzz

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace disarmd::fuzz;
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    constexpr std::string_view separator = "\n%%\n";
    const auto end = input.find(separator);
    const auto copy = copy_of(input.substr(0, end));
    const std::string_view text(copy.data(), copy.size());
    const auto records =
        records_of(end == std::string_view::npos ? std::string_view() : input.substr(end + separator.size()));
    const auto answer = answer_to(text, records);
    check(is_plain(answer), "printable ASCII");
    check(answer == answer_to(text, records), "the same of the same");
    return 0;
}
