// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "state/inventory.h"
#include "verdict/unload.h"

namespace disarmd {

// The unload as a person reads it: the verdict in the first line, then each timer.
// Names are escaped (printable()). Ends with a newline. Pure.
std::string to_page(const Unload& unload);

// The unload in one line without a newline, of at most this many bytes: for logs.
inline constexpr std::size_t summary_limit = 900;
std::string to_summary(const Unload& unload);

// The armed timers as a table; only the orphans, with what is known of no other timer.
// Both end with a newline. Pure.
std::string to_table(const std::vector<ModuleTimers>& inventory);
std::string to_orphan_table(const std::vector<InventoryTimer>& orphans);

} // namespace disarmd
