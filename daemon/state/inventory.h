// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <disarmd/abi.h>

#include "verdict/decode.h"
#include "verdict/unload.h"

namespace disarmd {

struct LoadedModule {
    std::uint64_t address; // of its struct module
    abi::module_instance instance;
};

struct ArmedTimer {
    std::uint64_t timer;
    abi::tracked_timer state;
    std::optional<double> arms_per_s = std::nullopt; // nothing: not measured; see rates.h
};

struct InventoryTimer {
    TimerKind kind;
    std::uint64_t timer;
    std::uint64_t callback;
    std::string symbol;
    std::vector<Owner> owned_by;
    std::optional<std::chrono::nanoseconds> expires_in;
    // Since its module was freed; nothing where that was not seen, or it is loaded.
    std::optional<std::chrono::nanoseconds> left_ago = std::nullopt;
    bool armed = true;
    std::optional<double> arms_per_s = std::nullopt; // nothing: not measured
};

struct ModuleTimers {
    std::string module;                 // empty: the orphans, whose module is gone
    std::vector<InventoryTimer> timers; // soonest first
};

// Before modules and timers are read, on CLOCK_MONOTONIC: what was armed since may be of a module that is not
// among them. Here nothing was.
inline constexpr std::uint64_t nothing_since = std::numeric_limits<std::uint64_t>::max();

// What the module owns of the timer: an owner that is gone owns nothing any more, nor does a module own
// what was armed before it was loaded at the same address. Pure.
std::vector<Owner> owners_from(const abi::module_instance& module, const ArmedTimer& timer);

// Whether a timer's module is gone, or one of them; owned: whether any of those that were read owns it. Pure.
bool is_orphan(const ArmedTimer& timer, bool owned, std::uint64_t began_ns);

// Sorts timers by the module that owns them; by name, orphans last, modules
// without any left out. One that is not armed is no orphan. A timer whose callback and object belong to
// different modules appears under both, and if one of the two is gone, with the orphans too. Whether a timer
// is in a module's per-CPU data can't be told here. Pure.
std::vector<ModuleTimers> take_inventory(const std::vector<LoadedModule>& modules,
                                         const std::vector<ArmedTimer>& timers,
                                         const std::map<std::uint64_t, std::string>& symbols,
                                         const KernelClocks& clocks, std::uint64_t began_ns = nothing_since);

} // namespace disarmd
