// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "incident/incident.h"
#include "sinks/sink.h"

namespace disarmd {

// What became of the incidents that a sink was given.
struct SinkHealth {
    std::string name;
    std::uint64_t written = 0;
    std::uint64_t failed = 0;
    std::uint64_t dropped = 0;            // its queue was full
    std::chrono::nanoseconds slowest{0};  // write, of those that ended
    std::chrono::nanoseconds busy_for{0}; // with the write that has not ended; 0: with none
};

// Hands each incident to every sink that takes it. Immediate sinks are written by the caller's thread;
// every other one has a thread and a bounded queue of its own, so that none waits for another. An incident is
// kept until the last sink has flushed it. Failures, and what took long, go to the log.
class Dispatcher {
public:
    // on_urgent_done is called once for each incident, by any thread, when all sinks that are immediate
    // or urgent have done with it, whether they could write it or not.
    Dispatcher(std::vector<std::unique_ptr<Sink>> sinks, std::function<void(const Incident&)> on_urgent_done);
    Dispatcher(const Dispatcher&) = delete;
    Dispatcher& operator=(const Dispatcher&) = delete;
    // Without close(): as if it had been called with no patience.
    ~Dispatcher();

    void dispatch(Incident incident) { hand_out(std::move(incident), /*is_backlog=*/false); }
    // One of those that came about before this process, which come all at once, and are no more than the
    // kernel has kept: no queue is too full for it, nor fuller by it.
    void dispatch_backlog(Incident incident) { hand_out(std::move(incident), /*is_backlog=*/true); }

    [[nodiscard]] std::vector<SinkHealth> health() const;

    // Waits until what is queued is written, no longer than that. What then still hangs in a write
    // is left alone, with its sink: false, and the process should end without tidying up.
    bool close(std::chrono::milliseconds patience);

    // In a queue, at most; clean unloads leave half of it to the others. A record is a few KiB, and a machine
    // whose modules come and go all the time frees some dozens while its disk takes no write for seconds.
    static constexpr std::size_t queue_limit = 256;
    // A call of a sink that takes longer is told of.
    static constexpr std::chrono::milliseconds slow_write{1000};

private:
    class Worker;

    void hand_out(Incident incident, bool is_backlog);

    std::function<void(const Incident&)> on_urgent_done_;
    std::vector<std::unique_ptr<Sink>> immediate_;
    std::vector<SinkHealth> immediate_health_; // of each of these
    std::vector<std::unique_ptr<Worker>> workers_;
};

} // namespace disarmd
