// SPDX-License-Identifier: Apache-2.0
//
// What disarmd says when it could not see everything: inconclusive where that could have
// hidden a timer, and not where one source of the two has seen it all.
#include <algorithm>
#include <iostream>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include "guest.h"

namespace disarmd::tests {

namespace {

using Json = nlohmann::json;

class Doubt : public testing::TestWithParam<std::string> {
protected:
    // The judgements that the guest sent under a name.
    static std::vector<Json> named(const GuestResult& guest, const std::string& name) {
        std::vector<Json> found;
        for (const auto& result : guest.results) {
            if (result.value("as", "") == name)
                found.push_back(result["unload"]);
        }
        EXPECT_FALSE(found.empty()) << "nothing was judged as " << name << " in\n" << guest.console;
        return found;
    }

    // 5.10 has no bpf_for_each_map_elem(): tracked timers can't be gone through when a module is freed.
    static bool can_ask_tracking() { return GetParam() != "5.10"; }
};

bool has_reason(const Json& unload, const std::string& words) {
    return std::ranges::any_of(unload["why_inconclusive"], [&](const Json& reason) {
        return reason.get<std::string>().find(words) != std::string::npos;
    });
}

void expect_reason(const Json& unload, const std::string& words) {
    EXPECT_TRUE(has_reason(unload, words)) << words << " is not among " << unload["why_inconclusive"];
}

void expect_clean(const Json& unload) {
    EXPECT_EQ(unload["verdict"], "clean") << unload;
    EXPECT_EQ(unload["why_inconclusive"], Json::array()) << unload;
}

void expect_inconclusive(const Json& unload, const std::vector<std::string>& reasons) {
    EXPECT_EQ(unload["verdict"], "inconclusive") << unload;
    EXPECT_EQ(unload["pending"], Json::array()) << unload;
    for (const auto& reason : reasons)
        expect_reason(unload, reason);
}

constexpr const char* clean_and_leaky = R"sh(
    insmod /modules/zoo_timer_alloc.ko count=100 delay_ms=600000 end=delete; unload zoo_timer_alloc
    insmod /modules/zoo_hrtimer_alloc.ko delay_ms=600000 end=delete; unload zoo_hrtimer_alloc
    insmod /modules/zoo_timer_alloc.ko count=100 delay_ms=600000; unload zoo_timer_alloc
    insmod /modules/zoo_hrtimer_alloc.ko delay_ms=600000; unload zoo_hrtimer_alloc
)sh";

void expect_leaks(const std::vector<Json>& unloads, const Json& sources) {
    ASSERT_EQ(unloads.size(), 4U);
    EXPECT_EQ(unloads[2]["verdict"], "leak");
    EXPECT_EQ(unloads[2]["pending"].size() + unloads[2]["pending_left_out"].get<std::size_t>(), 100U);
    // "scan" comes last, if it is there. What a full table had room for is chance.
    EXPECT_EQ(unloads[2]["sources"].back(), sources.back());
    EXPECT_EQ(unloads[3]["verdict"], "leak");
    EXPECT_EQ(unloads[3]["pending"].size(), 1U);
    EXPECT_EQ(unloads[3]["sources"].back(), sources.back());
}

TEST_P(Doubt, lost_arms_spoil_nothing_that_the_scan_has_seen) {
    const auto guest = run_guest({GetParam(), 2, 400}, fmt::format(R"sh(
        limits='[limits]
        armed_timers = 64
        scan_steps = 2'
        serve
        insmod /modules/zoo_timer_alloc.ko count=100 delay_ms=600000 end=delete; unload zoo_timer_alloc
        end_service both
        limits='[limits]
        armed_timers = 64'
        serve; {0} judged full_table
    )sh",
                                                                   clean_and_leaky));
    const auto both = named(guest, "both");
    ASSERT_EQ(both.size(), 1U) << guest.console;
    expect_inconclusive(both[0], {"scan: ", "tracking: "});

