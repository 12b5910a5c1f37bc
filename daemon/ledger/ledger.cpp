// SPDX-License-Identifier: Apache-2.0
#include "ledger/ledger.h"

#include <algorithm>
#include <charconv>
#include <filesystem>

#include <SQLiteCpp/SQLiteCpp.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sqlite3.h>
#include <sys/stat.h>

#include "base/text.h"
#include "incident/json.h"
#include "incident/text.h"

namespace disarmd {

namespace {

constexpr int schema = 1;
// "dsmd": what file(1) and we know a ledger by (PRAGMA application_id).
constexpr int application_id = 0x64736d64;
constexpr int busy_timeout_ms = 2000;
// Of the write-ahead log: what some fifty incidents take.
constexpr int log_bytes = 512 * 1024;

using Microseconds = std::chrono::microseconds;

std::int64_t to_database(std::chrono::system_clock::time_point time) {
    return std::chrono::duration_cast<Microseconds>(time.time_since_epoch()).count();
}

// A file that is not of our making may hold one that the clock has not.
std::chrono::system_clock::time_point from_database(std::int64_t time) {
    using std::chrono::system_clock;
    // Whole seconds, so that it can be rounded to them.
    constexpr auto last_s = std::chrono::duration_cast<std::chrono::seconds>(system_clock::duration::max());
    constexpr auto last = Microseconds(last_s).count();
    return system_clock::time_point(Microseconds(std::clamp(time, -last, last)));
}

int errno_of(int sqlite_code) {
    switch (sqlite_code & 0xff) { // without the details
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return Ledger::damaged;
    case SQLITE_FULL:
        return ENOSPC;
    case SQLITE_CANTOPEN:
        return ENOENT;
    case SQLITE_READONLY:
    case SQLITE_PERM:
        return EACCES;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return EBUSY;
    default:
        return EIO;
    }
}

// For SQLite (https://www.sqlite.org/uri.html): a file that does not change.
std::string immutable_uri(const std::string& path) {
    std::string uri = "file:";
    for (const char c : path) {
        if (c == '%' || c == '?' || c == '#')
            uri += fmt::format("%{:02x}", static_cast<unsigned char>(c));
        else
            uri += c;
    }
    return uri + "?immutable=1";
}

// SQLiteCpp tells failures by exceptions; none leaves this file.
template <typename Attempt>
auto guarded(const std::string& attempted, Attempt&& attempt) -> decltype(attempt()) {
    try {
        return attempt();
    } catch (const SQLite::Exception& error) {
        return fail(
            {errno_of(error.getErrorCode()), fmt::format("{}: {}", attempted, printable(error.what()))});
    }
}

// All of it or nothing: a file that is ours holds the table.
void create_schema(SQLite::Database& database) {
    SQLite::Transaction transaction(database);
    database.exec(
        fmt::format("PRAGMA application_id = {};"
                    "CREATE TABLE unloads ("
                    "  id TEXT PRIMARY KEY,"
                    "  freed_us INTEGER NOT NULL," // since 1970, as loaded_us
                    "  loaded_us INTEGER,"
                    "  boot_id TEXT NOT NULL,"
                    "  kernel TEXT NOT NULL,"
                    "  module TEXT NOT NULL,"
                    "  srcversion TEXT NOT NULL,"
                    "  outcome TEXT NOT NULL,"
                    "  verdict TEXT NOT NULL,"
                    "  pending INTEGER NOT NULL,"
                    "  causes TEXT NOT NULL,"
                    "  ranges TEXT NOT NULL," // JSON: where the module was, also while it was loaded
                    "  record TEXT);"         // JSON; nothing for a clean one
                    "CREATE TABLE log (begun INTEGER NOT NULL);" // see begin_log_anew()
                    "INSERT INTO log VALUES (0);"
                    "PRAGMA user_version = {};",
                    application_id, schema));
    transaction.commit();
}

// Every page of the log's file is there from now on, and is only written over: a disk makes that last
// in one go, where what grows takes it two. Nothing is lost if a reader is in the way.
void begin_log_anew(SQLite::Database& database) {
    database.setBusyTimeout(0);
    database.exec("PRAGMA wal_checkpoint(RESTART);");
    database.setBusyTimeout(busy_timeout_ms);
    // The first transaction after that has to begin the file, and to wait for that.
    database.exec("UPDATE log SET begun = begun + 1;");
}

// What add() made of them. Of a file that is damaged, or not of our making, they are as good as unknown.
std::vector<MemoryRange> ranges_from(const std::string& text) {
    std::vector<MemoryRange> ranges;
    const auto document = nlohmann::json::parse(text, nullptr, false);
    if (!document.is_array())
        return {};
    for (const auto& each : document) {
        if (!each.is_object() || !each.contains("start") || !each["start"].is_string() ||
            !each.contains("bytes") || !each["bytes"].is_number_unsigned())
            return {};
        const auto start = each["start"].get<std::string>();
        MemoryRange range{0, each["bytes"].get<std::uint64_t>()};
        const auto* const end = start.data() + start.size();
        if (!start.starts_with("0x") || std::from_chars(start.data() + 2, end, range.start, 16).ptr != end)
            return {};
        ranges.push_back(range);
    }
    return ranges;
}

} // namespace

struct Ledger::State {
    std::string path;
    SQLite::Database database;
    std::unique_ptr<SQLite::Transaction> transaction;
    std::unique_ptr<SQLite::Statement> insertion; // of add(), compiled when first wanted

