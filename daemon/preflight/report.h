// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "incident/text.h"
#include "preflight/preflight.h"

namespace disarmd {

// One file's page, for people: 80 columns, but for names that are longer. Pure.
std::string to_page(const PreflightReport& report, Colour colour);

// One of several files: a line, and one more for each finding. Pure.
std::string to_lines(const PreflightReport& report);

// "12 modules: 1 fails, 2 have weaker findings". Pure.
struct PreflightCounts {
    std::size_t modules = 0;
    std::size_t failing = 0;
    std::size_t weaker = 0; // have findings, but none that fails them
    std::size_t unreadable = 0;
};
std::string summary_line(const PreflightCounts& counts);

// What preflight --json prints for a file. Pure.
nlohmann::ordered_json to_json(const PreflightReport& report);

} // namespace disarmd
