// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "verdict/unload.h"

namespace disarmd {

// Something that happened, or will, around a module's end.
struct Event {
    std::chrono::nanoseconds at{}; // after the free; negative: before it
    std::string what;
};

// What is known of it, in its order, with the first of the timers alone. Pure.
std::vector<Event> timeline_of(const Unload& unload, std::size_t timers_max);

} // namespace disarmd