    State(std::string path_in, const std::string& opened, int flags)
        : path(std::move(path_in)), database(opened, flags, busy_timeout_ms) {}

    // What the file is, before anything else is done with it.
    Result<void> check() {
        const int version = database.execAndGet("PRAGMA user_version").getInt();
        const int id = database.execAndGet("PRAGMA application_id").getInt();
        if (database.execAndGet("SELECT count(*) FROM sqlite_master").getInt() == 0)
            return fail({ENODATA, fmt::format("{} is empty", printable(path))});
        if (id != application_id)
            return fail(
                {EEXIST, fmt::format("{} is another program's database: ledger.path must be a file of "
                                     "its own",
                                     printable(path))});
        if (version > schema)
            return fail(
                {ENOTSUP, fmt::format("{} was written by a newer disarmd (its schema is {}, and {} is "
                                      "known here)",
                                      printable(path), version, schema)});
        const auto found = database.execAndGet("PRAGMA quick_check(1)").getString();
        if (found != "ok")
            return fail({damaged, fmt::format("{} is damaged: {}", printable(path), printable(found))});
        // A view could be made to have no end.
        constexpr const char* table =
            "SELECT count(*) FROM sqlite_master WHERE name = 'unloads' AND type = 'table'";
        if (database.execAndGet(table).getInt() != 1)
            return fail({damaged, fmt::format("{} is damaged: it has no table of unloads", printable(path))});
        return {};
    }
};

Ledger::Ledger(std::unique_ptr<State> state) : state_(std::move(state)) {}
Ledger::Ledger(Ledger&&) noexcept = default;
Ledger& Ledger::operator=(Ledger&&) noexcept = default;
Ledger::~Ledger() = default;

Result<Ledger> Ledger::open_for_writing(const std::string& path) {
    constexpr auto folder_mode = std::filesystem::perms::owner_all | std::filesystem::perms::group_read |
                                 std::filesystem::perms::group_exec;
    const auto folder = std::filesystem::path(path).parent_path();
    std::error_code error;
    if (!folder.empty() && std::filesystem::create_directories(folder, error))
        std::filesystem::permissions(folder, folder_mode, error);
    if (error)
        return fail(Error::from_code(error.value(), fmt::format("creating {}", printable(folder.string()))));
    return guarded(fmt::format("opening the ledger {}", printable(path)), [&]() -> Result<Ledger> {
        auto state = std::make_unique<State>(path, path, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
        // Nothing is done to a file that may not be ours.
        const auto checked = state->check();
        if (!checked && checked.error().code() != ENODATA)
            return fail(checked.error());
        // What it tells of modules is root's, and whoever root lets read it (its group's).
        ::chmod(path.c_str(), S_IRUSR | S_IWUSR | S_IRGRP);
        auto& database = state->database;
        // Checkpoints are tidy()'s.
        database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0;");
        if (!checked)
            create_schema(database);
        database.exec(fmt::format("DROP TABLE IF EXISTS room;" // of one that was killed here
                                  "BEGIN; CREATE TABLE room (bytes BLOB);"
                                  "INSERT INTO room VALUES (zeroblob({})); COMMIT; DROP TABLE room;",
                                  log_bytes));
        begin_log_anew(database);
        return Ledger(std::move(state));
    });
}

Result<Ledger> Ledger::open_for_reading(const std::string& path) {
    const auto open = [&](const std::string& file, int flags) {
        return guarded(fmt::format("opening the ledger {}", printable(path)), [&]() -> Result<Ledger> {
            auto state = std::make_unique<State>(path, file, flags);
            if (auto checked = state->check(); !checked)
                return fail(checked.error());
            return Ledger(std::move(state));
        });
    };
    auto ledger = open(path, SQLite::OPEN_READONLY);
    if (ledger || (ledger.error().code() != ENOENT && ledger.error().code() != EACCES))
        return ledger;
    // A reader leaves files beside it, which it may not where somebody else keeps it. Nobody writes to it
    // there, if the log of one who did is not there either.
    std::error_code error;
    if (!std::filesystem::exists(path, error) || std::filesystem::exists(path + "-wal", error) || error)
        return ledger;
    return open(immutable_uri(path), SQLite::OPEN_READONLY | SQLite::OPEN_URI);
}

Result<std::string> Ledger::set_aside(const std::string& path) {
    const auto now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
    const auto first = fmt::format("{}.damaged-{:%Y%m%d-%H%M%S}", path, fmt::gmtime(now));
    auto target = first;
    std::error_code ignored;
    for (int number = 2; std::filesystem::exists(target, ignored); ++number)
        target = fmt::format("{}-{}", first, number);
    for (const auto* const suffix : {"-wal", "-shm", ""}) {
        std::error_code error;
        std::filesystem::rename(path + suffix, target + suffix, error);
        if (error && error != std::errc::no_such_file_or_directory)
            return fail(
                Error::from_code(error.value(), fmt::format("setting {}{} aside", printable(path), suffix)));
    }
    return target;
}

Result<void> Ledger::add(const Incident& incident) {
    return guarded(fmt::format("writing to the ledger {}", printable(state_->path)), [&]() -> Result<void> {
        auto& database = state_->database;
        if (!state_->transaction)
            state_->transaction = std::make_unique<SQLite::Transaction>(database);
        const auto& unload = incident.unload;
        const auto document = to_json(incident);
        auto ranges = nlohmann::ordered_json::array();
        if (const auto& instance = document["instance"]; instance.is_object()) {
            ranges = instance["ranges"];
            if (unload.identity.init_section)
                ranges.push_back(instance["init_section"]);
        }
        if (!state_->insertion)
            state_->insertion = std::make_unique<SQLite::Statement>(
                database, "INSERT OR IGNORE INTO unloads VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)");
        auto& insert = *state_->insertion;
        insert.reset();
        insert.clearBindings();
        int at = 0;
        insert.bind(++at, incident.id);
        insert.bind(++at, to_database(incident.at));
        ++at; // stays NULL where it is not known
        if (const auto& age = unload.identity.loaded_age)
            insert.bind(at, to_database(incident.at - std::chrono::duration_cast<Microseconds>(*age)));
        insert.bind(++at, incident.host.boot_id);
        insert.bind(++at, incident.host.kernel);
        insert.bind(++at, unload.module);
        insert.bind(++at, unload.identity.srcversion);
        insert.bind(++at, std::string(name_of(unload.outcome)));
        insert.bind(++at, std::string(name_of(unload.verdict)));
        insert.bind(++at, static_cast<std::int64_t>(unload.pending_count));
        insert.bind(++at, causes_text(unload));
        insert.bind(++at, to_line(ranges));
        ++at;
        if (is_notable(unload))
            insert.bind(at, to_line(document));
        insert.exec();
        return {};
    });
}

Result<void> Ledger::commit() {
    if (!state_->transaction)
        return {};
    return guarded(fmt::format("committing to the ledger {}", printable(state_->path)),
                   [&]() -> Result<void> {
                       // Gone, whether that succeeds or not: what it can't keep now it could not later
                       // either.
                       const auto transaction = std::move(state_->transaction);
                       transaction->commit();
                       return {};
                   });
}

void Ledger::roll_back() {
    state_->transaction.reset();
}

Result<void> Ledger::tidy() {
    return guarded(fmt::format("tidying the ledger {}", printable(state_->path)), [&]() -> Result<void> {
        begin_log_anew(state_->database);
        return {};
    });
}

Result<void> Ledger::prune(const Retention& retention, std::chrono::system_clock::time_point now) {
    if (auto committed = commit(); !committed)
        return committed;
    return guarded(fmt::format("pruning the ledger {}", printable(state_->path)), [&]() -> Result<void> {
        SQLite::Statement old(state_->database, "DELETE FROM unloads WHERE freed_us < ?");
        old.bind(1, to_database(now - retention.age));
        old.exec();
        SQLite::Statement many(state_->database, "DELETE FROM unloads WHERE id IN (SELECT id FROM unloads "
                                                 "ORDER BY record IS NULL, freed_us DESC LIMIT -1 OFFSET ?)");
        many.bind(1, static_cast<std::int64_t>(retention.unloads));
        many.exec();
        return {};
    });
}

Result<std::vector<IncidentSummary>> Ledger::incidents(const std::optional<std::string>& module) {
    return guarded(
        fmt::format("reading the ledger {}", printable(state_->path)),
        [&]() -> Result<std::vector<IncidentSummary>> {
            SQLite::Statement rows(state_->database,
                                   "SELECT id, freed_us, module, outcome, verdict, pending, causes, "
                                   "kernel FROM unloads WHERE record IS NOT NULL AND "
                                   "(?1 IS NULL OR module = ?1) ORDER BY freed_us, id");
            if (module)
                rows.bind(1, *module);
            std::vector<IncidentSummary> incidents;
            while (rows.executeStep()) {
                int at = 0;
                auto& incident = incidents.emplace_back();
                incident.id = rows.getColumn(at++).getString();
                incident.at = from_database(rows.getColumn(at++).getInt64());
                incident.module = rows.getColumn(at++).getString();
                incident.outcome = rows.getColumn(at++).getString();
                incident.verdict = rows.getColumn(at++).getString();
                incident.pending_count =
                    static_cast<std::size_t>(std::max<std::int64_t>(0, rows.getColumn(at++).getInt64()));
                incident.causes = rows.getColumn(at++).getString();
                incident.kernel = rows.getColumn(at++).getString();
            }
            return incidents;
        });
}

Result<std::vector<StoredFree>> Ledger::frees(const std::optional<std::string>& kernel) {
    return guarded(fmt::format("reading the ledger {}", printable(state_->path)),
                   [&]() -> Result<std::vector<StoredFree>> {
                       SQLite::Statement rows(
                           state_->database,
                           "SELECT id, freed_us, module, verdict, causes, ranges, record IS NOT NULL "
                           "FROM unloads WHERE ?1 IS NULL OR kernel = ?1 ORDER BY freed_us DESC, id");
                       if (kernel)
                           rows.bind(1, *kernel);
                       std::vector<StoredFree> frees;
                       while (rows.executeStep()) {
                           int at = 0;
                           auto& free = frees.emplace_back();
                           free.id = rows.getColumn(at++).getString();
                           free.at = from_database(rows.getColumn(at++).getInt64());
                           free.module = rows.getColumn(at++).getString();
                           free.verdict = rows.getColumn(at++).getString();
                           free.causes = rows.getColumn(at++).getString();
                           free.ranges = ranges_from(rows.getColumn(at++).getString());
                           free.has_record = rows.getColumn(at++).getInt() != 0;
                       }
                       return frees;
                   });
}

Result<std::set<ModuleBuild>> Ledger::leaked() {
    return guarded(fmt::format("reading the ledger {}", printable(state_->path)),
                   [&]() -> Result<std::set<ModuleBuild>> {
                       SQLite::Statement rows(state_->database,
                                              "SELECT DISTINCT module, srcversion FROM unloads "
                                              "WHERE verdict = 'leak'");
                       std::set<ModuleBuild> builds;
                       while (rows.executeStep())
                           builds.insert({rows.getColumn(0).getString(), rows.getColumn(1).getString()});
                       return builds;
                   });
}

Result<std::optional<std::string>> Ledger::record(const std::string& id) {
    return guarded(fmt::format("reading the ledger {}", printable(state_->path)),
                   [&]() -> Result<std::optional<std::string>> {
                       SQLite::Statement row(state_->database, "SELECT record FROM unloads WHERE id = ?");
                       row.bind(1, id);
                       if (!row.executeStep() || row.getColumn(0).isNull())
                           return std::nullopt;
                       return row.getColumn(0).getString();
                   });
}

Result<std::vector<std::string>> Ledger::find(const std::string& id_prefix) {
    return guarded(fmt::format("reading the ledger {}", printable(state_->path)),
                   [&]() -> Result<std::vector<std::string>> {
                       SQLite::Statement rows(state_->database,
                                              "SELECT record FROM unloads WHERE record IS NOT NULL AND "
                                              "substr(id, 1, length(?1)) = ?1 ORDER BY id LIMIT 2");
                       rows.bind(1, id_prefix);
                       std::vector<std::string> records;
                       while (rows.executeStep())
                           records.push_back(rows.getColumn(0).getString());
                       return records;
                   });
}

} // namespace disarmd
