// SPDX-License-Identifier: Apache-2.0
#include "cli/child.h"

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <functional>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>

#include "builders.h"

namespace disarmd {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

using test::is_alive;
using test::within;

constexpr auto long_enough = 10s;

// A shell script, run as COMMAND, with what it and its children have said to a file.
struct Script {
    explicit Script(const std::string& text)
        : command(Command::start({"sh", "-c", "exec 3>>" + folder.file("said") + " 2>/dev/null; " + text})) {}

    [[nodiscard]] std::vector<std::string> said() const {
        return test::lines_of(test::content_of(folder.file("said")));
    }
    [[nodiscard]] bool says(std::size_t lines) const {
        return within(long_enough, [&] { return said().size() >= lines; });
    }

    test::TemporaryFolder folder;
    Result<Command> command;
};

TEST(Command, that_is_not_there_is_an_error) {
    const auto command = Command::start({"/nowhere/rm\nmod"});
    ASSERT_FALSE(command);
    EXPECT_EQ(command.error().code(), ENOENT);
    EXPECT_EQ(command.error().text(), "running /nowhere/rm\\x0amod: No such file or directory");
}

TEST(Command, has_a_process_group_of_its_own) {
    Script script("echo $$ >&3; exec sleep 100");
    ASSERT_TRUE(script.command) << script.command.error().text();
    EXPECT_EQ(::getpgid(script.command->pid()), script.command->pid());
    EXPECT_NE(::getpgrp(), script.command->pid());
    script.command->end(long_enough);
}

TEST(Command, is_ended_with_all_that_it_started) {
    Script script("sleep 100 & echo $! >&3; (sleep 100 & echo $! >&3; wait) & sleep 100");
    ASSERT_TRUE(script.command) << script.command.error().text();
    ASSERT_TRUE(script.says(2));
    const auto began = std::chrono::steady_clock::now();
    script.command->end(long_enough);
    EXPECT_LT(std::chrono::steady_clock::now() - began, long_enough) << "SIGTERM is enough";
    EXPECT_FALSE(is_alive(script.command->pid()));
    for (const auto& pid : script.said())
        EXPECT_FALSE(is_alive(std::stoi(pid))) << pid;
}

TEST(Command, has_time_to_end_in_order) {
    Script script("trap 'echo bye >&3; exit' TERM; echo up >&3; while :; do sleep 0.05; done");
    ASSERT_TRUE(script.command) << script.command.error().text();
    ASSERT_TRUE(script.says(1));
    script.command->end(long_enough);
    EXPECT_THAT(script.said(), testing::ElementsAre("up", "bye"));
}

TEST(Command, is_killed_where_it_does_not_listen) {
    Script script("trap '' TERM; sleep 100 & echo $! >&3; while :; do sleep 0.05; done");
    ASSERT_TRUE(script.command) << script.command.error().text();
    ASSERT_TRUE(script.says(1));
    script.command->end(100ms);
    EXPECT_FALSE(is_alive(script.command->pid()));
    EXPECT_TRUE(within(long_enough, [&] { return !is_alive(std::stoi(script.said().front())); }));
}

TEST(Command, is_ended_where_it_is_stopped) {
    Script script("echo up >&3; sleep 100");
    ASSERT_TRUE(script.command) << script.command.error().text();
    ASSERT_TRUE(script.says(1));
    ::kill(-script.command->pid(), SIGSTOP);
    const auto began = std::chrono::steady_clock::now();
    script.command->end(long_enough);
    EXPECT_LT(std::chrono::steady_clock::now() - began, long_enough);
    EXPECT_FALSE(is_alive(script.command->pid()));
}

TEST(Command, keeps_its_output_away_from_the_result) {
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    const auto command = Command::start({"sh", "-c", "echo out; echo err >&2"});
    ASSERT_TRUE(command) << command.error().text();
    ::waitpid(command->pid(), nullptr, 0);
    EXPECT_EQ(testing::internal::GetCapturedStdout(), "");
    EXPECT_EQ(testing::internal::GetCapturedStderr(), "out\nerr\n");
}

// A terminal with a session whose only job plays disarmd's part.
class Terminal {
public:
    explicit Terminal(const std::function<int()>& job) {
        pid_ = ::forkpty(&fd_, nullptr, nullptr, nullptr);
        if (pid_ == 0)
            ::_exit(job());
    }
    Terminal(const Terminal&) = delete;
    Terminal& operator=(const Terminal&) = delete;
    ~Terminal() {
        ::close(fd_);
        if (pid_ > 0) {
            ::kill(pid_, SIGKILL);
            ::waitpid(pid_, nullptr, 0);
        }
    }

