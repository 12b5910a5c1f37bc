// SPDX-License-Identifier: Apache-2.0
#include "ledger/ledger.h"

#include <filesystem>
#include <ostream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <sqlite3.h>

#include "builders.h"
#include "incident/json.h"

namespace disarmd {
namespace {

using namespace std::chrono_literals;
using std::filesystem::perms;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

using test::incident_number;

// What another program does to the file.
void execute(const std::string& path, const std::string& sql) {
    sqlite3* database = nullptr;
    ASSERT_EQ(sqlite3_open(path.c_str(), &database), SQLITE_OK);
    char* error = nullptr;
    EXPECT_EQ(sqlite3_exec(database, sql.c_str(), nullptr, nullptr, &error), SQLITE_OK) << error;
    sqlite3_free(error);
    ASSERT_EQ(sqlite3_close(database), SQLITE_OK);
}

// The first column of what a statement gives, as text.
std::vector<std::string> column_of(const std::string& path, const std::string& sql) {
    std::vector<std::string> texts;
    sqlite3* database = nullptr;
    EXPECT_EQ(sqlite3_open_v2(path.c_str(), &database, SQLITE_OPEN_READONLY, nullptr), SQLITE_OK);
    sqlite3_stmt* statement = nullptr;
    EXPECT_EQ(sqlite3_prepare_v2(database, sql.c_str(), -1, &statement, nullptr), SQLITE_OK);
    while (sqlite3_step(statement) == SQLITE_ROW) {
        const auto* const text = sqlite3_column_blob(statement, 0);
        texts.emplace_back(text == nullptr ? "(null)" : static_cast<const char*>(text),
                           text == nullptr ? 6
                                           : static_cast<std::size_t>(sqlite3_column_bytes(statement, 0)));
    }
    sqlite3_finalize(statement);
    sqlite3_close(database);
    return texts;
}

class LedgerTest : public testing::Test {
protected:
    [[nodiscard]] Ledger writable() const { return opened(Ledger::open_for_writing(path)); }
    [[nodiscard]] Ledger readable() const { return opened(Ledger::open_for_reading(path)); }
    // With as many incidents, committed.
    void fill(std::uint64_t count) const {
        auto ledger = writable();
        for (std::uint64_t number = 0; number < count; ++number)
            ASSERT_TRUE(ledger.add(incident_number(number, test::detailed_unload())));
        ASSERT_TRUE(ledger.commit());
    }
    [[nodiscard]] std::vector<std::string> listed(const std::optional<std::string>& module = {}) const {
        auto ledger = readable();
        std::vector<std::string> ids;
        const auto incidents = ledger.incidents(module).value();
        for (const auto& incident : incidents)
            ids.push_back(incident.id);
        return ids;
    }

