// SPDX-License-Identifier: Apache-2.0
#include "kernel/layout.h"

#include <ostream>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace disarmd {
namespace {

struct CpusCase {
    std::string_view list;
    std::uint32_t cpus;

    friend void PrintTo(const CpusCase& value, std::ostream* out) { *out << value.list; }
};

class PossibleCpus : public testing::TestWithParam<CpusCase> {};

TEST_P(PossibleCpus, are_the_last_number_and_one) {
    const auto cpus = parse_possible_cpus(GetParam().list);
    ASSERT_TRUE(cpus) << cpus.error().text();
    EXPECT_EQ(*cpus, GetParam().cpus);
}

INSTANTIATE_TEST_SUITE_P(lists, PossibleCpus,
                         testing::Values(CpusCase{"0", 1}, CpusCase{"0-0", 1}, CpusCase{"0-1", 2},
                                         CpusCase{"0-3", 4}, CpusCase{"0-8191", 8192}));

class RefusedCpus : public testing::TestWithParam<std::string_view> {};

TEST_P(RefusedCpus, are_quoted_in_the_error) {
    const auto cpus = parse_possible_cpus(GetParam());
    ASSERT_FALSE(cpus) << *cpus;
    EXPECT_EQ(cpus.error().code(), ENOTSUP);
    EXPECT_THAT(cpus.error().text(), testing::HasSubstr("\"" + std::string(GetParam()) + "\""));
    EXPECT_THAT(cpus.error().text(), testing::HasSubstr("without holes"));
}

INSTANTIATE_TEST_SUITE_P(lists, RefusedCpus,
                         testing::Values("", "1", "1-3", "0-", "-3", "0-3,8-11", "0,2", "0-3 ", " 0-3", "0-x",
                                         "0--3", "abc", "0-4294967296", "99999999999"));

TEST(ParsePossibleCpus, an_error_is_printable) {
    const auto cpus = parse_possible_cpus("0-3\x1b");
    ASSERT_FALSE(cpus) << *cpus;
    EXPECT_THAT(cpus.error().text(), testing::HasSubstr(R"("0-3\x1b")"));
}

TEST(ParsePossibleCpus, a_count_that_does_not_fit_is_refused_and_not_none) {
    const auto cpus = parse_possible_cpus("0-4294967295");
    ASSERT_FALSE(cpus) << *cpus;
    EXPECT_EQ(cpus.error().code(), ENOTSUP);
}

TEST(LayoutSymbols, are_asked_for_once_each) {
    const auto names = layout_symbols();
    EXPECT_EQ(std::set<std::string_view>(names.begin(), names.end()).size(), names.size());
    EXPECT_THAT(names, testing::IsSupersetOf(
                           {"timer_bases", "__per_cpu_offset", "modules", "delayed_work_timer_fn", "_end"}));
}

} // namespace
} // namespace disarmd
