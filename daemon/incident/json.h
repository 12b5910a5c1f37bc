// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "state/inventory.h"
#include "verdict/unload.h"

namespace disarmd {

// The version in every document; it changes when a field changes its meaning or goes.
inline constexpr int json_schema = 1;

// What --watch-unload --json prints. Pure.
nlohmann::ordered_json to_json(const Unload& unload);

// What list --json prints. Pure.
nlohmann::ordered_json to_json(const std::vector<ModuleTimers>& inventory);

// What list --orphans --json prints. Pure.
nlohmann::ordered_json orphans_to_json(const std::vector<InventoryTimer>& orphans);

// On one line, always valid UTF-8: bytes of the kernel's that are none become U+FFFD.
std::string to_line(const nlohmann::ordered_json& json);

} // namespace disarmd
