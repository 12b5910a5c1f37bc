// SPDX-License-Identifier: Apache-2.0
#include "policy/policy.h"

#include <algorithm>
#include <array>
#include <bitset>
#include <climits>

#include <fmt/format.h>

#include "base/text.h"

namespace disarmd {

namespace {

constexpr std::array unload_actions{OnUnload::allow, OnUnload::deny, OnUnload::deny_if_armed,
                                    OnUnload::deny_if_leaked_before, OnUnload::deny_if_preflight_fails};
constexpr std::array leak_actions{OnLeak::alert, OnLeak::drain, OnLeak::panic};

// The numbers are the kernel programs' own.
static_assert(static_cast<int>(OnUnload::deny) == abi::ON_UNLOAD_DENY);
static_assert(static_cast<int>(OnUnload::deny_if_armed) == abi::ON_UNLOAD_DENY_IF_ARMED);
static_assert(static_cast<int>(OnUnload::deny_if_leaked_before) == abi::ON_UNLOAD_DENY_IF_LEAKED_BEFORE);
static_assert(static_cast<int>(OnUnload::deny_if_preflight_fails) == abi::ON_UNLOAD_DENY_IF_PREFLIGHT_FAILS);
static_assert(static_cast<int>(OnLeak::drain) == abi::ON_LEAK_DRAIN);
static_assert(static_cast<int>(OnLeak::panic) == abi::ON_LEAK_PANIC);

using Bytes = std::bitset<UCHAR_MAX + 1>;

std::size_t index_of(char byte) {
    return static_cast<unsigned char>(byte);
}

// As the kernel spells names.
char spelled(char byte) {
    return byte == '-' ? '_' : byte;
}

bool is_name_byte(char byte) {
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') ||
           byte == '_' || byte == '-';
}

// Elements, each of which takes one byte of a name.
class Pattern {
public:
    static Result<Pattern> parse(std::string_view text) {
        Pattern pattern;
        if (text.empty())
            return fail({EINVAL, "an empty pattern takes no module"});
        while (!text.empty()) {
            if (auto element = pattern.take(text); !element)
                return fail(element.error());
        }
        return pattern;
    }

    void write(abi::policy_rule& rule) const {
        for (std::size_t i = 0; i < elements_.size(); ++i) {
            for (std::size_t byte = 0; byte < elements_[i].size(); ++byte)
                rule.accepts[byte] |= std::uint64_t{elements_[i][byte]} << i;
        }
        rule.skips = skips_;
        rule.end = std::uint64_t{1} << elements_.size();
    }

private:
    Result<void> take(std::string_view& text) {
        const char first = text.front();
        text.remove_prefix(1);
        if (first == '*') {
            skips_ |= std::uint64_t{1} << elements_.size();
            return {};
        }
        Bytes element;
        if (first == '?') {
            element.set();
        } else if (first == '[') {
            if (auto set = take_set(text, element); !set)
                return set;
        } else if (is_name_byte(first)) {
            element.set(index_of(spelled(first)));
        } else {
            return fail({EINVAL, fmt::format("\"{}\" does not occur in a module's name",
                                             printable(std::string(1, first)))});
        }
        if (elements_.size() == DISARMD_MODULE_NAME_LEN - 1)
            return fail({EINVAL, fmt::format("no module's name has more than {} characters",
                                             DISARMD_MODULE_NAME_LEN - 1)});
        elements_.push_back(element);
        return {};
    }

    // Behind its '['.
    static Result<void> take_set(std::string_view& text, Bytes& element) {
        const bool inverted = text.starts_with('!');
        if (inverted)
            text.remove_prefix(1);
        const auto end = text.find(']', 1);
        if (end == std::string_view::npos)
            return fail({EINVAL, "a [ lacks its ]"});
        auto set = text.substr(0, end);
        text.remove_prefix(end + 1);
        while (!set.empty()) {
            const char from = set.front();
            const bool range = set.size() >= 3 && set[1] == '-';
            const char to = range ? set[2] : from;
            if (index_of(from) > index_of(to))
                return fail({EINVAL, fmt::format("[{}] holds nothing", printable(set.substr(0, 3)))});
            for (std::size_t byte = index_of(from); byte <= index_of(to); ++byte)
                element.set(index_of(spelled(static_cast<char>(byte))));
            set.remove_prefix(range ? 3 : 1);
        }
        if (inverted)
            element.flip();
        return {};
    }

