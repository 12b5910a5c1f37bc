// SPDX-License-Identifier: Apache-2.0
#include "verdict/judge.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <span>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/text.h"
#include "verdict/advice.h"
#include "verdict/cause.h"
#include "verdict/decode.h"
#include "verdict/gaps.h"
#include "verdict/stack.h"

namespace disarmd {

namespace {

std::string symbol_of(const abi::pending_timer& pending, const abi::unload_record& record,
                      const CodeNames& names) {
    const bool callback_freed = (pending.owned_by & (abi::OWNED_BY_CALLBACK | abi::OWNED_BY_WORK)) != 0;
    // Memory of the module that was given back before it: another's by now.
    if (callback_freed && !is_in_module(record, pending.callback) && !is_in_init(record, pending.callback))
        return address_text(pending.callback);
    const auto symbol = (callback_freed ? names.during_init : names.afterwards)(pending.callback);
    return symbol ? text_of(*symbol) : address_text(pending.callback);
}

std::span<const std::uint64_t> frames_of(std::span<const __u64> stack, std::uint8_t frames) {
    return {reinterpret_cast<const std::uint64_t*>(stack.data()),
            std::min<std::size_t>(frames, stack.size())};
}

// Of code that ran at that time.
const SymbolLookup& names_at(std::uint64_t time_ns, const abi::unload_record& record,
                             const CodeNames& names) {
    const bool init_ran = record.loaded_ns != 0 && (record.live_ns == 0 || time_ns <= record.live_ns);
    return init_ran ? names.during_init : names.afterwards;
}

std::optional<Arm> arm_of(const abi::pending_timer& pending, const abi::unload_record& record,
                          const Coverage& coverage, const CodeNames& names) {
    if (pending.armed_ns == 0)
        return std::nullopt;
    Arm arm;
    arm.age = time_between(pending.armed_ns, record.freed_ns);
    arm.pid = pending.armed_pid;
    arm.comm = text_of(pending.armed_comm);
    arm.cpu = pending.armed_cpu;
    arm.context = context_of(pending.armed_context);
    const auto& evidence = pending.evidence;
    // Of another timer that was at this place before.
    if (evidence.arm_stack_ns == 0 || evidence.arm_stack_ns > pending.armed_ns)
        return arm;
    arm.stack = texts_of(name_stack(frames_of(evidence.arm_stack, evidence.arm_frames),
                                    names_at(evidence.arm_stack_ns, record, names), coverage.modules_floor));
    if (evidence.arm_stack_ns != pending.armed_ns)
        arm.stack_age = time_between(evidence.arm_stack_ns, record.freed_ns);
    return arm;
}

std::optional<Delete> delete_of(const abi::pending_timer& pending, const abi::unload_record& record,
                                const Coverage& coverage, const CodeNames& names) {
    // Before the module was loaded another's timer was there.
    if (pending.deleted_ns == 0 || pending.deleted_ns < record.loaded_ns)
        return std::nullopt;
    Delete deleted;
    deleted.age = time_between(pending.deleted_ns, record.freed_ns);
    const auto& evidence = pending.evidence;
    if (evidence.deleted_ns != pending.deleted_ns)
        return deleted;
    deleted.pid = evidence.deleted_pid;
    deleted.comm = text_of(evidence.deleted_comm);
    deleted.cpu = evidence.deleted_cpu;
    deleted.context = context_of(evidence.deleted_context);
    deleted.found = delete_found_of(evidence.deleted_found);
    const auto& symbols = names_at(evidence.deleted_ns, record, names);
    const auto stack =
        name_stack(frames_of(evidence.delete_stack, evidence.delete_frames), symbols, coverage.modules_floor);
    deleted.stack = texts_of(stack);
    deleted.api = outermost_of(coverage.deleting_functions, stack);
    if (const auto by = symbols(evidence.deleted_by); deleted.api.empty() && by)
        deleted.api = by->name;
    return deleted;
}

// Those that do nothing where the callback is being executed.
bool gives_up(const std::string& api) {
    constexpr std::array<std::string_view, 4> functions{"try_to_del_timer_sync", "timer_delete_sync_try",
                                                        "hrtimer_try_to_cancel", "alarm_try_to_cancel"};
    return std::ranges::find(functions, api) != functions.end();
}

PendingTimer describe(const abi::pending_timer& pending, const abi::unload_record& record,
                      const Coverage& coverage, const CodeNames& names) {
    const bool running = pending.state == abi::PENDING_CALLBACK_RUNNING;
    PendingTimer timer;
    timer.kind = kind_of(pending.kind);
    timer.timer = pending.timer;
    timer.callback = pending.callback;
    timer.symbol = symbol_of(pending, record, names);
    timer.owned_by = owners_of(pending.owned_by);
    if (!running)
        timer.expires_in =
            time_to_expiry(timer.kind, pending.expires, {record.jiffies, coverage.tick, record.freed_ns});
    timer.armed = arm_of(pending, record, coverage, names);
    timer.deleted = delete_of(pending, record, coverage, names);

    CauseEvidence evidence;
    evidence.callback_running = running;
    evidence.init_failed = record.init_failed != 0;
    if (record.begun_ns != 0)
        evidence.begun_ns = record.begun_ns;
    evidence.deletes_whole = record.deletes_whole != 0;
    if (pending.armed_ns != 0)
        evidence.armed_ns = pending.armed_ns;
    evidence.armed_context = context_of(pending.armed_context);
    evidence.armed_by_unloader = pending.armed_pid == record.pid;
    if (pending.deleted_ns != 0)
        evidence.deleted_ns = pending.deleted_ns;
    if (timer.deleted)
        evidence.delete_gave_up =
            timer.deleted->found == DeleteFound::callback_running && gives_up(timer.deleted->api);
    const auto found = find_cause(evidence);
    timer.cause = found.cause;
    timer.rearmer = found.rearmer;
    return timer;
}

ModuleIdentity identity_of(const abi::unload_record& record) {
    ModuleIdentity identity;
    identity.version = text_of(record.version);
    identity.srcversion = text_of(record.srcversion);
    identity.taints = taints_text(record.taints);
    for (const auto& range : record.memory.ranges) {
        if (range.size != 0)
            identity.ranges.push_back({range.start, range.size});
    }
    if (const auto& init = record.memory.init_text; init.size != 0)
        identity.init_section = {init.start, init.size};
    if (record.loaded_ns != 0)
        identity.loaded_age = time_between(record.loaded_ns, record.freed_ns);
    return identity;
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
        if ((gaps & (abi::GAP_HOOKS | abi::GAP_TRACKING_UNREAD | abi::GAP_TRACKING_OFF)) == 0)
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

PolicyApplied policy_of(const abi::unload_record& record, const Coverage& coverage) {
    PolicyApplied policy;
    if (record.rule == 0)
        return policy;
    const auto rule = coverage.rule.value_or(Coverage::Rule{"a rule that can't be told", false});
    policy.rule = rule.text;
    policy.allowed_once = record.allowed != 0;
    policy.bypassed = rule.denies && record.denied == 0 && record.allowed == 0 && record.init_failed == 0;
    policy.drain_left = record.drain_left;
    if (record.drain_ns != 0)
        policy.drain = time_between(0, record.drain_ns);
    const bool drained = policy.drain && policy.drain_left == 0;
    if (record.denied != 0)
        policy.action = Action::denied;
    else if (drained)
        policy.action = Action::drained;
    else if (record.on_leak == abi::ON_LEAK_PANIC && record.pending_count != 0)
        policy.action = Action::panic;
    return policy;
}

Outcome outcome_of(const abi::unload_record& record) {
    if (record.denied != 0)
        return Outcome::denied;
    return record.init_failed != 0 ? Outcome::init_failed : Outcome::freed;
}

} // namespace

bool is_in_module(const abi::unload_record& record, std::uint64_t address) {
    return std::ranges::any_of(record.memory.ranges, [&](const abi::memory_range& range) {
        return address - range.start < range.size;
    });
}

bool is_in_init(const abi::unload_record& record, std::uint64_t address) {
    const auto& init = record.memory.init_text;
    return address - init.start < init.size;
}

Unload judge(const abi::unload_record& record, const Coverage& coverage, const CodeNames& names) {
    Unload unload;
    unload.module = text_of(record.module);
    unload.identity = identity_of(record);
    unload.freed_ns = record.freed_ns;
    unload.outcome = outcome_of(record);
    unload.policy = policy_of(record, coverage);
    unload.backend = coverage.backend;
    unload.lost_events = record.tracking_losses + coverage.missed_runs;
    for (std::size_t i = 0; i < coverage.losses.size(); ++i) {
        if (coverage.losses.at(i) != 0)
            unload.losses.push_back({name_of_loss(i), coverage.losses.at(i)});
    }
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
        unload.pending.push_back(describe(pending, record, coverage, names));
    }

    unload.sources = sources_of(record, gaps, unload.verdict);
    if (unload.outcome == Outcome::denied) {
        // It is still there, and nothing was left.
        unload.verdict = Verdict::inconclusive;
        for (auto& timer : unload.pending)
            timer.cause = Cause::unknown;
        unload.advice = advise_denied(unload);
        return unload;
    }
    if (unload.verdict == Verdict::inconclusive)
        unload.why_inconclusive = explain(gaps, coverage, unload.lost_events);
    unload.advice = advise(unload, coverage.has_timer_shutdown_sync);
    return unload;
}

Unload judge(const abi::unload_record& record, const Coverage& coverage, const SymbolLookup& names) {
    return judge(record, coverage, CodeNames{names, names});
}

} // namespace disarmd
