// SPDX-License-Identifier: Apache-2.0
#include "sinks/hooks.h"

#include <csignal>
#include <filesystem>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "base/unique_fd.h"
#include "builders.h"
#include "incident/json.h"

namespace disarmd {
namespace {

using namespace std::chrono_literals;
using std::filesystem::perms;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr auto long_enough = 60s;

// A folder of hooks, and one where they leave what they have to say.
class HooksSinkTest : public testing::Test {
protected:
    HooksSinkTest() : before_(std::signal(SIGPIPE, SIG_IGN)) { // as main() does
        std::filesystem::create_directory(path());
        std::filesystem::permissions(path(), perms::owner_all);
    }
    ~HooksSinkTest() override { std::signal(SIGPIPE, before_); }

    [[nodiscard]] std::string path() const { return folder.file("hooks.d"); }
    [[nodiscard]] std::string hook(const std::string& name) const { return path() + "/" + name; }
    // A shell script, as root would put it there.
    void add(const std::string& name, const std::string& script, perms mode = perms::owner_all) const {
        test::write_file(hook(name), "#!/bin/sh\ncd '" + folder.path() + "' || exit 99\n" + script + "\n");
        std::filesystem::permissions(hook(name), mode);
    }
    [[nodiscard]] Result<void> run(const Incident& incident = test::incident_of(test::detailed_unload()),
                                   std::chrono::milliseconds limit = long_enough) const {
        return HooksSink(path(), limit).write(incident);
    }
    [[nodiscard]] std::vector<std::string> said() const {
        return test::lines_of(test::content_of(folder.file("said")));
    }

