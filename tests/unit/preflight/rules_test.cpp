// SPDX-License-Identifier: Apache-2.0
#include "preflight/rules.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "preflight/graph.h"
#include "preflight/models.h"
#include "preflight/same_timer.h"

namespace disarmd {
namespace {

using test::behind;
using test::field;
using test::fixed;
using test::given;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<std::string> told(const ModuleCode& code) {
    std::vector<std::string> lines;
    for (const auto& finding : find_faults(code))
        lines.push_back(
            fmt::format("{} {} in {}", name_of(finding.certainty), name_of(finding.rule), finding.function));
    return lines;
}

// A static timer that init arms.
struct StaticTimer : test::Model {
    FunctionIndex callback = function("m_callback");
    FunctionIndex first = init();
    FunctionIndex last = exit();

    StaticTimer() {
        own(TimerKind::timer, fixed(0), callback);
        site(first, "mod_timer", fixed(0));
    }
};

TEST(Rules, are_certain_of_a_static_timer_that_nothing_deletes) {
    StaticTimer module;
    EXPECT_THAT(told(module.code), ElementsAre("certain never-deleted in m_init"));
    module.site(module.last, "timer_delete_sync", fixed(64));
    EXPECT_THAT(told(module.code), ElementsAre("certain never-deleted in m_init"))
        << "another one is deleted";
    module.site(module.last, "hrtimer_cancel", fixed(0));
    EXPECT_THAT(told(module.code), ElementsAre("certain never-deleted in m_init")) << "another kind";
    module.site(module.last, "timer_delete_sync", fixed(0));
    EXPECT_THAT(told(module.code), IsEmpty());
}

TEST(Rules, say_nothing_where_a_delete_may_be_its) {
    for (const auto& place : {Place{}, given(0)}) {
        StaticTimer module;
        module.site(module.last, "timer_delete", place);
        EXPECT_THAT(told(module.code), IsEmpty());
    }
}

TEST(Rules, are_less_sure_the_more_there_is_that_could_end_it) {
    StaticTimer escapes;
    escapes.code.timers[0].escapes = true;
    EXPECT_THAT(told(escapes.code), ElementsAre("likely never-deleted in m_init"));
    escapes.site(escapes.last, "timer_delete_sync", field(8));
    EXPECT_THAT(told(escapes.code), IsEmpty());

    StaticTimer waits;
    waits.calls(waits.function("m_other"), std::string("msleep"));
    EXPECT_THAT(told(waits.code), ElementsAre("likely never-deleted in m_init"));
    waits.calls(waits.last, std::string("wait_for_completion"));
    EXPECT_THAT(told(waits.code), ElementsAre("possible never-deleted in m_init"));

    StaticTimer tells;
    tells.calls(tells.callback, std::string("complete"));
    EXPECT_THAT(told(tells.code), ElementsAre("certain never-deleted in m_init")) << "nobody waits";
    tells.calls(tells.function("m_close"), std::string("wait_for_completion"));
    EXPECT_THAT(told(tells.code), ElementsAre("possible never-deleted in m_init"));

    StaticTimer holds;
    holds.calls(holds.function("m_open"), std::string("__module_get"));
    EXPECT_THAT(told(holds.code), ElementsAre("likely never-deleted in m_init"));

    StaticTimer helped;
    helped.calls(helped.function("m_close"), std::string("sk_common_release"));
    EXPECT_THAT(told(helped.code), ElementsAre("possible never-deleted in m_init"));
}

TEST(Rules, say_nothing_of_a_module_that_cannot_be_unloaded_or_arms_nothing) {
    StaticTimer stays;
    stays.code.exit = no_function;
    EXPECT_THAT(told(stays.code), IsEmpty());

    StaticTimer idle;
    idle.code.sites.clear();
    EXPECT_THAT(told(idle.code), IsEmpty());

    StaticTimer at_once;
    at_once.code.sites[0].at_once = true;
    EXPECT_THAT(told(at_once.code), IsEmpty());
    EXPECT_THAT(told(ModuleCode{}), IsEmpty());
}

TEST(Rules, leave_others_timers_alone) {
    test::Model module;
    const auto work = module.function("m_work");
    module.exit();
    module.site(work, "mod_timer", field(8));
    EXPECT_THAT(told(module.code), IsEmpty());
    module.own(TimerKind::timer, field(8), no_function);
    EXPECT_THAT(told(module.code), IsEmpty()) << "set up with the kernel's callback";
}

TEST(Rules, are_never_certain_of_what_is_allocated) {
    test::Model module;
    const auto callback = module.function("m_callback");
    const auto open = module.function("m_open");
    const auto last = module.exit();
    module.own(TimerKind::hrtimer, field(0x20), callback);
    module.site(open, "hrtimer_start_range_ns", field(0x20));
    EXPECT_THAT(told(module.code), ElementsAre("likely never-deleted in m_open"));
    module.site(last, "hrtimer_cancel", field(0x90));
    EXPECT_THAT(told(module.code), IsEmpty()) << "perhaps by another pointer";
}

TEST(Rules, know_what_exit_reaches) {
    StaticTimer module;
    const auto inner = module.function("m_inner");
    const auto outer = module.function("m_outer");
    module.site(inner, "timer_delete_sync", fixed(0));
    module.calls(outer, inner);
    module.calls(inner, outer); // in a circle
    EXPECT_THAT(told(module.code), ElementsAre("likely exit-reaches-no-delete in m_init"));
    module.calls(module.last, outer);
    EXPECT_THAT(told(module.code), IsEmpty());
}

TEST(Rules, take_it_that_others_call_what_they_can) {
    for (const bool exported : {false, true}) {
        StaticTimer module;
        const auto remove = module.function("m_remove");
        module.site(remove, "timer_delete_sync", fixed(0));
        (exported ? module.at(remove).exported : module.at(remove).address_taken) = true;
        EXPECT_THAT(told(module.code), IsEmpty());
    }
    // But a callback is not called any more once its timer is to be deleted.
    StaticTimer module;
    module.at(module.callback).address_taken = true;
    module.site(module.callback, "timer_delete", given(0));
    EXPECT_THAT(told(module.code), ElementsAre("likely exit-reaches-no-delete in m_init"));
    module.calls(module.last, std::string("unregister_thing"));
    EXPECT_THAT(told(module.code), ElementsAre("possible exit-reaches-no-delete in m_init"));
}

TEST(Rules, see_a_race_where_nobody_waits_for_a_callback_that_re_arms) {
    for (const auto& again : {given(0), fixed(0)}) {
        StaticTimer module;
        module.site(module.callback, "mod_timer", again);
        module.site(module.last, "timer_delete", fixed(0));
        EXPECT_THAT(told(module.code), ElementsAre("race delete-races-with-rearm in m_exit"));
        module.site(module.last, "timer_delete_sync", fixed(0));
        EXPECT_THAT(told(module.code), IsEmpty());
    }
    StaticTimer last;
    last.site(last.callback, "mod_timer", given(0));
    last.site(last.last, "timer_delete_sync", fixed(0));
    last.site(last.last, "timer_delete", fixed(0));
    EXPECT_THAT(told(last.code), IsEmpty());
    last.code.last_deletes.push_back(3);
    EXPECT_THAT(told(last.code), ElementsAre("race delete-races-with-rearm in m_exit"))
        << "nobody waits after that";

    StaticTimer once;
    once.site(once.last, "timer_delete", fixed(0));
    EXPECT_THAT(told(once.code), IsEmpty()) << "it does not arm itself again";

    StaticTimer shut;
    shut.site(shut.callback, "mod_timer", given(0));
    shut.site(shut.last, "timer_delete", fixed(0));
    shut.site(shut.last, "timer_shutdown", fixed(0));
    EXPECT_THAT(told(shut.code), IsEmpty());

    StaticTimer tells;
    tells.site(tells.callback, "mod_timer", given(0));
    tells.calls(tells.callback, std::string("complete"));
    tells.calls(tells.last, std::string("wait_for_completion"));
    tells.site(tells.last, "timer_delete", fixed(0));
    EXPECT_THAT(told(tells.code), IsEmpty()) << "exit waits until it has stopped";
    tells.code.last_deletes.push_back(2);
    EXPECT_THAT(told(tells.code), ElementsAre("race delete-races-with-rearm in m_exit"))
        << "but not on this path";
}

TEST(Rules, tell_of_an_init_that_fails) {
    StaticTimer module;
    module.site(module.last, "timer_delete_sync", fixed(0));
    module.code.failing_paths.push_back({0, 0x80, "register_thing"});
    const auto findings = find_faults(module.code);
    ASSERT_EQ(findings.size(), 1U);
    EXPECT_EQ(findings[0].rule, FindingRule::init_fails);
    EXPECT_EQ(findings[0].certainty, Certainty::possible);
    EXPECT_THAT(findings[0].text, HasSubstr("fails if register_thing() does"));
    EXPECT_THAT(findings[0].text, HasSubstr(".text+0x80"));
    module.code.exit = no_function;
    EXPECT_EQ(find_faults(module.code).size(), 1U) << "whether it could be unloaded or not";
}

TEST(Rules, put_the_surest_first_and_tell_none_twice) {
    StaticTimer module;
    module.own(TimerKind::hrtimer, field(8), module.callback);
    module.own(TimerKind::hrtimer, field(8), module.callback);
    module.code.timers.front().escapes = true;
    module.site(module.first, "hrtimer_start_range_ns", field(8));
    module.own(TimerKind::delayed_work, fixed(200), module.callback);
    module.site(module.first, "queue_delayed_work_on", fixed(200));
    EXPECT_THAT(told(module.code),
                ElementsAre("certain never-deleted in m_init", "likely never-deleted in m_init",
                            "likely never-deleted in m_init"));
}

TEST(SameTimer, is_told_as_far_as_places_tell) {
    EXPECT_EQ(same_timer(fixed(0), fixed(0)), Same::yes);
    EXPECT_EQ(same_timer(fixed(0), fixed(8)), Same::no);
    EXPECT_EQ(same_timer(field(8), field(8)), Same::yes);
    EXPECT_EQ(same_timer(field(8), field(16)), Same::maybe);
    EXPECT_EQ(same_timer(behind(0, 8), behind(0, 8)), Same::yes);
    EXPECT_EQ(same_timer(behind(0, 8), behind(0, 16)), Same::no);
    EXPECT_EQ(same_timer(behind(0, 8), behind(8, 16)), Same::maybe);
    EXPECT_EQ(same_timer(fixed(0), field(0)), Same::maybe);
    EXPECT_EQ(same_timer(Place{}, Place{}), Same::maybe);
}

TEST(Graph, follows_calls_both_ways) {
    test::Model module;
    const auto a = module.function("a");
    const auto b = module.function("b");
    const auto c = module.function("c");
    module.calls(a, b);
    module.calls(b, a);
    module.calls(b, c);
    EXPECT_EQ(reached_from(module.code, only(module.code, a)), FunctionSet({true, true, true}));
    EXPECT_EQ(reached_from(module.code, only(module.code, c)), FunctionSet({false, false, true}));
    EXPECT_EQ(leading_to(module.code, only(module.code, c)), FunctionSet({true, true, true}));
    EXPECT_EQ(reached_from(module.code, only(module.code, no_function)), FunctionSet({false, false, false}));
}

} // namespace
} // namespace disarmd
