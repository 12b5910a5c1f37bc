// SPDX-License-Identifier: Apache-2.0
#include "state/census.h"

#include <algorithm>
#include <set>

namespace disarmd {

namespace {

// The memory of all modules, to be searched by address: as two modules never lie at the same place, no more
// than one holds it.
class Places {
public:
    explicit Places(const std::vector<LoadedModule>& modules) {
        for (const auto& module : modules) {
            for (const auto& range : module.instance.memory.ranges) {
                if (range.size != 0)
                    places_.push_back({range.start, range.size, &module});
            }
        }
        std::ranges::sort(places_, {}, &Place::start);
    }

    [[nodiscard]] const LoadedModule* find(std::uint64_t address) const {
        const auto behind = std::ranges::upper_bound(places_, address, {}, &Place::start);
        if (behind == places_.begin())
            return nullptr;
        const auto& place = *std::prev(behind);
        return address - place.start < place.size ? place.module : nullptr;
    }

private:
    struct Place {
        std::uint64_t start;
        std::uint64_t size; // bytes
        const LoadedModule* module;
    };
    std::vector<Place> places_;
};

} // namespace

TimerCensus count_timers(const std::vector<LoadedModule>& modules, const std::vector<ArmedTimer>& timers,
                         std::uint64_t began_ns) {
    const Places places(modules);
    TimerCensus census;
    for (const auto& timer : timers) {
        const auto kind = kind_of(timer.state.kind);
        bool owned = false;
        for (const auto* const module :
             std::set{places.find(timer.state.callback), places.find(timer.timer)}) {
            if (module == nullptr || owners_from(module->instance, timer).empty())
                continue;
            owned = true;
            ++census.modules[text_of(module->instance.name)][kind];
        }
        if (is_orphan(timer, owned, began_ns))
            ++census.orphans[kind];
    }
    return census;
}

} // namespace disarmd