    const auto full_table = named(guest, "full_table");
    ASSERT_EQ(full_table.size(), 4U) << guest.console;
    expect_clean(full_table[0]);
    expect_clean(full_table[1]);
    EXPECT_GT(full_table[0]["lost_events"], 0);
    expect_leaks(full_table, Json({"tracking", "scan"}));
}

TEST_P(Doubt, a_scan_cut_short_spoils_nothing_that_tracking_has_seen) {
    const auto guest = run_guest({GetParam(), 2, 400}, fmt::format(R"sh(
        limits='[limits]
        scan_steps = 2'
        serve; {0} judged cut_scan
    )sh",
                                                                   clean_and_leaky));
    const auto cut_scan = named(guest, "cut_scan");
    ASSERT_EQ(cut_scan.size(), 4U) << guest.console;
    if (can_ask_tracking()) {
        expect_clean(cut_scan[0]);
        expect_clean(cut_scan[1]);
        expect_leaks(cut_scan, Json::array({"tracking"}));
        return;
    }
    expect_inconclusive(cut_scan[0], {"scan: ", "tracking: "});
    for (const auto& unload : cut_scan)
        EXPECT_NE(unload["verdict"], "clean");
}

// As many as a busy server has, for connections that it keeps.
TEST_P(Doubt, a_great_many_timers_are_read_to_the_last) {
    const auto guest = run_guest({GetParam(), 2, 400}, R"sh(
        serve
        insmod /modules/zoo_timer_alloc.ko count=20000 delay_ms=600000 end=delete
        insmod /modules/zoo_nothing.ko; unload zoo_nothing
        unload zoo_timer_alloc
        judged
    )sh");
    ASSERT_EQ(guest.results.size(), 2U) << guest.console;
    for (const auto& unload : guest.results)
        expect_clean(unload);
}

// It was armed, and freed with what it lay in: what is linked there by now is anything.
class GivenAway : public Doubt {};

TEST_P(GivenAway, timers_make_no_clean_unload) {
    const auto guest = run_guest({GetParam(), 2, 400}, R"sh(
        serve
        insmod /modules/crash.ko in=object left=1 delay_ms=600000; unload crash
        judged
    )sh");
    ASSERT_EQ(guest.results.size(), 1U) << guest.console;
    EXPECT_EQ(guest.results[0]["module"], "crash");
    // Where tracking can be asked, it alone knows better than what the scan met there.
    if (can_ask_tracking())
        expect_inconclusive(guest.results[0], {"tracking: a timer of the module was armed, and is gone"});
    else
        expect_inconclusive(guest.results[0], {"scan: ", "tracking: "});
}

// Nothing on the way of timers: the looks when the module is freed and when its memory goes are all there is.
class Untracked : public Doubt {};

TEST_P(Untracked, modules_are_judged_by_the_scan_alone) {
    const auto guest = run_guest({GetParam(), 2, 400}, R"sh(
        settings='tracking = "off"'
        serve
        insmod /modules/zoo_timer_alloc.ko count=100 delay_ms=600000 end=delete; unload zoo_timer_alloc
        insmod /modules/zoo_hrtimer_alloc.ko delay_ms=600000 end=delete; unload zoo_hrtimer_alloc
        insmod /modules/zoo_timer_alloc.ko delay_ms=600000; unload zoo_timer_alloc
        insmod /modules/zoo_hrtimer_alloc.ko delay_ms=600000; unload zoo_hrtimer_alloc
        # Orphans lie where it may be loaded by now.
        insmod /modules/zoo_timer_alloc.ko delay_ms=600000 end=delete; unload zoo_timer_alloc
        end_service untracked
        # What it left is known to the next one, too.
        serve
        insmod /modules/zoo_timer_alloc.ko delay_ms=600000 end=delete; unload zoo_timer_alloc
        # Armed after the first look; it lies in memory that goes.
        insmod /modules/zoo_arm_late.ko delay_ms=600000; unload zoo_arm_late
        end_service next
    )sh");
    const auto expect_untracked_leak = [](const Json& unload) {
        EXPECT_EQ(unload["verdict"], "leak") << unload;
        EXPECT_EQ(unload["sources"], Json::array({"scan"})) << unload;
        ASSERT_EQ(unload["pending"].size(), 1U) << unload;
        EXPECT_EQ(unload["pending"][0]["cause"], "unknown") << unload;
        EXPECT_EQ(unload["pending"][0]["armed"], nullptr) << unload;
    };
    const auto unloads = named(guest, "untracked");
    ASSERT_EQ(unloads.size(), 5U) << guest.console;
    for (const auto i : {0U, 1U, 4U}) {
        expect_clean(unloads[i]);
        EXPECT_EQ(unloads[i]["sources"], Json::array({"scan"})) << unloads[i];
    }
    for (const auto i : {2U, 3U})
        expect_untracked_leak(unloads[i]);
    const auto next = named(guest, "next");
    ASSERT_EQ(next.size(), 2U) << guest.console;
    expect_clean(next[0]);
    expect_untracked_leak(next[1]);
}

