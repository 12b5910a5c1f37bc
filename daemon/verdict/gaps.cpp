// SPDX-License-Identifier: Apache-2.0
#include "verdict/gaps.h"

#include <array>
#include <string_view>

#include <fmt/format.h>

namespace disarmd {

namespace {

struct GapText {
    std::uint32_t gap;
    std::string_view text;
};

constexpr std::array gap_texts{
    GapText{abi::GAP_SCAN_ABSENT, "scan: where this kernel keeps its timers is not known"},
    GapText{abi::GAP_SCAN_MOVING,
            "scan: a list or tree of timers kept changing while it was read, or leads into freed memory"},
    GapText{abi::GAP_SCAN_BOUND, "scan: there was more to read than its bound (limits.scan_steps) lets it"},
    GapText{abi::GAP_SCAN_EXPIRING, "scan: timers were being expired, which hang in no bucket meanwhile"},
    GapText{abi::GAP_SCAN_UNREADABLE, "scan: a timer wheel, a tree of hrtimers or a timer could not be read"},
    GapText{abi::GAP_SCAN_DISPUTED,
            "scan: a timer was found that tracking takes for one of an earlier module, and for disarmed"},
    GapText{abi::GAP_TRACKING_OFF, "tracking: is off, as the configuration has it"},
    GapText{abi::GAP_TRACKING_LOST, "tracking: arms were lost"},
    GapText{abi::GAP_TRACKING_LATE, "tracking: began after the module was loaded, with an incomplete scan"},
    GapText{abi::GAP_TRACKING_UNSURE, "tracking: is by kprobes, which a kernel may skip and not say so"},
    GapText{abi::GAP_TRACKING_UNREAD, "tracking: can't be asked for every timer that could be the module's"},
    GapText{abi::GAP_HOOKS, "tracking: not every hook was attached"},
    GapText{abi::GAP_HOOKS_OFF,
            "tracking: probes of kernel functions are switched off (sysctl kernel.ftrace_enabled, or "
            "/sys/kernel/debug/kprobes/enabled)"},
    GapText{abi::GAP_END_UNSEEN,
            "tracking: the kernel did not run the program that sees the module's memory go"},
    GapText{abi::GAP_LOST_MEANWHILE, "tracking: arms were lost while the module was being freed"},
    GapText{abi::GAP_UNCONFIRMED, "tracking: a timer of the module was in motion until the end"},
    GapText{abi::GAP_OVERWRITTEN, "tracking: a timer of the module was armed, and is gone: its memory was "
                                  "given away, or overwritten, without a delete"},
    GapText{abi::GAP_OVERRUN,
            "tracking: while the module was being freed, more timers were armed than are remembered"},
    GapText{abi::GAP_ORPHANS, "timers that earlier modules left can't be told from this one's"},
    GapText{abi::GAP_RANGES, "the module's memory ranges could not be read"},
};

} // namespace

std::vector<std::string> describe_gaps(std::uint32_t gaps) {
    std::vector<std::string> texts;
    for (const auto& known : gap_texts) {
        if ((gaps & known.gap) != 0)
            texts.emplace_back(known.text);
        gaps &= ~known.gap;
    }
    if (gaps != 0)
        texts.push_back(
            fmt::format("the kernel programs tell of gaps {:#x}, which are not known here", gaps));
    return texts;
}

std::uint32_t spoiling_gaps(std::uint32_t gaps) {
    using enum abi::verdict_gap; // for the macros of abi.h
    constexpr std::uint32_t of_scan = SCAN_GAPS;
    constexpr std::uint32_t of_tracking = TRACKING_GAPS;
    if ((gaps & of_scan) != 0 && (gaps & of_tracking) != 0)
        return gaps;
    return gaps & ~(of_scan | of_tracking);
}

} // namespace disarmd
