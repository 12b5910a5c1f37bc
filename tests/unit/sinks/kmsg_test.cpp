// SPDX-License-Identifier: Apache-2.0
#include "sinks/kmsg.h"

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "builders.h"

namespace disarmd {
namespace {

// A FIFO stands for /dev/kmsg: each write is behind the one before, however often it is opened.
std::string written_of(const Unload& unload) {
    const test::Fifo fifo;
    auto sink = KmsgSink::open(fifo.path());
    if (!sink) {
        ADD_FAILURE() << sink.error().text();
        return {};
    }
    EXPECT_EQ((*sink)->name(), "kmsg");
    EXPECT_TRUE((*sink)->write(test::incident_of(unload)));
    return fifo.read();
}

TEST(KmsgSink, writes_a_leak_as_critical_with_a_line_for_each_timer) {
    EXPECT_EQ(written_of(test::leaking_unload()),
              "<2>disarmd: LEAK: module m was freed with 1 timer still pending (never-deleted); unloaded by "
              "rmmod (pid 42) in 1.5 ms; it fires in 1.2 s; incident 0123456789ab; to mend it: call "
              "timer_shutdown_sync() for m_cb [m] in the exit function\n"
              "<2>disarmd: LEAK: m 1/1: timer m_cb [m] at 0xffffffffc0a03040, callback 0xffffffffc0a01000, "
              "fires in 1.2 s, never-deleted, "
              "armed 2.0 s before by insmod (pid 321) from task context\n");
}

TEST(KmsgSink, writes_what_may_be_a_leak_as_a_warning) {
    EXPECT_EQ(written_of(test::inconclusive_unload()),
              "<4>disarmd: INCONCLUSIVE: module m was freed, and whether a timer was pending can't be told; "
              "unloaded by rmmod (pid 42) in 1.5 ms; incident 0123456789ab; "
              "tracking: events were lost; scan: a timer wheel could not be read\n");
}

TEST(KmsgSink, needs_no_thread) {
    EXPECT_TRUE((*KmsgSink::open("/dev/null"))->is_immediate());
}

TEST(KmsgSink, takes_incidents_alone) {
    const auto sink = KmsgSink::open("/dev/null");
    ASSERT_TRUE(sink) << sink.error().text();
    EXPECT_TRUE((*sink)->takes(test::incident_of(test::leaking_unload())));
    EXPECT_TRUE((*sink)->takes(test::incident_of(test::inconclusive_unload())));
    EXPECT_FALSE((*sink)->takes(test::incident_of(test::clean_unload())));
}

// LOG_LINE_MAX (kernel/printk/printk.c) is 1024 less a prefix of up to 48. A line that held another would
// not have its level.
TEST(KmsgSink, writes_no_more_than_the_kernel_takes_and_a_level_in_every_line) {
    auto unload = test::hostile_unload();
    unload.module = std::string(55, '\n');
    unload.advice = std::string(2000, 'a');
    unload.pending.front().symbol = std::string(600, '\n');
    unload.pending.resize(DISARMD_PENDING_MAX, unload.pending.front());
    unload.pending_count = UINT32_MAX;
    const auto lines = test::lines_of(written_of(unload));
    EXPECT_EQ(lines.size(), 10U);
    for (const auto& line : lines) {
        EXPECT_LE(line.size(), 1024U - 48U);
        EXPECT_TRUE(line.starts_with("<2>disarmd: LEAK: ")) << line;
    }
}

// The kernel limits the rate of each open file.
TEST(KmsgSink, opens_the_device_anew_for_every_line) {
    const test::TemporaryFolder folder;
    const auto path = folder.file("kmsg");
    test::write_file(path, "");
    auto sink = KmsgSink::open(path);
    ASSERT_TRUE(sink) << sink.error().text();
    std::filesystem::rename(path, folder.file("old"));
    const auto lost = (*sink)->write(test::incident_of(test::leaking_unload()));
    ASSERT_FALSE(lost);
    EXPECT_EQ(lost.error().code(), ENOENT);
    test::write_file(path, "");
    ASSERT_TRUE((*sink)->write(test::incident_of(test::leaking_unload())));
    EXPECT_EQ(test::content_of(folder.file("old")), "");
    // A line begins where the one before did, in a file, if it was opened for it.
    EXPECT_TRUE(test::content_of(path).starts_with("<2>disarmd: LEAK: m 1/1: ")) << test::content_of(path);
}

TEST(KmsgSink, creates_no_file) {
    const test::TemporaryFolder folder;
    const auto path = folder.file("kmsg");
    const auto sink = KmsgSink::open(path);
    ASSERT_FALSE(sink);
    EXPECT_EQ(sink.error().code(), ENOENT);
    EXPECT_EQ(sink.error().text(), "opening " + path + ": No such file or directory");
}

TEST(KmsgSink, says_so_when_a_write_fails) {
    auto sink = KmsgSink::open("/dev/full");
    ASSERT_TRUE(sink) << sink.error().text();
    const auto written = (*sink)->write(test::incident_of(test::leaking_unload()));
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().code(), ENOSPC);
    EXPECT_EQ(written.error().text(), "writing to the kernel's log: No space left on device");
}

} // namespace
} // namespace disarmd
