// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "cli/exit_code.h"
#include "cli/policy_view.h"
#include "kernel/requirements.h"
#include "probe/probe.h"
#include "verdict/losses.h"

namespace disarmd {

// What doctor found out; what it could not reach stays empty.
struct Diagnosis {
    std::string kernel; // its release
    std::vector<Requirement> requirements;
    std::string backend;
    std::string backend_reason;
    bool sure = true;                        // the backend loses nothing without saying so
    std::vector<std::string> layout_missing; // what a scan needs and this kernel does not tell
    std::vector<Hook> hooks;
    std::optional<bool> survey_complete;
    LossCounts losses{};
    // Of denying unloads and draining: what has no effect here, in words. Nothing: it was not tried.
    std::optional<std::vector<std::string>> not_effective;
    std::vector<PolicyRow> policy; // what would become of an unload now
    std::string impossible;        // why disarmd can't work here; empty if it can
};

// What works, but not fully, in words; empty if everything does. Pure.
std::vector<std::string> degraded(const Diagnosis& diagnosis);

// Pure, all of them. The page ends with a newline.
ExitCode exit_code_of(const Diagnosis& diagnosis);
std::string to_page(const Diagnosis& diagnosis);
nlohmann::ordered_json to_json(const Diagnosis& diagnosis);

} // namespace disarmd