// A kernel that does not say where its timers are.
TEST_P(Doubt, without_the_scan_tracking_decides) {
    const auto guest = run_guest({GetParam(), 2, 400}, fmt::format(R"sh(
        grep -vE ' (timer|hrtimer)_bases$' /proc/kallsyms >/tmp/kallsyms
        mount --bind /tmp/kallsyms /proc/kallsyms
        serve --probe-backend tracepoint; {0} end_service tracked
        serve --probe-backend kprobe
        insmod /modules/zoo_timer_alloc.ko delay_ms=600000 end=delete; unload zoo_timer_alloc
        end_service unsure
    )sh",
                                                                   clean_and_leaky));
    const auto tracked = named(guest, "tracked");
    ASSERT_EQ(tracked.size(), 4U) << guest.console;
    if (can_ask_tracking()) {
        expect_clean(tracked[0]);
        expect_clean(tracked[1]);
        expect_leaks(tracked, Json::array({"tracking"}));
    } else {
        expect_inconclusive(tracked[0], {"scan: "});
    }
    // A kprobe may be skipped, and nobody would know.
    const auto unsure = named(guest, "unsure");
    ASSERT_EQ(unsure.size(), 1U) << guest.console;
    expect_inconclusive(unsure[0], {"scan: ", "kprobe"});
}

// The name of an event that this kernel has is struck out of its type information.
TEST_P(Doubt, a_missing_hook_is_named) {
    const auto guest = run_guest({GetParam(), 2, 400}, R"sh(
        cp /sys/kernel/btf/vmlinux /tmp/btf
        at=$(strings -t d /tmp/btf | awk '$2 == "btf_trace_hrtimer_start" { print $1 }')
        printf x | dd of=/tmp/btf bs=1 seek="$at" conv=notrunc 2>/dev/null
        mount --bind /tmp/btf /sys/kernel/btf/vmlinux
        serve --probe-backend tracepoint
        insmod /modules/zoo_hrtimer_alloc.ko delay_ms=600000 end=delete; unload zoo_hrtimer_alloc
        insmod /modules/zoo_hrtimer_alloc.ko delay_ms=600000; unload zoo_hrtimer_alloc
        end_service missing
        disarmd doctor --json >/tmp/doctor
        sed 's/^/{"as":"doctor","unload":/; s/$/}/' /tmp/doctor >/dev/results
    )sh");
    const auto missing = named(guest, "missing");
    ASSERT_EQ(missing.size(), 2U) << guest.console;
    expect_inconclusive(missing[0], {"hrtimer_start"});
    // What is seen is seen.
    EXPECT_EQ(missing[1]["verdict"], "leak");
    EXPECT_EQ(missing[1]["sources"], Json::array({"scan"}));
    // Left to itself, disarmd takes the other backend, and says why.
    const auto doctor = named(guest, "doctor");
    ASSERT_EQ(doctor.size(), 1U) << guest.console;
    EXPECT_EQ(doctor[0]["backend"], "kprobe");
    EXPECT_NE(doctor[0].dump().find("hrtimer_start"), std::string::npos);
}

