// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "incident/incident.h"

namespace disarmd {

// Why a watch ended without having seen all that it was to see.
struct CutShort {
    bool timed_out = false;
    std::string why;
};

// A watch of the module as the kernel's own tests tell their results (Documentation/dev-tools/ktap.rst,
// version 1). One result for each unload, in their order: "ok" if it is clean and "not ok" for whatever is
// not; in front of each the page of it, as diagnostics. One more, "not ok", if the watch was cut short; it is
// the only one if there was no unload. Nothing in them is a SKIP. Ends with a newline. Pure.
std::string to_ktap(std::string_view module, const std::vector<Incident>& unloads,
                    const std::optional<CutShort>& cut_short);

// That nothing can be judged here, and why: a plan of no tests, which is skipped.
std::string to_ktap_skip(std::string_view why);

} // namespace disarmd
