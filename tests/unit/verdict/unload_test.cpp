// SPDX-License-Identifier: Apache-2.0
#include "verdict/unload.h"

#include <gtest/gtest.h>

#include "builders.h"

namespace disarmd {
namespace {

// Scripts compare these words: the command line documents them.
TEST(NameOf, gives_the_documented_words) {
    EXPECT_EQ(name_of(TimerKind::timer), "timer");
    EXPECT_EQ(name_of(TimerKind::hrtimer), "hrtimer");
    EXPECT_EQ(name_of(TimerKind::delayed_work), "delayed_work");
    EXPECT_EQ(name_of(TimerKind::kthread_delayed_work), "kthread_delayed_work");
    EXPECT_EQ(name_of(TimerKind::alarm), "alarm");

    EXPECT_EQ(name_of(ArmContext::unknown), "unknown");
    EXPECT_EQ(name_of(ArmContext::task), "task");
    EXPECT_EQ(name_of(ArmContext::softirq), "softirq");
    EXPECT_EQ(name_of(ArmContext::hardirq), "hardirq");
    EXPECT_EQ(name_of(ArmContext::callback), "callback");

    EXPECT_EQ(name_of(Owner::callback), "callback");
    EXPECT_EQ(name_of(Owner::object), "object");
    EXPECT_EQ(name_of(Owner::work), "work");

    EXPECT_EQ(name_of(Source::tracking), "tracking");
    EXPECT_EQ(name_of(Source::scan), "scan");

    EXPECT_EQ(name_of(Verdict::clean), "clean");
    EXPECT_EQ(name_of(Verdict::leak), "leak");
    EXPECT_EQ(name_of(Verdict::inconclusive), "inconclusive");

    EXPECT_EQ(name_of(Outcome::freed), "freed");
    EXPECT_EQ(name_of(Outcome::init_failed), "init-failed");
    EXPECT_EQ(name_of(Outcome::not_unloaded), "not-unloaded");

    EXPECT_EQ(name_of(Cause::unknown), "unknown");
    EXPECT_EQ(name_of(Cause::never_deleted), "never-deleted");
    EXPECT_EQ(name_of(Cause::rearmed_after_delete), "rearmed-after-delete");
    EXPECT_EQ(name_of(Cause::failed_rollback), "failed-rollback");
    EXPECT_EQ(name_of(Cause::callback_running), "callback-running");
}

TEST(HasWork, of_delayed_works_alone) {
    EXPECT_FALSE(has_work(TimerKind::timer));
    EXPECT_FALSE(has_work(TimerKind::hrtimer));
    EXPECT_FALSE(has_work(TimerKind::alarm));
    EXPECT_TRUE(has_work(TimerKind::delayed_work));
    EXPECT_TRUE(has_work(TimerKind::kthread_delayed_work));
}

TEST(Unload, that_nothing_is_known_of_is_not_clean) {
    const Unload unload;
    EXPECT_EQ(unload.verdict, Verdict::inconclusive);
    EXPECT_EQ(unload.outcome, Outcome::not_unloaded);
}

} // namespace
} // namespace disarmd
