// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace disarmd {

enum class TimerKind { timer, hrtimer, delayed_work, kthread_delayed_work, alarm };
inline constexpr std::array all_timer_kinds{TimerKind::timer, TimerKind::hrtimer, TimerKind::delayed_work,
                                            TimerKind::kthread_delayed_work, TimerKind::alarm};
enum class ArmContext { unknown, task, softirq, hardirq, callback };
enum class Owner { callback, object, work };
enum class Source { tracking, scan };
enum class Verdict { clean, leak, inconclusive };

// How one watch of a module ended. Freed and init_failed come with a verdict of the kernel's; of one that
// a rule did not let be unloaded, and that works as ever, there is none.
enum class Outcome { freed, init_failed, denied, not_unloaded };

// What was done about it.
enum class Action { none, denied, drained, panic };

// Why a timer was left; unknown until there is evidence.
enum class Cause { unknown, never_deleted, rearmed_after_delete, failed_rollback, callback_running };

// Who armed a timer after it was deleted: its own callback, another softirq, a hard interrupt, another
// task, or the one that unloads.
enum class Rearmer { unknown, callback, softirq, hardirq, thread, unloader };

// What a call that deletes a timer found.
enum class DeleteFound { unknown, armed, not_armed, callback_running };

// Behind the timer stands a work function: that is then the callback which is told.
constexpr bool has_work(TimerKind kind) {
    return kind == TimerKind::delayed_work || kind == TimerKind::kthread_delayed_work;
}

// The words that every output uses, as the command line documents them.
std::string_view name_of(TimerKind kind);
std::string_view name_of(ArmContext context);
std::string_view name_of(Owner owner);
std::string_view name_of(Source source);
std::string_view name_of(Verdict verdict);
std::string_view name_of(Outcome outcome);
std::string_view name_of(Action action);
std::string_view name_of(Cause cause);
std::string_view name_of(Rearmer rearmer);
std::string_view name_of(DeleteFound found);

// The last arm of a timer, seen as it happened.
struct Arm {
    std::chrono::nanoseconds age{}; // before the free
    std::uint32_t pid = 0;
    std::string comm;
    std::uint32_t cpu = 0;
    ArmContext context = ArmContext::unknown;
    std::vector<std::string> stack; // innermost first; empty where none was taken
    // The stack is not of this arm but of an earlier one, that long before the free.
    std::optional<std::chrono::nanoseconds> stack_age;
};

// The last call of a function that deletes the timer. Of one long before the free no more may be
// known than when it was.
struct Delete {
    std::chrono::nanoseconds age{}; // before the free
    std::string api;                // the function's name; empty: not known, and nothing below is
    std::uint32_t pid = 0;
    std::string comm;
    std::uint32_t cpu = 0;
    ArmContext context = ArmContext::unknown;
    DeleteFound found = DeleteFound::unknown;
    std::vector<std::string> stack; // innermost first; empty where none was taken
};

// A timer that was pending when its module was freed.
struct PendingTimer {
    TimerKind kind = TimerKind::timer;
    std::uint64_t timer = 0;
    std::uint64_t callback = 0; // of a delayed work of either kind: its work function
    std::string symbol;         // "function [module]", or the address where it has no name
    std::vector<Owner> owned_by;
    Cause cause = Cause::unknown;
    Rearmer rearmer = Rearmer::unknown;
    // Nothing where the callback was running already, or the length of a jiffy, which
    // all but hrtimers and alarms need, is not known. Never negative: a timer that is due has 0.
    std::optional<std::chrono::nanoseconds> expires_in;
    std::optional<Arm> armed; // nothing: it was armed before anyone watched
    std::optional<Delete> deleted;
};

// Where a part of a module lay.
struct MemoryRange {
    std::uint64_t start = 0;
    std::uint64_t size = 0; // bytes

    bool operator==(const MemoryRange&) const = default;
};

// Which module it was, and which load of it: what is gone with it.
struct ModuleIdentity {
    std::string version;    // MODULE_VERSION(); empty: it had none
    std::string srcversion; // modpost's sum of its sources; empty: it had none
    std::string taints;     // letters as in /sys/module/MODULE/taint; empty: none
    std::vector<MemoryRange> ranges;
    std::optional<MemoryRange> init_section;            // where it was while the module was loaded
    std::optional<std::chrono::nanoseconds> loaded_age; // before the free; nothing: nobody watched yet
};

// A kind of failure of the kernel programs' and how often it was met since they were loaded.
struct Loss {
    std::string_view name; // name_of_loss()
    std::uint64_t count = 0;
};

// What the operator's rules had to do with an unload.
struct PolicyApplied {
    Action action = Action::none;
    std::string rule; // the one that took the module, in words, with where it stands; empty: none did
    // An operator had let this one unload through, against the rule.
    bool allowed_once = false;
    // The rule denies every unload, and this one was not asked about: the module's name was not to be read,
    // or was changed under the reader.
    bool bypassed = false;
    // How long the free was held so that what was left fires; and how many timers had not by then.
    std::optional<std::chrono::nanoseconds> drain;
    std::size_t drain_left = 0;
};

// One module's end, judged. Strings hold the kernel's bytes, unescaped.
struct Unload {
    std::string module;
    ModuleIdentity identity;
    std::uint64_t freed_ns = 0; // CLOCK_MONOTONIC; 0: it was not freed
    Outcome outcome = Outcome::not_unloaded;
    Verdict verdict = Verdict::inconclusive;
    std::string backend;
    std::vector<Source> sources; // of a leak: that found any of it; else: that could look
    std::uint64_t lost_events = 0;
    std::vector<Loss> losses;                  // those that there were
    std::vector<std::string> why_inconclusive; // empty unless that is the verdict
    std::vector<PendingTimer> pending;         // the first of pending_count
    std::size_t pending_count = 0;
    std::uint32_t pid = 0; // of the task that unloaded it, or whose load failed
    std::string comm;
    std::vector<std::string> command; // the words that task was started with; empty: not known
    std::optional<std::chrono::nanoseconds> duration; // from delete_module(2), or the init that failed, on
    PolicyApplied policy;
    std::string advice; // empty unless there is something to mend
    // The kernel keeps the record of it for as long as anybody has this; null: it keeps none.
    std::shared_ptr<const void> kept;
};

// Whether anybody should hear of it: most unloads are clean.
bool is_notable(const Unload& unload);

} // namespace disarmd
