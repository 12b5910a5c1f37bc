// SPDX-License-Identifier: Apache-2.0
#include "cli/policy_view.h"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "cli/examiner.h"
#include "cli/module_knowledge.h"
#include "verdict/decode.h"

namespace disarmd {

namespace {

bool is_in(const abi::module_memory& memory, std::uint64_t address) {
    return std::ranges::any_of(
        memory.ranges, [&](const abi::memory_range& range) { return address - range.start < range.size; });
}

// In a CPU's instance of its per-CPU data.
bool is_in_percpu(const abi::module_memory& memory, const std::vector<std::uint64_t>& areas,
                  std::uint64_t address) {
    return std::ranges::any_of(areas, [&](std::uint64_t area) {
        return address - (memory.percpu.start + area) < memory.percpu.size;
    });
}

} // namespace

std::vector<PolicyRow> policy_rows(const Config& config, const std::vector<LoadedModule>& modules,
                                   const std::vector<ArmedTimer>& timers,
                                   const std::vector<std::uint64_t>& percpu_areas) {
    const ModuleKnowledge known(config);
    std::vector<PolicyRow> rows;
    if (config.policy.rules.empty())
        return rows;
    for (const auto& module : modules) {
        ModuleFacts facts;
        facts.name = text_of(module.instance.name);
        facts.srcversion = srcversion_of_loaded(facts.name);
        const auto& memory = module.instance.memory;
        facts.armed = static_cast<std::size_t>(std::ranges::count_if(timers, [&](const ArmedTimer& timer) {
            return timer.state.orphaned == 0 &&
                   (is_in(memory, timer.state.callback) || is_in(memory, timer.timer) ||
                    is_in_percpu(memory, percpu_areas, timer.timer));
        }));
        facts.leaked_before = known.has_leaked({facts.name, facts.srcversion});
        if (asks_preflight_of(config.policy, facts.name, facts.srcversion))
            facts.preflight_fails = examine_loaded(facts.name);
        const auto decision = decide_unload(config.policy, facts);
        if (decision.rule != nullptr)
            rows.push_back({facts.name, decision.denied, decision.why});
    }
    std::ranges::sort(rows, {}, &PolicyRow::module);
    return rows;
}

std::string to_table(const std::vector<PolicyRow>& rows) {
    if (rows.empty())
        return "";
    std::vector<std::vector<std::string>> cells{{"MODULE", "UNLOAD NOW", "WHY"}};
    for (const auto& row : rows)
        cells.push_back({printable(row.module), row.denied ? "denied" : "allowed", printable(row.why)});
    return columns_text(cells);
}

nlohmann::ordered_json to_json(const std::vector<PolicyRow>& rows) {
    auto list = nlohmann::ordered_json::array();
    for (const auto& row : rows)
        list.push_back({{"module", row.module}, {"denied", row.denied}, {"why", row.why}});
    return list;
}

} // namespace disarmd
