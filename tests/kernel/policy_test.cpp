// SPDX-License-Identifier: Apache-2.0
//
// What rules do to unloads: denied ones leave the module as it was, whether the daemon runs or not; what was
// left fires while its module is held; and a host that is to crash crashes at once.
#include <algorithm>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "guest.h"

namespace disarmd::tests {

namespace {

using Json = nlohmann::json;

// What the service had to say of unloads, in their order.
std::vector<Json> unloads_in(const GuestResult& guest) {
    std::vector<Json> unloads;
    std::ranges::copy_if(guest.results, std::back_inserter(unloads),
                         [](const Json& result) { return result.contains("verdict"); });
    return unloads;
}

class Deny : public testing::TestWithParam<std::string> {};

// Functions for the guest: try NAME MODULE reports the exit status of rmmod, and whether the module is there.
constexpr const char* tries = R"sh(
    mkdir -p /var/lib/disarmd
    try() {
        rmmod $2 2>/tmp/try
        status=$?
        # rmmod says what the kernel said.
        grep -q 'Operation not permitted' /tmp/try && status=denied
        live=$(cat /sys/module/$2/initstate 2>/dev/null || echo gone)
        printf '{"name":"%s","did":"%s, %s"}\n' "$1" $status $live >/dev/results
    }
    lines() { [ "$(wc -l </tmp/unloads)" -ge "$1" ]; }
)sh";

std::string did(const GuestResult& guest, const std::string& name) {
    return find(guest, name).value("did", "");
}

constexpr const char* denied = "denied, live";
constexpr const char* unloaded = "0, gone";

TEST_P(Deny, holds_by_each_rule_with_and_without_the_daemon) {
    const auto guest = run_guest({GetParam()}, std::string(tries) + R"sh(
        limits='
[[policy.rule]]
module = "zoo_timer_static"
on_unload = "deny"
[[policy.rule]]
module = "zoo_timer_alloc"
on_unload = "deny-if-armed"
[[policy.rule]]
module = "zoo_hrtimer_*"
on_unload = "deny-if-leaked-before"
[[policy.rule]]
module = "zoo_dwork*"
srcversion = "of-another-build"
on_unload = "deny"'
        serve --require-enforcement
        for module in timer_static timer_alloc dwork_alloc; do
            insmod /modules/zoo_$module.ko delay_ms=600000 end=delete
        done
        try deny zoo_timer_static
        try armed zoo_timer_alloc
        try another_build zoo_dwork_alloc
        insmod /modules/zoo_hrtimer_alloc.ko delay_ms=600000
        try leaks_first zoo_hrtimer_alloc
        await lines 4
        insmod /modules/zoo_hrtimer_alloc.ko delay_ms=600000 end=delete
        try leaked_before zoo_hrtimer_alloc
        insmod /modules/zoo_hrtimer_static.ko delay_ms=600000 end=delete
        try never_leaked zoo_hrtimer_static
        await lines 6
        try again zoo_timer_static
        await lines 7
        cat /tmp/unloads >/dev/results
        report list disarmd list --json

        kill -9 $service
        wait $service
        try killed_deny zoo_timer_static
        try killed_armed zoo_timer_alloc
        try killed_leaked zoo_hrtimer_alloc
        insmod /modules/zoo_dwork_alloc.ko delay_ms=600000 end=delete
        try killed_another zoo_dwork_alloc
        serve
        try restarted_deny zoo_timer_static
        try restarted_armed zoo_timer_alloc
        try restarted_leaked zoo_hrtimer_alloc
        kill -TERM $service
        wait $service
        try stopped_deny zoo_timer_static
        try stopped_armed zoo_timer_alloc
        try stopped_leaked zoo_hrtimer_alloc

        serve
        report allow disarmd allow-once zoo_timer_alloc
        try allowed zoo_timer_alloc
        insmod /modules/zoo_timer_alloc.ko delay_ms=600000 end=delete
        try allowed_no_more zoo_timer_alloc
        await lines 5
        sed 's/^/{"as":"later","unload":/; s/$/}/' /tmp/unloads >/dev/results

        kill -TERM $service
        wait $service
        report release disarmd release
        try released zoo_timer_static
    )sh");
    EXPECT_EQ(guest.status, 0) << guest.console;
    EXPECT_EQ(did(guest, "deny"), denied);
    EXPECT_EQ(did(guest, "armed"), denied);
    EXPECT_EQ(did(guest, "another_build"), unloaded);
    EXPECT_EQ(did(guest, "leaks_first"), unloaded);
    EXPECT_EQ(did(guest, "leaked_before"), denied);
    EXPECT_EQ(did(guest, "never_leaked"), unloaded);
    for (const std::string when : {"killed", "restarted", "stopped"}) {
        EXPECT_EQ(did(guest, when + "_deny"), denied);
        EXPECT_EQ(did(guest, when + "_leaked"), denied);
        EXPECT_EQ(did(guest, when + "_armed"), denied);
    }
    EXPECT_EQ(did(guest, "killed_another"), unloaded);
    EXPECT_EQ(find(guest, "allow")["exit"], 0);
    EXPECT_EQ(did(guest, "allowed"), unloaded);
    EXPECT_EQ(did(guest, "allowed_no_more"), denied);
    EXPECT_EQ(find(guest, "release")["exit"], 0);
    EXPECT_EQ(did(guest, "released"), unloaded);

    const auto unloads = unloads_in(guest);
    ASSERT_EQ(unloads.size(), 7U) << guest.console;
    const auto told = [&](std::size_t at, const std::string& module, const std::string& rule) {
        const auto& unload = unloads[at];
        EXPECT_EQ(unload["module"], module);
        EXPECT_EQ(unload["outcome"], "denied") << unload;
        EXPECT_EQ(unload["verdict"], "inconclusive");
        EXPECT_EQ(unload["why_inconclusive"], Json::array());
        EXPECT_EQ(unload["action"], "denied");
        EXPECT_NE(unload["policy"]["rule"].get<std::string>().find(rule), std::string::npos) << unload;
        EXPECT_EQ(unload["policy"]["allowed_once"], false);
        EXPECT_EQ(unload["unload"]["comm"], "rmmod");
        // One that is denied ends at once, and maybe before it could be asked.
        EXPECT_TRUE(unload["unload"]["command"].is_null() ||
                    unload["unload"]["command"] == Json({"rmmod", module}))
            << unload;
        EXPECT_NE(unload["advice"].get<std::string>().find("disarmd allow-once " + module),
                  std::string::npos);
    };
    told(0, "zoo_timer_static", R"(on_unload = "deny")");
    EXPECT_EQ(unloads[0]["pending"], Json::array());
    told(1, "zoo_timer_alloc", R"(on_unload = "deny-if-armed")");
    ASSERT_EQ(unloads[1]["pending"].size(), 1U) << unloads[1];
    EXPECT_EQ(unloads[1]["pending"][0]["symbol"], "zoo_timer_alloc_fn [zoo_timer_alloc]");
    EXPECT_EQ(unloads[1]["pending"][0]["cause"], "unknown");
    EXPECT_EQ(unloads[1]["pending"][0]["armed"]["comm"], "insmod");
    EXPECT_EQ(unloads[2]["outcome"], "freed");
    EXPECT_EQ(unloads[2]["verdict"], "clean");
    EXPECT_EQ(unloads[3]["verdict"], "leak");
    told(4, "zoo_hrtimer_alloc", R"(on_unload = "deny-if-leaked-before")");
    EXPECT_EQ(unloads[5]["verdict"], "clean") << unloads[5];
    told(6, "zoo_timer_static", R"(on_unload = "deny")");

    std::vector<Json> later;
    for (const auto& result : guest.results) {
        if (result.value("as", "") == "later")
            later.push_back(result["unload"]);
    }
    ASSERT_EQ(later.size(), 5U) << guest.console;
    // While there was no daemon.
    EXPECT_EQ(later[0]["outcome"], "denied") << later[0];
    EXPECT_EQ(later[0]["module"], "zoo_timer_static");
    EXPECT_NE(later[0]["policy"]["rule"].get<std::string>().find(R"(on_unload = "deny")"), std::string::npos);
    EXPECT_EQ(later[1]["outcome"], "denied") << later[1];
    EXPECT_EQ(later[1]["module"], "zoo_timer_alloc");
    EXPECT_EQ(later[2]["outcome"], "denied") << later[2];
    EXPECT_EQ(later[2]["module"], "zoo_hrtimer_alloc");
    EXPECT_EQ(later[3]["verdict"], "clean") << later[3];
    EXPECT_EQ(later[3]["policy"]["allowed_once"], true);
    EXPECT_EQ(later[4]["outcome"], "denied");
}

// Of a module that modprobe finds, as the rule has to find its file.
TEST_P(Deny, holds_for_what_a_modules_file_says) {
    const auto guest = run_guest({GetParam()}, std::string(tries) + R"sh(
        tree=/lib/modules/$(uname -r)
        mkdir -p $tree/extra
        cp /modules/zoo_forgets.ko /modules/zoo_nothing.ko $tree/extra
        depmod 2>/dev/null
        limits='
[[policy.rule]]
module = "zoo_*"
on_unload = "deny-if-preflight-fails"'
        modprobe zoo_nothing
        serve --require-enforcement
        modprobe zoo_forgets delay_ms=600000
        await grep -q 'zoo_forgets: its preflight' /tmp/service.log
        await grep -q 'zoo_nothing: its preflight' /tmp/service.log
        grep 'its preflight' /tmp/service.log
        report list disarmd list --json
        try fails zoo_forgets
        try passes zoo_nothing
        # Its file is not where it would be found.
        insmod /modules/zoo_timer_alloc.ko end=delete
        await grep -q 'zoo_timer_alloc can.t be examined' /tmp/service.log
        try unknown zoo_timer_alloc
        kill -TERM $service
        wait $service
    )sh");
    EXPECT_EQ(guest.status, 0) << guest.console;
    EXPECT_EQ(did(guest, "fails"), denied);
    EXPECT_EQ(did(guest, "passes"), unloaded);
    EXPECT_EQ(did(guest, "unknown"), unloaded);
}

class Denials : public testing::TestWithParam<std::string> {};

// What may be a rule's module when it is asked, and is another one when it is unloaded, is only root's to
// try.
TEST_P(Denials, take_no_module_for_another_one) {
    const auto guest = run_guest({GetParam(), 4, 240, {"--add", DISARMD_DELETE_MODULE ":/bin/delete_module"}},
                                 std::string(tries) + R"sh(
        limits='
[[policy.rule]]
module = "zoo_timer_static"
on_unload = "deny"'
        serve
        insmod /modules/zoo_timer_static.ko delay_ms=600000 end=delete
        # Two at once, many times: one is always denied, the other never.
        (i=0; while [ $i -lt 60 ]; do rmmod zoo_timer_static 2>/dev/null && echo unloaded; i=$((i + 1)); done
        ) >/tmp/first &
        first=$!
        i=0
        while [ $i -lt 40 ]; do
            insmod /modules/zoo_timer_alloc.ko delay_ms=600000 end=delete
            rmmod zoo_timer_alloc || echo refused
            i=$((i + 1))
        done >/tmp/second 2>&1
        wait $first
        report first test ! -s /tmp/first
        report second test ! -s /tmp/second
        # Whatever is loaded, and is no rule's, stays out of it.
        report loads insmod /modules/zoo_hrtimer_alloc.ko delay_ms=600000 end=delete

        delete_module absent zoo_hrtimer_alloc
        report absent_allowed test ! -e /sys/module/zoo_hrtimer_alloc
        # One of the two may get past its rule, by chance; what is nobody's is never refused meanwhile.
        insmod /modules/zoo_timer_alloc.ko delay_ms=600000 end=delete
        delete_module changing zoo_timer_static zoo_not_loaded >/tmp/changing &
        changing=$!
        report meanwhile rmmod zoo_timer_alloc
        wait $changing
        cat /tmp/changing
        report changing grep -q '^denied [0-9]*, not loaded [1-9]' /tmp/changing
        kill -TERM $service
        wait $service
    )sh");
    EXPECT_EQ(guest.status, 0) << guest.console;
    for (const std::string name : {"first", "second", "loads", "absent_allowed", "meanwhile", "changing"})
        EXPECT_EQ(find(guest, name)["exit"], 0) << name << "\n" << guest.console;
}

TEST_P(Denials, follow_a_reload_and_no_file_that_is_wrong) {
    const auto guest = run_guest({GetParam()}, std::string(tries) + R"sh(
        rules() { printf '[sinks]\nunloads_file = "/tmp/unloads"\n%s\n' "$1" >/tmp/disarmd.toml; }
        serve
        insmod /modules/zoo_timer_static.ko delay_ms=600000 end=delete
        try none zoo_timer_static
        insmod /modules/zoo_timer_static.ko delay_ms=600000 end=delete
        rules '[[policy.rule]]
module = "zoo_*"
on_unload = "deny"'
        kill -HUP $service
        await grep -q 'the policy is reloaded' /tmp/service.log
        try reloaded zoo_timer_static
        rules '[[policy.rule]]
module = "zoo_*"
on_unload = "never"'
        report check disarmd check-config /tmp/disarmd.toml
        kill -HUP $service
        await grep -q 'is not reloaded' /tmp/service.log
        try wrong zoo_timer_static
        rules ''
        kill -HUP $service
        await sh -c '[ "$(grep -c "the policy is reloaded" /tmp/service.log)" = 2 ]'
        try gone zoo_timer_static
        report nothing_pinned sh -c '! ls /sys/fs/bpf/disarmd/v2 | grep -q links'
        kill -TERM $service
        wait $service
    )sh");
    EXPECT_EQ(guest.status, 0) << guest.console;
    EXPECT_EQ(did(guest, "none"), unloaded);
    EXPECT_EQ(did(guest, "reloaded"), denied);
    EXPECT_EQ(find(guest, "check")["exit"], 2);
    EXPECT_NE(find(guest, "check")["error"].get<std::string>().find("/tmp/disarmd.toml:5: on_unload must be"),
              std::string::npos)
        << find(guest, "check");
    EXPECT_EQ(did(guest, "wrong"), denied);
    EXPECT_EQ(did(guest, "gone"), unloaded);
    EXPECT_EQ(find(guest, "nothing_pinned")["exit"], 0);
}

TEST_P(Denials, hold_against_who_tries_to_get_past_them) {
    const auto guest = run_guest({GetParam(), 2, 240, {"--add", DISARMD_DELETE_MODULE ":/bin/delete_module"}},
                                 std::string(tries) + R"sh(
        rules() { printf '[sinks]\nunloads_file = "/tmp/unloads"\n[limits]\nunloads = 4\n%s' "$1" >/tmp/disarmd.toml; }
        limits='[limits]
unloads = 4
[[policy.rule]]
module = "zoo_timer_alloc"
on_unload = "deny-if-armed"
[[policy.rule]]
module = "zoo_*_static"
on_unload = "deny"
[[policy.rule]]
module = "zoo_user"
on_unload = "deny"'
        serve
        insmod /modules/zoo_timer_static.ko delay_ms=600000 end=delete
        insmod /modules/zoo_user.ko hold=1 end=delete
        insmod /modules/zoo_timer_alloc.ko delay_ms=600000 end=delete
        # What an operator has allowed nobody else uses up, nor an unload that comes to nothing.
        report allow disarmd allow-once zoo_user
        delete_module unprivileged zoo_user >/tmp/unprivileged
        report unprivileged grep -qx never /tmp/unprivileged
        report nobody_told test ! -s /tmp/unloads
        delete_module once zoo_user >/tmp/once
        report in_use grep -qx 'Resource temporarily unavailable' /tmp/once
        echo 0 >/sys/module/zoo_user/parameters/hold
        try still_allowed zoo_user
        await lines 1
        insmod /modules/zoo_user.ko
        try used_up zoo_user
        delete_module wide zoo_timer_static
        report wide test -e /sys/module/zoo_timer_static
        # More timers than one part of a look gets to.
        delete_module timers 30000 >/tmp/timers &
        timers=$!
        await grep -q set /tmp/timers
        try among_many zoo_timer_alloc
        kill $timers
        wait $timers
        # Rules go and come, and the hooks remain.
        cp /tmp/disarmd.toml /tmp/rules
        rules ''
        kill -HUP $service
        await sh -c '[ "$(grep -c "the policy is reloaded" /tmp/service.log)" = 1 ]'
        cp /tmp/rules /tmp/disarmd.toml
        kill -HUP $service
        await sh -c '[ "$(grep -c "the policy is reloaded" /tmp/service.log)" = 2 ]'
        kill -9 $service
        wait $service
        insmod /modules/zoo_hrtimer_static.ko delay_ms=600000 end=delete
        try loaded_since zoo_hrtimer_static
        # As many unloads as nobody has room to record.
        for i in 1 2 3 4 5 6; do insmod /modules/zoo_nothing.ko; rmmod zoo_nothing; done
        try full_armed zoo_timer_alloc
        try full_deny zoo_timer_static
        report release disarmd release
    )sh");
    EXPECT_EQ(guest.status, 0) << guest.console;
    for (const std::string name : {"allow", "unprivileged", "nobody_told", "in_use", "wide", "release"})
        EXPECT_EQ(find(guest, name)["exit"], 0) << name << "\n" << guest.console;
    EXPECT_EQ(did(guest, "still_allowed"), unloaded);
    for (const std::string name : {"used_up", "among_many", "loaded_since", "full_armed", "full_deny"})
        EXPECT_EQ(did(guest, name), denied) << name << "\n" << guest.console;
}

constexpr auto name_kernel = [](const auto& test) { return kernel_test_name(test.param); };
INSTANTIATE_TEST_SUITE_P(Kernels, Deny, testing::ValuesIn(outermost_kernels()), name_kernel);
INSTANTIATE_TEST_SUITE_P(Long, Deny, testing::ValuesIn(inner_kernels()), name_kernel);
INSTANTIATE_TEST_SUITE_P(Kernels, Denials, testing::ValuesIn(outermost_kernels()), name_kernel);
INSTANTIATE_TEST_SUITE_P(Long, Denials, testing::ValuesIn(inner_kernels()), name_kernel);

/* Drain */

class Drain : public testing::TestWithParam<Setup> {};

std::vector<Setup> drain_setups(const std::vector<std::string>& kernels) {
    std::vector<Setup> setups;
    for (const auto& kernel : kernels) {
        for (const auto* backend : {"tracepoint", "kprobe"})
            setups.push_back({kernel, backend, 4});
        setups.push_back({kernel, "tracepoint", 1});
    }
    return setups;
}

std::string drain_rules(int drain_ms) {
    return fmt::format(R"sh(
        limits='[policy]
drain_ms = {}
[[policy.rule]]
module = "zoo_*"
on_leak = "drain"'
)sh",
                       drain_ms);
}