// What switches off the hooks on functions tells nobody; those on tracepoints go on.
TEST_P(Doubt, hooks_that_are_switched_off_promise_nothing) {
    const auto guest = run_guest({GetParam(), 2, 400}, R"sh(
        serve --probe-backend tracepoint
        sysctl -w kernel.ftrace_enabled=0
        insmod /modules/zoo_timer_alloc.ko delay_ms=600000 end=delete; unload zoo_timer_alloc
        insmod /modules/zoo_timer_alloc.ko delay_ms=600000; unload zoo_timer_alloc
        judged off
        disarmd doctor --json >/tmp/doctor
        sed 's/^/{"as":"doctor","unload":/; s/$/}/' /tmp/doctor >/dev/results
        : >/tmp/unloads; : >/tmp/unloaded
        sysctl -w kernel.ftrace_enabled=1
        insmod /modules/zoo_timer_alloc.ko delay_ms=600000 end=delete; unload zoo_timer_alloc
        judged on
    )sh");
    const auto off = named(guest, "off");
    ASSERT_EQ(off.size(), 2U) << guest.console;
    if (GetParam() == "5.10") {
        // It refuses while there is a program on a function.
        EXPECT_NE(guest.console.find("sysctl: write error: Device or resource busy"), std::string::npos);
        expect_clean(off[0]);
        return;
    }
    expect_inconclusive(off[0], {"kernel.ftrace_enabled"});
    EXPECT_EQ(off[1]["verdict"], "leak") << off[1];
    EXPECT_NE(named(guest, "doctor").front()["impossible"].get<std::string>().find("ftrace"),
              std::string::npos);
    const auto on = named(guest, "on");
    ASSERT_EQ(on.size(), 1U) << guest.console;
    expect_clean(on[0]);
}

// A free is held up between its start, which everything sees, and the end of the memory.
TEST_P(Doubt, an_end_of_memory_that_nobody_saw_is_told) {
    const auto guest = run_guest({GetParam(), 2, 400}, R"sh(
        held=/sys/module/zoo_free_held/parameters
        freed_in_the_dark() {
            echo Y >$held/hold
            unload zoo_nothing &
            freed=$!
            await grep -q Y $held/held
            echo $1 >/sys/kernel/debug/kprobes/enabled
            echo N >$held/hold
            wait $freed
            echo 1 >/sys/kernel/debug/kprobes/enabled
        }
        insmod /modules/zoo_free_held.ko
        serve
        for enabled in 0 1; do
            insmod /modules/zoo_nothing.ko; freed_in_the_dark $enabled
        done
        judged
    )sh");
    ASSERT_EQ(guest.results.size(), 2U) << guest.console;
    expect_inconclusive(guest.results[0], {"switched off"});
    // Before 5.17 that is a trampoline, which no switch reaches.
    EXPECT_EQ(has_reason(guest.results[0], "did not run the program that sees the module's memory go"),
              GetParam() != "5.10");
    EXPECT_EQ(guest.results[0]["outcome"], "freed");
    expect_clean(guest.results[1]);
}