    const test::TemporaryFolder folder;

private:
    void (*before_)(int);
};

TEST_F(HooksSinkTest, are_a_sink_for_incidents_with_a_thread_of_its_own) {
    const HooksSink sink(path(), long_enough);
    EXPECT_EQ(sink.name(), "hooks");
    EXPECT_FALSE(sink.is_immediate());
    EXPECT_TRUE(sink.takes(test::incident_of(test::leaking_unload())));
    EXPECT_FALSE(sink.takes(test::incident_of(test::clean_unload())));
}

TEST_F(HooksSinkTest, run_in_the_order_of_their_names) {
    for (const std::string name : {"20-b", "10-z", "9", "Z"})
        add(name, "echo ${0##*/} >> said");
    ASSERT_TRUE(run());
    EXPECT_THAT(said(), ElementsAre("10-z", "20-b", "9", "Z"));
}

TEST_F(HooksSinkTest, are_looked_up_anew_each_time) {
    HooksSink sink(path(), long_enough);
    const auto incident = test::incident_of(test::leaking_unload());
    ASSERT_TRUE(sink.write(incident));
    add("a", "echo a >> said");
    ASSERT_TRUE(sink.write(incident));
    std::filesystem::remove(hook("a"));
    ASSERT_TRUE(sink.write(incident));
    std::filesystem::remove_all(path());
    ASSERT_TRUE(sink.write(incident)) << "a folder that is not there holds none";
    EXPECT_THAT(said(), ElementsAre("a"));
}

TEST_F(HooksSinkTest, read_the_document_in_a_line) {
    add("a", "cat > said");
    for (const auto& unload :
         {test::detailed_unload(), test::hostile_unload(), test::inconclusive_unload()}) {
        const auto incident = test::incident_of(unload);
        ASSERT_TRUE(run(incident));
        EXPECT_EQ(test::content_of(folder.file("said")), to_line(to_json(incident)) + "\n");
    }
}

TEST_F(HooksSinkTest, have_an_environment_that_they_can_rely_on) {
    ::setenv("DISARMD_TEST_SECRET", "x", 1);
    add("a", "env > said; pwd >> said");
    ASSERT_TRUE(run());
    ::unsetenv("DISARMD_TEST_SECRET");
    auto lines = said();
    std::erase_if(lines, [](const std::string& line) {
        return line.starts_with("PWD=") || line.starts_with("OLDPWD=") || line.starts_with("_=") ||
               line.starts_with("SHLVL=") || line.starts_with("/");
    });
    EXPECT_THAT(lines, testing::UnorderedElementsAre(
                           "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                           "LC_ALL=C.UTF-8", "DISARMD_INCIDENT=0123456789ab", "DISARMD_VERDICT=leak"));
}

TEST_F(HooksSinkTest, have_no_argument_no_signal_blocked_and_no_descriptor_but_the_three) {
    sigset_t all{};
    sigset_t before{};
    sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    const UniqueFd left_open(::open("/dev/null", O_RDONLY));
    add("a",
        "echo $# > said; grep -E 'Sig(Blk|Ign)' /proc/self/status >> said; exec ls /proc/self/fd >> said");
    const auto done = run();
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    ASSERT_TRUE(done) << done.error().text();
    auto lines = said();
    ASSERT_GE(lines.size(), 6U);
    EXPECT_EQ(lines[0], "0");
    EXPECT_EQ(lines[1], "SigBlk:\t0000000000000000");
    // glibc's own two signals, 32 and 33, may be.
    EXPECT_THAT(lines[2], testing::AnyOf("SigIgn:\t0000000000000000", "SigIgn:\t0000000180000000"));
    lines.erase(lines.begin(), lines.begin() + 3);
    EXPECT_THAT(lines, ElementsAre("0", "1", "2", "3")) << "the last is the folder that ls reads";
}

TEST_F(HooksSinkTest, are_in_a_process_group_of_their_own) {
    add("a", "cut -d' ' -f5 /proc/$$/stat > said; echo $$ >> said");
    ASSERT_TRUE(run());
    ASSERT_EQ(said().size(), 2U);
    EXPECT_EQ(said()[0], said()[1]);
}

// The service is to survive where memory gets short, and not what a hook takes of it.
TEST_F(HooksSinkTest, do_not_outlive_others_where_memory_is_short) {
    const std::string mine = "/proc/self/oom_score_adj";
    const auto before = test::content_of(mine);
    test::write_file(mine, "500"); // another than 0, that anybody may have
    add("a", "until [ \"$(cat /proc/self/oom_score_adj)\" = 0 ]; do sleep 0.01; done; echo 0 > said");
    const auto done = run();
    test::write_file(mine, before);
    ASSERT_TRUE(done) << done.error().text();
    EXPECT_THAT(said(), ElementsAre("0"));
}

TEST_F(HooksSinkTest, that_fail_are_told_and_the_others_run) {
    add("a", "exit 3");
    add("b", "kill -9 $$");
    add("c", "echo c >> said");
    test::write_file(hook("d"), "#!/absent/interpreter\n");
    test::write_file(hook("e"), "echo e >> said\n"); // which a shell would run
    for (const std::string name : {"d", "e"})
        std::filesystem::permissions(hook(name), perms::owner_all);
    const auto done = run();
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code(), EIO);
    EXPECT_EQ(done.error().text(),
              hook("a") + " exited with status 3; " + hook("b") + " was killed by signal 9; starting " +
                  hook("d") + ": No such file or directory; starting " + hook("e") + ": Exec format error");
    EXPECT_THAT(said(), ElementsAre("c"));
}

TEST_F(HooksSinkTest, that_take_too_long_are_killed_with_all_that_they_started) {
    add("a", "sleep 1000 & echo $! >> said; (sleep 1000 & echo $! >> said; wait) & echo $$ >> said; "
             "trap '' TERM; wait");
    add("b", "echo b >> said");
    const auto begun = std::chrono::steady_clock::now();
    const auto done = run(test::incident_of(test::leaking_unload()), 1500ms);
    EXPECT_LT(std::chrono::steady_clock::now() - begun, 30s);
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().text(), hook("a") + " took longer than 1.5 s and was killed");
    auto lines = said();
    ASSERT_EQ(lines.size(), 4U);
    EXPECT_EQ(lines.back(), "b");
    lines.pop_back();
    for (const auto& line : lines)
        EXPECT_TRUE(test::within(10s, [&] { return !test::is_alive(std::stoi(line)); })) << line;
}

TEST_F(HooksSinkTest, need_not_read_what_they_are_given) {
    auto unload = test::inconclusive_unload();
    unload.why_inconclusive = {std::string(std::size_t{1} << 20U, 'r')};
    const auto incident = test::incident_of(unload);
    add("a", "exec 0<&-; echo a >> said");
    add("b", "head -c 10 > /dev/null; echo b >> said");
    add("c", "exit 0");
    add("d", "wc -c >> said");
    ASSERT_TRUE(run(incident));
    EXPECT_THAT(
        said(),
        ElementsAre("a", "b", testing::ContainsRegex(std::to_string(to_line(to_json(incident)).size() + 1))));
}

TEST_F(HooksSinkTest, that_neither_read_nor_end_are_killed_in_time) {
    auto unload = test::inconclusive_unload();
    unload.why_inconclusive = {std::string(std::size_t{1} << 20U, 'r')};
    add("a", "exec sleep 1000");
    const auto done = run(test::incident_of(unload), 200ms);
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().text(), hook("a") + " took longer than 200.0 ms and was killed");
}

TEST_F(HooksSinkTest, have_their_whole_time_however_long_that_is) {
    add("a", "cat > /dev/null; sleep 0.2; echo a >> said");
    ASSERT_TRUE(run(test::incident_of(test::leaking_unload()), 1h));
    ASSERT_TRUE(run(test::incident_of(test::leaking_unload()), std::chrono::hours(24 * 365)));
    EXPECT_THAT(said(), ElementsAre("a", "a"));
}

TEST_F(HooksSinkTest, that_leave_something_running_are_not_waited_for) {
    add("a", "sleep 1000 & echo $! > said");
    ASSERT_TRUE(run());
    ASSERT_EQ(said().size(), 1U);
    ::kill(std::stoi(said().front()), SIGKILL);
}

TEST_F(HooksSinkTest, that_are_hidden_backups_or_not_executable_are_passed_over) {
    for (const std::string name : {".hidden", "backup~", ".#lock"})
        add(name, "echo $0 >> said");
    add("readme", "echo $0 >> said", perms::owner_read | perms::owner_write);
    std::filesystem::create_directory(hook("folder"));
    std::filesystem::create_symlink("/absent", hook("dangling"));
    add("good", "echo good >> said");
    ASSERT_TRUE(run());
    EXPECT_THAT(said(), ElementsAre("good"));
}

TEST_F(HooksSinkTest, may_be_links) {
    test::write_file(folder.file("real"), "#!/bin/sh\necho real >> '" + folder.file("said") + "'\n");
    std::filesystem::permissions(folder.file("real"), perms::owner_all);
    std::filesystem::create_symlink(folder.file("real"), hook("link"));
    ASSERT_TRUE(run());
    EXPECT_THAT(said(), ElementsAre("real"));
}

TEST_F(HooksSinkTest, that_others_can_change_are_not_run_and_the_rest_are) {
    add("a", "echo a >> said", perms::owner_all | perms::others_write);
    add("b", "echo b >> said", perms::owner_all | perms::group_write);
    add("c", "echo c >> said",
        perms::owner_all | perms::group_read | perms::group_exec | perms::others_read | perms::others_exec);
    const auto done = run();
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().text(), hook("a") + " is not run: others than root can change it; " + hook("b") +
                                       " is not run: others than root can change it");
    EXPECT_THAT(said(), ElementsAre("c"));
}

