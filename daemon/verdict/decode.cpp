// SPDX-License-Identifier: Apache-2.0
#include "verdict/decode.h"

#include <algorithm>

namespace disarmd {

std::vector<Owner> owners_of(std::uint8_t bits) {
    std::vector<Owner> owners;
    if ((bits & abi::OWNED_BY_CALLBACK) != 0)
        owners.push_back(Owner::callback);
    if ((bits & abi::OWNED_BY_OBJECT) != 0)
        owners.push_back(Owner::object);
    if ((bits & abi::OWNED_BY_WORK) != 0)
        owners.push_back(Owner::work);
    return owners;
}

TimerKind kind_of(std::uint8_t kind) {
    switch (kind) {
    case abi::TIMER_KIND_HRTIMER:
        return TimerKind::hrtimer;
    case abi::TIMER_KIND_DELAYED_WORK:
        return TimerKind::delayed_work;
    case abi::TIMER_KIND_KTHREAD_DELAYED_WORK:
        return TimerKind::kthread_delayed_work;
    case abi::TIMER_KIND_ALARM:
        return TimerKind::alarm;
    default:
        return TimerKind::timer;
    }
}

ArmContext context_of(std::uint8_t context) {
    switch (context) {
    case abi::ARM_CONTEXT_TASK:
        return ArmContext::task;
    case abi::ARM_CONTEXT_SOFTIRQ:
        return ArmContext::softirq;
    case abi::ARM_CONTEXT_HARDIRQ:
        return ArmContext::hardirq;
    case abi::ARM_CONTEXT_CALLBACK:
        return ArmContext::callback;
    default:
        return ArmContext::unknown;
    }
}

DeleteFound delete_found_of(std::uint8_t found) {
    switch (found) {
    case abi::DELETE_FOUND_ARMED:
        return DeleteFound::armed;
    case abi::DELETE_FOUND_NOT_ARMED:
        return DeleteFound::not_armed;
    case abi::DELETE_FOUND_RUNNING:
        return DeleteFound::callback_running;
    default:
        return DeleteFound::unknown;
    }
}

namespace {

std::chrono::nanoseconds from_jiffies(std::uint64_t expires, std::uint64_t jiffies,
                                      std::chrono::nanoseconds tick) {
    const auto distance = static_cast<std::int64_t>(expires - jiffies);
    if (distance <= 0)
        return std::chrono::nanoseconds(0);
    std::chrono::nanoseconds::rep ns = 0;
    // MAX_JIFFY_OFFSET and the like mean "never".
    if (__builtin_mul_overflow(distance, tick.count(), &ns))
        return std::chrono::nanoseconds::max();
    return std::chrono::nanoseconds(ns);
}

// A ktime_t is signed; KTIME_MAX means "never".
std::chrono::nanoseconds from_ktime(std::uint64_t expires, std::uint64_t now_ns) {
    const auto end = static_cast<std::int64_t>(expires);
    const auto now = static_cast<std::int64_t>(now_ns);
    if (end <= now)
        return std::chrono::nanoseconds(0);
    std::chrono::nanoseconds::rep ns = 0;
    return __builtin_sub_overflow(end, now, &ns) ? std::chrono::nanoseconds::max()
                                                 : std::chrono::nanoseconds(ns);
}

} // namespace

std::string taints_text(std::uint64_t bits) {
    constexpr std::string_view letters = "PFSRMBUDAWCIOELKXTNJ"; // kernel/panic.c, taint_flags
    std::string text;
    for (std::size_t number = 0; number < 64; ++number) {
        if ((bits >> number & 1U) != 0)
            text += number < letters.size() ? letters[number] : '?';
    }
    return text;
}

std::optional<std::chrono::nanoseconds> time_to_expiry(TimerKind kind, std::uint64_t expires,
                                                       const KernelClocks& clocks) {
    if (kind == TimerKind::hrtimer || kind == TimerKind::alarm)
        return from_ktime(expires, clocks.monotonic_ns);
    if (clocks.tick.count() <= 0)
        return std::nullopt;
    return from_jiffies(expires, clocks.jiffies, clocks.tick);
}

std::chrono::nanoseconds time_between(std::uint64_t earlier_ns, std::uint64_t later_ns) {
    constexpr std::uint64_t longest = std::chrono::nanoseconds::max().count();
    return std::chrono::nanoseconds(later_ns > earlier_ns ? std::min(later_ns - earlier_ns, longest) : 0);
}

} // namespace disarmd
