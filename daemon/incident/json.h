// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "incident/incident.h"
#include "state/inventory.h"

namespace disarmd {

// The version in every document; it changes when a field changes its meaning or goes.
inline constexpr int json_schema = 1;

// The record of an unload: what --watch-unload --json prints, what the ledger keeps and hooks are
// given. Pure.
nlohmann::ordered_json to_json(const Incident& incident);

// What list --json prints. Pure.
nlohmann::ordered_json to_json(const std::vector<ModuleTimers>& inventory);

// What list --orphans --json prints. Pure.
nlohmann::ordered_json orphans_to_json(const std::vector<InventoryTimer>& orphans);

// One of its timers, seen at that time, for list --ndjson. Pure.
nlohmann::ordered_json to_json(std::string_view time, const std::string& module, const InventoryTimer& timer);

// On one line, in printable ASCII: the rest is escaped, and bytes of the kernel's that are no UTF-8
// become U+FFFD.
std::string to_line(const nlohmann::ordered_json& json);

} // namespace disarmd
