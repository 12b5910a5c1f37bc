// SPDX-License-Identifier: Apache-2.0
#include "sinks/hooks.h"

#include <algorithm>
#include <array>
#include <csignal>
#include <filesystem>
#include <limits>

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>
#include <poll.h>
#include <spawn.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/text.h"
#include "base/unique_fd.h"
#include "incident/json.h"

namespace disarmd {

namespace {

using Clock = std::chrono::steady_clock;

bool only_root_can_change(const struct stat& status) {
    return (status.st_uid == 0 || status.st_uid == ::geteuid()) &&
           (status.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

struct Programs {
    std::vector<std::string> paths;   // by name
    std::vector<std::string> refused; // why, of each
};

Result<Programs> programs_in(const std::string& folder) {
    Programs programs;
    struct stat status {};
    if (::stat(folder.c_str(), &status) != 0) {
        if (errno == ENOENT)
            return programs;
        return fail(Error::from_errno(fmt::format("looking into {}", folder)));
    }
    if (!only_root_can_change(status))
        return fail({EPERM, fmt::format("nothing in {} is run: others than root can change it", folder)});
    std::error_code error;
    // Not a range's loop, whose steps throw.
    for (auto entry = std::filesystem::directory_iterator(folder, error);
         !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
        const auto& path = entry->path();
        const auto name = path.filename().string();
        if (name.starts_with('.') || name.ends_with('~') || ::access(path.c_str(), X_OK) != 0 ||
            ::stat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode))
            continue;
        if (only_root_can_change(status))
            programs.paths.push_back(path);
        else
            programs.refused.push_back(
                fmt::format("{} is not run: others than root can change it", printable(path.string())));
    }
    if (error)
        return fail(Error::from_code(error.value(), fmt::format("looking into {}", folder)));
    std::ranges::sort(programs.paths);
    std::ranges::sort(programs.refused);
    return programs;
}

struct Pipe {
    UniqueFd from;
    UniqueFd to;
};

Result<Pipe> make_pipe() {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0)
        return fail(Error::from_errno("making a pipe"));
    Pipe pipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
    // A program that does not read must not keep us.
    ::fcntl(pipe.to.get(), F_SETFL, O_NONBLOCK);
    return pipe;
}

// In a process group of its own, with no signal blocked or ignored and an environment that it can rely on.
Result<pid_t> start(const std::string& program, const Incident& incident, int input) {
    posix_spawn_file_actions_t actions{};
    posix_spawnattr_t attributes{};
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawnattr_init(&attributes);
    ::posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
    ::posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
    sigset_t none{};
    sigset_t all{};
    sigemptyset(&none);
    sigfillset(&all);
    ::posix_spawnattr_setsigmask(&attributes, &none);
    ::posix_spawnattr_setsigdefault(&attributes, &all);
    ::posix_spawnattr_setpgroup(&attributes, 0);
    ::posix_spawnattr_setflags(&attributes,
                               POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);

    std::vector<std::string> words{program};
    std::vector<std::string> settings{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                                      "LC_ALL=C.UTF-8", fmt::format("DISARMD_INCIDENT={}", incident.id),
                                      fmt::format("DISARMD_VERDICT={}", name_of(incident.unload.verdict))};
    const auto pointers = [](std::vector<std::string>& texts) {
        std::vector<char*> list;
        list.reserve(texts.size() + 1);
        for (auto& text : texts)
            list.push_back(text.data());
        list.push_back(nullptr);
        return list;
    };
    pid_t pid = 0;
    const int err = ::posix_spawn(&pid, program.c_str(), &actions, &attributes, pointers(words).data(),
                                  pointers(settings).data());
    ::posix_spawn_file_actions_destroy(&actions);
    ::posix_spawnattr_destroy(&attributes);
    if (err != 0)
        return fail(Error::from_code(err, fmt::format("starting {}", printable(program))));
    return pid;
}

// The service's unit lets the kernel spare it where memory gets short. What a hook takes is not to be spared.
Result<void> set_oom_score(pid_t pid) {
    const UniqueFd file(::open(fmt::format("/proc/{}/oom_score_adj", pid).c_str(), O_WRONLY | O_CLOEXEC));
    if (!file || ::write(file.get(), "0", 1) != 1)
        return fail(Error::from_errno("setting its oom_score_adj"));
    return {};
}

int milliseconds_until(Clock::time_point time) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(time - Clock::now()).count();
    return static_cast<int>(std::clamp<std::int64_t>(left, 0, std::numeric_limits<int>::max()));
}

// Feeds it as long as it reads, until it ends; false: the time is over.
Result<bool> feed(int process, UniqueFd input, std::string_view text, Clock::time_point until) {
    while (true) {
        std::array<pollfd, 2> wanted{{{process, POLLIN, 0}, {input.get(), POLLOUT, 0}}};
        const int ready = ::poll(wanted.data(), input ? 2 : 1, milliseconds_until(until));
        if (ready < 0 && errno != EINTR)
            return fail(Error::from_errno("waiting for it"));
        if (ready == 0)
            return false;
        if ((wanted[0].revents & POLLIN) != 0)
            return true;
        if (!input || wanted[1].revents == 0)
            continue;
        const auto written = ::write(input.get(), text.data(), text.size());
        if (written > 0)
            text.remove_prefix(static_cast<std::size_t>(written));
        // It may have read as much as it wanted (EPIPE), and that is all right.
        if (text.empty() || (written < 0 && errno != EAGAIN && errno != EINTR))
            input = UniqueFd();
    }
}

Result<void> judge_end(const std::string& program, int status) {
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return {};
    if (WIFEXITED(status))
        return fail({EIO, fmt::format("{} exited with status {}", printable(program), WEXITSTATUS(status))});
    return fail({EIO, fmt::format("{} was killed by signal {}", printable(program), WTERMSIG(status))});
}

Result<void> run_one(const std::string& program, const Incident& incident, const std::string& record,
                     std::chrono::milliseconds limit) {
    auto pipe = make_pipe();
    if (!pipe)
        return fail(pipe.error());
    const auto until = Clock::now() + limit;
    const auto pid = start(program, incident, pipe->from.get());
    if (!pid)
        return fail(pid.error());
    pipe->from = UniqueFd();
    if (auto set = set_oom_score(*pid); !set)
        spdlog::warn("hook {}: {}", printable(program), set.error().text());
    // pidfd_open(2) has no wrapper in glibc before 2.36.
    const UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, *pid, 0)));
    auto ended = process ? feed(process.get(), std::move(pipe->to), record, until)
                         : Result<bool>(fail(Error::from_errno("watching it")));
    if (!ended || !*ended)
        ::kill(-*pid, SIGKILL);
    int status = 0;
    while (::waitpid(*pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (!ended)
        return fail({ended.error().code(), fmt::format("{}: {}", printable(program), ended.error().text())});
    if (!*ended)
        return fail({ETIMEDOUT, fmt::format("{} took longer than {} and was killed", printable(program),
                                            duration_text(limit))});
    return judge_end(program, status);
}

} // namespace

Result<void> HooksSink::write(const Incident& incident) {
    const auto programs = programs_in(folder_);
    if (!programs)
        return fail(programs.error());
    auto failures = programs->refused;
    const auto record = to_line(to_json(incident)) + '\n';
    for (const auto& program : programs->paths) {
        if (auto done = run_one(program, incident, record, limit_); !done)
            failures.push_back(done.error().text());
    }
    if (!failures.empty())
        return fail({EIO, fmt::format("{}", fmt::join(failures, "; "))});
    return {};
}

} // namespace disarmd