    void type(std::string_view text) const { ASSERT_GT(::write(fd_, text.data(), text.size()), 0); }
    bool shows(const std::string& text) {
        return within(long_enough, [&] {
            pollfd ready{fd_, POLLIN, 0};
            char buffer[256];
            while (::poll(&ready, 1, 0) > 0) {
                const auto size = ::read(fd_, buffer, sizeof(buffer));
                if (size <= 0)
                    break;
                screen_.append(buffer, static_cast<std::size_t>(size));
            }
            return screen_.find(text) != std::string::npos;
        });
    }
    int exit_status() {
        int status = 0;
        ::waitpid(std::exchange(pid_, 0), &status, 0);
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
    [[nodiscard]] const std::string& screen() const { return screen_; }

private:
    int fd_ = -1;
    pid_t pid_ = 0;
    std::string screen_;
};

// Runs the script as COMMAND; ends with its status, or 100 if the terminal is not given back.
int run_in_terminal(const std::string& script) {
    auto command = Command::start({"sh", "-c", script});
    if (!command)
        return 101;
    int status = 0;
    while (::waitpid(command->pid(), &status, WUNTRACED) == command->pid() && WIFSTOPPED(status)) {
        command->stop_along(WSTOPSIG(status));
        command->go_on();
    }
    if (!command->give_back_terminal() || ::tcgetpgrp(STDIN_FILENO) != ::getpgrp())
        return 100;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

TEST(CommandInTerminal, may_read_from_it) {
    Terminal terminal([] { return run_in_terminal("echo ready; read line; echo \"got $line\"; exit 7"); });
    ASSERT_TRUE(terminal.shows("ready")) << terminal.screen();
    terminal.type("some words\n");
    EXPECT_TRUE(terminal.shows("got some words")) << terminal.screen();
    EXPECT_EQ(terminal.exit_status(), 7);
}

TEST(CommandInTerminal, hears_of_ctrl_c) {
    Terminal terminal(
        [] { return run_in_terminal("trap 'exit 8' INT; echo ready; while :; do sleep 0.05; done"); });
    ASSERT_TRUE(terminal.shows("ready")) << terminal.screen();
    terminal.type("\x03");
    EXPECT_EQ(terminal.exit_status(), 8);
}

TEST(CommandInTerminal, dies_of_ctrl_c_alone) {
    Terminal terminal([] { return run_in_terminal("echo ready; exec sleep 100"); });
    ASSERT_TRUE(terminal.shows("ready")) << terminal.screen();
    terminal.type("\x03");
    EXPECT_EQ(terminal.exit_status(), 128 + SIGINT) << "the job that started it outlives it";
}

// Nobody could continue a job without a shell, so the kernel does not stop it: the command goes on.
TEST(CommandInTerminal, goes_on_after_ctrl_z_where_no_shell_could_wake_it) {
    Terminal terminal([] { return run_in_terminal("echo ready; read line; echo \"got $line\""); });
    ASSERT_TRUE(terminal.shows("ready")) << terminal.screen();
    terminal.type("\x1a");
    terminal.type("more\n");
    EXPECT_TRUE(terminal.shows("got more")) << terminal.screen();
    EXPECT_EQ(terminal.exit_status(), 0);
}

} // namespace
} // namespace disarmd
