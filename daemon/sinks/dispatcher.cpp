// SPDX-License-Identifier: Apache-2.0
#include "sinks/dispatcher.h"

#include <condition_variable>
#include <csignal>
#include <deque>
#include <mutex>
#include <thread>

#include <spdlog/spdlog.h>

#include "base/clock.h"
#include "base/priority.h"
#include "base/text.h"

namespace disarmd {

namespace {

using Clock = std::chrono::steady_clock;

// Whether the record was there before the memory was gone can be told by this.
void tell_written(const Sink& sink, const Incident& incident) {
    const auto after = static_cast<double>(monotonic_ns() - incident.unload.freed_ns) / 1e6;
    spdlog::debug("sink {}: incident {} is written, {:.3f} ms after the free", sink.name(), incident.id,
                  after);
}

bool is_clean(const Incident& incident) {
    return !is_notable(incident.unload);
}

} // namespace

// A sink, its queue and its thread. The thread shares the state, so that it can be left alone with it.
class Dispatcher::Worker {
public:
    explicit Worker(std::unique_ptr<Sink> sink) : state_(std::make_shared<State>()) {
        state_->sink = std::move(sink);
        state_->health.name = state_->sink->name();
        // Signals are for the threads that were there before.
        sigset_t all{};
        sigset_t before{};
        sigfillset(&all);
        ::pthread_sigmask(SIG_SETMASK, &all, &before);
        thread_ = std::thread([state = state_] { state->work(); });
        ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    }
    Worker(const Worker&) = delete;
    Worker& operator=(const Worker&) = delete;
    ~Worker() {
        if (thread_.joinable())
            thread_.detach();
    }

    void offer(const std::shared_ptr<const Incident>& given, const std::shared_ptr<const Incident>& urgent,
               bool is_backlog) {
        if (!state_->sink->takes(*given))
            return;
        const std::lock_guard lock(state_->mutex);
        const auto room = is_clean(*given) ? queue_limit / 2 : queue_limit;
        if (!is_backlog && state_->queue.size() - state_->backlog >= room) {
            ++state_->health.dropped;
            return;
        }
        state_->queue.push_back({given, state_->sink->is_urgent() ? urgent : nullptr, is_backlog});
        state_->backlog += is_backlog ? 1 : 0;
        state_->changed.notify_all();
    }

    // What is dropped first is told at once, as the sink may hang for good, and its thread with it.
    void tell_first_dropped() {
        std::unique_lock lock(state_->mutex);
        if (state_->health.dropped == state_->dropped_told || state_->dropping)
            return;
        state_->dropping = true;
        const std::chrono::nanoseconds hangs = Clock::now() - state_->busy_since;
        lock.unlock();
        spdlog::error(
            "sink {}: a write hangs, for {} by now, and its queue is full: further records are dropped",
            state_->sink->name(), duration_text(hangs));
    }

    [[nodiscard]] SinkHealth health() const {
        const std::lock_guard lock(state_->mutex);
        auto health = state_->health;
        if (state_->busy)
            health.busy_for = Clock::now() - state_->busy_since;
        return health;
    }

    void begin_close() {
        const std::lock_guard lock(state_->mutex);
        state_->closing = true;
        state_->changed.notify_all();
    }

    bool end_close(Clock::time_point until) {
        std::unique_lock lock(state_->mutex);
        if (!state_->changed.wait_until(lock, until, [this] { return state_->ended; }))
            return false;
        lock.unlock();
        thread_.join();
        return true;
    }

private:
    struct State {
        std::unique_ptr<Sink> sink; // the thread's own, but for takes() and name()
        std::mutex mutex;           // of everything below
        std::condition_variable changed;
        struct Queued {
            std::shared_ptr<const Incident> incident;
            std::shared_ptr<const Incident> urgent; // the same; null: nobody waits for the write
            bool is_backlog;
        };
        std::deque<Queued> queue;
        std::size_t backlog = 0; // of these
        SinkHealth health;
        std::uint64_t dropped_told = 0;
        bool dropping = false; // and that was told
        bool busy = false;
        Clock::time_point busy_since;
        bool closing = false;
        bool ended = false;

        void work();
        struct Attempted {
            bool done;
            std::chrono::nanoseconds took;
        };
        template <typename Attempt>
        Attempted attempt(std::unique_lock<std::mutex>& lock, Attempt&& attempt);
        void tell_dropped(std::unique_lock<std::mutex>& lock);
    };

