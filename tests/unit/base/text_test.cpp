// SPDX-License-Identifier: Apache-2.0
#include "base/text.h"

#include <ostream>

#include <array>

#include <gtest/gtest.h>

#include "builders.h"

namespace disarmd {
namespace {

using namespace std::chrono_literals;

TEST(Printable, leaves_printable_ascii_alone) {
    EXPECT_EQ(printable(" nf_conntrack-2 [m]/.~"), " nf_conntrack-2 [m]/.~");
    EXPECT_EQ(printable(""), "");
}

TEST(Printable, escapes_what_could_end_a_line_or_steer_a_terminal) {
    EXPECT_EQ(printable("a\nb\r\t"), "a\\x0ab\\x0d\\x09");
    EXPECT_EQ(printable("\x1b[31m"), "\\x1b[31m");
    EXPECT_EQ(printable(std::string_view("a\0b", 3)), "a\\x00b");
}

TEST(Printable, escapes_the_backslash_so_that_an_escape_cant_be_forged) {
    EXPECT_EQ(printable("\\x0a"), "\\x5cx0a");
}

TEST(Printable, escapes_every_byte_outside_ascii) {
    EXPECT_EQ(printable("\xc3\xa9"), "\\xc3\\xa9");
    EXPECT_EQ(printable("\x80\xff"), "\\x80\\xff");
}

TEST(Printable, draws_the_line_right_at_both_ends_of_printable_ascii) {
    EXPECT_EQ(printable("\x1f\x20\x7e\x7f"), "\\x1f ~\\x7f");
}

TEST(Printable, yields_printable_ascii_for_every_byte) {
    for (int byte = 0; byte < 256; ++byte) {
        const auto text = printable(std::string(1, static_cast<char>(byte)));
        ASSERT_TRUE(text.size() == 1 || text.size() == 4) << byte;
        for (const char c : text)
            ASSERT_TRUE(c >= 0x20 && c < 0x7f) << byte;
    }
}

struct DurationCase {
    std::chrono::nanoseconds duration;
    std::string_view text;

