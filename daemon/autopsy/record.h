// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "incident/incident.h"

namespace disarmd {

// A timer that was pending as its module was freed, in the words of who recorded it. Strings hold what was
// read, unescaped.
struct RecordedTimer {
    std::size_t line = 0; // of the crash's text; 0: it is not from there
    std::string kind;
    std::string callback; // its name, with its module
    std::uint64_t timer = 0;
    std::uint64_t callback_address = 0; // 0: not told
    std::optional<double> fires_in_s;   // after the free, or rather after it was told of
    std::string cause;
    std::string armed_by; // "insmod (pid 12) from task context"; empty: not told
};

// The end of a module, as disarmd recorded it: in the very log that tells of the crash, or in a ledger.
struct RecordedFree {
    std::size_t line = 0;         // of the crash's text; 0: it is from a ledger
    std::size_t boot = 0;         // of that text, as a report's
    std::optional<double> time_s; // of that text: when printk stamped it
    std::string incident;
    std::string module;
    bool leak = false;                // of it, timers were pending: those, or more
    bool drained = false;             // and fired before its memory went
    bool panics = false;              // and the host was made to crash for it, as a rule says
    std::optional<double> freed_at_s; // since 1970
    std::string causes;
    std::string when;                // for people: a ledger's time
    std::vector<MemoryRange> ranges; // where it had been; empty: not told
    std::vector<RecordedTimer> timers;
};

// Of an incident's record. Pure.
RecordedFree recorded_of(const Incident& incident);

} // namespace disarmd
