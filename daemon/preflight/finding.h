// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "verdict/unload.h"

namespace disarmd {

enum class FindingRule {
    never_deleted, // a timer is armed, and nothing in the module deletes it
    not_reached,   // something does, but the module's exit can't get there
    race,          // its callback arms it again, and whoever deletes it does not wait for that
    init_fails,    // init arms it, then fails, and does not delete it
};

// How sure a finding is. What is certain or likely fails a module.
enum class Certainty {
    certain,  // the code has no other reading
    likely,   // unless somebody outside the module deletes the timer
    race,     // as the others, but it takes an unlucky moment
    possible, // it may be that the code sees to it in a way that can't be followed
};

std::string_view name_of(FindingRule rule);
std::string_view name_of(Certainty certainty);

struct Finding {
    FindingRule rule = FindingRule::never_deleted;
    Certainty certainty = Certainty::possible;
    TimerKind kind = TimerKind::timer;
    std::string timer;    // the variable's name; empty: it lies in something allocated
    std::string callback; // or work function; empty: not known, or not the module's
    std::string function; // where it is armed; of a race: deleted
    std::string api;      // by which call
    std::string section;  // where that call is
    std::uint64_t offset = 0;
    std::string text; // what is wrong, in a sentence or two

    bool operator==(const Finding&) const = default;
};

constexpr bool is_grave(Certainty certainty) {
    return certainty == Certainty::certain || certainty == Certainty::likely;
}

} // namespace disarmd
