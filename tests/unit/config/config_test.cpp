// SPDX-License-Identifier: Apache-2.0
#include "config/config.h"

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <ostream>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "builders.h"

namespace disarmd {
namespace {

using testing::HasSubstr;
using testing::Optional;
using testing::StartsWith;

TEST(ParseConfig, of_nothing_has_the_defaults) {
    for (const std::string_view text :
         {"", "\n\n", "# a comment\n", "[sinks]\n", "[limits]\n", "[ledger]\n[hooks]\n"}) {
        const auto config = parse_config(text, "c.toml");
        ASSERT_TRUE(config) << config.error().text();
        EXPECT_TRUE(config->sinks.kmsg) << text;
        EXPECT_TRUE(config->sinks.journal) << text;
        EXPECT_TRUE(config->sinks.ledger) << text;
        EXPECT_TRUE(config->sinks.pmsg) << text;
        EXPECT_EQ(config->sinks.ledger_path, "/var/lib/disarmd/ledger.db") << text;
        EXPECT_EQ(config->sinks.ledger_retention.age, std::chrono::days(365)) << text;
        EXPECT_EQ(config->sinks.ledger_retention.unloads, 10'000U) << text;
        EXPECT_EQ(config->sinks.hooks_folder, "/etc/disarmd/hooks.d") << text;
        EXPECT_EQ(config->sinks.hook_timeout, std::chrono::seconds(10)) << text;
        EXPECT_EQ(config->sinks.json_file, std::nullopt) << text;
        EXPECT_EQ(config->sinks.unloads_file, std::nullopt) << text;
        EXPECT_EQ(config->probe.backend, Backend::automatic) << text;
        EXPECT_EQ(config->probe.armed_timers, ProbeSettings{}.armed_timers) << text;
        EXPECT_EQ(config->probe.unloads, ProbeSettings{}.unloads) << text;
        EXPECT_EQ(config->probe.scan_steps, ProbeSettings{}.scan_steps) << text;
    }
}

TEST(ParseConfig, takes_every_key) {
    const auto config = parse_config(R"(
probe_backend = "kprobe"
[limits]
armed_timers = 1000
unloads = 64
scan_steps = 100_000
[ledger]
path = "/srv/ledger.db"
keep_days = 30
keep_unloads = 500
[hooks]
folder = "/srv/hooks.d"
timeout_s = 90
[metrics]
enabled = false
listen = "192.0.2.1:80"
[sinks]
kmsg = false
journal = false
ledger = false
pmsg = false
json_file = "/var/log/disarmd.json"
unloads_file = "/var/log/unloads.json"
)",
                                     "c.toml");
    ASSERT_TRUE(config) << config.error().text();
    EXPECT_FALSE(config->sinks.kmsg);
    EXPECT_FALSE(config->sinks.journal);
    EXPECT_FALSE(config->sinks.ledger);
    EXPECT_FALSE(config->sinks.pmsg);
    EXPECT_EQ(config->sinks.ledger_path, "/srv/ledger.db");
    EXPECT_EQ(config->sinks.ledger_retention.age, std::chrono::days(30));
    EXPECT_EQ(config->sinks.ledger_retention.unloads, 500U);
    EXPECT_EQ(config->sinks.hooks_folder, "/srv/hooks.d");
    EXPECT_EQ(config->sinks.hook_timeout, std::chrono::seconds(90));
    EXPECT_THAT(config->sinks.json_file, Optional(std::string("/var/log/disarmd.json")));
    EXPECT_THAT(config->sinks.unloads_file, Optional(std::string("/var/log/unloads.json")));
    EXPECT_FALSE(config->metrics.enabled);
    EXPECT_EQ(config->metrics.listen, "192.0.2.1:80");
    EXPECT_EQ(config->probe.backend, Backend::kprobe);
    EXPECT_EQ(config->probe.armed_timers, 1000U);
    EXPECT_EQ(config->probe.unloads, 64U);
    EXPECT_EQ(config->probe.scan_steps, 100'000U);
}

TEST(ParseConfig, takes_every_backend) {
    for (const auto backend : {Backend::automatic, Backend::tracepoint, Backend::kprobe}) {
        const auto config =
            parse_config("probe_backend = \"" + std::string(name_of(backend)) + "\"\n", "c.toml");
        ASSERT_TRUE(config) << config.error().text();
        EXPECT_EQ(config->probe.backend, backend);
        EXPECT_EQ(backend_named(name_of(backend)), backend);
    }
    for (const std::string_view word : {"", "Auto", "fentry", "auto ", "kprobes"})
        EXPECT_EQ(backend_named(word), std::nullopt) << word;
}

struct LimitCase {
    std::string_view key;
    std::uint32_t ProbeSettings::*member;
    std::uint32_t least;
    std::uint32_t most;

    friend void PrintTo(const LimitCase& value, std::ostream* out) { *out << value.key; }
};

class Limit : public testing::TestWithParam<LimitCase> {};

TEST_P(Limit, is_taken_within_its_range_alone) {
    const auto& limit = GetParam();
    const auto parse = [&](std::int64_t value) {
        return parse_config("[limits]\n" + std::string(limit.key) + " = " + std::to_string(value) + "\n",
                            "c.toml");
    };
    for (const auto value : {limit.least, limit.least + 1, limit.most}) {
        const auto config = parse(value);
        ASSERT_TRUE(config) << config.error().text();
        EXPECT_EQ(config->probe.*limit.member, value);
    }
    for (const std::int64_t value :
         {std::int64_t{limit.least} - 1, std::int64_t{limit.most} + 1, std::int64_t{-1},
          std::int64_t{0x100000000} + limit.least, std::int64_t{INT64_MAX}, std::int64_t{INT64_MIN}}) {
        const auto config = parse(value);
        ASSERT_FALSE(config) << value;
        EXPECT_EQ(config.error().code(), EINVAL);
        EXPECT_EQ(config.error().text(), "c.toml:2: limits." + std::string(limit.key) +
                                             " must be a whole number from " + std::to_string(limit.least) +
                                             " to " + std::to_string(limit.most));
    }
    EXPECT_GE(ProbeSettings{}.*limit.member, limit.least) << "the default must be allowed too";
    EXPECT_LE(ProbeSettings{}.*limit.member, limit.most);
}

INSTANTIATE_TEST_SUITE_P(keys, Limit,
                         testing::Values(LimitCase{"armed_timers", &ProbeSettings::armed_timers, 64,
                                                   4'194'304},
                                         LimitCase{"unloads", &ProbeSettings::unloads, 1, 4096},
                                         LimitCase{"scan_steps", &ProbeSettings::scan_steps, 1, 8'388'608}));

struct NumberCase {
    std::string_view table;
    std::string_view key;
    std::int64_t most; // the least is 1
    std::int64_t (*taken)(const Config& config);

    friend void PrintTo(const NumberCase& value, std::ostream* out) { *out << value.key; }
};

class Number : public testing::TestWithParam<NumberCase> {};

TEST_P(Number, is_taken_within_its_range_alone) {
    const auto& number = GetParam();
    const auto parse = [&](std::int64_t value) {
        return parse_config(fmt::format("[{}]\n{} = {}\n", number.table, number.key, value), "c.toml");
    };
    for (const auto value : {std::int64_t{1}, std::int64_t{2}, number.most}) {
        const auto config = parse(value);
        ASSERT_TRUE(config) << config.error().text();
        EXPECT_EQ(number.taken(*config), value);
    }
    for (const auto value : {std::int64_t{0}, std::int64_t{-1}, number.most + 1, INT64_MAX, INT64_MIN}) {
        const auto config = parse(value);
        ASSERT_FALSE(config) << value;
        EXPECT_EQ(config.error().code(), EINVAL);
        EXPECT_EQ(config.error().text(), fmt::format("c.toml:2: {}.{} must be a whole number from 1 to {}",
                                                     number.table, number.key, number.most));
    }
    EXPECT_GE(number.taken(Config{}), 1) << "the default must be allowed too";
    EXPECT_LE(number.taken(Config{}), number.most);
}

INSTANTIATE_TEST_SUITE_P(
    keys, Number,
    testing::Values(NumberCase{"ledger", "keep_days", 36'500,
                               [](const Config& config) {
                                   return std::int64_t{config.sinks.ledger_retention.age.count()};
                               }},
                    NumberCase{"ledger", "keep_unloads", 10'000'000,
                               [](const Config& config) {
                                   return static_cast<std::int64_t>(config.sinks.ledger_retention.unloads);
                               }},
                    NumberCase{"hooks", "timeout_s", 3600, [](const Config& config) {
                                   return std::int64_t{config.sinks.hook_timeout.count()};
                               }}));

TEST(ParseConfig, an_empty_folder_of_hooks_is_none) {
    const auto config = parse_config("hooks.folder = \"\"\n", "c.toml");
    ASSERT_TRUE(config) << config.error().text();
    EXPECT_EQ(config->sinks.hooks_folder, "");
}

TEST(ParseConfig, keeps_the_defaults_of_keys_that_are_not_given) {
    const auto config = parse_config("sinks.json_file = \"x\"\n", "c.toml");
    ASSERT_TRUE(config) << config.error().text();
    EXPECT_TRUE(config->sinks.kmsg);
    EXPECT_THAT(config->sinks.json_file, Optional(std::string("x")));
}

struct RefusedCase {
    std::string_view text;
    std::string_view error;

    friend void PrintTo(const RefusedCase& value, std::ostream* out) { *out << value.error; }
};

class RefusedConfig : public testing::TestWithParam<RefusedCase> {};

TEST_P(RefusedConfig, is_told_with_its_line) {
    const auto config = parse_config(GetParam().text, "c.toml");
    ASSERT_FALSE(config);
    EXPECT_EQ(config.error().code(), EINVAL);
    EXPECT_EQ(config.error().text(), GetParam().error);
}

INSTANTIATE_TEST_SUITE_P(
    keys_and_types, RefusedConfig,
    testing::Values(
        RefusedCase{"\nkmsg = true\n", "c.toml:2: unknown key kmsg"},
        RefusedCase{"# x\n\n[sink]\nkmsg = true\n", "c.toml:3: unknown key sink"},
        RefusedCase{"[sinks]\nkmsg = true\nsyslog = true\n", "c.toml:3: unknown key sinks.syslog"},
        RefusedCase{"[sinks]\nKmsg = true\n", "c.toml:2: unknown key sinks.Kmsg"},
        RefusedCase{"[sinks.kmsg]\n", "c.toml:1: sinks.kmsg must be true or false"},
        RefusedCase{"[sinks]\nkmsg = \"yes\"\n", "c.toml:2: sinks.kmsg must be true or false"},
        RefusedCase{"[sinks]\nkmsg = 1\n", "c.toml:2: sinks.kmsg must be true or false"},
        RefusedCase{"[metrics]\nenabled = 1\n", "c.toml:2: metrics.enabled must be true or false"},
        RefusedCase{"[metrics]\nlisten = 9958\n",
                    "c.toml:2: metrics.listen must be an IPv4 address and a port, as in \"127.0.0.1:9958\""},
        RefusedCase{"[metrics]\nlisten = \"9958\"\n",
                    "c.toml:2: metrics.listen must be an IPv4 address and a port, as in \"127.0.0.1:9958\""},
        RefusedCase{"[metrics]\nlisten = \"localhost:9958\"\n",
                    "c.toml:2: metrics.listen must be an IPv4 address and a port, as in \"127.0.0.1:9958\""},
        RefusedCase{"[metrics]\nlisten = \"127.0.0.1\"\n",
                    "c.toml:2: metrics.listen must be an IPv4 address and a port, as in \"127.0.0.1:9958\""},
        RefusedCase{"[metrics]\nlisten = \"127.0.0.1:0\"\n",
                    "c.toml:2: metrics.listen must be an IPv4 address and a port, as in \"127.0.0.1:9958\""},
        RefusedCase{"[metrics]\nlisten = \"127.0.0.1:65536\"\n",
                    "c.toml:2: metrics.listen must be an IPv4 address and a port, as in \"127.0.0.1:9958\""},
        RefusedCase{"[metrics]\nlisten = \"127.0.0.1:1s\"\n",
                    "c.toml:2: metrics.listen must be an IPv4 address and a port, as in \"127.0.0.1:9958\""},
        RefusedCase{"[metrics]\nlisten = \"127.0.0.1\\u0000.5:9958\"\n",
                    "c.toml:2: metrics.listen must be an IPv4 address and a port, as in \"127.0.0.1:9958\""},
        RefusedCase{"[metrics]\nlisten = \"::1:9958\"\n",
                    "c.toml:2: metrics.listen must be an IPv4 address and a port, as in \"127.0.0.1:9958\""},
        RefusedCase{"[metrics]\nlisten = \"[::1]:9958\"\n",
                    "c.toml:2: metrics.listen must be an IPv4 address and a port, as in \"127.0.0.1:9958\""},
        RefusedCase{"[metrics]\nlisten = \"[127.0.0.1]:9958\"\n",
                    "c.toml:2: metrics.listen must be an IPv4 address and a port, as in \"127.0.0.1:9958\""},
        RefusedCase{"[metrics]\nlisten = \"127.0.0.1,0.0.0.0:1\"\n",
                    "c.toml:2: metrics.listen must be an IPv4 address and a port, as in \"127.0.0.1:9958\""},
        RefusedCase{"[sinks]\n\njson_file = true\n", "c.toml:3: sinks.json_file must be a string"},
        RefusedCase{"[sinks]\njson_file = [\"a\"]\n", "c.toml:2: sinks.json_file must be a string"},
        RefusedCase{"\n\nsinks = 1\n", "c.toml:3: sinks must be a table: [sinks]"},
        RefusedCase{"[sinks]\nunloads_file = 1\n", "c.toml:2: sinks.unloads_file must be a string"},
        RefusedCase{"[sinks]\njournal = 1\n", "c.toml:2: sinks.journal must be true or false"},
        RefusedCase{"[sinks]\nledger = \"/x\"\n", "c.toml:2: sinks.ledger must be true or false"},
        RefusedCase{"[sinks]\npmsg = 0\n", "c.toml:2: sinks.pmsg must be true or false"},
        RefusedCase{"[sinks]\nledger_path = \"/x\"\n", "c.toml:2: unknown key sinks.ledger_path"},
        RefusedCase{"[ledger]\npath = \"\"\n", "c.toml:2: ledger.path must be the path of a file"},
        RefusedCase{"[ledger]\npath = 1\n", "c.toml:2: ledger.path must be the path of a file"},
        RefusedCase{"[ledger]\nkeep_days = 1.5\n",
                    "c.toml:2: ledger.keep_days must be a whole number from 1 to 36500"},
        RefusedCase{"[ledger]\nkeep_unloads = \"all\"\n",
                    "c.toml:2: ledger.keep_unloads must be a whole number from 1 to 10000000"},
        RefusedCase{"[ledger]\nkeep = 1\n", "c.toml:2: unknown key ledger.keep"},
        RefusedCase{"ledger = true\n", "c.toml:1: ledger must be a table: [ledger]"},
        RefusedCase{"[hooks]\nfolder = false\n", "c.toml:2: hooks.folder must be a string"},
        RefusedCase{"[hooks]\ntimeout_s = \"10\"\n",
                    "c.toml:2: hooks.timeout_s must be a whole number from 1 to 3600"},
        RefusedCase{"[hooks]\ntimeout = 1\n", "c.toml:2: unknown key hooks.timeout"},
        RefusedCase{"[\"a\\nb\"]\n", "c.toml:1: unknown key a\\x0ab"},
        RefusedCase{"limits = 1\n", "c.toml:1: limits must be a table: [limits]"},
        RefusedCase{"\n[limits]\ntimers = 1\n", "c.toml:3: unknown key limits.timers"},
        RefusedCase{"[limits]\nunloads = 1.5\n",
                    "c.toml:2: limits.unloads must be a whole number from 1 to 4096"},
        RefusedCase{"[limits]\nunloads = \"8\"\n",
                    "c.toml:2: limits.unloads must be a whole number from 1 to 4096"},
        RefusedCase{"\nprobe_backend = \"fentry\"\n",
                    "c.toml:2: probe_backend must be auto, tracepoint or kprobe, in quotes"},
        RefusedCase{"probe_backend = true\n",
                    "c.toml:1: probe_backend must be auto, tracepoint or kprobe, in quotes"},
        RefusedCase{"[[sinks]]\nkmsg = true\n", "c.toml:1: sinks must be a table: [sinks]"}));

class UnreadableConfig : public testing::TestWithParam<RefusedCase> {};

TEST_P(UnreadableConfig, is_told_with_its_line) {
    const auto config = parse_config(GetParam().text, "c.toml");
    ASSERT_FALSE(config);
    EXPECT_EQ(config.error().code(), EINVAL);
    EXPECT_THAT(config.error().text(), StartsWith(std::string(GetParam().error)));
    EXPECT_GT(config.error().text().size(), GetParam().error.size()) << "what is wrong is told";
    EXPECT_TRUE(std::ranges::all_of(config.error().text(), [](char c) { return c >= ' ' && c <= '~'; }));
}

INSTANTIATE_TEST_SUITE_P(syntax, UnreadableConfig,
                         testing::Values(RefusedCase{"[sinks]\nkmsg = \n", "c.toml:2: "},
                                         RefusedCase{"[sinks\n", "c.toml:1: "},
                                         RefusedCase{"[sinks]\n\n\njson_file = \"a\n", "c.toml:4: "},
                                         RefusedCase{"[sinks]\nkmsg = true\nkmsg = false\n", "c.toml:3: "},
                                         RefusedCase{"[sinks]\nkmsg = true\n[sinks]\n", "c.toml:3: "},
                                         RefusedCase{"[sinks]\nkmsg = yes\n", "c.toml:2: "},
                                         RefusedCase{"a=i\x1b[31mX\n", "c.toml:1: "},
                                         RefusedCase{"[sinks]\njson_file = \"\xff\"\n", "c.toml:2: "}));

TEST(ParseConfig, an_error_is_printable) {
    const auto config = parse_config("x = 1\n", "\x1b[31m.toml");
    ASSERT_FALSE(config);
    EXPECT_EQ(config.error().text(), R"(\x1b[31m.toml:1: unknown key x)");
}

TEST(LoadConfig, reads_the_file_that_was_named) {
    const test::TemporaryFolder folder;
    test::write_file(folder.file("c.toml"), "[sinks]\nkmsg = false\n");
    const auto config = load_config(folder.file("c.toml"));
    ASSERT_TRUE(config) << config.error().text();
    EXPECT_FALSE(config->sinks.kmsg);
}

TEST(LoadConfig, an_empty_file_has_the_defaults) {
    const test::TemporaryFolder folder;
    test::write_file(folder.file("c.toml"), "");
    const auto config = load_config(folder.file("c.toml"));
    ASSERT_TRUE(config) << config.error().text();
    EXPECT_TRUE(config->sinks.kmsg);
    EXPECT_EQ(config->sinks.json_file, std::nullopt);
}

TEST(LoadConfig, names_the_file_in_an_error) {
    const test::TemporaryFolder folder;
    test::write_file(folder.file("c.toml"), "[sinks]\nx = 1\n");
    const auto config = load_config(folder.file("c.toml"));
    ASSERT_FALSE(config);
    EXPECT_EQ(config.error().text(), folder.file("c.toml") + ":2: unknown key sinks.x");
}

TEST(LoadConfig, a_file_that_was_named_must_be_there) {
    const test::TemporaryFolder folder;
    const auto config = load_config(folder.file("absent.toml"));
    ASSERT_FALSE(config);
    EXPECT_EQ(config.error().code(), ENOENT);
    EXPECT_THAT(config.error().text(), HasSubstr(folder.file("absent.toml") + ": No such file"));
}

TEST(LoadConfig, naming_the_default_file_makes_it_needed) {
    if (std::filesystem::exists(default_config_path))
        GTEST_SKIP() << default_config_path << " is there";
    const auto config = load_config(default_config_path);
    ASSERT_FALSE(config);
    EXPECT_EQ(config.error().code(), ENOENT);
}

TEST(LoadConfig, the_default_file_need_not_be_there) {
    if (std::filesystem::exists(default_config_path))
        GTEST_SKIP() << default_config_path << " is there";
    const auto config = load_config(std::nullopt);
    ASSERT_TRUE(config) << config.error().text();
    EXPECT_TRUE(config->sinks.kmsg);
    EXPECT_EQ(config->sinks.json_file, std::nullopt);
}

TEST(LoadConfig, what_cant_be_read_is_an_error_and_not_the_defaults) {
    const test::TemporaryFolder folder;
    const auto config = load_config(folder.path());
    ASSERT_FALSE(config);
    EXPECT_THAT(config.error().text(), HasSubstr(folder.path() + ": it is no regular file"));
}

// Whoever opens it waits until somebody writes.
TEST(LoadConfig, a_pipe_is_not_waited_for) {
    const test::TemporaryFolder folder;
    const auto pipe = folder.file("c.toml");
    ASSERT_EQ(::mkfifo(pipe.c_str(), S_IRWXU), 0);
    const auto config = load_config(pipe);
    ASSERT_FALSE(config);
    EXPECT_THAT(config.error().text(), HasSubstr("it is no regular file"));
}

TEST(LoadConfig, what_is_too_large_is_not_read) {
    const test::TemporaryFolder folder;
    const auto file = folder.file("c.toml");
    test::write_file(file, std::string((1 << 20) + 1, '#'));
    const auto config = load_config(file);
    ASSERT_FALSE(config);
    EXPECT_EQ(config.error().code(), EFBIG);
}

TEST(ParsePolicy, has_no_rule_unless_told) {
    const auto config = parse_config("[policy]\n", "c.toml");
    ASSERT_TRUE(config) << config.error().text();
    EXPECT_TRUE(config->policy.rules.empty());
    EXPECT_EQ(config->policy.drain, std::chrono::milliseconds(1000));
    EXPECT_FALSE(config->policy.panic_confirmed);
}

TEST(ParsePolicy, takes_every_key) {
    const auto config = parse_config(R"([policy]
drain_ms = 2000
panic_confirmed = true

[[policy.rule]]
module = "vendor_*"
srcversion = "0123ABC"
on_unload = "deny-if-leaked-before"
on_leak = "panic"

[[policy.rule]]
module = "*"
)",
                                     "c.toml");
    ASSERT_TRUE(config) << config.error().text();
    const auto& policy = config->policy;
    EXPECT_EQ(policy.drain, std::chrono::milliseconds(2000));
    EXPECT_TRUE(policy.panic_confirmed);
    ASSERT_EQ(policy.rules.size(), 2U);
    EXPECT_EQ(policy.rules[0].module, "vendor_*");
    EXPECT_EQ(policy.rules[0].srcversion, "0123ABC");
    EXPECT_EQ(policy.rules[0].on_unload, OnUnload::deny_if_leaked_before);
    EXPECT_EQ(policy.rules[0].on_leak, OnLeak::panic);
    EXPECT_EQ(policy.rules[0].where, "c.toml:5");
    EXPECT_EQ(policy.rules[1].module, "*");
    EXPECT_EQ(policy.rules[1].on_unload, OnUnload::allow);
    EXPECT_EQ(policy.rules[1].on_leak, OnLeak::alert);
    EXPECT_EQ(policy.rules[1].where, "c.toml:11");
}

struct BadPolicyCase {
    const char* text;
    const char* message;
};
void PrintTo(const BadPolicyCase& value, std::ostream* out) {
    *out << value.text;
}

class BadPolicy : public testing::TestWithParam<BadPolicyCase> {};

TEST_P(BadPolicy, is_refused_with_its_line) {
    const auto config = parse_config(GetParam().text, "c.toml");
    ASSERT_FALSE(config);
    EXPECT_THAT(config.error().text(), HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    values, BadPolicy,
    testing::Values(
        BadPolicyCase{"policy = 1\n", "c.toml:1: policy must be a table"},
        BadPolicyCase{"[policy]\nrules = []\n", "c.toml:2: unknown key policy.rules"},
        BadPolicyCase{"[policy]\ndrain_ms = 2001\n", "c.toml:2: policy.drain_ms must be"},
        BadPolicyCase{"[policy]\ndrain_ms = 0\n", "c.toml:2: policy.drain_ms must be"},
        BadPolicyCase{"[policy]\ndrain_ms = \"1\"\n", "c.toml:2: policy.drain_ms must be"},
        BadPolicyCase{"[policy]\npanic_confirmed = 1\n", "c.toml:2: policy.panic_confirmed must be"},
        BadPolicyCase{"[policy]\nrule = 1\n", "c.toml:2: policy.rule must be tables"},
        BadPolicyCase{"[policy]\nrule = [1]\n", "c.toml:2: policy.rule must be tables"},
        BadPolicyCase{"[policy.rule]\nmodule = \"m\"\n", "policy.rule must be tables"},
        BadPolicyCase{"\n[[policy.rule]]\non_unload = \"deny\"\n", "c.toml:2: a rule lacks its module"},
        BadPolicyCase{"[[policy.rule]]\nmodule = 1\n", "c.toml:2: module of a rule must be a string"},
        BadPolicyCase{"[[policy.rule]]\nmodule = \"a/b\"\n", "c.toml:2: \"/\" does not occur"},
        BadPolicyCase{"[[policy.rule]]\nmodule = \"m\"\non_unload = \"Deny\"\n",
                      "c.toml:3: on_unload must be allow"},
        BadPolicyCase{"[[policy.rule]]\nmodule = \"m\"\non_leak = \"deny\"\n",
                      "c.toml:3: on_leak must be alert"},
        BadPolicyCase{"[[policy.rule]]\nmodule = \"m\"\non_load = \"x\"\n",
                      "c.toml:3: unknown key on_load of a rule"},
        BadPolicyCase{"\n\n[[policy.rule]]\nmodule = \"m\"\non_leak = \"panic\"\n",
                      "c.toml:3: on_leak = \"panic\" crashes this host on purpose"},
        BadPolicyCase{"[sinks]\nkmsg = false\n[policy]\npanic_confirmed = true\n[[policy.rule]]\n"
                      "module = \"m\"\non_leak = \"panic\"\n",
                      "c.toml:5: on_leak = \"panic\" wants sinks.kmsg"}));

TEST(ParsePolicy, has_no_more_rules_than_the_kernel_programs_have_room_for) {
    std::string text;
    for (int i = 0; i < DISARMD_RULES_MAX; ++i)
        text += "[[policy.rule]]\nmodule = \"m\"\n";
    EXPECT_TRUE(parse_config(text, "c.toml"));
    const auto config = parse_config(text + "[[policy.rule]]\nmodule = \"m\"\n", "c.toml");
    ASSERT_FALSE(config);
    EXPECT_THAT(config.error().text(), HasSubstr("c.toml:129: there are more than 64 rules"));
}

class DropIns : public testing::Test {
protected:
    test::TemporaryFolder folder_;
    std::string main_ = folder_.file("disarmd.toml");

    DropIns() { std::filesystem::create_directory(folder_.file("disarmd.d")); }
    void drop_in(const std::string& name, const std::string& text) {
        test::write_file(folder_.file("disarmd.d/" + name), text);
    }
};

TEST_F(DropIns, are_read_after_the_file_in_the_order_of_their_names) {
    test::write_file(main_,
                     "[sinks]\nhold_ms = 1\njson_file = \"/a\"\n[[policy.rule]]\nmodule = \"first\"\n");
    drop_in("20.toml", "[sinks]\nhold_ms = 3\n[[policy.rule]]\nmodule = \"third\"\n");
    drop_in("10.toml", "[sinks]\nhold_ms = 2\n[[policy.rule]]\nmodule = \"second\"\n");
    drop_in("30.toml~", "nonsense");
    drop_in(".40.toml", "nonsense");
    const auto config = load_config(main_);
    ASSERT_TRUE(config) << config.error().text();
    EXPECT_EQ(config->sinks.hold, std::chrono::milliseconds(3));
    EXPECT_THAT(config->sinks.json_file, Optional(std::string("/a")));
    ASSERT_EQ(config->policy.rules.size(), 3U);
    EXPECT_EQ(config->policy.rules[0].module, "first");
    EXPECT_EQ(config->policy.rules[1].module, "second");
    EXPECT_EQ(config->policy.rules[2].module, "third");
    EXPECT_THAT(config->files, testing::ElementsAre(main_, folder_.file("disarmd.d/10.toml"),
                                                    folder_.file("disarmd.d/20.toml")));
}

TEST_F(DropIns, that_are_wrong_are_named) {
    test::write_file(main_, "");
    drop_in("a.toml", "\nx = 1\n");
    const auto config = load_config(main_);
    ASSERT_FALSE(config);
    EXPECT_THAT(config.error().text(), HasSubstr("disarmd.d/a.toml:2: unknown key x"));
}

TEST_F(DropIns, may_confirm_what_another_file_wants) {
    test::write_file(main_, "[[policy.rule]]\nmodule = \"m\"\non_leak = \"panic\"\n");
    EXPECT_FALSE(load_config(main_));
    drop_in("a.toml", "[policy]\npanic_confirmed = true\n");
    EXPECT_TRUE(load_config(main_));
}

} // namespace
} // namespace disarmd
