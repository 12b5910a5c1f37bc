// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "metrics/counters.h"
#include "probe/program_runs.h"
#include "sinks/dispatcher.h"
#include "state/census.h"
#include "verdict/losses.h"

namespace disarmd {

// What only the event loop's thread knows.
struct ServiceFacts {
    UnloadCounters unloads;
    LossCounts losses{};
    std::vector<SinkHealth> sinks;
    std::string backend;
    bool survey_complete = false;
    std::map<std::string, std::uint64_t> hooks_missing; // by what is lost without them, name_of(HookRole)
    bool enforcement_configured = false;                // some rule denies, drains or panics
    bool enforcement_effective = false;                 // and all of that is in place
    bool last_reload_successful = true;
    std::chrono::system_clock::time_point configured_at; // the configuration that is in force was read
};

// What any thread may ask the kernel for.
struct KernelFacts {
    std::uint64_t modules = 0; // that are loaded
    TimerCensus timers;
    std::vector<ProgramRuns> programs;
};

// What one scrape shows.
struct MetricsSnapshot {
    std::string version;
    std::chrono::system_clock::time_point started_at;
    bool fresh = false;                  // all of it is of the time of the scrape, or a second older
    std::optional<ServiceFacts> service; // nothing: never known yet
    std::optional<KernelFacts> kernel;   // nothing: never known yet
};

} // namespace disarmd
