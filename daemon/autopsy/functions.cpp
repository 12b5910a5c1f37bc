// SPDX-License-Identifier: Apache-2.0
#include "autopsy/functions.h"

#include <algorithm>
#include <array>

namespace disarmd {

namespace {

struct Known {
    std::string_view symbol; // with a '*' at its end: a prefix
    Context context;
};

constexpr std::array contexts{
    Known{"call_timer_fn", Context::timer},
    Known{"__run_timers", Context::timer},
    Known{"__run_timer_base", Context::timer},
    Known{"run_timer_base", Context::timer},
    Known{"run_timer_softirq", Context::timer},
    Known{"run_local_timers", Context::timer},
    Known{"expire_timers", Context::timer},
    Known{"timer_expire_remote", Context::timer},
    Known{"tmigr_handle_remote*", Context::timer},
    Known{"timer_softirq_action", Context::timer},
    Known{"__hrtimer_run_queues", Context::hrtimer},
    Known{"hrtimer_run_queues", Context::hrtimer},
    Known{"__run_hrtimer", Context::hrtimer},
    Known{"hrtimer_interrupt", Context::hrtimer},
    Known{"hrtimer_run_softirq", Context::hrtimer},
    Known{"hrtimer_run_pending", Context::hrtimer},
    Known{"alarmtimer_fired", Context::hrtimer},
    Known{"process_one_work", Context::work},
    Known{"process_scheduled_works", Context::work},
    Known{"worker_thread", Context::work},
    Known{"run_workqueue", Context::work},
    Known{"kthread_worker_fn", Context::thread_work},
    Known{"tasklet_action*", Context::tasklet},
    Known{"tasklet_hi_action", Context::tasklet},
    Known{"rcu_do_batch", Context::rcu},
    Known{"rcu_core*", Context::rcu},
    Known{"rcu_process_callbacks", Context::rcu},
    Known{"__rcu_process_callbacks", Context::rcu},
    Known{"__handle_irq_event_percpu", Context::irq},
    Known{"handle_irq_event*", Context::irq},
    Known{"handle_IRQ_event", Context::irq},
    Known{"irq_thread*", Context::irq},
    Known{"nmi_handle*", Context::nmi},
    Known{"default_do_nmi", Context::nmi},
    Known{"exc_nmi", Context::nmi},
    Known{"do_nmi", Context::nmi},
    Known{"notifier_call_chain", Context::notifier},
    Known{"raw_notifier_call_chain*", Context::notifier},
    Known{"atomic_notifier_call_chain", Context::notifier},
    Known{"blocking_notifier_call_chain", Context::notifier},
    Known{"nf_hook_slow", Context::netfilter},
    Known{"nf_iterate", Context::netfilter},
    Known{"cpuidle_enter*", Context::idle},
    Known{"cpu_idle*", Context::idle},
    Known{"cpuidle_idle_call", Context::idle},
    Known{"do_one_initcall", Context::init},
    Known{"do_init_module", Context::init},
    Known{"__do_sys_delete_module*", Context::exit},
    Known{"__x64_sys_delete_module", Context::exit},
    Known{"__se_sys_delete_module", Context::exit},
    Known{"__ia32_sys_delete_module", Context::exit},
    Known{"__arm64_sys_delete_module", Context::exit},
    Known{"SyS_delete_module", Context::exit},
    Known{"sys_delete_module", Context::exit},
    Known{"kthread", Context::thread},
    Known{"ret_from_fork*", Context::thread},
    Known{"kernel_thread_helper", Context::thread},
    Known{"child_rip", Context::thread},
    Known{"do_syscall_64", Context::syscall},
    Known{"entry_SYSCALL_64*", Context::syscall},
    Known{"system_call_fastpath", Context::syscall},
    Known{"system_call*", Context::syscall},
    Known{"el0_svc*", Context::syscall},
    Known{"invoke_syscall", Context::syscall},
};

constexpr std::array<std::string_view, 58> timer_core{
    "__run_timers",
    "run_timer_softirq",
    "__run_timer_base",
    "run_timer_base",
    "expire_timers",
    "call_timer_fn",
    "collect_expired_timers",
    "__collect_expired_timers",
    "cascade",
    "detach_timer",
    "detach_expired_timer",
    "detach_if_pending",
    "internal_add_timer",
    "__internal_add_timer",
    "enqueue_timer",
    "forward_timer_base",
    "__mod_timer",
    "mod_timer",
    "mod_timer_pending",
    "mod_timer_pinned",
    "timer_reduce",
    "add_timer",
    "add_timer_on",
    "add_timer_local",
    "add_timer_global",
    "del_timer",
    "del_timer_sync",
    "try_to_del_timer_sync",
    "timer_delete",
    "timer_delete_sync",
    "__timer_delete",
    "__timer_delete_sync",
    "__try_to_del_timer_sync",
    "timer_shutdown",
    "timer_shutdown_sync",
    "lock_timer_base",
    "get_next_timer_interrupt",
    "__get_next_timer_interrupt",
    "next_timer_interrupt",
    "__next_timer_interrupt",
    "next_expiry_recalc",
    "timer_recalc_next_expiry",
    "migrate_timer_list",
    "timers_dead_cpu",
    "timer_expire_remote",
    "fetch_next_timer_interrupt_remote",
    "__hrtimer_run_queues",
    "hrtimer_run_queues",
    "__run_hrtimer",
    "hrtimer_interrupt",
    "__remove_hrtimer",
    "remove_hrtimer",
    "enqueue_hrtimer",
    "__hrtimer_next_event_base",
    "hrtimer_force_reprogram",
    "hrtimer_update_next_event",
    "hrtimer_get_next_event",
    "migrate_hrtimer_list",
};

// Of which more are called so.
constexpr std::array<std::string_view, 15> timer_core_prefixes{
    "hrtimers_",
    "alarm_",
    "trace_event_raw_event_timer",
    "trace_event_raw_event_hrtimer",
    "perf_trace_timer",
    "perf_trace_hrtimer",
    "print_active_timers",
    "tmigr_",
    "hrtimer_start",
    "hrtimer_try_to_cancel",
    "hrtimer_cancel",
    "hrtimer_next_event",
    "__hrtimer_",
    "hrtimer_forward",
    "alarmtimer_",
};

// Of lists, trees, locks and what instruments them; each begins so.
constexpr std::array<std::string_view, 13> helper_prefixes{
    "list_del",
    "__list_",
    "rb_",
    "__rb_",
    "timerqueue_",
    "debug_object_",
    "_raw_spin_lock",
    "__lock_acquire",
    "lock_acquire",
    "__x86_indirect_thunk",
    "__asan_",
    "kasan_",
    "check_region",
};

constexpr std::array<std::string_view, 7> queueing_of_work{
    "delayed_work_timer_fn",         "__queue_work",        "queue_work_on", "queue_work",
    "kthread_delayed_work_timer_fn", "kthread_insert_work", "insert_work",
};

constexpr std::array<std::string_view, 24> fault_entries{
    "exc_control_protection",
    "asm_exc_control_protection",
    "page_fault",
    "async_page_fault",
    "asm_exc_page_fault",
    "exc_page_fault",
    "do_page_fault",
    "error_exit",
    "error_code",
    "general_protection",
    "asm_exc_general_protection",
    "exc_general_protection",
    "invalid_op",
    "asm_exc_invalid_op",
    "exc_invalid_op",
    "stack_segment",
    "asm_exc_stack_segment",
    "double_fault",
    "asm_exc_double_fault",
    "divide_error",
    "asm_exc_divide_error",
    "el1_da",
    "el1h_64_sync",
    "el1_sync",
};

constexpr std::array<std::string_view, 14> fault_reports{
    "no_context",
    "page_fault_oops",
    "bad_area_nosemaphore",
    "__bad_area_nosemaphore",
    "kernelmode_fixup_or_oops",
    "die",
    "__die",
    "die_addr",
    "oops_end",
    "die_kernel_fault",
    "__do_kernel_fault",
    "handle_bug",
    "do_invalid_op",
    "do_general_protection",
};

template <std::size_t Size>
bool is_among(std::string_view symbol, const std::array<std::string_view, Size>& all) {
    return std::ranges::find(all, bare_symbol(symbol)) != all.end();
}

} // namespace

std::string_view name_of(Context context) {
    switch (context) {
    case Context::timer:
        return "the timer softirq";
    case Context::hrtimer:
        return "the expiry of hrtimers";
    case Context::work:
        return "a worker of a work queue";
    case Context::thread_work:
        return "a kthread_worker";
    case Context::tasklet:
        return "the tasklet softirq";
    case Context::rcu:
        return "the callbacks of RCU";
    case Context::irq:
        return "an interrupt's handler";
    case Context::nmi:
        return "an NMI's handler";
    case Context::notifier:
        return "a notifier chain";
    case Context::netfilter:
        return "a netfilter hook";
    case Context::idle:
        return "the idle loop";
    case Context::init:
        return "a module's init";
    case Context::exit:
        return "a module's exit";
    case Context::thread:
        return "a kernel thread";
    case Context::syscall:
        return "a system call";
    case Context::none:
        break;
    }
    return "unknown code";
}

bool is_of_timers(Context context) {
    return context == Context::timer || context == Context::hrtimer;
}

std::string_view bare_symbol(std::string_view symbol) {
    for (const std::string_view mark : {".part.", ".constprop.", ".isra.", ".cold", ".llvm.", ".clone."})
        symbol = symbol.substr(0, symbol.find(mark));
    return symbol;
}

Context context_of(std::string_view symbol) {
    symbol = bare_symbol(symbol);
    const auto found = std::ranges::find_if(contexts, [&](const Known& known) {
        return known.symbol.ends_with('*')
                   ? symbol.starts_with(known.symbol.substr(0, known.symbol.size() - 1))
                   : symbol == known.symbol;
    });
    return found == contexts.end() ? Context::none : found->context;
}

bool is_timer_core(std::string_view symbol) {
    const auto bare = bare_symbol(symbol);
    return is_among(bare, timer_core) ||
           std::ranges::any_of(timer_core_prefixes,
                               [&](std::string_view prefix) { return bare.starts_with(prefix); });
}

bool is_helper(std::string_view symbol) {
    return std::ranges::any_of(helper_prefixes,
                               [&](std::string_view prefix) { return symbol.starts_with(prefix); });
}

bool is_queueing_of_work(std::string_view symbol) {
    return is_among(symbol, queueing_of_work);
}

bool is_fault_report(std::string_view symbol) {
    return is_among(symbol, fault_reports);
}

bool is_fault_entry(std::string_view symbol) {
    return is_among(symbol, fault_entries);
}

} // namespace disarmd
