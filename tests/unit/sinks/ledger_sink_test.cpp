// SPDX-License-Identifier: Apache-2.0
#include "sinks/ledger_sink.h"

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include "builders.h"

namespace disarmd {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

class LedgerSinkTest : public testing::Test {
protected:
    [[nodiscard]] LedgerSink sink() const { return LedgerSink(path, Retention{}); }
    [[nodiscard]] std::vector<std::string> listed() const {
        auto ledger = Ledger::open_for_reading(path);
        if (!ledger) {
            ADD_FAILURE() << ledger.error().text();
            return {};
        }
        std::vector<std::string> ids;
        const auto incidents = ledger->incidents({}).value();
        for (const auto& incident : incidents)
            ids.push_back(incident.id);
        return ids;
    }
    [[nodiscard]] std::vector<std::string> set_aside() const {
        std::vector<std::string> names;
        for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
            if (entry.path().filename().string().starts_with("ledger.db.damaged-"))
                names.push_back(entry.path());
        }
        return names;
    }
    static Incident leak(std::uint64_t number) {
        return test::incident_number(number, test::detailed_unload());
    }
    static std::string id(std::uint64_t number) { return leak(number).id; }

    const test::TemporaryFolder folder;
    const std::string path = folder.file("ledger.db");
};

TEST_F(LedgerSinkTest, takes_every_unload_that_has_an_id) {
    const auto ledger = sink();
    EXPECT_EQ(ledger.name(), "ledger");
    EXPECT_FALSE(ledger.is_immediate());
    for (const auto& unload : {test::clean_unload(), test::leaking_unload(), test::inconclusive_unload()})
        EXPECT_TRUE(ledger.takes(test::incident_of(unload)));
    EXPECT_FALSE(ledger.takes(test::incident_of(test::not_unloaded())));
}

TEST_F(LedgerSinkTest, keeps_an_incident_at_once_and_a_clean_unload_from_the_flush_on) {
    auto ledger = sink();
    ASSERT_TRUE(ledger.prepare());
    ASSERT_TRUE(ledger.write(leak(1)));
    EXPECT_THAT(listed(), ElementsAre(id(1)));
    ASSERT_TRUE(ledger.write(test::incident_number(2, test::clean_unload())));
    ASSERT_TRUE(ledger.flush());
    ASSERT_TRUE(ledger.write(leak(2))) << "that id is there already";
    EXPECT_THAT(listed(), ElementsAre(id(1)));
}

TEST_F(LedgerSinkTest, needs_no_preparation) {
    auto ledger = sink();
    ASSERT_TRUE(ledger.flush()) << "of nothing";
    ASSERT_TRUE(ledger.write(leak(1)));
    EXPECT_THAT(listed(), ElementsAre(id(1)));
}

TEST_F(LedgerSinkTest, prunes_at_the_start) {
    {
        auto ledger = sink();
        for (std::uint64_t number = 0; number < 5; ++number)
            ASSERT_TRUE(ledger.write(leak(number)));
    }
    Retention retention;
    retention.unloads = 2;
    LedgerSink ledger(path, retention);
    ASSERT_TRUE(ledger.prepare());
    EXPECT_THAT(listed(), ElementsAre(id(3), id(4)));
}

