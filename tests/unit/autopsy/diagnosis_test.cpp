// SPDX-License-Identifier: Apache-2.0
#include "autopsy/diagnosis.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "autopsy/reader.h"
#include "texts.h"

namespace disarmd {

inline void PrintTo(CrashVerdict verdict, std::ostream* out) {
    *out << name_of(verdict);
}

namespace {

using test::wheel_crash;
using test::with;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

// A diagnosis points into what it is of.
struct Case {
    CrashText crash;
    CrashDiagnosis diagnosis;

    explicit Case(const std::string& text, const std::vector<RecordedFree>& ledger = {})
        : crash(read_crash(text)), diagnosis(diagnose(crash, ledger)) {}
    Case(const Case&) = delete;
    Case& operator=(const Case&) = delete;
};

// A callback is called that is not there any more.
std::string callback_crash() {
    auto text = with(wheel_crash, "supervisor write access", "supervisor instruction fetch");
    text = with(text, "0x0002", "0x0010");
    text = with(text, "Oops: 0002", "Oops: 0010");
    text = with(text, "for address: ffffffffc0a03048", "for address: ffffffffc0a01000");
    text = with(text, "RIP: 0010:__run_timers+0xd3/0x290", "RIP: 0010:0xffffffffc0a01000");
    text = with(text, "Code: 48 8b 0f 48 89 0e 48 85 c9 74 04 <48> 89 71 08 48 c7 07 00 00 00 00",
                "Code: Unable to access opcode bytes at 0xffffffffc0a00fd6.");
    return with(text, " run_timer_softirq", " call_timer_fn+0x2a/0x120\n[   10.000017]  run_timer_softirq");
}

std::string under(const std::string& text, const std::string& caller) {
    return with(with(text, " call_timer_fn+0x2a/0x120", caller), "run_timer_softirq", "nothing_known");
}

TEST(Diagnosis, of_a_queue_that_leads_into_a_freed_module) {
    const Case of(wheel_crash);
    EXPECT_EQ(of.diagnosis.verdict, CrashVerdict::this_pattern);
    EXPECT_EQ(of.diagnosis.confidence, Confidence::high);
    EXPECT_EQ(of.diagnosis.rule, "queue-leads-to-freed-memory");
    EXPECT_EQ(of.diagnosis.address, 0xffffffffc0a03048);
    EXPECT_EQ(of.diagnosis.address_kind, AddressKind::module_space);
    ASSERT_TRUE(of.diagnosis.instruction);
    EXPECT_EQ(of.diagnosis.instruction->text, "mov %rsi,0x8(%rcx)");
    EXPECT_FALSE(of.diagnosis.instruction_inferred);
    ASSERT_THAT(of.diagnosis.suspects, SizeIs(1));
    EXPECT_EQ(of.diagnosis.suspects[0].module, "m");
    EXPECT_FALSE(of.diagnosis.closed);
    ASSERT_THAT(of.diagnosis.consequences, SizeIs(1));
    EXPECT_EQ(of.diagnosis.consequences[0].line, 28U) << "the panic";
}

TEST(Diagnosis, of_the_hard_lockup_finds_the_fault_under_it) {
    const Case of(test::autopsy_file("hardlockup-3.10.txt"));
    const auto& diagnosis = of.diagnosis;
    EXPECT_EQ(diagnosis.verdict, CrashVerdict::this_pattern);
    EXPECT_EQ(diagnosis.confidence, Confidence::high);
    ASSERT_NE(diagnosis.met, nullptr);
    EXPECT_EQ(diagnosis.met->ip.symbol, "run_timer_softirq");
    EXPECT_EQ(diagnosis.met->ip.offset, 248U);
    ASSERT_TRUE(diagnosis.instruction);
    EXPECT_EQ(diagnosis.instruction->text, "mov %rsi,0x8(%rcx)");
    EXPECT_EQ(diagnosis.instruction->base, "rcx");
    EXPECT_TRUE(diagnosis.instruction_inferred) << "that text has no code";
    EXPECT_EQ(diagnosis.address, 0xffffffffa88b53b8);
    ASSERT_THAT(diagnosis.consequences, SizeIs(2));
    EXPECT_EQ(diagnosis.consequences[0].line, 43U) << "lock_timer_base";
    EXPECT_THAT(diagnosis.consequences[0].says, HasSubstr("lockup"));
    EXPECT_EQ(diagnosis.consequences[1].line, 25U) << "watchdog_overflow_callback";
}

TEST(Diagnosis, of_a_callback_that_is_gone_is_by_who_called_it) {
    const Case timer(callback_crash());
    EXPECT_EQ(timer.diagnosis.verdict, CrashVerdict::this_pattern);
    EXPECT_EQ(timer.diagnosis.rule, "code-is-gone");
    EXPECT_EQ(Case(under(callback_crash(), " __hrtimer_run_queues+0x1/0x2")).diagnosis.verdict,
              CrashVerdict::this_pattern);
    for (const auto* const caller :
         {" process_one_work+0x1/0x2", " tasklet_action_common+0x1/0x2", " rcu_do_batch+0x1/0x2",
          " kthread+0x1/0x2", " notifier_call_chain+0x1/0x2", " nf_hook_slow+0x1/0x2"})
        EXPECT_EQ(Case(under(callback_crash(), caller)).diagnosis.verdict, CrashVerdict::related) << caller;
}

TEST(Diagnosis, of_a_loaded_modules_fault_is_another) {
    const Case own(with(wheel_crash, "__run_timers+0xd3/0x290", "other_fn+0xd3/0x290 [other]"));
    EXPECT_EQ(own.diagnosis.verdict, CrashVerdict::not_this_pattern);
    EXPECT_EQ(own.diagnosis.rule, "module-is-there");
    const Case called(with(with(wheel_crash, "__run_timers+0xd3/0x290", "strlen+0x3/0x20"),
                           " run_timer_softirq",
                           " other_fn+0x1/0x2 [other]\n[   10.000017]  run_timer_softirq"));
    EXPECT_EQ(called.diagnosis.verdict, CrashVerdict::not_this_pattern);
    EXPECT_EQ(called.diagnosis.rule, "module-called-it");
}

TEST(Diagnosis, of_code_without_a_name_that_could_be_read_is_another) {
    const Case of(with(wheel_crash, "RIP: 0010:__run_timers+0xd3/0x290", "RIP: 0010:0xffffffffc0b00123"));
    EXPECT_EQ(of.diagnosis.verdict, CrashVerdict::not_this_pattern);
    EXPECT_THAT(of.diagnosis.what, HasSubstr("without symbols"));
}

TEST(Diagnosis, of_mapped_memory_of_modules_is_not_of_a_freed_one) {
    auto text = with(wheel_crash, "error_code(0x0002) - not-present page",
                     "error_code(0x0003) - permissions violation");
    text = with(text, "Oops: 0002", "Oops: 0003");
    EXPECT_NE(Case(text).diagnosis.verdict, CrashVerdict::this_pattern);
}

TEST(Diagnosis, of_an_allocated_timers_memory_needs_an_unload) {
    auto text = with(wheel_crash, "for address: ffffffffc0a03048", "for address: 6b6b6b6b6b6b6b73");
    text = with(text, "RCX: ffffffffc0a03040", "RCX: 6b6b6b6b6b6b6b6b");
    EXPECT_EQ(Case(text).diagnosis.verdict, CrashVerdict::cant_tell);
    const auto none = with(text, " [last unloaded: m(OE)]", "");
    EXPECT_EQ(Case(none).diagnosis.verdict, CrashVerdict::not_this_pattern);
    // Before 2.6.25 nobody told; and somebody may have cut the list, or it may be an older one.
    EXPECT_EQ(Case(with(none, "6.1.0-56-amd64 #1", "2.6.18-194.el5 #1")).diagnosis.verdict,
              CrashVerdict::cant_tell);
    EXPECT_EQ(Case(with(none, "other(OE)", "...")).diagnosis.verdict, CrashVerdict::cant_tell);
    const auto list = std::string("Modules linked in: ext4(E) other(OE)\n");
    EXPECT_EQ(Case(list + with(none, list, "\n")).diagnosis.verdict, CrashVerdict::cant_tell);
}

TEST(Diagnosis, of_a_null_callback) {
    auto text = with(callback_crash(), "for address: ffffffffc0a01000", "for address: 0000000000000000");
    text = with(text, "RIP: 0010:0xffffffffc0a01000", "RIP: 0010:0x0");
    EXPECT_EQ(Case(text).diagnosis.verdict, CrashVerdict::cant_tell);
    EXPECT_EQ(Case(with(text, " [last unloaded: m(OE)]", "")).diagnosis.verdict,
              CrashVerdict::not_this_pattern);
    const Case by_module(
        with(text, " call_timer_fn", " other_fn+0x1/0x2 [other]\n[   10.000017]  call_timer_fn"));
    EXPECT_EQ(by_module.diagnosis.verdict, CrashVerdict::not_this_pattern);
}

TEST(Diagnosis, of_filled_code_counts_it_as_gone) {
    auto text = with(wheel_crash, "RIP: 0010:__run_timers+0xd3/0x290", "RIP: 0010:0xffffffffc0a01001");
    text = with(text, "BUG: unable to handle page fault for address: ffffffffc0a03048", "nothing");
    text = with(text, "#PF: supervisor write access in kernel mode", "nothing");
    text = with(text, "#PF: error_code(0x0002) - not-present page", "nothing");
    text = with(text, "Oops: 0002 [#1]", "Oops: int3: 0000 [#1]");
    text = with(text, "<48> 89 71", "cc <cc> cc 71");
    const Case of(text);
    EXPECT_EQ(of.diagnosis.verdict, CrashVerdict::this_pattern);
    EXPECT_THAT(of.diagnosis.what, HasSubstr("0xffffffffc0a01000"))
        << "the int3 itself, not what is behind it";
}

TEST(Diagnosis, of_what_is_no_fault) {
    EXPECT_EQ(Case("").diagnosis.verdict, CrashVerdict::cant_tell);
    EXPECT_EQ(Case("hello\n").diagnosis.rule, "nothing-to-read");
    EXPECT_EQ(Case("Kernel panic - not syncing: sysrq triggered crash\n").diagnosis.verdict,
              CrashVerdict::not_this_pattern);
    EXPECT_EQ(Case("WARNING: CPU: 0 PID: 1 at a.c:1 f+0x1/0x2\n").diagnosis.verdict,
              CrashVerdict::not_this_pattern);
    EXPECT_EQ(
        Case("watchdog: BUG: soft lockup - CPU#1 stuck for 26s! [kworker/1:1:12]\nRIP: 0010:f+0x1/0x2\n")
            .diagnosis.verdict,
        CrashVerdict::not_this_pattern);
    EXPECT_EQ(Case("watchdog: BUG: soft lockup - CPU#1 stuck for 26s! [swapper/1:0]\nRIP: "
                   "0010:__run_timers+0x1/0x2\n")
                  .diagnosis.verdict,
              CrashVerdict::cant_tell);
    EXPECT_EQ(
        Case(with(wheel_crash, "__run_timers+0xd3/0x290", "sysrq_handle_crash+0x16/0x20")).diagnosis.verdict,
        CrashVerdict::not_this_pattern);
}

TEST(Diagnosis, takes_the_first_fault_for_the_cause) {
    const Case of("WARNING: CPU: 0 PID: 1 at a.c:1 f+0x1/0x2\n---[ end trace 0 ]---\n" +
                  std::string(wheel_crash) +
                  "BUG: kernel NULL pointer dereference, address: 0000000000000008\nRIP: 0010:g+0x1/0x2\n");
    ASSERT_NE(of.diagnosis.primary, nullptr);
    EXPECT_EQ(of.diagnosis.primary->first_line, 3U);
    EXPECT_EQ(of.diagnosis.verdict, CrashVerdict::this_pattern);
}

/* What was recorded */

RecordedTimer recorded_timer() {
    return {0,
            "timer",
            "m_cb [m]",
            0xffffffffc0a03040,
            0xffffffffc0a01000,
            {},
            "never-deleted",
            "insmod (pid 11) from task context"};
}

RecordedFree recorded(std::vector<RecordedTimer> timers = {recorded_timer()}) {
    RecordedFree free;
    free.incident = "0123456789ab";
    free.module = "m";
    free.leak = true;
    free.causes = "never-deleted";
    free.when = "2026-11-23T18:41:48.123Z";
    free.ranges = {{0xffffffffc0a01000, 0x1000}, {0xffffffffc0a03000, 0x1000}};
    free.timers = std::move(timers);
    return free;
}

TEST(Diagnosis, is_closed_by_the_timer_that_the_address_is_in) {
    const Case of(wheel_crash, {recorded()});
    EXPECT_EQ(of.diagnosis.verdict, CrashVerdict::this_pattern);
    EXPECT_EQ(of.diagnosis.rule, "was-recorded");
    ASSERT_TRUE(of.diagnosis.closed);
    EXPECT_EQ(of.diagnosis.closed->free.module, "m");
    ASSERT_TRUE(of.diagnosis.closed->timer);
    EXPECT_EQ(of.diagnosis.closed->timer->callback, "m_cb [m]");
    EXPECT_TRUE(of.diagnosis.closed->by_address);
    EXPECT_THAT(of.diagnosis.suspects, IsEmpty()) << "it is no other one's";
}

TEST(Diagnosis, is_closed_by_the_callback_though_a_worker_called_it) {
    auto timer = recorded_timer();
    timer.timer = 0xffff888001234560;
    timer.kind = "delayed_work";
    const auto text = under(callback_crash(), " process_one_work+0x1/0x2");
    EXPECT_EQ(Case(text).diagnosis.verdict, CrashVerdict::related);
    const Case of(text, {recorded({timer})});
    EXPECT_EQ(of.diagnosis.verdict, CrashVerdict::this_pattern);
    ASSERT_TRUE(of.diagnosis.closed && of.diagnosis.closed->timer);
    EXPECT_EQ(of.diagnosis.closed->timer->kind, "delayed_work");
}

TEST(Diagnosis, is_closed_by_a_register_that_points_to_the_timer) {
    auto timer = recorded_timer();
    timer.timer = 0xffff9c3b5c92a0c0; // rbx
    auto text = with(wheel_crash, "for address: ffffffffc0a03048", "for address: 6b6b6b6b6b6b6b73");
    const Case of(text, {recorded({timer})});
    EXPECT_EQ(of.diagnosis.verdict, CrashVerdict::this_pattern);
    ASSERT_TRUE(of.diagnosis.closed);
    EXPECT_THAT(of.diagnosis.closed->how, HasSubstr("rbx"));
}

TEST(Diagnosis, is_closed_by_the_module_where_no_timer_is_known) {
    auto clean = recorded({});
    clean.leak = false;
    clean.causes.clear();
    const Case of(under(callback_crash(), " kthread+0x1/0x2"), {clean});
    EXPECT_EQ(of.diagnosis.verdict, CrashVerdict::related) << "no timer was left: it was a thread";
    ASSERT_TRUE(of.diagnosis.closed);
    EXPECT_EQ(of.diagnosis.closed->free.module, "m");
    EXPECT_FALSE(of.diagnosis.closed->timer);
}

TEST(Diagnosis, prefers_a_timer_to_a_module_and_the_last_one_to_those_before) {
    auto older = recorded();
    older.incident = "000000000000";
    auto without = recorded({});
    without.incident = "111111111111";
    const Case of(wheel_crash, {without, recorded(), older});
    ASSERT_TRUE(of.diagnosis.closed);
    EXPECT_EQ(of.diagnosis.closed->free.incident, "0123456789ab");
}

TEST(Diagnosis, is_not_closed_by_what_lay_elsewhere) {
    auto elsewhere = recorded();
    elsewhere.ranges = {{0xffffffffc0b00000, 0x1000}};
    elsewhere.timers[0].timer = 0xffffffffc0b00040;
    elsewhere.timers[0].callback_address = 0xffffffffc0b00100;
    const Case of(wheel_crash, {elsewhere});
    EXPECT_EQ(of.diagnosis.verdict, CrashVerdict::this_pattern);
    EXPECT_FALSE(of.diagnosis.closed);
    EXPECT_FALSE(
        Case(with(wheel_crash, "__run_timers+0xd3/0x290", "other_fn+0xd3/0x290 [other]"), {elsewhere})
            .diagnosis.closed)
        << "of what it was not nothing is said";
}

std::string told(const std::string& drained = "") {
    return "[    9.0] disarmd: LEAK: module k was freed with 1 timer still pending (never-deleted); unloaded "
           "by rmmod "
           "(pid 12) in 3.0 ms" +
           drained +
           "; incident 0123456789ab\n"
           "[    9.0] disarmd: LEAK: k 1/1: timer k_cb [k] at 0xffff888001234560, callback "
           "0xffffffffc0c01000, fires in "
           "1.2 s, never-deleted, armed 3.0 ms before by insmod (pid 11) from task context\n";
}

TEST(Diagnosis, is_closed_by_what_the_log_told_right_before_where_no_address_says) {
    auto text = with(wheel_crash, "for address: ffffffffc0a03048", "for address: 6b6b6b6b6b6b6b73");
    text = with(text, "RCX: ffffffffc0a03040", "RCX: 6b6b6b6b6b6b6b6b");
    const Case of(told() + text);
    EXPECT_EQ(of.diagnosis.verdict, CrashVerdict::this_pattern) << "without the record it can't be told";
    EXPECT_EQ(of.diagnosis.confidence, Confidence::medium);
    ASSERT_TRUE(of.diagnosis.closed);
    EXPECT_EQ(of.diagnosis.closed->free.module, "k");
    EXPECT_FALSE(of.diagnosis.closed->by_address);
    const Case drained(told("; held for 1.0 s, until nothing was pending") + text);
    EXPECT_EQ(drained.diagnosis.verdict, CrashVerdict::cant_tell);
    EXPECT_FALSE(drained.diagnosis.closed);
    const Case after(text + told());
    EXPECT_FALSE(after.diagnosis.closed) << "it came later";
}

/* What is easily taken for it, and what hides it */

TEST(Diagnosis, of_what_a_core_timers_callback_calls_is_no_timers) {
    const auto text = callback_crash();
    for (const auto* const mark : {"", "? "}) {
        auto of_core = with(text, " call_timer_fn+0x2a/0x120",
                            std::string(" ") + mark +
                                "dev_watchdog+0x22b/0x230\n"
                                "[   10.000017]  " +
                                mark + "call_timer_fn+0x2a/0x120");
        of_core = with(of_core, "? rcu_core+0x1/0x2",
                       "? __die+0x24/0x80\n[   10.000016]  ? asm_exc_page_fault+0x27/0x30");
        EXPECT_EQ(Case(of_core).diagnosis.verdict, CrashVerdict::related) << mark;
    }
    // What the report left on the stack itself hides nothing.
    auto hidden =
        with(text, "? rcu_core+0x1/0x2",
             "? show_regs+0x6d/0x80\n[   10.000016]  ? __die+0x24/0x80\n[   10.000016]  ? "
             "page_fault_oops+0x9/0x10\n"
             "[   10.000016]  ? exc_page_fault+0x83/0x1b0\n[   10.000016]  ? asm_exc_page_fault+0x27/0x30");
    hidden = with(hidden, " call_timer_fn", " ? call_timer_fn");
    EXPECT_EQ(Case(hidden).diagnosis.verdict, CrashVerdict::this_pattern);
}

TEST(Diagnosis, of_arm64_takes_no_user_address_for_a_modules) {
    const std::string text =
        "Unable to handle kernel paging request at virtual address 0000aaaadeadb000\n"
        "Internal error: Oops: 0000000086000004 [#1] SMP\n"
        "Modules linked in: other\n"
        "CPU: 2 PID: 0 Comm: swapper/2 Tainted: G           O       6.1.0 #1\n"
        "pstate: 60000005 (nZCv daif -PAN -UAO -TCO -DIT -SSBS BTYPE=--)\n"
        "pc : 0x0000aaaadeadb000\nlr : call_timer_fn.constprop.0+0x24/0x80\n"
        "Call trace:\n 0x0000aaaadeadb000\n call_timer_fn+0x24/0x80\nCode: bad PC value\n";
    EXPECT_EQ(Case(text).diagnosis.verdict, CrashVerdict::not_this_pattern);
    const auto tcp = with(
        with(text, "0x0000aaaadeadb000\nlr : call_timer_fn.constprop.0", "0xffffb1c52a3d2010\nlr : tcp_ack"),
        " 0x0000aaaadeadb000\n", " 0xffffb1c52a3d2010\n tcp_ack+0x9/0x10\n");
    EXPECT_EQ(
        Case(with(with(tcp, "0000aaaadeadb000", "ffffb1c52a3d2010"), "other", "other [last unloaded: m]"))
            .diagnosis.verdict,
        CrashVerdict::related);
}

TEST(Diagnosis, is_not_led_astray_by_user_space) {
    for (const auto* const line :
         {"traps: gnome-shell[812] general protection fault ip:7f2c sp:7ffd error:0 in libc.so",
          "Nov  4 12:00:01 host sshd[9]: Invalid user BUG: unable to handle page fault for address: 1",
          "audit: Oops: 0002 [#1]"}) {
        const Case of(std::string(line) + "\n" + wheel_crash);
        EXPECT_EQ(of.diagnosis.verdict, CrashVerdict::this_pattern) << line;
        EXPECT_EQ(of.diagnosis.primary->first_line, 2U) << line;
    }
    auto forged = told();
    forged = with(forged, "[    9.0] disarmd: LEAK: module",
                  "Nov  4 12:00:01 host sshd[9]: Invalid user disarmd: LEAK: module");
    EXPECT_THAT(read_crash(forged).told, IsEmpty());
}

TEST(Diagnosis, of_a_page_fault_that_a_hung_task_had_met_long_before) {
    const std::string hung =
        "INFO: task reader:123 blocked for more than 120 seconds.\nCall Trace:\n __schedule+0x1/0x2\n"
        " exc_page_fault+0x1/0x2\n asm_exc_page_fault+0x1/0x2\n"
        "RIP: 0010:rep_movs_alternative+0x4a/0x70\n copy_to_user+0x1/0x2\n";
    const Case of(hung + wheel_crash);
    EXPECT_EQ(of.diagnosis.verdict, CrashVerdict::this_pattern);
}

TEST(Diagnosis, of_an_oops_that_was_survived_and_one_hours_later) {
    auto before = with(wheel_crash, "__run_timers+0xd3/0x290", "other_fn+0xd3/0x290 [other]");
    before = before.substr(0, before.find("[   10.000028]"));
    const Case of(before + wheel_crash);
    EXPECT_EQ(of.diagnosis.verdict, CrashVerdict::this_pattern);
    EXPECT_EQ(of.diagnosis.primary->first_line, 28U);
    EXPECT_THAT(of.diagnosis.evidence, testing::Contains(testing::Field(&Evidence::line, 1U)))
        << "it is told";
}

TEST(Diagnosis, of_an_assertion_or_a_null_that_a_module_passed_blames_that_module) {
    const auto in_module =
        with(wheel_crash, " run_timer_softirq", " other_fn+0x1/0x2 [other]\n[   10.000017]  do_one_initcall");
    auto null = with(in_module, "for address: ffffffffc0a03048", "for address: 0000000000000018");
    EXPECT_EQ(Case(with(null, "__run_timers+0xd3/0x290", "lock_timer_base+0x16/0x60")).diagnosis.verdict,
              CrashVerdict::not_this_pattern);
    auto bug = with(in_module, "BUG: unable to handle page fault for address: ffffffffc0a03048",
                    "kernel BUG at kernel/time/timer.c:1145!");
    bug = with(with(bug, "#PF: supervisor write access in kernel mode", "x"),
               "#PF: error_code(0x0002) - not-present page", "x");
    bug = with(with(bug, "Oops: 0002 [#1]", "invalid opcode: 0000 [#1]"), "__run_timers+0xd3/0x290",
               "add_timer+0x1f4/0x200");
    EXPECT_EQ(Case(bug).diagnosis.verdict, CrashVerdict::not_this_pattern);
}

TEST(Diagnosis, infers_no_instruction_from_what_may_be_the_kernels_image) {
    auto text = with(wheel_crash, "RCX: ffffffffc0a03040", "RCX: ffffffffa6c060c0");
    text = with(text,
                "[   10.000008] Code: 48 8b 0f 48 89 0e 48 85 c9 74 04 <48> 89 71 08 48 c7 07 00 00 00 00\n",
                "");
    text = with(text, "for address: ffffffffc0a03048", "for address: 6b6b6b6b6b6b6b73");
    EXPECT_FALSE(Case(text).diagnosis.instruction);
    EXPECT_NE(Case(text).diagnosis.verdict, CrashVerdict::this_pattern);
}

TEST(Diagnosis, of_what_the_kernel_checks_itself) {
    auto cfi = with(
        wheel_crash, "BUG: unable to handle page fault for address: ffffffffc0a03048",
        "CFI failure at call_timer_fn+0x2a/0x120 (target: 0xffffffffc0a01000; expected type: 0x2c3f9a1b)");
    cfi = with(with(cfi, "#PF: supervisor write access in kernel mode", "x"),
               "#PF: error_code(0x0002) - not-present page", "x");
    cfi = with(with(cfi, "Oops: 0002 [#1]", "invalid opcode: 0000 [#1]"), "__run_timers+0xd3/0x290",
               "call_timer_fn+0x2a/0x120");
    EXPECT_EQ(Case(cfi).diagnosis.verdict, CrashVerdict::this_pattern);
    EXPECT_NE(
        Case(with(cfi, "target: 0xffffffffc0a01000", "target: other_fn+0x0/0x10 [other]")).diagnosis.verdict,
        CrashVerdict::this_pattern);
    const std::string odebug =
        "ODEBUG: free active (active state 0) object: ffffffffc048b020 object type: timer_list hint: "
        "m_fn+0x0/0x20 [m]\n"
        "WARNING: CPU: 1 PID: 374 at lib/debugobjects.c:514 debug_print_object+0x7d/0xb0\nRIP: "
        "0010:debug_print_object+0x7d/0xb0\n"
        "Call Trace:\n vfree+0x76/0x2f0\n free_module+0x1a5/0x2a0\n---[ end trace 0 ]---\n"
        "Kernel panic - not syncing: kernel: panic_on_warn set ...\n";
    EXPECT_EQ(Case(odebug).diagnosis.verdict, CrashVerdict::this_pattern);
    EXPECT_THAT(Case(odebug).diagnosis.what, HasSubstr("m_fn"));
    EXPECT_EQ(Case(with(odebug, " free_module", " kfree")).diagnosis.verdict, CrashVerdict::not_this_pattern);
}

TEST(Diagnosis, of_kasan_tells_a_live_variable_from_a_freed_modules_memory) {
    const std::string text =
        "BUG: KASAN: global-out-of-bounds in enqueue_timer+0x34/0x80\n"
        "Write of size 8 at addr ffffffffc04e07c8 by task insmod/9\nCall Trace:\n enqueue_timer+0x34/0x80\n"
        " __do_sys_finit_module+0x1/0x2\nModules linked in: other [last unloaded: m]\n";
    EXPECT_NE(Case(text).diagnosis.verdict, CrashVerdict::this_pattern);
}

TEST(Diagnosis, of_stuck_cpus_in_the_timer_code) {
    EXPECT_EQ(Case("rcu: INFO: rcu_preempt self-detected stall on CPU\nRIP: 0010:__run_timers+0xc7/0x280\n"
                   "Kernel panic - not syncing: RCU Stall\n")
                  .diagnosis.verdict,
              CrashVerdict::cant_tell);
}

TEST(Diagnosis, is_not_closed_by_a_leak_that_had_fired_or_was_of_another_boot) {
    auto text = with(wheel_crash, "for address: ffffffffc0a03048", "for address: 6b6b6b6b6b6b6b73");
    text = with(text, "RCX: ffffffffc0a03040", "RCX: 6b6b6b6b6b6b6b6b");
    std::string days_later = text;
    for (std::size_t at = 0; (at = days_later.find("[   10.", at)) != std::string::npos;)
        days_later.replace(at, 7, "[260010.");
    const Case fired(told() + days_later);
    EXPECT_EQ(fired.diagnosis.verdict, CrashVerdict::cant_tell);
    EXPECT_FALSE(fired.diagnosis.closed);
    auto of_before = recorded();
    of_before.freed_at_s = 1'700'000'000;
    const std::string clock =
        "[    4.0] rtc_cmos 00:07: setting system clock to 2026-11-28T04:54:36 UTC (1795841676)\n";
    EXPECT_TRUE(Case(wheel_crash, {of_before}).diagnosis.closed) << "nobody knows when it was";
    EXPECT_FALSE(Case(clock + wheel_crash, {of_before}).diagnosis.closed);
    of_before.freed_at_s = 1'795'841'680;
    EXPECT_TRUE(Case(clock + wheel_crash, {of_before}).diagnosis.closed);
}

TEST(Diagnosis, is_not_closed_by_a_drained_timer_or_any_register_of_another_crash) {
    auto timer = recorded_timer();
    timer.timer = 0xffff9c3b5c92a0c0; // rbx
    const auto other = with(wheel_crash, "__run_timers+0xd3/0x290", "tcp_orphan_update+0x1c/0x40");
    auto elsewhere = recorded({timer});
    elsewhere.ranges.clear();
    EXPECT_FALSE(Case(other, {elsewhere}).diagnosis.closed);
    auto drained = recorded();
    drained.drained = true;
    drained.ranges.clear();
    EXPECT_FALSE(Case(wheel_crash, {drained}).diagnosis.closed);
}

TEST(Diagnosis, of_a_host_that_disarmd_crashed_as_a_rule_says) {
    const auto before = with(told(), "; incident", "; a panic follows, as the rule says; incident");
    const Case of(before + "[    9.1] Kernel panic - not syncing: sysrq triggered crash\n");
    EXPECT_EQ(of.diagnosis.verdict, CrashVerdict::this_pattern);
    ASSERT_TRUE(of.diagnosis.closed);
    EXPECT_EQ(of.diagnosis.closed->free.module, "k");
    EXPECT_EQ(
        Case(told() + "[    9.1] Kernel panic - not syncing: sysrq triggered crash\n").diagnosis.verdict,
        CrashVerdict::not_this_pattern);
}

TEST(Diagnosis, of_a_text_of_several_boots_is_of_one_of_them) {
    const std::string boot = "[    0.0] Linux version 6.1.0-56-amd64 (gcc)\n";
    auto poisoned = with(wheel_crash, "for address: ffffffffc0a03048", "for address: 6b6b6b6b6b6b6b73");
    poisoned = with(poisoned, "RCX: ffffffffc0a03040", "RCX: 6b6b6b6b6b6b6b6b");
    const Case first(boot + told() + boot + poisoned + boot +
                     with(wheel_crash, "__run_timers+0xd3/0x290", "other_fn+0xd3/0x290 [other]"));
    EXPECT_EQ(first.diagnosis.verdict, CrashVerdict::cant_tell) << "what was told was told in a boot before";
    EXPECT_FALSE(first.diagnosis.closed);
    EXPECT_EQ(first.diagnosis.primary->first_line, 5U);
    EXPECT_EQ(first.diagnosis.other_crashes, 1U);
    EXPECT_THAT(first.diagnosis.consequences, SizeIs(1)) << "the panic, and nothing of the next boot";
    // One that is this pattern is what the command is asked for, with its own modules and its own kernel.
    const Case later(
        boot + poisoned + boot +
        with(with(wheel_crash, "[last unloaded: m(OE)]", "[last unloaded: n]"), "6.1.0-56", "6.1.0-57"));
    EXPECT_EQ(later.diagnosis.verdict, CrashVerdict::this_pattern);
    EXPECT_EQ(later.diagnosis.primary->first_line, 31U);
    EXPECT_EQ(later.diagnosis.primary->release, "6.1.0-57-amd64");
    ASSERT_THAT(later.diagnosis.suspects, SizeIs(1));
    EXPECT_EQ(later.diagnosis.suspects[0].module, "n");
    EXPECT_EQ(later.diagnosis.other_crashes, 1U);
}

} // namespace
} // namespace disarmd
