// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <disarmd/abi.h>

namespace disarmd {

// The kernel programs' counted failures, by enum loss.
using LossCounts = std::array<std::uint64_t, abi::LOSS_MAX>;

// A word for programs ("timer_map"), and a phrase: what of it can't be known.
std::string_view name_of_loss(std::size_t loss);
std::string_view describe_loss(std::size_t loss);

// What was lost between two readings: "3 x an arm could not be stored: ..." for each
// reason that grew. Pure.
std::vector<std::string> describe_losses(const LossCounts& before, const LossCounts& now);

} // namespace disarmd
