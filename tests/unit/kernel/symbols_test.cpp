// SPDX-License-Identifier: Apache-2.0
#include "kernel/symbols.h"

#include <set>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace disarmd {
namespace {

using testing::Eq;
using testing::IsEmpty;
using testing::Optional;
using testing::Pair;
using testing::UnorderedElementsAre;

CoreSymbols parse(const std::string& kallsyms, const std::set<std::string>& names) {
    std::istringstream lines(kallsyms);
    return CoreSymbols::parse(lines, names);
}

std::map<std::uint64_t, std::string> names_in(const std::string& kallsyms,
                                              const std::vector<std::uint64_t>& addresses) {
    std::istringstream lines(kallsyms);
    return name_addresses(lines, addresses);
}

TEST(ParseSymbolLine, reads_a_symbol_of_the_core_kernel) {
    const auto symbol = parse_symbol_line("ffffffff82a4e0c0 D modules");
    ASSERT_TRUE(symbol);
    EXPECT_EQ(symbol->address, 0xffffffff82a4e0c0);
    EXPECT_EQ(symbol->name, "modules");
    EXPECT_EQ(symbol->module, "");
}

TEST(ParseSymbolLine, reads_a_symbol_of_a_module) {
    const auto symbol = parse_symbol_line("ffffffffc0a01000 t m_cb\t[m]");
    ASSERT_TRUE(symbol);
    EXPECT_EQ(symbol->address, 0xffffffffc0a01000);
    EXPECT_EQ(symbol->name, "m_cb");
    EXPECT_EQ(symbol->module, "m");
}

TEST(ParseSymbolLine, reads_a_per_cpu_symbol_with_its_offset) {
    const auto symbol = parse_symbol_line("000000000001f0c0 A timer_bases");
    ASSERT_TRUE(symbol);
    EXPECT_EQ(symbol->address, 0x1f0c0U);
    EXPECT_EQ(symbol->name, "timer_bases");
    EXPECT_EQ(symbol->module, "");
}

TEST(ParseSymbolLine, reads_addresses_that_are_zero_or_short) {
    const auto zero = parse_symbol_line("0000000000000000 A fixed_percpu_data");
    ASSERT_TRUE(zero);
    EXPECT_EQ(zero->address, 0U);
    const auto narrow = parse_symbol_line("c0100000 T a");
    ASSERT_TRUE(narrow);
    EXPECT_EQ(narrow->address, 0xc0100000U);
    EXPECT_EQ(narrow->name, "a");
}

TEST(ParseSymbolLine, takes_any_bytes_of_a_name) {
    const auto symbol = parse_symbol_line("ffffffffc0a01000 t \x1b[31m\xff x\t[m]");
    ASSERT_TRUE(symbol);
    EXPECT_EQ(symbol->name, "\x1b[31m\xff x");
    EXPECT_EQ(symbol->module, "m");
}

class MalformedLine : public testing::TestWithParam<std::string_view> {};

TEST_P(MalformedLine, is_no_symbol) {
    EXPECT_FALSE(parse_symbol_line(GetParam()));
}

INSTANTIATE_TEST_SUITE_P(forms, MalformedLine,
                         testing::Values("", " ", "modules", "ffffffff82a4e0c0", "ffffffff82a4e0c0 ",
                                         "ffffffff82a4e0c0 D", "ffffffff82a4e0c0 D ",
                                         "ffffffff82a4e0c0 DD modules", "ffffffff82a4e0c0D modules",
                                         "ffffffff82a4e0c0\tD modules", "ffffffff82a4e0c0 D\tmodules",
                                         "xyz D modules", " ffffffff82a4e0c0 D modules",
                                         "0xffffffff82a4e0c0 D modules", "-1 D modules",
                                         "1ffffffff82a4e0c0 D modules", "ffffffffc0a01000 t m_cb\t",
                                         "ffffffffc0a01000 t m_cb\t[", "ffffffffc0a01000 t m_cb\tm",
                                         "ffffffffc0a01000 t m_cb\t[m", "ffffffffc0a01000 t m_cb\tm]",
                                         "ffffffffc0a01000 t m_cb\t[m] ", "ffffffffc0a01000 t \t[m]"));

TEST(ParseSymbolLine, a_module_without_a_name_is_not_the_core_kernel) {
    EXPECT_FALSE(parse_symbol_line("ffffffffc0a01000 d modules\t[]"));
}

TEST(ParseSymbolLine, a_name_with_a_tab_in_it_never_passes_for_the_core_kernels) {
    for (const std::string_view line :
         {"ffffffffc0a01000 t modules\tx\t[m]", "ffffffffc0a01000 t modules\t[\t[m]",
          "ffffffffc0a01000 t modules\t[x]\t[m]", "ffffffffc0a01000 t modules\t[]\t[m]"}) {
        const auto symbol = parse_symbol_line(line);
        EXPECT_TRUE(!symbol || !symbol->module.empty()) << line;
    }
}

TEST(CoreSymbols, finds_the_names_that_were_asked_for_and_no_others) {
    const auto symbols = parse("000000000001f0c0 A timer_bases\n"
                               "ffffffff82a4e0c0 D modules\n"
                               "ffffffff83000000 B _end\n",
                               {"timer_bases", "modules", "absent"});
    EXPECT_THAT(symbols.find("timer_bases"), Optional(Eq(0x1f0c0U)));
    EXPECT_THAT(symbols.find("modules"), Optional(Eq(0xffffffff82a4e0c0)));
    EXPECT_EQ(symbols.find("absent"), std::nullopt);
    EXPECT_EQ(symbols.find("_end"), std::nullopt);
}

TEST(CoreSymbols, compares_whole_names) {
    const auto symbols = parse("ffffffff82a4e0c0 D modules_disabled\n"
                               "ffffffff82a4e0c8 D module\n"
                               "ffffffff82a4e0d0 D Modules\n",
                               {"modules"});
    EXPECT_EQ(symbols.find("modules"), std::nullopt);
}

TEST(CoreSymbols, never_takes_a_modules_symbol) {
    const auto symbols = parse("ffffffffc0a01000 d modules\t[m]\n"
                               "ffffffffc0a02000 d timer_bases\t[m]\n"
                               "ffffffff82a4e0c0 D modules\n"
                               "ffffffffc0b01000 D modules\t[n]\n",
                               {"modules", "timer_bases"});
    EXPECT_THAT(symbols.find("modules"), Optional(Eq(0xffffffff82a4e0c0)));
    EXPECT_EQ(symbols.find("timer_bases"), std::nullopt);
}

TEST(CoreSymbols, takes_a_name_at_two_addresses_as_absent) {
    const auto symbols = parse("ffffffff82a4e0c0 d modules\n"
                               "ffffffff82b00000 d modules\n"
                               "ffffffff83000000 B _end\n",
                               {"modules", "_end"});
    EXPECT_EQ(symbols.find("modules"), std::nullopt);
    EXPECT_THAT(symbols.find("_end"), Optional(Eq(0xffffffff83000000)));
}

TEST(CoreSymbols, stays_ambiguous_when_the_first_address_comes_again) {
    const auto symbols = parse("ffffffff82a4e0c0 d modules\n"
                               "ffffffff82b00000 d modules\n"
                               "ffffffff82a4e0c0 d modules\n",
                               {"modules"});
    EXPECT_EQ(symbols.find("modules"), std::nullopt);
}

TEST(CoreSymbols, takes_a_name_twice_at_one_address_as_one) {
    const auto symbols = parse("ffffffff82a4e0c0 d modules\n"
                               "ffffffff82a4e0c0 D modules\n",
                               {"modules"});
    EXPECT_THAT(symbols.find("modules"), Optional(Eq(0xffffffff82a4e0c0)));
}

TEST(CoreSymbols, a_line_feed_in_a_modules_symbol_makes_a_name_ambiguous_at_worst) {
    const auto symbols = parse("ffffffff82a4e0c0 D modules\n"
                               "ffffffffc0a01000 d x\n"
                               "ffffffffdeadbeef D modules\n"
                               "z\t[m]\n",
                               {"modules"});
    EXPECT_EQ(symbols.find("modules"), std::nullopt);
}

TEST(CoreSymbols, passes_over_malformed_lines) {
    const auto symbols = parse("\n"
                               "garbage\n"
                               "ffffffffc0a01000 t modules\t[m\n"
                               "ffffffff82a4e0c0 D modules\n"
                               "ffffffff83000000 B _end",
                               {"modules", "_end"});
    EXPECT_THAT(symbols.find("modules"), Optional(Eq(0xffffffff82a4e0c0)));
    EXPECT_THAT(symbols.find("_end"), Optional(Eq(0xffffffff83000000)))
        << "the last line ends without a newline";
}

TEST(CoreSymbols, of_nothing_are_none) {
    EXPECT_EQ(parse("", {"modules"}).find("modules"), std::nullopt);
    EXPECT_EQ(parse("ffffffff82a4e0c0 D modules\n", {}).find("modules"), std::nullopt);
}

TEST(NameAddresses, names_functions_with_their_module) {
    EXPECT_THAT(
        names_in("ffffffff81000000 T core_fn\n"
                 "ffffffffc0a01000 t m_cb\t[m]\n"
                 "ffffffffc0a02000 t other\t[m]\n",
                 {0xffffffffc0a01000, 0xffffffff81000000}),
        UnorderedElementsAre(Pair(0xffffffff81000000, "core_fn"), Pair(0xffffffffc0a01000, "m_cb [m]")));
}

TEST(NameAddresses, leaves_out_addresses_that_begin_no_symbol) {
    EXPECT_THAT(names_in("ffffffffc0a01000 t m_cb\t[m]\n", {0xffffffffc0a01001, 0xffffffffc0a00fff, 0}),
                IsEmpty());
    EXPECT_THAT(names_in("ffffffffc0a01000 t m_cb\t[m]\n", {}), IsEmpty());
}

TEST(NameAddresses, the_first_of_several_names_of_an_address_counts) {
    EXPECT_THAT(names_in("ffffffffc0a01000 t first\t[m]\n"
                         "ffffffffc0a01000 t second\t[m]\n",
                         {0xffffffffc0a01000, 0xffffffffc0a01000}),
                UnorderedElementsAre(Pair(0xffffffffc0a01000, "first [m]")));
}

TEST(NameAddresses, passes_over_malformed_lines) {
    EXPECT_THAT(names_in("ffffffffc0a01000 t bad\t[m\n"
                         "ffffffffc0a01000 t good\t[m]\n",
                         {0xffffffffc0a01000}),
                UnorderedElementsAre(Pair(0xffffffffc0a01000, "good [m]")));
}

} // namespace
} // namespace disarmd
