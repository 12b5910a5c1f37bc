// SPDX-License-Identifier: Apache-2.0
#include "autopsy/report.h"

#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "autopsy/reader.h"
#include "texts.h"

namespace disarmd {
namespace {

using test::wheel_crash;
using test::with;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

struct Written {
    std::string page;
    nlohmann::ordered_json json;
    std::vector<std::string> row;
};

Written written(const std::string& text, const std::vector<RecordedFree>& ledger = {}) {
    const auto crash = read_crash(text);
    const auto diagnosis = diagnose(crash, ledger);
    const auto lines = quoted_lines(text, diagnosis);
    return {to_page(crash, diagnosis, lines, Colour::never), to_json("crash.txt", crash, diagnosis, lines),
            to_row("crash.txt", crash, diagnosis)};
}

std::vector<RecordedFree> ledger() {
    RecordedFree free;
    free.incident = "0123456789ab";
    free.module = "m";
    free.leak = true;
    free.causes = "never-deleted";
    free.when = "2026-11-23T18:41:48.123Z";
    free.timers = {{0,
                    "timer",
                    "m_cb [m]",
                    0xffffffffc0a03040,
                    0xffffffffc0a01000,
                    {},
                    "never-deleted",
                    "insmod (pid 11) from task context"}};
    return {free};
}

TEST(AutopsyPage, is_one_that_an_operator_can_act_on) {
    EXPECT_EQ(written(wheel_crash, ledger()).page,
              R"(THIS PATTERN: a timer of a module that had been freed (high confidence)
  It was the timer m_cb [m] of module m, which disarmd had recorded as left
  behind: 0xffffffffc0a03048 is in it.

  kernel     6.1.0-56-amd64, x86-64
  module     m: disarmd had recorded its unload
  recorded   the ledger, 2026-11-23T18:41:48.123Z, incident 0123456789ab:
             0xffffffffc0a03048 is in it
  timer      timer m_cb [m] at 0xffffffffc0a03040
  cause      never-deleted
  armed by   insmod (pid 11) from task context

  Evidence
  line 7     the fault is at __run_timers+0xd3
             | RIP: 0010:__run_timers+0xd3/0x290
  line 8     the instruction is mov %rsi,0x8(%rcx)
             | Code: 48 8b 0f 48 89 0e 48 85 c9 74 04 <48> 89 71 08 48 c7 07 00 
  line 10    rcx is 0xffffffffc0a03040: it writes to 0xffffffffc0a03048
             | RAX: 0000000000000001 RBX: ffff9c3b5c92a0c0 RCX: ffffffffc0a03040
  line 1     the address 0xffffffffc0a03048 is where modules are, and nothing is
             mapped there
             | BUG: unable to handle page fault for address: ffffffffc0a03048
  line 17    run_timer_softirq is on the stack: the timer softirq
             | run_timer_softirq+0x26/0x50
  line 26    m was unloaded last
             | Modules linked in: ext4(E) other(OE) [last unloaded: m(OE)]

  What came of it
  line 28    so the kernel panicked
             | Kernel panic - not syncing: Fatal exception in interrupt

  What to look for in the module
  - a timer that the exit function does not delete: timer_delete_sync(),
    hrtimer_cancel(), cancel_delayed_work_sync(), on each way out of it

  Next
  disarmd incidents 0123456789ab
  disarmd preflight m
  crash> dis -lr __run_timers+211
  crash> kmem ffffffffc0a03048
  drgn>  print(identify_address(0xffffffffc0a03048))
  crash> mod    # whose memory is near it, now
  crash> timer  # what else is armed
)");
}

TEST(AutopsyPage, names_all_causes_where_none_is_known) {
    const auto page = written(wheel_crash).page;
    EXPECT_THAT(page, HasSubstr("module     m: it was unloaded last, which is a hint and no proof\n"));
    EXPECT_THAT(page, HasSubstr("deleted and then armed again"));
    EXPECT_THAT(page, HasSubstr("an init function that arms it"));
}

TEST(AutopsyPage, of_another_crash_sends_nobody_on) {
    const auto page =
        written(with(wheel_crash, "__run_timers+0xd3/0x290", "other_fn+0xd3/0x290 [other]")).page;
    EXPECT_THAT(page, StartsWith("NOT THIS PATTERN (high confidence)\n"));
    EXPECT_THAT(page, Not(HasSubstr("Next")));
    EXPECT_THAT(page, Not(HasSubstr("What to look for")));
}

TEST(AutopsyPage, fits_80_columns_and_prints_nothing_else_than_text) {
    auto hostile = ledger();
    hostile[0].module = "m\x1b[31m\n\"x";
    hostile[0].timers[0].callback = "\x1b]0;title\x07";
    hostile[0].timers[0].armed_by = "a\nb";
    for (const auto& text : {std::string(wheel_crash), test::autopsy_file("hardlockup-3.10.txt"),
                             with(wheel_crash, "[last unloaded: m(OE)]", "[last unloaded: \x1b[2J]")}) {
        for (const auto& records : {std::vector<RecordedFree>{}, ledger(), hostile}) {
            const auto page = written(text, records).page;
            std::istringstream lines(page);
            for (std::string line; std::getline(lines, line);) {
                EXPECT_LE(line.size(), 80U) << line;
                EXPECT_TRUE(std::ranges::all_of(line, [](char c) { return c >= ' ' && c <= '~'; })) << line;
            }
        }
    }
}

TEST(AutopsyJson, has_every_field) {
    const auto json = written(wheel_crash, ledger()).json;
    EXPECT_EQ(json["file"], "crash.txt");
    EXPECT_EQ(json["verdict"], "this-pattern");
    EXPECT_EQ(json["confidence"], "high");
    EXPECT_EQ(json["rule"], "was-recorded");
    EXPECT_EQ(json["kernel"], "6.1.0-56-amd64");
    const auto& fault = json["fault"];
    EXPECT_EQ(fault["line"], 7);
    EXPECT_EQ(fault["symbol"], "__run_timers");
    EXPECT_EQ(fault["offset"], 0xd3);
    EXPECT_EQ(fault["module"], nullptr);
    EXPECT_EQ(fault["instruction"], "mov %rsi,0x8(%rcx)");
    EXPECT_EQ(fault["instruction_inferred"], false);
    EXPECT_EQ(fault["register"], "rcx");
    EXPECT_EQ(fault["register_value"], "0xffffffffc0a03040");
    EXPECT_EQ(fault["access"], "write");
    EXPECT_EQ(fault["address"], "0xffffffffc0a03048");
    EXPECT_EQ(fault["address_kind"], "module-space");
    const auto& recorded = json["recorded"];
    EXPECT_EQ(recorded["source"], "ledger");
    EXPECT_EQ(recorded["line"], nullptr);
    EXPECT_EQ(recorded["module"], "m");
    EXPECT_EQ(recorded["incident"], "0123456789ab");
    EXPECT_EQ(recorded["leak"], true);
    EXPECT_EQ(recorded["by_address"], true);
    EXPECT_EQ(recorded["timer"]["symbol"], "m_cb [m]");
    EXPECT_EQ(recorded["timer"]["timer"], "0xffffffffc0a03040");
    EXPECT_EQ(recorded["timer"]["callback"], "0xffffffffc0a01000");
    EXPECT_EQ(recorded["timer"]["cause"], "never-deleted");
    EXPECT_EQ(recorded["timer"]["armed_by"], "insmod (pid 11) from task context");
    EXPECT_EQ(json["evidence"][0]["line"], 7);
    EXPECT_EQ(json["evidence"][0]["text"], "RIP: 0010:__run_timers+0xd3/0x290");
    EXPECT_EQ(json["consequences"][0]["line"], 28);
    EXPECT_EQ(written(wheel_crash).json["recorded"], nullptr);
    EXPECT_EQ(written(wheel_crash).json["suspects"][0]["module"], "m");
    EXPECT_EQ(written("").json["fault"], nullptr);
}

TEST(AutopsyTable, has_a_row_for_a_file) {
    const auto row = written(wheel_crash).row;
    ASSERT_EQ(row.size(), autopsy_columns().size());
    EXPECT_EQ(row[0], "crash.txt");
    EXPECT_EQ(row[1], "this-pattern");
    EXPECT_EQ(row[2], "high");
    EXPECT_EQ(row[3], "6.1.0-56-amd64");
    EXPECT_EQ(row[4], "m");
    EXPECT_EQ(written("").row[4], "-");
}

} // namespace
} // namespace disarmd
