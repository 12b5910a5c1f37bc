// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace disarmd {

enum class TimerKind { timer, hrtimer, delayed_work, kthread_delayed_work, alarm };
enum class ArmContext { unknown, task, softirq, hardirq, callback };
enum class Owner { callback, object, work };
enum class Source { tracking, scan };
enum class Verdict { clean, leak, inconclusive };

// How one watch of a module ended. Freed and init_failed come with a verdict of the kernel's.
enum class Outcome { freed, init_failed, not_unloaded };

// Why a timer was left; unknown until there is evidence.
enum class Cause { unknown, never_deleted, rearmed_after_delete, failed_rollback, callback_running };

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
std::string_view name_of(Cause cause);

// The last arm of a timer, seen as it happened.
struct Arm {
    std::chrono::nanoseconds age{}; // before the free
    std::uint32_t pid = 0;
    std::string comm;
    std::uint32_t cpu = 0;
    ArmContext context = ArmContext::unknown;
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
    // Nothing where the callback was running already, or the length of a jiffy, which
    // all but hrtimers and alarms need, is not known. Never negative: a timer that is due has 0.
    std::optional<std::chrono::nanoseconds> expires_in;
    std::optional<Arm> armed; // nothing: it was armed before anyone watched
};

// One module's end, judged. Strings hold the kernel's bytes, unescaped.
struct Unload {
    std::string module;
    Outcome outcome = Outcome::not_unloaded;
    Verdict verdict = Verdict::inconclusive;
    std::string backend;
    std::vector<Source> sources; // of a leak: that found any of it; else: that could look
    std::uint64_t lost_events = 0;
    std::vector<std::string> why_inconclusive; // empty unless that is the verdict
    std::vector<PendingTimer> pending;         // the first of pending_count
    std::size_t pending_count = 0;
    std::uint32_t pid = 0; // of the task that unloaded it, or whose load failed
    std::string comm;
    std::optional<std::chrono::nanoseconds> duration; // from delete_module(2) to the free, if seen
    std::string advice;                               // empty unless there is something to mend
};

} // namespace disarmd
