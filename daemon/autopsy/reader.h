// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string_view>

#include "autopsy/crash.h"

namespace disarmd {

// Of text that says more than that, what comes first is kept; faults before other reports.
inline constexpr std::size_t reports_max = 64;
inline constexpr std::size_t exceptions_max = 64; // of a report
inline constexpr std::size_t frames_max = 512;
inline constexpr std::size_t modules_max = 4096;
inline constexpr std::size_t told_max = 1024;

// Reads what kernels from 2.6 on print when they crash (x86-64, arm64), or the crash utility of them, out of
// whatever else is around it. Any bytes have an answer; it takes time and memory by their length. Pure.
CrashText read_crash(std::string_view bytes);

} // namespace disarmd
