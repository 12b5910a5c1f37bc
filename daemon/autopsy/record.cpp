// SPDX-License-Identifier: Apache-2.0
#include "autopsy/record.h"

#include "incident/text.h"

namespace disarmd {

RecordedFree recorded_of(const Incident& incident) {
    const auto& unload = incident.unload;
    RecordedFree free;
    free.incident = incident.id;
    free.module = unload.module;
    free.leak = unload.verdict == Verdict::leak;
    free.drained = unload.policy.drain && unload.policy.drain_left == 0;
    free.panics = unload.policy.action == Action::panic;
    free.freed_at_s = std::chrono::duration<double>(incident.at.time_since_epoch()).count();
    free.causes = causes_text(unload);
    free.when = time_text(incident.at);
    free.ranges = unload.identity.ranges;
    if (unload.identity.init_section)
        free.ranges.push_back(*unload.identity.init_section);
    for (const auto& timer : unload.pending)
        free.timers.push_back({0, std::string(name_of(timer.kind)), timer.symbol, timer.timer, timer.callback,
                               std::nullopt, cause_text(timer),
                               timer.armed ? armed_by_text(*timer.armed) : ""});
    return free;
}

} // namespace disarmd
