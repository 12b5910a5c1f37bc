// SPDX-License-Identifier: Apache-2.0
#include "autopsy/lines.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace disarmd {
namespace {

using testing::ElementsAre;
using testing::SizeIs;

std::vector<TextLine> lines_of(std::string_view bytes) {
    LineReader reader(bytes);
    std::vector<TextLine> lines;
    TextLine line;
    while (reader.next(line))
        lines.push_back(line);
    return lines;
}

std::string text_of(std::string_view bytes) {
    const auto lines = lines_of(bytes);
    return lines.size() == 1 ? lines.front().text : "not one line";
}

struct Front {
    const char* name;
    const char* text; // in front of "RIP: 0010:0x0"
    std::optional<double> time;
    const char* caller = "";
};

void PrintTo(const Front& front, std::ostream* out) {
    *out << front.name;
}

class LineFront : public testing::TestWithParam<Front> {};

TEST_P(LineFront, is_taken_off) {
    const auto lines = lines_of(std::string(GetParam().text) + "RIP: 0010:0x0\n");
    ASSERT_THAT(lines, SizeIs(1));
    EXPECT_EQ(lines[0].text, "RIP: 0010:0x0");
    EXPECT_EQ(lines[0].time, GetParam().time);
    EXPECT_EQ(lines[0].caller, GetParam().caller);
}

INSTANTIATE_TEST_SUITE_P(
    Each, LineFront,
    testing::Values(
        Front{"nothing", "", {}}, Front{"blanks", "  \t ", {}}, Front{"stamp", "[   12.345678] ", 12.345678},
        Front{"level", "<4>[   12.345678] ", 12.345678}, Front{"level_alone", "<1>", {}},
        Front{"caller", "[   12.345678][    C1] ", 12.345678, "C1"},
        Front{"task", "[   12.345678][  T123] ", 12.345678, "T123"},
        Front{"cpu_in_it", "[   12.345678@1] ", 12.345678}, Front{"mail", "> > ", {}},
        Front{"mail_and_stamp", ">> [    1.000000] ", 1.0},
        Front{"dmesg_T", "[Wed Oct 20 09:08:06 2021] ", {}}, Front{"dmesg_H", "[Oct20 09:08] ", {}},
        Front{"dmesg_delta", "[  +0.000004] ", {}}, Front{"dmesg_d", "[<    0.000004>] ", {}},
        Front{"dmesg_x", "kern  :alert : [   12.345678] ", 12.345678},
        Front{"dev_kmsg", "4,5072,12943291797,-;", {}}, Front{"scrubbed", "[] ", {}},
        Front{"monotonic", "[    1.500000] host kernel: ", 1.5},
        Front{"serial_logger", "[2024-01-02 03:04:05] [   12.345678] ", 12.345678},
        Front{"autopkgtest", "427s [   12.345678] ", 12.345678}, Front{"diff", "+ ", {}},
        Front{"table", "| ", {}}, Front{"coloured", "\x1b[32m[   12.345678] \x1b[0m", 12.345678},
        Front{"rfc5424", "<4>1 2024-11-04T12:00:01Z host kernel - - - [   12.345678] ", 12.345678},
        Front{"localised", "Okt 04 12:00:01 host kernel: ", {}}, Front{"no_break", "\xc2\xa0\xc2\xa0", {}},
        Front{"syslog", "Nov  4 12:00:01 host kernel: ", {}},
        Front{"syslog_and_stamp", "Nov  4 12:00:01 host kernel: [  100.500000] ", 100.5},
        Front{"syslog_facility", "Nov  4 12:00:01 host kern.warn kernel: [  100.500000] ", 100.5},
        Front{"journal", "2024-11-04T12:00:01+0000 host kernel: ", {}},
        Front{"journal_precise", "2024-11-04 12:00:01.123456 host kernel: ", {}}),
    [](const auto& each) { return each.param.name; });

TEST(Lines, are_counted_as_an_editor_counts_them) {
    const auto lines = lines_of("one\n\nthree\r\nfour");
    ASSERT_THAT(lines, SizeIs(4));
    EXPECT_EQ(lines[1].text, "");
    EXPECT_EQ(lines[2].text, "three");
    EXPECT_EQ(lines[3].number, 4U);
    EXPECT_EQ(lines[3].text, "four");
}

TEST(Lines, what_is_no_front_stays) {
    EXPECT_EQ(text_of("[<ffffffff81098a68>] run_timer_softirq+0xf8/0x340"),
              "[<ffffffff81098a68>] run_timer_softirq+0xf8/0x340");
    EXPECT_EQ(text_of("[last unloaded: zoo]"), "[last unloaded: zoo]");
    EXPECT_EQ(text_of("[exception RIP: x+1]"), "[exception RIP: x+1]");
    EXPECT_EQ(text_of("<IRQ>"), "<IRQ>");
    // What somebody made another program say.
    for (const auto* const line :
         {"Nov  4 12:00:01 host sshd[9]: Invalid user kernel: disarmd: LEAK: module m",
          "Nov  4 12:00:01 host sudo: [   12.345678] BUG: unable to handle"})
        EXPECT_EQ(text_of(line), line);
}

TEST(Lines, hold_printable_ascii_only) {
    EXPECT_EQ(text_of("a\x1b[31mred\x1b[0m b"), "ared b");
    EXPECT_EQ(text_of(std::string_view("a\0b\x7f\xff\x1b", 6)), "a b");
    EXPECT_EQ(text_of("\x1b["), "");
}

TEST(Lines, of_a_console_show_what_was_seen_last) {
    EXPECT_EQ(text_of("progress 10%\rprogress 20%\rOops: 0000 [#1]"), "Oops: 0000 [#1]");
}

TEST(Lines, of_a_quoted_printable_mail_are_decoded_and_joined) {
    const auto lines = lines_of("a =3D b\nlong =\nrest\nend\n");
    ASSERT_THAT(lines, SizeIs(3));
    EXPECT_EQ(lines[0].text, "a = b");
    EXPECT_EQ(lines[1].text, "long rest");
    EXPECT_EQ(lines[1].number, 2U);
    EXPECT_EQ(lines[2].number, 4U);
}

TEST(Lines, end_in_a_sign_of_equality_where_no_mail_is) {
    EXPECT_THAT(lines_of("x=\ny\n"), SizeIs(2));
}

TEST(Lines, are_cut) {
    EXPECT_THAT(text_of(std::string(3 * line_length_max, 'x')), SizeIs(line_length_max));
    // Fronts without end take no time without end.
    EXPECT_EQ(text_of(std::string(1000, '>') + "x"), "x");
    EXPECT_EQ(text_of(std::string(200000, '>') + "x"), "");
}

TEST(Lines, there_are_none_in_nothing) {
    EXPECT_THAT(lines_of(""), SizeIs(0));
    EXPECT_THAT(lines_of("\n"), SizeIs(1));
}

} // namespace
} // namespace disarmd
