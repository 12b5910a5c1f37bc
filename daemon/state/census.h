// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "state/inventory.h"
#include "verdict/unload.h"

namespace disarmd {

inline constexpr std::array timer_kinds{TimerKind::timer, TimerKind::hrtimer, TimerKind::delayed_work,
                                        TimerKind::kthread_delayed_work, TimerKind::alarm};

using KindCounts = std::map<TimerKind, std::uint64_t>;

// How many timers are armed; modules by name, those without any left out.
struct TimerCensus {
    std::map<std::string, KindCounts> modules;
    KindCounts orphans;
};

// By the rule of take_inventory(), but without describing each timer: fast where there are many. Pure.
TimerCensus count_timers(const std::vector<LoadedModule>& modules, const std::vector<ArmedTimer>& timers,
                         std::uint64_t began_ns = nothing_since);

} // namespace disarmd
