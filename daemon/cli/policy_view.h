// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "base/result.h"
#include "config/config.h"
#include "state/inventory.h"

namespace disarmd {

// What would become of a module's unload, were it tried now.
struct PolicyRow {
    std::string module;
    bool denied = false;
    std::string why; // the rule, and what it found
};

// Of the loaded modules that a rule takes, by name.
std::vector<PolicyRow> policy_rows(const Config& config, const std::vector<LoadedModule>& modules,
                                   const std::vector<ArmedTimer>& timers,
                                   const std::vector<std::uint64_t>& percpu_areas);

// Empty if there are none.
std::string to_table(const std::vector<PolicyRow>& rows);
nlohmann::ordered_json to_json(const std::vector<PolicyRow>& rows);

} // namespace disarmd
