// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <disarmd/abi.h>

#include "kernel/symbol_table.h"
#include "verdict/losses.h"
#include "verdict/unload.h"

namespace disarmd {

// What user space knows of how well the kernel programs could see.
struct Coverage {
    std::string backend;
    std::vector<std::string> unattached_hooks; // of tracking
    LossCounts losses{};
    std::uint64_t missed_runs = 0;    // times a program was not run because it was running already
    bool missed_since_load = false;   // an event's, since the module was loaded or shortly before
    bool missed_lately = false;       // an event's, while the module was freed or shortly before
    std::chrono::nanoseconds tick{0}; // a jiffy; 0: not known
    bool has_timer_shutdown_sync = false;
    std::set<std::string> deleting_functions; // that a module may call
    struct Rule {
        std::string text;    // in words
        bool denies = false; // whatever the module is like
    };
    std::optional<Rule> rule;                 // that the record names, if it can be told
    std::uint64_t modules_floor = UINT64_MAX; // the core kernel's code lies below it
};

// How code is called. Where the freed module's init section was, something else may lie as soon as its
// init has returned.
struct CodeNames {
    SymbolLookup during_init;
    SymbolLookup afterwards;
};

// Turns a complete record of the kernel's into the unload that is reported. Pure.
// The rule is the kernel programs' own (abi::verdict_of()); runs that they missed,
// which they can't know of themselves, join the gaps here. The freed module's own code is to be
// named by its own table, whatever else is at those addresses by now.
Unload judge(const abi::unload_record& record, const Coverage& coverage, const CodeNames& names);
// With names that make no difference between the two.
Unload judge(const abi::unload_record& record, const Coverage& coverage, const SymbolLookup& names);

// Whether the address is in the code or data of the module that was freed, as it was.
bool is_in_module(const abi::unload_record& record, std::uint64_t address);
// Whether it is in the code of the module's init section, which may have been given back long ago.
bool is_in_init(const abi::unload_record& record, std::uint64_t address);

} // namespace disarmd
