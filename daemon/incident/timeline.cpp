// SPDX-License-Identifier: Apache-2.0
#include "incident/timeline.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/text.h"

namespace disarmd {

std::vector<Event> timeline_of(const Unload& unload, std::size_t timers_max) {
    std::vector<Event> events;
    const auto add = [&](std::chrono::nanoseconds at, std::string what) {
        events.push_back({at, std::move(what)});
    };
    if (unload.identity.loaded_age)
        add(-*unload.identity.loaded_age, "the module is loaded");
    if (unload.duration)
        add(-*unload.duration,
            unload.outcome == Outcome::init_failed ? "its init begins" : "the unload begins");
    const auto told = std::min(timers_max, unload.pending.size());
    const auto of_module = fmt::format(" [{}]", unload.module);
    const auto name_of_timer = [&](std::size_t i) {
        std::string_view symbol = unload.pending[i].symbol;
        if (symbol.ends_with(of_module))
            symbol.remove_suffix(of_module.size());
        return fmt::format("#{} {}", i + 1, printable(symbol));
    };
    for (std::size_t i = 0; i < told; ++i) {
        const auto& timer = unload.pending[i];
        if (timer.deleted)
            add(-timer.deleted->age, fmt::format("{} is deleted", name_of_timer(i)));
        if (timer.armed)
            add(-timer.armed->age, fmt::format("{} is armed", name_of_timer(i)));
    }
    add({}, "the module is freed");
    for (std::size_t i = 0; i < told; ++i) {
        if (const auto& fires = unload.pending[i].expires_in)
            add(*fires, fmt::format("{} fires, in freed memory", name_of_timer(i)));
    }
    std::ranges::stable_sort(events, {}, &Event::at);
    return events;
}

} // namespace disarmd
