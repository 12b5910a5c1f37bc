// SPDX-License-Identifier: Apache-2.0
//
// The package, on a Debian with its systemd: what an operator meets from the installation to the last file
// that goes with it.
#include "guest.h"

#include <algorithm>
#include <set>
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace disarmd::tests {
namespace {

using Json = nlohmann::json;

// Debian's start, and a dpkg that is emulated.
constexpr int patience_s = 600;

GuestResult run_debian(const std::string& kernel, const std::string& commands) {
    return run_guest({kernel,
                      2,
                      patience_s,
                      {"--debian", "--add", DISARMD_PACKAGE ":/add/disarmd.deb", "--add",
                       DISARMD_NEXT_PACKAGE ":/add/next.deb"}},
                     R"sh(
        export DEBIAN_FRONTEND=noninteractive
        # told NAME [FIELD=VALUE...]: the entries of the journal that tell of unloads.
        told() {
            as=$1
            shift
            journalctl --sync
            journalctl -o json --no-pager _TRANSPORT=journal "$@" | grep '"DISARMD_INCIDENT"' |
                sed "s/^/{\"as\":\"$as\",\"entry\":/; s/\$/}/" >/dev/results
        }
        recorded() { [ "$(disarmd incidents --module "$1" --json | grep -o '"id"' | wc -l)" -ge "$2" ]; }
        state() { systemctl show disarmd.service --value --property "$1"; }
        # say NAME TEXT
        say() {
            text=$(printf %s "$2" | tr '\n' ' ' | sed 's/\\/\\\\/g; s/"/\\"/g')
            printf '{"name":"%s","text":"%s"}\n' "$1" "$text" >/dev/results
        }
        runs() { [ "$(state ActiveState)/$(state SubState)" = active/running ]; }
        # restarted PID: it is another process than that.
        restarted() { runs && [ "$(state MainPID)" != "$1" ]; }
        rules() { printf '%s\n' "$1" >/etc/disarmd/disarmd.d/rules.toml; }
)sh" + commands);
}

std::string said(const GuestResult& guest, const std::string& name) {
    return find(guest, name).value("text", "");
}

std::vector<Json> told(const GuestResult& guest, const std::string& name) {
    std::vector<Json> entries;
    for (const auto& result : guest.results) {
        if (result.value("as", "") == name)
            entries.push_back(result["entry"]);
    }
    return entries;
}

class Service : public testing::TestWithParam<std::string> {};

// With all that its unit takes away from it.
TEST_P(Service, tells_and_denies_within_its_unit) {
    const auto guest = run_debian(GetParam(), R"sh(
        report install dpkg -i /add/disarmd.deb
        report active systemctl is-active disarmd.service
        report enabled systemctl is-enabled disarmd.service
        say status "$(state StatusText)"
        say security "$(systemd-analyze security disarmd.service | tail -1)"
        # What it is left with.
        report capabilities grep -q 'CapEff:.000000c400010000' /proc/$(state MainPID)/status
        report scheduled sh -c "chrt -p $(state MainPID) | grep -q SCHED_RR"

        rules '[[policy.rule]]
module = "zoo_timer_static"
on_unload = "deny"
[[policy.rule]]
module = "zoo_dwork_*"
on_unload = "deny-if-leaked-before"
on_leak = "drain"
[sinks]
json_file = "/var/log/disarmd/incidents.json"'
        report reload systemctl restart disarmd.service
        say ruled "$(state StatusText)"
        insmod /modules/zoo_timer_static.ko delay_ms=600000 end=delete
        insmod /modules/zoo_timer_alloc.ko delay_ms=600000
        rmmod zoo_timer_static 2>/tmp/denied
        report denied grep -q 'Operation not permitted' /tmp/denied
        report leaks rmmod zoo_timer_alloc
        insmod /modules/zoo_dwork_alloc.ko delay_ms=300
        rmmod zoo_dwork_alloc
        await recorded zoo_dwork_alloc 1
        told incidents
        report explained sh -c 'journalctl -x --no-pager DISARMD_MODULE=zoo_timer_alloc |
            grep -q "Subject: Module zoo_timer_alloc is gone, and timers of it are still armed"'
        report in_kmsg sh -c 'dmesg | grep -q "disarmd: LEAK: module zoo_timer_alloc"'
        report in_file grep -q '"module":"zoo_timer_alloc"' /var/log/disarmd/incidents.json
        report ledger disarmd incidents --module zoo_timer_alloc
        stat -c %a /var/lib/disarmd /var/log/disarmd >/tmp/modes
        report modes grep -vq '^7[1-7]' /tmp/modes
        dmesg | grep -c audit: || true
    )sh");
    EXPECT_EQ(guest.status, 0) << guest.console;
    expect_done(guest, {"install", "active", "enabled", "capabilities", "scheduled", "reload", "denied",
                        "leaks", "explained", "in_kmsg", "in_file", "ledger", "modes"});
    EXPECT_NE(said(guest, "status").find("; backend tracepoint"), std::string::npos) << said(guest, "status");
    EXPECT_EQ(said(guest, "status").find("missing"), std::string::npos) << said(guest, "status");
    EXPECT_NE(said(guest, "ruled").find("denying is effective"), std::string::npos) << said(guest, "ruled");
    EXPECT_EQ(said(guest, "ruled").find("not effective"), std::string::npos) << said(guest, "ruled");
    RecordProperty("security", said(guest, "security"));
    fmt::print("{}\n", said(guest, "security"));

    const auto incidents = told(guest, "incidents");
    ASSERT_EQ(incidents.size(), 3U) << guest.console;
    EXPECT_EQ(incidents[0]["DISARMD_MODULE"], "zoo_timer_static");
    EXPECT_EQ(incidents[0]["DISARMD_OUTCOME"], "denied");
    const auto& leak = incidents[1];
    EXPECT_EQ(leak["MESSAGE_ID"], "acb6994e084c416bbb7ecfa6059a06dd");
    EXPECT_EQ(leak["PRIORITY"], "2");
    EXPECT_EQ(leak["SYSLOG_IDENTIFIER"], "disarmd");
    EXPECT_EQ(leak["_SYSTEMD_UNIT"], "disarmd.service");
    EXPECT_EQ(leak["DISARMD_MODULE"], "zoo_timer_alloc");
    EXPECT_EQ(leak["DISARMD_MODULE_VERSION"], "1.0");
    EXPECT_EQ(leak["DISARMD_MODULE_SRCVERSION"].get<std::string>().size(), 23U);
    EXPECT_EQ(leak["DISARMD_VERDICT"], "leak");
    EXPECT_EQ(leak["DISARMD_OUTCOME"], "freed");
    EXPECT_EQ(leak["DISARMD_UNLOAD_COMM"], "rmmod");
    EXPECT_EQ(leak["DISARMD_UNLOAD_COMMAND"], "rmmod zoo_timer_alloc");
    EXPECT_EQ(leak["DISARMD_ACTION"], "none");
    EXPECT_EQ(leak["DISARMD_PENDING"], "1");
    EXPECT_EQ(leak["DISARMD_CAUSE"], "never-deleted");
    EXPECT_EQ(leak["DISARMD_TIMER"], "timer zoo_timer_alloc_fn [zoo_timer_alloc]");
    EXPECT_TRUE(leak.contains("DISARMD_ADVICE"));
    EXPECT_TRUE(leak.contains("DISARMD_UNLOAD_PID"));
    EXPECT_EQ(incidents[2]["DISARMD_MODULE"], "zoo_dwork_alloc");
    EXPECT_EQ(incidents[2]["DISARMD_ACTION"], "drained") << incidents[2];
}

constexpr auto name_kernel = [](const auto& test) { return kernel_test_name(test.param); };
INSTANTIATE_TEST_SUITE_P(Long, Service, testing::ValuesIn(test_kernels()), name_kernel);

class Life : public testing::TestWithParam<std::string> {};

TEST_P(Life, of_the_service_loses_no_unload_and_leaves_nothing) {
    const auto guest = run_debian(GetParam(), R"sh(
        dpkg -i /add/disarmd.deb || exit 1
        rules '[[policy.rule]]
module = "zoo_timer_alloc"
on_leak = "drain"'
        systemctl reload disarmd.service

        # Killed in the midst of an unload, which the drain makes long enough.
        insmod /modules/zoo_timer_alloc.ko delay_ms=900
        rmmod zoo_timer_alloc &
        unloading=$!
        await grep -qs going /sys/module/zoo_timer_alloc/initstate
        killed=$(state MainPID)
        kill -9 $killed
        wait $unloading
        await restarted $killed
        await recorded zoo_timer_alloc 1
        told killed

        # Stopped meanwhile.
        systemctl stop disarmd.service
        insmod /modules/zoo_dwork_alloc.ko delay_ms=600000
        rmmod zoo_dwork_alloc
        systemctl start disarmd.service
        told stopped DISARMD_MODULE=zoo_dwork_alloc

        # Reloaded with what is wrong.
        rules '[[policy.rule]]
module = "zoo_hrtimer_static"
on_unload = "deny"'
        report reload systemctl reload disarmd.service
        echo 'nonsense = 1' >>/etc/disarmd/disarmd.d/rules.toml
        ! systemctl reload disarmd.service
        report refused test $? = 0
        report told_why sh -c 'journalctl --sync; journalctl --no-pager -u disarmd.service |
            grep -q "rules.toml:4: .*nonsense"'
        report still_active systemctl is-active disarmd.service
        insmod /modules/zoo_hrtimer_static.ko delay_ms=600000 end=delete
        ! rmmod zoo_hrtimer_static 2>/dev/null
        report still_denied test $? = 0
        # Whoever only sends the signal has it in the status.
        kill -HUP "$(state MainPID)"
        await sh -c 'systemctl show disarmd.service --value -p StatusText | grep -q "is not reloaded"'
        sed -i '$d' /etc/disarmd/disarmd.d/rules.toml

        # What hangs is ended and started anew.
        mkdir -p /run/systemd/system/disarmd.service.d
        printf '[Service]\nWatchdogSec=4\nTimeoutAbortSec=1\n' >/run/systemd/system/disarmd.service.d/soon.conf
        systemctl daemon-reload
        systemctl restart disarmd.service
        hung=$(state MainPID)
        report not_ended sh -c "! timeout 6 tail --pid=$hung -f /dev/null"
        kill -STOP $hung
        await restarted $hung
        report hung test $? = 0
        rm -r /run/systemd/system/disarmd.service.d
        systemctl daemon-reload

        # A leak every now and then, while it is upgraded to one whose maps look otherwise; a version keeps 64.
        echo '# by the operator' >>/etc/disarmd/disarmd.toml
        (
            count=0
            while [ ! -e /tmp/upgraded ]; do
                insmod /modules/zoo_hrtimer_alloc.ko delay_ms=600000
                rmmod zoo_hrtimer_alloc
                count=$((count + 1))
                sleep 1
            done
            echo $count >/tmp/count
        ) &
        leaking=$!
        report upgrade dpkg -i --force-confdef --force-confold /add/next.deb
        await runs
        touch /tmp/upgraded
        wait $leaking
        await recorded zoo_hrtimer_alloc "$(cat /tmp/count)"
        say leaks "$(cat /tmp/count)"
        say next "$(disarmd --version)"
        ls -d /sys/fs/bpf/disarmd/v*/*-* >/tmp/kept
        report swapped sh -c '! grep /v2/ /tmp/kept && grep /v3/ /tmp/kept'
        told upgraded DISARMD_MODULE=zoo_hrtimer_alloc
        report conffile grep -q 'by the operator' /etc/disarmd/disarmd.toml
        ! rmmod zoo_hrtimer_static 2>/dev/null
        report denied_by_the_next test $? = 0

        report remove dpkg --remove disarmd
        report kept_by_removal test -s /var/lib/disarmd/ledger.db -a -s /etc/disarmd/disarmd.toml
        report released test ! -e /sys/fs/bpf/disarmd
        report unloaded rmmod zoo_hrtimer_static
        # What an operator has added is the operator's.
        rm /etc/disarmd/disarmd.d/rules.toml
        report purge dpkg --purge disarmd
        find / -xdev \( -path /proc -o -path /add -o -path /modules -o -path /scenario \) -prune -o \
            -name '*disarmd*' -print >/tmp/left
        find /sys/fs/bpf /run -name '*disarmd*' >>/tmp/left
        cat /tmp/left
        say left "$(cat /tmp/left)"
    )sh");
    EXPECT_EQ(guest.status, 0) << guest.console;
    expect_done(guest, {"reload", "refused", "told_why", "still_active", "still_denied", "not_ended", "hung",
                        "upgrade", "swapped", "conffile", "denied_by_the_next", "remove", "kept_by_removal",
                        "released", "unloaded", "purge"});

    const auto killed = told(guest, "killed");
    ASSERT_EQ(killed.size(), 1U) << guest.console;
    EXPECT_EQ(killed[0]["DISARMD_MODULE"], "zoo_timer_alloc");
    EXPECT_EQ(killed[0]["DISARMD_VERDICT"], "leak");
    EXPECT_EQ(killed[0]["DISARMD_ACTION"], "drained");
    const auto stopped = told(guest, "stopped");
    ASSERT_EQ(stopped.size(), 1U) << guest.console;
    EXPECT_EQ(stopped[0]["DISARMD_VERDICT"], "leak");
    EXPECT_EQ(stopped[0]["DISARMD_UNLOAD_COMM"], "rmmod");

    const auto upgraded = told(guest, "upgraded");
    EXPECT_EQ(std::to_string(upgraded.size()), said(guest, "leaks"));
    EXPECT_GT(upgraded.size(), 2U);
    std::set<std::string> ids;
    for (const auto& entry : upgraded) {
        EXPECT_EQ(entry["DISARMD_VERDICT"], "leak") << entry;
        ids.insert(entry["DISARMD_INCIDENT"]);
    }
    EXPECT_EQ(ids.size(), upgraded.size());
    EXPECT_EQ(said(guest, "left"), "") << guest.console;
}

INSTANTIATE_TEST_SUITE_P(Long, Life, testing::ValuesIn(test_kernels()), name_kernel);

} // namespace
} // namespace disarmd::tests
