// SPDX-License-Identifier: Apache-2.0
#include "verdict/gaps.h"

#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace disarmd {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

constexpr std::uint32_t all_gaps = abi::GAP_END - 1;

TEST(DescribeGaps, of_none_is_nothing) {
    EXPECT_THAT(describe_gaps(0), IsEmpty());
}

TEST(DescribeGaps, has_one_text_for_each_of_the_abi) {
    std::set<std::string> texts;
    for (std::uint32_t gap = 1; gap < abi::GAP_END; gap *= 2) {
        const auto described = describe_gaps(gap);
        ASSERT_EQ(described.size(), 1U) << gap;
        EXPECT_THAT(described.front(), testing::Not(HasSubstr("not known here"))) << gap;
        texts.insert(described.front());
    }
    EXPECT_EQ(texts.size(), describe_gaps(all_gaps).size()) << "no two are the same";
}

TEST(DescribeGaps, says_of_which_source_they_are) {
    for (const std::uint32_t gap : {abi::GAP_SCAN_MOVING, abi::GAP_SCAN_BOUND, abi::GAP_SCAN_EXPIRING,
                                    abi::GAP_SCAN_UNREADABLE, abi::GAP_SCAN_ABSENT, abi::GAP_SCAN_DISPUTED})
        EXPECT_THAT(describe_gaps(gap), ElementsAre(StartsWith("scan: "))) << gap;
    for (const std::uint32_t gap :
         {abi::GAP_TRACKING_LOST, abi::GAP_TRACKING_LATE, abi::GAP_TRACKING_UNSURE, abi::GAP_TRACKING_UNREAD,
          abi::GAP_HOOKS, abi::GAP_LOST_MEANWHILE, abi::GAP_UNCONFIRMED, abi::GAP_OVERRUN, abi::GAP_HOOKS_OFF,
          abi::GAP_END_UNSEEN})
        EXPECT_THAT(describe_gaps(gap), ElementsAre(StartsWith("tracking: "))) << gap;
}

TEST(DescribeGaps, names_bits_that_it_does_not_know) {
    EXPECT_THAT(describe_gaps(0x40000000 | abi::GAP_RANGES),
                ElementsAre(StartsWith("the module's"), HasSubstr("0x40000000")));
}

TEST(SpoilingGaps, are_those_without_which_the_verdict_would_be_clean) {
    for (std::uint32_t gaps = 0; gaps <= all_gaps; ++gaps) {
        const auto spoiling = spoiling_gaps(gaps);
        ASSERT_EQ(spoiling & ~gaps, 0U) << gaps;
        ASSERT_EQ(spoiling != 0, abi::verdict_of(0, gaps) == abi::VERDICT_INCONCLUSIVE) << gaps;
        ASSERT_EQ(abi::verdict_of(0, gaps & ~spoiling), abi::VERDICT_CLEAN) << gaps;
    }
}

} // namespace
} // namespace disarmd
