// SPDX-License-Identifier: Apache-2.0
//
// Machines that treat timers in their own way: CPUs that come and go, CPUs without a tick, interrupt
// threads; and several unloads at once.
#include <algorithm>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "guest.h"

namespace disarmd::tests {

namespace {

using Json = nlohmann::json;

class Machine : public testing::TestWithParam<std::string> {};

// Leaks of each kind that the guest survives, and their clean twins.
constexpr const char* leaky_and_clean = R"sh(
    for module in timer_alloc dwork_alloc hrtimer_alloc rearm_interrupt; do
        insmod /modules/zoo_$module.ko delay_ms=60 end=delete; unload zoo_$module
        insmod /modules/zoo_$module.ko delay_ms=60 end=expire; unload zoo_$module
    done
    for module in timer_alloc dwork_alloc hrtimer_alloc; do
        insmod /modules/zoo_$module.ko delay_ms=600000; unload zoo_$module
    done
)sh";

void expect_leaky_and_clean(const GuestResult& guest) {
    ASSERT_EQ(guest.results.size(), 11U) << guest.console;
    for (std::size_t i = 0; i < guest.results.size(); ++i) {
        const Json& unload = guest.results[i];
        EXPECT_EQ(unload["verdict"], i < 8 ? "clean" : "leak") << unload;
        EXPECT_EQ(unload["pending"].size(), i < 8 ? 0U : 1U) << unload;
    }
}

TEST_P(Machine, without_a_tick_and_with_interrupt_threads) {
    const auto guest = run_guest({GetParam(), 4, 400, {"--append", "nohz_full=1-3 threadirqs"}},
                                 fmt::format("serve\n{}judged\n", leaky_and_clean));
    expect_leaky_and_clean(guest);
}

// CPUs go while timers are armed on them, and come back: what is armed is moved, and stays whose it was.
TEST_P(Machine, whose_cpus_come_and_go) {
    const auto guest = run_guest({GetParam(), 4, 400}, R"sh(
        cpus() { for cpu in 1 2 3; do echo $1 >/sys/devices/system/cpu/cpu$cpu/online; done; }
        serve
        # An orphan on each CPU, whose callback's address the next load of the module has again.
        insmod /modules/zoo_timer_alloc.ko count=40 delay_ms=600000; unload zoo_timer_alloc
        insmod /modules/zoo_hrtimer_alloc.ko delay_ms=600000; unload zoo_hrtimer_alloc
        cpus 0
        insmod /modules/zoo_timer_alloc.ko delay_ms=600000 end=delete; unload zoo_timer_alloc
        insmod /modules/zoo_hrtimer_alloc.ko delay_ms=600000 end=delete; unload zoo_hrtimer_alloc
        cpus 1
        insmod /modules/zoo_percpu.ko delay_ms=700000 kind=hrtimer
        insmod /modules/zoo_dwork_alloc.ko delay_ms=650000
        (i=0; while [ $i -lt 4 ]; do cpus 0; cpus 1; i=$((i + 1)); done) &
        for i in 1 2 3 4 5; do
            insmod /modules/zoo_timer_alloc.ko delay_ms=600000 end=delete; unload zoo_timer_alloc
        done
        wait $!
        unload zoo_dwork_alloc
        # Only who saw the arm can know that its callback was in memory that is gone since.
        taskset 2 insmod /modules/zoo_init_callback.ko object=alloc delay_ms=600000
        cpus 0
        unload zoo_init_callback
        judged
    )sh");
    ASSERT_EQ(guest.results.size(), 11U) << guest.console;
    EXPECT_EQ(guest.results[0]["verdict"], "leak") << guest.results[0];
    EXPECT_EQ(guest.results[0]["pending"].size(), 40U);
    EXPECT_EQ(guest.results[1]["verdict"], "leak") << guest.results[1];
    for (std::size_t i = 2; i < 9; ++i)
        EXPECT_EQ(guest.results[i]["verdict"], "clean") << guest.results[i];
    EXPECT_EQ(guest.results[9]["verdict"], "leak") << guest.results[9];
    EXPECT_EQ(guest.results[9]["pending"].size(), 1U) << guest.results[9];
    EXPECT_EQ(guest.results[10]["verdict"], "leak") << guest.results[10];
    ASSERT_EQ(guest.results[10]["pending"].size(), 1U) << guest.results[10];
    const Json& armed = guest.results[10]["pending"].front()["armed"];
    EXPECT_EQ(armed["comm"], "insmod") << armed;
    EXPECT_EQ(armed["cpu"], 1) << armed;
}

// Each gets its own verdict, whoever is unloaded at the same time; orphans are charged to nobody,
// whatever comes to lie where their module was.
TEST_P(Machine, with_a_storm_of_loads_and_unloads) {
    const auto guest = run_guest({GetParam(), 4, 400}, R"sh(
        serve
        storm() {
            i=0
            while [ $i -lt 12 ]; do
                insmod /modules/zoo_$1.ko delay_ms=600000 end=$2
                rmmod zoo_$1 && echo zoo_$1 >>/tmp/unloaded.$1
                i=$((i + 1))
            done
        }
        storm timer_alloc leak & one=$!
        storm dwork_alloc delete & two=$!
        storm timer_static delete & three=$!
        storm many never & four=$!
        wait $one $two $three $four
        cat /tmp/unloaded.* >/tmp/unloaded
        judged
        disarmd list --orphans --json >/tmp/orphans
        cat /tmp/orphans >/dev/results
    )sh");
    ASSERT_EQ(guest.results.size(), 49U) << guest.console;
    for (std::size_t i = 0; i < 48; ++i) {
        const Json& unload = guest.results[i];
        const bool leaks = unload["module"] == "zoo_timer_alloc";
        EXPECT_EQ(unload["verdict"], leaks ? "leak" : "clean") << unload;
        EXPECT_EQ(unload["pending"].size(), leaks ? 1U : 0U) << unload;
    }
    const Json& orphans = guest.results.back()["orphans"];
    EXPECT_EQ(orphans.size(), 12U) << guest.results.back();
    for (const auto& orphan : orphans) {
        EXPECT_EQ(orphan["kind"], "timer");
        EXPECT_GT(orphan["expires_in_ms"], 0);
    }
}

constexpr auto name_kernel = [](const auto& test) { return kernel_test_name(test.param); };
INSTANTIATE_TEST_SUITE_P(Kernels, Machine, testing::ValuesIn(outermost_kernels()), name_kernel);
INSTANTIATE_TEST_SUITE_P(Long, Machine, testing::ValuesIn(inner_kernels()), name_kernel);

} // namespace

} // namespace disarmd::tests
