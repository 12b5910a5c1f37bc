// SPDX-License-Identifier: Apache-2.0
#include "state/inventory.h"

#include <algorithm>

#include "base/text.h"
#include "verdict/decode.h"

namespace disarmd {

namespace {

bool holds(const abi::module_instance& module, std::uint64_t address) {
    return std::ranges::any_of(
        module.ranges, [&](const abi::memory_range& range) { return address - range.start < range.size; });
}

// Left by a module that was at the same address before; the rule is bpf/scan.h's, is_orphan().
bool is_orphan(const abi::module_instance& module, const abi::tracked_timer& timer) {
    return timer.reported != 0 || (timer.armed_ns == 0 && module.loaded_ns != 0);
}

std::vector<Owner> owners_from(const abi::module_instance& module, const ArmedTimer& timer) {
    if (is_orphan(module, timer.state))
        return {};
    unsigned bits = 0;
    if (holds(module, timer.state.callback))
        bits |=
            timer.state.kind == abi::TIMER_KIND_DELAYED_WORK ? abi::OWNED_BY_WORK : abi::OWNED_BY_CALLBACK;
    if (holds(module, timer.timer))
        bits |= abi::OWNED_BY_OBJECT;
    return owners_of(static_cast<std::uint8_t>(bits));
}

InventoryTimer describe(const ArmedTimer& timer, std::vector<Owner> owners,
                        const std::map<std::uint64_t, std::string>& symbols, const WheelClock& clock) {
    const auto symbol = symbols.find(timer.state.callback);
    InventoryTimer out{kind_of(timer.state.kind),
                       timer.timer,
                       timer.state.callback,
                       symbol != symbols.end() ? symbol->second : address_text(timer.state.callback),
                       std::move(owners),
                       std::nullopt};
    if (clock.tick.count() > 0)
        out.expires_in = time_to_expiry(timer.state.expires, clock.jiffies, clock.tick);
    return out;
}

} // namespace

std::vector<ModuleTimers> take_inventory(const std::vector<LoadedModule>& modules,
                                         const std::vector<ArmedTimer>& timers,
                                         const std::map<std::uint64_t, std::string>& symbols,
                                         const WheelClock& clock) {
    std::map<std::string, ModuleTimers> by_module;
    ModuleTimers orphans;
    for (const auto& timer : timers) {
        bool owned = false;
        for (const auto& module : modules) {
            auto owners = owners_from(module.instance, timer);
            if (owners.empty())
                continue;
            owned = true;
            auto& entry = by_module[text_of(module.instance.name)];
            entry.timers.push_back(describe(timer, std::move(owners), symbols, clock));
        }
        if (!owned)
            orphans.timers.push_back(describe(timer, {}, symbols, clock));
    }
    std::vector<ModuleTimers> inventory;
    for (auto& [name, entry] : by_module) {
        entry.module = name;
        inventory.push_back(std::move(entry));
    }
    if (!orphans.timers.empty())
        inventory.push_back(std::move(orphans));
    for (auto& entry : inventory)
        std::ranges::sort(entry.timers, {}, &InventoryTimer::expires_in);
    return inventory;
}

} // namespace disarmd
