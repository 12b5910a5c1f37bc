// SPDX-License-Identifier: Apache-2.0
#include "probe/hooks.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace disarmd {

namespace {

using enum HookMethod;

// Which kernels a program is for: those with bpf_loop(), or those without.
enum class Loop { any, needed, lacking };

struct Program {
    const char* name;
    HookMethod method;
    std::vector<std::string> targets;
    bool every_target = false; // attach to all that exist; else to the first
    Loop loop = Loop::any;
    bool optional = false; // the way goes without it where the kernel has no such target
};

// Of a function that not every kernel has.
Program where_there(const char* name, const std::string& target) {
    return {name, fentry, {target}, false, Loop::any, true};
}

struct HookPlan {
    std::string purpose;
    HookRole role;
    // Ways to see it, best first. A way may take several programs.
    std::vector<std::vector<Program>> ways;
    enum class Sees { other, arms, deletes } sees = Sees::other;
};

// arch/*/include/asm/syscall_wrapper.h
const std::vector<std::string> delete_module{"__x64_sys_delete_module", "__arm64_sys_delete_module"};
// For 32-bit programs.
const std::vector<std::string> delete_module_compat{"__ia32_sys_delete_module"};
// 6.10 (12af2b83d0b1 "mm: introduce execmem_alloc() and execmem_free()")
const std::vector<std::string> memory_free{"module_memfree", "execmem_free"};
const std::vector<std::string> load_module{"load_module"};
const std::vector<std::string> init_module{"do_init_module"};
// 6.10 (8e7e247f64a1) added the local and global ones.
const std::vector<std::string> add_family{"add_timer", "add_timer_on", "add_timer_local", "add_timer_global"};
const std::vector<std::string> mod_family{"mod_timer", "mod_timer_pending", "timer_reduce"};
// 6.2 (9a5a30568697) renamed del_timer(), and stable kernels followed; 6.15 the rest.
const std::vector<std::string> timer_delete{"timer_delete", "del_timer"};
const std::vector<std::string> timer_delete_sync{"timer_delete_sync", "del_timer_sync"};
const std::vector<std::string> timer_try_delete{"timer_delete_sync_try", "try_to_del_timer_sync"};
// 6.2 (f571faf6e443), and stable kernels.
const std::string timer_shutdown = "timer_shutdown";
const std::string timer_shutdown_sync = "timer_shutdown_sync";
const std::vector<std::string> hrtimer_cancel{"hrtimer_cancel"};
const std::vector<std::string> hrtimer_try_to_cancel{"hrtimer_try_to_cancel"};
const std::string work_cancel = "cancel_delayed_work";
const std::string work_cancel_sync = "cancel_delayed_work_sync";
// 6.10 (86898fa6b8cd)
const std::string work_disable = "disable_delayed_work";
const std::string work_disable_sync = "disable_delayed_work_sync";
const std::vector<std::string> kthread_work_cancel{"kthread_cancel_delayed_work_sync"};
// Not hooked, as they call what is; a stack may name them.
const std::vector<std::string> alarm_cancel{"alarm_cancel", "alarm_try_to_cancel"};

std::vector<std::string> joined(std::initializer_list<std::vector<std::string>> lists) {
    std::vector<std::string> all;
    for (const auto& list : lists)
        all.insert(all.end(), list.begin(), list.end());
    return all;
}

const std::vector<std::string>& timer_deletes() {
    static const auto all =
        joined({timer_delete, timer_delete_sync, timer_try_delete, {timer_shutdown, timer_shutdown_sync}});
    return all;
}

const std::vector<std::string>& work_deletes() {
    static const std::vector<std::string> all{work_cancel, work_cancel_sync, work_disable, work_disable_sync};
    return all;
}

std::vector<HookPlan> tracepoint_plans() {
    return {
        {"calls that delete timers",
         HookRole::detail,
         {{{"on_timer_delete_call", fentry, timer_delete},
           {"on_timer_delete_sync_call", fentry, timer_delete_sync},
           {"on_timer_try_delete_call", fentry, timer_try_delete},
           where_there("on_timer_shutdown_call", timer_shutdown),
           where_there("on_timer_shutdown_sync_call", timer_shutdown_sync)},
          {{"kprobe_delete_timer", kprobe, timer_deletes(), true}}},
         HookPlan::Sees::deletes},
        {"calls that delete hrtimers",
         HookRole::detail,
         {{{"on_hrtimer_cancel_call", fentry, hrtimer_cancel},
           {"on_hrtimer_try_to_cancel_call", fentry, hrtimer_try_to_cancel}},
          {{"kprobe_delete_hrtimer", kprobe, joined({hrtimer_cancel, hrtimer_try_to_cancel}), true}}},
         HookPlan::Sees::deletes},
        {"disarms of timers", HookRole::tracking, {{{"on_timer_cancel", btf_tracepoint, {"timer_cancel"}}}}},
        {"arms of timers",
         HookRole::tracking,
         {{{"on_timer_start", btf_tracepoint, {"timer_start"}}}},
         HookPlan::Sees::arms},
        {"callbacks having returned",
         HookRole::detail,
         {{{"on_timer_expire_exit", btf_tracepoint, {"timer_expire_exit"}}}}},
        {"callbacks being run",
         HookRole::detail,
         {{{"on_timer_expire_entry", btf_tracepoint, {"timer_expire_entry"}}}}},
        {"disarms of hrtimers",
         HookRole::tracking,
         {{{"on_hrtimer_cancel", btf_tracepoint, {"hrtimer_cancel"}}}}},
        {"arms of hrtimers",
         HookRole::tracking,
         {{{"on_hrtimer_start", btf_tracepoint, {"hrtimer_start"}}}},
         HookPlan::Sees::arms},
        {"hrtimer callbacks having returned",
         HookRole::detail,
         {{{"on_hrtimer_expire_exit", btf_tracepoint, {"hrtimer_expire_exit"}}}}},
        {"hrtimer callbacks being run",
         HookRole::detail,
         {{{"on_hrtimer_expire_entry", btf_tracepoint, {"hrtimer_expire_entry"}}}}},
    };
}

std::vector<HookPlan> kprobe_plans() {
    return {
        {"disarms of timers",
         HookRole::detail,
         {{{"kprobe_delete_timer", kprobe, timer_deletes(), true}}},
         HookPlan::Sees::deletes},
        {"calls that delete hrtimers",
         HookRole::detail,
         {{{"kprobe_delete_hrtimer", kprobe, joined({hrtimer_cancel, hrtimer_try_to_cancel}), true}}},
         HookPlan::Sees::deletes},
        {"arms of timers",
         HookRole::tracking,
         {{{"kprobe_add_timer", kprobe, add_family, true}}},
         HookPlan::Sees::arms},
        {"arms of timers while a module is freed",
         HookRole::tracking,
         {{{"raw_timer_start", raw_tracepoint, {"timer_start"}}}},
         HookPlan::Sees::arms},
        {"re-arms of timers",
         HookRole::tracking,
         {{{"kprobe_mod_timer", kprobe, mod_family, true}}},
         HookPlan::Sees::arms},
        {"callbacks having returned",
         HookRole::detail,
         {{{"raw_timer_expire_exit", raw_tracepoint, {"timer_expire_exit"}}}}},
        {"callbacks being run",
         HookRole::detail,
         {{{"raw_timer_expire_entry", raw_tracepoint, {"timer_expire_entry"}}}}},
        {"disarms of hrtimers",
         HookRole::tracking,
         {{{"raw_hrtimer_cancel", raw_tracepoint, {"hrtimer_cancel"}}}}},
        {"arms of hrtimers",
         HookRole::tracking,
         {{{"raw_hrtimer_start", raw_tracepoint, {"hrtimer_start"}}}},
         HookPlan::Sees::arms},
        {"hrtimer callbacks having returned",
         HookRole::detail,
         {{{"raw_hrtimer_expire_exit", raw_tracepoint, {"hrtimer_expire_exit"}}}}},
        {"hrtimer callbacks being run",
         HookRole::detail,
         {{{"raw_hrtimer_expire_entry", raw_tracepoint, {"hrtimer_expire_entry"}}}}},
    };
}

// Functions by trampolines where the backend trusts them, else by kprobes.
class FunctionWays {
public:
    explicit FunctionWays(Backend backend) : trampolines_(backend == Backend::tracepoint) {}

