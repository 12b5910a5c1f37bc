// SPDX-License-Identifier: Apache-2.0
//
// The DaemonSet's container (packaging/kubernetes/disarmd.yaml), with no more than the manifest gives it, on
// a real kernel: tests/container makes an OCI bundle of it.
#include "guest.h"

#include <algorithm>
#include <string>

#include <gtest/gtest.h>

namespace disarmd::tests {
namespace {

using Json = nlohmann::json;

// disarmd's start in an emulated guest, on a busy machine.
constexpr int patience_s = 600;

GuestResult run_node(const std::string& kernel, const std::string& commands,
                     std::vector<std::string> arguments = {}) {
    arguments.insert(arguments.end(), {"--mem", "1024", "--add", DISARMD_CONTAINER ":/add/container"});
    return run_guest({kernel, 2, patience_s, arguments}, R"sh(
        runtime() {
            LD_LIBRARY_PATH=/add/container/runtime /add/container/runtime/crun --cgroup-manager=cgroupfs \
                --root /run/crun "$@"
        }
        # run_pod CONFIG OPTION...: in the background, as a kubelet would have it: both outputs are pipes.
        run_pod() {
            config=$1
            shift
            rm -f /tmp/ended
            (
                (
                    runtime run "$@" --bundle /add/container --config "/add/container/$config" disarmd
                    echo $? >/tmp/ended
                ) 2>&1 >/tmp/stdout.pipe | cat >/tmp/stderr
            ) &
            cat /tmp/stdout.pipe >>/tmp/stdout &
        }
        began() { grep -q ' watching ' /tmp/stderr || [ -s /tmp/ended ]; }
        end_pod() {
            runtime kill disarmd "$1"
            await test -s /tmp/ended
            runtime delete --force disarmd
        }
        # records NAME: what came to the pod's log.
        records() { sed "s/^/{\"as\":\"$1\",\"record\":/; s/\$/}/" /tmp/stdout >/dev/results; }
        mkfifo /tmp/stdout.pipe
        : >/tmp/stderr
        : >/tmp/stdout
        # What a node has.
        mkdir -p /var/lib/disarmd /run/systemd/journal /lib/modules
)sh" + commands);
}

Json record_of(const GuestResult& guest, const std::string& name, const std::string& module) {
    const auto found = std::ranges::find_if(guest.results, [&](const Json& result) {
        return result.value("as", "") == name && result["record"].value("module", "") == module;
    });
    if (found != guest.results.end())
        return (*found)["record"];
    ADD_FAILURE() << "no record of " << module << " in\n" << guest.console;
    return Json::object();
}

class Container : public testing::TestWithParam<std::string> {};

TEST_P(Container, tells_of_a_leak_of_its_node_with_what_the_manifest_gives_it) {
    const auto guest = run_node(GetParam(), R"sh(
        run_pod config.json --no-pivot
        await began
        pid=$(sed -n 's/.*"pid": \([0-9]*\).*/\1/p' /run/crun/disarmd/status)
        # BPF, PERFMON and SYSLOG, nothing that could be gained, and a filter of system calls.
        report capabilities grep -qx 'CapBnd:	000000c400000000' "/proc/$pid/status"
        report confined grep -qx 'NoNewPrivs:	1' "/proc/$pid/status"
        report filtered grep -qx 'Seccomp:	2' "/proc/$pid/status"
        report backend grep -q 'backend tracepoint' /tmp/stderr
        report whole sh -c '! grep -E "not watched|not every timer|would end with this" /tmp/stderr'
        insmod /modules/zoo_timer_alloc.ko delay_ms=600000
        rmmod zoo_timer_alloc
        await grep -q zoo_timer_alloc /tmp/stdout
        records leak
        report logged grep -q 'critical LEAK: module zoo_timer_alloc' /tmp/stderr
        report ledger sh -c 'runtime() { LD_LIBRARY_PATH=/add/container/runtime /add/container/runtime/crun "$@"; }
            runtime --cgroup-manager=cgroupfs --root /run/crun exec disarmd /usr/sbin/disarmd incidents |
            grep -q zoo_timer_alloc'
        # Half of its limit.
        report memory test "$(cat /sys/fs/cgroup/disarmd/memory.current)" -lt 67108864
        # A pod's network has a loopback, which nobody has brought up here.
        nsenter -t "$pid" -n ip link set lo up
        nsenter -t "$pid" -n wget -qO /tmp/metrics http://127.0.0.1:9958/metrics
        report scraped grep -qx 'disarmd_unloads_total{verdict="leak"} 1' /tmp/metrics
        # By the lock on the pins that they share.
        printf '[sinks]\nledger = false\n' >/tmp/beside.toml
        disarmd run --config /tmp/beside.toml 2>/tmp/beside
        report excluded grep -q 'another disarmd watches this host already' /tmp/beside
        end_pod TERM
        report pinned sh -c 'ls -d /sys/fs/bpf/disarmd/v*/whole-*'
        report log_is_mounted_and_denied sh -c '
            sed "s|\"/usr/sbin/disarmd\"|\"/bin/sh\"|; s|\"run\"|\"-c\", \"test -c /dev/kmsg \&\& ! echo x >/dev/kmsg\"|" \
                /add/container/kmsg.json >/tmp/kmsg.json
            LD_LIBRARY_PATH=/add/container/runtime /add/container/runtime/crun --cgroup-manager=cgroupfs \
                --root /run/crun run --no-pivot --bundle /add/container --config /tmp/kmsg.json kmsg'
    )sh");
    EXPECT_EQ(guest.status, 0) << guest.console;
    expect_done(guest, {"capabilities", "confined", "filtered", "backend", "whole", "logged", "ledger",
                        "memory", "scraped", "excluded", "pinned", "log_is_mounted_and_denied"});
    const auto record = record_of(guest, "leak", "zoo_timer_alloc");
    EXPECT_EQ(record["verdict"], "leak");
    EXPECT_EQ(record["host"]["name"], "node-1");
    EXPECT_EQ(record["unload"]["comm"], "rmmod");
    EXPECT_EQ(record["unload"]["command"], Json({"rmmod", "zoo_timer_alloc"}));
    ASSERT_EQ(record["pending"].size(), 1U);
    EXPECT_EQ(record["pending"][0]["cause"], "never-deleted");
    EXPECT_EQ(record["pending"][0]["symbol"], "zoo_timer_alloc_fn [zoo_timer_alloc]");
}

// One is enough for the default run; before 5.11 maps count as locked memory, of which a pod may have none.
std::vector<std::string> one_kernel() {
    const auto all = test_kernels();
    return {std::ranges::find(all, "6.12") != all.end() ? "6.12" : all.back()};
}

std::vector<std::string> other_kernels() {
    auto kernels = test_kernels();
    std::erase(kernels, one_kernel().front());
    std::erase(kernels, "5.10");
    return kernels;
}

constexpr auto name_kernel = [](const auto& test) { return kernel_test_name(test.param); };
INSTANTIATE_TEST_SUITE_P(Kernels, Container, testing::ValuesIn(one_kernel()), name_kernel);
INSTANTIATE_TEST_SUITE_P(Long, Container, testing::ValuesIn(other_kernels()), name_kernel);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Container);

class Node : public testing::TestWithParam<std::string> {};

// A pod that is killed, and another one with a rule and the capability that proves it, on a Debian with its
// journal.
TEST_P(Node, hears_of_what_happened_without_a_pod_and_denies_what_a_rule_says) {
    const auto guest = run_node(GetParam(), R"sh(
        run_pod config.json
        await began
        insmod /modules/zoo_timer_alloc.ko delay_ms=600000
        rmmod zoo_timer_alloc
        await grep -q zoo_timer_alloc /tmp/stdout
        end_pod KILL
        insmod /modules/zoo_dwork_alloc.ko delay_ms=600000
        rmmod zoo_dwork_alloc
        : >/tmp/stderr
        run_pod enforcing.json
        await began
        report effective grep -q 'denying unloads is effective' /tmp/stderr
        await grep -q zoo_dwork_alloc /tmp/stdout
        insmod /modules/zoo_timer_static.ko delay_ms=600000 end=delete
        ! rmmod zoo_timer_static 2>/tmp/denied
        report denied grep -q 'Operation not permitted' /tmp/denied
        await grep -q zoo_timer_static /tmp/stdout
        records pods
        journalctl --sync
        journalctl -o json --no-pager SYSLOG_IDENTIFIER=disarmd | grep '"DISARMD_INCIDENT"' |
            sed 's/^/{"as":"journal","record":{"module":"","entry":/; s/$/}}/' >/dev/results
        end_pod TERM
    )sh",
                                {"--debian"});
    EXPECT_EQ(guest.status, 0) << guest.console;
    expect_done(guest, {"effective", "denied"});
    EXPECT_EQ(record_of(guest, "pods", "zoo_dwork_alloc")["verdict"], "leak");
    EXPECT_EQ(record_of(guest, "pods", "zoo_timer_static")["outcome"], "denied");
    std::vector<Json> entries;
    for (const auto& result : guest.results) {
        if (result.value("as", "") == "journal")
            entries.push_back(result["record"]["entry"]);
    }
    ASSERT_EQ(entries.size(), 3U) << guest.console;
    EXPECT_EQ(entries[0]["DISARMD_MODULE"], "zoo_timer_alloc");
    EXPECT_EQ(entries[0]["MESSAGE_ID"], "acb6994e084c416bbb7ecfa6059a06dd");
    EXPECT_EQ(entries[0]["PRIORITY"], "2");
    // The node's, as its journal adds that.
    EXPECT_EQ(entries[0]["_HOSTNAME"], "disarmd-vm");
    EXPECT_EQ(entries[1]["DISARMD_MODULE"], "zoo_dwork_alloc");
    EXPECT_EQ(entries[2]["DISARMD_OUTCOME"], "denied");
}

INSTANTIATE_TEST_SUITE_P(Long, Node, testing::ValuesIn(one_kernel()), name_kernel);

} // namespace
} // namespace disarmd::tests
