// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <disarmd/abi.h>

#include "verdict/unload.h"

namespace disarmd {

// What user space knows of how well the kernel programs could see.
struct Coverage {
    std::string backend;
    std::vector<std::string> unattached_hooks; // of tracking
    std::uint64_t missed_runs = 0;             // times a program was not run because it was running already
    bool missed_since_load = false;            // an event's, since the module was loaded or shortly before
    bool missed_lately = false;                // an event's, while the module was freed or shortly before
    std::chrono::nanoseconds tick{0};          // a jiffy; 0: not known
    bool has_timer_shutdown_sync = false;
};

// Turns a complete record of the kernel's into the unload that is reported. Pure.
// The rule is the kernel programs' own (abi::verdict_of()); runs that they missed,
// which they can't know of themselves, join the gaps here. symbols names addresses, with
// " [module]" behind a module's; it may lack any of them, and the freed module's are
// named by the record itself.
Unload judge(const abi::unload_record& record, const Coverage& coverage,
             const std::map<std::uint64_t, std::string>& symbols);

} // namespace disarmd
