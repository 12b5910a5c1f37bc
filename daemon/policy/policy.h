// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <disarmd/abi.h>

#include "base/result.h"

namespace disarmd {

// What a rule does when a module is to be unloaded, and when one was freed that left a timer.
enum class OnUnload { allow, deny, deny_if_armed, deny_if_leaked_before, deny_if_preflight_fails };
enum class OnLeak { alert, drain, panic };

// The words of the configuration.
std::string_view name_of(OnUnload action);
std::string_view name_of(OnLeak action);
std::optional<OnUnload> on_unload_named(std::string_view word);
std::optional<OnLeak> on_leak_named(std::string_view word);

// Of the modules whose name the pattern takes (glob(7): * ? [a-z] [!a-z]; '-' is '_', as in lsmod).
struct Rule {
    std::string module;
    std::string srcversion; // empty: of any
    OnUnload on_unload = OnUnload::allow;
    OnLeak on_leak = OnLeak::alert;
    std::string where; // it stands: "FILE:LINE"
};

// The first rule that takes a module is the one that counts. What none takes is unloaded as ever.
struct Policy {
    std::vector<Rule> rules; // DISARMD_RULES_MAX at most
    // How long a free is held so that what was left fires.
    std::chrono::milliseconds drain{1000};
    // That a rule may crash the host on purpose.
    bool panic_confirmed = false;

    [[nodiscard]] bool can_deny() const;
    [[nodiscard]] bool can_drain() const; // or panic, before which what can be is drained
    [[nodiscard]] bool asks_for(OnUnload action) const;
};

// What a decision is made from.
struct ModuleFacts {
    std::string name;
    std::string srcversion; // empty: it has none
    std::size_t armed = 0;  // its timers, now
    bool leaked_before = false;
    std::optional<bool> preflight_fails; // nothing: it could not be read, or was not asked for
};

struct Decision {
    const Rule* rule = nullptr; // null: none takes it
    bool denied = false;
    std::string why; // in words, for people
};

// What would become of the unload of a module. Pure, and what the kernel programs do by themselves.
Decision decide_unload(const Policy& policy, const ModuleFacts& module);

// "FILE:LINE: on_unload = "deny"": which rule it was, for records and people. Printable.
std::string rule_text(const Rule& rule);

// Whether the rule that takes the module wants to know what its file says.
bool asks_preflight_of(const Policy& policy, const std::string& name, const std::string& srcversion);

// A rule in the kernel programs' form; an error if the pattern is none.
Result<abi::policy_rule> compile(const Rule& rule);

// The same as the kernel programs match it.
bool takes(const Rule& rule, const std::string& name, const std::string& srcversion);

} // namespace disarmd
