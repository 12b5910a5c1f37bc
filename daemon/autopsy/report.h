// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include "autopsy/diagnosis.h"
#include "incident/text.h"

namespace disarmd {

// The lines of a text that a diagnosis quotes, by their numbers, as LineReader has them. Pure.
std::map<std::size_t, std::string> quoted_lines(std::string_view bytes, const CrashDiagnosis& diagnosis);

// One screen for people, 80 columns but for what is quoted. Pure.
std::string to_page(const CrashText& crash, const CrashDiagnosis& diagnosis,
                    const std::map<std::size_t, std::string>& lines, Colour colour);

// What autopsy --json prints for a file. Pure.
nlohmann::ordered_json to_json(std::string_view file, const CrashText& crash, const CrashDiagnosis& diagnosis,
                               const std::map<std::size_t, std::string>& lines);

// Of several files, one's cells below autopsy_columns. Pure.
std::vector<std::string> to_row(std::string_view file, const CrashText& crash,
                                const CrashDiagnosis& diagnosis);
std::vector<std::string> autopsy_columns();

} // namespace disarmd
