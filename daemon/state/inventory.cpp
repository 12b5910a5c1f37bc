// SPDX-License-Identifier: Apache-2.0
#include "state/inventory.h"

#include <algorithm>

#include "base/text.h"

namespace disarmd {

namespace {

bool holds(const abi::module_instance& module, std::uint64_t address) {
    return std::ranges::any_of(module.memory.ranges, [&](const abi::memory_range& range) {
        return address - range.start < range.size;
    });
}

InventoryTimer describe(const ArmedTimer& timer, std::vector<Owner> owners,
                        const std::map<std::uint64_t, std::string>& symbols, const KernelClocks& clocks) {
    const auto symbol = symbols.find(timer.state.callback);
    const auto kind = kind_of(timer.state.kind);
    return {kind,
            timer.timer,
            timer.state.callback,
            symbol != symbols.end() ? symbol->second : address_text(timer.state.callback),
            std::move(owners),
            timer.state.armed != 0 ? time_to_expiry(kind, timer.state.expires, clocks) : std::nullopt,
            std::nullopt,
            timer.state.armed != 0,
            timer.arms_per_s};
}

// The callback's address may have gone to another module since.
InventoryTimer describe_orphan(const ArmedTimer& timer, const std::map<std::uint64_t, std::string>& symbols,
                               const KernelClocks& clocks) {
    constexpr unsigned of_callback = abi::OWNED_BY_CALLBACK | abi::OWNED_BY_WORK;
    const bool callback_gone = (timer.state.orphaned & of_callback) != 0;
    auto orphan =
        describe(timer, {}, callback_gone ? std::map<std::uint64_t, std::string>{} : symbols, clocks);
    if (timer.state.reported != 0) // the id of an unload is its time
        orphan.left_ago = time_between(timer.state.reported, clocks.monotonic_ns);
    return orphan;
}

} // namespace

// As bpf/report.h has it, owners_of().
std::vector<Owner> owners_from(const abi::module_instance& module, const ArmedTimer& timer) {
    const auto since = timer.state.surveyed != 0 ? module.loaded_ns : module.begun_ns;
    if (timer.state.armed_ns != 0 && timer.state.armed_ns < since)
        return {};
    const auto kind = kind_of(timer.state.kind);
    unsigned bits = 0;
    if (holds(module, timer.state.callback))
        bits |= has_work(kind) ? abi::OWNED_BY_WORK : abi::OWNED_BY_CALLBACK;
    if (holds(module, timer.timer))
        bits |= abi::OWNED_BY_OBJECT;
    return owners_of(static_cast<std::uint8_t>(bits & ~unsigned{timer.state.orphaned}));
}

bool is_orphan(const ArmedTimer& timer, bool owned, std::uint64_t began_ns) {
    if (timer.state.armed == 0)
        return false;
    if (owned || timer.state.orphaned != 0)
        return timer.state.orphaned != 0;
    // Found as somebody asked whether a module may go: it calls the core, and lies in per-CPU data.
    const bool found_by_question = timer.state.armed_ns == 0 && timer.state.reported != 0;
    return !found_by_question && timer.state.armed_ns < began_ns;
}

std::vector<ModuleTimers> take_inventory(const std::vector<LoadedModule>& modules,
                                         const std::vector<ArmedTimer>& timers,
                                         const std::map<std::uint64_t, std::string>& symbols,
                                         const KernelClocks& clocks, std::uint64_t began_ns) {
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
            entry.timers.push_back(describe(timer, std::move(owners), symbols, clocks));
        }
        if (is_orphan(timer, owned, began_ns))
            orphans.timers.push_back(describe_orphan(timer, symbols, clocks));
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
