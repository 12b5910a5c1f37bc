// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "preflight/finding.h"
#include "preflight/model.h"

namespace disarmd {

// What is wrong with the module's timers, the surest first. A module that has no exit can't be unloaded: of
// it only what init leaves when it fails is told. Pure.
std::vector<Finding> find_faults(const ModuleCode& code);

} // namespace disarmd
