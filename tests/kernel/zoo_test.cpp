// SPDX-License-Identifier: Apache-2.0
//
// The zoo of test modules, on real kernels: every leak is found and described
// rightly, every clean twin leaves disarmd silent.
#include <algorithm>
#include <set>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "guest.h"

namespace disarmd::tests {

namespace {

using Json = nlohmann::json;

struct ExpectedTimer {
    std::string kind;
    std::string symbol; // without its module
    std::vector<std::string> owned_by;
};

struct Leak {
    std::string name; // of the test
    std::string module;
    std::string parameters;
    std::vector<ExpectedTimer> timers;
    std::string arm_context = "task"; // of the last arm, for whoever watched it
    std::string arm_comm = "insmod";
};

// What GoogleTest shows of a parameter.
void PrintTo(const Leak& leak, std::ostream* out) { // NOLINT(readability-identifier-naming)
    *out << leak.module;
}

constexpr int delay_ms = 60000;
constexpr const char* longest_name = "zoo_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

std::vector<Leak> leaks() {
    const std::vector<std::string> both{"callback", "object"};
    return {
        {"static_timer", "zoo_timer_static", "", {{"timer", "zoo_timer_static_fn", both}}},
        {"allocated_timer", "zoo_timer_alloc", "", {{"timer", "zoo_timer_alloc_fn", {"callback"}}}},
        {"static_delayed_work",
         "zoo_dwork_static",
         "",
         {{"delayed_work", "zoo_dwork_static_fn", {"object", "work"}}}},
        {"allocated_delayed_work", "zoo_dwork_alloc", "", {{"delayed_work", "zoo_dwork_alloc_fn", {"work"}}}},
        {"rearmed_by_softirq",
         "zoo_rearm_tasklet",
         "",
         {{"timer", "zoo_rearm_tasklet_fn", both}},
         "softirq",
         ""},
        {"rearmed_by_kthread",
         "zoo_rearm_kthread",
         "",
         {{"timer", "zoo_rearm_kthread_fn", both}},
         "task",
         "zoo_rearm"},
        {"rearmed_by_callback", "zoo_rearm_self", "", {{"timer", "zoo_rearm_self_fn", both}}, "callback", ""},
        {"several_kinds",
         "zoo_many",
         "",
         {{"timer", "zoo_many_static_fn", both},
          {"timer", "zoo_many_alloc_fn", {"callback"}},
          {"delayed_work", "zoo_many_dwork_fn", {"object", "work"}}}},
        {"armed_by_parameter", "zoo_arm_param", "arm=1", {{"timer", "zoo_arm_param_fn", both}}},
        {"longest_name", longest_name, "", {{"timer", "zoo_longest_name_fn", both}}},
    };
}

// The milliseconds left of a timer armed with delay_ms: less than all, and no less
// than what a slow guest may have used up.
void expect_plausible_expiry(const Json& timer, int armed_with_ms) {
    ASSERT_TRUE(timer["expires_in_ms"].is_number()) << timer;
    const auto left = timer["expires_in_ms"].get<double>();
    EXPECT_LE(left, armed_with_ms) << timer;
    EXPECT_GT(left, 0) << timer;
}

const Json* find_symbol(const Json& timers, const std::string& symbol) {
    const auto found = std::find_if(timers.begin(), timers.end(),
                                    [&](const Json& timer) { return timer["symbol"] == symbol; });
    return found == timers.end() ? nullptr : &*found;
}

// A kernel address, in the module mapping space or not.
void expect_address(const Json& address, bool in_module_space) {
    const auto text = address.get<std::string>();
    ASSERT_EQ(text.size(), 18U) << text;
    EXPECT_EQ(text.substr(0, 4), "0xff") << text;
    EXPECT_EQ(text.starts_with("0xffffffff"), in_module_space) << text;
}

void expect_timer(const Json& timer, const ExpectedTimer& expected) {
    EXPECT_EQ(timer["kind"], expected.kind);
    EXPECT_EQ(timer["owned_by"], Json(expected.owned_by));
    const bool is_static = std::ranges::find(expected.owned_by, "object") != expected.owned_by.end();
    expect_address(timer["timer"], is_static);
    expect_address(timer["callback"], true);
    expect_plausible_expiry(timer, delay_ms);
}

// Everything in the report of a leak but how its timers were armed.
void expect_leak(const Json& result, const Leak& leak, const std::string& outcome, const std::string& cause) {
    ASSERT_EQ(result["name"], leak.module);
    EXPECT_EQ(result["exit"], 1) << result;
    const Json& report = result["out"];
    ASSERT_TRUE(report.is_object()) << result;
    EXPECT_EQ(report["schema"], 1);
    EXPECT_EQ(report["module"], leak.module);
    EXPECT_EQ(report["outcome"], outcome);
    EXPECT_EQ(report["verdict"], "leak");
    EXPECT_EQ(report["backend"], "tracepoint");
    EXPECT_EQ(report["sources"], Json({"tracking", "scan"}));
    EXPECT_EQ(report["lost_events"], 0);
    EXPECT_EQ(report["why_inconclusive"], Json::array());
    EXPECT_EQ(report["action"], "none");
    EXPECT_GT(report["unload"]["pid"], 1);
    ASSERT_EQ(report["pending"].size(), leak.timers.size()) << report;
    for (const auto& expected : leak.timers) {
        const auto symbol = fmt::format("{} [{}]", expected.symbol, leak.module);
        const Json* timer = find_symbol(report["pending"], symbol);
        ASSERT_NE(timer, nullptr) << symbol << " is not in " << report;
        expect_timer(*timer, expected);
        EXPECT_EQ((*timer)["cause"], cause);
        EXPECT_TRUE((*timer)["deleted"].is_null());
        EXPECT_NE(report["advice"].get<std::string>().find(symbol), std::string::npos) << report["advice"];
    }
}

void expect_unloaded_by_rmmod(const Json& report) {
    EXPECT_EQ(report["unload"]["comm"], "rmmod");
    EXPECT_GT(report["unload"]["duration_ms"], 0);
    EXPECT_LT(report["unload"]["duration_ms"], 30000);
}

void expect_clean(const Json& result) {
    EXPECT_EQ(result["exit"], 0) << result;
    const Json& report = result["out"];
    ASSERT_TRUE(report.is_object()) << result;
    EXPECT_EQ(report["verdict"], "clean") << report;
    EXPECT_EQ(report["pending"], Json::array());
    EXPECT_EQ(report["why_inconclusive"], Json::array());
    EXPECT_EQ(report["lost_events"], 0);
    EXPECT_EQ(report["advice"], "");
}

// Whoever parses a test's output, a person or ctest, finds the kernel in its name.
std::string name_of_kernel(const testing::TestParamInfo<std::string>& test) {
    return kernel_test_name(test.param);
}

class ZooLeak : public testing::TestWithParam<std::tuple<std::string, Leak>> {};

// Armed while disarmd watched: tracking knows by whom, and from which context.
TEST_P(ZooLeak, is_reported_when_armed_under_watch) {
    const auto& [kernel, leak] = GetParam();
    const auto guest =
        run_guest({kernel}, fmt::format("watch {0} 'insmod /modules/{0}.ko delay_ms={1} {2}; rmmod {0}'",
                                        leak.module, delay_ms, leak.parameters));
    ASSERT_EQ(guest.results.size(), 1U) << guest.console;
    const Json& result = guest.results.front();
    expect_leak(result, leak, "freed", "unknown");
    if (HasFatalFailure())
        return;
    expect_unloaded_by_rmmod(result["out"]);
    for (const auto& timer : result["out"]["pending"]) {
        const Json& armed = timer["armed"];
        ASSERT_TRUE(armed.is_object()) << timer;
        EXPECT_EQ(armed["context"], leak.arm_context);
        if (!leak.arm_comm.empty()) {
            EXPECT_EQ(armed["comm"], leak.arm_comm);
            EXPECT_GT(armed["pid"], 1);
        }
        EXPECT_GE(armed["cpu"], 0);
        EXPECT_LT(armed["cpu"], 2);
        EXPECT_GT(armed["age_ms"], 0);
        EXPECT_LT(armed["age_ms"], delay_ms);
        EXPECT_EQ(armed["stack"], Json::array());
    }
}

// Armed before disarmd started: list shows it, and the verdict finds it.
TEST_P(ZooLeak, is_listed_and_reported_when_armed_before) {
    const auto& [kernel, leak] = GetParam();
    const auto guest = run_guest({kernel}, fmt::format("insmod /modules/{0}.ko delay_ms={1} {2}\n"
                                                       "report list disarmd list --module {0} --json\n"
                                                       "watch {0} 'rmmod {0}'",
                                                       leak.module, delay_ms, leak.parameters));
    ASSERT_EQ(guest.results.size(), 2U) << guest.console;
    const Json& listed = guest.results[0];
    EXPECT_EQ(listed["exit"], 0) << listed;
    ASSERT_EQ(listed["out"]["modules"].size(), 1U) << listed;
    EXPECT_EQ(listed["out"]["modules"][0]["module"], leak.module);
    EXPECT_EQ(listed["out"]["orphans"], Json::array());
    const Json& armed = listed["out"]["modules"][0]["timers"];
    EXPECT_EQ(armed.size(), leak.timers.size());
    for (const auto& expected : leak.timers) {
        const auto symbol = fmt::format("{} [{}]", expected.symbol, leak.module);
        const Json* timer = find_symbol(armed, symbol);
        ASSERT_NE(timer, nullptr) << symbol << " is not in " << armed;
        expect_timer(*timer, expected);
    }
    expect_leak(guest.results[1], leak, "freed", "unknown");
    if (!HasFatalFailure())
        expect_unloaded_by_rmmod(guest.results[1]["out"]);
}

INSTANTIATE_TEST_SUITE_P(Kernels, ZooLeak,
                         testing::Combine(testing::ValuesIn(test_kernels()), testing::ValuesIn(leaks())),
                         [](const auto& test) {
                             return std::get<1>(test.param).name + "_" +
                                    kernel_test_name(std::get<0>(test.param));
                         });

class Zoo : public testing::TestWithParam<std::string> {};

TEST_P(Zoo, periodic_timer_is_reported) {
    const Leak leak{
        "", "zoo_timer_periodic", "", {{"timer", "zoo_timer_periodic_fn", {"callback", "object"}}}};
    const auto guest =
        run_guest({GetParam()}, "watch zoo_timer_periodic 'insmod /modules/zoo_timer_periodic.ko "
                                "period_ms=10000; rmmod zoo_timer_periodic'");
    ASSERT_GE(guest.results.size(), 1U) << guest.console;
    expect_leak(guest.results[0], leak, "freed", "unknown");
    if (HasFatalFailure())
        return;
    const Json& timer = guest.results[0]["out"]["pending"][0];
    EXPECT_LE(timer["expires_in_ms"], 10000);
    EXPECT_EQ(timer["armed"]["context"], "callback");
}

// Armed by a work item that was left running, after the verdict's first look.
TEST_P(Zoo, timer_armed_while_being_freed_is_reported) {
    const auto guest =
        run_guest({GetParam()}, "watch zoo_arm_late 'insmod /modules/zoo_arm_late.ko; rmmod zoo_arm_late'");
    ASSERT_EQ(guest.results.size(), 1U) << guest.console;
    ASSERT_EQ(guest.console.find("proves nothing"), std::string::npos) << guest.console;
    const Json& result = guest.results[0];
    EXPECT_EQ(result["exit"], 1) << guest.console;
    const Json& report = result["out"];
    EXPECT_EQ(report["verdict"], "leak");
    EXPECT_EQ(report["sources"], Json({"tracking"}));
    ASSERT_EQ(report["pending"].size(), 1U) << report;
    const Json& timer = report["pending"][0];
    EXPECT_EQ(timer["symbol"], "zoo_arm_late_fn [zoo_arm_late]");
    EXPECT_EQ(timer["kind"], "timer");
    EXPECT_EQ(timer["owned_by"], Json({"callback", "object"}));
    EXPECT_EQ(timer["armed"]["context"], "task");
    EXPECT_TRUE(timer["armed"]["comm"].get<std::string>().starts_with("kworker/")) << timer;
    expect_plausible_expiry(timer, delay_ms + 1000);
}

TEST_P(Zoo, failed_init_is_reported) {
    // BusyBox's insmod would try twice; kmod's does not, and this one is kmod's.
    const Leak timer{"", "zoo_init_fail", "", {{"timer", "zoo_init_fail_timer_fn", {"callback", "object"}}}};
    const auto guest =
        run_guest({GetParam()}, "watch zoo_init_fail 'insmod /modules/zoo_init_fail.ko delay_ms=60000'");
    ASSERT_EQ(guest.results.size(), 1U) << guest.console;
    expect_leak(guest.results[0], timer, "init-failed", "failed-rollback");
    if (HasFatalFailure())
        return;
    const Json& unload = guest.results[0]["out"]["unload"];
    EXPECT_EQ(unload["comm"], "insmod");
    EXPECT_TRUE(unload["duration_ms"].is_null());
}

TEST_P(Zoo, failed_init_with_delayed_work_is_reported) {
    const Leak work{"", "zoo_init_fail", "", {{"delayed_work", "zoo_init_fail_dwork_fn", {"work"}}}};
    const auto guest = run_guest(
        {GetParam()}, "watch zoo_init_fail 'insmod /modules/zoo_init_fail.ko kind=dwork delay_ms=60000'");
    ASSERT_EQ(guest.results.size(), 1U) << guest.console;
    expect_leak(guest.results[0], work, "init-failed", "failed-rollback");
}

TEST_P(Zoo, running_callback_is_reported) {
    const auto guest =
        run_guest({GetParam()}, "watch zoo_callback_running 'insmod /modules/zoo_callback_running.ko "
                                "spin_ms=2000; rmmod zoo_callback_running'");
    ASSERT_EQ(guest.results.size(), 1U) << guest.console;
    const Json& result = guest.results[0];
    EXPECT_EQ(result["exit"], 1) << guest.console;
    const Json& report = result["out"];
    EXPECT_EQ(report["verdict"], "leak");
    ASSERT_EQ(report["pending"].size(), 1U) << report;
    const Json& timer = report["pending"][0];
    EXPECT_EQ(timer["symbol"], "zoo_callback_running_fn [zoo_callback_running]");
    EXPECT_EQ(timer["kind"], "timer");
    EXPECT_EQ(timer["cause"], "callback-running");
    EXPECT_EQ(timer["owned_by"], Json({"callback", "object"}));
    EXPECT_TRUE(timer["expires_in_ms"].is_null());
}

// More than one record describes: all are counted, and the report says how many it left out.
TEST_P(Zoo, many_timers_are_counted) {
    constexpr int count = 1000;
    const auto guest = run_guest(
        {GetParam()}, fmt::format("watch zoo_timer_alloc 'insmod /modules/zoo_timer_alloc.ko count={}; rmmod "
                                  "zoo_timer_alloc'",
                                  count));
    ASSERT_EQ(guest.results.size(), 1U) << guest.console;
    const Json& report = guest.results[0]["out"];
    EXPECT_EQ(guest.results[0]["exit"], 1);
    EXPECT_EQ(report["verdict"], "leak");
    const auto described = report["pending"].size();
    EXPECT_EQ(described, 64U);
    EXPECT_EQ(report["pending_left_out"], count - described);
    std::set<std::string> addresses;
    for (const auto& timer : report["pending"])
        addresses.insert(timer["timer"].get<std::string>());
    EXPECT_EQ(addresses.size(), described);
}

struct Twins {
    const char* module;
    const char* ends; // by spaces
};

void PrintTo(const Twins& twins, std::ostream* out) { // NOLINT(readability-identifier-naming)
    *out << twins.module;
}

// As tests/modules/README.md has them.
constexpr Twins clean_twins[] = {
    {"zoo_timer_static", "delete expire never shutdown"},
    {"zoo_timer_alloc", "delete expire never shutdown"},
    {"zoo_timer_periodic", "delete shutdown"},
    {"zoo_dwork_static", "delete expire never"},
    {"zoo_dwork_alloc", "delete expire never"},
    {"zoo_rearm_tasklet", "delete expire never shutdown"},
    {"zoo_rearm_kthread", "delete expire never shutdown"},
    {"zoo_rearm_self", "delete expire never shutdown"},
    {"zoo_callback_running", "delete expire never shutdown"},
    {"zoo_many", "delete expire never"},
    {"zoo_arm_late", "delete expire never"},
    {"zoo_user", "delete expire never shutdown"},
    {longest_name, "delete expire never shutdown"},
};

class ZooTwins : public testing::TestWithParam<std::tuple<std::string, Twins>> {};

TEST_P(ZooTwins, are_clean) {
    const auto& [kernel, twins] = GetParam();
    const auto guest = run_guest(
        {kernel}, fmt::format("for end in {1}; do\n"
                              "    watch {0} \"insmod /modules/{0}.ko delay_ms=200 end=$end && rmmod {0}\"\n"
                              "done",
                              twins.module, twins.ends));
    EXPECT_EQ(guest.console.find("proves nothing"), std::string::npos) << guest.console;
    const std::string ends = twins.ends;
    EXPECT_EQ(guest.results.size(), static_cast<std::size_t>(std::ranges::count(ends, ' ') + 1))
        << guest.console;
    for (const auto& result : guest.results) {
        expect_clean(result);
        EXPECT_EQ(result["out"]["module"], twins.module);
        EXPECT_EQ(result["out"]["outcome"], "freed") << guest.console;
        expect_unloaded_by_rmmod(result["out"]);
    }
}

INSTANTIATE_TEST_SUITE_P(Kernels, ZooTwins,
                         testing::Combine(testing::ValuesIn(test_kernels()), testing::ValuesIn(clean_twins)),
                         [](const auto& test) {
                             return std::string(std::get<1>(test.param).module) + "_" +
                                    kernel_test_name(std::get<0>(test.param));
                         });

TEST_P(Zoo, init_that_fails_cleanly_is_clean) {
    const auto guest =
        run_guest({GetParam()}, "for end in delete never; do\n"
                                "watch zoo_init_fail \"insmod /modules/zoo_init_fail.ko end=$end\"\n"
                                "done\n"
                                "watch zoo_nothing 'insmod /modules/zoo_nothing.ko; rmmod zoo_nothing'");
    ASSERT_EQ(guest.results.size(), 3U) << guest.console;
    for (const auto& result : guest.results)
        expect_clean(result);
    EXPECT_EQ(guest.results[0]["out"]["outcome"], "init-failed");
    EXPECT_EQ(guest.results[1]["out"]["outcome"], "init-failed");
    EXPECT_EQ(guest.results[2]["out"]["outcome"], "freed");
}

INSTANTIATE_TEST_SUITE_P(Kernels, Zoo, testing::ValuesIn(test_kernels()), name_of_kernel);

} // namespace

} // namespace disarmd::tests