constexpr int delays[] = {1, 40, 300, 1500};

TEST_P(Drain, holds_a_module_until_what_it_left_has_fired) {
    const auto& setup = GetParam();
    const auto guest =
        run_guest({setup.kernel, setup.cpus}, drain_rules(2000) +
                                                  fmt::format("serve --probe-backend {}\n", setup.backend) +
                                                  R"sh(
        for module in timer_static timer_alloc dwork_static dwork_alloc hrtimer_static hrtimer_alloc; do
            for delay in 1 40 300 1500; do
                insmod /modules/zoo_$module.ko delay_ms=$delay
                unload zoo_$module
            done
        done
        judged
        # What was left, and was not held, would strike by then.
        sleep 10
        echo '{"name":"alive"}' >/dev/results
        kill -TERM $service
        wait $service
    )sh");
    EXPECT_EQ(guest.status, 0) << guest.console;
    find(guest, "alive");
    const auto unloads = unloads_in(guest);
    ASSERT_EQ(unloads.size(), 6 * std::size(delays)) << guest.console;
    for (std::size_t i = 0; i < unloads.size(); ++i) {
        const auto& unload = unloads[i];
        const int delay = delays[i % std::size(delays)];
        // It may have fired before the free began.
        if (unload["verdict"] == "clean" && delay < 1000)
            continue;
        EXPECT_EQ(unload["verdict"], "leak") << unload;
        EXPECT_NE(unload["policy"]["rule"].get<std::string>().find("drain"), std::string::npos) << unload;
        EXPECT_EQ(unload["action"], "drained") << unload;
        EXPECT_EQ(unload["policy"]["drain_left"], 0) << unload;
        EXPECT_LT(unload["policy"]["drain_ms"], 2000) << unload;
    }
}

