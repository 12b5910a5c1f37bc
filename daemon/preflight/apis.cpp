// SPDX-License-Identifier: Apache-2.0
#include "preflight/apis.h"

#include <algorithm>
#include <array>

namespace disarmd {

namespace {

using enum Effect;
using enum TimerKind;

// By name, as it is searched by halves.
constexpr auto all_apis = std::to_array<Api>({
    {"add_timer", timer, arms},
    {"add_timer_global", timer, arms}, // 6.9
    {"add_timer_local", timer, arms},  // 6.9
    {"add_timer_on", timer, arms},
    {"alarm_cancel", alarm, deletes_sync},
    {"alarm_init", alarm, sets_up, 0, 2},
    {"alarm_restart", alarm, arms},
    {"alarm_start", alarm, arms},
    {"alarm_start_relative", alarm, arms},
    {"alarm_start_timer", alarm, arms}, // 7.x
    {"alarm_try_to_cancel", alarm, deletes},
    {"cancel_delayed_work", delayed_work, deletes},
    {"cancel_delayed_work_sync", delayed_work, deletes_sync},
    {"del_timer", timer, deletes},                           // timer_delete() since 6.2
    {"del_timer_sync", timer, deletes_sync},                 // timer_delete_sync() since 6.2
    {"disable_delayed_work", delayed_work, deletes},         // 6.10; what is running may not queue it again
    {"disable_delayed_work_sync", delayed_work, shuts_down}, // 6.10
    {"flush_delayed_work", delayed_work, deletes_sync},
    {"hrtimer_cancel", hrtimer, deletes_sync},
    {"hrtimer_init", hrtimer, sets_up}, // hrtimer_setup() since 6.13; the callback is stored by hand
    {"hrtimer_init_sleeper", hrtimer, sets_up},
    {"hrtimer_setup", hrtimer, sets_up, 0, 1},
    {"hrtimer_sleeper_start_expires", hrtimer, arms},
    {"hrtimer_start_range_ns", hrtimer, arms},
    {"hrtimer_start_range_ns_user", hrtimer, arms}, // 7.x
    {"hrtimer_try_to_cancel", hrtimer, deletes},
    {"init_timer_key", timer, sets_up, 0, 1},
    {"kthread_cancel_delayed_work_sync", kthread_delayed_work, deletes_sync},
    {"kthread_mod_delayed_work", kthread_delayed_work, arms, 1, -1, 2},
    {"kthread_queue_delayed_work", kthread_delayed_work, arms, 1, -1, 2},
    {"mod_delayed_work_on", delayed_work, arms, 2, -1, 3},
    {"mod_timer", timer, arms},
    {"queue_delayed_work_on", delayed_work, arms, 2, -1, 3},
    {"sk_reset_timer", timer, arms, 1},
    {"sk_stop_timer", timer, deletes, 1},
    {"sk_stop_timer_sync", timer, deletes_sync, 1},
    {"timer_delete", timer, deletes},
    {"timer_delete_sync", timer, deletes_sync},
    {"timer_delete_sync_try", timer, deletes}, // 6.16
    {"timer_init_key", timer, sets_up, 0, 1},  // 6.16
    {"timer_reduce", timer, arms},
    {"timer_shutdown", timer, shuts_down},
    {"timer_shutdown_sync", timer, shuts_down},
    {"try_to_del_timer_sync", timer, deletes},
    {"wiphy_delayed_work_cancel", timer, deletes_sync, 1}, // 6.5; under the lock that its work runs under
    {"wiphy_delayed_work_flush", timer, deletes_sync, 1},
    {"wiphy_delayed_work_queue", timer, arms, 1},
});
static_assert(std::ranges::is_sorted(all_apis, {}, &Api::name));

template <std::size_t count>
bool begins_with_any(std::string_view function, const std::array<std::string_view, count>& beginnings) {
    return std::ranges::any_of(beginnings, [&](auto begin) { return function.starts_with(begin); });
}

} // namespace

const Api* find_api(std::string_view function) {
    const auto* const found = std::ranges::lower_bound(all_apis, function, {}, &Api::name);
    return found != all_apis.end() && found->name == function ? found : nullptr;
}

std::span<const Api> timer_apis() {
    return all_apis;
}

bool may_delete_within(std::string_view function) {
    constexpr auto those = std::to_array<std::string_view>({
        "inet_csk_clear_xmit_timers",
        "inet_csk_destroy_sock",
        "sk_common_release",
        "sk_free",
        "tcp_",
        "dccp_",
        "neigh_",
        "lapb_",
        "ax25_",
        "x25_",
        "devm_cxl_sanitize_setup_notifier",
    });
    return begins_with_any(function, those);
}

bool waits(std::string_view function) {
    constexpr auto those = std::to_array<std::string_view>({
        "wait_for_",
        "schedule",
        "io_schedule",
        "msleep",
        "usleep_",
        "prepare_to_wait",
        "prepare_to_swait",
        "kthread_stop",
        "__wait_on_",
        "out_of_line_wait",
        "do_wait_intr",
        "fsleep",
        "ssleep",
        "synchronize_",
        "rcu_barrier",
        "__SCT__might_resched",
        "flush_work",
        "__flush_work",
        "down",
        "wait_woken",
        "autoremove_wake",
        "drain_workqueue",
        "kthread_flush_",
    });
    return begins_with_any(function, those);
}

bool signals(std::string_view function) {
    constexpr auto those = std::to_array<std::string_view>(
        {"complete", "__wake_up", "swake_up", "wake_up", "up", "kthread_stop"});
    return begins_with_any(function, those);
}

bool holds_modules(std::string_view function) {
    return function == "__module_get" || function == "try_module_get";
}

bool is_harmless(std::string_view function) {
    constexpr auto those = std::to_array<std::string_view>({
        "_printk",
        "printk",
        "__dynamic_",
        "_dev_",
        "__warn_printk",
        "kfree",
        "kvfree",
        "vfree",
        "free_pages",
        "free_percpu",
        "__free_pages",
        "kmem_cache_destroy",
        "kmem_cache_free",
        "mutex_",
        "_raw_spin_",
        "_raw_read_",
        "_raw_write_",
        "__stack_chk_fail",
        "__fentry__",
        "mem",
        "str",
        "snprintf",
        "sprintf",
        "scnprintf",
        "__msecs_to_jiffies",
        "__usecs_to_jiffies",
        "round_jiffies",
        "__const_udelay",
        "__udelay",
        "iounmap",
        "__release_region",
        "pci_dev_put",
        "ktime_get",
        "jiffies_to_",
        "__x86_",
        "__list_",
        "get_random",
        "__rcu_read_",
        "rcu_read_",
        "preempt_schedule",
        "__cond_resched",
        "outb",
        "inb",
        "destroy_workqueue",
        "__ubsan_",
        "__sanitizer_",
        "__asan_",
        "synchronize_rcu",
        "remove_proc_entry",
        "proc_remove",
        "module_put",
        "__SCT__preempt_schedule",
        "__SCT__cond_resched",
        "__SCT__might_resched",
        "nf_conntrack_",
        "hrtimer_forward",
        "ida_destroy",
        "complete",
    });
    return begins_with_any(function, those);
}

int callback_offset(TimerKind kind) {
    switch (kind) {
    case TimerKind::timer:
    case TimerKind::delayed_work:
        return 0x18;
    case TimerKind::hrtimer:
        return 0x28;
    case TimerKind::kthread_delayed_work:
        return 0x10;
    case TimerKind::alarm:
        break;
    }
    return 0x60;
}

int timer_offset(TimerKind kind) {
    switch (kind) {
    case TimerKind::delayed_work:
        return 0x20;
    case TimerKind::kthread_delayed_work:
        return 0x28;
    default:
        return 0;
    }
}

int size_of(TimerKind kind) {
    switch (kind) {
    case TimerKind::timer:
        return 40;
    case TimerKind::hrtimer:
        return 64;
    case TimerKind::delayed_work:
        return 88;
    case TimerKind::kthread_delayed_work:
        return 80;
    case TimerKind::alarm:
        break;
    }
    return 120;
}

} // namespace disarmd