    const test::TemporaryFolder folder;
    const std::string path = folder.file("ledger.db");

private:
    static Ledger opened(Result<Ledger> ledger) {
        if (!ledger)
            throw std::runtime_error(ledger.error().text());
        return std::move(*ledger);
    }
};

std::string id_of(std::uint64_t number) {
    return incident_id(test::host().boot_id, number);
}

TEST_F(LedgerTest, that_is_new_lists_nothing) {
    auto ledger = writable();
    EXPECT_THAT(ledger.incidents({}).value(), IsEmpty());
    EXPECT_THAT(ledger.find("").value(), IsEmpty());
    EXPECT_THAT(listed(), IsEmpty()) << "another can read it already";
}

TEST_F(LedgerTest, shows_a_second_reader_what_was_committed_and_no_more) {
    auto ledger = writable();
    ASSERT_TRUE(ledger.add(incident_number(1, test::detailed_unload())));
    auto reader = readable();
    EXPECT_THAT(reader.incidents({}).value(), IsEmpty());
    ASSERT_TRUE(ledger.commit());
    EXPECT_THAT(reader.incidents({}).value(), SizeIs(1));
    ASSERT_TRUE(ledger.commit()) << "of nothing";
    ASSERT_TRUE(ledger.add(incident_number(2, test::leaking_unload())));
    EXPECT_THAT(reader.incidents({}).value(), SizeIs(1));
    ASSERT_TRUE(ledger.commit());
    EXPECT_THAT(reader.incidents({}).value(), SizeIs(2));
}

TEST_F(LedgerTest, tells_where_each_module_had_been_the_last_one_first) {
    auto clean = test::detailed_unload();
    clean.verdict = Verdict::clean;
    clean.pending.clear();
    clean.pending_count = 0;
    clean.identity.ranges = {{0xffffffffc0b00000, 0x3000}};
    clean.identity.init_section.reset();
    {
        auto ledger = writable();
        ASSERT_TRUE(ledger.add(incident_number(1, test::detailed_unload())));
        ASSERT_TRUE(ledger.add(incident_number(2, clean)));
        ASSERT_TRUE(ledger.commit());
    }
    auto ledger = readable();
    const auto frees = ledger.frees({}).value();
    ASSERT_THAT(frees, SizeIs(2));
    EXPECT_EQ(frees[0].id, id_of(2));
    EXPECT_EQ(frees[0].verdict, "clean");
    EXPECT_FALSE(frees[0].has_record);
    EXPECT_EQ(frees[0].ranges, clean.identity.ranges);
    EXPECT_EQ(frees[1].id, id_of(1));
    EXPECT_EQ(frees[1].module, test::detailed_unload().module);
    EXPECT_TRUE(frees[1].has_record);
    EXPECT_FALSE(frees[1].causes.empty());
    auto ranges = test::detailed_unload().identity.ranges;
    if (const auto& init = test::detailed_unload().identity.init_section)
        ranges.push_back(*init);
    EXPECT_EQ(frees[1].ranges, ranges);
    EXPECT_THAT(ledger.frees(test::host().kernel).value(), SizeIs(2));
    EXPECT_THAT(ledger.frees("another").value(), IsEmpty());
    // What is damaged is not known.
    for (const auto* const ranges_text :
         {"", "[", "{}", "[1]", R"([{"start":1,"bytes":1}])", R"([{"start":"0x1","bytes":-1}])",
          R"([{"start":"0xzz","bytes":1}])", R"([{"start":"12","bytes":1}])"}) {
        execute(path, fmt::format("UPDATE unloads SET ranges = '{}'", ranges_text));
        EXPECT_THAT(ledger.frees({}).value().at(0).ranges, IsEmpty()) << ranges_text;
    }
}

TEST_F(LedgerTest, lists_what_a_list_shows_of_an_incident) {
    auto unload = test::detailed_unload();
    unload.outcome = Outcome::init_failed;
    unload.pending.resize(2, unload.pending.front());
    unload.pending[1].cause = Cause::unknown;
    unload.pending_count = 70;
    {
        auto ledger = writable();
        ASSERT_TRUE(ledger.add(test::incident_of(unload)));
        ASSERT_TRUE(ledger.commit());
    }
    auto ledger = readable();
    const auto incidents = ledger.incidents({}).value();
    ASSERT_THAT(incidents, SizeIs(1));
    const auto& incident = incidents.front();
    EXPECT_EQ(incident.id, "0123456789ab");
    EXPECT_EQ(incident.at, test::incident_at);
    EXPECT_EQ(incident.module, "m");
    EXPECT_EQ(incident.outcome, "init-failed");
    EXPECT_EQ(incident.verdict, "leak");
    EXPECT_EQ(incident.pending_count, 70U);
    EXPECT_EQ(incident.causes, "rearmed-after-delete, unknown");
    EXPECT_EQ(incident.kernel, "6.12.0-1-amd64");
}

TEST_F(LedgerTest, holds_every_column_that_other_tools_may_ask_for) {
    fill(1);
    const auto asked = [&](const std::string& column) {
        return column_of(path, "SELECT " + column + " FROM unloads").front();
    };
    EXPECT_EQ(asked("freed_us"), "1795459308123000");
    EXPECT_EQ(asked("loaded_us"), "1795455708123000");
    EXPECT_EQ(asked("boot_id"), test::host().boot_id);
    EXPECT_EQ(asked("srcversion"), "0123456789ABCDEF01234567");
    EXPECT_EQ(asked("ranges"), R"([{"start":"0xffffffffc0a00000","bytes":8192},)"
                               R"({"start":"0xffffffffc0a04000","bytes":4096},)"
                               R"({"start":"0xffffffffc0a08000","bytes":4096}])");
    EXPECT_EQ(asked("record"), to_line(to_json(incident_number(0, test::detailed_unload()))));
    EXPECT_THAT(column_of(path, "PRAGMA application_id"), ElementsAre("1685286244"));
    EXPECT_THAT(column_of(path, "PRAGMA user_version"), ElementsAre("1"));
    EXPECT_THAT(column_of(path, "PRAGMA journal_mode"), ElementsAre("wal"));
}

TEST_F(LedgerTest, keeps_no_record_of_a_clean_unload_and_does_not_list_it) {
    auto ledger = writable();
    ASSERT_TRUE(ledger.add(incident_number(1, test::clean_unload())));
    ASSERT_TRUE(ledger.add(incident_number(2, test::inconclusive_unload())));
    ASSERT_TRUE(ledger.commit());
    EXPECT_THAT(column_of(path, "SELECT record IS NULL FROM unloads ORDER BY freed_us"),
                ElementsAre("1", "0"));
    EXPECT_THAT(column_of(path, "SELECT loaded_us FROM unloads"), ElementsAre("(null)", "(null)"));
    EXPECT_THAT(listed(), ElementsAre(id_of(2)));
    EXPECT_THAT(ledger.find(id_of(1)).value(), IsEmpty());
}

TEST_F(LedgerTest, lists_by_time_and_of_one_module) {
    auto ledger = writable();
    auto other = test::leaking_unload();
    other.module = "other";
    for (const std::uint64_t number : {3, 1, 2})
        ASSERT_TRUE(ledger.add(incident_number(number, number == 2 ? other : test::leaking_unload())));
    ASSERT_TRUE(ledger.commit());
    EXPECT_THAT(listed(), ElementsAre(id_of(1), id_of(2), id_of(3)));
    EXPECT_THAT(listed("other"), ElementsAre(id_of(2)));
    EXPECT_THAT(listed("m"), ElementsAre(id_of(1), id_of(3)));
    EXPECT_THAT(listed("absent"), IsEmpty());
    EXPECT_THAT(listed(""), IsEmpty());
    EXPECT_THAT(listed("' OR 1 --"), IsEmpty());
}

TEST_F(LedgerTest, leaves_what_it_has_of_an_id_as_it_is) {
    auto ledger = writable();
    ASSERT_TRUE(ledger.add(test::incident_of(test::leaking_unload())));
    ASSERT_TRUE(ledger.add(test::incident_of(test::inconclusive_unload())));
    ASSERT_TRUE(ledger.commit());
    ASSERT_TRUE(ledger.add(test::incident_of(test::inconclusive_unload())));
    ASSERT_TRUE(ledger.commit());
    const auto incidents = ledger.incidents({}).value();
    ASSERT_THAT(incidents, SizeIs(1));
    EXPECT_EQ(incidents.front().verdict, "leak");
}

TEST_F(LedgerTest, finds_records_by_the_begin_of_their_ids) {
    auto ledger = writable();
    for (const std::string id : {"aaaa00000000", "aaab00000000", "aaac00000000", "b%_*00000000"}) {
        auto incident = test::incident_of(test::leaking_unload());
        incident.id = id;
        ASSERT_TRUE(ledger.add(incident));
    }
    ASSERT_TRUE(ledger.commit());
    const auto ids = [&](const std::string& begin) {
        std::vector<std::string> found;
        const auto records = ledger.find(begin).value();
        for (const auto& record : records)
            found.push_back(nlohmann::json::parse(record)["id"]);
        return found;
    };
    EXPECT_THAT(ids("aaaa00000000"), ElementsAre("aaaa00000000"));
    EXPECT_THAT(ids("aaab"), ElementsAre("aaab00000000"));
    EXPECT_THAT(ids("aaa"), SizeIs(2)) << "several: no more are needed to tell";
    EXPECT_THAT(ids(""), SizeIs(2));
    EXPECT_THAT(ids("b%"), ElementsAre("b%_*00000000"));
    for (const std::string begin : {"%", "_", "aaaa%", "a_aa", "*", "AAAA", "aaaa000000000", "' OR ''='"})
        EXPECT_THAT(ids(begin), IsEmpty()) << begin;
    EXPECT_THAT(ids(std::string("\0", 1)), IsEmpty());
    EXPECT_THAT(ids("\xff"), IsEmpty());
}

TEST_F(LedgerTest, finds_the_very_document) {
    const auto incident = test::incident_of(test::hostile_unload());
    auto ledger = writable();
    ASSERT_TRUE(ledger.add(incident));
    ASSERT_TRUE(ledger.commit());
    EXPECT_THAT(ledger.find("0123").value(), ElementsAre(to_line(to_json(incident))));
}

TEST_F(LedgerTest, keeps_the_bytes_of_a_modules_name) {
    std::vector<std::string> names{test::hostile, std::string("a\0b", 3), "'; DROP TABLE unloads; --", ""};
    {
        auto ledger = writable();
        for (std::size_t i = 0; i < names.size(); ++i) {
            auto unload = test::leaking_unload();
            unload.module = names[i];
            unload.identity.srcversion = test::hostile;
            ASSERT_TRUE(ledger.add(incident_number(i, unload)));
        }
        ASSERT_TRUE(ledger.commit());
    }
    auto ledger = readable();
    const auto incidents = ledger.incidents({}).value();
    ASSERT_EQ(incidents.size(), names.size());
    for (std::size_t i = 0; i < names.size(); ++i) {
        EXPECT_EQ(incidents[i].module, names[i]);
        EXPECT_THAT(ledger.incidents(names[i]).value(), SizeIs(1)) << i;
    }
}

TEST_F(LedgerTest, takes_an_incident_without_a_free) {
    auto incident = test::incident_of(test::not_unloaded());
    incident.id = "x";
    auto ledger = writable();
    ASSERT_TRUE(ledger.add(incident));
    ASSERT_TRUE(ledger.commit());
    EXPECT_THAT(ledger.find("x").value(), ElementsAre(to_line(to_json(incident))));
    EXPECT_THAT(column_of(path, "SELECT ranges FROM unloads"), ElementsAre("[]"));
}

TEST_F(LedgerTest, loses_what_was_not_committed) {
    {
        auto ledger = writable();
        ASSERT_TRUE(ledger.add(incident_number(1, test::leaking_unload())));
        ASSERT_TRUE(ledger.commit());
        ASSERT_TRUE(ledger.add(incident_number(2, test::leaking_unload())));
    }
    EXPECT_THAT(listed(), ElementsAre(id_of(1)));
    fill(0);
    EXPECT_THAT(listed(), ElementsAre(id_of(1))) << "a ledger that is there is kept";
}

TEST_F(LedgerTest, drops_what_is_too_old) {
    auto ledger = writable();
    ASSERT_TRUE(ledger.add(incident_number(0, test::leaking_unload())));
    ASSERT_TRUE(ledger.add(incident_number(9, test::clean_unload())));
    ASSERT_TRUE(ledger.add(incident_number(10, test::leaking_unload())));
    ASSERT_TRUE(ledger.add(incident_number(11, test::clean_unload())));
    Retention retention;
    retention.age = std::chrono::days(2);
    ASSERT_TRUE(ledger.prune(retention, test::incident_at + 48h + 10s));
    EXPECT_THAT(column_of(path, "SELECT id FROM unloads ORDER BY freed_us"),
                ElementsAre(id_of(10), id_of(11)));
    ASSERT_TRUE(ledger.prune(retention, test::incident_at));
    EXPECT_THAT(listed(), ElementsAre(id_of(10)))
        << "what is of the future, by a clock that was set, is kept";
}

TEST_F(LedgerTest, drops_what_is_too_much_clean_ones_first_and_old_ones_before_new_ones) {
    auto ledger = writable();
    for (std::uint64_t number = 0; number < 6; ++number)
        ASSERT_TRUE(ledger.add(
            incident_number(number, number % 2 == 0 ? test::leaking_unload() : test::clean_unload())));
    const auto kept = [&](std::size_t unloads) {
        Retention retention;
        retention.unloads = unloads;
        EXPECT_TRUE(ledger.prune(retention, test::incident_at));
        return column_of(path, "SELECT id FROM unloads ORDER BY freed_us");
    };
    EXPECT_THAT(kept(6), SizeIs(6));
    EXPECT_THAT(kept(5), ElementsAre(id_of(0), id_of(2), id_of(3), id_of(4), id_of(5)));
    EXPECT_THAT(kept(4), ElementsAre(id_of(0), id_of(2), id_of(4), id_of(5)));
    EXPECT_THAT(kept(2), ElementsAre(id_of(2), id_of(4)));
    EXPECT_THAT(kept(1), ElementsAre(id_of(4)));
}

TEST_F(LedgerTest, makes_file_and_folder_for_root_and_readable_for_its_group) {
    const auto deep = folder.file("a/b/ledger.db");
    auto ledger = Ledger::open_for_writing(deep);
    ASSERT_TRUE(ledger) << ledger.error().text();
    ASSERT_TRUE(ledger->add(test::incident_of(test::leaking_unload())));
    ASSERT_TRUE(ledger->commit());
    const auto mode = [](const std::string& file) { return std::filesystem::status(file).permissions(); };
    EXPECT_EQ(mode(deep), perms::owner_read | perms::owner_write | perms::group_read);
    EXPECT_EQ(mode(deep + "-wal"), perms::owner_read | perms::owner_write | perms::group_read);
    EXPECT_EQ(mode(folder.file("a/b")), perms::owner_all | perms::group_read | perms::group_exec);
}

TEST_F(LedgerTest, leaves_the_mode_of_a_folder_that_is_there) {
    std::filesystem::permissions(folder.path(), perms::owner_all);
    ASSERT_TRUE(Ledger::open_for_writing(path));
    EXPECT_EQ(std::filesystem::status(folder.path()).permissions(), perms::owner_all);
}

TEST_F(LedgerTest, cant_be_opened_where_there_can_be_no_folder) {
    test::write_file(folder.file("file"), "");
    const auto ledger = Ledger::open_for_writing(folder.file("file/ledger.db"));
    ASSERT_FALSE(ledger);
    EXPECT_EQ(ledger.error().code(), ENOTDIR);
    EXPECT_EQ(ledger.error().text(), "creating " + folder.file("file") + ": Not a directory");
}

TEST_F(LedgerTest, that_is_missing_cant_be_read_and_is_not_made) {
    const auto ledger = Ledger::open_for_reading(path);
    ASSERT_FALSE(ledger);
    EXPECT_EQ(ledger.error().code(), ENOENT);
    EXPECT_EQ(ledger.error().text(), "opening the ledger " + path + ": unable to open database file");
    EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(LedgerTest, that_is_empty_can_be_written_and_not_read) {
    test::write_file(path, "");
    const auto ledger = Ledger::open_for_reading(path);
    ASSERT_FALSE(ledger);
    EXPECT_EQ(ledger.error().code(), ENODATA);
    EXPECT_EQ(ledger.error().text(), path + " is empty");
    fill(1);
    EXPECT_THAT(listed(), SizeIs(1));
}

TEST_F(LedgerTest, cant_write_what_was_opened_for_reading) {
    fill(1);
    auto ledger = readable();
    const auto added = ledger.add(incident_number(5, test::leaking_unload()));
    ASSERT_FALSE(added);
    EXPECT_EQ(added.error().code(), EACCES);
    EXPECT_THAT(added.error().text(), HasSubstr("writing to the ledger " + path + ": "));
}

TEST_F(LedgerTest, that_another_writes_to_is_busy) {
    fill(1);
    auto first = writable();
    auto second = writable();
    ASSERT_TRUE(first.add(incident_number(5, test::leaking_unload())));
    const auto added = second.add(incident_number(6, test::leaking_unload()));
    ASSERT_FALSE(added);
    EXPECT_EQ(added.error().code(), EBUSY);
    ASSERT_TRUE(first.commit());
}

TEST_F(LedgerTest, of_a_newer_schema_is_refused_and_left_as_it_is) {
    fill(1);
    execute(path, "PRAGMA user_version = 2");
    for (const auto& ledger : {Ledger::open_for_reading(path).map([](auto&&) {}),
                               Ledger::open_for_writing(path).map([](auto&&) {})}) {
        ASSERT_FALSE(ledger);
        EXPECT_EQ(ledger.error().code(), ENOTSUP);
        EXPECT_EQ(ledger.error().text(),
                  path + " was written by a newer disarmd (its schema is 2, and 1 is known here)");
    }
    EXPECT_THAT(column_of(path, "SELECT id FROM unloads"), SizeIs(1));
}

TEST_F(LedgerTest, of_somebody_elses_making_tells_times_that_there_are) {
    fill(1);
    execute(path, "UPDATE unloads SET freed_us = 9223372036854775807, pending = -1");
    EXPECT_EQ(readable().incidents({}).value().front().pending_count, 0U);
    EXPECT_THAT(time_text(readable().incidents({}).value().front().at), testing::StartsWith("2262-"));
    execute(path, "UPDATE unloads SET freed_us = -9223372036854775807");
    EXPECT_THAT(time_text(readable().frees({}).value().front().at), testing::StartsWith("1677-"));
}

TEST_F(LedgerTest, errors_are_printable) {
    const auto odd = folder.file("a\nb");
    execute(odd, "PRAGMA application_id = 0x64736d64; CREATE TABLE unloads (id);"
                 "CREATE TABLE t (a); CREATE INDEX \"i\x1b\" ON t (a); PRAGMA writable_schema = ON;"
                 "UPDATE sqlite_master SET sql = 'CREATE INDEX ?' WHERE type = 'index'");
    const auto ledger = Ledger::open_for_reading(odd);
    ASSERT_FALSE(ledger);
    EXPECT_THAT(ledger.error().text(), HasSubstr(R"(a\x0ab: malformed database schema (i\x1b))"));
}

TEST_F(LedgerTest, whose_unloads_are_a_view_is_damaged) {
    fill(1);
    execute(path, "ALTER TABLE unloads RENAME TO t; CREATE VIEW unloads AS SELECT * FROM t");
    const auto ledger = Ledger::open_for_reading(path);
    ASSERT_FALSE(ledger);
    EXPECT_EQ(ledger.error().code(), Ledger::damaged);
}

struct DamageCase {
    std::string_view name;
    std::function<void(const std::string& path)> damage; // to a whole ledger

    friend void PrintTo(const DamageCase& value, std::ostream* out) { *out << value.name; }
};

class DamagedLedger : public LedgerTest, public testing::WithParamInterface<DamageCase> {};

TEST_P(DamagedLedger, is_told_from_other_errors) {
    fill(200);
    GetParam().damage(path);
    const auto read = Ledger::open_for_reading(path);
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().code(), Ledger::damaged) << read.error().text();
    EXPECT_THAT(read.error().text(), HasSubstr(path));
    const auto written = Ledger::open_for_writing(path);
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().code(), Ledger::damaged) << written.error().text();
}

void overwrite(const std::string& path, std::size_t at, std::string_view bytes) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(at));
    file << bytes;
}

