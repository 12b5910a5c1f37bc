// SPDX-License-Identifier: Apache-2.0
#include "probe/hooks.h"

#include <stdexcept>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace disarmd {
namespace {

using testing::Contains;
using testing::Each;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Not;

constexpr std::string_view no_such_name = "this kernel has none of that name";

// A kernel that has everything under every name that it ever had.
KernelOffer everything() {
    return {hook_tracepoints(), hook_functions(), hook_functions(), true};
}

std::vector<HookChoice> choose_from(Backend backend, const KernelOffer& offer) {
    return choose_hooks({.backend = backend}, offer, {});
}

std::size_t place_of(const std::vector<HookChoice>& choices, std::string_view purpose) {
    for (std::size_t i = 0; i < choices.size(); ++i) {
        if (choices[i].hook.purpose == purpose)
            return i;
    }
    throw std::runtime_error("no hook for: " + std::string(purpose));
}

HookChoice choice_of(const std::vector<HookChoice>& choices, std::string_view purpose) {
    return choices[place_of(choices, purpose)];
}

std::vector<std::string> programs_of(const HookChoice& choice) {
    std::vector<std::string> names;
    for (const auto& program : choice.programs)
        names.push_back(program.program);
    return names;
}

std::vector<std::string> outcomes_of(const HookChoice& choice) {
    std::vector<std::string> outcomes;
    for (const auto& attempt : choice.hook.attempts)
        outcomes.push_back(attempt.outcome);
    return outcomes;
}

TEST(HookNames, are_what_doctor_prints) {
    EXPECT_EQ(name_of(HookMethod::btf_tracepoint), "BTF tracepoint");
    EXPECT_EQ(name_of(HookMethod::raw_tracepoint), "raw tracepoint");
    EXPECT_EQ(name_of(HookMethod::fentry), "fentry");
    EXPECT_EQ(name_of(HookMethod::fexit), "fexit");
    EXPECT_EQ(name_of(HookMethod::kprobe), "kprobe");
    EXPECT_EQ(name_of(HookMethod::kretprobe), "kretprobe");
    EXPECT_EQ(name_of(HookRole::verdict), "verdict");
    EXPECT_EQ(name_of(HookRole::tracking), "tracking");
    EXPECT_EQ(name_of(HookRole::detail), "detail");
}

TEST(ChooseHooks, finds_a_place_for_every_one_on_a_kernel_that_has_everything) {
    for (const auto backend : {Backend::tracepoint, Backend::kprobe}) {
        for (const auto& choice : choose_from(backend, everything())) {
            EXPECT_THAT(choice.programs, Not(IsEmpty())) << choice.hook.purpose;
            EXPECT_FALSE(choice.hook.name.empty()) << choice.hook.purpose;
            EXPECT_EQ(choice.hook.loses, name_of(choice.role));
            EXPECT_FALSE(choice.hook.attached) << "that is not decided yet";
            for (const auto& program : choice.programs)
                EXPECT_THAT(program.targets, Not(IsEmpty())) << program.program;
        }
    }
}

TEST(ChooseHooks, finds_none_on_a_kernel_that_has_nothing_and_says_what_it_wanted) {
    for (const auto backend : {Backend::tracepoint, Backend::kprobe}) {
        for (const auto& choice : choose_from(backend, {})) {
            EXPECT_THAT(choice.programs, IsEmpty()) << choice.hook.purpose;
            EXPECT_FALSE(choice.hook.name.empty()) << choice.hook.purpose;
            EXPECT_FALSE(choice.hook.method.empty()) << choice.hook.purpose;
            EXPECT_THAT(outcomes_of(choice), Each(std::string(no_such_name))) << choice.hook.purpose;
        }
    }
}

// A state that is begun and whose end is not seen would stay for ever.
TEST(ChooseHooks, attaches_to_ends_before_beginnings_and_to_the_verdict_last) {
    for (const auto backend : {Backend::tracepoint, Backend::kprobe}) {
        const auto choices = choose_from(backend, everything());
        const auto place = [&](std::string_view purpose) { return place_of(choices, purpose); };
        EXPECT_LT(place("moves of timers off a dead CPU"), place("arms of timers"));
        EXPECT_LT(place("moves of hrtimers off a dead CPU"), place("arms of hrtimers"));
        EXPECT_LT(place("disarms of timers"), place("arms of timers"));
        EXPECT_LT(place("disarms of hrtimers"), place("arms of hrtimers"));
        EXPECT_LT(place("callbacks having returned"), place("callbacks being run"));
        EXPECT_LT(place("hrtimer callbacks having returned"), place("hrtimer callbacks being run"));
        EXPECT_LT(place("inits having returned"), place("inits being begun"));
        EXPECT_LT(place("unloads having returned"), place("unloads being begun"));
        EXPECT_EQ(place("modules being freed: the verdict"), choices.size() - 1);
    }
}

TEST(ChooseHooks, takes_trampolines_where_the_backend_trusts_them) {
    const auto by_tracepoint = choose_from(Backend::tracepoint, everything());
    EXPECT_EQ(choice_of(by_tracepoint, "inits being begun").hook.method, "fentry");
    EXPECT_THAT(outcomes_of(choice_of(by_tracepoint, "inits being begun")),
                ElementsAre("taken", "not needed"));
    const auto by_kprobe = choose_from(Backend::kprobe, everything());
    EXPECT_EQ(choice_of(by_kprobe, "inits being begun").hook.method, "kprobe");
    EXPECT_EQ(choice_of(by_kprobe, "inits having returned").hook.method, "kretprobe");
    for (const auto& choice : by_kprobe) {
        for (const auto& program : choice.programs) {
            EXPECT_NE(program.method, HookMethod::fentry) << program.program;
            EXPECT_NE(program.method, HookMethod::fexit) << program.program;
            EXPECT_NE(program.method, HookMethod::btf_tracepoint) << program.program;
        }
    }
}

TEST(ChooseHooks, falls_back_to_kprobes_where_functions_have_no_type) {
    auto offer = everything();
    offer.typed_functions.clear();
    const auto choices = choose_from(Backend::tracepoint, offer);
    for (const auto& choice : choices)
        EXPECT_THAT(choice.programs, Not(IsEmpty())) << choice.hook.purpose;
    const auto begun = choice_of(choices, "unloads being begun");
    EXPECT_EQ(begun.hook.method, "kprobe");
    EXPECT_EQ(outcomes_of(begun).front(), no_such_name);
    EXPECT_EQ(outcomes_of(begun).back(), "taken");
}

// What a timer passes by would cost something.
TEST(ChooseHooks, takes_none_on_timers_where_they_are_not_tracked) {
    for (const auto backend : {Backend::tracepoint, Backend::kprobe}) {
        std::vector<std::string> purposes;
        for (const auto& choice : choose_hooks({.backend = backend, .tracks = false}, everything(), {})) {
            purposes.push_back(choice.hook.purpose);
            EXPECT_FALSE(choice.sees_arms || choice.sees_deletes) << choice.hook.purpose;
        }
        EXPECT_THAT(purposes,
                    ElementsAre(memory_hook_purpose, "loads being begun", "inits having returned",
                                "inits being begun", "unloads having returned", "unloads being begun",
                                "modules being loaded", "modules being freed: the verdict"));
    }
}

TEST(ChooseHooks, passes_over_a_program_that_was_refused) {
    const auto taken = choice_of(choose_from(Backend::tracepoint, everything()), "inits being begun");
    const auto first = programs_of(taken).front();
    const auto choices = choose_hooks({}, everything(), {first});
    const auto next = choice_of(choices, "inits being begun");
    EXPECT_THAT(outcomes_of(next), ElementsAre("could not be attached", "taken"));
    EXPECT_NE(programs_of(next).front(), first);
    EXPECT_EQ(next.hook.method, "kprobe");
    const auto none = choose_hooks({}, everything(), {first, programs_of(next).front()});
    EXPECT_THAT(choice_of(none, "inits being begun").programs, IsEmpty());
}

TEST(ChooseHooks, needs_no_kprobe_where_functions_have_types) {
    auto offer = everything();
    offer.may_use_kprobes = false;
    for (const auto& choice : choose_from(Backend::tracepoint, offer)) {
        EXPECT_THAT(choice.programs, Not(IsEmpty())) << choice.hook.purpose;
        for (const auto& program : choice.programs)
            EXPECT_NE(program.method, HookMethod::kprobe) << program.program;
    }
    const auto kprobes = choice_of(choose_from(Backend::kprobe, offer), "re-arms of timers");
    EXPECT_THAT(kprobes.programs, IsEmpty());
    EXPECT_THAT(outcomes_of(kprobes),
                ElementsAre("takes CAP_SYS_ADMIN while kernel.perf_event_paranoid is above 2"));
}

TEST(ChooseHooks, goes_without_deletes_that_the_kernel_does_not_have) {
    auto offer = everything();
    offer.typed_functions.erase("timer_shutdown");
    offer.typed_functions.erase("timer_shutdown_sync");
    const auto deletes = choice_of(choose_from(Backend::tracepoint, offer), "calls that delete timers");
    EXPECT_THAT(programs_of(deletes),
                ElementsAre("on_timer_delete_call", "on_timer_delete_sync_call", "on_timer_try_delete_call"));
    EXPECT_THAT(outcomes_of(deletes),
                ElementsAre("taken", "taken", "taken", no_such_name, no_such_name, "not needed"));
}

TEST(ChooseHooks, takes_the_programs_without_loops_where_the_kernel_has_none) {
    for (const auto backend : {Backend::tracepoint, Backend::kprobe}) {
        for (const std::string_view purpose :
             {std::string_view("modules being freed: the verdict"), memory_hook_purpose}) {
            for (const bool has_loop : {true, false}) {
                auto offer = everything();
                offer.has_loop = has_loop;
                const auto choices = choose_from(backend, offer);
                const auto programs = programs_of(choice_of(choices, purpose));
                ASSERT_THAT(programs, Not(IsEmpty())) << purpose;
                EXPECT_EQ(programs.back().ends_with("_unrolled"), !has_loop) << programs.back();
            }
        }
    }
}

TEST(ChooseHooks, attaches_to_every_function_of_a_family_that_the_kernel_has) {
    auto offer = everything();
    const auto targets = [&] {
        std::vector<std::string> all;
        for (const auto* purpose : {"arms of timers", "re-arms of timers"}) {
            for (const auto& program : choice_of(choose_from(Backend::kprobe, offer), purpose).programs)
                all.insert(all.end(), program.targets.begin(), program.targets.end());
        }
        return all;
    };
    EXPECT_THAT(targets(), testing::UnorderedElementsAre("add_timer", "add_timer_on", "add_timer_local",
                                                         "add_timer_global", "mod_timer", "mod_timer_pending",
                                                         "timer_reduce"));
    offer.functions.erase("add_timer_local"); // 6.10 brought them
    offer.functions.erase("add_timer_global");
    EXPECT_THAT(targets(), testing::UnorderedElementsAre("add_timer", "add_timer_on", "mod_timer",
                                                         "mod_timer_pending", "timer_reduce"));
}

TEST(ChooseHooks, takes_the_first_of_a_functions_names) {
    auto offer = everything();
    const auto name = [&] {
        return choice_of(choose_from(Backend::tracepoint, offer), memory_hook_purpose).hook.name;
    };
    EXPECT_EQ(name(), "module_memfree");
    offer.functions.erase("module_memfree"); // 6.10
    EXPECT_EQ(name(), "execmem_free");
}

TEST(ChooseHooks, sees_the_end_of_memory_by_what_is_not_preempted) {
    const auto way = choice_of(choose_from(Backend::tracepoint, everything()), memory_hook_purpose);
    EXPECT_EQ(way.hook.method, "kprobe");
    const auto next =
        choice_of(choose_hooks({}, everything(), {programs_of(way).front()}), memory_hook_purpose);
    EXPECT_EQ(next.hook.method, "fentry");
}

// What another hook misses hides no timer.
TEST(ChooseHooks, knows_which_programs_see_arms) {
    const auto arms = [](Backend backend) {
        std::vector<std::string> programs;
        for (const auto& choice : choose_from(backend, everything())) {
            if (choice.sees_arms)
                programs.push_back(choice.programs.front().program);
        }
        return programs;
    };
    EXPECT_THAT(arms(Backend::tracepoint), ElementsAre("on_timer_start", "on_hrtimer_start"));
    EXPECT_THAT(arms(Backend::kprobe),
                ElementsAre("kprobe_add_timer", "raw_timer_start", "kprobe_mod_timer", "raw_hrtimer_start"));
}

TEST(HookPlaces, are_asked_for_by_both_backends) {
    for (const std::string name :
         {"mod_timer", "del_timer", "timer_delete", "load_module", "do_init_module", "free_module",
          "module_memfree", "execmem_free", "__x64_sys_delete_module"})
        EXPECT_THAT(hook_functions(), Contains(name));
    for (const std::string name :
         {"timer_start", "timer_cancel", "hrtimer_start", "module_load", "module_free"})
        EXPECT_THAT(hook_tracepoints(), Contains(name));
}

TEST(LackingTracepoints, are_those_that_tracking_needs) {
    auto offer = everything();
    EXPECT_THAT(lacking_tracepoints(offer), IsEmpty());
    offer.tracepoints.erase("timer_expire_exit"); // a detail
    EXPECT_THAT(lacking_tracepoints(offer), IsEmpty());
    offer.tracepoints.erase("timer_start");
    offer.tracepoints.erase("hrtimer_cancel");
    EXPECT_THAT(lacking_tracepoints(offer), testing::UnorderedElementsAre("timer_start", "hrtimer_cancel"));
}

} // namespace
} // namespace disarmd
