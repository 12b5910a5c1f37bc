// SPDX-License-Identifier: Apache-2.0
#include "kernel/host.h"

#include <array>
#include <climits>
#include <csignal>
#include <cstdlib>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "builders.h"

namespace disarmd {
namespace {

using testing::ElementsAre;

// A program that was started with these words, for as long as this lives.
class Running {
public:
    Running(const std::string& program, std::vector<std::string> words) {
        if (::pipe2(input_.data(), O_CLOEXEC) != 0)
            return;
        posix_spawn_file_actions_t actions{};
        ::posix_spawn_file_actions_init(&actions);
        ::posix_spawn_file_actions_adddup2(&actions, input_[0], STDIN_FILENO);
        std::vector<char*> pointers;
        for (auto& word : words)
            pointers.push_back(word.data());
        pointers.push_back(nullptr);
        char* const none = nullptr;
        if (::posix_spawn(&pid_, program.c_str(), &actions, nullptr, pointers.data(), &none) != 0)
            pid_ = 0;
        ::posix_spawn_file_actions_destroy(&actions);
        // posix_spawn() returns in the middle of the exec.
        const auto comm = program.substr(program.rfind('/') + 1);
        EXPECT_TRUE(test::within(std::chrono::seconds(10), [&] {
            const auto task = read_task(pid());
            return task && task->comm == comm && !task->command.empty();
        }));
    }
    Running(const Running&) = delete;
    Running& operator=(const Running&) = delete;
    ~Running() {
        end();
        for (const int fd : input_)
            ::close(fd);
    }

    void end() {
        if (pid_ == 0)
            return;
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
        pid_ = 0;
    }
    [[nodiscard]] std::uint32_t pid() const { return static_cast<std::uint32_t>(pid_); }

private:
    pid_t pid_ = 0;
    std::array<int, 2> input_{-1, -1}; // nothing comes
};

TEST(ReadTask, tells_the_words_that_a_task_was_started_with) {
    // Words that sh keeps and does not read.
    const Running program("/bin/sh", {"sh", "-c", "read -r line", "", "a b", "\n\x1b\xff"});
    ASSERT_NE(program.pid(), 0U);
    const auto task = read_task(program.pid());
    ASSERT_TRUE(task);
    EXPECT_EQ(task->comm, "sh");
    EXPECT_THAT(task->command, ElementsAre("sh", "-c", "read -r line", "", "a b", "\n\x1b\xff"));
}

TEST(ReadTask, takes_any_name) {
    const std::string before = [] {
        std::array<char, 16> name{};
        ::prctl(PR_GET_NAME, name.data());
        return std::string(name.data());
    }();
    // Of the main thread, which is what the pid names.
    for (const std::string name : {"a\nb", "a)b", "\xff\x1b", "123456789012345"}) {
        ASSERT_EQ(::prctl(PR_SET_NAME, name.c_str()), 0);
        const auto task = read_task(static_cast<std::uint32_t>(::getpid()));
        ASSERT_TRUE(task);
        EXPECT_EQ(task->comm, name);
    }
    ::prctl(PR_SET_NAME, before.c_str());
}

TEST(ReadTask, is_nothing_for_a_task_that_is_not_there) {
    Running program("/bin/sleep", {"sleep", "1000"});
    const auto pid = program.pid();
    program.end();
    for (const std::uint32_t absent : {pid, 0U, UINT32_MAX, std::uint32_t{INT_MAX}})
        EXPECT_FALSE(read_task(absent)) << absent;
}

TEST(ReadTask, keeps_no_more_than_a_few_kib) {
    const Running program("/bin/sh", {"sh", "-c", "read -r line", std::string(100'000, '0')});
    const auto task = read_task(program.pid());
    ASSERT_TRUE(task);
    ASSERT_EQ(task->command.size(), 4U);
    EXPECT_EQ(task->command[0], "sh");
    EXPECT_LT(task->command[3].size(), 8192U);
    EXPECT_GT(task->command[3].size(), 1000U);
}

TEST(ReadHost, tells_the_host_its_kernel_and_its_boot) {
    const auto host = read_host();
    EXPECT_NE(host.name, "");
    EXPECT_EQ(host.kernel + "\n", test::content_of("/proc/sys/kernel/osrelease"));
    EXPECT_EQ(host.boot_id + "\n", test::content_of("/proc/sys/kernel/random/boot_id"));
    EXPECT_EQ(read_host().boot_id, host.boot_id);
}

// NOLINTBEGIN(concurrency-mt-unsafe): tests have one thread
TEST(ReadHost, is_named_by_the_environment_where_that_says_so) {
    ASSERT_EQ(::unsetenv(host_name_variable), 0);
    const auto own = read_host().name;
    ASSERT_FALSE(own.empty());
    ASSERT_EQ(::setenv(host_name_variable, "node-1", 1), 0);
    EXPECT_EQ(read_host().name, "node-1");
    ASSERT_EQ(::setenv(host_name_variable, "", 1), 0);
    EXPECT_EQ(read_host().name, own);
    ASSERT_EQ(::unsetenv(host_name_variable), 0);
}
// NOLINTEND(concurrency-mt-unsafe)

} // namespace
} // namespace disarmd
