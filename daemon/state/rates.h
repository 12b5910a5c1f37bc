// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <vector>

#include "state/inventory.h"

namespace disarmd {

// Sets arms_per_s of the timers of a later look, from their counts in an earlier one of the same
// programs. Both have all that were tracked, armed or not. Pure.
void measure_rates(const std::vector<ArmedTimer>& before, std::vector<ArmedTimer>& now,
                   std::chrono::nanoseconds elapsed);

} // namespace disarmd
