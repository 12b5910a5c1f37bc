// SPDX-License-Identifier: Apache-2.0
#include "base/event_loop.h"

#include <csignal>
#include <ctime>
#include <sys/epoll.h>

namespace disarmd {

namespace {

constexpr std::uint64_t timer_accuracy_us = 1000;

Result<void> checked(int result, const char* attempted) {
    if (result < 0)
        return fail(Error::from_code(-result, attempted));
    return {};
}

Result<void> block_signal(int signal) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, signal);
    if (const int err = ::pthread_sigmask(SIG_BLOCK, &set, nullptr); err != 0)
        return fail(Error::from_code(err, "blocking a signal"));
    return {};
}

} // namespace

Result<EventLoop> EventLoop::create() {
    if (auto blocked = block_signal(SIGCHLD); !blocked)
        return fail(blocked.error());
    sd_event* event = nullptr;
    if (const int err = sd_event_new(&event); err < 0)
        return fail(Error::from_code(-err, "creating the event loop"));
    return EventLoop(event);
}

EventLoop::Handler* EventLoop::keep(Handler handler) {
    return handlers_.emplace_back(std::make_unique<Handler>(std::move(handler))).get();
}

Result<void> EventLoop::on_readable(int fd, std::function<void()> handler) {
    const auto call = [](sd_event_source*, int, std::uint32_t, void* data) {
        static_cast<Handler*>(data)->simple();
        return 0;
    };
    return checked(
        sd_event_add_io(event_.get(), nullptr, fd, EPOLLIN, call, keep({std::move(handler), nullptr})),
        "watching a file descriptor");
}

Result<void> EventLoop::on_signal(int signal, std::function<void()> handler) {
    if (auto blocked = block_signal(signal); !blocked)
        return blocked;
    const auto call = [](sd_event_source*, const signalfd_siginfo*, void* data) {
        static_cast<Handler*>(data)->simple();
        return 0;
    };
    return checked(
        sd_event_add_signal(event_.get(), nullptr, signal, call, keep({std::move(handler), nullptr})),
        "watching a signal");
}

Result<void> EventLoop::after(std::chrono::microseconds delay, std::function<void()> handler) {
    const auto call = [](sd_event_source*, std::uint64_t, void* data) {
        static_cast<Handler*>(data)->simple();
        return 0;
    };
    return checked(sd_event_add_time_relative(event_.get(), nullptr, CLOCK_MONOTONIC,
                                              static_cast<std::uint64_t>(delay.count()), timer_accuracy_us,
                                              call, keep({std::move(handler), nullptr})),
                   "setting a timer");
}

Result<void> EventLoop::every(std::chrono::microseconds period, std::function<void()> handler) {
    const auto call = [](sd_event_source* source, std::uint64_t, void* data) {
        const auto* const self = static_cast<Handler*>(data);
        self->simple();
        const int err =
            sd_event_source_set_time_relative(source, static_cast<std::uint64_t>(self->period.count()));
        return err < 0 ? err : sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
    };
    return checked(sd_event_add_time_relative(event_.get(), nullptr, CLOCK_MONOTONIC,
                                              static_cast<std::uint64_t>(period.count()), timer_accuracy_us,
                                              call, keep({std::move(handler), nullptr, period})),
                   "setting a timer");
}

Result<void> EventLoop::on_child_change(pid_t pid, std::function<void(int, int)> handler) {
    const auto call = [](sd_event_source*, const siginfo_t* info, void* data) {
        static_cast<Handler*>(data)->child(info->si_code, info->si_status);
        return 0;
    };
    constexpr const char* attempted = "watching a child process";
    sd_event_source* source = nullptr;
    if (const int err = sd_event_add_child(event_.get(), &source, pid, WEXITED | WSTOPPED, call,
                                           keep({nullptr, std::move(handler)}));
        err < 0)
        return fail(Error::from_code(-err, attempted));
    // The loop owns it, as it does the sources of all others; by default it is told of once.
    int err = sd_event_source_set_enabled(source, SD_EVENT_ON);
    if (err >= 0)
        err = sd_event_source_set_floating(source, 1);
    sd_event_source_unref(source);
    return checked(err, attempted);
}

Result<int> EventLoop::run() {
    const int result = sd_event_loop(event_.get());
    if (result < 0)
        return fail(Error::from_code(-result, "waiting for events"));
    return result;
}

void EventLoop::stop(int value) {
    sd_event_exit(event_.get(), value);
}

} // namespace disarmd
