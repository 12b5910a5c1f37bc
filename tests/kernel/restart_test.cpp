// SPDX-License-Identifier: Apache-2.0
//
// What the kernel programs do without the daemon, and what the next one makes of it.
#include "guest.h"

#include <algorithm>
#include <map>
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace disarmd::tests {
namespace {

using Json = nlohmann::json;

// Functions for the guest: told NAME sends what a service has told since it was started.
constexpr const char* telling = R"sh(
    mkdir -p /var/lib/disarmd
    lines() { [ "$(wc -l </tmp/unloads)" -ge "$1" ]; }
    told() { sed "s/^/{\"as\":\"$1\",\"unload\":/; s/\$/}/" /tmp/unloads >/dev/results; }
    killed() {
        kill -9 $service
        wait $service
    }
    stopped() {
        kill -TERM $service
        wait $service
    }
    # The same as serve, with the configuration as it is, what was told kept, and not awaited.
    begin() {
        : >/tmp/service.log
        disarmd --verbose run --config /tmp/disarmd.toml 2>/tmp/service.log &
        service=$!
    }
    watches() { grep -qs ' watching ' /tmp/service.log; }
    # How many hooks it has attached.
    links() { ls -l /proc/$service/fd 2>/dev/null | grep -c bpf_link; }
    links_are() { [ "$(links)" -ge "$1" ]; }
)sh";

std::vector<Json> told(const GuestResult& guest, const std::string& name) {
    std::vector<Json> unloads;
    for (const auto& result : guest.results) {
        if (result.value("as", "") == name)
            unloads.push_back(result["unload"]);
    }
    return unloads;
}

bool mentions(const Json& stack, const std::string& function) {
    return std::ranges::any_of(stack, [&](const Json& frame) {
        return frame.get<std::string>().find(function) != std::string::npos;
    });
}

class Restart : public testing::TestWithParam<std::string> {};

TEST_P(Restart, tells_once_what_came_while_no_daemon_ran) {
    const auto guest = run_guest({GetParam()}, std::string(telling) + R"sh(
        serve
        insmod /modules/zoo_timer_alloc.ko delay_ms=600000
        insmod /modules/zoo_dwork_alloc.ko delay_ms=600000
        insmod /modules/zoo_hrtimer_alloc.ko delay_ms=600000
        report second disarmd run
        report release_too_early disarmd release
        killed
        rmmod zoo_timer_alloc
        insmod /modules/zoo_timer_static.ko delay_ms=600000 end=delete
        rmmod zoo_timer_static
        # A load that only the programs see, and the next daemon knows of.
        insmod /modules/zoo_timer_alloc.ko delay_ms=600000
        serve
        lines 2 || echo "not told at once"
        told killed
        stopped
        rmmod zoo_dwork_alloc
        serve
        told stopped
        stopped
        serve
        told nothing
        rmmod zoo_hrtimer_alloc
        rmmod zoo_timer_alloc
        await lines 2
        told later
        stopped
        report release disarmd release
        report nothing_left test ! -e /sys/fs/bpf/disarmd
        report no_warning sh -c '! dmesg | grep "WARNING:"'
    )sh");
    EXPECT_EQ(guest.status, 0) << guest.console;
    EXPECT_EQ(find(guest, "no_warning")["exit"], 0) << "of the kernel's, in what it does for these programs";
    EXPECT_EQ(find(guest, "second")["exit"], 4);
    EXPECT_NE(find(guest, "second")["error"].get<std::string>().find("another disarmd"), std::string::npos);
    EXPECT_EQ(find(guest, "release_too_early")["exit"], 4);
    EXPECT_EQ(find(guest, "release")["exit"], 0);
    EXPECT_EQ(find(guest, "nothing_left")["exit"], 0);

    const auto killed = told(guest, "killed");
    ASSERT_EQ(killed.size(), 2U) << guest.console;
    EXPECT_EQ(killed[0]["module"], "zoo_timer_alloc");
    EXPECT_EQ(killed[0]["verdict"], "leak");
    EXPECT_EQ(killed[0]["unload"]["comm"], "rmmod");
    EXPECT_FALSE(killed[0]["unload"]["duration_ms"].is_null());
    ASSERT_EQ(killed[0]["pending"].size(), 1U);
    const auto& leaked = killed[0]["pending"][0];
    EXPECT_EQ(leaked["symbol"], "zoo_timer_alloc_fn [zoo_timer_alloc]");
    EXPECT_EQ(leaked["cause"], "never-deleted");
    EXPECT_EQ(leaked["armed"]["comm"], "insmod");
    EXPECT_TRUE(mentions(leaked["armed"]["stack"], "do_one_initcall")) << leaked;
    EXPECT_EQ(killed[1]["module"], "zoo_timer_static");
    EXPECT_EQ(killed[1]["verdict"], "clean") << killed[1];

    const auto stopped = told(guest, "stopped");
    ASSERT_EQ(stopped.size(), 1U) << guest.console;
    EXPECT_EQ(stopped[0]["module"], "zoo_dwork_alloc");
    EXPECT_EQ(stopped[0]["verdict"], "leak");
    EXPECT_EQ(stopped[0]["pending"][0]["armed"]["comm"], "insmod") << stopped[0];
    EXPECT_EQ(told(guest, "nothing").size(), 0U) << guest.console;

    // Armed under the first daemon and under none, told by the last one.
    const auto later = told(guest, "later");
    ASSERT_EQ(later.size(), 2U) << guest.console;
    for (const auto& unload : later) {
        EXPECT_EQ(unload["verdict"], "leak");
        EXPECT_EQ(unload["pending"][0]["armed"]["comm"], "insmod") << unload;
        EXPECT_TRUE(mentions(unload["pending"][0]["armed"]["stack"], "do_one_initcall")) << unload;
        EXPECT_FALSE(unload["instance"]["loaded_age_ms"].is_null()) << unload;
    }
}

// The free of a module that drains lasts long enough for all of that.
TEST_P(Restart, in_the_midst_of_an_unload_tells_it_once) {
    const auto guest = run_guest({GetParam()}, std::string(telling) + R"sh(
        limits='[policy]
drain_ms = 2000
[[policy.rule]]
module = "*"
on_leak = "drain"'
        serve
        insmod /modules/zoo_timer_alloc.ko delay_ms=1500
        rmmod zoo_timer_alloc &
        unloading=$!
        await grep -qs going /sys/module/zoo_timer_alloc/initstate
        killed
        serve
        wait $unloading
        insmod /modules/zoo_nothing.ko
        rmmod zoo_nothing
        await grep -q zoo_nothing /tmp/unloads
        told midst
        stopped
    )sh");
    EXPECT_EQ(guest.status, 0) << guest.console;
    const auto midst = told(guest, "midst");
    ASSERT_EQ(midst.size(), 2U) << guest.console;
    EXPECT_EQ(midst[0]["module"], "zoo_timer_alloc");
    EXPECT_EQ(midst[0]["verdict"], "leak");
    EXPECT_EQ(midst[0]["action"], "drained") << midst[0];
    EXPECT_FALSE(midst[0]["unload"]["duration_ms"].is_null());
    EXPECT_EQ(midst[1]["module"], "zoo_nothing");
}

// While the next daemon's programs come to know what there is, others' orphans lie where modules are loaded.
class Succession : public testing::TestWithParam<std::string> {};

TEST_P(Succession, amid_leaks_charges_none_to_a_module_that_has_none) {
    const auto guest = run_guest({GetParam(), 2, 400}, std::string(telling) + R"sh(
        limits='[limits]
unloads = 500'
        serve
        insmod /modules/zoo_nothing.ko
        all=$(links)
        stopped
        unloaded() { insmod /modules/zoo_$1.ko delay_ms=600000 end=$2; sh -c "echo \$\$ >>/tmp/$2; exec rmmod zoo_$1"; }
        # Not more than the service keeps up with, on a busy machine.
        storm() {
            while [ ! -e /tmp/over ]; do
                unloaded timer_alloc leak
                unloaded timer_alloc delete
                usleep 200000
            done
        }
        storm & storming=$!
        await grep -qs . /tmp/delete
        for again in 1 2; do
            serve
            stopped
            cat /tmp/unloads >>/tmp/all
        done
        : >/tmp/unloads
        # Before it is ready, at whatever it does then.
        for wait_ms in 0 150 300 450 600 750; do
            begin
            await links_are $all
            usleep $((wait_ms * 1000))
            killed
        done
        begin
        await watches
        touch /tmp/over
        wait $storming
        rmmod zoo_nothing
        await grep -q zoo_nothing /tmp/unloads
        stopped
        cat /tmp/unloads >>/tmp/all
        mv /tmp/all /tmp/unloads
        told storm
        for end in leak delete; do
            sed "s/.*/{\"as\":\"$end\",\"unload\":&}/" /tmp/$end >/dev/results
        done
    )sh");
    EXPECT_EQ(guest.status, 0) << guest.console;
    std::map<Json, Json> unloads;
    for (const auto& unload : told(guest, "storm")) {
        // Again, if one was killed before every sink had it.
        const auto& before = unloads.emplace(unload["unload"]["pid"], unload).first->second;
        EXPECT_EQ(unload["id"], before["id"]);
        EXPECT_EQ(unload["verdict"], before["verdict"]);
        EXPECT_EQ(unload["pending"].size(), before["pending"].size());
    }
    const auto verdicts_are = [&](const std::string& end, const std::string& verdict, std::size_t pending) {
        const auto pids = told(guest, end);
        EXPECT_GE(pids.size(), 10U);
        for (const auto& pid : pids) {
            EXPECT_EQ(unloads[pid]["verdict"], verdict) << unloads[pid];
            EXPECT_EQ(unloads[pid]["pending"].size(), pending);
            unloads.erase(pid);
        }
    };
    verdicts_are("leak", "leak", 1);
    verdicts_are("delete", "clean", 0);
    EXPECT_EQ(unloads.size(), 1U) << "but zoo_nothing";
}

// A timer of a CPU that goes offline is armed anew on another, and remains whose it was.
TEST_P(Succession, amid_moves_of_timers_charges_none_to_a_module_that_has_none) {
    const auto guest = run_guest({GetParam(), 3, 400}, std::string(telling) + R"sh(
        offline() {
            taskset "$2" sh -c "echo 0 >/sys/devices/system/cpu/cpu$1/online"
            echo 1 >/sys/devices/system/cpu/cpu$1/online
        }
        left() {
            taskset 2 insmod /modules/zoo_$1.ko delay_ms=600000 end=leak
            rmmod zoo_$1
        }
        serve
        all=$(links)
        for each in 1 2 3; do
            left timer_alloc
            left hrtimer_alloc
        done
        await lines 6
        told earlier
        : >/tmp/unloads
        killed
        # Where those were.
        taskset 1 insmod /modules/zoo_timer_alloc.ko delay_ms=600000 end=delete
        begin
        await links_are 1
        attached=0 moves=0
        until [ "$attached" -ge "$all" ] || watches; do
            kill -STOP $service
            if [ "$(links)" -gt "$attached" ]; then
                attached=$(links)
                # From CPU 1 to 2, and back.
                offline 1 4
                offline 2 2
                moves=$((moves + 1))
            fi
            kill -CONT $service
        done
        await watches
        rmmod zoo_timer_alloc
        await lines 1
        told later
        stopped
        report moved test "$moves" -ge 5
    )sh");
    EXPECT_EQ(guest.status, 0) << guest.console;
    EXPECT_EQ(find(guest, "moved")["exit"], 0) << guest.console;
    const auto earlier = told(guest, "earlier");
    ASSERT_EQ(earlier.size(), 6U) << guest.console;
    const auto later = told(guest, "later");
    ASSERT_EQ(later.size(), 1U) << guest.console;
    EXPECT_EQ(later[0]["verdict"], "clean") << later[0];
    EXPECT_EQ(later[0]["pending"].size(), 0U);
    EXPECT_EQ(later[0]["losses"], Json::object()) << "what moved before it was known was found later";
    for (const auto& unload : earlier)
        EXPECT_EQ(unload["verdict"], "leak");
}

// Of what came before, one is amid being told: a hook hangs.
TEST_P(Succession, killed_as_it_takes_over_leaves_what_it_did_not_tell_and_no_more) {
    const auto guest = run_guest({GetParam(), 2, 400}, std::string(telling) + R"sh(
        mkdir /hooks
        cat >/hooks/hang <<'END'
#!/bin/sh
if grep -q '"module":"zoo_hrtimer_alloc"'; then
    : >/tmp/hangs
    sleep 1000
fi
END
        chmod 700 /hooks/hang
        limits='[hooks]
folder = "/hooks"'
        serve
        for each in timer_alloc dwork_alloc hrtimer_alloc timer_static dwork_static; do
            insmod /modules/zoo_$each.ko delay_ms=600000 end=leak
        done
        killed
        for each in timer_alloc dwork_alloc hrtimer_alloc timer_static; do
            rmmod zoo_$each
        done
        begin
        await test -e /tmp/hangs
        # Seen by the programs of the one that is amid it.
        rmmod zoo_dwork_static
        await lines 5
        killed
        pins_are() { [ "$(ls -d /sys/fs/bpf/disarmd/v*/*-* | wc -l)" = "$1" ]; }
        report kept pins_are 2
        told killed
        : >/tmp/unloads
        chmod 000 /hooks/hang
        begin
        await watches
        await lines 3
        report let_go await pins_are 1
        told next
        # As one that runs is killed, a hook is amid it.
        rm /tmp/hangs
        chmod 700 /hooks/hang
        insmod /modules/zoo_hrtimer_alloc.ko delay_ms=600000 end=leak
        rmmod zoo_hrtimer_alloc
        await test -e /tmp/hangs
        await lines 4
        killed
        chmod 000 /hooks/hang
        begin
        await watches
        await lines 5
        told at_last
        stopped
        disarmd incidents --json | tr -d '\n' | sed 's/.*/{"as":"ledger","unload":&}/' >/dev/results
    )sh");
    EXPECT_EQ(guest.status, 0) << guest.console;
    EXPECT_EQ(find(guest, "kept")["exit"], 0) << "it was not amid it: " << guest.console;
    EXPECT_EQ(find(guest, "let_go")["exit"], 0);
    const auto modules = [](const std::vector<Json>& unloads) {
        std::vector<std::string> names;
        for (const auto& unload : unloads)
            names.push_back(unload["module"]);
        return names;
    };
    using Names = std::vector<std::string>;
    EXPECT_EQ(modules(told(guest, "killed")),
              (Names{"zoo_timer_alloc", "zoo_dwork_alloc", "zoo_hrtimer_alloc", "zoo_timer_static",
                     "zoo_dwork_static"}));
    // Those that the hook had not been through are told by both, as the same.
    const auto next = told(guest, "next");
    ASSERT_EQ(modules(next), (Names{"zoo_hrtimer_alloc", "zoo_timer_static", "zoo_dwork_static"}))
        << guest.console;
    for (std::size_t i = 0; i < 3; ++i)
        EXPECT_EQ(next[i]["id"], told(guest, "killed")[i + 2]["id"]);
    for (const auto* const name : {"killed", "next"}) {
        for (const auto& unload : told(guest, name)) {
            EXPECT_EQ(unload["verdict"], "leak") << unload;
            EXPECT_EQ(unload["pending"].size(), 1U) << unload;
        }
    }
    const auto at_last = told(guest, "at_last");
    ASSERT_EQ(at_last.size(), 5U) << guest.console;
    EXPECT_EQ(at_last[3]["module"], "zoo_hrtimer_alloc");
    EXPECT_EQ(at_last[3]["id"], at_last[4]["id"]);
    EXPECT_EQ(at_last[4]["verdict"], "leak");
    ASSERT_EQ(told(guest, "ledger").size(), 1U);
    EXPECT_EQ(told(guest, "ledger")[0]["incidents"].size(), 6U) << told(guest, "ledger")[0];
}

// The kernel gives up loading a program for any of them.
TEST_P(Restart, amid_signals_watches_no_worse) {
    const auto guest = run_guest({GetParam(), 2, 300}, R"sh(
        printf '[sinks]\nunloads_file = "/tmp/unloads"\n' >/tmp/disarmd.toml
        # Without a child: signals have to come faster than the kernel checks a program.
        logged() {
            while read -r line; do
                case $line in *"$1"*) return 0 ;; esac
            done </tmp/service.log
            return 1
        }
        loads() { [ "$(ls -l /proc/$service/fd | grep -c bpf-prog)" -ge 2 ]; }
        started_amid_signals() {
            : >/tmp/service.log
            disarmd --verbose run --config /tmp/disarmd.toml 2>/tmp/service.log &
            service=$!
            # SIGHUP is the lowest bit.
            await grep -qs '^SigBlk:.*[13579bdf]$' /proc/$service/status
            kill -HUP $service
            # Before its first program libbpf tries out what the kernel can, and takes a signal for a no.
            await loads
            until logged 'Resource temporarily unavailable' || logged ' watching '; do
                kill -STOP $service
                kill -CONT $service
            done
            await grep -q ' watching ' /tmp/service.log
        }
        # libbpf tells only of a program that was given up several times in a row: a busy machine may take
        # more than one start.
        started_amid_signals
        for again in 1 2 3 4; do
            ! logged 'Resource temporarily unavailable' || break
            kill -TERM $service
            wait $service
            started_amid_signals
        done
        report interrupted grep -q 'Resource temporarily unavailable' /tmp/service.log
        report backend grep -q 'backend tracepoint: this kernel has every timer event' /tmp/service.log
        report reloads await grep -q 'the policy is reloaded' /tmp/service.log
        kill -TERM $service
        wait $service
    )sh");
    EXPECT_EQ(guest.status, 0) << guest.console;
    for (const auto* const name : {"interrupted", "backend", "reloads"})
        EXPECT_EQ(find(guest, name)["exit"], 0) << name << guest.console;
}

