// SPDX-License-Identifier: Apache-2.0
#include "preflight/report.h"

#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace disarmd {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

PreflightReport example() {
    PreflightReport report;
    report.file = "./m.ko";
    report.module = "m";
    report.srcversion = "0123456789ABCDEF01234567";
    report.kernel = "6.1.0-1-amd64";
    report.can_be_unloaded = true;
    report.timers.push_back({TimerKind::timer, "poll_timer", "m_poll"});
    report.uses.push_back(
        {"mod_timer", TimerKind::timer, Effect::arms, 2, {"m_init", "m_poll"}, Reach::no, Reach::yes});
    report.uses.push_back(
        {"timer_delete", TimerKind::timer, Effect::deletes, 1, {"m_exit"}, Reach::yes, Reach::perhaps});
    Finding finding;
    finding.rule = FindingRule::never_deleted;
    finding.certainty = Certainty::certain;
    finding.timer = "poll_timer";
    finding.callback = "m_poll";
    finding.function = "m_init";
    finding.api = "mod_timer";
    finding.section = ".init.text";
    finding.offset = 0x2d;
    finding.text = "m_init() arms the timer poll_timer, whose callback is m_poll(), and nothing in the "
                   "module deletes it";
    report.findings.push_back(finding);
    return report;
}

TEST(PreflightPage, says_all_of_it_in_80_columns) {
    const auto page = to_page(example(), Colour::never);
    EXPECT_EQ(page, R"(module m fails: 1 finding

  file       ./m.ko
  srcversion 0123456789ABCDEF01234567
  built for  Linux 6.1.0-1-amd64

  #1 certain: never-deleted
    m_init() arms the timer poll_timer, whose callback is m_poll(), and nothing
    in the module deletes it
    mod_timer() in m_init at .init.text+0x2d

  its timers
     timer  m_poll  in poll_timer

  what it calls, and whether init and exit get there
     CALL          DOES     CALLS  INIT     EXIT
     mod_timer     arms     2      yes      no
     timer_delete  deletes  1      perhaps  yes
)");
    std::istringstream lines(page);
    for (std::string line; std::getline(lines, line);)
        EXPECT_LE(line.size(), 80U) << line;
    EXPECT_THAT(to_page(example(), Colour::ansi), HasSubstr("\x1b["));
}

TEST(PreflightPage, says_that_there_is_nothing) {
    PreflightReport report = example();
    report.findings.clear();
    EXPECT_THAT(to_page(report, Colour::never), StartsWith("module m passes: nothing found\n"));
    report.uses.clear();
    report.can_be_unloaded = false;
    EXPECT_THAT(to_page(report, Colour::never), StartsWith("module m passes: it arms no timer\n"));
    EXPECT_THAT(to_page(report, Colour::never), HasSubstr("unload     never"));
}

TEST(PreflightLines, count_what_fails_and_what_is_weaker) {
    auto report = example();
    EXPECT_EQ(to_lines(report).substr(0, to_lines(report).find('\n')), "./m.ko: fails: 1 finding");
    EXPECT_THAT(to_lines(report), HasSubstr("\n  certain never-deleted: m_init() arms"));
    report.findings.push_back(report.findings[0]);
    report.findings[1].certainty = Certainty::race;
    EXPECT_THAT(to_lines(report), StartsWith("./m.ko: fails: 1 finding, and 1 weaker\n"));
    report.findings.erase(report.findings.begin());
    EXPECT_THAT(to_lines(report), StartsWith("./m.ko: passes, with 1 weaker finding\n"));
    EXPECT_EQ(summary_line({12, 1, 2, 0}), "12 modules: 1 fail, 2 with weaker findings\n");
    EXPECT_EQ(summary_line({1, 0, 0, 3}),
              "1 module: none fails, 0 with weaker findings; 3 files could not be read\n");
}

TEST(PreflightJson, has_every_field) {
    const auto json = to_json(example());
    EXPECT_EQ(json["schema"], 1);
    EXPECT_EQ(json["module"], "m");
    EXPECT_EQ(json["fails"], true);
    EXPECT_EQ(json["findings"][0]["rule"], "never-deleted");
    EXPECT_EQ(json["findings"][0]["certainty"], "certain");
    EXPECT_EQ(json["findings"][0]["offset"], 0x2d);
    EXPECT_EQ(json["timers"][0]["callback"], "m_poll");
    EXPECT_EQ(json["uses"][1]["does"], "deletes");
    EXPECT_EQ(json["uses"][1]["exit"], "yes");
    EXPECT_EQ(json["uses"][1]["init"], "perhaps");
}

} // namespace
} // namespace disarmd
