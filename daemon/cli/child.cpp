// SPDX-License-Identifier: Apache-2.0
#include "cli/child.h"

#include <csignal>
#include <spawn.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/text.h"

namespace disarmd {

Result<pid_t> start_command(const std::vector<std::string>& command) {
    std::vector<std::string> words = command; // posix_spawn wants them writable
    std::vector<char*> argv;
    argv.reserve(words.size() + 1);
    for (auto& word : words)
        argv.push_back(word.data());
    argv.push_back(nullptr);

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
    ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    ::posix_spawn_file_actions_adddup2(&files, STDERR_FILENO, STDOUT_FILENO);
    pid_t pid = 0;
    const int err = ::posix_spawnp(&pid, argv.front(), &files, &attributes, argv.data(), environ);
    ::posix_spawn_file_actions_destroy(&files);
    ::posix_spawnattr_destroy(&attributes);
    if (err != 0)
        return fail(Error::from_code(err, fmt::format("running {}", printable(command.front()))));
    return pid;
}

} // namespace disarmd
