// SPDX-License-Identifier: Apache-2.0
#include "incident/text.h"

#include <ostream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "builders.h"

namespace disarmd {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

std::string page_of(const Unload& unload) {
    return to_page(test::incident_of(unload), Colour::never);
}

std::vector<std::string> log_of(const Unload& unload) {
    return to_log(test::incident_of(unload));
}

Unload with_timers(std::size_t count, const std::string& symbol) {
    auto unload = test::leaking_unload();
    unload.pending.front().symbol = symbol;
    unload.pending.resize(count, unload.pending.front());
    unload.pending_count = count;
    return unload;
}

TEST(Page, of_a_leak_tells_all_of_it) {
    EXPECT_EQ(page_of(test::detailed_unload()), R"(LEAK: module m was freed with 1 timer still pending

  module     m, version 1.2, srcversion 0123456789ABCDEF01234567, taints OE
  freed      unloaded by rmmod (pid 42) in 1.5 ms
  command    rmmod -v m
  at         2026-11-23T18:41:48.123Z on web1, Linux 6.12.0-1-amd64
  incident   0123456789ab

  timeline
    -1 h 0 min  the module is loaded
       -1.5 ms  the unload begins
       -900 us  #1 m_cb is deleted
       -400 us  #1 m_cb is armed
             0  the module is freed
        +1.2 s  #1 m_cb fires, in freed memory

  #1 timer m_cb [m]
    rearmed-after-delete: it was deleted, and armed again by another thread
    fires in 1.2 s; owned by callback, object
    timer 0xffffffffc0a03040, callback 0xffffffffc0a01000
    armed 400 us before the free by kworker/3:1 (pid 77) on CPU 3, from task
      context:
        mod_timer+0x10
        m_poll+0x2c [m]
        process_one_work+0x174
    deleted 900 us before the free by rmmod (pid 42) with timer_delete_sync(),
      which found it armed:
        m_exit+0x1d [m]
        __do_sys_delete_module+0xd9

  to mend it
    stop what arms m_cb [m] again (m_poll+0x2c [m]) before the exit function
    deletes it
)");
}

TEST(Page, of_a_leak_that_little_is_known_of_leaves_the_rest_out) {
    EXPECT_EQ(page_of(test::leaking_unload()), R"(LEAK: module m was freed with 1 timer still pending

  module     m
  freed      unloaded by rmmod (pid 42) in 1.5 ms
  at         2026-11-23T18:41:48.123Z on web1, Linux 6.12.0-1-amd64
  incident   0123456789ab

  timeline
        -2.0 s  #1 m_cb is armed
       -1.5 ms  the unload begins
             0  the module is freed
        +1.2 s  #1 m_cb fires, in freed memory

  #1 timer m_cb [m]
    never-deleted: nothing on the module's way out deleted it
    fires in 1.2 s; owned by callback, object
    timer 0xffffffffc0a03040, callback 0xffffffffc0a01000
    armed 2.0 s before the free by insmod (pid 321) on CPU 3, from task
      context

  to mend it
    call timer_shutdown_sync() for m_cb [m] in the exit function
)");
}

TEST(Page, of_a_clean_unload_is_two_lines) {
    EXPECT_EQ(page_of(test::clean_unload()), "CLEAN: module m was freed with no timer pending\n"
                                             "  unloaded by rmmod (pid 42) in 1.5 ms\n");
}

TEST(Page, of_an_inconclusive_unload_says_why) {
    EXPECT_EQ(page_of(test::inconclusive_unload()),
              R"(INCONCLUSIVE: module m was freed, and whether a timer was pending can't be
  told

  module     m
  freed      unloaded by rmmod (pid 42) in 1.5 ms
  at         2026-11-23T18:41:48.123Z on web1, Linux 6.12.0-1-amd64
  incident   0123456789ab
  because tracking: events were lost
  because scan: a timer wheel could not be read

  timeline
       -1.5 ms  the unload begins
             0  the module is freed
)");
}

TEST(Page, of_what_was_not_unloaded_names_no_task) {
    auto unload = test::not_unloaded();
    EXPECT_EQ(page_of(unload), "NOT UNLOADED: module m was not unloaded: no verdict\n");
    unload.why_inconclusive = {"the verdict of an unload could not be stored"};
    EXPECT_EQ(page_of(unload), "NOT UNLOADED: module m was not unloaded: no verdict\n"
                               "  because the verdict of an unload could not be stored\n");
}

TEST(Page, of_a_failed_init_names_the_loader) {
    auto unload = test::leaking_unload();
    unload.outcome = Outcome::init_failed;
    unload.comm = "insmod";
    unload.pending.front().cause = Cause::failed_rollback;
    const auto page = page_of(unload);
    EXPECT_THAT(page, HasSubstr("\n  freed      its init failed, loaded by insmod (pid 42)\n"));
    EXPECT_THAT(page, HasSubstr("\n       -1.5 ms  its init begins\n"));
    EXPECT_THAT(page, HasSubstr("\n    failed-rollback: the init armed it, failed, and did not delete it\n"));
    EXPECT_THAT(page, Not(HasSubstr("unload")));
}

TEST(Page, leaves_out_a_duration_that_is_not_known) {
    auto unload = test::clean_unload();
    unload.duration.reset();
    EXPECT_THAT(page_of(unload), EndsWith("\n  unloaded by rmmod (pid 42)\n"));
}

TEST(Page, tells_a_running_callback_from_an_armed_timer) {
    auto unload = test::leaking_unload();
    unload.pending.front().expires_in.reset();
    EXPECT_THAT(page_of(unload), HasSubstr("\n    armed; owned by callback, object\n"));
    unload.pending.front().cause = Cause::callback_running;
    EXPECT_THAT(page_of(unload),
                HasSubstr("\n    callback-running: nobody waited for its callback to return\n"
                          "    its callback is running; owned by callback, object\n"));
}

TEST(Page, says_so_where_nobody_saw_the_arm) {
    auto unload = test::leaking_unload();
    unload.pending.front().armed.reset();
    EXPECT_THAT(page_of(unload), HasSubstr("\n    armed before disarmd watched\n"));
}

TEST(Page, tells_that_a_stack_is_of_an_earlier_arm) {
    auto unload = test::detailed_unload();
    unload.pending.front().armed->stack_age = 3s;
    EXPECT_THAT(page_of(unload), HasSubstr(" on CPU 3, from task\n      context:\n"
                                           "    (the stack is of an arm 3.0 s before the free)\n"
                                           "        mod_timer+0x10\n"));
}

TEST(Page, tells_of_a_delete_as_much_as_is_known) {
    auto unload = test::detailed_unload();
    auto& deleted = *unload.pending.front().deleted;
    deleted.stack.clear();
    deleted.found = DeleteFound::unknown;
    EXPECT_THAT(
        page_of(unload),
        HasSubstr("\n    deleted 900 us before the free by rmmod (pid 42) with timer_delete_sync()\n"));
    deleted = Delete{};
    deleted.age = 3ms;
    EXPECT_THAT(page_of(unload), HasSubstr("\n    deleted 3.0 ms before the free\n"));
}

struct CauseCase {
    Cause cause;
    Rearmer rearmer;
    std::string_view text;

