// SPDX-License-Identifier: Apache-2.0
#include "cli/module_knowledge.h"

#include <filesystem>
#include <map>

#include <spdlog/spdlog.h>

#include "probe/enforcer.h"
#include "verdict/decode.h"

namespace disarmd {

void ModuleKnowledge::look(const Config& config) {
    std::error_code ignored;
    if (!config.policy.asks_for(OnUnload::deny_if_leaked_before) ||
        !std::filesystem::exists(config.sinks.ledger_path, ignored))
        return;
    auto ledger = Ledger::open_for_reading(config.sinks.ledger_path);
    auto leaked = ledger ? ledger->leaked() : Result<std::set<ModuleBuild>>(fail(ledger.error()));
    if (!leaked) {
        spdlog::error("which modules left timers before is not known: {}", leaked.error().text());
        return;
    }
    const std::lock_guard lock(mutex_);
    leaked_.merge(*leaked);
}

void ModuleKnowledge::inherit(const std::vector<std::pair<abi::module_key, std::uint32_t>>& facts) {
    const std::lock_guard lock(mutex_);
    for (const auto& [module, bits] : facts) {
        const ModuleBuild build{text_of(module.name), text_of(module.srcversion)};
        if ((bits & abi::FACT_LEAKED_BEFORE) != 0)
            leaked_.insert(build);
        if ((bits & abi::FACT_PREFLIGHT_FAILS) != 0)
            failed_.insert(build);
    }
}

bool ModuleKnowledge::add_leak(const ModuleBuild& build) {
    const std::lock_guard lock(mutex_);
    return leaked_.insert(build).second;
}

bool ModuleKnowledge::add_preflight(const ModuleBuild& build, bool fails) {
    const std::lock_guard lock(mutex_);
    return fails ? failed_.insert(build).second : failed_.erase(build) != 0;
}

bool ModuleKnowledge::has_leaked(const ModuleBuild& build) const {
    const std::lock_guard lock(mutex_);
    return leaked_.contains(build);
}

std::vector<std::pair<abi::module_key, std::uint32_t>> ModuleKnowledge::facts() const {
    const std::lock_guard lock(mutex_);
    std::map<ModuleBuild, std::uint32_t> bits;
    for (const auto& build : leaked_)
        bits[build] |= abi::FACT_LEAKED_BEFORE;
    for (const auto& build : failed_)
        bits[build] |= abi::FACT_PREFLIGHT_FAILS;
    std::vector<std::pair<abi::module_key, std::uint32_t>> facts;
    facts.reserve(bits.size());
    for (const auto& [build, known] : bits)
        facts.emplace_back(module_key_of(build.first, build.second), known);
    return facts;
}

} // namespace disarmd
