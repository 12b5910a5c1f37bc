// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace disarmd::tests {

// Runs a program to its end; the first word is its path. Its exit status, or nothing if it could not
// be run or ended by a signal.
std::optional<int> run_process(std::vector<std::string> words);

} // namespace disarmd::tests
