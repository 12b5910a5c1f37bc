// SPDX-License-Identifier: Apache-2.0
//
// A ledger that was brought from elsewhere: a file of SQLite's, or the values of its rows, which are put into
// one. A value is a byte for its type, then a number of eight bytes, or a length of two and as many bytes.
#include <array>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>

#include <sqlite3.h>
#include <unistd.h>

#include "fuzz.h"
#include "incident/incident.h"
#include "ledger/ledger.h"

namespace disarmd::fuzz {

namespace {

namespace fs = std::filesystem;

// Where the file is, until this process ends.
class Folder {
public:
    Folder() : path_(fs::temp_directory_path() / ("disarmd-fuzz-" + std::to_string(::getpid()))) {
        fs::create_directories(path_);
    }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    ~Folder() { fs::remove_all(path_); }

    [[nodiscard]] std::string fresh_file() const {
        for (const auto& old : fs::directory_iterator(path_))
            fs::remove(old);
        return path_ / "ledger\x1b.db";
    }

private:
    fs::path path_;
};

void bind(sqlite3_stmt* row, int column, std::string_view& input) {
    const auto type = take<std::uint8_t>(input) % 5;
    if (type == 0)
        return; // NULL
    if (type == 1) {
        ::sqlite3_bind_int64(row, column, take<std::int64_t>(input));
        return;
    }
    if (type == 2) {
        ::sqlite3_bind_double(row, column, take<double>(input));
        return;
    }
    const auto bytes = input.substr(0, take<std::uint16_t>(input));
    input.remove_prefix(bytes.size());
    const auto size = static_cast<int>(bytes.size());
    if (type == 3)
        ::sqlite3_bind_text(row, column, bytes.data(), size, SQLITE_STATIC);
    else
        ::sqlite3_bind_blob(row, column, bytes.data(), size, SQLITE_STATIC);
}

// As the daemon makes it, but that any value may be anywhere.
void write_rows(const std::string& path, std::string_view input) {
    sqlite3* database = nullptr;
    check(::sqlite3_open(path.c_str(), &database) == SQLITE_OK, "a database can be made");
    constexpr const char* schema =
        "PRAGMA page_size = 512; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; "
        "PRAGMA application_id = 0x64736d64; PRAGMA user_version = 1; BEGIN;"
        "CREATE TABLE unloads (id, freed_us, loaded_us, boot_id, kernel, module, srcversion, outcome, "
        "verdict,"
        " pending, causes, ranges, record)";
    check(::sqlite3_exec(database, schema, nullptr, nullptr, nullptr) == SQLITE_OK, "and a table in it");
    constexpr int columns = 13;
    sqlite3_stmt* row = nullptr;
    ::sqlite3_prepare_v2(database, "INSERT INTO unloads VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)", -1, &row,
                         nullptr);
    while (!input.empty()) {
        ::sqlite3_reset(row);
        ::sqlite3_clear_bindings(row);
        for (int column = 1; column <= columns; ++column)
            bind(row, column, input);
        ::sqlite3_step(row);
    }
    ::sqlite3_finalize(row);
    ::sqlite3_exec(database, "COMMIT", nullptr, nullptr, nullptr);
    ::sqlite3_close(database);
}

template <typename Value>
bool is_read(const Result<Value>& result) {
    if (!result)
        check(result.error().code() > 0 && is_plain(result.error().text()) &&
                  result.error().text().find('\n') == std::string::npos,
              "an error is a line");
    return result.has_value();
}

// Of a file that is not sound an index may say otherwise than its table.
void check_ledger(Ledger& ledger, bool is_sound) {
    std::size_t records = 0;
    if (const auto incidents = ledger.incidents(std::nullopt); is_read(incidents)) {
        records = incidents->size();
        for (const auto& incident : *incidents)
            check(is_plain(time_text(incident.at)), "a time can be told");
        if (records != 0)
            (void)is_read(ledger.incidents(incidents->front().module));
    }
    if (const auto frees = ledger.frees(std::nullopt); is_read(frees)) {
        std::size_t with_record = 0;
        for (const auto& free : *frees) {
            check(is_plain(time_text(free.at)), "a time can be told");
            with_record += free.has_record ? 1 : 0;
        }
        check(!is_sound || with_record == records, "a free with a record is an incident");
        if (!frees->empty())
            (void)is_read(ledger.record(frees->front().id));
    }
    (void)is_read(ledger.frees("6.1.0"));
    if (const auto found = ledger.find(""); is_read(found))
        check(found->size() <= 2, "no more than two are found");
    (void)is_read(ledger.leaked());
}

} // namespace

} // namespace disarmd::fuzz

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace disarmd::fuzz;
    static const Folder folder;
    const auto path = folder.fresh_file();
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    const bool is_file = input.starts_with("SQLite format 3");
    if (is_file)
        std::ofstream(path, std::ios::binary) << input;
    else
        write_rows(path, input);
    auto ledger = disarmd::Ledger::open_for_reading(path);
    if (is_read(ledger))
        check_ledger(*ledger, !is_file);
    return 0;
}
