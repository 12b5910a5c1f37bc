// SPDX-License-Identifier: Apache-2.0
#include "verdict/losses.h"

#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace disarmd {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::StartsWith;

LossCounts counts(std::uint64_t timer_map, std::uint64_t notify) {
    LossCounts counts{};
    counts[abi::LOSS_TIMER_MAP] = timer_map;
    counts[abi::LOSS_NOTIFY] = notify;
    return counts;
}

TEST(Losses, have_names_and_texts_of_their_own) {
    std::set<std::string_view> names;
    std::set<std::string_view> texts;
    for (std::size_t i = 0; i < abi::LOSS_MAX; ++i) {
        names.insert(name_of_loss(i));
        texts.insert(describe_loss(i));
        EXPECT_FALSE(name_of_loss(i).empty()) << i;
    }
    EXPECT_EQ(names.size(), std::size_t{abi::LOSS_MAX});
    EXPECT_EQ(texts.size(), std::size_t{abi::LOSS_MAX});
    EXPECT_EQ(name_of_loss(abi::LOSS_TIMER_MAP), "timer_map");
    EXPECT_EQ(name_of_loss(abi::LOSS_TASK_MAP), "task_map");
}

TEST(DescribeLosses, tells_those_alone_that_grew_and_by_how_much) {
    EXPECT_THAT(describe_losses({}, {}), IsEmpty());
    EXPECT_THAT(describe_losses(counts(5, 2), counts(5, 2)), IsEmpty());
    EXPECT_THAT(describe_losses(counts(5, 2), counts(8, 2)),
                ElementsAre(StartsWith("3 x an arm could not be stored")));
    EXPECT_THAT(describe_losses({}, counts(1, 2)),
                ElementsAre(StartsWith("1 x an arm"), StartsWith("2 x a notification")));
}

} // namespace
} // namespace disarmd
