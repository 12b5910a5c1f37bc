// SPDX-License-Identifier: Apache-2.0
#include "incident/incident.h"

#include <set>

#include <gtest/gtest.h>

#include "builders.h"

namespace disarmd {
namespace {

using namespace std::chrono_literals;
using std::chrono::system_clock;

TEST(IncidentId, is_the_same_for_the_same_free) {
    const auto boot = test::host().boot_id;
    EXPECT_EQ(incident_id(boot, 10'000'000'000), incident_id(boot, 10'000'000'000));
    // Those that were given out stay what they are.
    EXPECT_EQ(incident_id("", 0), "07c59807b48e");
    EXPECT_EQ(incident_id(boot, 10'000'000'000), "1cc0a38cae23");
}

TEST(IncidentId, is_twelve_digits_and_another_for_another_free_or_boot) {
    std::set<std::string> ids;
    std::size_t count = 0;
    for (const std::string boot :
         {"", "1", "11", "11111111-2222-3333-4444-555555555555", "11111111-2222-3333-4444-555555555556"}) {
        for (std::uint64_t freed_ns = 1; freed_ns < 500; ++freed_ns) {
            for (const auto free : {freed_ns, freed_ns * 1'000'000'007, UINT64_MAX - freed_ns}) {
                const auto id = incident_id(boot, free);
                ASSERT_EQ(id.size(), 12U);
                ASSERT_EQ(id.find_first_not_of("0123456789abcdef"), std::string::npos) << id;
                ids.insert(id);
                ++count;
            }
        }
    }
    EXPECT_EQ(ids.size(), count);
}

TEST(IncidentId, takes_boot_and_time_apart) {
    EXPECT_NE(incident_id("1", 23), incident_id("12", 3));
}

TEST(MakeIncident, tells_the_time_of_the_free_by_how_long_ago_it_was) {
    const auto incident =
        make_incident(test::leaking_unload(), test::host(), {test::incident_at + 2500us, 10'002'500'000});
    EXPECT_EQ(incident.at, test::incident_at);
    EXPECT_EQ(incident.id, incident_id(test::host().boot_id, 10'000'000'000));
    EXPECT_EQ(incident.host.name, "web1");
    EXPECT_EQ(incident.unload.module, "m");
    EXPECT_EQ(incident.unload.freed_ns, 10'000'000'000U);
}

TEST(MakeIncident, of_a_free_that_is_later_than_now_is_later) {
    const auto incident =
        make_incident(test::leaking_unload(), test::host(), {test::incident_at, 9'999'000'000});
    EXPECT_EQ(incident.at, test::incident_at + 1ms);
}

TEST(MakeIncident, of_what_was_not_unloaded_has_no_id_and_the_time_of_now) {
    const auto incident = make_incident(test::not_unloaded(), test::host(), {test::incident_at, 5});
    EXPECT_EQ(incident.id, "");
    EXPECT_EQ(incident.at, test::incident_at);
}

TEST(MakeIncident, asks_the_clocks_itself) {
    const auto before = system_clock::now();
    auto unload = test::not_unloaded();
    const auto incident = make_incident(unload, test::host());
    EXPECT_GE(incident.at, before);
    EXPECT_LE(incident.at, system_clock::now());
}

TEST(TimeText, is_utc_to_the_millisecond) {
    EXPECT_EQ(time_text(test::incident_at), test::incident_time);
    EXPECT_EQ(time_text(system_clock::time_point(0ns)), "1970-01-01T00:00:00.000Z");
    EXPECT_EQ(time_text(system_clock::time_point(999'999ns)), "1970-01-01T00:00:00.000Z");
    EXPECT_EQ(time_text(system_clock::time_point(1'709'251'199'999ms)), "2024-02-29T23:59:59.999Z");
    EXPECT_EQ(time_text(system_clock::time_point(-1ns)), "1969-12-31T23:59:59.999Z");
}

} // namespace
} // namespace disarmd
