// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string_view>

#include "autopsy/crash.h"

namespace disarmd {

// What the kernel was doing where a function of its own is found on the stack.
enum class Context {
    none,
    timer,       // the timer softirq runs callbacks
    hrtimer,     // an interrupt or softirq runs those of hrtimers
    work,        // a worker runs a work item
    thread_work, // a kthread_worker does
    tasklet,
    rcu, // a callback behind a grace period
    irq, // an interrupt's handler
    nmi,
    notifier, // a chain of callbacks
    netfilter,
    idle,
    init,   // a module's init function
    exit,   // its exit function
    thread, // a kernel thread's own function
    syscall,
};

std::string_view name_of(Context context);

// Timers of any kind.
bool is_of_timers(Context context);

// A symbol without what compilers put behind it: "__run_timers.part.0".
std::string_view bare_symbol(std::string_view symbol);

// What a function that calls others by pointers tells; none: nothing.
Context context_of(std::string_view symbol);

// Whether a function looks at what is queued as a timer, which may be anybody's: it expires, inserts or
// removes one, or looks for the next one.
bool is_timer_core(std::string_view symbol);
// A helper (of lists, trees, locks) that says nothing by itself: who called it does.
bool is_helper(std::string_view symbol);
// The queueing of a work item, as the timer of a delayed_work does it.
bool is_queueing_of_work(std::string_view symbol);
// What tells of a fault that is one: most are no harm.
bool is_fault_report(std::string_view symbol);
// What a fault's report begins in, above which nothing is of the code that faulted.
bool is_fault_entry(std::string_view symbol);

} // namespace disarmd
