// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "verdict/unload.h"

namespace disarmd {

// What a kernel function does to the timer that it is given.
enum class Effect {
    sets_up,      // makes it a timer, with its callback
    arms,         // or re-arms
    deletes,      // and does not wait for a callback that is running
    deletes_sync, // and waits for it; what the callback arms meanwhile is deleted too
    shuts_down,   // deletes it, and nothing can arm it again
};

constexpr bool is_delete(Effect effect) {
    return effect == Effect::deletes || effect == Effect::deletes_sync || effect == Effect::shuts_down;
}

// The kernel's timer API, over Linux 5.10 to 7.2: what a module calls once the compiler has inlined the
// headers. Arguments count from 0, in the order of the C declaration; below 0: there is none.
struct Api {
    std::string_view name;
    TimerKind kind;
    Effect effect;
    int timer = 0;
    int callback = -1; // of what sets up
    int delay = -1;    // of what arms: with 0 jiffies a work is queued at once, and no timer is armed
};

// Nothing: it is none of these.
const Api* find_api(std::string_view function);
std::span<const Api> timer_apis();

// What a timer or a work is set up with, but is the kernel's own.
inline constexpr std::string_view delayed_work_callback = "delayed_work_timer_fn";
inline constexpr std::string_view kthread_delayed_work_callback = "kthread_delayed_work_timer_fn";

// Functions that are not given the timer but may delete one all the same: a socket's, a connection's,
// whatever a library module keeps for its users.
bool may_delete_within(std::string_view function);

// It waits for something to happen, which a callback may be: until then a timer can have expired by itself.
bool waits(std::string_view function);

// It wakes up who waits.
bool signals(std::string_view function);

// It keeps a module from being unloaded.
bool holds_modules(std::string_view function);

// It neither keeps what it is given, nor calls back into the module.
bool is_harmless(std::string_view function);

// How far behind a timer's begin its callback lies; of a work, the work function; x86-64, without lock
// debugging.
int callback_offset(TimerKind kind);
// How far behind the work's begin the timer in it lies; 0 of the others.
int timer_offset(TimerKind kind);
// No smaller than it is on any kernel.
int size_of(TimerKind kind);

} // namespace disarmd
