// SPDX-License-Identifier: Apache-2.0
#include "cli/source_lines.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "base/text.h"
#include "cli/commands.h"
#include "kernel/debug_info.h"
#include "kernel/symbol_table.h"

namespace disarmd {

namespace {

Result<void> check_same_build(const DebugInfo& info, const Incident& incident, const std::string& file) {
    const auto& loaded = incident.unload.identity.srcversion;
    const auto found = info.modinfo("srcversion");
    if (loaded != found)
        return fail({EINVAL, fmt::format("{} is not what was loaded: its srcversion is {}, and was {}", file,
                                         found.empty() ? "none" : printable(found),
                                         loaded.empty() ? "none" : printable(loaded))});
    const auto kernel = info.modinfo("vermagic");
    if (kernel.substr(0, kernel.find(' ')) != incident.host.kernel)
        return fail({EINVAL, fmt::format("{} is made for Linux {}, and was loaded into {}", file,
                                         printable(kernel.substr(0, kernel.find(' '))),
                                         printable(incident.host.kernel))});
    return {};
}

Result<void> add_lines(Incident& incident, const std::string& file) {
    const auto info = DebugInfo::open(file);
    if (!info)
        return fail(info.error());
    if (auto same = check_same_build(*info, incident, file); !same)
        return same;
    const auto add = [&](const std::vector<std::string>& stack) {
        for (const auto& frame : stack) {
            const auto symbol = symbol_of(frame);
            if (!symbol || symbol->module != incident.unload.module)
                continue;
            if (auto line = info->line_before(symbol->name, symbol->offset))
                incident.source_lines.insert_or_assign(frame, std::move(*line));
        }
    };
    for (const auto& timer : incident.unload.pending) {
        if (timer.armed)
            add(timer.armed->stack);
        if (timer.deleted)
            add(timer.deleted->stack);
    }
    return {};
}

} // namespace

Result<void> check_module_file(const std::string& module_file) {
    const auto info = DebugInfo::open(module_file);
    return info ? Result<void>() : fail(info.error());
}

void add_source_lines(Incident& incident, const std::optional<std::string>& module_file) {
    if (incident.unload.pending.empty())
        return;
    const auto file =
        module_file ? module_file : installed_module(incident.unload.module, incident.host.kernel);
    if (!file)
        return;
    const auto added = add_lines(incident, *file);
    if (added && module_file && incident.unload.identity.srcversion.empty())
        say("disarmd: neither {} nor what was loaded has a srcversion: the source lines are right "
            "if that is the same build\n",
            *file);
    if (added)
        return;
    if (module_file)
        say("disarmd: no source lines: {}\n", added.error().text());
    else
        spdlog::debug("no source lines: {}", added.error().text());
}

} // namespace disarmd
