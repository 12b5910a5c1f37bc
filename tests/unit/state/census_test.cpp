// SPDX-License-Identifier: Apache-2.0
#include "state/census.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "builders.h"

namespace disarmd {
namespace {

using test::armed_timer;
using test::heap_address;
using test::loaded_module;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

constexpr std::uint64_t m_start = 0xffffffffc0a00000;
constexpr std::uint64_t n_start = 0xffffffffc0b00000;
constexpr std::uint64_t size = 0x4000;

std::vector<LoadedModule> m_and_n() {
    return {loaded_module("m", m_start, size), loaded_module("n", n_start, size)};
}

auto hrtimer(std::uint64_t timer, std::uint64_t callback) {
    auto armed = armed_timer(timer, callback);
    armed.state.kind = abi::TIMER_KIND_HRTIMER;
    return armed;
}

TEST(CountTimers, of_nothing_is_nothing) {
    const auto census = count_timers(m_and_n(), {});
    EXPECT_THAT(census.modules, IsEmpty());
    EXPECT_THAT(census.orphans, IsEmpty());
}

TEST(CountTimers, counts_by_module_and_kind) {
    const auto census = count_timers(m_and_n(), {armed_timer(heap_address, m_start),
                                                 armed_timer(heap_address + 64, m_start + 8),
                                                 hrtimer(heap_address + 128, m_start), hrtimer(n_start, 0)});
    EXPECT_THAT(census.modules,
                ElementsAre(Pair("m", ElementsAre(Pair(TimerKind::timer, 2U), Pair(TimerKind::hrtimer, 1U))),
                            Pair("n", ElementsAre(Pair(TimerKind::hrtimer, 1U)))));
    EXPECT_THAT(census.orphans, IsEmpty());
}

TEST(CountTimers, counts_one_of_two_modules_for_both_and_one_of_a_module_once) {
    const auto both = count_timers(m_and_n(), {armed_timer(n_start + 8, m_start)});
    EXPECT_THAT(both.modules, ElementsAre(Pair("m", ElementsAre(Pair(TimerKind::timer, 1U))),
                                          Pair("n", ElementsAre(Pair(TimerKind::timer, 1U)))));
    const auto one = count_timers(m_and_n(), {armed_timer(m_start + 8, m_start)});
    EXPECT_THAT(one.modules, ElementsAre(Pair("m", ElementsAre(Pair(TimerKind::timer, 1U)))));
}

// A module that an earlier process saw being loaded, and a timer of which that had not stored the last arm.
TEST(CountTimers, what_was_surveyed_is_of_modules_that_were_taken_over) {
    auto module = loaded_module("m", m_start, size);
    module.instance.loaded_ns = 5'000;
    auto surveyed = armed_timer(heap_address, m_start);
    surveyed.state.surveyed = 1;
    surveyed.state.armed_ns = 6'000;
    const auto taken_over = count_timers({module}, {surveyed}, 9'000);
    EXPECT_THAT(taken_over.modules, ElementsAre(Pair("m", ElementsAre(Pair(TimerKind::timer, 1U)))));
    EXPECT_THAT(taken_over.orphans, IsEmpty());
    surveyed.state.armed_ns = 4'000;
    const auto older = count_timers({module}, {surveyed}, 9'000);
    EXPECT_THAT(older.modules, IsEmpty());
    EXPECT_THAT(older.orphans, ElementsAre(Pair(TimerKind::timer, 1U)));
}

TEST(CountTimers, leaves_out_what_a_module_armed_that_was_loaded_meanwhile) {
    auto timer = armed_timer(heap_address, n_start + size);
    timer.state.armed_ns = 5'000;
    EXPECT_THAT(count_timers(m_and_n(), {timer}, 5'000).orphans, IsEmpty());
    EXPECT_THAT(count_timers(m_and_n(), {timer}, 5'001).orphans, ElementsAre(Pair(TimerKind::timer, 1U)));
}

TEST(CountTimers, leaves_out_what_only_a_question_found) {
    constexpr std::uint64_t in_core = 0xffffffff81000000;
    auto timer = armed_timer(heap_address, in_core);
    timer.state.reported = 5'000;
    EXPECT_THAT(count_timers(m_and_n(), {timer}).orphans, IsEmpty());
    timer.state.orphaned = abi::OWNED_BY_OBJECT; // and then its module went
    EXPECT_THAT(count_timers(m_and_n(), {timer}).orphans, ElementsAre(Pair(TimerKind::timer, 1U)));
}

TEST(CountTimers, what_no_module_owns_is_an_orphan) {
    auto half = armed_timer(n_start + 8, m_start);
    half.state.orphaned = abi::OWNED_BY_CALLBACK;
    const auto census = count_timers(m_and_n(), {armed_timer(heap_address, n_start + size), half});
    EXPECT_THAT(census.modules, ElementsAre(Pair("n", ElementsAre(Pair(TimerKind::timer, 1U)))));
    EXPECT_THAT(census.orphans, ElementsAre(Pair(TimerKind::timer, 2U)));
}

// What is listed and what is counted must not be two things.
TEST(CountTimers, agrees_with_the_inventory_wherever_a_timer_lies) {
    auto modules = m_and_n();
    for (std::uint64_t i = 1; i < DISARMD_MODULE_RANGES; ++i)
        modules[0].instance.memory.ranges[i] = {m_start + i * 0x10000, size};
    std::vector<ArmedTimer> timers;
    for (const auto start : {m_start, m_start + 0x10000, n_start})
        for (const auto offset : {UINT64_MAX, std::uint64_t{0}, size - 1, size})
            for (const auto object : {heap_address, n_start, start + offset})
                for (const std::uint8_t orphaned : {std::uint8_t{0}, std::uint8_t{abi::OWNED_BY_CALLBACK},
                                                    std::uint8_t{abi::OWNED_BY_OBJECT}}) {
                    timers.push_back(armed_timer(object, start + offset));
                    timers.back().state.orphaned = orphaned;
                }
    const auto census = count_timers(modules, timers);
    for (const auto& [module, listed] :
         take_inventory(modules, timers, {}, {1000, std::chrono::milliseconds(4), 0})) {
        const auto& counts = module.empty() ? census.orphans : census.modules.at(module);
        EXPECT_EQ(counts.at(TimerKind::timer), listed.size()) << module;
    }
}

} // namespace
} // namespace disarmd
