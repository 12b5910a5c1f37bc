// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "incident/json.h"
#include "incident/text.h"
#include "verdict/decode.h"

namespace disarmd {

namespace {

Result<std::vector<ModuleTimers>> read_inventory(const Probe& probe,
                                                 const std::vector<LoadedModule>& modules) {
    const auto timers = probe.armed_timers();
    if (!timers)
        return fail(timers.error());
    std::vector<std::uint64_t> callbacks;
    for (const auto& timer : *timers)
        callbacks.push_back(timer.state.callback);
    const auto symbols = name_addresses(callbacks);
    if (!symbols)
        return fail(symbols.error());
    return take_inventory(modules, *timers, *symbols, {probe.survey_jiffies(), probe.tick()});
}

} // namespace

ExitCode list(const ListOptions& options) {
    auto probe = open_probe();
    if (!probe)
        return complain(probe.error(), ExitCode::impossible);
    const auto complete = probe->survey();
    if (!complete)
        return complain(complete.error(), ExitCode::impossible);
    const auto modules = probe->modules();
    if (!modules)
        return complain(modules.error(), ExitCode::impossible);
    if (options.module && std::ranges::none_of(*modules, [&](const LoadedModule& module) {
            return text_of(module.instance.name) == *options.module;
        }))
        return complain(
            {ENOENT, fmt::format("module {} is not loaded (lsmod shows which are)", *options.module)},
            ExitCode::usage);

    auto inventory = read_inventory(*probe, *modules);
    if (!inventory)
        return complain(inventory.error(), ExitCode::impossible);
    if (options.module)
        std::erase_if(*inventory, [&](const ModuleTimers& entry) { return entry.module != *options.module; });

    auto code = ExitCode::clean;
    if (!*complete)
        code =
            complain({EAGAIN, "the timer wheels were in motion at every attempt: the list may lack timers"},
                     ExitCode::inconclusive);
    if (options.json)
        return print_result(to_line(to_json(*inventory)) + '\n', code);
    if (inventory->empty()) {
        fmt::print(stderr, "{} no timer armed\n",
                   options.module ? fmt::format("module {} has", *options.module) : "modules have");
        return code;
    }
    return print_result(to_table(*inventory), code);
}

} // namespace disarmd
