// SPDX-License-Identifier: Apache-2.0
#include "cli/child.h"

#include <csignal>
#include <spawn.h>
#include <thread>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/text.h"

namespace disarmd {

namespace {

// tcsetpgrp() by a process that is not in the foreground stops it, unless SIGTTOU is blocked.
void set_foreground(int terminal, pid_t group) {
    sigset_t set;
    sigset_t before;
    sigemptyset(&set);
    sigaddset(&set, SIGTTOU);
    ::pthread_sigmask(SIG_BLOCK, &set, &before);
    ::tcsetpgrp(terminal, group);
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

bool in_foreground(int terminal, pid_t group) {
    return terminal >= 0 && ::tcgetpgrp(terminal) == group;
}

} // namespace

Result<Command> Command::start(const std::vector<std::string>& words) {
    std::vector<std::string> writable = words; // as posix_spawn wants them
    std::vector<char*> argv;
    argv.reserve(writable.size() + 1);
    for (auto& word : writable)
        argv.push_back(word.data());
    argv.push_back(nullptr);
    UniqueFd terminal(::open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY));

    posix_spawnattr_t attributes;
    posix_spawn_file_actions_t files;
    sigset_t none;
    sigset_t defaults; // what this process ignores must not be ignored by the command
    sigemptyset(&none);
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    ::posix_spawnattr_init(&attributes);
    ::posix_spawn_file_actions_init(&files);
    ::posix_spawnattr_setsigmask(&attributes, &none);
    ::posix_spawnattr_setsigdefault(&attributes, &defaults);
    ::posix_spawnattr_setpgroup(&attributes, 0);
    ::posix_spawnattr_setflags(&attributes,
                               POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    if (in_foreground(terminal.get(), ::getpgrp()))
        ::posix_spawn_file_actions_addtcsetpgrp_np(&files, terminal.get());
    ::posix_spawn_file_actions_adddup2(&files, STDERR_FILENO, STDOUT_FILENO);
    pid_t pid = 0;
    const int err = ::posix_spawnp(&pid, argv.front(), &files, &attributes, argv.data(), environ);
    ::posix_spawn_file_actions_destroy(&files);
    ::posix_spawnattr_destroy(&attributes);
    if (err != 0)
        return fail(Error::from_code(err, fmt::format("running {}", printable(words.front()))));
    return Command(pid, std::move(terminal));
}

void Command::signal_group(int signal) const {
    ::kill(-pid_, signal);
}

void Command::stop_along(int signal) {
    if (!terminal_ || (signal != SIGTSTP && signal != SIGTTIN && signal != SIGTTOU))
        return;
    give_back_terminal();
    ::kill(0, SIGTSTP);
}

void Command::go_on() {
    if (in_foreground(terminal_.get(), ::getpgrp()))
        set_foreground(terminal_.get(), pid_);
    signal_group(SIGCONT);
}

bool Command::give_back_terminal() {
    if (!in_foreground(terminal_.get(), pid_))
        return false;
    set_foreground(terminal_.get(), ::getpgrp());
    return true;
}

bool Command::is_gone_within(std::chrono::milliseconds time) const {
    constexpr std::chrono::milliseconds pause(10);
    for (const auto end = std::chrono::steady_clock::now() + time;;) {
        int status = 0;
        ::waitpid(pid_, &status, WNOHANG); // until it is reaped it counts as one of the group
        if (::kill(-pid_, 0) != 0 && errno == ESRCH)
            return true;
        if (std::chrono::steady_clock::now() >= end)
            return false;
        std::this_thread::sleep_for(pause);
    }
}

void Command::end(std::chrono::milliseconds grace) {
    signal_group(SIGTERM);
    signal_group(SIGCONT); // a stopped process dies of nothing but SIGKILL
    if (!is_gone_within(grace)) {
        constexpr std::chrono::milliseconds after_kill(500);
        signal_group(SIGKILL);
        (void)is_gone_within(after_kill); // what sleeps in the kernel dies when it wakes
    }
    give_back_terminal();
}

} // namespace disarmd
