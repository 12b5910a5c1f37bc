// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "builders.h"
#include "metrics/snapshot.h"

namespace disarmd::test {

// Something of everything.
inline MetricsSnapshot whole_snapshot() {
    ServiceFacts service;
    for (const auto& unload : {clean_unload(), leaking_unload(), denied_unload()})
        service.unloads.count(unload);
    service.losses[abi::LOSS_TIMER_MAP] = 7;
    service.sinks = {{"ledger", 4, 0, 1, milliseconds(3), milliseconds(1500)}};
    service.backend = "tracepoint";
    service.survey_complete = true;
    service.hooks_missing = {{"detail", 2}};
    service.enforcement_configured = true;
    service.configured_at = std::chrono::system_clock::time_point(seconds(2000));
    KernelFacts kernel{
        3,
        {{{"m", {{TimerKind::timer, 5}}}, {"n", {{TimerKind::delayed_work, 1}}}}, {{TimerKind::hrtimer, 2}}},
        {{"on_timer_start", 10, milliseconds(250)}}};
    return {"1.2.3", std::chrono::system_clock::time_point(seconds(1000)), true, std::move(service),
            std::move(kernel)};
}

} // namespace disarmd::test
