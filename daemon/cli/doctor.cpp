// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "cli/commands.h"
#include "incident/json.h"
#include "kernel/requirements.h"

namespace disarmd {

namespace {

// What was found out; sections that could not be reached stay empty.
struct Diagnosis {
    std::vector<Requirement> requirements;
    std::vector<std::string> degraded; // works, but not fully
    std::vector<Hook> hooks;
    std::string impossible; // why it can't work; empty if it can
};

Diagnosis diagnose() {
    Diagnosis diagnosis;
    diagnosis.requirements = check_requirements();
    const auto unmet = std::ranges::find(diagnosis.requirements, false, &Requirement::met);
    if (unmet != diagnosis.requirements.end()) {
        diagnosis.impossible = fmt::format("{}: {}", unmet->name, unmet->remedy);
        return diagnosis;
    }
    const auto give_up = [&](const Error& error) {
        diagnosis.impossible = error.text();
        return diagnosis;
    };
    const auto btf = KernelBtf::load();
    if (!btf)
        return give_up(btf.error());
    const auto layout = locate_running_kernel(*btf);
    if (!layout)
        return give_up(layout.error());
    diagnosis.degraded = layout->missing;
    auto probe = Probe::load(*layout, *btf);
    if (!probe)
        return give_up(probe.error());
    const auto watching = probe->watch();
    diagnosis.hooks = probe->hooks();
    if (!watching)
        return give_up(watching.error());
    for (const auto& hook : diagnosis.hooks) {
        if (!hook.attached)
            diagnosis.degraded.push_back(fmt::format("{} is not watched ({})", hook.name, hook.purpose));
    }
    return diagnosis;
}

ExitCode exit_code_of(const Diagnosis& diagnosis) {
    if (!diagnosis.impossible.empty())
        return ExitCode::impossible;
    return diagnosis.degraded.empty() ? ExitCode::clean : ExitCode::inconclusive;
}

std::string_view summary_of(const Diagnosis& diagnosis) {
    if (!diagnosis.impossible.empty())
        return "disarmd can't work here";
    return diagnosis.degraded.empty() ? "disarmd works fully here"
                                      : "disarmd works here, but does not see everything";
}

std::string to_page(const Diagnosis& diagnosis) {
    std::string page =
        fmt::format("disarmd {} on Linux {}\n\nRequirements\n", DISARMD_VERSION, printable(kernel_release()));
    const auto line = [&](bool ok, const std::string& name, const std::string& detail) {
        page += fmt::format("  {:<4} {:<24} {}\n", ok ? "ok" : "NO", name, detail);
    };
    for (const auto& requirement : diagnosis.requirements) {
        line(requirement.met, requirement.name, requirement.detail);
        if (!requirement.remedy.empty())
            page += fmt::format("       {:<24} {}\n", "", requirement.remedy);
    }
    if (!diagnosis.hooks.empty())
        page += "\nHooks (backend: tracepoint)\n";
    for (const auto& hook : diagnosis.hooks)
        line(hook.attached, hook.name, hook.attached ? hook.purpose : hook.why_not);
    page += fmt::format("\n{}\n", summary_of(diagnosis));
    for (const auto& what : diagnosis.degraded)
        page += fmt::format("  {}\n", what);
    if (!diagnosis.impossible.empty())
        page += fmt::format("  {}\n", diagnosis.impossible);
    return page;
}

nlohmann::ordered_json to_json(const Diagnosis& diagnosis) {
    using Json = nlohmann::ordered_json;
    Json requirements = Json::array();
    for (const auto& requirement : diagnosis.requirements)
        requirements.push_back({{"name", requirement.name},
                                {"met", requirement.met},
                                {"detail", requirement.detail},
                                {"remedy", requirement.remedy}});
    Json hooks = Json::array();
    for (const auto& hook : diagnosis.hooks)
        hooks.push_back({{"name", hook.name},
                         {"purpose", hook.purpose},
                         {"attached", hook.attached},
                         {"why_not", hook.why_not}});
    return {{"schema", json_schema},
            {"version", DISARMD_VERSION},
            {"kernel", kernel_release()},
            {"backend", "tracepoint"},
            {"requirements", requirements},
            {"hooks", hooks},
            {"degraded", Json(diagnosis.degraded)},
            {"impossible", diagnosis.impossible}};
}

} // namespace

ExitCode doctor(const DoctorOptions& options) {
    const auto diagnosis = diagnose();
    const auto code = exit_code_of(diagnosis);
    return print_result(options.json ? to_line(to_json(diagnosis)) + '\n' : to_page(diagnosis), code);
}

} // namespace disarmd
