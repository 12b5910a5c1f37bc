// SPDX-License-Identifier: Apache-2.0
#include "incident/timeline.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "builders.h"

namespace disarmd {

static bool operator==(const Event& left, const Event& right) {
    return left.at == right.at && left.what == right.what;
}
static void PrintTo(const Event& event, std::ostream* out) {
    *out << event.at.count() << " ns: " << event.what;
}

namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;

TEST(Timeline, is_all_that_is_known_in_its_order) {
    EXPECT_THAT(timeline_of(test::detailed_unload(), 8),
                ElementsAre(Event{-1h, "the module is loaded"}, Event{-1500us, "the unload begins"},
                            Event{-900us, "#1 m_cb is deleted"}, Event{-400us, "#1 m_cb is armed"},
                            Event{0ns, "the module is freed"},
                            Event{1'234'500us, "#1 m_cb fires, in freed memory"}));
}

TEST(Timeline, of_an_unload_that_nothing_is_known_of_is_the_free) {
    auto unload = test::clean_unload();
    unload.duration.reset();
    EXPECT_THAT(timeline_of(unload, 8), ElementsAre(Event{0ns, "the module is freed"}));
}

TEST(Timeline, of_a_failed_init_begins_with_it) {
    auto unload = test::clean_unload();
    unload.outcome = Outcome::init_failed;
    EXPECT_THAT(timeline_of(unload, 8),
                ElementsAre(Event{-1500us, "its init begins"}, Event{0ns, "the module is freed"}));
}

TEST(Timeline, has_the_first_timers_alone_each_by_its_number) {
    auto unload = test::leaking_unload();
    unload.pending.resize(3, unload.pending.front());
    unload.pending[1].symbol = "cb [other]";
    unload.pending[1].expires_in = 1ms;
    unload.pending[1].armed->age = 3s;
    EXPECT_THAT(timeline_of(unload, 2),
                ElementsAre(Event{-3s, "#2 cb [other] is armed"}, Event{-2s, "#1 m_cb is armed"},
                            Event{-1500us, "the unload begins"}, Event{0ns, "the module is freed"},
                            Event{1ms, "#2 cb [other] fires, in freed memory"},
                            Event{1'234'500us, "#1 m_cb fires, in freed memory"}));
    EXPECT_EQ(timeline_of(unload, 0).size(), 2U);
    EXPECT_EQ(timeline_of(unload, SIZE_MAX).size(), 8U);
}

TEST(Timeline, has_what_is_at_the_same_time_in_the_order_of_cause_and_effect) {
    auto unload = test::detailed_unload();
    unload.duration = 0ns;
    unload.identity.loaded_age = 0ns;
    auto& timer = unload.pending.front();
    timer.deleted->age = 0ns;
    timer.armed->age = 0ns;
    timer.expires_in = 0ns;
    std::vector<std::string> words;
    for (const auto& event : timeline_of(unload, 8))
        words.push_back(event.what);
    EXPECT_THAT(words,
                ElementsAre("the module is loaded", "the unload begins", "#1 m_cb is deleted",
                            "#1 m_cb is armed", "the module is freed", "#1 m_cb fires, in freed memory"));
}

TEST(Timeline, escapes_names) {
    auto unload = test::hostile_unload();
    unload.pending.front().symbol = test::hostile + " [" + test::hostile + "]";
    EXPECT_THAT(timeline_of(unload, 8),
                testing::Contains(Event{-400us, "#1 " + test::escaped + " is armed"}));
}

} // namespace
} // namespace disarmd