constexpr auto name_setup = [](const auto& test) { return setup_test_name(test.param); };
INSTANTIATE_TEST_SUITE_P(Machines, Drain, testing::ValuesIn(drain_setups(outermost_kernels())), name_setup);
INSTANTIATE_TEST_SUITE_P(Long, Drain, testing::ValuesIn(drain_setups(inner_kernels())), name_setup);

class Starved : public testing::TestWithParam<std::string> {};

// A CPU with too many softirqs leaves them to a thread, and the drain keeps that from running: what is due
// fires while the free waits for RCU.
TEST_P(Starved, cpus_drain_too) {
    const auto guest = run_guest({.kernel = GetParam(), .cpus = 1}, drain_rules(2000) + R"sh(
        serve
        insmod /modules/zoo_timer_periodic.ko period_ms=50 spin_ms=12
        for again in 1 2 3; do
            insmod /modules/zoo_timer_alloc.ko delay_ms=600
            unload zoo_timer_alloc
        done
        judged
    )sh");
    EXPECT_EQ(guest.status, 0) << guest.console;
    const auto unloads = unloads_in(guest);
    ASSERT_EQ(unloads.size(), 3U) << guest.console;
    std::size_t leaks = 0;
    for (const auto& unload : unloads) {
        // It may have fired before the free began.
        if (unload["verdict"] == "clean")
            continue;
        ++leaks;
        EXPECT_EQ(unload["verdict"], "leak") << unload;
        EXPECT_EQ(unload["action"], "drained") << unload;
        EXPECT_EQ(unload["policy"]["drain_left"], 0) << unload;
        EXPECT_LT(unload["policy"]["drain_ms"], 2000) << unload;
    }
    EXPECT_GT(leaks, 0U) << guest.console;
}

