// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "preflight/apis.h"

namespace disarmd {

// What a module's code says, as far as its timers go. Functions are told by their index.
using FunctionIndex = int;
inline constexpr FunctionIndex no_function = -1;

// Which timer it is, as far as the code tells: to be compared, and no more.
struct Place {
    enum class Type {
        unknown,
        fixed,  // a variable of the module's: section and offset
        behind, // at that offset from what the pointer in a variable of the module's points to
        field,  // at that offset from some pointer
    };

    Type type = Type::unknown;
    int section = -1;          // fixed: of the timer; behind: of the pointer
    std::int64_t variable = 0; // behind: where the pointer lies in the section
    std::int64_t offset = 0;
    bool given =
        false; // field: from the function's first argument, which of a callback is the timer, or the work

    bool operator==(const Place&) const = default;
};

struct Function {
    std::string name;
    std::string section;
    std::uint64_t offset = 0;           // in the section
    bool init = false;                  // its memory is given back after the load
    bool exported = false;              // other modules call it
    bool address_taken = false;         // it may be called through a pointer, by anyone
    bool calls_pointers = false;        // it may call any of those
    std::vector<FunctionIndex> callees; // those of the module that it calls, or goes on in
    std::vector<std::string> externals; // those of others, the timer API included
};

// A call of the timer API.
struct Site {
    const Api* api = nullptr;
    TimerKind kind = TimerKind::timer; // a timer in a work is the work's
    FunctionIndex function = no_function;
    std::uint64_t offset = 0; // of the instruction, in the function's section
    Place timer;              // of a work: where the work begins
    FunctionIndex callback =
        no_function;      // what sets up: the callback or work function, if it is the module's
    bool at_once = false; // arms: with a delay of 0, which queues the work
};

// A timer that the module has made its own: it set it up, or it is one of its variables.
struct OwnTimer {
    TimerKind kind = TimerKind::timer;
    Place place;
    FunctionIndex callback = no_function;
    std::string variable; // fixed: the name of what it lies in
    bool escapes = false; // fixed: its address is given away, so that others may delete it
};

// A path through a function of the init section, or init itself, on which a timer has been armed and
// the function fails without having deleted it.
struct FailingPath {
    std::size_t site = 0;  // that arms: index into sites
    std::uint64_t end = 0; // where the function is left: offset in its section
    std::string failed;    // the call whose failure leads there; empty: not known
};

struct ModuleCode {
    std::string name;
    std::string srcversion; // empty: it has none
    std::string kernel;     // the release that it was built for
    std::vector<Function> functions;
    FunctionIndex init = no_function;
    FunctionIndex exit = no_function;
    std::vector<Site> sites;
    std::vector<OwnTimer> timers;
    std::vector<FailingPath> failing_paths;
    // Sites in exit that delete and do not wait, on a path on which nothing is waited for before, nor deletes
    // and waits after.
    std::vector<std::size_t> last_deletes;
    // Functions that were too large to be followed: where a timer is known from may be missed.
    std::size_t not_followed = 0;
};

} // namespace disarmd
