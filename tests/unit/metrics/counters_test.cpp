// SPDX-License-Identifier: Apache-2.0
#include "metrics/counters.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "builders.h"

namespace disarmd {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

UnloadCounters counted(const std::vector<Unload>& unloads) {
    UnloadCounters counters;
    for (const auto& unload : unloads)
        counters.count(unload);
    return counters;
}

TEST(UnloadCounters, begin_with_nothing) {
    const UnloadCounters counters;
    EXPECT_THAT(counters.verdicts, IsEmpty());
    EXPECT_THAT(counters.leaks, IsEmpty());
    EXPECT_EQ(counters.denied + counters.drains + counters.bypassed + counters.timers_left, 0U);
}

TEST(UnloadCounters, count_by_verdict) {
    const auto counters = counted(
        {test::clean_unload(), test::leaking_unload(), test::clean_unload(), test::inconclusive_unload()});
    EXPECT_THAT(counters.verdicts, ElementsAre(Pair(Verdict::clean, 2U), Pair(Verdict::leak, 1U),
                                               Pair(Verdict::inconclusive, 1U)));
}

TEST(UnloadCounters, count_what_was_not_freed_as_no_verdict) {
    const auto counters = counted({test::denied_unload(), test::not_unloaded()});
    EXPECT_EQ(counters.denied, 1U);
    EXPECT_THAT(counters.verdicts, IsEmpty());
}

TEST(UnloadCounters, count_a_leak_once_whatever_it_left) {
    auto alike = test::leaking_unload();
    alike.pending = {alike.pending.front(), alike.pending.front()};
    alike.pending_count = 1000; // of which the first are listed
    for (auto& pending : alike.pending)
        pending.cause = Cause::never_deleted;
    auto different = alike;
    different.pending.back().cause = Cause::failed_rollback;
    auto unlisted = alike;
    unlisted.pending.clear();
    auto drained = alike;
    drained.policy.drain = std::chrono::milliseconds(300);
    auto in_vain = drained;
    in_vain.policy.drain_left = 1;
    const auto counters = counted({alike, drained, in_vain, different, unlisted});
    using Kind = UnloadCounters::LeakKind;
    EXPECT_THAT(counters.leaks,
                ElementsAre(Pair(Kind{"never-deleted", false}, 2U), Pair(Kind{"never-deleted", true}, 1U),
                            Pair(Kind{several_causes, false}, 1U), Pair(Kind{"unknown", false}, 1U)));
    EXPECT_EQ(counters.timers_left, 5000U);
}

TEST(UnloadCounters, add_up_drains_clean_ones_too) {
    auto drained = test::clean_unload();
    drained.policy.drain = std::chrono::milliseconds(300);
    auto in_vain = test::leaking_unload();
    in_vain.policy.drain = std::chrono::milliseconds(700);
    in_vain.policy.drain_left = 2;
    auto bypassed = test::clean_unload();
    bypassed.policy.bypassed = true;
    const auto counters = counted({drained, in_vain, bypassed});
    EXPECT_EQ(counters.drains, 2U);
    EXPECT_EQ(counters.drained, std::chrono::seconds(1));
    EXPECT_EQ(counters.left_by_drains, 2U);
    EXPECT_EQ(counters.bypassed, 1U);
}

} // namespace
} // namespace disarmd
