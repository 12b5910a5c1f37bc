// SPDX-License-Identifier: Apache-2.0
#include "incident/text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "builders.h"

namespace disarmd {
namespace {

using namespace std::chrono_literals;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

Unload with_timers(std::size_t count, const std::string& symbol) {
    auto unload = test::leaking_unload();
    unload.pending.front().symbol = symbol;
    unload.pending.resize(count, unload.pending.front());
    unload.pending_count = count;
    return unload;
}

// Bytes that end lines, steer terminals, or are no ASCII.
const std::string hostile = "a\nb\r\x1b[2J\x07\x9b\xff\\";
const std::string escaped = "a\\x0ab\\x0d\\x1b[2J\\x07\\x9b\\xff\\x5c";

bool is_printable_but_for_newlines(const std::string& text) {
    return std::ranges::all_of(text, [](char c) { return c == '\n' || (c >= 0x20 && c < 0x7f); });
}

TEST(Page, of_a_leak_tells_all_of_it) {
    EXPECT_EQ(to_page(test::leaking_unload()),
              R"(LEAK: module m was freed with 1 timer still pending
  unloaded by rmmod (pid 42) in 1.5 ms

  timer m_cb [m]
    pending   fires in 1.2 s
    timer     0xffffffffc0a03040
    callback  0xffffffffc0a01000
    owned by  callback, object
    armed     2.0 s before the free by insmod (pid 321) on CPU 3, from task context
    cause     never-deleted

  to mend it: call timer_shutdown_sync() for m_cb [m] in the exit function
)");
}

TEST(Page, of_a_clean_unload_is_two_lines) {
    EXPECT_EQ(to_page(test::clean_unload()), "CLEAN: module m was freed with no timer pending\n"
                                             "  unloaded by rmmod (pid 42) in 1.5 ms\n");
}

TEST(Page, of_an_inconclusive_unload_says_why) {
    EXPECT_EQ(to_page(test::inconclusive_unload()),
              "INCONCLUSIVE: module m was freed, and whether a timer was pending can't be told\n"
              "  unloaded by rmmod (pid 42) in 1.5 ms\n"
              "  because tracking: events were lost\n"
              "  because scan: a timer wheel could not be read\n");
}

TEST(Page, of_what_was_not_unloaded_names_no_task) {
    auto unload = test::not_unloaded();
    EXPECT_EQ(to_page(unload), "NOT UNLOADED: module m was not unloaded: no verdict\n");
    unload.why_inconclusive = {"the verdict of an unload could not be stored"};
    EXPECT_EQ(to_page(unload), "NOT UNLOADED: module m was not unloaded: no verdict\n"
                               "  because the verdict of an unload could not be stored\n");
}

TEST(Page, of_a_failed_init_names_the_loader) {
    auto unload = test::leaking_unload();
    unload.outcome = Outcome::init_failed;
    unload.comm = "insmod";
    unload.duration.reset();
    unload.pending.front().cause = Cause::failed_rollback;
    const auto page = to_page(unload);
    EXPECT_THAT(page, HasSubstr("\n  its init failed, loaded by insmod (pid 42)\n"));
    EXPECT_THAT(page, HasSubstr("\n    cause     failed-rollback\n"));
    EXPECT_THAT(page, Not(HasSubstr("unloaded by")));
}

TEST(Page, leaves_out_a_duration_that_is_not_known) {
    auto unload = test::clean_unload();
    unload.duration.reset();
    EXPECT_THAT(to_page(unload), EndsWith("\n  unloaded by rmmod (pid 42)\n"));
}

TEST(Page, tells_a_running_callback_from_an_armed_timer) {
    auto unload = test::leaking_unload();
    unload.pending.front().expires_in.reset();
    EXPECT_THAT(to_page(unload), HasSubstr("\n    pending   armed\n"));
    unload.pending.front().cause = Cause::callback_running;
    EXPECT_THAT(to_page(unload), HasSubstr("\n    pending   its callback is running\n"));
}

TEST(Page, says_so_where_nobody_saw_the_arm) {
    auto unload = test::leaking_unload();
    unload.pending.front().armed.reset();
    EXPECT_THAT(to_page(unload), HasSubstr("\n    armed     before disarmd watched\n"));
}

TEST(Page, shows_every_timer_and_counts_the_rest) {
    auto unload = with_timers(3, "m_cb [m]");
    unload.pending[1].kind = TimerKind::hrtimer;
    unload.pending[2].kind = TimerKind::delayed_work;
    EXPECT_THAT(to_page(unload), Not(HasSubstr("more")));
    unload.pending_count = 10;
    const auto page = to_page(unload);
    EXPECT_THAT(page, StartsWith("LEAK: module m was freed with 10 timers still pending\n"));
    EXPECT_THAT(page, HasSubstr("\n  timer m_cb [m]\n"));
    EXPECT_THAT(page, HasSubstr("\n  hrtimer m_cb [m]\n"));
    EXPECT_THAT(page, HasSubstr("\n  delayed_work m_cb [m]\n"));
    EXPECT_THAT(page, HasSubstr("\n  and 7 more\n"));
}

TEST(Page, escapes_every_name) {
    auto unload = test::leaking_unload();
    unload.module = hostile;
    unload.comm = hostile;
    unload.pending.front().symbol = hostile;
    unload.pending.front().armed->comm = hostile;
    unload.why_inconclusive = {hostile};
    const auto page = to_page(unload);
    EXPECT_TRUE(is_printable_but_for_newlines(page)) << page;
    EXPECT_EQ(test::lines_of(page).size(), test::lines_of(to_page(test::leaking_unload())).size() + 1);
    EXPECT_THAT(page, StartsWith("LEAK: module " + escaped + " was freed"));
    EXPECT_THAT(page, HasSubstr("unloaded by " + escaped + " (pid 42)"));
    EXPECT_THAT(page, HasSubstr("\n  timer " + escaped + "\n"));
    EXPECT_THAT(page, HasSubstr("by " + escaped + " (pid 321)"));
    EXPECT_THAT(page, HasSubstr("\n  because " + escaped + "\n"));
}

TEST(Summary, of_a_leak_names_the_timer_and_the_task) {
    EXPECT_EQ(to_summary(test::leaking_unload()),
              "LEAK: module m was freed with 1 timer still pending: timer m_cb [m], fires in 1.2 s; "
              "unloaded by rmmod (pid 42) in 1.5 ms");
}

TEST(Summary, of_several_timers_names_each) {
    auto unload = with_timers(2, "m_cb [m]");
    unload.pending[1].kind = TimerKind::delayed_work;
    unload.pending[1].cause = Cause::callback_running;
    EXPECT_EQ(to_summary(unload), "LEAK: module m was freed with 2 timers still pending: timer m_cb [m], "
                                  "fires in 1.2 s; delayed_work m_cb [m], its callback is running; "
                                  "unloaded by rmmod (pid 42) in 1.5 ms");
}

TEST(Summary, of_the_other_verdicts) {
    EXPECT_EQ(to_summary(test::clean_unload()),
              "CLEAN: module m was freed with no timer pending; unloaded by rmmod (pid 42) in 1.5 ms");
    EXPECT_EQ(to_summary(test::inconclusive_unload()),
              "INCONCLUSIVE: module m was freed, and whether a timer was pending can't be told; "
              "tracking: events were lost; scan: a timer wheel could not be read; "
              "unloaded by rmmod (pid 42) in 1.5 ms");
    EXPECT_EQ(to_summary(test::not_unloaded()), "NOT UNLOADED: module m was not unloaded: no verdict");
}

TEST(Summary, of_a_failed_init_names_the_loader) {
    auto unload = test::clean_unload();
    unload.outcome = Outcome::init_failed;
    unload.duration.reset();
    EXPECT_EQ(to_summary(unload),
              "CLEAN: module m was freed with no timer pending; its init failed, loaded by rmmod (pid 42)");
}

TEST(Summary, counts_the_timers_that_it_does_not_name) {
    auto unload = test::leaking_unload();
    unload.pending_count = 100;
    EXPECT_EQ(to_summary(unload),
              "LEAK: module m was freed with 100 timers still pending: timer m_cb [m], fires in 1.2 s; "
              "and 99 more; unloaded by rmmod (pid 42) in 1.5 ms");
}

TEST(Summary, stays_within_its_limit_and_loses_neither_the_count_nor_the_task) {
    const auto summary = to_summary(with_timers(DISARMD_PENDING_MAX, std::string(127, 's')));
    EXPECT_LE(summary.size(), 900U);
    EXPECT_THAT(summary, StartsWith("LEAK: module m was freed with 64 timers still pending: timer sss"));
    // "; timer ", the symbol, ", fires in 1.2 s": 151 bytes a timer, so 5 of them fit.
    EXPECT_THAT(summary, EndsWith("s, fires in 1.2 s; and 59 more; unloaded by rmmod (pid 42) in 1.5 ms"));
}

TEST(Summary, loses_neither_the_count_nor_the_task_however_its_timers_fit) {
    for (std::size_t length = 1; length < DISARMD_SYMBOL_LEN; ++length) {
        const auto summary = to_summary(with_timers(DISARMD_PENDING_MAX, std::string(length, 's')));
        ASSERT_LE(summary.size(), 900U) << length;
        ASSERT_THAT(summary, HasSubstr("s, fires in 1.2 s; and ")) << length;
        ASSERT_THAT(summary, EndsWith(" more; unloaded by rmmod (pid 42) in 1.5 ms")) << length;
    }
}

TEST(Summary, stays_within_its_limit_with_the_longest_names_all_escaped) {
    auto unload = with_timers(DISARMD_PENDING_MAX, std::string(127, '\x1b'));
    unload.module = std::string(55, '\n');
    unload.comm = std::string(15, '\xff');
    unload.pending_count = UINT32_MAX;
    const auto summary = to_summary(unload);
    EXPECT_LE(summary.size(), 900U);
    EXPECT_TRUE(is_printable_but_for_newlines(summary));
    EXPECT_EQ(summary.find('\n'), std::string::npos);
    EXPECT_THAT(summary, HasSubstr("freed with 4294967295 timers still pending"));
    EXPECT_THAT(summary,
                EndsWith(" more; unloaded by \\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff"
                         "\\xff\\xff\\xff (pid 42) in 1.5 ms"));
}

TEST(Summary, stays_within_its_limit_with_many_reasons) {
    auto unload = test::inconclusive_unload();
    unload.why_inconclusive.assign(40, std::string(80, 'r'));
    const auto summary = to_summary(unload);
    EXPECT_EQ(summary.size(), 900U);
    EXPECT_THAT(summary, StartsWith("INCONCLUSIVE: module m was freed"));
}

TEST(Summary, is_one_line_whatever_the_names) {
    auto unload = test::leaking_unload();
    unload.module = hostile;
    unload.comm = hostile;
    unload.pending.front().symbol = hostile;
    unload.why_inconclusive = {hostile};
    EXPECT_EQ(to_summary(unload),
              "LEAK: module " + escaped + " was freed with 1 timer still pending: timer " + escaped +
                  ", fires in 1.2 s; " + escaped + "; unloaded by " + escaped + " (pid 42) in 1.5 ms");
}

TEST(Table, lines_its_columns_up) {
    const InventoryTimer timer{TimerKind::timer,
                               test::timer_address,
                               test::callback_address,
                               "m_cb [long_module]",
                               {Owner::callback, Owner::object},
                               1500ms};
    const InventoryTimer work{TimerKind::delayed_work, 0x10, 0x20, "w [long_module]", {Owner::work}, 2min};
    const InventoryTimer orphan{TimerKind::hrtimer, 0x10, 0x20, "0x0000000000000020", {}, std::nullopt};
    EXPECT_EQ(to_table({{"long_module", {timer, work}}, {"", {orphan}}}),
              "MODULE       KIND          FIRES IN  CALLBACK            OWNED BY\n"
              "long_module  timer         1.5 s     m_cb [long_module]  callback, object\n"
              "long_module  delayed_work  120.0 s   w [long_module]     work\n"
              "(freed)      hrtimer       unknown   0x0000000000000020  -\n");
}

TEST(Table, of_nothing_is_its_head) {
    EXPECT_EQ(to_table({}), "MODULE  KIND  FIRES IN  CALLBACK  OWNED BY\n");
}

TEST(Table, escapes_names) {
    const InventoryTimer timer{TimerKind::timer, 1, 2, hostile, {Owner::callback}, 1s};
    const auto table = to_table({{hostile, {timer}}});
    EXPECT_TRUE(is_printable_but_for_newlines(table)) << table;
    EXPECT_EQ(test::lines_of(table).size(), 2U);
    EXPECT_THAT(table, HasSubstr("\n" + escaped + "  timer  1.0 s     " + escaped + "  callback\n"));
}

TEST(OrphanTable, tells_the_addresses_and_since_when) {
    const InventoryTimer orphan{
        TimerKind::hrtimer, test::timer_address, test::callback_address, "-", {}, 1500us, 2min};
    const InventoryTimer older{TimerKind::kthread_delayed_work, 0x10, 0x20, "-", {}, std::nullopt};
    EXPECT_EQ(to_orphan_table({orphan, older}),
              "KIND                  FIRES IN  TIMER               CALLBACK            LEFT AGO\n"
              "hrtimer               1.5 ms    0xffffffffc0a03040  0xffffffffc0a01000  120.0 s\n"
              "kthread_delayed_work  unknown   0x0000000000000010  0x0000000000000020  unknown\n");
}

} // namespace
} // namespace disarmd
