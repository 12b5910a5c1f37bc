// SPDX-License-Identifier: Apache-2.0
#include "kernel/layout.h"

#include <charconv>
#include <fstream>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/text.h"

namespace disarmd {

namespace {

constexpr const char* possible_cpus_path = "/sys/devices/system/cpu/possible";

// A per-CPU variable on x86 up to 6.1 and from 6.15, a member of pcpu_hot between.
std::uint64_t find_preempt_count(const CoreSymbols& symbols, const KernelBtf& btf) {
    if (const auto own = symbols.find("__preempt_count"))
        return *own;
    const auto hot = symbols.find("pcpu_hot");
    const auto member = btf.member_offset("pcpu_hot", "preempt_count");
    return hot && member ? *hot + *member : 0;
}

// NR_BASES (kernel/time/timer.c). Where BTF lacks the variable (5.10) its room in the per-CPU
// section tells: the wheels are aligned, and what follows them is as large as nothing else.
std::uint32_t count_wheels(const CoreSymbols& symbols, const KernelBtf& btf) {
    if (const auto bases = btf.array_length("timer_bases"))
        return *bases;
    const auto room = symbols.room("timer_bases");
    const auto size = btf.size_of("timer_base");
    return room && size && *size != 0 ? static_cast<std::uint32_t>(*room / *size) : 0;
}

} // namespace

std::set<std::string> layout_symbols() {
    return {"timer_bases",
            "hrtimer_bases",
            "__per_cpu_offset",
            "modules",
            "_end",
            "delayed_work_timer_fn",
            "clocksource_jiffies",
            "__preempt_count",
            "kthread_delayed_work_timer_fn",
            "alarmtimer_fired",
            "pcpu_hot",
            "ftrace_enabled",
            "kprobes_all_disarmed",
            "timer_shutdown_sync"};
}

Result<std::uint32_t> parse_possible_cpus(std::string_view list) {
    std::uint32_t first = 0;
    std::uint32_t last = 0;
    const char* const end = list.data() + list.size();
    auto parsed = std::from_chars(list.data(), end, first);
    last = first;
    if (parsed.ec == std::errc{} && parsed.ptr != end && *parsed.ptr == '-')
        parsed = std::from_chars(parsed.ptr + 1, end, last);
    if (parsed.ec != std::errc{} || parsed.ptr != end || first != 0 || last == UINT32_MAX)
        return fail({ENOTSUP, fmt::format("the possible CPUs are \"{}\"; only a list without holes, from 0, "
                                          "can be scanned",
                                          printable(list))});
    return last + 1;
}

Result<KernelLayout> locate_kernel(const CoreSymbols& symbols, const KernelBtf& btf,
                                   std::uint32_t possible_cpus) {
    KernelLayout layout;
    std::vector<std::string_view> needed;
    const auto need = [&](std::string_view name) {
        const auto address = symbols.find(name);
        if (!address)
            needed.push_back(name);
        return address.value_or(0);
    };
    layout.per_cpu_offset = need("__per_cpu_offset");
    layout.modules_list = need("modules");
    layout.delayed_work_timer_fn = need("delayed_work_timer_fn");
    layout.modules_floor = need("_end");
    if (!needed.empty())
        return fail({ENOTSUP, fmt::format("this kernel's /proc/kallsyms lacks, or has twice: {} "
                                          "(CONFIG_KALLSYMS_ALL=y is needed)",
                                          fmt::join(needed, ", "))});
    layout.possible_cpus = possible_cpus;

    const auto want = [&](std::string_view name, std::string_view cost) {
        const auto address = symbols.find(name);
        if (!address)
            layout.missing.push_back(fmt::format("{}: {}", name, cost));
        return address.value_or(0);
    };
    layout.timer_bases_percpu = want("timer_bases", "timer wheels can't be scanned");
    if (layout.timer_bases_percpu != 0) {
        layout.timer_bases_per_cpu = count_wheels(symbols, btf);
        if (layout.timer_bases_per_cpu == 0) {
            layout.timer_bases_percpu = 0;
            layout.missing.emplace_back("the number of a CPU's timer wheels: they can't be scanned");
        }
    }
    layout.hrtimer_bases_percpu = want("hrtimer_bases", "hrtimers can't be scanned");
    layout.kthread_delayed_work_timer_fn =
        want("kthread_delayed_work_timer_fn", "kthread_delayed_works are not told from timers of the core");
    layout.alarmtimer_fired = want("alarmtimer_fired", "alarms are not told from hrtimers of the core");
    layout.jiffies_clocksource = want("clocksource_jiffies", "times to expiry can't be told");
    layout.preempt_count_percpu = find_preempt_count(symbols, btf);
    if (layout.preempt_count_percpu == 0)
        layout.missing.emplace_back("__preempt_count: the context of an arm can't be told");
    layout.ftrace_enabled = symbols.find("ftrace_enabled").value_or(0);
    layout.kprobes_all_disarmed = symbols.find("kprobes_all_disarmed").value_or(0);
    layout.has_timer_shutdown_sync = symbols.find("timer_shutdown_sync").has_value();
    return layout;
}

Result<KernelLayout> locate_running_kernel(const KernelBtf& btf, const std::set<std::string>& functions) {
    std::set<std::string> names = layout_symbols();
    names.insert(functions.begin(), functions.end());
    const auto symbols = CoreSymbols::read(names);
    if (!symbols)
        return fail(symbols.error());
    std::ifstream file(possible_cpus_path);
    std::string list;
    if (!std::getline(file, list))
        return fail(Error::from_errno(fmt::format("reading {}", possible_cpus_path)));
    const auto cpus = parse_possible_cpus(list);
    if (!cpus)
        return fail(cpus.error());
    auto layout = locate_kernel(*symbols, btf, *cpus);
    if (!layout)
        return layout;
    for (const auto& function : functions) {
        if (const auto address = symbols->find(function))
            layout->functions.emplace(function, *address);
    }
    return layout;
}

} // namespace disarmd
