// SPDX-License-Identifier: Apache-2.0
#include "autopsy/reader.h"

#include <random>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "autopsy/diagnosis.h"
#include "texts.h"

namespace disarmd {
namespace {

using test::in_front;
using test::wheel_crash;
using test::with;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

std::vector<std::string> symbols_of(const Report& report) {
    std::vector<std::string> symbols;
    for (const auto& frame : report.frames)
        symbols.push_back((frame.reliable ? "" : "? ") + frame.place.symbol);
    return symbols;
}

// What every form of that crash has to yield.
void expect_wheel_crash(const CrashText& crash) {
    EXPECT_EQ(crash.arch, Arch::x86_64);
    ASSERT_THAT(crash.reports, SizeIs(testing::Ge(1U)));
    const auto& report = crash.reports[0];
    EXPECT_EQ(report.kind, ReportKind::page_fault);
    EXPECT_EQ(report.fault_address, 0xffffffffc0a03048);
    ASSERT_THAT(report.exceptions, SizeIs(2));
    const auto& met = report.exceptions[0];
    EXPECT_EQ(met.ip.symbol, "__run_timers");
    EXPECT_EQ(met.ip.offset, 0xd3U);
    EXPECT_EQ(met.registers.at("rcx").value, 0xffffffffc0a03040);
    EXPECT_EQ(met.registers.at("rsi").value, 0xffffa0c300100f08);
    ASSERT_TRUE(met.code_at);
    EXPECT_EQ(met.code.at(*met.code_at + 1), 0x89);
    EXPECT_EQ(report.exceptions[1].ip.symbol, "default_idle");
    EXPECT_THAT(symbols_of(report), ElementsAre("? rcu_core", "run_timer_softirq", "handle_softirqs",
                                                "asm_sysvec_apic_timer_interrupt", "do_idle"));
    EXPECT_EQ(report.exceptions[1].frames_above, 4U);
    EXPECT_THAT(report.modules.names, ElementsAre("ext4", "other"));
    EXPECT_EQ(report.modules.last_unloaded, "m");
}

TEST(Reader, takes_an_oops_apart) {
    const auto crash = read_crash(wheel_crash);
    expect_wheel_crash(crash);
    EXPECT_EQ(crash.release, "6.1.0-56-amd64");
    EXPECT_THAT(crash.taint, testing::StartsWith("G           OE"));
    EXPECT_EQ(crash.lines, 28U);
    ASSERT_THAT(crash.reports, SizeIs(2));
    const auto& report = crash.reports[0];
    EXPECT_EQ(report.first_line, 1U);
    EXPECT_EQ(report.time, 10.000001);
    EXPECT_EQ(report.fault_address_line, 1U);
    EXPECT_EQ(report.access, Access::write);
    EXPECT_EQ(report.error_code, 2U);
    EXPECT_EQ(report.error_code_line, 3U);
    EXPECT_EQ(report.cpu, 1U);
    EXPECT_EQ(report.comm, "swapper/1");
    EXPECT_EQ(report.exceptions[0].line, 7U);
    EXPECT_EQ(report.exceptions[0].code_line, 8U);
    EXPECT_EQ(report.exceptions[0].registers.at("rcx").line, 10U);
    EXPECT_EQ(report.frames[1].stack, Stack::interrupt);
    EXPECT_EQ(report.frames[4].stack, Stack::task);
    EXPECT_EQ(report.frames[1].line, 17U);
    EXPECT_EQ(report.modules.last_unloaded_line, 26U);
    EXPECT_EQ(crash.reports[1].kind, ReportKind::panic);
}

std::string without_stamps(std::string text) {
    std::string out;
    for (std::size_t at = 0; at < text.size(); ++at) {
        if (text[at] == '[' && text.compare(at, 6, "[   10") == 0)
            at = text.find(']', at) + 1;
        out += text[at];
    }
    return out;
}

TEST(Reader, takes_it_without_stamps_and_with_whatever_is_in_front) {
    const auto bare = without_stamps(wheel_crash);
    expect_wheel_crash(read_crash(bare));
    for (const auto* const front : {"> ", "> > ", "\t", "    ", "Nov  4 12:00:01 host kernel: ",
                                    "2024-11-04T12:00:01+0000 host kernel: ", "<4>"})
        expect_wheel_crash(read_crash(in_front(bare, front)));
    expect_wheel_crash(read_crash(in_front(wheel_crash, "Nov  4 12:00:01 host kern.alert kernel: ")));
}

TEST(Reader, takes_what_a_mail_has_broken) {
    auto text = without_stamps(wheel_crash);
    text = with(text, "RBX: ffff9c3b5c92a0c0 RCX: ffffffffc0a03040",
                "RBX: ffff9c3b5c92a0c0 RCX:\nffffffffc0a03040");
    text = with(text, "Code: 48 8b 0f 48 89 0e 48 85 c9 74 04 <48> 89",
                "Code: 48 8b 0f 48 89 0e 48\n85 c9 74 04 <48> 89");
    text = with(text, "for address: ffffffffc0a03048", "for address:\nffffffffc0a03048");
    text = with(text, "[last unloaded: m(OE)]", "\n[last unloaded: m(OE)]");
    expect_wheel_crash(read_crash(text));
    expect_wheel_crash(read_crash(in_front(text, "> ")));
}

TEST(Reader, takes_a_quoted_printable_mail) {
    auto text = with(without_stamps(wheel_crash), "Oops: 0002 [#1]", "a =3D b\nOops: 0002 [#1]");
    text = with(text, "RIP: 0010:__run_timers", "RIP: 0010:__run_=\ntimers");
    expect_wheel_crash(read_crash(text));
}

TEST(Reader, keeps_apart_what_two_cpus_print_at_once) {
    std::string mixed;
    std::string other = "[   10.500000] WARNING: CPU: 0 PID: 9 at net/core/dev.c:1 f+0x1/0x2\n"
                        "[   10.500000] RIP: 0010:f+0x1/0x2\n"
                        "[   10.500000] RAX: 00000000000000aa RBX: 0000000000000000 RCX: 00000000000000bb\n";
    std::size_t other_at = 0;
    std::string_view rest = wheel_crash;
    while (!rest.empty()) {
        const auto end = rest.find('\n') + 1;
        std::string line(rest.substr(0, end));
        mixed += line.insert(line.find(']') + 1, "[    C1]");
        rest.remove_prefix(end);
        if (other_at < other.size()) {
            const auto other_end = other.find('\n', other_at) + 1;
            auto from_other = other.substr(other_at, other_end - other_at);
            mixed += from_other.insert(from_other.find(']') + 1, "[    T9]");
            other_at = other_end;
        }
    }
    const auto crash = read_crash(mixed);
    expect_wheel_crash(crash);
    const auto warning = std::ranges::find(crash.reports, ReportKind::warning, &Report::kind);
    ASSERT_NE(warning, crash.reports.end());
    ASSERT_THAT(warning->exceptions, SizeIs(1));
    EXPECT_EQ(warning->exceptions[0].registers.at("rcx").value, 0xbbU);
}

TEST(Reader, takes_the_crash_utilitys_stack_apart) {
    const auto crash = read_crash(test::autopsy_file("hardlockup-3.10.txt"));
    EXPECT_EQ(crash.release, "3.10.0-514.26.2.el7.x86_64");
    EXPECT_EQ(crash.arch, Arch::x86_64);
    ASSERT_THAT(crash.reports, SizeIs(1));
    const auto& report = crash.reports[0];
    EXPECT_TRUE(report.by_crash);
    EXPECT_EQ(report.kind, ReportKind::page_fault) << "by the header's PANIC";
    ASSERT_THAT(report.frames, SizeIs(43));
    EXPECT_EQ(report.frames[0].place.symbol, "machine_kexec");
    EXPECT_EQ(report.frames[0].stack, Stack::nmi);
    EXPECT_EQ(report.frames[31].stack, Stack::interrupt);
    EXPECT_EQ(report.frames[42].place.symbol, "start_secondary");
    ASSERT_THAT(report.exceptions, SizeIs(3));
    EXPECT_EQ(report.exceptions[0].ip.symbol, "_raw_spin_lock_irqsave");
    EXPECT_EQ(report.exceptions[1].ip.symbol, "run_timer_softirq");
    EXPECT_EQ(report.exceptions[1].ip.offset, 248U);
    EXPECT_EQ(report.exceptions[1].ip.address, 0xffffffff81098a68);
    EXPECT_EQ(report.exceptions[1].frames_above, 31U);
    EXPECT_EQ(report.exceptions[1].registers.at("rcx").value, 0xffffffffa88b53b0);
    EXPECT_EQ(report.exceptions[2].ip.symbol, "cpuidle_enter_state");
}

TEST(Reader, takes_what_2_6_18_printed) {
    const auto crash = read_crash(R"(Unable to handle kernel paging request at ffffffff88123460 RIP:
 [<ffffffff88123460>]
PGD 203067 PUD 205063 PMD 3fd21067 PTE 0
Oops: 0010 [1] SMP
CPU 0
Modules linked in: autofs4 hidp rfcomm
Pid: 0, comm: swapper Not tainted 2.6.18-194.el5 #1
RIP: 0010:[<ffffffff88123460>]  [<ffffffff88123460>]
RSP: 0018:ffffffff80445ef0  EFLAGS: 00010246
RAX: ffffffff80445f10 RBX: ffffffff88125f00 RCX: ffffffff88125f10
Call Trace:
 <IRQ>  [<ffffffff80096e6b>] run_timer_softirq+0x133/0x1af
 [<ffffffff80012538>] __do_softirq+0x89/0x133
)");
    EXPECT_EQ(crash.release, "2.6.18-194.el5");
    ASSERT_THAT(crash.reports, SizeIs(1));
    const auto& report = crash.reports[0];
    EXPECT_EQ(report.fault_address, 0xffffffff88123460);
    ASSERT_THAT(report.exceptions, SizeIs(1));
    EXPECT_EQ(report.exceptions[0].ip.address, 0xffffffff88123460);
    EXPECT_EQ(report.exceptions[0].ip.symbol, "");
    EXPECT_THAT(symbols_of(report), ElementsAre("run_timer_softirq", "__do_softirq"));
    EXPECT_EQ(report.frames[0].stack, Stack::interrupt);
    EXPECT_EQ(diagnose(crash, {}).verdict, CrashVerdict::this_pattern);
}

TEST(Reader, takes_what_i386_of_2_6_printed) {
    const auto crash = read_crash(R"(BUG: unable to handle kernel NULL pointer dereference at 00000010
IP: [<c89d4005>] my_oops_init+0x5/0x20 [oops]
*pde = 00000000
Oops: 0002 [#1] PREEMPT SMP
Modules linked in: oops(+)
Pid: 4157, comm: insmod Not tainted (2.6.28.4 #2)
EIP: 0060:[<c89d4005>] EFLAGS: 00010246 CPU: 0
EIP is at my_oops_init+0x5/0x20 [oops]
EAX: 00000000 EBX: fffffff4 ECX: c04e18a0 EDX: 00000000
Call Trace:
 [<c0101120>] ? do_one_initcall+0x30/0x140
)");
    EXPECT_EQ(crash.arch, Arch::other);
    EXPECT_EQ(crash.release, "2.6.28.4");
    ASSERT_THAT(crash.reports, SizeIs(1)) << "the line of the instruction pointer does not end it";
    const auto& report = crash.reports[0];
    EXPECT_EQ(report.error_code, 2U);
    EXPECT_EQ(report.comm, "insmod");
    ASSERT_THAT(report.exceptions, SizeIs(1));
    EXPECT_EQ(report.exceptions[0].ip.symbol, "my_oops_init");
    EXPECT_EQ(report.exceptions[0].ip.module, "oops");
    EXPECT_EQ(report.exceptions[0].registers.at("ebx").value, 0xfffffff4U);
    EXPECT_EQ(diagnose(crash, {}).verdict, CrashVerdict::not_this_pattern);
}

TEST(Reader, takes_what_2_6_9_printed_two_frames_to_a_line) {
    const auto crash = read_crash(R"(Unable to handle kernel paging request at ffffffffa0123460 RIP:
<ffffffffa0123460>
Oops: 0010 [1] SMP
Pid: 0, comm: swapper Not tainted 2.6.9-89.ELsmp
RIP: 0010:[<ffffffffa0123460>] <ffffffffa0123460>
Call Trace:<IRQ> <ffffffff8013ff4a>{run_timer_softirq+356} <ffffffff8013c738>{__do_softirq+88}
       <ffffffff8010e0ea>{:ext3:ext3_readdir+12}
)");
    ASSERT_THAT(crash.reports, SizeIs(1));
    const auto& report = crash.reports[0];
    EXPECT_THAT(symbols_of(report), ElementsAre("run_timer_softirq", "__do_softirq", "ext3_readdir"));
    EXPECT_EQ(report.frames[0].place.offset, 356U);
    EXPECT_EQ(report.frames[0].stack, Stack::interrupt);
    EXPECT_EQ(report.frames[2].place.module, "ext3");
}

TEST(Reader, takes_arm32_stacks) {
    for (const auto* const frame :
         {"[<8003391c>] (call_timer_fn.isra.33) from [<80033b00>] (run_timer_softirq+0x184/0x238)",
          " call_timer_fn from run_timer_softirq+0x184/0x238"}) {
        const auto crash =
            read_crash(fmt::format("Unable to handle kernel paging request at virtual address 7f001000\n"
                                   "Internal error: Oops: 80000007 [#1] SMP ARM\n"
                                   "PC is at 0x7f001000\n"
                                   "LR is at call_timer_fn.isra.33+0x24/0x88\n"
                                   "pc : [<7f001000>]    lr : [<8003391c>]    psr: 20000113\n"
                                   "{}\n",
                                   frame));
        EXPECT_EQ(crash.arch, Arch::other);
        ASSERT_THAT(crash.reports, SizeIs(1)) << frame;
        ASSERT_THAT(crash.reports[0].frames, SizeIs(1)) << frame;
        EXPECT_THAT(crash.reports[0].frames[0].place.symbol, testing::StartsWith("call_timer_fn"));
        EXPECT_EQ(crash.reports[0].exceptions.at(0).ip.address, 0x7f001000U);
    }
}

TEST(Reader, takes_a_text_that_begins_below_the_headline) {
    const std::string_view text = wheel_crash;
    const auto crash = read_crash(text.substr(text.find("RIP: 0010:__run_timers")));
    ASSERT_THAT(crash.reports, SizeIs(2));
    EXPECT_EQ(crash.reports[0].exceptions.at(0).ip.symbol, "__run_timers");
    EXPECT_EQ(crash.reports[0].fault_address, 0xffffffffc0a03048);
    // In a whole text, a stack that is shown for information is none.
    const auto shown =
        read_crash("Call Trace:\n f+0x1/0x2\nRIP: 0010:f+0x1/0x2\nKernel panic - not syncing: a reason\n");
    ASSERT_THAT(shown.reports, SizeIs(1));
    EXPECT_EQ(shown.reports[0].kind, ReportKind::panic);
}

TEST(Reader, takes_a_lockup_for_one_without_the_crash_utilitys_header) {
    const auto crash =
        read_crash("crash> bt\nPID: 1623   TASK: ffff93fb40294a40  CPU: 0   COMMAND: \"kworker/u4:2\"\n"
                   " #0 [ffffa39f80003d68] machine_kexec at ffffffffac45f898\n"
                   " #1 [ffffa39f80003e80] panic at ffffffffacddb718\n"
                   " #2 [ffffa39f80003f00] watchdog_timer_fn.cold at ffffffffacde5645\n");
    ASSERT_THAT(crash.reports, SizeIs(1));
    EXPECT_EQ(crash.reports[0].kind, ReportKind::soft_lockup);
    EXPECT_EQ(crash.reports[0].comm, "kworker/u4:2");
    EXPECT_EQ(crash.reports[0].cpu, 0U);
}

TEST(Reader, leaves_out_the_stacks_of_long_ago_that_kasan_shows) {
    const auto crash = read_crash(
        "BUG: KASAN: use-after-free in f+0x1/0x2\nRead of size 8 at addr ffff888012345678 by task t/1\n"
        "Call Trace:\n f+0x1/0x2\n\nAllocated by task 7:\n kmalloc_thing+0x1/0x2\n\nFreed by task 8:\n"
        " kfree+0x1/0x2\n");
    EXPECT_THAT(symbols_of(crash.reports.at(0)), ElementsAre("f"));
}

TEST(Reader, calls_registers_as_instructions_do) {
    const auto crash = read_crash(
        with(wheel_crash, "RAX: 0000000000000001 RBX", "R08: 0000000000000001 R09: 0000000000000009 RBX"));
    EXPECT_EQ(crash.reports.at(0).exceptions.at(0).registers.at("r9").value, 9U);
}

TEST(Reader, decodes_words_of_arm64) {
    const auto crash =
        read_crash("Unable to handle kernel paging request at virtual address dead000000000122\n"
                   "pc : __run_timers+0x1a8/0x2f0\nCode: f9400020 f9400421 b4000040 (f9000401) f9000020\n");
    const auto& met = crash.reports.at(0).exceptions.at(0);
    EXPECT_EQ(met.code_at, 12U);
    EXPECT_EQ(met.code.at(12), 0x01);
    EXPECT_EQ(met.code.at(15), 0xf9);
}

TEST(Reader, takes_what_arm64_prints) {
    const auto crash =
        read_crash(R"([  100.1] Unable to handle kernel paging request at virtual address ffff800001230000
[  100.1] Mem abort info:
[  100.1]   ESR = 0x0000000086000007
[  100.1] Internal error: Oops: 0000000086000007 [#1] SMP
[  100.1] Modules linked in: other [last unloaded: m]
[  100.1] CPU: 2 PID: 0 Comm: swapper/2 Tainted: G           O       6.1.0 #1
[  100.1] pstate: 60000005 (nZCv daif -PAN -UAO -TCO -DIT -SSBS BTYPE=--)
[  100.1] pc : 0xffff800001230000
[  100.1] lr : call_timer_fn.constprop.0+0x24/0x80
[  100.1] sp : ffff80000a063e10
[  100.1] x29: ffff80000a063e10 x28: ffff000003c2ac40 x27: 00000000ffff8f5a
[  100.1] Call trace:
[  100.1]  0xffff800001230000
[  100.1]  __run_timers.part.0+0x1f0/0x234
[  100.1]  run_timer_softirq+0x3c/0x7c
[  100.1] Code: bad PC value
[  100.1] ---[ end trace 0000000000000000 ]---
)");
    EXPECT_EQ(crash.arch, Arch::arm64);
    ASSERT_THAT(crash.reports, SizeIs(1));
    const auto& report = crash.reports[0];
    EXPECT_EQ(report.fault_address, 0xffff800001230000);
    ASSERT_THAT(report.exceptions, SizeIs(1));
    EXPECT_EQ(report.exceptions[0].ip.address, 0xffff800001230000);
    EXPECT_TRUE(report.exceptions[0].code_unreadable);
    EXPECT_EQ(report.exceptions[0].registers.at("x28").value, 0xffff000003c2ac40);
    EXPECT_EQ(report.modules.last_unloaded, "m");
    EXPECT_EQ(diagnose(crash, {}).verdict, CrashVerdict::this_pattern);
}

TEST(Reader, takes_an_address_in_the_second_column_of_what_was_to_be_executed) {
    const auto crash = read_crash(
        with(with(wheel_crash, "RIP: 0010:__run_timers+0xd3/0x290", "RIP: 0010:0xffffffffc0a01000"),
             "Code: 48 8b 0f 48 89 0e 48 85 c9 74 04 <48> 89 71 08 48 c7 07 00 00 00 00",
             "Code: Unable to access opcode bytes at 0xffffffffc0a00fd6."));
    const auto& met = crash.reports.at(0).exceptions.at(0);
    EXPECT_EQ(met.ip.address, 0xffffffffc0a01000);
    EXPECT_EQ(met.ip.symbol, "");
    EXPECT_TRUE(met.code_unreadable);
}

TEST(Reader, takes_an_address_of_cr2_for_one_of_page_faults_only) {
    auto text = std::string(wheel_crash);
    for (const auto* const gone :
         {"BUG: unable to handle page fault for address: ffffffffc0a03048",
          "#PF: supervisor write access in kernel mode", "#PF: error_code(0x0002) - not-present page"})
        text = with(text, gone, "nothing");
    text = with(text, "Oops: 0002 [#1]",
                "general protection fault, probably for non-canonical address 0x6b6b6b6b6b6b6b73: 0000 [#1]");
    const auto crash = read_crash(text);
    EXPECT_EQ(crash.reports.at(0).kind, ReportKind::protection_fault);
    EXPECT_EQ(crash.reports.at(0).fault_address, 0x6b6b6b6b6b6b6b73);
}

TEST(Reader, knows_a_work_item_without_a_name) {
    const auto crash = read_crash(
        with(wheel_crash, "RIP: 0010:__run", "Workqueue: events 0xffffffffc0a01000\nRIP: 0010:__run"));
    const auto& report = crash.reports.at(0);
    EXPECT_EQ(report.workqueue, "events");
    ASSERT_TRUE(report.work);
    EXPECT_EQ(report.work->address, 0xffffffffc0a01000);
}

TEST(Reader, takes_kasans_report) {
    const auto crash = read_crash(R"([    5.0] BUG: KASAN: slab-use-after-free in __run_timers+0x1/0x2
[    5.0] Write of size 8 at addr ffff888012345678 by task swapper/0/0
[    5.0] CPU: 0 PID: 0 Comm: swapper/0 Not tainted 6.6.0 #1
[    5.0] Call Trace:
[    5.0]  <IRQ>
[    5.0]  kasan_report+0x1/0x2
[    5.0]  __run_timers+0x1/0x2
)");
    ASSERT_THAT(crash.reports, SizeIs(1));
    EXPECT_EQ(crash.reports[0].kind, ReportKind::kasan);
    EXPECT_EQ(crash.reports[0].access, Access::write);
    EXPECT_EQ(crash.reports[0].fault_address, 0xffff888012345678);
    EXPECT_EQ(crash.reports[0].exceptions.at(0).ip.symbol, "__run_timers");
}

TEST(Reader, finds_what_disarmd_told_before) {
    const auto crash = read_crash(
        "[   20.1] disarmd: LEAK: module m was freed with 2 timers still pending (never-deleted, "
        "rearmed-after-delete); unloaded by rmmod (pid 12) in 3.0 ms; the first fires in 1.2 s; incident "
        "0123456789ab; to mend it: call timer_delete_sync()\n"
        "[   20.1] disarmd: LEAK: m 1/2: timer m_cb [m] at 0xffffffffc0a03040, callback 0xffffffffc0a01000, "
        "fires in "
        "1.2 s, never-deleted, armed 3.0 s before by insmod (pid 11) from task context\n"
        "[   20.1] disarmd: LEAK: m 2/2: hrtimer m_hr [m] at 0xffff888001234560, callback "
        "0xffffffffc0a01100, armed, "
        "rearmed-after-delete by its own callback\n"
        "[   20.2] disarmd: LEAK: module n was freed with 1 timer still pending (never-deleted); unloaded by "
        "rmmod "
        "(pid 13) in 3.0 ms; held for 1.0 s, until nothing was pending; incident 0123456789ac\n"
        "[   20.2] disarmd: INCONCLUSIVE: module o was freed; incident 0123456789ad\n");
    ASSERT_THAT(crash.told, SizeIs(2));
    const auto& told = crash.told[0];
    EXPECT_EQ(told.line, 1U);
    EXPECT_EQ(told.module, "m");
    EXPECT_EQ(told.incident, "0123456789ab");
    EXPECT_EQ(told.causes, "never-deleted, rearmed-after-delete");
    EXPECT_TRUE(told.leak);
    EXPECT_FALSE(told.drained);
    ASSERT_THAT(told.timers, SizeIs(2));
    EXPECT_EQ(told.timers[0].line, 2U);
    EXPECT_EQ(told.timers[0].kind, "timer");
    EXPECT_EQ(told.timers[0].callback, "m_cb [m]");
    EXPECT_EQ(told.timers[0].timer, 0xffffffffc0a03040);
    EXPECT_EQ(told.timers[0].callback_address, 0xffffffffc0a01000);
    EXPECT_EQ(told.timers[0].cause, "never-deleted");
    EXPECT_EQ(told.timers[0].armed_by, "insmod (pid 11) from task context");
    EXPECT_EQ(told.timers[1].cause, "rearmed-after-delete by its own callback");
    EXPECT_EQ(told.timers[1].armed_by, "");
    EXPECT_TRUE(crash.told[1].drained);
    EXPECT_THAT(crash.reports, IsEmpty());
}

/* Any bytes */

// The same answer twice, and within what is promised.
void expect_bounded(std::string_view bytes) {
    const auto crash = read_crash(bytes);
    ASSERT_LE(crash.reports.size(), reports_max);
    ASSERT_LE(crash.told.size(), told_max);
    ASSERT_LE(crash.modules.names.size(), modules_max);
    for (const auto& report : crash.reports) {
        ASSERT_LE(report.frames.size(), frames_max);
        ASSERT_LE(report.modules.names.size(), modules_max);
        ASSERT_LE(report.first_line, crash.lines);
        for (const auto& exception : report.exceptions)
            ASSERT_LE(exception.frames_above, report.frames.size());
    }
    const auto diagnosis = diagnose(crash, {});
    for (const auto& evidence : diagnosis.evidence)
        ASSERT_LE(evidence.line, crash.lines);
}

TEST(Reader, has_an_answer_to_each_beginning_and_each_end_of_a_text) {
    const std::string_view text = wheel_crash;
    for (std::size_t cut = 0; cut < text.size(); cut += 3) {
        expect_bounded(text.substr(0, cut));
        expect_bounded(text.substr(cut));
    }
}

TEST(Reader, has_an_answer_to_damaged_texts) {
    std::mt19937 random(1); // NOLINT(cert-msc32-c,cert-msc51-cpp): the same each time
    const std::array texts{std::string(wheel_crash), test::autopsy_file("hardlockup-3.10.txt")};
    for (int round = 0; round < 200; ++round) {
        auto text = texts.at(static_cast<std::size_t>(round) % texts.size());
        for (int change = 0; change < 20; ++change)
            text[random() % text.size()] = static_cast<char>(random() % 256);
        expect_bounded(text);
    }
}

TEST(Reader, keeps_no_more_than_it_says_of_endless_texts) {
    std::string many;
    for (int i = 0; i < 300; ++i)
        many += fmt::format("[{}.0] WARNING: CPU: 0 PID: {} at a.c:1 f+0x1/0x2\nRIP: 0010:f+0x1/0x2\n", i, i);
    const auto warnings = read_crash(many + wheel_crash);
    EXPECT_EQ(warnings.reports.size(), reports_max);
    EXPECT_EQ(warnings.reports_left_out, 302 - reports_max);
    std::string frames = "Oops: 0002 [#1]\nCall Trace:\n";
    std::string modules = "Modules linked in:";
    std::string exceptions = "Oops: 0002 [#1]\n";
    for (int i = 0; i < 6000; ++i) {
        frames += fmt::format(" f{}+0x1/0x2\n", i);
        modules += fmt::format(" m{}", i) + (i % 50 == 0 ? "\n" : "");
        exceptions += "Call Trace:\n f+0x1/0x2\nRIP: 0010:f+0x1/0x2\n";
    }
    EXPECT_THAT(read_crash(frames).reports.at(0).frames, SizeIs(frames_max));
    EXPECT_THAT(read_crash(modules).modules.names, SizeIs(modules_max));
    EXPECT_LE(read_crash(exceptions).reports.at(0).exceptions.size(), exceptions_max);
}

TEST(Reader, keeps_the_first_fault_of_a_text_that_is_full_of_warnings) {
    std::string many = wheel_crash;
    for (int i = 0; i < 300; ++i)
        many += "WARNING: CPU: 0 PID: 1 at a.c:1 f+0x1/0x2\n";
    expect_wheel_crash(read_crash(many));
}

} // namespace
} // namespace disarmd
