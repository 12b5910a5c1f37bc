// SPDX-License-Identifier: Apache-2.0
#include "metrics/counters.h"

#include <algorithm>

namespace disarmd {

void UnloadCounters::count(const Unload& unload) {
    if (unload.outcome == Outcome::denied) {
        ++denied;
        return;
    }
    if (unload.outcome == Outcome::not_unloaded)
        return;
    ++verdicts[unload.verdict];
    bypassed += unload.policy.bypassed ? 1 : 0;
    if (unload.policy.drain) {
        ++drains;
        drained += *unload.policy.drain;
        left_by_drains += unload.policy.drain_left;
    }
    if (unload.verdict != Verdict::leak)
        return;
    timers_left += unload.pending_count;
    const auto first = unload.pending.empty() ? Cause::unknown : unload.pending.front().cause;
    const bool alike =
        std::ranges::all_of(unload.pending, [&](const PendingTimer& timer) { return timer.cause == first; });
    const bool drained_it = unload.policy.drain && unload.policy.drain_left == 0;
    ++leaks[{alike ? std::string(name_of(first)) : several_causes, drained_it}];
}

} // namespace disarmd