    [[nodiscard]] bool trampolines() const { return trampolines_; }
    std::vector<std::vector<Program>> operator()(std::vector<std::vector<Program>> by_trampoline,
                                                 std::vector<std::vector<Program>> by_kprobe) const {
        std::vector<std::vector<Program>> all;
        if (trampolines_)
            all = std::move(by_trampoline);
        std::ranges::move(by_kprobe, std::back_inserter(all));
        return all;
    }

private:
    bool trampolines_;
};

// Before arms: a move is one, for those that don't know it for a move.
std::vector<HookPlan> move_plans(const FunctionWays& ways) {
    return {
        {"moves of timers off a dead CPU", HookRole::detail,
         ways({{{"on_timers_migrate_exit", fexit, {"timers_dead_cpu"}},
                {"on_timers_migrate", fentry, {"timers_dead_cpu"}}}},
              {{{"kprobe_migrate_exit", kretprobe, {"timers_dead_cpu"}},
                {"kprobe_migrate", kprobe, {"timers_dead_cpu"}}}})},
        {"moves of hrtimers off a dead CPU", HookRole::detail,
         ways({{{"on_hrtimers_migrate_exit", fexit, {"hrtimers_cpu_dying", "hrtimers_dead_cpu"}},
                {"on_hrtimers_migrate", fentry, {"hrtimers_cpu_dying", "hrtimers_dead_cpu"}}}},
              {{{"kprobe_migrate_exit", kretprobe, {"hrtimers_cpu_dying", "hrtimers_dead_cpu"}},
                {"kprobe_migrate", kprobe, {"hrtimers_cpu_dying", "hrtimers_dead_cpu"}}}})},
    };
}

// What is done to timers by functions of which the kernel tells no event.
std::vector<HookPlan> timer_function_plans(const FunctionWays& ways) {
    return {
        {"calls that delete delayed works", HookRole::detail,
         ways({{{"on_work_cancel_call", fentry, {work_cancel}},
                {"on_work_cancel_sync_call", fentry, {work_cancel_sync}},
                where_there("on_work_disable_call", work_disable),
                where_there("on_work_disable_sync_call", work_disable_sync)}},
              {{{"kprobe_delete_delayed_work", kprobe, work_deletes(), true}}}),
         HookPlan::Sees::deletes},
        {"calls that delete kthread_delayed_works", HookRole::detail,
         ways({{{"on_kthread_work_cancel_call", fentry, kthread_work_cancel}}},
              {{{"kprobe_delete_kthread_delayed_work", kprobe, kthread_work_cancel, true}}}),
         HookPlan::Sees::deletes},
    };
}

std::vector<HookPlan> module_plans(const FunctionWays& ways) {
    std::vector<std::vector<Program>> free_ways{
        {{"on_module_free", raw_tracepoint, {"module_free"}, false, Loop::needed},
         {"look_at_module_free", raw_tracepoint, {"module_free"}}},
        {{"on_module_free", raw_tracepoint, {"module_free"}, false, Loop::lacking},
         {"look_at_module_free_unrolled", raw_tracepoint, {"module_free"}}},
    };
    std::vector<std::vector<Program>> free_kprobes{
        {{"kprobe_free_module", kprobe, {"free_module"}, false, Loop::needed}},
        {{"kprobe_free_module_unrolled", kprobe, {"free_module"}, false, Loop::lacking}},
    };
    // A kprobe's program is not preempted, in which another task on that CPU would miss its own. But where
    // there is no bpf_loop() (before 5.17) a kprobe may be none that stays without the daemon.
    std::vector<std::vector<Program>> memory_ways{
        {{"kprobe_module_memory_free", kprobe, memory_free, false, Loop::needed}},
        {{"kprobe_module_memory_free_unrolled", kprobe, memory_free, false, Loop::lacking}},
    };
    if (ways.trampolines()) {
        memory_ways.push_back({{"on_module_memory_free", fentry, memory_free, false, Loop::needed}});
        memory_ways.insert(memory_ways.begin(),
                           {{"on_module_memory_free_unrolled", fentry, memory_free, false, Loop::lacking}});
    }
    return {
        {std::string(memory_hook_purpose), HookRole::tracking, std::move(memory_ways)},
        {"loads being begun", HookRole::detail,
         ways({{{"on_load_module", fentry, load_module}}}, {{{"kprobe_load_module", kprobe, load_module}}})},
        {"inits having returned", HookRole::verdict,
         ways({{{"on_init_module_exit", fexit, init_module}}},
              {{{"kprobe_init_module_exit", kretprobe, init_module}}})},
        {"inits being begun", HookRole::verdict,
         ways({{{"on_init_module", fentry, init_module}}}, {{{"kprobe_init_module", kprobe, init_module}}})},
        {"unloads having returned", HookRole::detail,
         ways({{{"on_delete_module_exit", fexit, delete_module},
                {"on_delete_module_compat_exit", fexit, delete_module_compat}},
               {{"on_delete_module_exit", fexit, delete_module}}},
              {{{"kprobe_delete_module_exit", kretprobe, joined({delete_module, delete_module_compat}),
                 true}}})},
        {"unloads being begun", HookRole::detail,
         ways({{{"on_delete_module", fentry, delete_module},
                {"on_delete_module_compat", fentry, delete_module_compat}},
               {{"on_delete_module", fentry, delete_module}}},
              {{{"kprobe_delete_module", kprobe, joined({delete_module, delete_module_compat}), true}}})},
        {"modules being loaded", HookRole::verdict, {{{"on_module_load", raw_tracepoint, {"module_load"}}}}},
        {"modules being freed: the verdict", HookRole::verdict,
         ways(std::move(free_ways), std::move(free_kprobes))},
    };
}

std::vector<HookPlan> plans_of(const HookWish& wish) {
    const FunctionWays ways(wish.backend);
    std::vector<HookPlan> plans;
    if (wish.tracks) {
        plans = move_plans(ways);
        std::ranges::move(wish.backend == Backend::kprobe ? kprobe_plans() : tracepoint_plans(),
                          std::back_inserter(plans));
        std::ranges::move(timer_function_plans(ways), std::back_inserter(plans));
    }
    std::ranges::move(module_plans(ways), std::back_inserter(plans));
    return plans;
}

bool is_kprobe(HookMethod method) {
    return method == kprobe || method == kretprobe;
}

bool is_offered(const Program& program, const std::string& target, const KernelOffer& offer) {
    switch (program.method) {
    case btf_tracepoint:
    case raw_tracepoint:
        return offer.tracepoints.contains(target);
    case fentry:
    case fexit:
        return offer.typed_functions.contains(target);
    case kprobe:
    case kretprobe:
        return offer.functions.contains(target);
    }
    return false;
}

// Where a program goes on this kernel; nothing if it can't be used.
std::vector<std::string> places_of(const Program& program, const KernelOffer& offer, std::string& why_not) {
    std::vector<std::string> places;
    for (const auto& target : program.targets) {
        if (!is_offered(program, target, offer))
            continue;
        places.push_back(target);
        if (!program.every_target)
            break;
    }
    if (places.empty())
        why_not = "this kernel has none of that name";
    return places;
}

bool is_for(const Program& program, const KernelOffer& offer) {
    return program.loop == Loop::any || (program.loop == Loop::needed) == offer.has_loop;
}

HookChoice choose(const HookPlan& plan, const KernelOffer& offer, const std::set<std::string>& refused) {
    HookChoice choice;
    choice.role = plan.role;
    choice.sees_arms = plan.sees == HookPlan::Sees::arms;
    choice.sees_deletes = plan.sees == HookPlan::Sees::deletes;
    choice.hook.purpose = plan.purpose;
    choice.hook.loses = name_of(plan.role);
    const auto record = [&](const Program& program, const std::vector<std::string>& places,
                            std::string_view outcome) {
        const auto& names = places.empty() ? program.targets : places;
        choice.hook.attempts.push_back({fmt::format("{}", fmt::join(names, ", ")),
                                        std::string(name_of(program.method)), std::string(outcome)});
    };
    for (const auto& way : plan.ways) {
        if (!is_for(way.front(), offer))
            continue;
        std::vector<ChosenProgram> programs;
        bool usable = choice.programs.empty();
        for (const auto& program : way) {
            std::string why_not;
            const auto places = places_of(program, offer, why_not);
            if (!choice.programs.empty())
                why_not = "not needed";
            else if (is_kprobe(program.method) && !offer.may_use_kprobes)
                why_not = "takes CAP_SYS_ADMIN while kernel.perf_event_paranoid is above 2";
            else if (refused.contains(program.name))
                why_not = "could not be attached";
            record(program, places, why_not.empty() ? attempt_taken : why_not);
            if (program.optional && places.empty())
                continue;
            usable = usable && why_not.empty();
            programs.push_back({program.name, program.method, places});
        }
        if (usable)
            choice.programs = std::move(programs);
    }
    const auto taken = std::ranges::find(choice.hook.attempts, attempt_taken, &HookAttempt::outcome);
    const auto& shown = taken != choice.hook.attempts.end() ? *taken : choice.hook.attempts.front();
    choice.hook.name = shown.name;
    choice.hook.method = shown.method;
    return choice;
}

} // namespace

