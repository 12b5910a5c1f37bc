// SPDX-License-Identifier: Apache-2.0
//
// The commands as users meet them: waiting, giving up, being interrupted, being
// used wrongly, and on machines where nothing can work.
#include <algorithm>
#include <regex>

#include <gtest/gtest.h>

#include "guest.h"

namespace disarmd::tests {

namespace {

using Json = nlohmann::json;

class Command : public testing::TestWithParam<std::string> {};

// What must be seen on each.
class EveryKernel : public Command {};

void expect_no_verdict(const Json& result, int exit_code) {
    ASSERT_TRUE(result.is_object());
    EXPECT_EQ(result["exit"], exit_code) << result;
    const Json& report = result["out"];
    ASSERT_TRUE(report.is_object()) << result;
    EXPECT_EQ(report["outcome"], "not-unloaded");
    EXPECT_EQ(report["verdict"], "inconclusive");
    EXPECT_EQ(report["pending"], Json::array());
    EXPECT_TRUE(report["unload"].is_null());
    EXPECT_EQ(report["action"], "none");
}

void expect_error(const Json& result, int exit_code, const std::string& words) {
    ASSERT_TRUE(result.is_object());
    EXPECT_EQ(result["exit"], exit_code) << result;
    EXPECT_TRUE(result["out"].is_null()) << result;
    const auto error = result["error"].get<std::string>();
    EXPECT_TRUE(error.starts_with("disarmd: ")) << error;
    EXPECT_NE(error.find(words), std::string::npos) << error;
}

// Which of the two names a function has depends on the kernel.
bool is_any_of(const std::vector<std::string>& names, std::initializer_list<const char*> wanted) {
    return std::ranges::any_of(wanted, [&](const char* name) {
        return std::ranges::any_of(
            names, [&](const std::string& each) { return each.find(name) != std::string::npos; });
    });
}

void expect_every_hook(const Json& doctor, const std::string& backend) {
    // Kprobes alone prove nothing: that is less than all.
    EXPECT_EQ(doctor["exit"], backend == "tracepoint" ? 0 : 3) << doctor;
    EXPECT_EQ(doctor["out"]["backend"], backend);
    EXPECT_EQ(doctor["out"]["impossible"], "");
    for (const auto& requirement : doctor["out"]["requirements"])
        EXPECT_EQ(requirement["met"], true) << requirement;
    std::vector<std::string> names;
    for (const auto& hook : doctor["out"]["hooks"]) {
        EXPECT_EQ(hook["attached"], true) << hook;
        EXPECT_GE(hook["attempts"].size(), 1U) << hook;
        names.push_back(hook["name"]);
    }
    for (const auto* name : {"timer_expire_entry", "timer_expire_exit", "hrtimer_start", "hrtimer_cancel",
                             "module_load", "do_init_module", "__x64_sys_delete_module", "timers_dead_cpu"})
        EXPECT_TRUE(is_any_of(names, {name})) << name;
    EXPECT_TRUE(is_any_of(names, {"module_memfree", "execmem_free"}));
    EXPECT_TRUE(is_any_of(names, {backend == "tracepoint" ? "module_free" : "free_module"}));
}

TEST_P(EveryKernel, doctor_finds_every_hook) {
    const auto guest =
        run_guest({GetParam()}, "report auto disarmd doctor --json\n"
                                "report kprobe disarmd doctor --json --probe-backend kprobe\n");
    expect_every_hook(find(guest, "auto"), "tracepoint");
    EXPECT_EQ(find(guest, "auto")["out"]["degraded"], Json::array());
    expect_every_hook(find(guest, "kprobe"), "kprobe");
    // It says what its clean verdicts rest on.
    EXPECT_EQ(find(guest, "kprobe")["out"]["degraded"].size(), 1U) << find(guest, "kprobe");
    for (const auto& hook : find(guest, "kprobe")["out"]["hooks"]) {
        const auto method = hook["method"].get<std::string>();
        EXPECT_TRUE(method == "kprobe" || method == "kretprobe" || method == "raw tracepoint") << hook;
    }
}

TEST_P(Command, doctor_has_a_page_for_people) {
    const auto guest = run_guest({GetParam()}, "disarmd doctor >/tmp/page; status=$?\n"
                                               "cp /tmp/page /tmp/report.err; send_report page $status\n"
                                               "report judges grep -qx 'disarmd works fully here' /tmp/page");
    EXPECT_EQ(find(guest, "page")["exit"], 0) << find(guest, "page");
    EXPECT_EQ(find(guest, "judges")["exit"], 0) << find(guest, "page");
}

TEST_P(Command, watch_waits_for_load_and_unload) {
    const auto guest = run_guest({GetParam()}, R"sh(
        start_watch zoo_nothing
        grep READY /tmp/report.err >/tmp/ready
        insmod /modules/zoo_nothing.ko
        await grep -q 'was loaded' /tmp/report.err
        kill -0 $watch_pid || echo 'it did not wait'
        rmmod zoo_nothing
        end_watch waited
        report ready grep 'not loaded yet' /tmp/ready
    )sh");
    const Json& result = find(guest, "waited");
    EXPECT_EQ(result["exit"], 0) << result;
    EXPECT_EQ(result["out"]["module"], "zoo_nothing");
    EXPECT_EQ(result["out"]["outcome"], "freed");
    EXPECT_EQ(result["out"]["verdict"], "clean");
    EXPECT_EQ(result["error"], "module zoo_nothing was loaded");
    EXPECT_EQ(find(guest, "ready")["exit"], 0);
    EXPECT_EQ(guest.console.find("it did not wait"), std::string::npos);
}

TEST_P(Command, watch_ends_in_time_or_when_interrupted_and_leaves_nothing) {
    const auto guest = run_guest({GetParam()}, R"sh(
        programs() { bpftool prog show | grep -c -E 'tracing|raw_tracepoint' || true; }
        before=$(programs)
        report timed_out disarmd --watch-unload zoo_nothing --timeout 0.5 --json
        start_watch zoo_nothing
        while_watching=$(programs)
        kill -INT $watch_pid
        end_watch interrupted
        start_watch zoo_nothing
        kill -TERM $watch_pid
        end_watch terminated
        start_watch zoo_nothing
        kill -KILL $watch_pid
        wait $watch_pid
        report attached_while_watching test "$while_watching" -ge "$((before + 11))"
        no_more_programs() { test "$(programs)" = "$before"; }
        report nothing_left await no_more_programs
    )sh");
    expect_no_verdict(find(guest, "timed_out"), 124);
    EXPECT_EQ(find(guest, "timed_out")["error"], "disarmd: timed out after 500.0 ms");
    expect_no_verdict(find(guest, "interrupted"), 3);
    EXPECT_EQ(find(guest, "interrupted")["error"], "disarmd: SIGINT: no longer watching");
    expect_no_verdict(find(guest, "terminated"), 3);
    EXPECT_EQ(find(guest, "attached_while_watching")["exit"], 0) << guest.console;
    EXPECT_EQ(find(guest, "nothing_left")["exit"], 0) << guest.console;
}

TEST_P(Command, failing_command_is_never_clean) {
    const auto guest = run_guest({GetParam()}, R"sh(
        insmod /modules/zoo_user.ko hold=1 end=delete
        watch zoo_user 'rmmod zoo_user'
        report killed disarmd --watch-unload zoo_user --json -- sh -c 'kill -9 $$'
        report does_nothing disarmd --watch-unload zoo_user --json -- true
        report cannot_run disarmd --watch-unload zoo_user --json -- /no/such/file
        report times_out disarmd --watch-unload zoo_user --json --timeout 1 -- sleep 60
        report no_sleeper_left sh -c '! pgrep -x sleep'
        echo 0 >/sys/module/zoo_user/parameters/hold
        report unloads disarmd --watch-unload zoo-user --json -- rmmod zoo_user
        report prints disarmd --watch-unload zoo_user --json -- sh -c 'echo "{a line of its own"'
    )sh");
    expect_no_verdict(find(guest, "zoo_user"), 3);
    EXPECT_EQ(find(guest, "zoo_user")["error"], "disarmd: sh exited with status 1");
    expect_no_verdict(find(guest, "killed"), 3);
    EXPECT_EQ(find(guest, "killed")["error"], "disarmd: sh was killed by signal 9 (Killed)");
    expect_no_verdict(find(guest, "does_nothing"), 3);
    expect_error(find(guest, "cannot_run"), 2, "/no/such/file: No such file or directory");
    expect_no_verdict(find(guest, "times_out"), 124);
    EXPECT_EQ(find(guest, "no_sleeper_left")["exit"], 0);
    EXPECT_EQ(find(guest, "unloads")["exit"], 0) << guest.console;
    EXPECT_EQ(find(guest, "unloads")["out"]["verdict"], "clean");
    // What the command prints does not mix with the result.
    expect_no_verdict(find(guest, "prints"), 3);
}

TEST_P(Command, worst_of_several_unloads_counts) {
    const auto guest = run_guest({GetParam()}, R"sh(
        watch zoo_timer_alloc 'for end in delete leak never; do
            insmod /modules/zoo_timer_alloc.ko end=$end; rmmod zoo_timer_alloc; done'
    )sh");
    const Json& result = find(guest, "zoo_timer_alloc");
    EXPECT_EQ(result["exit"], 1) << result;
    EXPECT_EQ(result["out"]["verdict"], "leak");
    EXPECT_EQ(result["out"]["pending"].size(), 1U);
}

// An end before its time is told, whatever was seen until then; a leak outweighs it.
TEST_P(Command, cut_short_is_never_clean) {
    const auto guest = run_guest({GetParam()}, R"sh(
        report clean_then_timeout disarmd --watch-unload zoo_nothing --timeout 4 --json -- \
            sh -c 'insmod /modules/zoo_nothing.ko; rmmod zoo_nothing; exec sleep 60'
        report leak_then_timeout disarmd --watch-unload zoo_timer_alloc --timeout 4 --json -- \
            sh -c 'insmod /modules/zoo_timer_alloc.ko; rmmod zoo_timer_alloc; exec sleep 60'
        # While it is stopped, more modules are unloaded than there is room for verdicts (64 by default).
        start_watch zoo_nothing
        kill -STOP $watch_pid
        for i in $(seq 70); do
            insmod /modules/zoo_user.ko end=never && rmmod zoo_user
        done
        insmod /modules/zoo_nothing.ko; rmmod zoo_nothing
        kill -CONT $watch_pid
        await grep -q 'was loaded' /tmp/report.err
        kill -INT $watch_pid
        end_watch lost
    )sh");
    EXPECT_EQ(find(guest, "clean_then_timeout")["exit"], 124) << guest.console;
    EXPECT_EQ(find(guest, "leak_then_timeout")["exit"], 1) << guest.console;
    EXPECT_EQ(find(guest, "leak_then_timeout")["out"]["verdict"], "leak");
    const Json& lost = find(guest, "lost");
    EXPECT_EQ(lost["exit"], 3) << lost;
    EXPECT_EQ(lost["out"]["verdict"], "inconclusive") << lost;
    EXPECT_EQ(lost["out"]["why_inconclusive"], Json({"the verdicts of some unloads could not be stored"}));
}

TEST_P(Command, two_watches_at_once_agree) {
    const auto guest = run_guest({GetParam()}, R"sh(
        insmod /modules/zoo_dwork_alloc.ko
        disarmd --watch-unload zoo_dwork_alloc --json >/tmp/other.out 2>/tmp/other.err &
        other=$!
        await grep -q ^READY /tmp/other.err
        watch zoo_dwork_alloc 'rmmod zoo_dwork_alloc'
        wait $other
        status=$?
        cp /tmp/other.out /tmp/report.out; cp /tmp/other.err /tmp/report.err
        send_report other $status
    )sh");
    for (const auto* name : {"zoo_dwork_alloc", "other"}) {
        const Json& result = find(guest, name);
        EXPECT_EQ(result["exit"], 1) << result;
        EXPECT_EQ(result["out"]["verdict"], "leak");
        EXPECT_EQ(result["out"]["pending"].size(), 1U);
    }
    EXPECT_EQ(find(guest, "other")["out"]["pending"][0]["timer"],
              find(guest, "zoo_dwork_alloc")["out"]["pending"][0]["timer"]);
}

TEST_P(Command, wrong_use_and_wrong_machines_are_told_in_one_line) {
    const auto guest = run_guest({GetParam()}, R"sh(
        report bad_name disarmd --watch-unload 'no/such.ko'
        report bad_option disarmd --watch-unload zoo_nothing --tiemout 3
        report built_in disarmd --watch-unload printk
        report bad_config disarmd run --config /no/such/file
        printf '[sinks]\nkmsgs = true\n' >/tmp/bad.toml
        report unknown_key disarmd run --config /tmp/bad.toml
        report not_loaded disarmd list --module zoo_nothing
        report full sh -c 'disarmd list --json >/dev/full'
        as_nobody='/usr/bin/setpriv --reuid 65534 --clear-groups --inh-caps=-all'
        report not_root $as_nobody disarmd --watch-unload zoo_nothing
        report doctor_not_root $as_nobody disarmd doctor --json
        mount -t tmpfs none /sys/kernel/btf
        report no_btf disarmd --watch-unload zoo_nothing
        report run_no_btf disarmd run
        umount /sys/kernel/btf
    )sh");
    expect_error(find(guest, "bad_name"), 2, "give the name that lsmod shows");
    expect_error(find(guest, "bad_option"), 2, "--tiemout");
    expect_error(find(guest, "built_in"), 2, "module printk is built into this kernel");
    expect_error(find(guest, "bad_config"), 2, "/no/such/file: No such file or directory");
    expect_error(find(guest, "unknown_key"), 2, "/tmp/bad.toml:2: unknown key sinks.kmsgs");
    expect_error(find(guest, "not_loaded"), 2, "module zoo_nothing is not loaded");
    expect_error(find(guest, "full"), 3, "No space left on device");
    expect_error(find(guest, "not_root"), 4, "run disarmd as root");
    EXPECT_EQ(find(guest, "doctor_not_root")["exit"], 4);
    EXPECT_NE(find(guest, "doctor_not_root")["out"]["impossible"], "");
    expect_error(find(guest, "no_btf"), 4, "CONFIG_DEBUG_INFO_BTF=y");
    expect_error(find(guest, "run_no_btf"), 4, "CONFIG_DEBUG_INFO_BTF=y");
}

constexpr const char* start_service = R"sh(
    printf '[sinks]\njson_file = "/tmp/incidents.json"\n' >/tmp/disarmd.toml
    disarmd --verbose run --config /tmp/disarmd.toml 2>/tmp/service.log &
    service=$!
    await grep -q ' watching ' /tmp/service.log
)sh";

TEST_P(Command, service_records_an_incident_everywhere) {
    const auto guest = run_guest({GetParam()}, std::string(start_service) + R"sh(
        insmod /modules/zoo_dwork_alloc.ko
        rmmod zoo_dwork_alloc
        await grep -q 'critical LEAK' /tmp/service.log
        kill -TERM $service
        wait $service
        status=$?
        cp /tmp/service.log /tmp/report.err
        cp /tmp/incidents.json /tmp/report.out
        send_report service $status
        report one_json_line test "$(wc -l </tmp/incidents.json)" = 1
        report one_log_line test "$(grep -c LEAK /tmp/service.log)" = 1
        dmesg | grep -o 'disarmd: .*' >/tmp/kmsg
        what='LEAK: module zoo_dwork_alloc was freed with 1 timer still pending (never-deleted); '
        whom='unloaded by rmmod (pid [0-9]*) in [^;]*; it fires in [^;]*; incident [0-9a-f]*; to mend it: '
        timer='LEAK: zoo_dwork_alloc 1/1: delayed_work zoo_dwork_alloc_fn \[zoo_dwork_alloc\] at 0x[0-9a-f]*, callback 0x[0-9a-f]*, '
        when='fires in [^,]*, never-deleted, armed [^,]* before by insmod (pid [0-9]*) from task context'
        report headline_in_kmsg sh -c "sed -n 1p /tmp/kmsg | grep '^disarmd: $what$whom'"
        report timer_in_kmsg sh -c "sed -n 2p /tmp/kmsg | grep '^disarmd: $timer$when\$'"
        report nothing_else_in_kmsg test "$(wc -l </tmp/kmsg)" = 2
    )sh");
    const Json& service = find(guest, "service");
    EXPECT_EQ(service["exit"], 0) << guest.console;
    EXPECT_EQ(service["out"]["verdict"], "leak") << service;
    EXPECT_EQ(service["out"]["module"], "zoo_dwork_alloc");
    EXPECT_EQ(service["out"]["pending"][0]["symbol"], "zoo_dwork_alloc_fn [zoo_dwork_alloc]");
    EXPECT_EQ(service["out"]["pending"][0]["armed"]["comm"], "insmod");
    EXPECT_TRUE(service["out"]["time"].is_string());
    EXPECT_EQ(find(guest, "one_json_line")["exit"], 0) << guest.console;
    EXPECT_EQ(find(guest, "one_log_line")["exit"], 0) << guest.console;
    for (const auto* name : {"headline_in_kmsg", "timer_in_kmsg", "nothing_else_in_kmsg"})
        EXPECT_EQ(find(guest, name)["exit"], 0) << guest.console;
}

// The zoo has the many modules; here is who is told.
TEST_P(Command, service_is_silent_about_clean_modules) {
    const auto guest = run_guest({GetParam()}, std::string(start_service) + R"sh(
        cycle() { insmod /modules/zoo_$1.ko delay_ms=60 end=$2 && rmmod zoo_$1 && echo "$1 $2" >>/tmp/loaded; }
        for module in timer_static dwork_alloc hrtimer_alloc; do
            for end in delete expire never; do cycle $module $end; done
        done
        # The service has seen each of them, and has said nothing of any at its normal level.
        seen() { test "$(grep -c 'debug CLEAN: module zoo_' /tmp/service.log)" -ge 9; }
        report all_seen await seen
        report all_loaded test "$(wc -l </tmp/loaded)" = 9
        report log_silent is_silent /tmp/service.log 'warning|error|critical'
        report file_silent sh -c '! test -s /tmp/incidents.json'
        report kmsg_silent sh -c '! dmesg | grep disarmd:'
        kill -TERM $service
        wait $service
    )sh");
    for (const auto* name : {"all_seen", "all_loaded", "log_silent", "file_silent", "kmsg_silent"})
        EXPECT_EQ(find(guest, name)["exit"], 0) << name << "\n" << guest.console;
    EXPECT_EQ(guest.status, 0);
}

// A leaked timer outlives its module. Neither those who watched nor those who come later
// charge it to the next module at the same address.
TEST_P(EveryKernel, orphan_is_not_charged_to_the_next_load) {
    const auto guest = run_guest({GetParam()}, std::string(start_service) + R"sh(
        cycle() { insmod /modules/zoo_timer_alloc.ko delay_ms=200000 end=$1 && rmmod zoo_timer_alloc; }
        judged() { test "$(grep -c 'zoo_timer_alloc was freed' /tmp/service.log)" = $1; }
        cycle leak
        cycle delete
        cycle leak
        await judged 3
        kill -TERM $service
        wait $service
        watch zoo_timer_alloc 'insmod /modules/zoo_timer_alloc.ko end=delete; rmmod zoo_timer_alloc'
        report list disarmd list --json
        sed 's/.*/{"name":"incident","out":&}/' /tmp/incidents.json >/dev/results
    )sh");
    const Json& later = find(guest, "zoo_timer_alloc");
    EXPECT_EQ(later["exit"], 0) << later;
    EXPECT_EQ(later["out"]["verdict"], "clean");
    EXPECT_EQ(find(guest, "list")["out"]["modules"], Json::array());
    EXPECT_EQ(find(guest, "list")["out"]["orphans"].size(), 2U);

    std::vector<Json> incidents;
    for (const auto& result : guest.results) {
        if (result["name"] == "incident")
            incidents.push_back(result["out"]);
    }
    ASSERT_EQ(incidents.size(), 2U) << guest.console;
    for (const auto& incident : incidents) {
        EXPECT_EQ(incident["verdict"], "leak");
        ASSERT_EQ(incident["pending"].size(), 1U) << incident;
    }
    EXPECT_NE(incidents[0]["pending"][0]["timer"], incidents[1]["pending"][0]["timer"]);
    // The address was reused, or this would show nothing.
    EXPECT_EQ(incidents[0]["pending"][0]["callback"], incidents[1]["pending"][0]["callback"]);
}

// include/linux/timer.h; the same from 5.10 to 7.2, without CONFIG_LOCKDEP.
constexpr std::uint64_t sizeof_timer_list = 40;

// The crash that disarmd exists for, and the proof that the zoo's leak is one.
TEST_P(EveryKernel, leaked_timer_panics_the_kernel_after_the_verdict) {
    // Long enough for the verdict; and less than the ten seconds of a timer that the kernel arms as the
    // programs are detached (rcu_tasks_postscan()), which must not come to lie beside it.
    const auto guest = run_guest({GetParam()}, R"sh(
        watch zoo_timer_static 'insmod /modules/zoo_timer_static.ko delay_ms=8000; rmmod zoo_timer_static'
        while :; do sleep 1; done
    )sh");
    EXPECT_EQ(guest.status, guest_panicked);
    const Json& watched = find(guest, "zoo_timer_static");
    EXPECT_EQ(watched["exit"], 1);
    ASSERT_EQ(watched["out"]["pending"].size(), 1U) << watched;
    // In the softirq that expires it, or under whoever arms another one beside it.
    std::smatch fault;
    ASSERT_TRUE(std::regex_search(guest.console, fault,
                                  std::regex("unable to handle page fault for address: ([0-9a-f]{16})")))
        << guest.console;
    const auto address = std::stoull(fault[1], nullptr, 16);
    const auto timer = std::stoull(watched["out"]["pending"][0]["timer"].get<std::string>(), nullptr, 16);
    EXPECT_GE(address, timer);
    EXPECT_LT(address, timer + sizeof_timer_list);
    EXPECT_NE(guest.console.find("Kernel panic"), std::string::npos) << guest.console;
}

constexpr auto name_test = [](const auto& test) { return kernel_test_name(test.param); };

INSTANTIATE_TEST_SUITE_P(Kernels, EveryKernel, testing::ValuesIn(outermost_kernels()), name_test);
INSTANTIATE_TEST_SUITE_P(Long, EveryKernel, testing::ValuesIn(inner_kernels()), name_test);
INSTANTIATE_TEST_SUITE_P(Kernels, Command, testing::ValuesIn(oldest_kernel()), name_test);
INSTANTIATE_TEST_SUITE_P(Long, Command, testing::ValuesIn(newer_kernels()), name_test);

} // namespace

} // namespace disarmd::tests
