// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/diagnosis.h"
#include "config/config.h"
#include "incident/json.h"
#include "kernel/requirements.h"
#include "probe/enforcer.h"

namespace disarmd {

namespace {

// By rules that want everything of no module.
std::vector<std::string> try_to_enforce(const Probe& probe) {
    Rule none;
    none.module = "*";
    none.srcversion = "of-no-module";
    none.on_unload = OnUnload::deny;
    none.on_leak = OnLeak::drain;
    Policy policy;
    policy.rules.push_back(none);
    Enforcer enforcer(probe.policy_ports());
    auto set = enforcer.set_policy(policy);
    return set ? enforcer.not_effective() : std::vector{set.error().text()};
}

void examine_policy(const Probe& probe, Diagnosis& diagnosis) {
    diagnosis.not_effective = try_to_enforce(probe);
    const auto config = load_config(std::nullopt);
    const auto modules = probe.modules();
    const auto timers = probe.armed_timers();
    const auto areas = probe.percpu_areas();
    if (!config)
        diagnosis.not_effective->push_back(config.error().text());
    else if (modules && timers && areas)
        diagnosis.policy = policy_rows(*config, *modules, *timers, *areas);
}

Result<void> examine(const ProbeSettings& settings, Diagnosis& diagnosis) {
    const auto btf = KernelBtf::load();
    if (!btf)
        return fail(btf.error());
    const auto layout = locate_running_kernel(*btf, hook_functions());
    if (!layout)
        return fail(layout.error());
    diagnosis.layout_missing = layout->missing;
    auto probe = Probe::load(*layout, *btf, settings);
    if (!probe)
        return fail(probe.error());
    auto watching = probe->watch();
    diagnosis.backend = probe->backend();
    diagnosis.backend_reason = probe->backend_reason();
    diagnosis.sure = diagnosis.backend != name_of(Backend::kprobe);
    diagnosis.hooks = probe->hooks();
    diagnosis.losses = losses_of(*probe);
    if (!watching)
        return watching;
    diagnosis.survey_complete = probe->survey_complete();
    examine_policy(*probe, diagnosis);
    return {};
}

Diagnosis diagnose(const ProbeSettings& settings) {
    Diagnosis diagnosis;
    diagnosis.kernel = kernel_release();
    diagnosis.requirements = check_requirements();
    const auto unmet = std::ranges::find(diagnosis.requirements, false, &Requirement::met);
    if (unmet != diagnosis.requirements.end())
        diagnosis.impossible = fmt::format("{}: {}", unmet->name, unmet->remedy);
    else if (auto examined = examine(settings, diagnosis); !examined)
        diagnosis.impossible = examined.error().text();
    return diagnosis;
}

} // namespace

ExitCode doctor(const DoctorOptions& options) {
    ProbeSettings settings;
    settings.backend = options.backend;
    settings.enforces = true;
    const auto diagnosis = diagnose(settings);
    return print_result(options.json ? to_line(to_json(diagnosis)) + '\n' : to_page(diagnosis),
                        exit_code_of(diagnosis));
}

} // namespace disarmd
