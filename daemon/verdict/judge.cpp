// SPDX-License-Identifier: Apache-2.0
#include "verdict/judge.h"

#include <iterator>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/text.h"
#include "verdict/advice.h"
#include "verdict/decode.h"
#include "verdict/gaps.h"

namespace disarmd {

namespace {

using Symbols = std::map<std::uint64_t, std::string>;

// The freed module's own name for the callback; empty where it has none.
std::string own_symbol(const abi::pending_timer& pending, const std::string& module) {
    auto symbol = text_of(pending.symbol);
    return symbol.empty() ? symbol : fmt::format("{} [{}]", symbol, module);
}

// The address may have gone to another module since: what was the freed module's own
// has no name but one in that module.
std::string symbol_of(const abi::pending_timer& pending, const abi::unload_record& record,
                      const Symbols& symbols) {
    const auto module = text_of(record.module);
    if (auto own = own_symbol(pending, module); !own.empty())
        return own;
    const bool callback_freed = (pending.owned_by & (abi::OWNED_BY_CALLBACK | abi::OWNED_BY_WORK)) != 0;
    const auto named = symbols.find(pending.callback);
    if (named != symbols.end() && (!callback_freed || named->second.ends_with(fmt::format(" [{}]", module))))
        return named->second;
    for (std::size_t i = 0; i < record.pending_count && i < std::size(record.pending); ++i) {
        const auto& other = record.pending[i];
        if (other.callback != pending.callback)
            continue;
        if (auto own = own_symbol(other, module); !own.empty())
            return own;
    }
    return address_text(pending.callback);
}

PendingTimer describe(const abi::pending_timer& pending, const abi::unload_record& record, Outcome outcome,
                      std::chrono::nanoseconds tick, const Symbols& symbols) {
    const bool running = pending.state == abi::PENDING_CALLBACK_RUNNING;
    PendingTimer timer;
    timer.kind = kind_of(pending.kind);
    timer.timer = pending.timer;
    timer.callback = pending.callback;
    timer.symbol = symbol_of(pending, record, symbols);
    timer.owned_by = owners_of(pending.owned_by);
    if (running)
        timer.cause = Cause::callback_running;
    else if (outcome == Outcome::init_failed)
        timer.cause = Cause::failed_rollback;
    if (!running)
        timer.expires_in =
            time_to_expiry(timer.kind, pending.expires, {record.jiffies, tick, record.freed_ns});
    if (pending.armed_ns != 0)
        timer.armed = Arm{time_between(pending.armed_ns, record.freed_ns),
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
        if ((gaps & (abi::GAP_HOOKS | abi::GAP_TRACKING_UNREAD)) == 0)
            bits |= abi::SOURCE_TRACKING;
        if ((gaps & (abi::GAP_SCAN_UNREADABLE | abi::GAP_SCAN_ABSENT)) == 0)
            bits |= abi::SOURCE_SCAN;
    }
    std::vector<Source> sources;
    if ((bits & abi::SOURCE_TRACKING) != 0)
        sources.push_back(Source::tracking);
    if ((bits & abi::SOURCE_SCAN) != 0)
        sources.push_back(Source::scan);
    return sources;
}

// Reasons that only this side knows more of: hooks by name, losses by number.
std::vector<std::string> explain(std::uint32_t gaps, const Coverage& coverage, std::uint64_t lost_events) {
    // Where the rule alone would have said clean, all that is known is told.
    if (const auto spoiling = spoiling_gaps(gaps); spoiling != 0)
        gaps = spoiling;
    std::vector<std::string> reasons;
    if ((gaps & abi::GAP_HOOKS) != 0 && !coverage.unattached_hooks.empty()) {
        reasons.push_back(
            fmt::format("tracking: not attached: {}", fmt::join(coverage.unattached_hooks, ", ")));
        gaps &= ~std::uint32_t{abi::GAP_HOOKS};
    }
    if ((gaps & abi::GAP_TRACKING_LOST) != 0 && lost_events != 0) {
        reasons.push_back(fmt::format("tracking: arms were lost, {} since the watch began", lost_events));
        gaps &= ~std::uint32_t{abi::GAP_TRACKING_LOST};
    }
    for (auto& reason : describe_gaps(gaps))
        reasons.push_back(std::move(reason));
    if (reasons.empty())
        reasons.emplace_back("the kernel programs gave no verdict that this disarmd knows");
    return reasons;
}

} // namespace

Unload judge(const abi::unload_record& record, const Coverage& coverage, const Symbols& symbols) {
    Unload unload;
    unload.module = text_of(record.module);
    unload.outcome = record.init_failed != 0 ? Outcome::init_failed : Outcome::freed;
    unload.backend = coverage.backend;
    unload.lost_events = record.tracking_losses + coverage.missed_runs;
    unload.pid = record.pid;
    unload.comm = text_of(record.comm);
    if (record.begun_ns != 0)
        unload.duration = time_between(record.begun_ns, record.freed_ns);

    std::uint32_t gaps = record.gaps;
    if (coverage.missed_since_load)
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
        unload.pending.push_back(describe(pending, record, unload.outcome, coverage.tick, symbols));
    }

    unload.sources = sources_of(record, gaps, unload.verdict);
    if (unload.verdict == Verdict::inconclusive)
        unload.why_inconclusive = explain(gaps, coverage, unload.lost_events);
    unload.advice = advise(unload, coverage.has_timer_shutdown_sync);
    return unload;
}

} // namespace disarmd
