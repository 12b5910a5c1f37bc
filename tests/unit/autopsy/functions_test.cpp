// SPDX-License-Identifier: Apache-2.0
#include "autopsy/functions.h"

#include <gtest/gtest.h>

namespace disarmd {
namespace {

TEST(Functions, are_known_without_what_compilers_add) {
    EXPECT_EQ(bare_symbol("__run_timers.part.0"), "__run_timers");
    EXPECT_EQ(bare_symbol("call_console_drivers.constprop.17"), "call_console_drivers");
    EXPECT_EQ(bare_symbol("free_module.isra.3.cold"), "free_module");
    EXPECT_EQ(bare_symbol("kthread"), "kthread");
    EXPECT_EQ(context_of("__run_timers.part.0"), Context::timer);
    EXPECT_TRUE(is_timer_core("detach_if_pending.isra.1"));
}

TEST(Functions, tell_what_called) {
    EXPECT_EQ(context_of("call_timer_fn"), Context::timer);
    EXPECT_EQ(context_of("tmigr_handle_remote_up"), Context::timer);
    EXPECT_EQ(context_of("__hrtimer_run_queues"), Context::hrtimer);
    EXPECT_EQ(context_of("process_one_work"), Context::work);
    EXPECT_EQ(context_of("run_workqueue"), Context::work) << "of 2.6";
    EXPECT_EQ(context_of("kthread_worker_fn"), Context::thread_work);
    EXPECT_EQ(context_of("tasklet_action_common"), Context::tasklet);
    EXPECT_EQ(context_of("rcu_do_batch"), Context::rcu);
    EXPECT_EQ(context_of("kthread"), Context::thread);
    EXPECT_EQ(context_of("ext4_readdir"), Context::none);
    EXPECT_EQ(context_of(""), Context::none);
}

TEST(Functions, of_timers_walk_what_is_anybodys) {
    for (const auto* const symbol :
         {"run_timer_softirq", "__run_timers", "__run_timer_base", "expire_timers", "detach_if_pending",
          "enqueue_timer", "internal_add_timer", "mod_timer", "get_next_timer_interrupt",
          "tmigr_handle_remote", "__hrtimer_start_range_ns", "hrtimer_try_to_cancel"})
        EXPECT_TRUE(is_timer_core(symbol)) << symbol;
    for (const auto* const symbol : {"", "tcp_write_timer", "timer", "kthread", "process_timeout"})
        EXPECT_FALSE(is_timer_core(symbol)) << symbol;
}

TEST(Functions, that_help_say_nothing_by_themselves) {
    for (const auto* const symbol : {"rb_erase", "timerqueue_linked_add", "__list_del_entry_valid_or_report",
                                     "_raw_spin_lock_irqsave", "__x86_indirect_thunk_rax"})
        EXPECT_TRUE(is_helper(symbol)) << symbol;
    EXPECT_FALSE(is_helper("kfree"));
    EXPECT_TRUE(is_queueing_of_work("delayed_work_timer_fn"));
    EXPECT_TRUE(is_fault_entry("page_fault"));
    EXPECT_TRUE(is_fault_entry("asm_exc_page_fault"));
}

} // namespace
} // namespace disarmd
