// SPDX-License-Identifier: Apache-2.0
//
// Who means harm: what docs/security.md says that they get.
#include <algorithm>

#include <gtest/gtest.h>

#include "guest.h"

namespace disarmd::tests {
namespace {

using Json = nlohmann::json;

constexpr const char* with_nobody = R"sh(
    as_nobody='/usr/bin/setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all'
)sh";

class Attack : public testing::TestWithParam<std::string> {};

// Stock mounts of it let everybody make folders there.
TEST_P(Attack, a_folder_of_pins_that_somebody_else_made_is_not_used) {
    const auto guest = run_guest({GetParam()}, std::string(with_nobody) + R"sh(
        $as_nobody mkdir -m 777 /sys/fs/bpf/disarmd
        report theirs timeout 20 disarmd run
        rmdir /sys/fs/bpf/disarmd
        $as_nobody mkdir /tmp/pins
        $as_nobody ln -s /tmp/pins /sys/fs/bpf/disarmd
        report link timeout 20 disarmd run
        rm /sys/fs/bpf/disarmd
        serve
        report ours test "$(stat -c %u/%a /sys/fs/bpf/disarmd /sys/fs/bpf/disarmd/v* | uniq)" = 0/700
        report kept sh -c "! $as_nobody mv /sys/fs/bpf/disarmd /sys/fs/bpf/gone"
        report hidden sh -c "! $as_nobody ls /sys/fs/bpf/disarmd"
    )sh");
    for (const auto* name : {"theirs", "link"}) {
        const Json& refused = find(guest, name);
        EXPECT_NE(refused["exit"], 0) << refused;
        EXPECT_NE(refused["error"].get<std::string>().find("/sys/fs/bpf/disarmd is not root's alone"),
                  std::string::npos)
            << refused;
    }
    expect_done(guest, {"ours", "kept", "hidden"});
}

// All at once: callers of the port who say nothing, a full disk, and a clock that is set back and forth.
TEST_P(Attack, a_leak_is_told_whatever_goes_on_around_it) {
    const auto guest = run_guest({GetParam()}, std::string(with_nobody) + R"sh(
        mkdir /tmp/small
        mount -t tmpfs -o size=4m none /tmp/small
        limits='json_file = "/tmp/small/incidents.json"
[ledger]
path = "/tmp/small/ledger.db"'
        serve
        for file in incidents.json ledger.db ledger.db-wal; do
            report "hidden_$file" sh -c "! $as_nobody cat /tmp/small/$file"
        done
        callers=0
        while [ $callers -lt 100 ]; do
            sleep 60 | $as_nobody nc 127.0.0.1 9958 >/dev/null 2>&1 &
            callers=$((callers + 1))
        done
        dd if=/dev/zero of=/tmp/small/filler bs=4k 2>/dev/null
        insmod /modules/zoo_timer_alloc.ko delay_ms=600000
        date -s @1700000000
        unload zoo_timer_alloc
        await_judged
        report in_kmsg sh -c 'dmesg | grep -q "disarmd: LEAK: module zoo_timer_alloc"'
        await grep -q 'sink json_file: .*No space left on device' /tmp/service.log
        report told_full test $? = 0
        rm /tmp/small/filler
        date -s @1800000000
        insmod /modules/zoo_many.ko delay_ms=600000
        date -s @1750000000
        unload zoo_many
        judged
        await grep -q '"module":"zoo_many"' /tmp/small/incidents.json
        report recovered test $? = 0
    )sh");
    expect_done(guest, {"hidden_incidents.json", "hidden_ledger.db", "hidden_ledger.db-wal", "in_kmsg",
                        "told_full", "recovered"});
    std::size_t unloads = 0;
    for (const auto& result : guest.results) {
        if (!result.contains("verdict"))
            continue;
        ++unloads;
        EXPECT_EQ(result["verdict"], "leak") << result;
        EXPECT_LT(result["unload"]["duration_ms"], 60'000) << "the clock that was set is not asked";
        for (const auto& timer : result["pending"]) {
            EXPECT_GT(timer["armed"]["age_ms"], 0);
            EXPECT_LT(timer["armed"]["age_ms"], 60'000);
            EXPECT_GT(timer["expires_in_ms"], 0);
        }
    }
    EXPECT_EQ(unloads, 2U) << guest.console;
}

// What anybody may set, and a module in more places than are remembered, makes a look long, and hides nothing
// from it.
TEST_P(Attack, masses_of_timers_hide_none) {
    const auto guest = run_guest(
        {GetParam(), 2, 600, {"--mem", "2048", "--add", DISARMD_DELETE_MODULE ":/bin/delete_module"}},
        std::string(with_nobody) + R"sh(
        serve
        ulimit -n 100100
        $as_nobody delete_module timers 100000 >/tmp/timers &
        timers=$!
        report users await grep -q set /tmp/timers
        insmod /modules/zoo_timer_static.ko delay_ms=3000000 end=delete && unload zoo_timer_static
        insmod /modules/zoo_hrtimer_alloc.ko delay_ms=3000000 && unload zoo_hrtimer_alloc
        await_judged
        kill $timers
        wait $timers
        report million insmod /modules/zoo_timer_alloc.ko count=1000000 delay_ms=3000000
        insmod /modules/zoo_dwork_alloc.ko delay_ms=3000000 && unload zoo_dwork_alloc
        unload zoo_timer_alloc
        judged
        report unharmed sh -c "! dmesg | grep -E 'soft lockup|stall|BUG:|WARNING:'"
    )sh");
    expect_done(guest, {"users", "million", "unharmed"});
    const auto expect = [&](const std::string& module, const std::string& verdict, std::size_t least) {
        const auto unload = std::ranges::find_if(guest.results, [&](const Json& result) {
            return result.contains("verdict") && result["module"] == module;
        });
        ASSERT_NE(unload, guest.results.end()) << module;
        EXPECT_EQ((*unload)["verdict"], verdict) << *unload;
        EXPECT_GE((*unload)["pending"].size() + unload->value("pending_left_out", 0U), least) << *unload;
    };
    expect("zoo_timer_static", "clean", 0);
    expect("zoo_hrtimer_alloc", "leak", 1);
    expect("zoo_dwork_alloc", "leak", 1);
    // As many as are remembered, and what the scan found of the others.
    expect("zoo_timer_alloc", "leak", 65536);
}

// Terminal escapes, quotes, a line feed and whatever a shell, a page or a scrape would take for its own.
TEST_P(Attack, a_name_steers_nothing) {
    const auto guest = run_guest({GetParam(), 2, 240, {"--add", "/bin/sed:/add/sed"}}, R"sh(
        hostile=$(printf 'zoo\033c"\n%s<&>\\$`{}' "'")
        # As many bytes, in the module's name and those of its functions.
        LC_ALL=C /add/sed 's/zoo_timer_static/zoo\x1bc"\n'"'"'<\&>\\$`{}/g' \
            /modules/zoo_timer_static.ko >/tmp/hostile.ko
        limits='json_file = "/tmp/incidents.json"
[[policy.rule]]
module = "vendor_*"'
        serve
        report load insmod /tmp/hostile.ko delay_ms=600000
        disarmd list >/tmp/list
        wget -qO /tmp/metrics http://127.0.0.1:9958/metrics
        report unload rmmod "$hostile"
        await grep -qs . /tmp/unloads
        cat /tmp/unloads >/dev/results
        disarmd incidents >/tmp/incidents
        id=$(sed -n 's/.*"id":"\([0-9a-f]*\)".*/\1/p' /tmp/incidents.json)
        disarmd incidents "$id" >/tmp/incident
        disarmd incidents --json "$id" >/dev/results
        dmesg | grep 'disarmd: ' >/tmp/kmsg
        for said in list metrics unloads incidents incidents.json incident kmsg service.log; do
            report "$said" sh -c "[ -s /tmp/$said ] && ! grep -q \"\$(printf '\\033')\" /tmp/$said"
        done
        report names_it grep -q 'zoo\\x1bc"\\x0a' /tmp/incident
    )sh");
    expect_done(guest, {"load", "unload", "list", "metrics", "unloads", "incidents", "incidents.json",
                        "incident", "kmsg", "service.log", "names_it"});
    const std::string name = "zoo\x1b"
                             "c\"\n'<&>\\$`{}";
    std::size_t told = 0;
    for (const auto& result : guest.results) {
        if (!result.contains("verdict"))
            continue;
        ++told;
        EXPECT_EQ(result["module"], name) << result;
        EXPECT_EQ(result["verdict"], "leak") << result;
        ASSERT_EQ(result["pending"].size(), 1U) << result;
        EXPECT_EQ(result["pending"][0]["symbol"], name + "_fn [" + name + "]") << result;
    }
    EXPECT_EQ(told, 2U) << guest.console;
}

constexpr auto name_kernel = [](const auto& test) { return kernel_test_name(test.param); };
INSTANTIATE_TEST_SUITE_P(Kernels, Attack, testing::ValuesIn(oldest_kernel()), name_kernel);
INSTANTIATE_TEST_SUITE_P(Long, Attack, testing::ValuesIn(newer_kernels()), name_kernel);

} // namespace
} // namespace disarmd::tests