std::string_view name_of(HookMethod method) {
    switch (method) {
    case btf_tracepoint:
        return "BTF tracepoint";
    case raw_tracepoint:
        return "raw tracepoint";
    case fentry:
        return "fentry";
    case fexit:
        return "fexit";
    case kprobe:
        return "kprobe";
    case kretprobe:
        return "kretprobe";
    }
    return "unknown";
}

std::string_view name_of(HookRole role) {
    switch (role) {
    case HookRole::verdict:
        return "verdict";
    case HookRole::tracking:
        return "tracking";
    case HookRole::detail:
        return "detail";
    }
    return "unknown";
}

std::vector<HookChoice> choose_hooks(const HookWish& wish, const KernelOffer& offer,
                                     const std::set<std::string>& refused) {
    std::vector<HookChoice> choices;
    for (const auto& plan : plans_of(wish))
        choices.push_back(choose(plan, offer, refused));
    return choices;
}

namespace {

bool is_event(HookMethod method) {
    return method == btf_tracepoint || method == raw_tracepoint;
}

std::set<std::string> targets_of(bool events) {
    std::set<std::string> targets;
    for (const auto backend : {Backend::tracepoint, Backend::kprobe})
        for (const auto& plan : plans_of({.backend = backend}))
            for (const auto& way : plan.ways)
                for (const auto& program : way)
                    if (is_event(program.method) == events)
                        targets.insert(program.targets.begin(), program.targets.end());
    return targets;
}

} // namespace

const std::set<std::string>& deleting_functions() {
    static const std::set<std::string> functions = [] {
        const auto all = joined({timer_deletes(), hrtimer_cancel, hrtimer_try_to_cancel, alarm_cancel,
                                 work_deletes(), kthread_work_cancel});
        return std::set(all.begin(), all.end());
    }();
    return functions;
}

std::set<std::string> hook_functions() {
    return targets_of(false);
}

std::set<std::string> hook_tracepoints() {
    return targets_of(true);
}

std::vector<std::string> lacking_tracepoints(const KernelOffer& offer) {
    std::vector<std::string> lacking;
    for (const auto& plan : tracepoint_plans()) {
        const auto& wanted = plan.ways.front().front().targets.front();
        if (plan.role == HookRole::tracking && !offer.tracepoints.contains(wanted))
            lacking.push_back(wanted);
    }
    return lacking;
}

} // namespace disarmd
