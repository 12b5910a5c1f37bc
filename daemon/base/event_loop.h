// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <vector>

#include <sys/types.h>
#include <systemd/sd-event.h>

#include "base/result.h"

namespace disarmd {

// The one loop that everything outside the kernel runs in, on one thread; a thin
// owner of systemd's sd-event. Handlers run from run() only, never concurrently,
// and live until the loop is destroyed.
class EventLoop {
public:
    // Blocks SIGCHLD for the process, which on_child_exit() needs.
    static Result<EventLoop> create();

    Result<void> on_readable(int fd, std::function<void()> handler);
    // Blocks the signal for the process; the handler gets it from the loop.
    Result<void> on_signal(int signal, std::function<void()> handler);
    // Once, after the delay.
    Result<void> after(std::chrono::microseconds delay, std::function<void()> handler);
    // Again and again, the first time after one period.
    Result<void> every(std::chrono::microseconds period, std::function<void()> handler);
    // Whenever the child stops, and when it has ended, on which it is reaped. As waitid(2)
    // gives it: CLD_EXITED and the code, or another CLD_ constant and the signal.
    Result<void> on_child_change(pid_t pid, std::function<void(int how, int status)> handler);

    // Until stop(); the value it was given.
    Result<int> run();
    void stop(int value);

private:
    struct Handler {
        std::function<void()> simple;
        std::function<void(int how, int status)> child;
        std::chrono::microseconds period{0};
    };
    struct Unref {
        void operator()(sd_event* event) const { sd_event_unref(event); }
    };

    explicit EventLoop(sd_event* event) : event_(event) {}
    Handler* keep(Handler handler);

    std::vector<std::unique_ptr<Handler>> handlers_; // outlives event_, whose sources point into it
    std::unique_ptr<sd_event, Unref> event_;
};

} // namespace disarmd