// Verdicts wait in the kernel for a service that is stopped; those that find no room are missed.
TEST_P(Doubt, a_stopped_service_loses_no_verdict_that_was_stored) {
    const auto guest = run_guest({GetParam(), 2, 400}, R"sh(
        limits='[limits]
        unloads = 8'
        serve
        kill -STOP $service
        for i in 1 2 3 4; do insmod /modules/zoo_nothing.ko; unload zoo_nothing; done
        insmod /modules/zoo_timer_alloc.ko delay_ms=600000; unload zoo_timer_alloc
        kill -CONT $service
        judged kept
        kill -STOP $service
        : >/tmp/unloads; : >/tmp/unloaded
        for i in 1 2 3 4 5 6 7 8; do insmod /modules/zoo_nothing.ko; unload zoo_nothing; done
        insmod /modules/zoo_timer_alloc.ko delay_ms=600000; rmmod zoo_timer_alloc
        kill -CONT $service
        await_judged
        await grep -q 'verdicts of 1 unload could not be stored' /tmp/service.log
        judged full
        : >/tmp/unloads; : >/tmp/unloaded
        insmod /modules/zoo_timer_alloc.ko delay_ms=600000 end=never; unload zoo_timer_alloc
        judged after
        grep -c LEAK /tmp/service.log >/tmp/leaks
        sed 's/.*/{"as":"leaks","unload":&}/' /tmp/leaks >/dev/results
    )sh");
    const auto kept = named(guest, "kept");
    ASSERT_EQ(kept.size(), 5U) << guest.console;
    EXPECT_EQ(kept.back()["verdict"], "leak");
    for (std::size_t i = 0; i < 4; ++i)
        expect_clean(kept[i]);
    EXPECT_EQ(named(guest, "full").size(), 8U);
    // What nobody was told of is nevertheless older than the next load of that module.
    const auto after = named(guest, "after");
    ASSERT_EQ(after.size(), 1U) << guest.console;
    expect_clean(after[0]);
    EXPECT_EQ(named(guest, "leaks").front(), 1);
}

// A program of disarmd's is entered while it runs, and the kernel does not run it a second time.
TEST_P(Doubt, missed_runs_spoil_what_they_could_have_hidden) {
    const auto guest = run_guest({GetParam(), 2, 400}, R"sh(
        serve --probe-backend tracepoint
        insmod /modules/zoo_recurse.ko delay_ms=600000 end=delete; unload zoo_recurse
        judged before
        : >/tmp/unloads; : >/tmp/unloaded
        insmod /modules/zoo_recurse.ko delay_ms=600000
        while [ ! -e /tmp/enough ]; do echo 1 >/sys/module/zoo_recurse/parameters/arm; done &
        for i in 1 2 3 4 5 6 7 8; do insmod /modules/zoo_nothing.ko; unload zoo_nothing; done
        judged meanwhile
        : >/tmp/enough
        wait $!
        : >/tmp/unloads; : >/tmp/unloaded
        unload zoo_recurse
        judged leaky
    )sh");
    // 5.10 runs them a second time.
    const bool misses = GetParam() != "5.10";
    const auto before = named(guest, "before");
    ASSERT_EQ(before.size(), 1U) << guest.console;
    expect_clean(before[0]); // the scan has seen it all since
    EXPECT_EQ(before[0]["lost_events"] > 0, misses) << before[0];
    const auto meanwhile = named(guest, "meanwhile");
    ASSERT_EQ(meanwhile.size(), 8U) << guest.console;
    // Whether one falls into the short time of a free is chance; into none of eight it is not.
    std::size_t spoilt = 0;
    for (const auto& unload : meanwhile) {
        if (unload["verdict"] == "clean")
            continue;
        const bool lost = has_reason(unload, "lost while the module was being freed");
        spoilt += lost ? 1 : 0;
        // So many arms may also be more than are remembered.
        expect_inconclusive(unload, {lost ? "lost while" : "more timers were armed than are remembered"});
    }
    EXPECT_EQ(spoilt > 0, misses) << guest.console;
    const auto leaky = named(guest, "leaky");
    ASSERT_EQ(leaky.size(), 1U) << guest.console;
    EXPECT_EQ(leaky[0]["verdict"], "leak") << leaky[0];
    EXPECT_EQ(leaky[0]["pending"].size(), 1U) << leaky[0];
}

