// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "verdict/unload.h"

namespace disarmd {

// What became of the modules whose end was told since the process began. One thread.
class UnloadCounters {
public:
    void count(const Unload& unload);

    // Of modules that were freed, those whose init had failed among them.
    std::map<Verdict, std::uint64_t> verdicts;
    // The cause, by name_of(Cause), or several_causes where its timers differ; and whether the free was held
    // until nothing was pending.
    using LeakKind = std::pair<std::string, bool>;
    std::map<LeakKind, std::uint64_t> leaks;
    std::uint64_t timers_left = 0; // all of them
    std::uint64_t denied = 0;
    std::uint64_t drains = 0;
    std::chrono::nanoseconds drained{0}; // how long frees were held so that timers fire
    std::uint64_t left_by_drains = 0;    // timers that had not by then
    std::uint64_t bypassed = 0;          // unloads that a rule would have denied, had it been asked
};

inline constexpr const char* several_causes = "several";

} // namespace disarmd
