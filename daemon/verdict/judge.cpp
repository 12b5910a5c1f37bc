// SPDX-License-Identifier: Apache-2.0
#include "verdict/judge.h"

#include <array>

#include <fmt/format.h>

#include "base/text.h"
#include "verdict/advice.h"
#include "verdict/decode.h"

namespace disarmd {

namespace {

struct GapText {
    std::uint32_t gap;
    std::string_view text;
};

constexpr std::array gap_texts{
    GapText{abi::GAP_SCAN_MOVING, "scan: a bucket of a timer wheel kept changing while it was read"},
    GapText{abi::GAP_SCAN_BOUND, "scan: a bucket of a timer wheel holds more timers than are walked"},
    GapText{abi::GAP_SCAN_EXPIRING, "scan: timers were being expired, which hang in no bucket meanwhile"},
    GapText{abi::GAP_SCAN_UNREADABLE, "scan: a timer wheel could not be read"},
    GapText{abi::GAP_TRACKING_LOST, "tracking: arms were lost"},
    GapText{abi::GAP_TRACKING_LATE, "tracking: began after the module was loaded, with an incomplete scan"},
    GapText{abi::GAP_HOOKS, "tracking: not every hook was attached"},
    GapText{abi::GAP_LOST_MEANWHILE, "tracking: arms were lost while the module was being freed"},
    GapText{abi::GAP_UNCONFIRMED, "tracking: a timer of the module was in motion until the end"},
    GapText{abi::GAP_RANGES, "the module's memory ranges could not be read"},
};

std::chrono::nanoseconds since(std::uint64_t earlier, std::uint64_t later) {
    return std::chrono::nanoseconds(later > earlier ? later - earlier : 0);
}

PendingTimer describe(const abi::pending_timer& pending, const abi::unload_record& record, Outcome outcome,
                      std::chrono::nanoseconds tick) {
    const bool running = pending.state == abi::PENDING_CALLBACK_RUNNING;
    PendingTimer timer;
    timer.kind = kind_of(pending.kind);
    timer.timer = pending.timer;
    timer.callback = pending.callback;
    timer.symbol = text_of(pending.symbol);
    if (timer.symbol.empty())
        timer.symbol = address_text(pending.callback);
    timer.owned_by = owners_of(pending.owned_by);
    if (running)
        timer.cause = Cause::callback_running;
    else if (outcome == Outcome::init_failed)
        timer.cause = Cause::failed_rollback;
    if (!running && tick.count() > 0)
        timer.expires_in = time_to_expiry(pending.expires, record.jiffies, tick);
    if (pending.armed_ns != 0)
        timer.armed = Arm{since(pending.armed_ns, record.freed_ns),
                          pending.armed_pid,
                          text_of(pending.armed_comm),
                          pending.armed_cpu,
                          context_of(pending.armed_context),
                          {}};
    return timer;
}

Verdict verdict_of(std::uint32_t verdict) {
    switch (verdict) {
    case abi::VERDICT_CLEAN:
        return Verdict::clean;
    case abi::VERDICT_LEAK:
        return Verdict::leak;
    default:
        return Verdict::inconclusive;
    }
}

// Of a leak: who found any of the timers. Else: who looked.
std::vector<Source> sources_of(const abi::unload_record& record, std::uint32_t gaps, Verdict verdict) {
    unsigned bits = 0;
    if (verdict == Verdict::leak) {
        for (std::size_t i = 0; i < record.pending_count && i < std::size(record.pending); ++i)
            bits |= record.pending[i].sources;
    } else {
        if ((gaps & abi::GAP_HOOKS) == 0)
            bits |= abi::SOURCE_TRACKING;
        if ((gaps & abi::GAP_SCAN_UNREADABLE) == 0)
            bits |= abi::SOURCE_SCAN;
    }
    std::vector<Source> sources;
    if ((bits & abi::SOURCE_TRACKING) != 0)
        sources.push_back(Source::tracking);
    if ((bits & abi::SOURCE_SCAN) != 0)
        sources.push_back(Source::scan);
    return sources;
}

std::vector<std::string> explain(std::uint32_t gaps, const Coverage& coverage) {
    std::vector<std::string> reasons;
    for (const auto& gap : gap_texts) {
        if ((gaps & gap.gap) != 0)
            reasons.emplace_back(gap.text);
    }
    for (const auto& hook : coverage.unattached_hooks)
        reasons.push_back(fmt::format("tracking: {} is not attached", hook));
    if (reasons.empty())
        reasons.emplace_back("the kernel programs gave no verdict that this disarmd knows");
    return reasons;
}

} // namespace

Unload judge(const abi::unload_record& record, const Coverage& coverage) {
    Unload unload;
    unload.module = text_of(record.module);
    unload.outcome = record.init_failed != 0 ? Outcome::init_failed : Outcome::freed;
    unload.backend = coverage.backend;
    unload.lost_events = record.tracking_losses + coverage.missed_runs;
    unload.pid = record.pid;
    unload.comm = text_of(record.comm);
    if (record.begun_ns != 0)
        unload.duration = since(record.begun_ns, record.freed_ns);

    std::uint32_t gaps = record.gaps;
    if (coverage.missed_runs != 0)
        gaps |= abi::GAP_TRACKING_LOST;
    if (coverage.missed_lately)
        gaps |= abi::GAP_LOST_MEANWHILE;
    if (!coverage.unattached_hooks.empty())
        gaps |= abi::GAP_HOOKS;
    unload.verdict = verdict_of(abi::verdict_of(record.pending_count, gaps));
    // The kernel's word stands but for what it could not know.
    if (unload.verdict == Verdict::clean && record.verdict != abi::VERDICT_CLEAN)
        unload.verdict = Verdict::inconclusive;

    unload.pending_count = record.pending_count;
    for (const auto& pending : record.pending) {
        if (unload.pending.size() == unload.pending_count)
            break;
        unload.pending.push_back(describe(pending, record, unload.outcome, coverage.tick));
    }

    unload.sources = sources_of(record, gaps, unload.verdict);
    if (unload.verdict == Verdict::inconclusive)
        unload.why_inconclusive = explain(gaps, coverage);
    unload.advice = advise(unload, coverage.has_timer_shutdown_sync);
    return unload;
}

} // namespace disarmd
