// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>

#include "verdict/unload.h"

namespace disarmd {

// What a cause is decided by. Times are CLOCK_MONOTONIC nanoseconds.
struct CauseEvidence {
    bool callback_running = false; // and not armed
    bool init_failed = false;
    std::optional<std::uint64_t> begun_ns; // the unload, or the init that failed; nothing: not seen
    bool deletes_whole = false;            // no delete since then was missed
    std::optional<std::uint64_t> armed_ns; // nothing: before anyone watched
    ArmContext armed_context = ArmContext::unknown;
    bool armed_by_unloader = false; // in the task that unloads
    std::optional<std::uint64_t> deleted_ns;
    bool delete_gave_up = false; // it does not wait, found the callback being executed, and did nothing
};

struct CauseFound {
    Cause cause = Cause::unknown;
    Rearmer rearmer = Rearmer::unknown; // of rearmed_after_delete
};

// Why a timer was left. Only a delete that belongs to the unload, or to the failing init, counts:
// one from before was the module's ordinary business. Pure.
CauseFound find_cause(const CauseEvidence& evidence);

} // namespace disarmd
