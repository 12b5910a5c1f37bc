// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "kernel/host.h"
#include "verdict/unload.h"

namespace disarmd {

// An unload, with what a reader elsewhere and later wants to know besides: what is written of a
// leak, of an unload whose verdict is not sure, and, where every unload is wanted, of a clean one.
struct Incident {
    std::string id;                           // incident_id(); empty if nothing was freed
    std::chrono::system_clock::time_point at; // of the free; if there was none, of this record
    Host host;
    Unload unload;
    // "file:line" of frames in its stacks, by their texts; of those where it was asked for, and found.
    std::map<std::string, std::string> source_lines;
};

// Twelve hexadecimal digits: the same for the same free, whoever asks.
std::string incident_id(const std::string& boot_id, std::uint64_t freed_ns);

// Two clocks at one moment.
struct ClockPair {
    std::chrono::system_clock::time_point wall;
    std::uint64_t monotonic_ns = 0;
};

// Pure.
Incident make_incident(Unload unload, Host host, const ClockPair& now);

// Of an unload on the running kernel, with the clocks of now.
Incident make_incident(Unload unload, Host host);

// One that never was, with something of everything. What is first done with it is not done for the
// first time, with code and data still to be fetched from a disk, when it matters.
Incident specimen();

// "2026-11-23T18:41:48.123Z"
std::string time_text(std::chrono::system_clock::time_point time);

} // namespace disarmd
