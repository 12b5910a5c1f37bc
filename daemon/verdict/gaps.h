// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <disarmd/abi.h>

namespace disarmd {

// What each of the gaps (bits of enum verdict_gap) means, a phrase for each: "scan: ..."
// or "tracking: ..." where it is of one source. Pure.
std::vector<std::string> describe_gaps(std::uint32_t gaps);

// Those of the gaps that keep a verdict from being clean, by the rule of
// abi::verdict_of(): a gap of one source does only where the other has one too. Pure.
std::uint32_t spoiling_gaps(std::uint32_t gaps);

} // namespace disarmd
