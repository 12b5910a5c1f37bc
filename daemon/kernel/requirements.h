// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace disarmd {

// Something the machine must grant before any program can be loaded.
struct Requirement {
    std::string name;
    bool met;
    std::string detail; // what was found
    std::string remedy; // what to do; empty if met
};

// Looks at the process and the kernel; loads nothing.
std::vector<Requirement> check_requirements();

// The active mode in /sys/kernel/security/lockdown's "none [integrity] confidentiality".
std::string_view parse_lockdown(std::string_view modes);

std::string kernel_release();
std::string host_name();

} // namespace disarmd
