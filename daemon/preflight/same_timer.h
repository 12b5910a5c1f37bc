// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "preflight/model.h"

namespace disarmd {

// Whether two places can be, or cannot but be meant to be, the same timer's. Pure.
enum class Same { no, maybe, yes };
Same same_timer(const Place& a, const Place& b);

// Whether what is done there is done to that timer. Only a callback is given a timer whose address does
// not escape. Pure.
Same concerns(const ModuleCode& code, const Site& site, const OwnTimer& timer);

// It is done to a timer of the module's own, as far as the code tells: not to one that other modules or the
// kernel set up.
bool is_own(const ModuleCode& code, const Site& site);

} // namespace disarmd