TEST_F(LedgerSinkTest, prunes_now_and_then) {
    Retention retention;
    retention.unloads = 2;
    retention.age = std::chrono::days(36'500);
    LedgerSink ledger(path, retention);
    for (std::uint64_t number = 0; number < 499; ++number)
        ASSERT_TRUE(ledger.write(test::incident_number(number, test::clean_unload())));
    for (std::uint64_t number = 1000; number < 1003; ++number)
        ASSERT_TRUE(ledger.write(leak(number)));
    EXPECT_EQ(listed().size(), 3U);
    ASSERT_TRUE(ledger.flush());
    EXPECT_THAT(listed(), ElementsAre(id(1001), id(1002)));
}

TEST_F(LedgerSinkTest, sets_a_damaged_ledger_aside_and_goes_on_with_a_fresh_one) {
    test::write_file(path, std::string(50'000, 'x'));
    auto ledger = sink();
    ASSERT_TRUE(ledger.prepare());
    ASSERT_THAT(set_aside(), testing::SizeIs(1));
    EXPECT_EQ(test::content_of(set_aside().front()), std::string(50'000, 'x'));
    ASSERT_TRUE(ledger.write(leak(1)));
    ASSERT_TRUE(ledger.flush());
    EXPECT_THAT(listed(), ElementsAre(id(1)));
}

TEST_F(LedgerSinkTest, does_so_at_the_first_write_too_and_the_record_is_in_the_fresh_one) {
    test::write_file(path, std::string(50'000, 'x'));
    auto ledger = sink();
    ASSERT_TRUE(ledger.write(leak(1)));
    EXPECT_THAT(set_aside(), testing::SizeIs(1));
    EXPECT_THAT(listed(), ElementsAre(id(1)));
}

TEST_F(LedgerSinkTest, does_so_when_the_ledger_is_damaged_while_it_is_open) {
    auto ledger = sink();
    for (std::uint64_t number = 0; number < 200; ++number)
        ASSERT_TRUE(ledger.write(leak(number)));
    {
        // Of what another one changes, nothing is remembered.
        auto another = Ledger::open_for_writing(path);
        ASSERT_TRUE(another) << another.error().text();
        ASSERT_TRUE(another->add(leak(500)));
        ASSERT_TRUE(another->commit());
    }
    for (const std::string suffix : {"", "-wal"}) {
        ASSERT_TRUE(std::filesystem::exists(path + suffix));
        const auto size = std::filesystem::file_size(path + suffix);
        std::fstream(path + suffix, std::ios::in | std::ios::out | std::ios::binary)
            << std::string(size, 'x');
    }
    for (std::uint64_t number = 1000; number < 1005; ++number)
        ASSERT_TRUE(ledger.write(leak(number))) << number;
    ASSERT_TRUE(ledger.flush());
    EXPECT_THAT(set_aside(), testing::SizeIs(1));
    EXPECT_THAT(listed(), testing::Contains(id(1004)));
    EXPECT_EQ(listed().size(), 5U);
}

TEST_F(LedgerSinkTest, leaves_another_programs_database_alone) {
    {
        sqlite3* another = nullptr;
        ASSERT_EQ(::sqlite3_open(path.c_str(), &another), SQLITE_OK);
        EXPECT_EQ(::sqlite3_exec(another, "PRAGMA application_id = 7; CREATE TABLE t (a);", nullptr, nullptr,
                                 nullptr),
                  SQLITE_OK);
        ::sqlite3_close(another);
    }
    const auto before = test::content_of(path);
    auto ledger = sink();
    for (const auto& done : {ledger.prepare(), ledger.write(leak(1))}) {
        ASSERT_FALSE(done);
        EXPECT_EQ(done.error().code(), EEXIST);
    }
    EXPECT_THAT(set_aside(), IsEmpty());
    EXPECT_EQ(test::content_of(path), before);
}

TEST_F(LedgerSinkTest, leaves_a_ledger_of_a_newer_disarmd_alone) {
    {
        auto ledger = sink();
        ASSERT_TRUE(ledger.write(leak(1)));
    }
    // user_version is at 60 of the header.
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(60);
    file << std::string("\0\0\0\7", 4);
    file.close();
    auto ledger = sink();
    const auto written = ledger.write(leak(2));
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().code(), ENOTSUP);
    EXPECT_THAT(set_aside(), IsEmpty());
}

TEST_F(LedgerSinkTest, tries_a_ledger_that_could_not_be_opened_again) {
    test::write_file(folder.file("disk"), "");
    LedgerSink ledger(folder.file("disk/ledger.db"), Retention{});
    const auto prepared = ledger.prepare();
    ASSERT_FALSE(prepared);
    EXPECT_EQ(prepared.error().code(), ENOTDIR);
    const auto written = ledger.write(leak(1));
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().code(), ENOTDIR);
    ASSERT_TRUE(ledger.flush()) << "there is nothing to flush";
    std::filesystem::remove(folder.file("disk")); // and it is mounted
    ASSERT_TRUE(ledger.write(leak(2)));
    auto reader = Ledger::open_for_reading(folder.file("disk/ledger.db"));
    ASSERT_TRUE(reader) << reader.error().text();
    const auto incidents = reader->incidents({}).value();
    ASSERT_EQ(incidents.size(), 1U);
    EXPECT_EQ(incidents.front().id, id(2));
}

} // namespace
} // namespace disarmd
