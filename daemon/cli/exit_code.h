// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "verdict/unload.h"

namespace disarmd {

// The same for every command that judges; scripts rely on them. Nothing skipped or
// unknown is ever 0.
enum class ExitCode : int {
    clean = 0,        // nothing found
    found = 1,        // a leak
    usage = 2,        // command line or configuration
    inconclusive = 3, // no verdict that can be relied on
    impossible = 4,   // not on this machine; the kernel self-tests' skip code
    timed_out = 124,
};

constexpr ExitCode exit_code_of(Verdict verdict) {
    switch (verdict) {
    case Verdict::clean:
        return ExitCode::clean;
    case Verdict::leak:
        return ExitCode::found;
    case Verdict::inconclusive:
        break;
    }
    return ExitCode::inconclusive;
}

} // namespace disarmd
