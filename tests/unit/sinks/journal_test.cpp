// SPDX-License-Identifier: Apache-2.0
#include "sinks/journal.h"

#include <array>
#include <cerrno>
#include <filesystem>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/unique_fd.h"
#include "builders.h"
#include "incident/text.h"

namespace disarmd {
namespace {

using namespace std::chrono_literals;
using testing::Contains;
using testing::ElementsAre;
using testing::Not;
using testing::StartsWith;

std::vector<std::string> fields_of(const Unload& unload) {
    return to_journal_fields(test::incident_of(unload));
}

TEST(JournalFields, of_a_leak_tell_all_that_a_search_may_want) {
    const auto unload = test::detailed_unload();
    EXPECT_THAT(fields_of(unload),
                ElementsAre("MESSAGE=" + to_log(test::incident_of(unload)).front(),
                            "MESSAGE_ID=acb6994e084c416bbb7ecfa6059a06dd", "PRIORITY=2",
                            "SYSLOG_IDENTIFIER=disarmd", "DISARMD_INCIDENT=0123456789ab",
                            "DISARMD_VERDICT=leak", "DISARMD_OUTCOME=freed", "DISARMD_MODULE=m",
                            "DISARMD_MODULE_VERSION=1.2",
                            "DISARMD_MODULE_SRCVERSION=0123456789ABCDEF01234567", "DISARMD_UNLOAD_PID=42",
                            "DISARMD_UNLOAD_COMM=rmmod", "DISARMD_UNLOAD_COMMAND=rmmod -v m",
                            "DISARMD_ACTION=none", "DISARMD_PENDING=1", "DISARMD_CAUSE=rearmed-after-delete",
                            "DISARMD_REARMED_BY=thread", "DISARMD_TIMER=timer m_cb [m]",
                            "DISARMD_ADVICE=stop what arms m_cb [m] again (m_poll+0x2c [m]) before the exit "
                            "function deletes it"));
}

TEST(JournalFields, of_what_may_be_a_leak_are_a_warning_with_its_reasons) {
    const auto unload = test::inconclusive_unload();
    EXPECT_THAT(fields_of(unload),
                ElementsAre("MESSAGE=" + to_log(test::incident_of(unload)).front(),
                            "MESSAGE_ID=b4629d14721b4b0f81b7d23247ee1935", "PRIORITY=4",
                            "SYSLOG_IDENTIFIER=disarmd", "DISARMD_INCIDENT=0123456789ab",
                            "DISARMD_VERDICT=inconclusive", "DISARMD_OUTCOME=freed", "DISARMD_MODULE=m",
                            "DISARMD_UNLOAD_PID=42", "DISARMD_UNLOAD_COMM=rmmod", "DISARMD_ACTION=none",
                            "DISARMD_PENDING=0", "DISARMD_WHY_INCONCLUSIVE=tracking: events were lost",
                            "DISARMD_WHY_INCONCLUSIVE=scan: a timer wheel could not be read"));
}

TEST(JournalFields, of_an_unload_that_was_denied_name_the_rule) {
    const auto fields = fields_of(test::denied_unload());
    EXPECT_THAT(fields, Contains("MESSAGE_ID=4a1a16f33b8e4bc79f1e724f6a556a60"));
    EXPECT_THAT(fields, Contains("PRIORITY=4"));
    EXPECT_THAT(fields, Contains("DISARMD_OUTCOME=denied"));
    EXPECT_THAT(fields, Contains("DISARMD_ACTION=denied"));
    EXPECT_THAT(fields, Contains(R"(DISARMD_RULE=c.toml:1: module = "m", on_unload = "deny-if-armed")"));
}

TEST(JournalFields, of_an_unload_that_was_let_through_once_have_an_id_of_their_own) {
    auto unload = test::clean_unload();
    unload.policy.allowed_once = true;
    EXPECT_THAT(fields_of(unload), Contains("MESSAGE_ID=07b599967a214c04a90fc7b90efd4823"));
}

TEST(JournalFields, repeat_a_field_for_each_value_and_no_value) {
    auto unload = test::detailed_unload();
    unload.pending.resize(4, unload.pending.front());
    unload.pending[1].cause = Cause::never_deleted;
    unload.pending[2].rearmer = Rearmer::callback;
    unload.pending[2].symbol = "other [m]";
    unload.pending_count = 90;
    auto fields = fields_of(unload);
    EXPECT_THAT(fields, Contains("DISARMD_PENDING=90"));
    std::erase_if(fields, [](const std::string& field) {
        return !field.starts_with("DISARMD_CAUSE=") && !field.starts_with("DISARMD_REARMED_BY=") &&
               !field.starts_with("DISARMD_TIMER=");
    });
    EXPECT_THAT(fields, ElementsAre("DISARMD_CAUSE=rearmed-after-delete", "DISARMD_REARMED_BY=thread",
                                    "DISARMD_TIMER=timer m_cb [m]", "DISARMD_CAUSE=never-deleted",
                                    "DISARMD_REARMED_BY=callback", "DISARMD_TIMER=timer other [m]"));
}

TEST(JournalFields, are_of_a_bounded_number) {
    auto unload = test::leaking_unload();
    unload.pending.resize(1000, unload.pending.front());
    for (std::size_t i = 0; i < unload.pending.size(); ++i)
        unload.pending[i].symbol = std::to_string(i);
    unload.pending_count = unload.pending.size();
    const auto fields = fields_of(unload);
    EXPECT_EQ(
        std::ranges::count_if(fields, [](const auto& field) { return field.starts_with("DISARMD_TIMER="); }),
        64);
    EXPECT_LT(fields.size(), 100U);
}

TEST(JournalFields, hold_no_byte_that_a_name_could_forge_another_field_with) {
    auto unload = test::hostile_unload();
    unload.advice = "call x for a\\x0ab";
    const auto fields = fields_of(unload);
    for (const auto& field : fields) {
        EXPECT_TRUE(test::is_printable_but_for_newlines(field)) << field;
        EXPECT_EQ(field.find('\n'), std::string::npos) << field;
    }
    const auto& escaped = test::escaped;
    for (const auto& field :
         {"DISARMD_MODULE=" + escaped, "DISARMD_MODULE_VERSION=" + escaped,
          "DISARMD_MODULE_SRCVERSION=" + escaped, "DISARMD_UNLOAD_COMM=" + escaped,
          "DISARMD_UNLOAD_COMMAND=" + escaped + "  " + escaped, "DISARMD_TIMER=timer " + escaped,
          "DISARMD_WHY_INCONCLUSIVE=" + escaped, std::string("DISARMD_ADVICE=call x for a\\x0ab")})
        EXPECT_THAT(fields, Contains(field));
}

TEST(JournalFields, leave_out_what_is_not_known) {
    for (const auto& field : fields_of(test::leaking_unload())) {
        EXPECT_FALSE(field.ends_with('=')) << field;
        EXPECT_THAT(field, Not(StartsWith("DISARMD_UNLOAD_COMMAND")));
    }
}

// Answers one call, and keeps it.
class VarlinkServer {
public:
    VarlinkServer(const std::string& path, std::vector<std::string> replies) {
        sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
        path.copy(address.sun_path, path.size());
        listener_ = UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        EXPECT_EQ(::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
        EXPECT_EQ(::listen(listener_.get(), 1), 0);
        thread_ = std::thread([this, replies = std::move(replies)] {
            const UniqueFd caller(::accept(listener_.get(), nullptr, nullptr));
            std::array<char, 512> bytes{};
            const auto size = ::read(caller.get(), bytes.data(), bytes.size());
            call_.assign(bytes.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
            for (const auto& reply : replies)
                EXPECT_EQ(::write(caller.get(), reply.data(), reply.size()),
                          static_cast<ssize_t>(reply.size()));
            if (replies.empty()) { // until the caller has had enough
                EXPECT_EQ(::read(caller.get(), bytes.data(), bytes.size()), 0);
            }
        });
    }
    VarlinkServer(const VarlinkServer&) = delete;
    VarlinkServer& operator=(const VarlinkServer&) = delete;
    ~VarlinkServer() { end(); }

    std::string end() {
        if (thread_.joinable())
            thread_.join();
        return call_;
    }

private:
    UniqueFd listener_;
    std::string call_;
    std::thread thread_;
};

constexpr std::chrono::seconds patience(20);

TEST(SynchronizeJournal, waits_for_the_reply) {
    const test::TemporaryFolder folder;
    const auto path = folder.file("socket");
    // In pieces, as a stream may bring it.
    VarlinkServer server(path, {"{\"para", "meters\":{}}", std::string(1, '\0')});
    const auto done = synchronize_journal(path, patience);
    EXPECT_TRUE(done) << done.error().text();
    EXPECT_EQ(server.end(), std::string("{\"method\":\"io.systemd.Journal.Synchronize\"}") + '\0');
}

TEST(SynchronizeJournal, tells_why_it_could_not_be) {
    const test::TemporaryFolder folder;
    const auto expect_failed = [&](const std::vector<std::string>& replies, std::chrono::milliseconds limit,
                                   int code, const std::string& text) {
        const auto path = folder.file("socket");
        VarlinkServer server(path, replies);
        const auto done = synchronize_journal(path, limit);
        server.end();
        std::filesystem::remove(path);
        ASSERT_FALSE(done);
        EXPECT_EQ(done.error().code(), code) << done.error().text();
        EXPECT_EQ(done.error().text(), "asking " + path + " to synchronize: " + text);
    };
    const std::string error = "{\"error\":\"org.varlink.service.MethodNotFound\"}";
    expect_failed({error + '\0'}, patience, EPROTO, "it says " + error);
    expect_failed({std::string("no JSON\n\0", 9)}, patience, EPROTO, "it says no JSON\\x0a");
    expect_failed({"{}"}, patience, ECONNRESET, "it hung up");
    expect_failed({}, 50ms, ETIMEDOUT, "no reply within 50.0 ms");
}

TEST(SynchronizeJournal, does_nothing_where_nobody_listens) {
    const test::TemporaryFolder folder;
    EXPECT_TRUE(synchronize_journal(folder.file("absent"), patience));
    EXPECT_FALSE(synchronize_journal(folder.file(std::string(200, 'x')), patience));
}

TEST(JournalSink, has_a_thread_of_its_own_and_takes_incidents) {
    const JournalSink sink;
    EXPECT_EQ(sink.name(), "journal");
    EXPECT_FALSE(sink.is_immediate());
    EXPECT_TRUE(sink.takes(test::incident_of(test::leaking_unload())));
    EXPECT_FALSE(sink.takes(test::incident_of(test::clean_unload())));
}

TEST(JournalSink, says_so_where_there_is_no_journal) {
    if (JournalSink::is_there())
        GTEST_SKIP() << "this host has a journal";
    JournalSink sink;
    const auto written = sink.write(test::incident_of(test::leaking_unload()));
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().code(), ENOENT);
    EXPECT_EQ(written.error().text(), "/run/systemd/journal/socket is gone");
}

} // namespace
} // namespace disarmd
