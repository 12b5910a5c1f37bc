// SPDX-License-Identifier: Apache-2.0
#include "sinks/kmsg.h"

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "builders.h"

namespace disarmd {
namespace {

// A plain file stands for /dev/kmsg.
std::string line_of(const Unload& unload) {
    const test::TemporaryFolder folder;
    const auto path = folder.file("kmsg");
    test::write_file(path, "");
    auto sink = KmsgSink::open(path);
    if (!sink) {
        ADD_FAILURE() << sink.error().text();
        return {};
    }
    EXPECT_EQ((*sink)->name(), "kmsg");
    EXPECT_TRUE((*sink)->write(unload));
    return test::content_of(path);
}

TEST(KmsgSink, writes_a_leak_as_critical) {
    EXPECT_EQ(
        line_of(test::leaking_unload()),
        "<2>disarmd: LEAK: module m was freed with 1 timer still pending: timer m_cb [m], fires in 1.2 s; "
        "unloaded by rmmod (pid 42) in 1.5 ms\n");
}

TEST(KmsgSink, writes_what_may_be_a_leak_as_a_warning) {
    EXPECT_EQ(line_of(test::inconclusive_unload()),
              "<4>disarmd: INCONCLUSIVE: module m was freed, and whether a timer was pending can't be told; "
              "tracking: events were lost; scan: a timer wheel could not be read; "
              "unloaded by rmmod (pid 42) in 1.5 ms\n");
}

TEST(KmsgSink, takes_incidents_alone) {
    const auto sink = KmsgSink::open("/dev/null");
    ASSERT_TRUE(sink) << sink.error().text();
    EXPECT_TRUE((*sink)->takes(test::leaking_unload()));
    EXPECT_TRUE((*sink)->takes(test::inconclusive_unload()));
    EXPECT_FALSE((*sink)->takes(test::clean_unload()));
}

// LOG_LINE_MAX (kernel/printk/printk.c) is 1024 less a prefix of up to 48.
TEST(KmsgSink, writes_no_more_than_the_kernel_takes_and_in_one_line) {
    auto unload = test::leaking_unload();
    unload.pending.front().symbol = std::string(60, '\n');
    unload.pending.resize(DISARMD_PENDING_MAX, unload.pending.front());
    unload.pending_count = unload.pending.size();
    const auto line = line_of(unload);
    EXPECT_LE(line.size(), 1024U - 48U);
    EXPECT_EQ(line.find('\n'), line.size() - 1);
}

// The kernel limits the rate of each open file.
TEST(KmsgSink, opens_the_device_anew_for_every_line) {
    const test::TemporaryFolder folder;
    const auto path = folder.file("kmsg");
    test::write_file(path, "");
    auto sink = KmsgSink::open(path);
    ASSERT_TRUE(sink) << sink.error().text();
    std::filesystem::rename(path, folder.file("old"));
    const auto lost = (*sink)->write(test::leaking_unload());
    ASSERT_FALSE(lost);
    EXPECT_EQ(lost.error().code(), ENOENT);
    test::write_file(path, "");
    ASSERT_TRUE((*sink)->write(test::leaking_unload()));
    EXPECT_EQ(test::content_of(folder.file("old")), "");
    EXPECT_EQ(test::lines_of(test::content_of(path)).size(), 1U);
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
    const auto written = (*sink)->write(test::leaking_unload());
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().code(), ENOSPC);
    EXPECT_EQ(written.error().text(), "writing to the kernel's log: No space left on device");
}

} // namespace
} // namespace disarmd
