// SPDX-License-Identifier: Apache-2.0
#include "sinks/pmsg.h"

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "builders.h"
#include "incident/text.h"

namespace disarmd {
namespace {

TEST(PmsgSink, writes_the_lines_of_the_log_with_their_time) {
    const test::Fifo fifo;
    PmsgSink sink(fifo.path());
    EXPECT_EQ(sink.name(), "pmsg");
    EXPECT_TRUE(sink.is_immediate());
    auto unload = test::hostile_unload();
    unload.pending.resize(20, unload.pending.front());
    unload.pending_count = 30;
    for (const auto& written : {test::leaking_unload(), test::inconclusive_unload(), unload}) {
        const auto incident = test::incident_of(written);
        const auto done = sink.write(incident);
        ASSERT_TRUE(done) << done.error().text();
        std::string expected;
        for (const auto& line : to_log(incident))
            expected += "2026-11-23T18:41:48.123Z disarmd: " + line + "\n";
        EXPECT_EQ(fifo.read(), expected);
    }
}

TEST(PmsgSink, takes_incidents_alone) {
    const PmsgSink sink;
    EXPECT_TRUE(sink.takes(test::incident_of(test::leaking_unload())));
    EXPECT_TRUE(sink.takes(test::incident_of(test::inconclusive_unload())));
    EXPECT_FALSE(sink.takes(test::incident_of(test::clean_unload())));
}

TEST(PmsgSink, creates_no_file) {
    const test::TemporaryFolder folder;
    PmsgSink sink(folder.file("pmsg0"));
    const auto written = sink.write(test::incident_of(test::leaking_unload()));
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().code(), ENOENT);
    EXPECT_EQ(written.error().text(), "opening " + folder.file("pmsg0") + ": No such file or directory");
    EXPECT_FALSE(std::filesystem::exists(folder.file("pmsg0")));
}

TEST(PmsgSink, says_so_when_a_write_fails) {
    PmsgSink sink("/dev/full");
    const auto written = sink.write(test::incident_of(test::leaking_unload()));
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().code(), ENOSPC);
    EXPECT_EQ(written.error().text(), "writing to /dev/full: No space left on device");
}

} // namespace
} // namespace disarmd