INSTANTIATE_TEST_SUITE_P(
    damages, DamagedLedger,
    testing::Values(
        DamageCase{"garbage",
                   [](const std::string& path) { test::write_file(path, std::string(50'000, 'x')); }},
        DamageCase{"zeroes",
                   [](const std::string& path) { test::write_file(path, std::string(50'000, '\0')); }},
        DamageCase{"its begin is gone",
                   [](const std::string& path) { overwrite(path, 0, std::string(100, '\0')); }},
        DamageCase{"truncated in the middle",
                   [](const std::string& path) {
                       std::filesystem::resize_file(path, std::filesystem::file_size(path) / 2);
                   }},
        DamageCase{"truncated to its first page",
                   [](const std::string& path) { std::filesystem::resize_file(path, 4096); }},
        DamageCase{"truncated within a page",
                   [](const std::string& path) {
                       std::filesystem::resize_file(path, std::filesystem::file_size(path) - 5000);
                   }},
        DamageCase{"flipped bytes in the middle",
                   [](const std::string& path) {
                       const auto size = std::filesystem::file_size(path);
                       for (std::size_t at = 4096; at < size; at += 4096)
                           overwrite(path, at, "\xff\xfe\xfd\xfc\xff\xfe\xfd\xfc\xff\xff\xff\xff");
                   }},
        DamageCase{"a page of another",
                   [](const std::string& path) { overwrite(path, 8192, std::string(4096, '\x5a')); }}));

TEST_F(LedgerTest, does_nothing_to_a_database_of_something_else) {
    execute(path, "CREATE TABLE t (a); INSERT INTO t VALUES (1);");
    std::filesystem::permissions(path, perms::owner_read | perms::owner_write);
    const auto before = test::content_of(path);
    for (const auto& ledger : {Ledger::open_for_reading(path).map([](auto&&) {}),
                               Ledger::open_for_writing(path).map([](auto&&) {})}) {
        ASSERT_FALSE(ledger);
        EXPECT_EQ(ledger.error().code(), EEXIST);
        EXPECT_EQ(ledger.error().text(),
                  path + " is another program's database: ledger.path must be a file of its own");
    }
    EXPECT_EQ(test::content_of(path), before);
    EXPECT_EQ(std::filesystem::status(path).permissions(), perms::owner_read | perms::owner_write);
    EXPECT_FALSE(std::filesystem::exists(path + "-wal"));
}

TEST_F(LedgerTest, opens_after_one_that_was_killed_while_it_made_room) {
    fill(1);
    execute(path, "CREATE TABLE room (bytes BLOB)");
    auto ledger = writable();
    ASSERT_TRUE(ledger.add(incident_number(7, test::leaking_unload())));
    ASSERT_TRUE(ledger.commit());
    EXPECT_THAT(column_of(path, "SELECT name FROM sqlite_master WHERE name = 'room'"), IsEmpty());
}

TEST_F(LedgerTest, tells_damage_that_happens_while_it_is_open) {
    fill(200);
    auto ledger = readable();
    test::write_file(path, std::string(50'000, 'x'));
    const auto incidents = ledger.incidents({});
    ASSERT_FALSE(incidents);
    EXPECT_EQ(incidents.error().code(), Ledger::damaged) << incidents.error().text();
}

TEST_F(LedgerTest, is_set_aside_with_its_companions) {
    test::write_file(path, "file");
    test::write_file(path + "-wal", "wal");
    test::write_file(path + "-shm", "shm");
    const auto target = Ledger::set_aside(path);
    ASSERT_TRUE(target) << target.error().text();
    EXPECT_THAT(*target, testing::MatchesRegex(".*/ledger\\.db\\.damaged-20[0-9]{6}-[0-9]{6}"));
    EXPECT_EQ(test::content_of(*target), "file");
    EXPECT_EQ(test::content_of(*target + "-wal"), "wal");
    EXPECT_EQ(test::content_of(*target + "-shm"), "shm");
    for (const std::string suffix : {"", "-wal", "-shm"})
        EXPECT_FALSE(std::filesystem::exists(path + suffix));
}

TEST_F(LedgerTest, is_set_aside_beside_those_that_were) {
    std::vector<std::string> targets;
    for (int number = 0; number < 3; ++number) {
        test::write_file(path, std::to_string(number));
        const auto target = Ledger::set_aside(path);
        ASSERT_TRUE(target) << target.error().text();
        targets.push_back(*target);
    }
    for (std::size_t number = 0; number < targets.size(); ++number)
        EXPECT_EQ(test::content_of(targets[number]), std::to_string(number));
}

TEST_F(LedgerTest, cant_be_set_aside_into_a_file) {
    test::write_file(folder.file("file"), "");
    const auto target = Ledger::set_aside(folder.file("file/ledger.db"));
    ASSERT_FALSE(target);
    EXPECT_EQ(target.error().code(), ENOTDIR);
}

TEST_F(LedgerTest, knows_which_builds_of_modules_left_timers) {
    auto ledger = writable();
    auto clean = test::clean_unload();
    clean.module = "clean";
    auto inconclusive = test::inconclusive_unload();
    inconclusive.module = "unknown";
    auto denied = test::denied_unload();
    denied.module = "denied";
    auto nameless = test::leaking_unload();
    nameless.module = "no_srcversion";
    nameless.identity.srcversion.clear();
    std::uint64_t number = 0;
    for (const auto& unload :
         {clean, inconclusive, denied, nameless, test::detailed_unload(), test::detailed_unload()})
        ASSERT_TRUE(ledger.add(incident_number(number++, unload)));
    ASSERT_TRUE(ledger.commit());
    const auto leaked = readable().leaked();
    ASSERT_TRUE(leaked) << leaked.error().text();
    EXPECT_THAT(*leaked,
                ElementsAre(ModuleBuild("m", "0123456789ABCDEF01234567"), ModuleBuild("no_srcversion", "")));
}

} // namespace
} // namespace disarmd
