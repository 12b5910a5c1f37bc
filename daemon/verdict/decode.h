// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include <disarmd/abi.h>

#include "verdict/unload.h"

namespace disarmd {

// From the fields that the kernel programs write to the types that the daemon uses.

TimerKind kind_of(std::uint8_t kind);
ArmContext context_of(std::uint8_t context);
std::vector<Owner> owners_of(std::uint8_t bits);

// Jiffies wrap, so distances are signed (include/linux/jiffies.h, time_after()). A
// timer that is due has 0 to go.
std::chrono::nanoseconds time_to_expiry(std::uint64_t expires, std::uint64_t jiffies,
                                        std::chrono::nanoseconds tick);

template <std::size_t size>
std::string text_of(const char (&field)[size]) { // NOLINT(modernize-avoid-c-arrays): a field of the ABI
    return {field, ::strnlen(field, size)};
}

} // namespace disarmd
