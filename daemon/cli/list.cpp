// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "cli/commands.h"
#include "cli/policy_view.h"
#include "config/config.h"
#include "incident/json.h"
#include "incident/text.h"
#include "probe/pins.h"
#include "verdict/decode.h"
#include "verdict/gaps.h"

namespace disarmd {

namespace {

Result<std::vector<ModuleTimers>> read_inventory(const Probe& probe, const std::vector<LoadedModule>& modules,
                                                 const KernelClocks& clocks) {
    const auto timers = probe.armed_timers();
    if (!timers)
        return fail(timers.error());
    std::vector<std::uint64_t> callbacks;
    for (const auto& timer : *timers)
        callbacks.push_back(timer.state.callback);
    const auto symbols = name_addresses(callbacks);
    if (!symbols)
        return fail(symbols.error());
    return take_inventory(modules, *timers, *symbols, clocks);
}

// What is said where there is nothing to show.
std::string nothing_text(const ListOptions& options) {
    if (options.orphans)
        return "no timer is left by a module that is gone";
    return options.module ? fmt::format("module {} has no timer armed", *options.module)
                          : "modules have no timer armed";
}

ExitCode print_orphans(const std::vector<ModuleTimers>& inventory, const ListOptions& options,
                       ExitCode code) {
    const auto group = std::ranges::find(inventory, "", &ModuleTimers::module);
    const auto orphans = group != inventory.end() ? group->timers : std::vector<InventoryTimer>{};
    if (options.json)
        return print_result(to_line(orphans_to_json(orphans)) + '\n', code);
    if (!orphans.empty())
        return print_result(to_orphan_table(orphans), code);
    say("{}\n", nothing_text(options));
    return code;
}

ExitCode print_inventory(std::vector<ModuleTimers> inventory, std::vector<PolicyRow> policy,
                         const ListOptions& options, ExitCode code) {
    if (options.module) {
        std::erase_if(inventory, [&](const ModuleTimers& entry) { return entry.module != *options.module; });
        std::erase_if(policy, [&](const PolicyRow& row) { return row.module != *options.module; });
    }
    if (options.json) {
        auto json = to_json(inventory);
        if (!policy.empty())
            json["policy"] = to_json(policy);
        return print_result(to_line(json) + '\n', code);
    }
    if (inventory.empty())
        say("{}\n", nothing_text(options));
    auto text = inventory.empty() ? "" : to_table(inventory);
    if (!policy.empty())
        text += (text.empty() ? "" : "\n") + to_table(policy);
    return text.empty() ? code : print_result(text, code);
}

// Of the rules that a service would follow. A configuration that is wrong is told, and has none.
std::vector<PolicyRow> read_policy(const Probe& probe, const std::vector<LoadedModule>& modules) {
    const auto config = load_config(std::nullopt);
    const auto timers = probe.armed_timers();
    const auto areas = probe.percpu_areas();
    if (!config || !timers || !areas) {
        say("disarmd: {}\n", (!config ? config.error() : !timers ? timers.error() : areas.error()).text());
        return {};
    }
    auto rows = policy_rows(*config, modules, *timers, *areas);
    if (std::ranges::any_of(rows, &PolicyRow::denied) && !is_anything_pinned())
        say("disarmd: no service has run since this host was booted (or it was released): "
            "what the rules say is not in force\n");
    return rows;
}

} // namespace

ExitCode list(const ListOptions& options) {
    ProbeSettings settings;
    settings.backend = options.backend;
    auto probe = open_probe(settings);
    if (!probe)
        return complain(probe.error(), ExitCode::impossible);
    const auto gaps = probe->survey();
    if (!gaps)
        return complain(gaps.error(), ExitCode::impossible);
    const KernelClocks clocks{probe->survey_jiffies(), probe->tick(), monotonic_ns()};
    const auto modules = probe->modules();
    if (!modules)
        return complain(modules.error(), ExitCode::impossible);
    if (options.module && std::ranges::none_of(*modules, [&](const LoadedModule& module) {
            return text_of(module.instance.name) == *options.module;
        }))
        return complain(
            {ENOENT, fmt::format("module {} is not loaded (lsmod shows which are)", *options.module)},
            ExitCode::usage);

    auto inventory = read_inventory(*probe, *modules, clocks);
    if (!inventory)
        return complain(inventory.error(), ExitCode::impossible);
    auto code = ExitCode::clean;
    if (*gaps != 0)
        code = complain(
            {EAGAIN, fmt::format("the list may lack timers: {}", fmt::join(describe_gaps(*gaps), "; "))},
            ExitCode::inconclusive);
    return options.orphans
               ? print_orphans(*inventory, options, code)
               : print_inventory(std::move(*inventory), read_policy(*probe, *modules), options, code);
}

} // namespace disarmd
