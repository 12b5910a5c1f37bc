// SPDX-License-Identifier: Apache-2.0
#include "verdict/advice.h"

#include <ostream>

#include <gtest/gtest.h>

#include "builders.h"

namespace disarmd {
namespace {

Unload with(const std::vector<PendingTimer>& pending) {
    auto unload = test::leaking_unload();
    unload.pending = pending;
    unload.pending_count = pending.size();
    return unload;
}

PendingTimer pending(TimerKind kind, Cause cause, std::string symbol = "m_cb [m]") {
    auto timer = test::pending_timer();
    timer.kind = kind;
    timer.cause = cause;
    timer.symbol = std::move(symbol);
    return timer;
}

TEST(Advise, says_nothing_where_there_is_nothing_to_mend) {
    EXPECT_EQ(advise(test::clean_unload(), true), "");
    EXPECT_EQ(advise(test::inconclusive_unload(), true), "");
    EXPECT_EQ(advise(test::not_unloaded(), true), "");
}

struct ApiCase {
    TimerKind kind;
    bool has_timer_shutdown_sync;
    std::string api;

    friend void PrintTo(const ApiCase& value, std::ostream* out) { *out << value.api; }
};

class AdvisedApi : public testing::TestWithParam<ApiCase> {};

TEST_P(AdvisedApi, goes_into_the_exit_function) {
    for (const auto cause : {Cause::unknown, Cause::never_deleted})
        EXPECT_EQ(advise(with({pending(GetParam().kind, cause)}), GetParam().has_timer_shutdown_sync),
                  "call " + GetParam().api +
                      " for m_cb [m] in the exit function, after everything that could arm it again")
            << name_of(cause);
}

TEST_P(AdvisedApi, goes_onto_the_error_path_after_a_failed_init) {
    EXPECT_EQ(
        advise(with({pending(GetParam().kind, Cause::failed_rollback)}), GetParam().has_timer_shutdown_sync),
        "call " + GetParam().api + " for m_cb [m] on the error path of the init function");
}

TEST_P(AdvisedApi, waits_for_a_callback_that_is_running) {
    EXPECT_EQ(
        advise(with({pending(GetParam().kind, Cause::callback_running)}), GetParam().has_timer_shutdown_sync),
        "wait for m_cb [m] to return: delete it with " + GetParam().api +
            " instead of a delete that does not wait");
}

TEST_P(AdvisedApi, waits_for_a_callback_that_arms_it_again) {
    auto timer = pending(GetParam().kind, Cause::rearmed_after_delete);
    timer.rearmer = Rearmer::callback;
    EXPECT_EQ(advise(with({timer}), GetParam().has_timer_shutdown_sync),
              "delete m_cb [m] with " + GetParam().api +
                  ", which waits for its callback: the delete did not, and the callback armed it again");
    timer.deleted = Delete{};
    timer.deleted->api = "timer_delete";
    EXPECT_EQ(advise(with({timer}), GetParam().has_timer_shutdown_sync),
              "delete m_cb [m] with " + GetParam().api +
                  ", which waits for its callback: timer_delete() did not, and the callback armed it again");
}

TEST_P(AdvisedApi, stops_whoever_else_arms_it_again) {
    const std::string instead = GetParam().api == "timer_shutdown_sync()"
                                    ? ", or use timer_shutdown_sync(), after which nothing can arm it"
                                    : "";
    for (const auto rearmer :
         {Rearmer::softirq, Rearmer::hardirq, Rearmer::thread, Rearmer::unloader, Rearmer::unknown}) {
        auto timer = pending(GetParam().kind, Cause::rearmed_after_delete);
        timer.rearmer = rearmer;
        EXPECT_EQ(advise(with({timer}), GetParam().has_timer_shutdown_sync),
                  "stop what arms m_cb [m] again before the exit function deletes it" + instead);
        timer.armed->stack = {"mod_timer+0x1", "m_thread+0x6a [m]", "kthread+0x1"};
        EXPECT_EQ(advise(with({timer}), GetParam().has_timer_shutdown_sync),
                  "stop what arms m_cb [m] again (m_thread+0x6a [m]) before the exit function deletes it" +
                      instead);
        timer.armed->stack_age = test::seconds(3);
        EXPECT_EQ(advise(with({timer}), GetParam().has_timer_shutdown_sync),
                  "stop what arms m_cb [m] again before the exit function deletes it" + instead)
            << "that stack is not of the last arm";
    }
}

INSTANTIATE_TEST_SUITE_P(
    kinds, AdvisedApi,
    testing::Values(ApiCase{TimerKind::timer, true, "timer_shutdown_sync()"},
                    ApiCase{TimerKind::timer, false, "timer_delete_sync()"},
                    ApiCase{TimerKind::hrtimer, true, "hrtimer_cancel()"},
                    ApiCase{TimerKind::hrtimer, false, "hrtimer_cancel()"},
                    ApiCase{TimerKind::delayed_work, true, "cancel_delayed_work_sync()"},
                    ApiCase{TimerKind::delayed_work, false, "cancel_delayed_work_sync()"},
                    ApiCase{TimerKind::alarm, true, "alarm_cancel()"},
                    ApiCase{TimerKind::alarm, false, "alarm_cancel()"},
                    ApiCase{TimerKind::kthread_delayed_work, true, "kthread_cancel_delayed_work_sync()"},
                    ApiCase{TimerKind::kthread_delayed_work, false, "kthread_cancel_delayed_work_sync()"}));

TEST(Advise, names_every_mend_once_in_the_order_of_the_timers) {
    const auto advice = advise(with({pending(TimerKind::timer, Cause::never_deleted, "b"),
                                     pending(TimerKind::hrtimer, Cause::never_deleted, "a"),
                                     pending(TimerKind::timer, Cause::never_deleted, "b"),
                                     pending(TimerKind::timer, Cause::failed_rollback, "b")}),
                               true);
    EXPECT_EQ(
        advice,
        "call timer_shutdown_sync() for b in the exit function, after everything that could arm it again; "
        "call hrtimer_cancel() for a in the exit function, after everything that could arm it again; "
        "call timer_shutdown_sync() for b on the error path of the init function");
}

TEST(Advise, escapes_symbols) {
    EXPECT_EQ(advise(with({pending(TimerKind::hrtimer, Cause::failed_rollback, "a\n\x1b[2J")}), true),
              "call hrtimer_cancel() for a\\x0a\\x1b[2J on the error path of the init function");
}

} // namespace
} // namespace disarmd