// A daemon whose maps look otherwise reads of the records what all have in common.
TEST_P(Restart, with_another_schema_loses_no_verdict) {
    const auto guest =
        run_guest({GetParam(), 2, 240, {"--add", DISARMD_OTHER_SCHEMA ":/bin/disarmd_other_schema"}},
                  std::string(telling) + R"sh(
        serve
        insmod /modules/zoo_timer_alloc.ko delay_ms=600000
        insmod /modules/zoo_dwork_alloc.ko delay_ms=600000
        killed
        rmmod zoo_timer_alloc
        : >/tmp/unloads
        disarmd_other_schema run --config /tmp/disarmd.toml 2>/tmp/service.log &
        service=$!
        await grep -qs ' watching ' /tmp/service.log
        told upgraded
        ls -d /sys/fs/bpf/disarmd/v*/*-* >/tmp/kept
        report swapped grep -vq /v2/ /tmp/kept
        rmmod zoo_dwork_alloc
        await lines 2
        told since
        stopped
    )sh");
    EXPECT_EQ(guest.status, 0) << guest.console;
    const auto upgraded = told(guest, "upgraded");
    ASSERT_EQ(upgraded.size(), 1U) << guest.console;
    EXPECT_EQ(upgraded[0]["module"], "zoo_timer_alloc");
    EXPECT_EQ(upgraded[0]["verdict"], "leak");
    EXPECT_EQ(upgraded[0]["unload"]["comm"], "rmmod");
    EXPECT_EQ(find(guest, "swapped")["exit"], 0) << guest.console;
    const auto since = told(guest, "since");
    ASSERT_EQ(since.size(), 2U) << guest.console;
    EXPECT_EQ(since[1]["module"], "zoo_dwork_alloc");
    EXPECT_EQ(since[1]["verdict"], "leak");
}

constexpr auto name_kernel = [](const auto& test) { return kernel_test_name(test.param); };
INSTANTIATE_TEST_SUITE_P(Kernels, Restart, testing::ValuesIn(outermost_kernels()), name_kernel);
INSTANTIATE_TEST_SUITE_P(Long, Restart, testing::ValuesIn(inner_kernels()), name_kernel);
INSTANTIATE_TEST_SUITE_P(Kernels, Succession, testing::ValuesIn(oldest_kernel()), name_kernel);
INSTANTIATE_TEST_SUITE_P(Long, Succession, testing::ValuesIn(newer_kernels()), name_kernel);

} // namespace
} // namespace disarmd::tests
