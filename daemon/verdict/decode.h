// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include <disarmd/abi.h>

#include "verdict/unload.h"

namespace disarmd {

// From the fields that the kernel programs write to the types that the daemon uses.

TimerKind kind_of(std::uint8_t kind);
ArmContext context_of(std::uint8_t context);
std::vector<Owner> owners_of(std::uint8_t bits);
DeleteFound delete_found_of(std::uint8_t found);

// The letters of a module's taints, by number as in Documentation/admin-guide/tainted-kernels.rst;
// '?' for one that is newer than this.
std::string taints_text(std::uint64_t bits);

// The kernel's clocks at one moment.
struct KernelClocks {
    std::uint64_t jiffies = 0;
    std::chrono::nanoseconds tick{0}; // a jiffy; 0: not known
    std::uint64_t monotonic_ns = 0;
};

// Of an hrtimer, expires is in CLOCK_MONOTONIC nanoseconds; else in jiffies, which
// wrap, so that distances are signed (include/linux/jiffies.h, time_after()). A timer
// that is due has 0 to go. Nothing where the tick is needed and not known.
std::optional<std::chrono::nanoseconds> time_to_expiry(TimerKind kind, std::uint64_t expires,
                                                       const KernelClocks& clocks);

// 0 where the times are out of order; no longer than can be told.
std::chrono::nanoseconds time_between(std::uint64_t earlier_ns, std::uint64_t later_ns);

template <std::size_t size>
std::string text_of(const char (&field)[size]) { // NOLINT(modernize-avoid-c-arrays): a field of the ABI
    return {field, ::strnlen(field, size)};
}

} // namespace disarmd
