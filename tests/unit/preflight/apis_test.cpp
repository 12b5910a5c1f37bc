// SPDX-License-Identifier: Apache-2.0
#include "preflight/apis.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace disarmd {
namespace {

TEST(TimerApi, is_found_by_its_name_and_no_other) {
    for (const auto& api : timer_apis())
        EXPECT_EQ(find_api(api.name), &api);
    for (const auto* const other :
         {"", "mod_time", "mod_timer_", "mod_timer_pending", "zzz", "hrtimer_forward"})
        EXPECT_EQ(find_api(other), nullptr) << other;
}

TEST(TimerApi, has_for_every_kind_what_arms_and_what_deletes) {
    for (const auto kind : {TimerKind::timer, TimerKind::hrtimer, TimerKind::delayed_work,
                            TimerKind::kthread_delayed_work, TimerKind::alarm}) {
        const auto any = [&](auto which) {
            return std::ranges::any_of(timer_apis(),
                                       [&](const Api& api) { return api.kind == kind && which(api.effect); });
        };
        EXPECT_TRUE(any([](Effect effect) { return effect == Effect::arms; })) << name_of(kind);
        EXPECT_TRUE(any([](Effect effect) { return effect == Effect::deletes_sync; })) << name_of(kind);
    }
}

TEST(TimerApi, tells_what_waits_from_what_does_not) {
    for (const auto* const sync : {"timer_delete_sync", "del_timer_sync", "hrtimer_cancel", "alarm_cancel",
                                   "cancel_delayed_work_sync", "kthread_cancel_delayed_work_sync"})
        EXPECT_EQ(find_api(sync)->effect, Effect::deletes_sync) << sync;
    for (const auto* const async :
         {"timer_delete", "del_timer", "hrtimer_try_to_cancel", "alarm_try_to_cancel", "cancel_delayed_work",
          "try_to_del_timer_sync", "timer_delete_sync_try"})
        EXPECT_EQ(find_api(async)->effect, Effect::deletes) << async;
    for (const auto* const last : {"timer_shutdown", "timer_shutdown_sync", "disable_delayed_work_sync"})
        EXPECT_EQ(find_api(last)->effect, Effect::shuts_down) << last;
}

} // namespace
} // namespace disarmd
