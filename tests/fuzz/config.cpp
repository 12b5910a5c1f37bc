// SPDX-License-Identifier: Apache-2.0
//
// A configuration's text, and what its rules say of modules.
#include <array>

#include <fnmatch.h>

#include "config/config.h"
#include "fuzz.h"

namespace disarmd::fuzz {

namespace {

template <typename Number>
void check_range(Number number, Number least, Number most, const char* what) {
    check(number >= least && number <= most, what);
}

// As disarmd.toml(5) has them.
void check_ranges(const Config& config) {
    using namespace std::chrono_literals;
    const auto& sinks = config.sinks;
    check_range(sinks.hold, 0ms, 1000ms, "hold_ms");
    check_range(sinks.hook_timeout, 1s, 3600s, "timeout_s");
    check_range(sinks.ledger_retention.age, std::chrono::days(1), std::chrono::days(36'500), "keep_days");
    check_range<std::size_t>(sinks.ledger_retention.unloads, 1, 10'000'000, "keep_unloads");
    check(!sinks.ledger_path.empty(), "a ledger has a path");
    check_range(config.policy.drain, 1ms, 2000ms, "drain_ms");
    check_range(config.probe.armed_timers, 64U, 4'194'304U, "armed_timers");
    check_range(config.probe.unloads, 1U, 4096U, "unloads");
    check_range(config.probe.scan_steps, 1U, 8'388'608U, "scan_steps");
    check(config.metrics.listen.find_first_not_of("0123456789.:") == std::string::npos, "listen");
}

// One that the pattern takes, if it has no sets.
std::string name_from(std::string_view pattern) {
    std::string name;
    for (const char c : pattern) {
        if (c != '*')
            name += c == '?' ? 'x' : c == '-' ? '_' : c;
    }
    return name;
}

void check_rule(const Rule& rule, const std::vector<std::string>& names) {
    const auto compiled = compile(rule);
    check(compiled.has_value(), "what was read can be told the kernel");
    check(is_plain(rule_text(rule)) && rule_text(rule).find('\n') == std::string::npos, "a rule is a line");
    check(compiled->text[sizeof(compiled->text) - 1] == '\0', "its text ends");
    if (rule.module.find('[') != std::string::npos)
        return;
    std::string pattern = rule.module;
    std::ranges::replace(pattern, '-', '_');
    check(takes(rule, name_from(pattern), rule.srcversion), "a pattern takes what it is made of");
    for (const auto& name : names)
        check(takes(rule, name, rule.srcversion) == (::fnmatch(pattern.c_str(), name.c_str(), 0) == 0),
              "a pattern takes what a shell's takes");
}

void check_policy(const Config& config) {
    const auto& policy = config.policy;
    check(policy.rules.size() <= DISARMD_RULES_MAX, "the rules have room in the kernel");
    std::vector<std::string> names{"", "a", "vendor_nic", std::string(DISARMD_MODULE_NAME_LEN - 1, 'x')};
    for (const auto& rule : policy.rules) {
        if (const auto name = name_from(rule.module);
            rule.module.find('[') == std::string::npos && names.size() < 8)
            names.push_back(name);
    }
    for (const auto& rule : policy.rules) {
        check_rule(rule, names);
        check(rule.on_leak != OnLeak::panic || (policy.panic_confirmed && config.sinks.kmsg),
              "a host crashes only where that was confirmed");
    }
    for (const auto& name : names) {
        const auto decision = decide_unload(policy, {name, "", 1, true, std::nullopt});
        check(is_plain(decision.why) && !decision.why.empty(), "a decision can be told");
        check(!decision.denied || decision.rule != nullptr, "a rule denies");
    }
}

} // namespace

} // namespace disarmd::fuzz

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace disarmd::fuzz;
    const auto copy = copy_of({reinterpret_cast<const char*>(data), size});
    const std::string_view text(copy.data(), copy.size());
    const auto config = disarmd::parse_config(text, "c.toml");
    const auto again = disarmd::parse_config(text, "c.toml");
    check(config.has_value() == again.has_value(), "the same of the same");
    if (!config) {
        const auto& error = config.error().text();
        check(config.error().code() > 0, "an errno");
        check(is_plain(error) && error.find('\n') == std::string::npos, "an error is a line");
        check(error.starts_with("c.toml:"), "an error says where");
        check(error == again.error().text(), "the same error of the same");
        return 0;
    }
    check_ranges(*config);
    check_policy(*config);
    return 0;
}