// Timers that never stay where they are: no scan can hold on to them.
TEST_P(Doubt, timers_in_motion_hide_no_leak_and_make_none) {
    const auto guest = run_guest({GetParam(), 2, 400}, R"sh(
        serve --probe-backend tracepoint
        insmod /modules/zoo_churn.ko threads=2 timers=64 hr=1
        for i in 1 2 3 4 5 6; do insmod /modules/zoo_nothing.ko; unload zoo_nothing; done
        rmmod zoo_churn && echo zoo_churn >>/tmp/unloaded
        judged bystander
        : >/tmp/unloads; : >/tmp/unloaded
        insmod /modules/zoo_churn_target.ko
        insmod /modules/zoo_churn.ko threads=1 timers=1 foreign=1
        unload zoo_churn_target
        judged target
    )sh");
    const auto bystander = named(guest, "bystander");
    ASSERT_EQ(bystander.size(), 7U) << guest.console;
    for (const auto& unload : bystander) {
        EXPECT_NE(unload["verdict"], "leak") << unload;
        std::cout << GetParam() << ": in the midst of motion: " << unload["module"] << ' '
                  << unload["verdict"] << ' ' << unload["why_inconclusive"] << '\n';
    }
    EXPECT_EQ(bystander.back()["verdict"], "clean") << bystander.back();
    const auto target = named(guest, "target");
    ASSERT_EQ(target.size(), 1U) << guest.console;
    EXPECT_NE(target[0]["verdict"], "clean") << target[0];
    std::cout << GetParam() << ": always in motion: " << target[0]["verdict"] << ' '
              << target[0]["why_inconclusive"] << '\n';
}

// What one module left is armed again by another, as it was: it may now be that of whoever lies there.
TEST_P(Doubt, an_orphan_that_is_armed_again_may_be_anybodys) {
    const auto guest = run_guest({GetParam(), 2, 400}, R"sh(
        churn=/sys/module/zoo_churn/parameters
        place() { awk -v module=$1 '$1 == module { print $6 }' /proc/modules; }
        load_again() {
            for i in 1 2 3 4 5 6; do
                insmod /modules/zoo_churn_target.ko
                place zoo_churn_target | cmp -s - /tmp/place && return
                unload zoo_churn_target
            done
            echo "never the same place again"
        }
        serve
        insmod /modules/zoo_churn_target.ko
        place zoo_churn_target >/tmp/place
        # 5.10 gives no module a place that is just large enough.
        insmod /modules/zoo_nothing.ko
        insmod /modules/zoo_churn.ko threads=1 timers=4 foreign=1 pause=1
        unload zoo_nothing
        await grep -q 1 $churn/pausing
        unload zoo_churn_target; judged left
        : >/tmp/unloads; : >/tmp/unloaded
        load_again; unload zoo_churn_target; judged not_armed_again
        : >/tmp/unloads; : >/tmp/unloaded
        echo N >$churn/pause; await grep -q 0 $churn/pausing
        echo Y >$churn/pause; await grep -q 1 $churn/pausing
        load_again; unload zoo_churn_target; judged armed_again
    )sh");
    ASSERT_EQ(guest.console.find("never the same place"), std::string::npos) << guest.console;
    const auto left = named(guest, "left");
    ASSERT_EQ(left.size(), 2U) << guest.console;
    expect_clean(left[0]);
    EXPECT_EQ(left[1]["verdict"], "leak") << left[1];
    EXPECT_EQ(left[1]["pending"].size(), 4U) << left[1];
    const auto not_armed_again = named(guest, "not_armed_again");
    for (const auto& unload : not_armed_again)
        expect_clean(unload);
    auto armed_again = named(guest, "armed_again");
    ASSERT_FALSE(armed_again.empty()) << guest.console;
    expect_inconclusive(armed_again.back(), {"timers that earlier modules left"});
    armed_again.pop_back();
    for (const auto& elsewhere : armed_again)
        expect_clean(elsewhere);
}