    friend void PrintTo(const DurationCase& value, std::ostream* out) { *out << value.text; }
};

class DurationText : public testing::TestWithParam<DurationCase> {};

TEST_P(DurationText, is_short_and_has_its_unit) {
    EXPECT_EQ(duration_text(GetParam().duration), GetParam().text);
}

INSTANTIATE_TEST_SUITE_P(
    units, DurationText,
    testing::Values(DurationCase{0ns, "0 us"}, DurationCase{850us, "850 us"}, DurationCase{999us, "999 us"},
                    DurationCase{1ms, "1.0 ms"}, DurationCase{12'340us, "12.3 ms"},
                    DurationCase{999'900us, "999.9 ms"}, DurationCase{1s, "1.0 s"},
                    DurationCase{59'900ms, "59.9 s"}, DurationCase{599'900ms, "599.9 s"},
                    DurationCase{10min, "10 min"}, DurationCase{59min + 59s, "59 min"},
                    DurationCase{1h, "1 h 0 min"}, DurationCase{125min, "2 h 5 min"},
                    DurationCase{47h + 59min, "47 h 59 min"}, DurationCase{48h, "2 days"},
                    DurationCase{24h * 36'524, "36524 days"}, DurationCase{24h * 36'525, "over 100 years"},
                    DurationCase{std::chrono::nanoseconds::max(), "over 100 years"}));

TEST(CountText, has_a_plural_but_for_one) {
    EXPECT_EQ(count_text(0, "timer"), "0 timers");
    EXPECT_EQ(count_text(1, "timer"), "1 timer");
    EXPECT_EQ(count_text(2, "timer"), "2 timers");
    EXPECT_EQ(count_text(11, "unload"), "11 unloads");
}

TEST(AddressText, always_has_16_digits) {
    EXPECT_EQ(address_text(0), "0x0000000000000000");
    EXPECT_EQ(address_text(0x1f0c0), "0x000000000001f0c0");
    EXPECT_EQ(address_text(0xffffffffc0a3e000), "0xffffffffc0a3e000");
    EXPECT_EQ(address_text(UINT64_MAX), "0xffffffffffffffff");
}

TEST(Wrapped, breaks_lines_at_blanks_before_they_are_too_long) {
    EXPECT_EQ(wrapped("aaa bbb ccc", 0, 80), "aaa bbb ccc");
    EXPECT_EQ(wrapped("aaa bbb ccc", 0, 11), "aaa bbb ccc") << "it just fits";
    EXPECT_EQ(wrapped("aaa bbb ccc", 0, 10), "aaa bbb\nccc");
    EXPECT_EQ(wrapped("aaa bbb ccc", 0, 7), "aaa bbb\nccc");
    EXPECT_EQ(wrapped("aaa bbb ccc", 0, 6), "aaa\nbbb\nccc");
}

TEST(Wrapped, counts_the_indent_of_every_line_the_first_too) {
    EXPECT_EQ(wrapped("aaa bbb ccc", 4, 11), "aaa bbb\n    ccc");
    EXPECT_EQ(wrapped("aaa bbb ccc", 4, 10), "aaa\n    bbb\n    ccc");
    EXPECT_EQ(wrapped("aaa bbb", 20, 10), "aaa\n" + std::string(20, ' ') + "bbb") << "no room at all";
}

TEST(Wrapped, leaves_a_word_that_is_too_long_whole_and_alone) {
    EXPECT_EQ(wrapped("a " + std::string(30, 'x') + " b", 2, 10), "a\n  " + std::string(30, 'x') + "\n  b");
    EXPECT_EQ(wrapped(std::string(30, 'x'), 2, 10), std::string(30, 'x'));
}

TEST(Wrapped, of_nothing_or_of_blanks_is_short_and_ends) {
    EXPECT_EQ(wrapped("", 4, 80), "");
    EXPECT_EQ(wrapped(" ", 4, 80), "");
    EXPECT_EQ(wrapped("a ", 4, 80), "a");
    EXPECT_EQ(wrapped("a  b", 4, 80), "a  b");
    EXPECT_EQ(wrapped("a b", 0, 0), "a\nb");
}

TEST(Wrapped, keeps_every_word_and_the_width_whatever_both_are) {
    std::string text;
    for (std::size_t size = 1; size < 20; ++size)
        text += std::string(size, static_cast<char>('a' + size)) + " ";
    text.pop_back();
    for (std::size_t indent = 0; indent < 12; ++indent) {
        for (std::size_t width = indent + 19; width < 120; ++width) {
            auto lines = std::string(indent, ' ') + wrapped(text, indent, width);
            std::size_t column = 0;
            for (char& c : lines) {
                column = c == '\n' ? 0 : column + 1;
                ASSERT_LE(column, width) << lines;
            }
            for (std::size_t at = 0; (at = lines.find("\n" + std::string(indent, ' '))) != std::string::npos;)
                lines.replace(at, indent + 1, " ");
            ASSERT_EQ(lines.substr(indent), text) << indent << ", " << width;
        }
    }
}

TEST(ColumnsText, lines_cells_up_and_leaves_the_last_as_it_is) {
    EXPECT_EQ(columns_text({{"a", "bb", "c"}, {"long", "", "d e"}, {"", "", ""}}), "a     bb  c\n"
                                                                                   "long      d e\n"
                                                                                   "          \n");
    EXPECT_EQ(columns_text({}), "");
    EXPECT_EQ(columns_text({{"one"}, {}}), "one\n\n");
}

TEST(ColumnsText, narrows_the_widest_columns_to_the_width) {
    const std::vector<std::vector<std::string>> rows{{"MODULE", "KIND", "CALLBACK"},
                                                     {"a_long_module", "timer", "a_very_long_callback"}};
    struct Case {
        std::optional<std::size_t> width;
        std::string text;
    };
    for (const auto& tried : {
             Case{std::nullopt,
                  "MODULE         KIND   CALLBACK\na_long_module  timer  a_very_long_callback\n"},
             Case{42, "MODULE         KIND   CALLBACK\na_long_module  timer  a_very_long_callback\n"},
             Case{41, "MODULE         KIND   CALLBACK\na_long_module  timer  a_very_long_callb..\n"},
             Case{35, "MODULE         KIND   CALLBACK\na_long_module  timer  a_very_long..\n"},
             Case{29, "MODULE      KIND   CALLBACK\na_long_m..  timer  a_very_l..\n"},
             Case{21, "MODULE  KIND   CALL..\na_lo..  timer  a_ve..\n"},
             // No room for all of them: lines end there.
             Case{12, "MODULE  KI..\na_lo..  ti..\n"},
             Case{2, "..\n..\n"},
             Case{1, ".\n.\n"},
         })
        EXPECT_EQ(columns_text(rows, tried.width), tried.text) << tried.width.value_or(0);
    EXPECT_EQ(columns_text({}, 10), "");
}

TEST(ColumnsText, is_never_wider_than_the_width_and_no_narrower_than_it_has_to_be) {
    const std::vector<std::vector<std::string>> rows{{"a", std::string(30, 'b'), std::string(50, 'c')},
                                                     {std::string(9, 'd'), "", std::string(12, 'e')}};
    for (std::size_t width = 1; width < 100; ++width) {
        const auto lines = test::lines_of(columns_text(rows, width));
        const auto widest = std::ranges::max(lines, {}, &std::string::size).size();
        EXPECT_EQ(widest, std::min<std::size_t>(width, 93)) << width;
    }
}

TEST(CopyText, keeps_a_nul_at_the_end_of_the_field) {
    std::array<char, 4> field{};
    copy_text(field, "ab");
    EXPECT_STREQ(field.data(), "ab");
    copy_text(field, "abcdef");
    EXPECT_STREQ(field.data(), "abc");
}

} // namespace
} // namespace disarmd
