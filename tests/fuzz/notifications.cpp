// SPDX-License-Identifier: Apache-2.0
//
// What the kernel programs hand over of a module that is freed: how many pending timers follow (a byte), the
// record of the unload up to these, the timers, and behind them the module's symbol table as it was copied,
// after the number of its symbols (two bytes). Whatever is missing is zeros.
#include <array>
#include <cstring>
#include <type_traits>

#include "base/text.h"
#include "documents.h"
#include "state/census.h"
#include "state/inventory.h"
#include "verdict/judge.h"

namespace disarmd::fuzz {

namespace {

// The address of a name is its index, by 256.
constexpr std::array<std::string_view, 12> core_names{"_text",
                                                      "bpf_trace_run2",
                                                      "__traceiter_timer_start",
                                                      "mod_timer",
                                                      "timer_delete",
                                                      "timer_delete_sync",
                                                      "hrtimer_try_to_cancel",
                                                      "__kretprobe_trampoline",
                                                      "asm_sysvec_call",
                                                      "bad\x1b[2J\nname",
                                                      "\xff\xfe",
                                                      "schedule_timeout"};
constexpr std::uint64_t core_end = core_names.size() * 256;

abi::unload_record take_record(std::string_view& input) {
    const auto timers = take<std::uint8_t>(input) % (DISARMD_PENDING_MAX + 1);
    abi::unload_record record{};
    const auto size = std::min(offsetof(abi::unload_record, pending), input.size());
    std::memcpy(static_cast<void*>(&record), input.data(), size);
    input.remove_prefix(size);
    for (std::size_t i = 0; i < static_cast<std::size_t>(timers); ++i)
        record.pending[i] = take<abi::pending_timer>(input);
    return record;
}

Coverage coverage_of(const abi::unload_record& record) {
    Coverage coverage;
    coverage.backend = "tracepoint";
    if ((record.id & 1) != 0)
        coverage.unattached_hooks = {"timer_start"};
    coverage.losses.fill(record.tracking_losses & 7);
    coverage.missed_since_load = (record.id & 2) != 0;
    coverage.missed_lately = (record.id & 4) != 0;
    coverage.tick = std::chrono::milliseconds(record.id & 8);
    coverage.has_timer_shutdown_sync = (record.id & 16) != 0;
    coverage.deleting_functions = {"timer_delete", "timer_delete_sync", "hrtimer_try_to_cancel"};
    if ((record.id & 32) != 0)
        coverage.rule = Coverage::Rule{"a rule", (record.id & 64) != 0};
    coverage.modules_floor = core_end;
    return coverage;
}

void check_symbols(const SymbolTable& table, const std::string& module, std::size_t bytes) {
    for (const std::uint64_t address : {std::uint64_t{0}, core_end, std::uint64_t{UINT64_MAX}}) {
        const auto symbol = table.find(address);
        if (!symbol)
            continue;
        check(symbol->module == module && !symbol->name.empty() && symbol->name.size() <= bytes,
              "a name is from the table");
        check(symbol->offset <= address, "a symbol begins before what is in it");
    }
}

// Of a record that was judged.
void check_unload(const Unload& unload, const abi::unload_record& record) {
    check(unload.pending_count == record.pending_count, "no timer is forgotten");
    check(unload.pending.size() == std::min<std::size_t>(record.pending_count, DISARMD_PENDING_MAX),
          "timers that the record has");
    if (unload.outcome != Outcome::denied) {
        check((unload.verdict == Verdict::leak) == (record.pending_count != 0), "what is pending is a leak");
        check(unload.verdict != Verdict::clean || record.verdict == abi::VERDICT_CLEAN,
              "the kernel's word stands");
    }
    check((unload.verdict == Verdict::inconclusive && unload.outcome != Outcome::denied) ==
              !unload.why_inconclusive.empty(),
          "why it is not sure");
    constexpr std::chrono::nanoseconds none{0};
    check(unload.duration.value_or(none) >= none && unload.policy.drain.value_or(none) >= none &&
              unload.identity.loaded_age.value_or(none) >= none,
          "no time is below 0");
    for (const auto& timer : unload.pending) {
        check(timer.expires_in.value_or(none) >= none, "what is due has 0 to go");
        check(!timer.armed || timer.armed->age >= none, "it was armed before the free");
        check(!timer.deleted || timer.deleted->age >= none, "it was deleted before the free");
        check(!timer.armed || timer.armed->stack.size() <= DISARMD_STACK_DEPTH, "frames of an arm");
        check(!timer.deleted || timer.deleted->stack.size() <= DISARMD_STACK_DEPTH, "frames of a delete");
        check(!timer.symbol.empty(), "a callback has a name, or its address");
    }
}

void check_inventory(const abi::unload_record& record, const SymbolLookup& names) {
    abi::module_instance instance{};
    instance.loaded_ns = record.loaded_ns;
    instance.live_ns = record.live_ns;
    instance.begun_ns = record.begun_ns;
    instance.memory = record.memory;
    std::memcpy(instance.name, record.module, sizeof(instance.name));
    // No kernel loads a module without: it could have no folder in sysfs. In the list nothing is the orphans'
    // name.
    if (instance.name[0] == '\0')
        instance.name[0] = 'm';
    std::vector<ArmedTimer> timers;
    std::map<std::uint64_t, std::string> symbols;
    for (std::size_t i = 0; i < 4; ++i) {
        const auto& pending = record.pending[i];
        ArmedTimer timer{};
        timer.timer = pending.timer;
        timer.state.callback = pending.callback;
        timer.state.expires = pending.expires;
        timer.state.armed_ns = pending.armed_ns;
        timer.state.kind = pending.kind;
        timer.state.armed = pending.state & 1;
        timer.state.orphaned = pending.owned_by;
        timer.state.reported = pending.deleted_ns;
        timer.state.surveyed = pending.sources & 1;
        timers.push_back(timer);
        if (const auto symbol = names(pending.callback))
            symbols.emplace(pending.callback, text_of(*symbol));
    }
    const std::vector<LoadedModule> modules{{record.id, instance}};
    const auto inventory =
        take_inventory(modules, timers, symbols,
                       {record.jiffies, std::chrono::milliseconds(4), record.freed_ns}, record.begun_ns);
    std::size_t orphans = 0;
    std::size_t owned = 0;
    for (const auto& entry : inventory)
        (entry.module.empty() ? orphans : owned) += entry.timers.size();
    check(orphans <= timers.size() && owned <= timers.size(), "a timer is listed once");
    check(is_plain(to_line(to_json(inventory))), "the list is printable");
    std::size_t counted = 0;
    for (const auto& [kind, count] : count_timers(modules, timers, record.begun_ns).orphans)
        counted += count;
    check(counted <= timers.size(), "a timer is counted once");
}

} // namespace

} // namespace disarmd::fuzz

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace disarmd;
    using namespace disarmd::fuzz;
    std::string_view input(reinterpret_cast<const char*>(data), size);
    const auto record = take_record(input);
    const auto symbols = take<std::uint16_t>(input);
    const auto table = copy_of(input);
    const auto module = text_of(record.module);
    const auto own = SymbolTable::of_module(module, std::as_bytes(std::span(table)), symbols);
    check_symbols(own, module, table.size());
    check_symbols(own.within(record.memory.init_text.start, record.memory.init_text.size), module,
                  table.size());

    const SymbolLookup names = [&](std::uint64_t address) -> std::optional<Symbol> {
        if (address < core_end)
            return Symbol{std::string(core_names.at(address / 256)), "", address % 256};
        return own.find(address);
    };
    const auto coverage = coverage_of(record);
    auto unload = judge(record, coverage, names);
    check_unload(unload, record);
    check_inventory(record, names);
    const ClockPair now{std::chrono::system_clock::time_point(std::chrono::seconds(1'800'000'000)),
                        record.freed_ns + 1'000'000};
    check_incident(make_incident(std::move(unload), {"host\x1b", "6.1.0\xff", "boot"}, now));
    return 0;
}