INSTANTIATE_TEST_SUITE_P(Kernels, Starved, testing::ValuesIn(oldest_kernel()), name_kernel);
INSTANTIATE_TEST_SUITE_P(Long, Starved, testing::ValuesIn(newer_kernels()), name_kernel);

class Undrainable : public testing::TestWithParam<std::string> {};

// What would still be there in the end is not waited for.
TEST_P(Undrainable, is_not_waited_for) {
    const auto guest = run_guest({GetParam()}, drain_rules(1000) + R"sh(
        serve
        insmod /modules/zoo_timer_alloc.ko delay_ms=600000; unload zoo_timer_alloc
        insmod /modules/zoo_dwork_alloc.ko delay_ms=650000; unload zoo_dwork_alloc
        insmod /modules/zoo_hrtimer_alloc.ko delay_ms=700000; unload zoo_hrtimer_alloc
        insmod /modules/zoo_timer_periodic.ko period_ms=900; unload zoo_timer_periodic
        judged
        while :; do sleep 1; done
    )sh");
    EXPECT_EQ(guest.status, guest_panicked) << guest.console;
    const auto unloads = unloads_in(guest);
    ASSERT_EQ(unloads.size(), 4U) << guest.console;
    for (const auto& unload : unloads) {
        EXPECT_EQ(unload["verdict"], "leak") << unload;
        EXPECT_EQ(unload["action"], "none") << unload;
        EXPECT_EQ(unload["policy"]["drain_ms"], nullptr) << unload;
        EXPECT_EQ(unload["policy"]["drain_left"], 1) << unload;
    }
    EXPECT_EQ(unloads[3]["pending"][0]["armed"]["context"], "callback") << unloads[3];
}

