// SPDX-License-Identifier: Apache-2.0
//
// A watch whose result the kernel's own tools read: exit code and KTAP say the same.
#include <algorithm>

#include <gtest/gtest.h>

#include "guest.h"
#include "ktap_reader.h"

namespace disarmd::tests {

namespace {

using test::KtapReport;
using test::read_ktap;

class Ktap : public testing::TestWithParam<std::string> {};

// For the guest: ktap NAME COMMAND... sends its exit status and all that it wrote to stdout.
constexpr const char* functions = R"sh(
    ktap() {
        name=$1
        shift
        "$@" >/tmp/ktap
        status=$?
        printf '{"name":"%s","exit":%d,"text":"%s"}\n' "$name" $status \
            "$(sed 's/\\/\\\\/g; s/"/\\"/g' /tmp/ktap | awk '{ printf "%s\\n", $0 }')" >/dev/results
    }
    watch_ktap() { ktap "$1" disarmd --watch-unload "$2" --ktap --timeout "${4:-600}" -- sh -c "$3"; }
)sh";

KtapReport report_of(const GuestResult& guest, const std::string& name, int exit_code) {
    const auto& result = find(guest, name);
    if (!result.is_object())
        return {};
    EXPECT_EQ(result.value("exit", -1), exit_code) << name << ": " << result;
    auto report = read_ktap(result.value("text", ""));
    EXPECT_TRUE(report.errors.empty()) << name << ": " << result << "\n"
                                       << testing::PrintToString(report.errors);
    EXPECT_EQ(report.passes(), exit_code == 0) << result;
    return report;
}

bool has_detail(const test::KtapResult& result, const std::string& words) {
    return std::ranges::any_of(result.details, [&](const std::string& line) {
        return line.starts_with('#') && line.find(words) != std::string::npos;
    });
}

TEST_P(Ktap, says_of_unloads_what_the_exit_code_says) {
    const auto guest = run_guest({GetParam()}, std::string(functions) + R"sh(
        watch_ktap clean zoo_nothing 'insmod /modules/zoo_nothing.ko; rmmod zoo_nothing'
        watch_ktap several zoo_timer_alloc 'for end in delete leak never; do
            insmod /modules/zoo_timer_alloc.ko delay_ms=600000 end=$end; rmmod zoo_timer_alloc; done'
        # Last: with the module the timer itself is gone, and who arms another one beside it would fall.
        watch_ktap leak zoo_timer_static 'insmod /modules/zoo_timer_static.ko delay_ms=600000; rmmod zoo_timer_static'
    )sh");

    const auto clean = report_of(guest, "clean", 0);
    ASSERT_EQ(clean.results.size(), 1U);
    EXPECT_EQ(clean.results[0].status, "ok");
    EXPECT_EQ(clean.results[0].name, "zoo_nothing.unload");

    const auto leak = report_of(guest, "leak", 1);
    ASSERT_EQ(leak.results.size(), 1U);
    EXPECT_EQ(leak.results[0].status, "not ok");
    EXPECT_EQ(leak.results[0].name, "zoo_timer_static.unload");
    EXPECT_EQ(leak.results[0].why, "leak: 1 timer still pending (never-deleted)");
    EXPECT_TRUE(has_detail(leak.results[0], "LEAK: module zoo_timer_static was freed with 1 timer"));
    EXPECT_TRUE(has_detail(leak.results[0], "zoo_timer_static_fn [zoo_timer_static]"));
    EXPECT_TRUE(has_detail(leak.results[0], "to mend it"));

    const auto several = report_of(guest, "several", 1);
    ASSERT_EQ(several.results.size(), 3U);
    EXPECT_EQ(several.results[0].status, "ok");
    EXPECT_EQ(several.results[1].status, "not ok");
    EXPECT_EQ(several.results[1].name, "zoo_timer_alloc.unload.2");
    EXPECT_EQ(several.results[2].status, "ok");
}

TEST_P(Ktap, says_why_there_is_no_verdict) {
    const auto guest = run_guest({GetParam()}, std::string(functions) + R"sh(
        watch_ktap not_unloaded zoo_nothing true
        watch_ktap timed_out zoo_nothing 'exec sleep 600' 1
        watch_ktap interrupted zoo_nothing 'insmod /modules/zoo_nothing.ko; rmmod zoo_nothing
            kill -INT $PPID; exec sleep 600'
        ktap no_command disarmd --watch-unload zoo_nothing --ktap -- /no/such/file
        ktap not_root /usr/bin/setpriv --reuid 65534 --clear-groups --inh-caps=-all \
            disarmd --watch-unload zoo_nothing --ktap -- true
    )sh");

    const auto not_unloaded = report_of(guest, "not_unloaded", 3);
    ASSERT_EQ(not_unloaded.results.size(), 1U);
    EXPECT_EQ(not_unloaded.results[0].status, "not ok");
    EXPECT_EQ(not_unloaded.results[0].why, "ERROR the module was not unloaded");

    const auto timed_out = report_of(guest, "timed_out", 124);
    ASSERT_EQ(timed_out.results.size(), 1U);
    EXPECT_EQ(timed_out.results[0].name, "zoo_nothing.unload");
    EXPECT_EQ(timed_out.results[0].why, "TIMEOUT timed out after 1.0 s");

    // What was clean until then is told, and is not all.
    const auto interrupted = report_of(guest, "interrupted", 3);
    ASSERT_EQ(interrupted.results.size(), 2U);
    EXPECT_EQ(interrupted.results[0].status, "ok");
    EXPECT_EQ(interrupted.results[1].name, "zoo_nothing.watch");
    EXPECT_EQ(interrupted.results[1].why, "ERROR SIGINT: no longer watching");

    const auto no_command = report_of(guest, "no_command", 2);
    ASSERT_EQ(no_command.results.size(), 1U);
    EXPECT_EQ(no_command.results[0].status, "not ok");
    EXPECT_NE(no_command.results[0].why.find("/no/such/file"), std::string::npos)
        << no_command.results[0].why;

    const auto not_root = report_of(guest, "not_root", 4);
    EXPECT_EQ(not_root.planned, 0U);
    EXPECT_NE(not_root.skipped.find("run disarmd as root"), std::string::npos) << not_root.skipped;
}

constexpr auto name_test = [](const auto& test) { return kernel_test_name(test.param); };

INSTANTIATE_TEST_SUITE_P(Kernels, Ktap, testing::ValuesIn(oldest_kernel()), name_test);
INSTANTIATE_TEST_SUITE_P(Long, Ktap, testing::ValuesIn(newer_kernels()), name_test);

} // namespace

} // namespace disarmd::tests