    friend void PrintTo(const CauseCase& value, std::ostream* out) { *out << value.text; }
};

class CauseLine : public testing::TestWithParam<CauseCase> {};

TEST_P(CauseLine, explains_it) {
    auto unload = test::leaking_unload();
    unload.pending.front().cause = GetParam().cause;
    unload.pending.front().rearmer = GetParam().rearmer;
    EXPECT_THAT(page_of(unload), HasSubstr("\n    " + std::string(GetParam().text) + "\n"));
}

INSTANTIATE_TEST_SUITE_P(
    causes, CauseLine,
    testing::Values(
        CauseCase{Cause::never_deleted, {}, "never-deleted: nothing on the module's way out deleted it"},
        CauseCase{
            Cause::failed_rollback, {}, "failed-rollback: the init armed it, failed, and did not delete it"},
        CauseCase{Cause::callback_running, {}, "callback-running: nobody waited for its callback to return"},
        CauseCase{Cause::unknown, {}, "unknown: what was seen does not tell"},
        CauseCase{Cause::rearmed_after_delete, Rearmer::callback,
                  "rearmed-after-delete: it was deleted, and armed again by its own callback"},
        CauseCase{Cause::rearmed_after_delete, Rearmer::softirq,
                  "rearmed-after-delete: it was deleted, and armed again by a softirq"},
        CauseCase{Cause::rearmed_after_delete, Rearmer::hardirq,
                  "rearmed-after-delete: it was deleted, and armed again by a hard interrupt"},
        CauseCase{Cause::rearmed_after_delete, Rearmer::thread,
                  "rearmed-after-delete: it was deleted, and armed again by another thread"},
        CauseCase{
            Cause::rearmed_after_delete, Rearmer::unloader,
            "rearmed-after-delete: it was deleted, and armed again by the unloading\n      task itself"},
        CauseCase{
            Cause::rearmed_after_delete, Rearmer::unknown,
            "rearmed-after-delete: it was deleted, and armed again by something that\n      was not seen"}));

TEST(Page, shows_source_lines_under_their_frames) {
    auto incident = test::incident_of(test::detailed_unload());
    const auto frame = incident.unload.pending.front().armed->stack.front();
    const auto without = to_page(incident, Colour::never);
    incident.source_lines[frame] = "drivers/m.c:42";
    auto with = to_page(incident, Colour::never);
    const std::string line = "            drivers/m.c:42\n";
    const auto at = with.find(line);
    ASSERT_NE(at, std::string::npos) << with;
    EXPECT_TRUE(with.substr(0, at).ends_with("        " + frame + "\n")) << with;
    EXPECT_EQ(with.erase(at, line.size()), without);
    // Of a long one the end.
    incident.source_lines[frame] = "/a" + std::string(100, '/') + "\x1b/m.c:42";
    with = to_page(incident, Colour::never);
    EXPECT_THAT(with, testing::HasSubstr("            ..."));
    EXPECT_THAT(with, testing::HasSubstr("\\x1b/m.c:42\n"));
    for (const auto& shown : test::lines_of(with))
        EXPECT_LE(shown.size(), 80U) << shown;
}

TEST(Page, shows_every_timer_and_counts_the_rest) {
    auto unload = with_timers(3, "m_cb [m]");
    unload.pending[1].kind = TimerKind::hrtimer;
    unload.pending[2].kind = TimerKind::delayed_work;
    EXPECT_THAT(page_of(unload), Not(HasSubstr("more")));
    unload.pending_count = 10;
    const auto page = page_of(unload);
    EXPECT_THAT(page, StartsWith("LEAK: module m was freed with 10 timers still pending\n"));
    EXPECT_THAT(page, HasSubstr("\n  #1 timer m_cb [m]\n"));
    EXPECT_THAT(page, HasSubstr("\n  #2 hrtimer m_cb [m]\n"));
    EXPECT_THAT(page, HasSubstr("\n  #3 delayed_work m_cb [m]\n"));
    EXPECT_THAT(page, HasSubstr("\n  and 7 more\n"));
}

TEST(Page, shows_eight_timers_in_full_and_a_line_of_each_further_one) {
    auto unload = with_timers(10, "m_cb [m]");
    unload.pending_count = 74;
    const auto page = page_of(unload);
    EXPECT_THAT(page, HasSubstr("\n  #8 timer m_cb [m]\n    never-deleted: "));
    EXPECT_THAT(page, HasSubstr("\n\n  #9 timer m_cb [m], fires in 1.2 s, never-deleted\n"
                                "  #10 timer m_cb [m], fires in 1.2 s, never-deleted\n\n  and 64 more\n"));
    EXPECT_THAT(page, HasSubstr("#8 m_cb fires, in freed memory"));
    EXPECT_THAT(page, Not(HasSubstr("#9 m_cb"))) << "the timeline is of the first ones";
}

// Of names as long as they commonly are.
Unload ordinary(Cause cause, Rearmer rearmer, TimerKind kind) {
    auto unload = test::detailed_unload();
    unload.module = "snd_hda_codec_x";
    unload.identity.version = "5.10.3-rc2";
    auto& timer = unload.pending.front();
    timer.kind = kind;
    timer.symbol = "hda_poll_work_fn [snd_hda_codec_x]";
    timer.cause = cause;
    timer.rearmer = rearmer;
    timer.owned_by = {Owner::callback, Owner::object, Owner::work};
    timer.armed->comm = "kworker/u64:12";
    timer.armed->pid = 4194303;
    timer.armed->cpu = 1023;
    timer.armed->context = ArmContext::callback;
    timer.deleted->api = "kthread_cancel_delayed_work_sync";
    timer.deleted->comm = "systemd-modules";
    timer.deleted->found = DeleteFound::callback_running;
    unload.why_inconclusive = {"tracking: probes of kernel functions are switched off (sysctl "
                               "kernel.ftrace_enabled, or /sys/kernel/debug/kprobes/enabled)"};
    unload.command = {"modprobe",         "--remove",        "--verbose",     "--dry-run",   "--first-time",
                      "--remove-holders", "snd_hda_codec_x", "snd_hda_intel", "snd_hda_core"};
    unload.advice =
        "call kthread_cancel_delayed_work_sync() for hda_poll_work_fn [snd_hda_codec_x] in the exit "
        "function, after everything that could arm it again";
    unload.pending.resize(12, timer);
    unload.pending_count = 40;
    return unload;
}

TEST(Page, has_no_line_longer_than_80_columns) {
    for (const auto cause : {Cause::unknown, Cause::never_deleted, Cause::rearmed_after_delete,
                             Cause::failed_rollback, Cause::callback_running}) {
        for (const auto rearmer : {Rearmer::unknown, Rearmer::callback, Rearmer::softirq, Rearmer::hardirq,
                                   Rearmer::thread, Rearmer::unloader}) {
            for (const auto kind : {TimerKind::timer, TimerKind::kthread_delayed_work}) {
                for (const auto outcome : {Outcome::freed, Outcome::init_failed}) {
                    auto unload = ordinary(cause, rearmer, kind);
                    unload.outcome = outcome;
                    for (const auto& line : test::lines_of(page_of(unload))) {
                        ASSERT_LE(line.size(), 80U) << line;
                        ASSERT_FALSE(line.ends_with(' ')) << line;
                    }
                }
            }
        }
    }
}

TEST(Page, cuts_a_command_that_is_long) {
    auto unload = test::leaking_unload();
    unload.command = {"sh", "-c", std::string(4000, 'x')};
    const auto page = page_of(unload);
    EXPECT_THAT(page, HasSubstr("\n  command    sh -c\n             " + std::string(194, 'x') +
                                "\n             ...\n"));
    EXPECT_THAT(page, Not(HasSubstr(std::string(195, 'x'))));
}

TEST(Page, escapes_every_name) {
    auto incident = test::incident_of(test::hostile_unload());
    incident.host.name = test::hostile;
    incident.host.kernel = test::hostile;
    const auto page = to_page(incident, Colour::never);
    EXPECT_TRUE(test::is_printable_but_for_newlines(page)) << page;
    const auto& escaped = test::escaped;
    EXPECT_THAT(page, StartsWith("LEAK: module " + escaped + " was freed"));
    EXPECT_THAT(page, HasSubstr("\n  because " + escaped + "\n"));
    EXPECT_THAT(page, HasSubstr("\n  #1 timer " + escaped + "\n"));
    EXPECT_THAT(page, HasSubstr("\n        " + escaped + "\n        " + escaped + "\n"));
    // What may be wrapped anywhere is looked for in one line.
    std::string joined;
    for (const auto& line : test::lines_of(page))
        joined += " " + line.substr(std::min(line.find_first_not_of(' '), line.size()));
    for (const auto& words :
         {"module     " + escaped + ", version " + escaped + ", srcversion " + escaped + ", taints OE",
          "unloaded by " + escaped + " (pid 42) in 1.5 ms", "command    " + escaped + "  " + escaped,
          " on " + escaped + ", Linux " + escaped, "#1 " + escaped + " is armed",
          "armed 400 us before the free by " + escaped + " (pid 77) on CPU 3",
          "by " + escaped + " (pid 42) with " + escaped + "(), which found it armed:"})
        EXPECT_THAT(joined, HasSubstr(words));
}

TEST(Page, has_colours_only_where_they_are_wanted) {
    const std::vector<std::pair<Unload, std::string>> cases{
        {test::detailed_unload(),
         "\x1b[1m\x1b[31mLEAK\x1b[0m: module m was freed with 1 timer still pending\n"},
        {test::clean_unload(), "\x1b[1m\x1b[32mCLEAN\x1b[0m: module m was freed with no timer pending\n"},
        {test::inconclusive_unload(), "\x1b[1m\x1b[33mINCONCLUSIVE\x1b[0m: module m was freed, and whether a "
                                      "timer was pending can't be\n  told\n"},
        {test::not_unloaded(),
         "\x1b[1m\x1b[33mNOT UNLOADED\x1b[0m: module m was not unloaded: no verdict\n"}};
    for (const auto& [unload, first_line] : cases) {
        const auto incident = test::incident_of(unload);
        const auto plain = to_page(incident, Colour::never);
        EXPECT_EQ(plain.find('\x1b'), std::string::npos);
        auto coloured = to_page(incident, Colour::ansi);
        EXPECT_THAT(coloured, StartsWith(first_line));
        for (const std::string code : {"\x1b[0m", "\x1b[1m", "\x1b[31m", "\x1b[32m", "\x1b[33m"}) {
            for (std::size_t at = 0; (at = coloured.find(code)) != std::string::npos;)
                coloured.erase(at, code.size());
        }
        EXPECT_EQ(coloured, plain) << "nothing but the colours differs";
    }
    EXPECT_THAT(to_page(test::incident_of(test::detailed_unload()), Colour::ansi),
                testing::AllOf(HasSubstr("\n  \x1b[1mtimeline\x1b[0m\n"),
                               HasSubstr("\n  \x1b[1m#1 timer m_cb [m]\x1b[0m\n"),
                               HasSubstr("\n    \x1b[1mrearmed-after-delete\x1b[0m: it was"),
                               HasSubstr("\n  \x1b[1mto mend it\x1b[0m\n")));
}

TEST(Page, escapes_names_with_colours_too) {
    auto coloured = to_page(test::incident_of(test::hostile_unload()), Colour::ansi);
    EXPECT_THAT(coloured, Not(HasSubstr("\x1b[2J")));
    EXPECT_THAT(coloured, HasSubstr("#1 timer " + test::escaped + "\x1b[0m"));
}

TEST(Log, of_a_leak_is_a_line_to_act_on_and_one_of_each_timer) {
    EXPECT_THAT(
        log_of(test::detailed_unload()),
        ElementsAre(
            "LEAK: module m was freed with 1 timer still pending (rearmed-after-delete); "
            "unloaded by rmmod (pid 42) in 1.5 ms; it fires in 1.2 s; incident 0123456789ab; "
            "to mend it: stop what arms m_cb [m] again (m_poll+0x2c [m]) before the exit "
            "function deletes it",
            "LEAK: m 1/1: timer m_cb [m] at 0xffffffffc0a03040, callback 0xffffffffc0a01000, fires in 1.2 s, "
            "rearmed-after-delete by another thread, armed 400 us before by kworker/3:1 (pid "
            "77) from task context"));
}

TEST(Log, of_several_timers_tells_each_cause_once_and_what_happens_first) {
    auto unload = with_timers(3, "m_cb [m]");
    unload.advice.clear();
    unload.pending[1].kind = TimerKind::delayed_work;
    unload.pending[1].cause = Cause::unknown;
    unload.pending[1].expires_in = 30ms;
    unload.pending[1].armed.reset();
    EXPECT_THAT(log_of(unload),
                ElementsAre("LEAK: module m was freed with 3 timers still pending (never-deleted, unknown); "
                            "unloaded by rmmod (pid 42) in 1.5 ms; the first fires in 30.0 ms; incident "
                            "0123456789ab",
                            StartsWith("LEAK: m 1/3: timer m_cb [m] at "),
                            "LEAK: m 2/3: delayed_work m_cb [m] at 0xffffffffc0a03040, callback "
                            "0xffffffffc0a01000, fires in 30.0 ms, unknown",
                            StartsWith("LEAK: m 3/3: timer m_cb [m] at ")));
    unload.pending[2].cause = Cause::callback_running;
    EXPECT_THAT(log_of(unload).front(), HasSubstr("; its callback is running; incident"));
    for (auto& timer : unload.pending)
        timer.expires_in.reset();
    unload.pending[2].cause = Cause::unknown;
    EXPECT_THAT(log_of(unload).front(), HasSubstr(" in 1.5 ms; incident 0123456789ab"));
}

TEST(Log, of_the_other_verdicts_is_one_line) {
    EXPECT_THAT(
        log_of(test::clean_unload()),
        ElementsAre("CLEAN: module m was freed with no timer pending; unloaded by rmmod (pid 42) in 1.5 ms"));
    EXPECT_THAT(
        log_of(test::inconclusive_unload()),
        ElementsAre("INCONCLUSIVE: module m was freed, and whether a timer was pending can't be told; "
                    "unloaded by rmmod (pid 42) in 1.5 ms; incident 0123456789ab; "
                    "tracking: events were lost; scan: a timer wheel could not be read"));
    EXPECT_THAT(log_of(test::not_unloaded()),
                ElementsAre("NOT UNLOADED: module m was not unloaded: no verdict"));
}

TEST(Log, of_a_failed_init_names_the_loader) {
    auto unload = test::clean_unload();
    unload.outcome = Outcome::init_failed;
    EXPECT_THAT(log_of(unload),
                ElementsAre("CLEAN: module m was freed with no timer pending; its init failed, "
                            "loaded by rmmod (pid 42)"));
}

TEST(Log, tells_of_eight_timers_and_counts_the_rest) {
    struct Case {
        std::size_t timers;
        std::size_t count;
        std::size_t lines;
        std::string last;
    };
    for (const auto& tried :
         {Case{8, 8, 9, "LEAK: m 8/8: timer"}, Case{9, 9, 10, "LEAK: m: and 1 more timer"},
          Case{64, 64, 10, "LEAK: m: and 56 more timers"}, Case{3, 100, 5, "LEAK: m: and 97 more timers"},
          Case{64, UINT32_MAX, 10, "LEAK: m: and 4294967287 more timers"}}) {
        auto unload = with_timers(tried.timers, "m_cb [m]");
        unload.pending_count = tried.count;
        const auto lines = log_of(unload);
        ASSERT_EQ(lines.size(), tried.lines) << tried.last;
        EXPECT_THAT(lines.back(), StartsWith(tried.last));
    }
}

TEST(Log,
     stays_within_its_limit_and_loses_neither_the_count_nor_the_task_with_the_longest_names_all_escaped) {
    auto unload = with_timers(DISARMD_PENDING_MAX, std::string(127, '\x1b'));
    unload.module = std::string(55, '\n');
    unload.comm = std::string(15, '\xff');
    unload.pending.front().armed->comm = std::string(15, '\xff');
    unload.pending_count = UINT32_MAX;
    const auto lines = log_of(unload);
    for (const auto& line : lines) {
        EXPECT_LE(line.size(), log_line_limit);
        EXPECT_TRUE(test::is_printable_but_for_newlines(line));
        EXPECT_EQ(line.find('\n'), std::string::npos);
    }
    EXPECT_THAT(lines.front(),
                HasSubstr("freed with 4294967295 timers still pending (never-deleted); unloaded by "
                          "\\xff\\xff"));
    EXPECT_THAT(lines.front(),
                HasSubstr("\\xff (pid 42) in 1.5 ms; the first fires in 1.2 s; incident 0123456789ab;"));
    EXPECT_THAT(lines[1], HasSubstr("\\x1b at 0xffffffffc0a03040, callback 0xffffffffc0a01000, fires in 1.2 "
                                    "s, never-deleted, armed 2.0 s "
                                    "before by \\xff"));
    EXPECT_EQ(lines.back().substr(lines.back().size() - 28), ": and 4294967287 more timers");
}

TEST(Log, cuts_what_exceeds_the_limit_and_says_so) {
    for (std::size_t length = 0; length < 1200; length += 7) {
        auto unload = test::inconclusive_unload();
        unload.why_inconclusive = {std::string(length, 'r')};
        const auto line = log_of(unload).front();
        ASSERT_LE(line.size(), 900U) << length;
        ASSERT_EQ(line.ends_with("..."), line.size() == 900U && length > 700) << length;
    }
    auto unload = test::inconclusive_unload();
    unload.why_inconclusive.assign(40, std::string(80, 'r'));
    EXPECT_EQ(log_of(unload).front().size(), 900U);
    EXPECT_THAT(log_of(unload).front(), StartsWith("INCONCLUSIVE: module m was freed"));
}

TEST(Log, escapes_every_name) {
    const auto lines = log_of(test::hostile_unload());
    ASSERT_EQ(lines.size(), 2U);
    const auto& escaped = test::escaped;
    for (const auto& line : lines) {
        EXPECT_TRUE(test::is_printable_but_for_newlines(line)) << line;
        EXPECT_EQ(line.find('\n'), std::string::npos);
    }
    EXPECT_THAT(lines[0], StartsWith("LEAK: module " + escaped + " was freed"));
    EXPECT_THAT(lines[0], HasSubstr("unloaded by " + escaped + " (pid 42)"));
    EXPECT_THAT(lines[0], HasSubstr("; incident 0123456789ab; " + escaped + "; to mend it: "));
    EXPECT_THAT(lines[1], StartsWith("LEAK: " + escaped + " 1/1: timer " + escaped + " at 0x"));
    EXPECT_THAT(lines[1], HasSubstr("armed 400 us before by " + escaped + " (pid 77)"));
}

TEST(CausesText, tells_each_cause_once_in_the_order_of_the_timers) {
    EXPECT_EQ(causes_text(test::clean_unload()), "");
    EXPECT_EQ(causes_text(test::leaking_unload()), "never-deleted");
    auto unload = with_timers(4, "m_cb [m]");
    unload.pending[1].cause = Cause::callback_running;
    unload.pending[3].cause = Cause::callback_running;
    EXPECT_EQ(causes_text(unload), "never-deleted, callback-running");
}

TEST(Page, of_a_denied_unload_tells_the_rule_and_what_to_do) {
    EXPECT_EQ(page_of(test::denied_unload()), R"(DENIED: module m may not be unloaded: 1 timer armed

  module     m
  unload     asked for by rmmod (pid 42)
  rule       c.toml:1: module = "m", on_unload = "deny-if-armed"
  at         2026-11-23T18:41:48.123Z on web1, Linux 6.12.0-1-amd64
  incident   0123456789ab

  #1 timer m_cb [m]
    fires in 1.2 s; owned by callback, object
    timer 0xffffffffc0a03040, callback 0xffffffffc0a01000
    armed 2.0 s before that by insmod (pid 321) on CPU 3, from task context

  what to do
    to let this one unload through: disarmd allow-once m
)");
}

TEST(Log, of_a_denied_unload_says_no_word_of_freed_memory) {
    const auto lines = log_of(test::denied_unload());
    EXPECT_EQ(lines[0],
              "DENIED: module m may not be unloaded: 1 timer armed; asked for by rmmod (pid 42); rule "
              "c.toml:1: module = \"m\", on_unload = \"deny-if-armed\"; incident 0123456789ab; what to "
              "do: to let this one unload through: disarmd allow-once m");
    EXPECT_THAT(lines, testing::Each(Not(HasSubstr("freed"))));
}

TEST(Log, of_a_drain_says_how_long_and_what_was_left) {
    auto unload = test::leaking_unload();
    unload.policy = {Action::drained, "c.toml:1: x", false, false, 280ms, 0};
    EXPECT_THAT(log_of(unload)[0], HasSubstr("; held for 280.0 ms, until nothing was pending;"));
    EXPECT_THAT(log_of(unload)[0], Not(HasSubstr("fires in")));
    unload.policy = {Action::none, "c.toml:1: x", false, false, 1s, 2};
    EXPECT_THAT(log_of(unload)[0], HasSubstr("; held for 1.0 s, and 2 timers still pending; it fires in"));
    unload.policy = {Action::panic, "c.toml:1: x", false, false, {}, 1};
    EXPECT_THAT(log_of(unload)[0], HasSubstr("; a panic follows, as the rule says"));
}

} // namespace
} // namespace disarmd
