// SPDX-License-Identifier: Apache-2.0
#include "policy/policy.h"

#include <cstring>
#include <ostream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace disarmd {
namespace {

using testing::HasSubstr;

Rule rule(std::string module, OnUnload on_unload = OnUnload::deny, OnLeak on_leak = OnLeak::alert) {
    Rule made;
    made.module = std::move(module);
    made.on_unload = on_unload;
    made.on_leak = on_leak;
    made.where = "p.toml:1";
    return made;
}

struct PatternCase {
    const char* pattern;
    const char* name;
    bool taken;
};
void PrintTo(const PatternCase& value, std::ostream* out) {
    *out << value.pattern << " and " << value.name;
}

class Pattern : public testing::TestWithParam<PatternCase> {};

TEST_P(Pattern, takes_the_names_that_it_means) {
    const auto& [pattern, name, taken] = GetParam();
    EXPECT_EQ(takes(rule(pattern), name, ""), taken);
}

constexpr const char* longest = "a23456789012345678901234567890123456789012345678901234x"; // 55

INSTANTIATE_TEST_SUITE_P(
    values, Pattern,
    testing::Values(PatternCase{"nvme", "nvme", true}, PatternCase{"nvme", "nvme_core", false},
                    PatternCase{"nvme", "xnvme", false}, PatternCase{"nvme", "", false},
                    PatternCase{"*", "anything", true}, PatternCase{"*", "", true},
                    PatternCase{"**", "anything", true}, PatternCase{"nvme*", "nvme", true},
                    PatternCase{"nvme*", "nvme_core", true}, PatternCase{"nvme*", "xnvme", false},
                    PatternCase{"*core", "nvme_core", true}, PatternCase{"*core", "core", true},
                    PatternCase{"*core", "core_x", false}, PatternCase{"*core", "corecore", true},
                    PatternCase{"a*b*c", "abc", true}, PatternCase{"a*b*c", "axxbyyc", true},
                    PatternCase{"a*b*c", "axxbyy", false}, PatternCase{"a*b*c", "abcbc", true},
                    PatternCase{"a?c", "abc", true}, PatternCase{"a?c", "ac", false},
                    PatternCase{"a?c", "abbc", false}, PatternCase{"?*", "", false},
                    PatternCase{"[ab]x", "bx", true}, PatternCase{"[ab]x", "cx", false},
                    PatternCase{"[a-c]x", "bx", true}, PatternCase{"[a-c]x", "dx", false},
                    PatternCase{"[!a-c]x", "dx", true}, PatternCase{"[!a-c]x", "ax", false},
                    PatternCase{"[a-]x", "_x", true}, PatternCase{"[]a]x", "ax", true},
                    // As lsmod has them.
                    PatternCase{"snd-hda*", "snd_hda_intel", true},
                    PatternCase{"snd_hda*", "snd_hda_intel", true}, PatternCase{longest, longest, true},
                    PatternCase{"*x", longest, true}, PatternCase{"*y", longest, false}));

class BadPattern : public testing::TestWithParam<const char*> {};

TEST_P(BadPattern, is_refused) {
    EXPECT_FALSE(compile(rule(GetParam())));
}

INSTANTIATE_TEST_SUITE_P(values, BadPattern,
                         testing::Values("", "a/b", "a b", "x.ko", "a[bc", "[", "[!]", "[c-a]", "a\nb",
                                         "a234567890123456789012345678901234567890123456789012345x"));

TEST(Compile, makes_the_longest_pattern_that_a_name_can_have) {
    EXPECT_TRUE(compile(rule(longest)));
    EXPECT_TRUE(compile(rule(std::string("*") + longest + "*")));
}

TEST(Compile, keeps_what_the_rule_does) {
    auto made = rule("m", OnUnload::deny_if_armed, OnLeak::panic);
    made.srcversion = "ABC";
    const auto compiled = compile(made);
    ASSERT_TRUE(compiled);
    EXPECT_EQ(compiled->on_unload, abi::ON_UNLOAD_DENY_IF_ARMED);
    EXPECT_EQ(compiled->on_leak, abi::ON_LEAK_PANIC);
    EXPECT_STREQ(compiled->srcversion, "ABC");
}

TEST(Compile, refuses_a_srcversion_that_none_can_be) {
    auto made = rule("m");
    made.srcversion = std::string(DISARMD_SRCVERSION_LEN, 'A');
    EXPECT_FALSE(compile(made));
}

TEST(Takes, wants_the_srcversion_if_the_rule_has_one) {
    auto made = rule("m");
    made.srcversion = "ABC";
    EXPECT_TRUE(takes(made, "m", "ABC"));
    EXPECT_FALSE(takes(made, "m", "ABCD"));
    EXPECT_FALSE(takes(made, "m", ""));
}

TEST(Policy, knows_what_it_may_do) {
    Policy policy;
    EXPECT_FALSE(policy.can_deny());
    EXPECT_FALSE(policy.can_drain());
    policy.rules = {rule("m", OnUnload::allow)};
    EXPECT_FALSE(policy.can_deny());
    policy.rules = {rule("m", OnUnload::allow, OnLeak::drain)};
    EXPECT_TRUE(policy.can_drain());
    policy.rules = {rule("m", OnUnload::allow, OnLeak::panic)};
    EXPECT_TRUE(policy.can_drain());
    policy.rules.push_back(rule("n", OnUnload::deny_if_leaked_before));
    EXPECT_TRUE(policy.can_deny());
    EXPECT_TRUE(policy.asks_for(OnUnload::deny_if_leaked_before));
    EXPECT_FALSE(policy.asks_for(OnUnload::deny_if_preflight_fails));
}

struct DecisionCase {
    const char* name;
    OnUnload on_unload;
    std::size_t armed;
    bool leaked_before;
    std::optional<bool> preflight_fails;
    bool denied;
    const char* why;
};
void PrintTo(const DecisionCase& value, std::ostream* out) {
    *out << value.name;
}

class Deciding : public testing::TestWithParam<DecisionCase> {};

TEST_P(Deciding, follows_the_rule) {
    const auto& param = GetParam();
    Policy policy;
    policy.rules = {rule("m", param.on_unload)};
    const auto decision =
        decide_unload(policy, {"m", "", param.armed, param.leaked_before, param.preflight_fails});
    EXPECT_EQ(decision.rule, &policy.rules[0]);
    EXPECT_EQ(decision.denied, param.denied);
    EXPECT_THAT(decision.why, HasSubstr(param.why));
    EXPECT_THAT(decision.why, HasSubstr("p.toml:1"));
}

INSTANTIATE_TEST_SUITE_P(
    values, Deciding,
    testing::Values(
        DecisionCase{"allow", OnUnload::allow, 3, true, true, false, ""},
        DecisionCase{"deny", OnUnload::deny, 0, false, false, true, "\"deny\""},
        DecisionCase{"armed", OnUnload::deny_if_armed, 2, false, false, true, "2 timers armed"},
        DecisionCase{"not armed", OnUnload::deny_if_armed, 0, true, true, false, "no timer"},
        DecisionCase{"leaked", OnUnload::deny_if_leaked_before, 0, true, false, true, "left a timer before"},
        DecisionCase{"not leaked", OnUnload::deny_if_leaked_before, 2, false, true, false, "not known"},
        DecisionCase{"fails", OnUnload::deny_if_preflight_fails, 0, false, true, true, "preflight fails"},
        DecisionCase{"passes", OnUnload::deny_if_preflight_fails, 2, true, false, false, "does not fail"},
        DecisionCase{"not examined", OnUnload::deny_if_preflight_fails, 2, true, std::nullopt, false,
                     "could not be examined"}));

TEST(DecideUnload, takes_the_first_rule_that_takes_the_module) {
    Policy policy;
    policy.rules = {rule("other"), rule("m*", OnUnload::allow), rule("m", OnUnload::deny)};
    const auto decision = decide_unload(policy, {"m", "", 0, false, {}});
    EXPECT_EQ(decision.rule, &policy.rules[1]);
    EXPECT_FALSE(decision.denied);
}

TEST(DecideUnload, lets_through_what_no_rule_takes) {
    Policy policy;
    policy.rules = {rule("other")};
    const auto decision = decide_unload(policy, {"m", "", 9, true, true});
    EXPECT_EQ(decision.rule, nullptr);
    EXPECT_FALSE(decision.denied);
    EXPECT_EQ(decision.why, "no rule takes it");
}

TEST(RuleText, tells_what_differs_from_nothing) {
    auto made = rule("m", OnUnload::allow, OnLeak::drain);
    EXPECT_EQ(rule_text(made), R"(p.toml:1: module = "m", on_leak = "drain")");
    made.on_unload = OnUnload::deny;
    made.srcversion = "AB";
    EXPECT_EQ(rule_text(made),
              R"(p.toml:1: module = "m", srcversion = "AB", on_unload = "deny", on_leak = "drain")");
}

TEST(RuleText, is_printable) {
    auto made = rule("[\t]", OnUnload::allow, OnLeak::alert);
    made.where = "\xc3\xa9.toml:1";
    EXPECT_EQ(rule_text(made), R"(\xc3\xa9.toml:1: module = "[\x09]")");
}

} // namespace
} // namespace disarmd
