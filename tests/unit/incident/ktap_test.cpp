// SPDX-License-Identifier: Apache-2.0
#include "incident/ktap.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "builders.h"
#include "incident/text.h"
#include "ktap_reader.h"

namespace disarmd {
namespace {

using testing::Contains;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

std::string ktap_of(const std::vector<Unload>& unloads,
                    const std::optional<CutShort>& cut_short = std::nullopt) {
    std::vector<Incident> incidents;
    incidents.reserve(unloads.size());
    for (const auto& unload : unloads)
        incidents.push_back(test::incident_of(unload));
    return to_ktap("m", incidents, cut_short);
}

// Read as the kernel's tools read it; what they would not understand fails the test.
std::vector<test::KtapResult> results_in(const std::string& text) {
    auto report = test::read_ktap(text);
    EXPECT_THAT(report.errors, IsEmpty()) << text;
    EXPECT_EQ(text.back(), '\n');
    EXPECT_EQ(report.passes(), text.find("not ok") == std::string::npos) << text;
    return report.results;
}

TEST(Ktap, of_a_clean_unload_is_ok) {
    EXPECT_EQ(ktap_of({test::clean_unload()}), "KTAP version 1\n"
                                               "1..1\n"
                                               "# CLEAN: module m was freed with no timer pending\n"
                                               "#   unloaded by rmmod (pid 42) in 1.5 ms\n"
                                               "ok 1 m.unload\n");
}

TEST(Ktap, of_a_leak_is_not_ok_behind_the_whole_page) {
    const auto text = ktap_of({test::detailed_unload()});
    const auto results = results_in(text);
    ASSERT_EQ(results.size(), 1U);
    EXPECT_EQ(results[0].status, "not ok");
    EXPECT_EQ(results[0].name, "m.unload");
    EXPECT_EQ(results[0].why, "leak: 1 timer still pending (rearmed-after-delete)");
    std::string page;
    for (const auto& line : results[0].details) {
        ASSERT_THAT(line, StartsWith("#"));
        page += (line == "#" ? "" : line.substr(2)) + '\n';
    }
    EXPECT_EQ(page, to_page(test::incident_of(test::detailed_unload()), Colour::never));
}

TEST(Ktap, of_an_inconclusive_unload_is_never_ok_and_never_skipped) {
    const auto results = results_in(ktap_of({test::inconclusive_unload()}));
    ASSERT_EQ(results.size(), 1U);
    EXPECT_EQ(results[0].status, "not ok");
    EXPECT_EQ(results[0].why,
              "ERROR inconclusive: tracking: events were lost; scan: a timer wheel could not be read");
}

TEST(Ktap, of_an_unload_that_was_denied_names_the_rule) {
    const auto results = results_in(ktap_of({test::denied_unload()}));
    ASSERT_EQ(results.size(), 1U);
    EXPECT_EQ(results[0].status, "not ok");
    EXPECT_EQ(results[0].why,
              R"(ERROR the unload was denied: c.toml:1: module = "m", on_unload = "deny-if-armed")");
}

TEST(Ktap, without_an_unload_is_not_ok) {
    EXPECT_EQ(ktap_of({}), "KTAP version 1\n1..1\nnot ok 1 m.unload # ERROR the module was not unloaded\n");
    EXPECT_EQ(ktap_of({}, CutShort{true, "timed out after 4.0 s"}),
              "KTAP version 1\n1..1\nnot ok 1 m.unload # TIMEOUT timed out after 4.0 s\n");
}

TEST(Ktap, has_a_result_for_each_of_several_unloads) {
    auto failed_init = test::leaking_unload();
    failed_init.outcome = Outcome::init_failed;
    failed_init.pending.front().cause = Cause::failed_rollback;
    const auto results = results_in(ktap_of({test::clean_unload(), failed_init, test::clean_unload()}));
    ASSERT_EQ(results.size(), 3U);
    EXPECT_EQ(results[0].status, "ok");
    EXPECT_EQ(results[0].name, "m.unload");
    EXPECT_EQ(results[1].status, "not ok");
    EXPECT_EQ(results[1].name, "m.unload.2");
    EXPECT_THAT(results[1].why, HasSubstr("(failed-rollback)"));
    EXPECT_EQ(results[2].status, "ok");
    EXPECT_EQ(results[2].name, "m.unload.3");
    EXPECT_THAT(results[2].details, Contains("# CLEAN: module m was freed with no timer pending"));
}

TEST(Ktap, that_was_cut_short_is_not_ok_whatever_was_seen_before) {
    const auto results = results_in(ktap_of({test::clean_unload()}, CutShort{false, "SIGINT"}));
    ASSERT_EQ(results.size(), 2U);
    EXPECT_EQ(results[0].status, "ok");
    EXPECT_EQ(results[1].status, "not ok");
    EXPECT_EQ(results[1].name, "m.watch");
    EXPECT_EQ(results[1].why, "ERROR SIGINT");
}

// Every kind of unload that is not clean; those that are, are all that passes.
TEST(Ktap, passes_only_what_is_clean) {
    auto let_through = test::clean_unload();
    let_through.policy.allowed_once = true;
    EXPECT_TRUE(test::read_ktap(ktap_of({test::clean_unload(), let_through})).passes());
    auto denied_unarmed = test::denied_unload();
    denied_unarmed.pending.clear();
    denied_unarmed.pending_count = 0;
    denied_unarmed.verdict = Verdict::clean;
    for (const auto& unload : {test::leaking_unload(), test::inconclusive_unload(), test::denied_unload(),
                               denied_unarmed, test::not_unloaded(), test::hostile_unload()})
        EXPECT_FALSE(test::read_ktap(ktap_of({unload})).passes()) << ktap_of({unload});
}

TEST(Ktap, means_what_it_means_whatever_names_say) {
    for (const std::string name :
         {"x # SKIP because I say so", "x\nok 1 m.unload\n", "\n1..0 # SKIP\n", "# Subtest: x",
          "\n# Subtest: x\n", "KTAP version 1", "reboot: System halted", test::hostile.c_str()}) {
        auto unload = test::detailed_unload();
        unload.module = unload.comm = name;
        unload.command = {name};
        unload.identity.version = name;
        unload.pending.front().symbol = name;
        unload.pending.front().armed->stack = {name};
        EXPECT_FALSE(test::read_ktap(ktap_of({unload})).passes()) << name;
        unload = test::inconclusive_unload();
        unload.why_inconclusive = {name};
        auto results = test::read_ktap(ktap_of({unload})).results;
        for (const auto& result : results)
            EXPECT_EQ(result.status, "not ok") << name;
        const auto cut = test::read_ktap(ktap_of({}, CutShort{false, name}));
        EXPECT_FALSE(cut.passes());
        for (const auto& result : cut.results)
            EXPECT_EQ(result.status, "not ok") << name;
        EXPECT_TRUE(test::is_printable_but_for_newlines(ktap_of({unload}))) << name;
    }
}

TEST(Ktap, of_a_machine_where_nothing_can_be_judged_is_skipped) {
    const auto text = to_ktap_skip("BTF: not there; boot another kernel # 1\n");
    EXPECT_EQ(text, "KTAP version 1\n1..0 # SKIP BTF: not there; boot another kernel \\x23 1\\x0a\n");
    const auto report = test::read_ktap(text);
    EXPECT_THAT(report.errors, IsEmpty());
    EXPECT_EQ(report.planned, 0U);
    EXPECT_THAT(report.skipped, StartsWith("BTF: not there"));
    EXPECT_FALSE(report.passes());
}

// That the reader which the others rely on sees what is wrong.
TEST(KtapReader, tells_what_is_no_ktap) {
    const auto errors = [](const std::string& text) { return test::read_ktap(text).errors; };
    EXPECT_THAT(errors("boot\n[  1.0] KTAP version 1\n[  1.0] 1..1\n[  1.0] ok 1 - a\n"), IsEmpty());
    EXPECT_THAT(errors("KTAP version 1\n1..1\nok 1 a # TIMEOUT b # c\n"), IsEmpty());
    EXPECT_THAT(errors("ok 1 a\n"), ElementsAre("no KTAP at all"));
    EXPECT_THAT(errors("KTAP version 2\n1..1\nok 1 a\n"), ElementsAre("version 2"));
    EXPECT_THAT(errors("KTAP version 1\nok 1 a\n1..1\n"), ElementsAre(StartsWith("a plan out of its place")));
    EXPECT_THAT(errors("KTAP version 1\nok 1 a\n"), ElementsAre("no plan"));
    EXPECT_THAT(errors("KTAP version 1\n1..2\nok 1 a\n"), ElementsAre("of 2 results there are 1"));
    EXPECT_THAT(errors("KTAP version 1\n1..1\nok 2 a\n"), ElementsAre("a number out of order: ok 2 a"));
    EXPECT_THAT(errors("KTAP version 1\n1..1\n# Subtest: b\nok 1 a\n"), ElementsAre(StartsWith("a test in")));
    EXPECT_THAT(errors("KTAP version 1\n1..1\nreboot: System halted\nok 1 a\n"), Each(Not(IsEmpty())));
    EXPECT_EQ(test::read_ktap("KTAP version 1\n1..1\nnot ok 1 a # SKIP\n").results[0].status, "skip");
}

} // namespace
} // namespace disarmd
