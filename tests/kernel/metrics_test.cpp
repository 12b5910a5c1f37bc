// SPDX-License-Identifier: Apache-2.0
//
// A real Prometheus beside the service, with the alerts that are shipped.
#include <algorithm>
#include <array>
#include <cstdio>
#include <map>
#include <memory>
#include <string>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "guest.h"

namespace disarmd::tests {
namespace {

using Json = nlohmann::json;

// Debian's, as tests/metrics/prometheus has fetched it.
std::string prometheus_folder() {
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> script(::popen(DISARMD_PROMETHEUS, "re"), ::pclose);
    std::array<char, 4096> line{};
    if (script == nullptr || std::fgets(line.data(), line.size(), script.get()) == nullptr) {
        ADD_FAILURE() << DISARMD_PROMETHEUS << " brings none";
        return "";
    }
    std::string folder(line.data());
    folder.erase(folder.find('\n'));
    return folder;
}

GuestResult run_with_prometheus(const std::string& kernel, const std::string& commands) {
    const auto folder = prometheus_folder();
    GuestOptions options{kernel, 2, 400};
    options.arguments = {"--mem", "1536",
                         "--add", folder + "/prometheus:/bin/prometheus",
                         "--add", folder + "/promtool:/bin/promtool",
                         "--add", DISARMD_RULES ":/etc/disarmd.rules.yml"};
    return run_guest(options, commands);
}

// Of the series that has these labels, and maybe others: what Prometheus has of it.
double value_of(const Json& answer, const std::string& name,
                const std::map<std::string, std::string>& labels = {}) {
    for (const auto& sample : answer["data"]["result"]) {
        const auto& metric = sample["metric"];
        const bool is_it = metric["__name__"] == name && std::ranges::all_of(labels, [&](const auto& label) {
                               return metric.value(label.first, "-") == label.second;
                           });
        if (is_it)
            return std::stod(sample["value"][1].template get<std::string>());
    }
    ADD_FAILURE() << name << " is missing in " << answer;
    return -1;
}

std::vector<std::string> firing(const Json& answer) {
    std::vector<std::string> names;
    for (const auto& alert : answer["data"]["alerts"]) {
        if (alert["state"] == "firing")
            names.push_back(alert["labels"]["alertname"]);
    }
    return names;
}

class Metrics : public testing::TestWithParam<std::string> {};

TEST_P(Metrics, reach_prometheus_and_raise_an_alert_of_a_leak) {
    const auto guest = run_with_prometheus(GetParam(), R"sh(
        ask() { wget -qO- "http://127.0.0.1:9090/api/v1/$1"; }
        # As the answers are: one line of JSON each.
        tell() { printf '{"name":"%s","answer":%s}\n' "$1" "$(ask "$2")" >/dev/results; }
        has() { ask "query?query=$1" | grep -q '"value"'; }
        all='query?query=%7B__name__%3D~%22disarmd_.%2B%22%7D'
        serve
        cat >/tmp/prometheus.yml <<'END'
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [/etc/disarmd.rules.yml]
scrape_configs: [{job_name: disarmd, static_configs: [{targets: ["127.0.0.1:9958"]}]}]
END
        prometheus --config.file=/tmp/prometheus.yml --storage.tsdb.path=/tmp/tsdb \
            --web.listen-address=127.0.0.1:9090 --log.level=warn >/tmp/prometheus.log 2>&1 &
        insmod /modules/zoo_timer_alloc.ko count=3 delay_ms=600000
        insmod /modules/zoo_hrtimer_alloc.ko delay_ms=600000 end=delete
        await has 'disarmd_armed_timers%7Bmodule%3D%22zoo_timer_alloc%22%7D%3D%3D3' || cat /tmp/prometheus.log
        unload zoo_hrtimer_alloc
        await has 'disarmd_unloads_total%7Bverdict%3D%22clean%22%7D%3D%3D1'
        wget -qO /tmp/metrics http://127.0.0.1:9958/metrics
        report promtool promtool check metrics </tmp/metrics
        # What is taken over is as much a module's as before.
        kill -TERM $service
        wait $service
        serve
        wget -qO /tmp/metrics http://127.0.0.1:9958/metrics
        report taken_over grep -q '^disarmd_armed_timers{module="zoo_timer_alloc",kind="timer"} 3$' /tmp/metrics
        report no_orphans sh -c '! grep "^disarmd_orphaned_timers.* [1-9]" /tmp/metrics'
        insmod /modules/zoo_hrtimer_alloc.ko delay_ms=600000 end=delete
        unload zoo_hrtimer_alloc
        await has 'disarmd_unloads_total%7Bverdict%3D%22clean%22%7D%3D%3D1'
        tell before "$all"
        tell calm alerts
        rmmod zoo_timer_alloc
        alerted() {
            ask alerts >/tmp/alerts
            grep -q '"alertname":"DisarmdModuleLeaked".*"state":"firing"' /tmp/alerts &&
                grep -q '"alertname":"DisarmdOrphanedTimers".*"state":"firing"' /tmp/alerts
        }
        await alerted || cat /tmp/prometheus.log
        tell after "$all"
        tell alarm alerts
    )sh");
    EXPECT_EQ(find(guest, "promtool")["exit"], 0) << find(guest, "promtool") << guest.console;
    EXPECT_EQ(find(guest, "taken_over")["exit"], 0) << guest.console;
    EXPECT_EQ(find(guest, "no_orphans")["exit"], 0) << guest.console;
    const Json& before = find(guest, "before")["answer"];
    EXPECT_EQ(value_of(before, "disarmd_scrape_fresh"), 1);
    EXPECT_EQ(value_of(before, "disarmd_coverage_complete"), 1);
    EXPECT_EQ(value_of(before, "disarmd_armed_timers", {{"module", "zoo_timer_alloc"}, {"kind", "timer"}}),
              3);
    EXPECT_EQ(value_of(before, "disarmd_orphaned_timers", {{"kind", "timer"}}), 0);
    EXPECT_EQ(value_of(before, "disarmd_unloads_total", {{"verdict", "clean"}}), 1);
    EXPECT_EQ(value_of(before, "disarmd_unloads_total", {{"verdict", "leak"}}), 0);
    EXPECT_EQ(value_of(before, "disarmd_losses_total", {{"reason", "timer_map"}}), 0);
    EXPECT_EQ(value_of(before, "disarmd_enforcement_configured"), 0);
    EXPECT_EQ(value_of(before, "disarmd_config_last_reload_successful"), 1);
    EXPECT_EQ(firing(find(guest, "calm")["answer"]), std::vector<std::string>{}) << guest.console;

    const Json& after = find(guest, "after")["answer"];
    EXPECT_EQ(value_of(after, "disarmd_unloads_total", {{"verdict", "leak"}}), 1);
    EXPECT_EQ(value_of(after, "disarmd_leaks_total", {{"cause", "never-deleted"}, {"drained", "false"}}), 1);
    EXPECT_EQ(value_of(after, "disarmd_leaked_timers_total"), 3);
    EXPECT_EQ(value_of(after, "disarmd_orphaned_timers", {{"kind", "timer"}}), 3);
    EXPECT_THAT(firing(find(guest, "alarm")["answer"]),
                testing::UnorderedElementsAre("DisarmdModuleLeaked", "DisarmdOrphanedTimers"));
    for (const auto& sample : after["data"]["result"]) {
        for (const auto& label : sample["metric"])
            EXPECT_EQ(label.get<std::string>().find("0xffff"), std::string::npos) << sample << ": no address";
    }
}

INSTANTIATE_TEST_SUITE_P(Kernels, Metrics, testing::ValuesIn(oldest_kernel()),
                         [](const auto& test) { return kernel_test_name(test.param); });
INSTANTIATE_TEST_SUITE_P(Long, Metrics, testing::ValuesIn(newer_kernels()),
                         [](const auto& test) { return kernel_test_name(test.param); });

} // namespace
} // namespace disarmd::tests