TEST_F(HooksSinkTest, in_a_folder_that_others_can_change_are_not_run) {
    add("a", "echo a >> said");
    for (const auto mode : {perms::others_write, perms::group_write}) {
        std::filesystem::permissions(path(), perms::owner_all | mode);
        const auto done = run();
        ASSERT_FALSE(done);
        EXPECT_EQ(done.error().code(), EPERM);
        EXPECT_EQ(done.error().text(), "nothing in " + path() + " is run: others than root can change it");
    }
    EXPECT_THAT(said(), IsEmpty());
}

TEST_F(HooksSinkTest, in_what_is_no_folder_are_told) {
    const auto file = folder.file("file");
    test::write_file(file, "");
    std::filesystem::permissions(file, perms::owner_all);
    const auto done = HooksSink(file, long_enough).write(test::incident_of(test::leaking_unload()));
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code(), ENOTDIR);
    EXPECT_EQ(done.error().text(), "looking into " + file + ": Not a directory");
}

TEST_F(HooksSinkTest, are_no_business_of_a_shells) {
    const std::string name = "a b; touch 'injected' $(touch injected) \n&";
    add(name, "echo ran >> said; exit 1");
    const auto done = run();
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().text(),
              path() + "/a b; touch 'injected' $(touch injected) \\x0a& exited with status 1");
    EXPECT_THAT(said(), ElementsAre("ran"));
    EXPECT_FALSE(std::filesystem::exists("injected"));
    EXPECT_FALSE(std::filesystem::exists(folder.file("injected")));
}

} // namespace
} // namespace disarmd