// No arm of such a timer is seen, nor its end: it lies in per-CPU memory, which stays, and calls the core.
TEST_P(Doubt, a_leak_at_the_place_of_an_orphan_is_not_taken_for_it) {
    const auto guest = run_guest({GetParam(), 2, 400}, R"sh(
        limits='[limits]
        armed_timers = 64'
        for table in full empty; do
            serve
            # It stays where it is, beyond the 64 of a full table, and goes with the guest.
            [ $table = empty ] || insmod /modules/zoo_timer_alloc.ko count=100 delay_ms=600000
            for n in 1 2; do
                insmod /modules/zoo_percpu.ko core=1 delay_ms=1000; unload zoo_percpu
                await_judged
                sleep 2 # until they have expired, which nobody is told
            done
            end_service $table
            limits=''
        done
    )sh");
    for (const std::string table : {"full", "empty"}) {
        const auto unloads = named(guest, table);
        ASSERT_EQ(unloads.size(), 2U) << guest.console;
        EXPECT_EQ(unloads[0]["verdict"], "leak") << unloads[0];
        EXPECT_EQ(unloads[0]["pending"].size(), 2U) << unloads[0];
        EXPECT_EQ(unloads[0]["lost_events"] > 0, table == "full") << unloads[0];
        if (unloads[1]["verdict"] != "leak") // as it is where it got another place
            expect_inconclusive(unloads[1], {"timers that earlier modules left"});
    }
}

// Timers are moved behind the back of whoever reads them, or armed where that has been already.
TEST_P(Doubt, no_race_hides_a_leak) {
    const std::vector<std::string> races{"tree", "list", "inside", "queue", "page"};
    const auto guest = run_guest({GetParam(), 2, 400}, fmt::format(R"sh(
        races() {{
            serve --probe-backend $1
            for race in {}; do
                insmod /modules/zoo_churn_target.ko
                insmod /modules/zoo_race.ko race=$race
                taskset 1 rmmod zoo_churn_target && echo zoo_churn_target >>/tmp/unloaded
                await_judged
                echo "$1 $race: $(cat /sys/module/zoo_race/parameters/met)"
                rmmod zoo_race && echo zoo_race >>/tmp/unloaded
            done
            end_service $1
        }}
        races tracepoint
        races kprobe
    )sh",
                                                                   fmt::join(races, " ")));
    for (const std::string backend : {"tracepoint", "kprobe"}) {
        const auto unloads = named(guest, backend);
        ASSERT_EQ(unloads.size(), 2 * races.size()) << guest.console;
        for (std::size_t i = 0; i < races.size(); ++i) {
            const auto run = fmt::format("{} {}: Y", backend, races[i]);
            EXPECT_NE(guest.console.find(run), std::string::npos) << run << " is not in\n" << guest.console;
            const bool hrtimer = races[i] == "tree" || races[i] == "queue";
            const Json& unload = unloads[2 * i];
            EXPECT_EQ(unload["verdict"], "leak") << run << unload;
            ASSERT_EQ(unload["pending"].size(), 1U) << run << unload;
            const Json& pending = unload["pending"].front();
            EXPECT_EQ(pending["kind"], hrtimer ? "hrtimer" : "timer") << run << unload;
            EXPECT_EQ(pending["symbol"],
                      fmt::format("zoo_churn_target_{}fn [zoo_churn_target]", hrtimer ? "hr" : ""))
                << run << unload;
            expect_clean(unloads[2 * i + 1]);
        }
    }
}

constexpr auto name_test = [](const auto& test) { return kernel_test_name(test.param); };

INSTANTIATE_TEST_SUITE_P(Kernels, GivenAway, testing::ValuesIn(outermost_kernels()), name_test);
INSTANTIATE_TEST_SUITE_P(Kernels, Untracked, testing::ValuesIn(outermost_kernels()), name_test);
INSTANTIATE_TEST_SUITE_P(Long, Untracked, testing::ValuesIn(inner_kernels()), name_test);
INSTANTIATE_TEST_SUITE_P(Long, GivenAway, testing::ValuesIn(inner_kernels()), name_test);
INSTANTIATE_TEST_SUITE_P(Kernels, Doubt, testing::ValuesIn(oldest_kernel()), name_test);
INSTANTIATE_TEST_SUITE_P(Long, Doubt, testing::ValuesIn(newer_kernels()), name_test);

} // namespace

} // namespace disarmd::tests
