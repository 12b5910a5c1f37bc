// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "preflight/apis.h"
#include "preflight/finding.h"

namespace disarmd {

// Whether the module's exit gets to a call: by calling its way there, or through a pointer that somebody may
// call.
enum class Reach { no, perhaps, yes };

std::string_view name_of(Reach reach);

// A function of the timer API that the module calls.
struct ApiUse {
    std::string_view api;
    TimerKind kind = TimerKind::timer;
    Effect effect = Effect::arms;
    std::size_t calls = 0;
    std::vector<std::string> functions; // that call it
    Reach exit = Reach::no;             // of what deletes
    Reach init = Reach::no;             // init gets there
};

// A timer of the module's own.
struct TimerUse {
    TimerKind kind = TimerKind::timer;
    std::string variable; // empty: it lies in something allocated
    std::string callback; // or work function; empty: not known, or not the module's
};

// What a module's code says. Strings are printable.
struct PreflightReport {
    std::string file;
    std::string module;
    std::string srcversion; // empty: it has none
    std::string kernel;     // the release that it was built for
    bool can_be_unloaded = false;
    std::vector<TimerUse> timers;
    std::vector<ApiUse> uses;
    std::vector<Finding> findings; // the surest first
};

// Reads a module's file (x86-64; .ko, or as module_file.h says compressed), which nobody needs to trust: at
// most 256 MiB and 24 MiB of code are looked at, in half a minute and two GiB at worst (a real module
// takes milliseconds, the largest one two seconds). Needs no privilege and does not throw. An error's text
// says which file and why: it can't be opened (ENOENT, EACCES ...), is no file (EINVAL), no x86-64 module
// (ENOEXEC), too large (EFBIG). May be called by several threads at once.
Result<PreflightReport> preflight(const std::string& file);

// It has a finding that is certain or likely.
bool fails(const PreflightReport& report);

} // namespace disarmd
