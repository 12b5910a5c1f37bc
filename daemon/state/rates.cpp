// SPDX-License-Identifier: Apache-2.0
#include "state/rates.h"

#include <unordered_map>

namespace disarmd {

void measure_rates(const std::vector<ArmedTimer>& before, std::vector<ArmedTimer>& now,
                   std::chrono::nanoseconds elapsed) {
    std::unordered_map<std::uint64_t, const abi::tracked_timer*> earlier;
    for (const auto& timer : before)
        earlier[timer.timer] = &timer.state;
    const double seconds = std::chrono::duration<double>(elapsed).count();
    for (auto& [address, state, arms_per_s] : now) {
        const auto was = earlier.find(address);
        // One that was forgotten meanwhile, or has another callback since, counts from its new begin.
        const bool goes_on = was != earlier.end() && was->second->callback == state.callback &&
                             was->second->arms <= state.arms;
        const auto arms = state.arms - (goes_on ? was->second->arms : 0);
        if (seconds > 0)
            arms_per_s = static_cast<double>(arms) / seconds;
    }
}

} // namespace disarmd
