// SPDX-License-Identifier: Apache-2.0
#include "verdict/judge.h"

#include <array>

#include <fmt/format.h>

#include "base/text.h"
#include "verdict/advice.h"
#include "verdict/decode.h"

namespace disarmd {

namespace {

constexpr std::uint32_t scan_gaps =
    abi::GAP_SCAN_MOVING | abi::GAP_SCAN_BOUND | abi::GAP_SCAN_EXPIRING | abi::GAP_SCAN_UNREADABLE;
constexpr std::uint32_t tracking_gaps =
    abi::GAP_TRACKING_OFF | abi::GAP_TRACKING_LOST | abi::GAP_TRACKING_LATE | abi::GAP_UNCONFIRMED;

struct GapText {
    std::uint32_t gap;
    std::string_view text;
};

constexpr std::array gap_texts{
    GapText{abi::GAP_SCAN_MOVING, "scan: a bucket of a timer wheel kept changing while it was read"},
    GapText{abi::GAP_SCAN_BOUND, "scan: a bucket of a timer wheel holds more timers than are walked"},
    GapText{abi::GAP_SCAN_EXPIRING, "scan: timers were being expired, which hang in no bucket meanwhile"},
    GapText{abi::GAP_SCAN_UNREADABLE, "scan: a timer wheel could not be read"},
    GapText{abi::GAP_TRACKING_OFF, "tracking: not every hook was attached"},
    GapText{abi::GAP_TRACKING_LOST, "tracking: events were lost"},
    GapText{abi::GAP_TRACKING_LATE, "tracking: began after the module was loaded, with an incomplete scan"},
    GapText{abi::GAP_UNCONFIRMED, "tracking: a timer's list linkage kept changing while it was read"},
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

std::vector<std::string> explain(std::uint32_t gaps, const Coverage& coverage) {
    std::vector<std::string> reasons;
    for (const auto& gap : gap_texts) {
        if ((gaps & gap.gap) != 0)
            reasons.emplace_back(gap.text);
    }
    for (const auto& hook : coverage.unattached_hooks)
        reasons.push_back(fmt::format("tracking: {} is not attached", hook));
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
    if ((gaps & abi::GAP_TRACKING_OFF) == 0)
        unload.sources.push_back(Source::tracking);
    if ((gaps & abi::GAP_SCAN_UNREADABLE) == 0)
        unload.sources.push_back(Source::scan);

    unload.pending_count = record.pending_count;
    for (const auto& pending : record.pending) {
        if (unload.pending.size() == unload.pending_count)
            break;
        unload.pending.push_back(describe(pending, record, unload.outcome, coverage.tick));
    }

    const bool unproven = (gaps & scan_gaps) != 0 && (gaps & tracking_gaps) != 0;
    if (record.verdict == abi::VERDICT_LEAK)
        unload.verdict = Verdict::leak;
    else if (record.verdict == abi::VERDICT_CLEAN && !unproven)
        unload.verdict = Verdict::clean;
    if (unload.verdict == Verdict::inconclusive)
        unload.why_inconclusive = explain(gaps, coverage);
    unload.advice = advise(unload, coverage.has_timer_shutdown_sync);
    return unload;
}

} // namespace disarmd
