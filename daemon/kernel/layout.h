// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "kernel/btf.h"
#include "kernel/symbols.h"

namespace disarmd {

// Where the running kernel keeps what the programs read. Addresses are kernel
// virtual; "per-CPU" ones want a CPU's offset added. Zero: this kernel does not say,
// and missing() names what that costs.
struct KernelLayout {
    // Without these no verdict is possible.
    std::uint64_t per_cpu_offset = 0;
    std::uint32_t possible_cpus = 0;
    std::uint64_t modules_list = 0;
    std::uint64_t delayed_work_timer_fn = 0;
    std::uint64_t modules_floor = 0;

    std::uint64_t timer_bases_percpu = 0;
    std::uint32_t timer_bases_per_cpu = 0;
    std::uint64_t hrtimer_bases_percpu = 0;
    std::uint64_t kthread_delayed_work_timer_fn = 0;
    std::uint64_t alarmtimer_fired = 0;
    std::uint64_t preempt_count_percpu = 0;
    std::uint64_t jiffies_clocksource = 0;
    std::uint64_t ftrace_enabled = 0;
    std::uint64_t kprobes_all_disarmed = 0;
    bool has_timer_shutdown_sync = false; // the API a mend should name; older kernels lack it

    std::map<std::string, std::uint64_t> functions; // of those asked for, the ones that this kernel has

    // What can't be found, each with what that costs.
    std::vector<std::string> missing;
};

// The core kernel symbols that locate_kernel() asks for.
[[nodiscard]] std::set<std::string> layout_symbols();

// "0-3" -> 4: CPU numbers are below the result. Lists with holes are refused: the
// kernel's per-CPU tables hold nothing valid for the numbers in between.
Result<std::uint32_t> parse_possible_cpus(std::string_view list);

// Fails, naming the symbols, where a verdict could not be right without them.
Result<KernelLayout> locate_kernel(const CoreSymbols& symbols, const KernelBtf& btf,
                                   std::uint32_t possible_cpus);

// All of the above on the running kernel, and which of these functions it has.
Result<KernelLayout> locate_running_kernel(const KernelBtf& btf, const std::set<std::string>& functions);

} // namespace disarmd