    std::shared_ptr<State> state_;
    std::thread thread_;
};

// Whatever the sink does, without the lock.
template <typename Attempt>
Dispatcher::Worker::State::Attempted Dispatcher::Worker::State::attempt(std::unique_lock<std::mutex>& lock,
                                                                        Attempt&& attempt) {
    busy = true;
    busy_since = Clock::now();
    lock.unlock();
    const Result<void> done = attempt();
    const std::chrono::nanoseconds took = Clock::now() - busy_since;
    if (!done)
        spdlog::error("sink {}: {}", sink->name(), done.error().text());
    if (took > slow_write)
        spdlog::warn("sink {}: a write took {}", sink->name(), duration_text(took));
    lock.lock();
    busy = false;
    return {.done = done.has_value(), .took = took};
}

// Without the lock, too: whoever reads the log may be slow.
void Dispatcher::Worker::State::tell_dropped(std::unique_lock<std::mutex>& lock) {
    const auto untold = health.dropped - dropped_told;
    if (untold == 0)
        return;
    dropped_told = health.dropped;
    dropping = false;
    lock.unlock();
    spdlog::error("sink {}: {} dropped, as earlier ones were not written fast enough", sink->name(),
                  count_text(untold, "record"));
    lock.lock();
}

void Dispatcher::Worker::State::work() {
    std::unique_lock lock(mutex);
    attempt(lock, [&] { return sink->prepare(); });
    if (sink->is_urgent()) {
        if (auto hurried = run_before_others(); !hurried)
            spdlog::debug("sink {}: {}", sink->name(), hurried.error().text());
    }
    while (true) {
        changed.wait(lock, [this] { return closing || !queue.empty(); });
        if (queue.empty())
            break;
        std::vector<std::shared_ptr<const Incident>> unflushed;
        while (!queue.empty()) {
            const auto next = std::move(queue.front());
            queue.pop_front();
            backlog -= next.is_backlog ? 1 : 0;
            const auto write = attempt(lock, [&] { return sink->write(*next.incident); });
            health.slowest = std::max(health.slowest, write.took);
            ++(write.done ? health.written : health.failed);
            if (write.done)
                tell_written(*sink, *next.incident);
            if (sink->needs_flush())
                unflushed.push_back(next.incident);
        }
        attempt(lock, [&] { return sink->flush(); });
        unflushed.clear();
        tell_dropped(lock);
    }
    ended = true;
    changed.notify_all();
}

Dispatcher::Dispatcher(std::vector<std::unique_ptr<Sink>> sinks,
                       std::function<void(const Incident&)> on_urgent_done)
    : on_urgent_done_(std::move(on_urgent_done)) {
    for (auto& sink : sinks) {
        if (sink->is_immediate()) {
            immediate_health_.emplace_back().name = sink->name();
            if (auto prepared = sink->prepare(); !prepared)
                spdlog::error("sink {}: {}", sink->name(), prepared.error().text());
            immediate_.push_back(std::move(sink));
        } else {
            workers_.push_back(std::make_unique<Worker>(std::move(sink)));
        }
    }
}

Dispatcher::~Dispatcher() {
    close(std::chrono::milliseconds(0));
}

void Dispatcher::hand_out(Incident incident, bool is_backlog) {
    const auto shared = std::make_shared<const Incident>(std::move(incident));
    // Goes with the last of those that are to be done.
    const std::shared_ptr<const Incident> urgent(shared.get(),
                                                 [shared, call = on_urgent_done_](const Incident* done) {
                                                     if (call)
                                                         call(*done);
                                                 });
    // They wake up while this thread writes the first ones, which may wait for a slow console.
    for (const auto& worker : workers_)
        worker->offer(shared, urgent, is_backlog);
    for (std::size_t i = 0; i < immediate_.size(); ++i) {
        auto& sink = *immediate_[i];
        if (!sink.takes(*shared))
            continue;
        auto& health = immediate_health_[i];
        const auto begun = Clock::now();
        const auto written = sink.write(*shared);
        health.slowest = std::max<std::chrono::nanoseconds>(health.slowest, Clock::now() - begun);
        ++(written ? health.written : health.failed);
        if (written)
            tell_written(sink, *shared);
        else
            spdlog::error("sink {}: {}", sink.name(), written.error().text());
    }
    for (const auto& worker : workers_)
        worker->tell_first_dropped();
}

std::vector<SinkHealth> Dispatcher::health() const {
    auto health = immediate_health_;
    for (const auto& worker : workers_)
        health.push_back(worker->health());
    return health;
}

bool Dispatcher::close(std::chrono::milliseconds patience) {
    const auto until = Clock::now() + patience;
    for (const auto& worker : workers_)
        worker->begin_close();
    std::erase_if(workers_, [&](const auto& worker) { return worker->end_close(until); });
    return workers_.empty();
}

} // namespace disarmd
