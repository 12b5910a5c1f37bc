// SPDX-License-Identifier: Apache-2.0
#include "cli/terminal.h"

#include <gtest/gtest.h>

namespace disarmd {
namespace {

TEST(Frame, erases_each_line_before_it_is_written_and_what_is_below) {
    EXPECT_EQ(frame("a\nbc\n", {80, 24}), "\x1b[H\x1b[2Ka\n\x1b[2Kbc\n\x1b[J");
    EXPECT_EQ(frame("\n", {80, 24}), "\x1b[H\x1b[2K\n\x1b[J");
    EXPECT_EQ(frame("", {80, 24}), "\x1b[H\x1b[J");
}

TEST(Frame, tells_how_many_lines_it_has_no_room_for) {
    const std::string three = "a\nb\nc\n";
    EXPECT_EQ(frame(three, {80, 4}), "\x1b[H\x1b[2Ka\n\x1b[2Kb\n\x1b[2Kc\n\x1b[J");
    EXPECT_EQ(frame(three, {80, 3}), "\x1b[H\x1b[2Ka\n\x1b[2K... and 2 more\n\x1b[J");
    EXPECT_EQ(frame(three, {80, 2}), "\x1b[H\x1b[2K... and 3 more\n\x1b[J");
    EXPECT_EQ(frame(three, {80, 1}), "\x1b[H\x1b[J");
}

TEST(Frame, has_no_line_that_is_wider_than_the_terminal) {
    EXPECT_EQ(frame("abcdef\nab\n", {3, 24}), "\x1b[H\x1b[2Kabc\n\x1b[2Kab\n\x1b[J");
    EXPECT_EQ(frame("a\nb\nc\n", {3, 2}), "\x1b[H\x1b[2K...\n\x1b[J");
}

} // namespace
} // namespace disarmd
