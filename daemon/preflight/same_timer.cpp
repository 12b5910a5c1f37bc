// SPDX-License-Identifier: Apache-2.0
#include "preflight/same_timer.h"

#include <algorithm>

namespace disarmd {

Same same_timer(const Place& a, const Place& b) {
    using enum Place::Type;
    if (a.type == unknown || b.type == unknown)
        return Same::maybe;
    if (a.type == fixed && b.type == fixed)
        return a.section == b.section && a.offset == b.offset ? Same::yes : Same::no;
    if (a.type == behind && b.type == behind && a.section == b.section && a.variable == b.variable)
        return a.offset == b.offset ? Same::yes : Same::no;
    if (a.type == fixed || b.type == fixed)
        return Same::maybe;
    // Pointers may point to different parts of an object; at the same distance it is the same part.
    return a.offset == b.offset ? Same::yes : Same::maybe;
}

Same concerns(const ModuleCode&, const Site& site, const OwnTimer& timer) {
    if (site.kind != timer.kind)
        return Same::no;
    if (site.function == timer.callback && site.timer.type == Place::Type::field && site.timer.given)
        return site.timer.offset == 0 ? Same::yes : Same::maybe;
    const auto same = same_timer(site.timer, timer.place);
    const bool hidden = timer.place.type == Place::Type::fixed && !timer.escapes;
    if (hidden && same == Same::maybe && site.timer.type != Place::Type::unknown && !site.timer.given)
        return Same::no;
    return same;
}

bool is_own(const ModuleCode& code, const Site& site) {
    return std::ranges::any_of(code.timers, [&](const OwnTimer& timer) {
        return timer.kind == site.kind &&
               (site.timer.type == Place::Type::fixed
                    ? timer.place == site.timer
                    : timer.callback != no_function && concerns(code, site, timer) != Same::no);
    });
}

} // namespace disarmd
