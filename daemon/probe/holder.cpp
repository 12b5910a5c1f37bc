// SPDX-License-Identifier: Apache-2.0
#include "probe/holder.h"

#include <algorithm>
#include <csignal>

#include <sched.h>
#include <spdlog/spdlog.h>

#include "base/clock.h"
#include "base/priority.h"

namespace disarmd {

namespace {

// Of what is held one after the other, without a break: so many limits. Nobody's grace period ends meanwhile.
constexpr std::uint64_t longest_row = 4;

} // namespace

Result<std::unique_ptr<Holder>> Holder::create(Probe& probe, std::chrono::milliseconds limit) {
    cpu_set_t allowed{};
    if (::sched_getaffinity(0, sizeof(allowed), &allowed) != 0)
        return fail(Error::from_errno("asking which CPUs there are"));
    if (CPU_COUNT(&allowed) < 2)
        return fail({ENOTSUP, "a free can't be held with a single CPU"});
    int last = CPU_SETSIZE - 1;
    while (!CPU_ISSET(last, &allowed))
        --last;
    CPU_CLR(last, &allowed);
    if (::sched_setaffinity(0, sizeof(allowed), &allowed) != 0)
        return fail(Error::from_errno("leaving a CPU to whatever is held"));
    return std::unique_ptr<Holder>(new Holder(probe, limit, last));
}

Holder::Holder(Probe& probe, std::chrono::milliseconds limit, int cpu) : probe_(probe), limit_(limit) {
    // Signals are for the threads that were there before.
    sigset_t all{};
    sigset_t before{};
    sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    thread_ = std::thread([this, cpu] { work(cpu); });
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

Holder::~Holder() {
    {
        const std::lock_guard lock(mutex_);
        ending_ = true;
        probe_.keep_holding(0);
    }
    changed_.notify_all();
    thread_.join();
}

void Holder::hold() {
    const auto limit = static_cast<std::uint64_t>(std::chrono::nanoseconds(limit_).count());
    const std::lock_guard lock(mutex_);
    const auto now = monotonic_ns();
    if (!holding_)
        since_ns_ = now;
    ++held_;
    until_ns_ = std::min(now + limit, since_ns_ + longest_row * limit);
    probe_.keep_holding(until_ns_);
    changed_.notify_all();
}

void Holder::release() {
    const std::lock_guard lock(mutex_);
    if (--held_ == 0)
        probe_.keep_holding(until_ns_ = 0);
}

void Holder::work(int cpu) {
    cpu_set_t own{};
    CPU_ZERO(&own);
    CPU_SET(cpu, &own);
    if (::sched_setaffinity(0, sizeof(own), &own) != 0)
        spdlog::warn("{}", Error::from_errno("moving to the CPU that is set aside").text());
    if (auto hurried = run_before_others(); !hurried)
        spdlog::debug("holding frees: {}", hurried.error().text());
    std::unique_lock lock(mutex_);
    while (!ending_) {
        changed_.wait(lock, [this] { return ending_ || monotonic_ns() < until_ns_; });
        if (ending_)
            break;
        holding_ = true;
        lock.unlock();
        auto held = probe_.hold_frees();
        lock.lock();
        holding_ = false;
        if (held)
            continue;
        spdlog::error("{}", held.error().text());
        until_ns_ = 0; // Another try would fail as well.
    }
}

} // namespace disarmd
