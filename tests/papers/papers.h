// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

namespace disarmd::tests {

using Names = std::set<std::string>;

// A file of the source tree; fails the current test if it can't be read.
std::string source(const std::string& path);

std::vector<std::string> lines_of(const std::string& text);

// All that the first group of the expression matches, anywhere.
Names matches(const std::string& text, const std::string& expression);

// A page's sections, by what stands behind their '#'; those of the second level by both: "COMMANDS/disarmd
// run".
std::map<std::string, std::string> sections_of(const std::string& page);

// What a section says of each "*name*" that begins a line; one line may begin with several.
std::map<std::string, std::string> entries_of(const std::string& section);

// What --help tells of the command, or, if it is empty, of disarmd.
std::string help_of(const std::string& command);

Names commands();

// "--json" and so on; but for --help, which all have.
Names options_of(const std::string& command);

} // namespace disarmd::tests