INSTANTIATE_TEST_SUITE_P(Kernels, Undrainable, testing::ValuesIn(outermost_kernels()), name_kernel);
INSTANTIATE_TEST_SUITE_P(Long, Undrainable, testing::ValuesIn(inner_kernels()), name_kernel);

// The same without it: what drains saves the host.
class Undrained : public testing::TestWithParam<std::string> {};

TEST_P(Undrained, leaks_kill_the_host) {
    for (const std::string module : {"timer_static", "timer_alloc", "dwork_static", "hrtimer_static"}) {
        const auto guest = run_guest({GetParam()}, fmt::format(R"sh(
            insmod /modules/zoo_{0}.ko delay_ms=1500
            rmmod zoo_{0}
            sleep 10
        )sh",
                                                               module));
        EXPECT_EQ(guest.status, guest_panicked) << module << "\n" << guest.console;
    }
}

INSTANTIATE_TEST_SUITE_P(Kernels, Undrained, testing::ValuesIn(outermost_kernels()), name_kernel);
INSTANTIATE_TEST_SUITE_P(Long, Undrained, testing::ValuesIn(inner_kernels()), name_kernel);

/* Panic */

class Panic : public testing::TestWithParam<std::string> {};

TEST_P(Panic, comes_at_once_and_behind_the_line_that_tells_why) {
    const auto guest = run_guest({GetParam()}, R"sh(
        limits='[policy]
panic_confirmed = true
[[policy.rule]]
module = "zoo_timer_alloc"
on_leak = "panic"'
        serve
        insmod /modules/zoo_hrtimer_alloc.ko delay_ms=600000; unload zoo_hrtimer_alloc
        insmod /modules/zoo_timer_alloc.ko delay_ms=300; unload zoo_timer_alloc
        judged
        insmod /modules/zoo_timer_alloc.ko delay_ms=600000; rmmod zoo_timer_alloc
        while :; do sleep 1; done
    )sh");
    EXPECT_EQ(guest.status, guest_panicked) << guest.console;
    const auto unloads = unloads_in(guest);
    ASSERT_EQ(unloads.size(), 2U) << guest.console;
    EXPECT_EQ(unloads[0]["verdict"], "leak");
    EXPECT_EQ(unloads[0]["action"], "none");
    EXPECT_EQ(unloads[1]["verdict"], "leak");
    EXPECT_EQ(unloads[1]["action"], "drained");
    const auto line = guest.console.find("a panic follows, as the rule says");
    const auto panic = guest.console.find("sysrq triggered crash");
    ASSERT_NE(line, std::string::npos) << guest.console;
    ASSERT_NE(panic, std::string::npos) << guest.console;
    EXPECT_LT(line, panic);
    EXPECT_EQ(guest.console.find("unable to handle page fault"), std::string::npos) << guest.console;
}

INSTANTIATE_TEST_SUITE_P(Kernels, Panic, testing::ValuesIn(outermost_kernels()), name_kernel);
INSTANTIATE_TEST_SUITE_P(Long, Panic, testing::ValuesIn(inner_kernels()), name_kernel);

} // namespace

} // namespace disarmd::tests