    std::vector<Bytes> elements_;
    std::uint64_t skips_ = 0;
};

} // namespace

std::string_view name_of(OnUnload action) {
    switch (action) {
    case OnUnload::allow:
        return "allow";
    case OnUnload::deny:
        return "deny";
    case OnUnload::deny_if_armed:
        return "deny-if-armed";
    case OnUnload::deny_if_leaked_before:
        return "deny-if-leaked-before";
    case OnUnload::deny_if_preflight_fails:
        return "deny-if-preflight-fails";
    }
    return "unknown";
}

std::string_view name_of(OnLeak action) {
    switch (action) {
    case OnLeak::alert:
        return "alert";
    case OnLeak::drain:
        return "drain";
    case OnLeak::panic:
        return "panic";
    }
    return "unknown";
}

std::optional<OnUnload> on_unload_named(std::string_view word) {
    const auto* const found =
        std::ranges::find(unload_actions, word, [](auto each) { return name_of(each); });
    return found == unload_actions.end() ? std::nullopt : std::optional(*found);
}

std::optional<OnLeak> on_leak_named(std::string_view word) {
    const auto* const found = std::ranges::find(leak_actions, word, [](auto each) { return name_of(each); });
    return found == leak_actions.end() ? std::nullopt : std::optional(*found);
}

std::string rule_text(const Rule& rule) {
    auto text = fmt::format("{}: module = \"{}\"", printable(rule.where), printable(rule.module));
    if (!rule.srcversion.empty())
        text += fmt::format(", srcversion = \"{}\"", printable(rule.srcversion));
    if (rule.on_unload != OnUnload::allow)
        text += fmt::format(", on_unload = \"{}\"", name_of(rule.on_unload));
    if (rule.on_leak != OnLeak::alert)
        text += fmt::format(", on_leak = \"{}\"", name_of(rule.on_leak));
    return text;
}

bool Policy::can_deny() const {
    return std::ranges::any_of(rules, [](const Rule& rule) { return rule.on_unload != OnUnload::allow; });
}

bool Policy::can_drain() const {
    return std::ranges::any_of(rules, [](const Rule& rule) { return rule.on_leak != OnLeak::alert; });
}

bool Policy::asks_for(OnUnload action) const {
    return std::ranges::any_of(rules, [&](const Rule& rule) { return rule.on_unload == action; });
}

Result<abi::policy_rule> compile(const Rule& rule) {
    auto pattern = Pattern::parse(rule.module);
    if (!pattern)
        return fail(pattern.error());
    abi::policy_rule compiled{};
    pattern->write(compiled);
    if (rule.srcversion.size() >= sizeof(compiled.srcversion))
        return fail(
            {EINVAL, fmt::format("a srcversion has fewer than {} characters", sizeof(compiled.srcversion))});
    copy_text(compiled.srcversion, rule.srcversion);
    compiled.on_unload = static_cast<std::uint32_t>(rule.on_unload);
    compiled.on_leak = static_cast<std::uint32_t>(rule.on_leak);
    copy_text(compiled.text, rule_text(rule));
    return compiled;
}

bool takes(const Rule& rule, const std::string& name, const std::string& srcversion) {
    const auto compiled = compile(rule);
    std::array<char, DISARMD_MODULE_NAME_LEN> bytes{};
    copy_text(bytes, name);
    return compiled && abi::takes_name(&*compiled, bytes.data()) != 0 &&
           (rule.srcversion.empty() || rule.srcversion == srcversion);
}

bool asks_preflight_of(const Policy& policy, const std::string& name, const std::string& srcversion) {
    const auto found =
        std::ranges::find_if(policy.rules, [&](const Rule& rule) { return takes(rule, name, srcversion); });
    return found != policy.rules.end() && found->on_unload == OnUnload::deny_if_preflight_fails;
}

Decision decide_unload(const Policy& policy, const ModuleFacts& module) {
    const auto found = std::ranges::find_if(
        policy.rules, [&](const Rule& rule) { return takes(rule, module.name, module.srcversion); });
    if (found == policy.rules.end())
        return {nullptr, false, "no rule takes it"};
    const auto decision = [&](bool denied, std::string_view because) {
        return Decision{&*found, denied,
                        because.empty() ? rule_text(*found)
                                        : fmt::format("{}; {}", rule_text(*found), because)};
    };
    switch (found->on_unload) {
    case OnUnload::allow:
        return decision(false, "");
    case OnUnload::deny:
        return decision(true, "");
    case OnUnload::deny_if_armed:
        return decision(module.armed != 0, module.armed != 0
                                               ? fmt::format("{} armed", count_text(module.armed, "timer"))
                                               : "no timer of it is armed");
    case OnUnload::deny_if_leaked_before:
        return decision(module.leaked_before, module.leaked_before
                                                  ? "this build of it left a timer before"
                                                  : "this build of it is not known to have left a timer");
    case OnUnload::deny_if_preflight_fails:
        if (!module.preflight_fails)
            return decision(false, "its file could not be examined");
        return decision(*module.preflight_fails,
                        *module.preflight_fails ? "its preflight fails" : "its preflight does not fail");
    }
    return decision(false, "");
}

} // namespace disarmd
