// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>

#include "base/result.h"
#include "probe/probe.h"

namespace disarmd {

// Keeps the memory of modules that are being freed until what they leave behind is written down, or
// the time is up. That takes a CPU for itself as long as it lasts, so that one is set aside: the
// thread that creates this, and those that it starts from then on, run on the others.
class Holder {
public:
    // Fails where this process may use but one CPU. The probe outlives it.
    static Result<std::unique_ptr<Holder>> create(Probe& probe, std::chrono::milliseconds limit);

    Holder(const Holder&) = delete;
    Holder& operator=(const Holder&) = delete;
    ~Holder();

    // A free that has begun is held, until release() was called as often as this, by whatever thread,
    // or the time is up since the last one.
    void hold();
    void release();

private:
    Holder(Probe& probe, std::chrono::milliseconds limit, int cpu);
    void work(int cpu);

    Probe& probe_;
    std::chrono::milliseconds limit_;
    std::mutex mutex_; // of everything below
    std::condition_variable changed_;
    std::size_t held_ = 0;       // and not released
    std::uint64_t since_ns_ = 0; // CLOCK_MONOTONIC, as the next
    std::uint64_t until_ns_ = 0; // past: nothing is held
    bool holding_ = false;
    bool ending_ = false;
    std::thread thread_;
};

} // namespace disarmd
