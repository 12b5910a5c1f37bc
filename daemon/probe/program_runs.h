// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace disarmd {

// How often a kernel program ran and for how long in all, as the kernel counts it: while
// kernel.bpf_stats_enabled is 1, and otherwise not.
struct ProgramRuns {
    std::string program;
    std::uint64_t runs = 0;
    std::chrono::nanoseconds time{0};
};

} // namespace disarmd
