// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/options.h"
#include "state/inventory.h"

namespace disarmd {

// What disarmd list shows, and how. All of it is pure.

// Leaves out of the inventory what the options don't ask for: other modules' timers, or all but orphans.
void keep_asked(std::vector<ModuleTimers>& inventory, const ListOptions& options);

struct ListedTimer {
    std::string module; // empty: it is gone
    InventoryTimer timer;
};

// In the inventory's order; of the next ones only as many as that, soonest first.
std::vector<ListedTimer> listed_timers(const std::vector<ModuleTimers>& inventory,
                                       const std::optional<std::size_t>& next);

// A line for each callback and kind; or for each orphan, or each of the next timers, where that is asked
// for. Rates are there where they are measured. No line is longer than the width.
std::string list_table(const std::vector<ListedTimer>& timers, const ListOptions& options,
                       const std::optional<std::size_t>& width);

// "2026-11-23T18:41:48.123Z: 23 timers armed, of 4 modules; 41.2 arms a second"
std::string headline(const std::vector<ListedTimer>& timers, std::string_view time);

// A JSON object for each timer, each on a line.
std::string list_lines(const std::vector<ListedTimer>& timers, std::string_view time);

} // namespace disarmd
