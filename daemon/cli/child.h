// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include <sys/types.h>

#include "base/result.h"
#include "base/unique_fd.h"

namespace disarmd {

// COMMAND, running as a process group of its own, so that whatever it started can be
// ended with it. Where this process is in the foreground of a terminal, the command's
// group takes that place (tcsetpgrp(3)): it may read from the terminal, and Ctrl-C and
// Ctrl-Z go to it. Neither ends with this object.
class Command {
public:
    // Searched in PATH. It has this process's standard input and error; its standard
    // output goes to standard error, as ours holds the result alone. It starts with no
    // signal blocked, and SIGPIPE not ignored.
    static Result<Command> start(const std::vector<std::string>& words);

    [[nodiscard]] pid_t pid() const { return pid_; }

    // The command was stopped: if that was job control's doing, this process and what
    // else is in its job stop as well, as their shell expects.
    void stop_along(int signal);
    // This process was continued: so is the command, in the foreground if we are there.
    void go_on();
    // The command's own process has ended. True if it had the terminal.
    bool give_back_terminal();
    // Ends whatever is left of the group: SIGTERM, and SIGKILL after the grace. Returns
    // once nothing is left, or soon after the SIGKILL.
    void end(std::chrono::milliseconds grace);

private:
    Command(pid_t pid, UniqueFd terminal) : pid_(pid), terminal_(std::move(terminal)) {}

    void signal_group(int signal) const;
    [[nodiscard]] bool is_gone_within(std::chrono::milliseconds time) const;

    pid_t pid_; // and the group's
    UniqueFd terminal_;
};

} // namespace disarmd
