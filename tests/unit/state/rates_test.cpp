// SPDX-License-Identifier: Apache-2.0
#include "state/rates.h"

#include <gtest/gtest.h>

#include "builders.h"

namespace disarmd {
namespace {

using namespace std::chrono_literals;
using test::armed_timer;

ArmedTimer counted(std::uint64_t arms, std::uint64_t callback = 1) {
    auto timer = armed_timer(test::heap_address, callback);
    timer.state.arms = arms;
    return timer;
}

TEST(MeasureRates, counts_from_the_earlier_look_or_from_a_new_begin) {
    struct Case {
        std::string what;
        std::vector<ArmedTimer> before;
        ArmedTimer now;
        std::chrono::nanoseconds elapsed;
        std::optional<double> rate;
    };
    for (const auto& tried : {
             Case{"armed since", {counted(10)}, counted(15), 2s, 2.5},
             Case{"not armed since", {counted(10)}, counted(10), 2s, 0.0},
             Case{"new", {}, counted(3), 1s, 3.0},
             Case{"another one is not it", {armed_timer(0x10, 1)}, counted(3), 1s, 3.0},
             Case{"forgotten meanwhile", {counted(10)}, counted(4), 1s, 4.0},
             Case{"of another callback now", {counted(10, 2)}, counted(12, 1), 1s, 12.0},
             Case{"often, in a short time", {counted(1'000'000)}, counted(1'000'500), 100ms, 5000.0},
             Case{"in no time", {counted(10)}, counted(15), 0s, std::nullopt},
         }) {
        std::vector now{tried.now};
        measure_rates(tried.before, now, tried.elapsed);
        EXPECT_EQ(now.front().arms_per_s, tried.rate) << tried.what;
    }
}

TEST(MeasureRates, of_one_that_is_not_armed_now_is_known_too) {
    std::vector now{counted(7)};
    now.front().state.armed = 0;
    measure_rates({counted(5)}, now, 1s);
    EXPECT_EQ(now.front().arms_per_s, 2.0);
}

} // namespace
} // namespace disarmd
