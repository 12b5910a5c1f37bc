// SPDX-License-Identifier: Apache-2.0
#include "metrics/catalogue.h"

#include <regex>
#include <set>
#include <sstream>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "builders.h"
#include "whole_snapshot.h"

namespace disarmd {
namespace {

using testing::AnyOf;
using testing::HasSubstr;
using testing::IsSubsetOf;

// Values by "name{label="value",...}".
std::map<std::string, double> series_of(const MetricsSnapshot& snapshot) {
    std::map<std::string, double> series;
    for (const auto& family : to_families(snapshot)) {
        for (const auto& metric : family.metric) {
            std::string name = family.name;
            for (const auto& label : metric.label)
                name += fmt::format("{}{}=\"{}\"", name == family.name ? "{" : ",", label.name, label.value);
            name += name == family.name ? "" : "}";
            const bool counts = family.type == prometheus::MetricType::Counter;
            EXPECT_TRUE(series.emplace(name, counts ? metric.counter.value : metric.gauge.value).second)
                << name << " is there twice";
        }
    }
    return series;
}

TEST(Catalogue, keeps_to_the_conventions) {
    std::set<std::string_view> names;
    for (const auto& metric : metric_catalogue()) {
        EXPECT_TRUE(names.insert(metric.name).second) << metric.name;
        EXPECT_TRUE(std::regex_match(std::string(metric.name), std::regex("disarmd(_[a-z0-9]+)+")))
            << metric.name;
        EXPECT_EQ(metric.name.ends_with("_total"), metric.kind == MetricKind::counter) << metric.name;
        EXPECT_TRUE(metric.help.ends_with('.')) << metric.name;
    }
}

TEST(Catalogue, is_what_a_whole_snapshot_shows) {
    const auto families = to_families(test::whole_snapshot());
    ASSERT_EQ(families.size(), metric_catalogue().size());
    for (std::size_t i = 0; i < families.size(); ++i) {
        const auto& metric = metric_catalogue()[i];
        EXPECT_EQ(families[i].name, metric.name);
        EXPECT_EQ(families[i].help, metric.help);
        EXPECT_EQ(families[i].type == prometheus::MetricType::Counter, metric.kind == MetricKind::counter);
        ASSERT_FALSE(families[i].metric.empty()) << metric.name;
        for (const auto& shown : families[i].metric) {
            std::vector<std::string> labels;
            for (const auto& label : shown.label)
                labels.push_back(label.name);
            EXPECT_EQ(fmt::format("{}", fmt::join(labels, ",")), metric.labels) << metric.name;
        }
    }
}

TEST(Families, show_what_the_snapshot_says) {
    const auto series = series_of(test::whole_snapshot());
    const std::map<std::string, double> expected{
        {"disarmd_build_info{version=\"1.2.3\"}", 1},
        {"disarmd_start_time_seconds", 1000},
        {"disarmd_scrape_fresh", 1},
        {"disarmd_backend_info{backend=\"tracepoint\"}", 1},
        {"disarmd_hooks_missing{loses=\"detail\"}", 2},
        {"disarmd_hooks_missing{loses=\"tracking\"}", 0},
        {"disarmd_survey_complete", 1},
        {"disarmd_coverage_complete", 1},
        {"disarmd_modules", 3},
        {"disarmd_armed_timers{module=\"m\",kind=\"timer\"}", 5},
        {"disarmd_armed_timers{module=\"n\",kind=\"delayed_work\"}", 1},
        {"disarmd_armed_timers{module=\"\",kind=\"alarm\"}", 0},
        {"disarmd_orphaned_timers{kind=\"hrtimer\"}", 2},
        {"disarmd_orphaned_timers{kind=\"timer\"}", 0},
        {"disarmd_unloads_total{verdict=\"clean\"}", 1},
        {"disarmd_unloads_total{verdict=\"leak\"}", 1},
        {"disarmd_unloads_total{verdict=\"inconclusive\"}", 0},
        {"disarmd_leaks_total{cause=\"never-deleted\",drained=\"false\"}", 1},
        {"disarmd_leaks_total{cause=\"never-deleted\",drained=\"true\"}", 0},
        {"disarmd_leaks_total{cause=\"several\",drained=\"false\"}", 0},
        {"disarmd_leaked_timers_total", 1},
        {"disarmd_denied_unloads_total", 1},
        {"disarmd_losses_total{reason=\"timer_map\"}", 7},
        {"disarmd_losses_total{reason=\"read\"}", 0},
        {"disarmd_sink_records_total{sink=\"ledger\",result=\"written\"}", 4},
        {"disarmd_sink_records_total{sink=\"ledger\",result=\"dropped\"}", 1},
        {"disarmd_sink_busy_seconds{sink=\"ledger\"}", 1.5},
        {"disarmd_enforcement_configured", 1},
        {"disarmd_enforcement_effective", 0},
        {"disarmd_config_last_reload_successful", 1},
        {"disarmd_config_last_reload_success_timestamp_seconds", 2000},
        {"disarmd_program_runs_total{program=\"on_timer_start\"}", 10},
        {"disarmd_program_run_seconds_total{program=\"on_timer_start\"}", 0.25},
    };
    for (const auto& [name, value] : expected) {
        const auto found = series.find(name);
        ASSERT_NE(found, series.end()) << name;
        EXPECT_EQ(found->second, value) << name;
    }
}

TEST(Families, of_what_is_not_known_are_missing) {
    MetricsSnapshot snapshot;
    const auto nothing = series_of(snapshot);
    EXPECT_EQ(nothing.at("disarmd_scrape_fresh"), 0);
    EXPECT_EQ(nothing.size(), 3U);
    snapshot.service = test::whole_snapshot().service;
    EXPECT_FALSE(series_of(snapshot).contains("disarmd_modules"));
    EXPECT_TRUE(series_of(snapshot).contains("disarmd_denied_unloads_total"));
}

TEST(Families, say_that_coverage_is_incomplete_where_verdicts_suffer) {
    const auto coverage = [](auto change) {
        auto snapshot = test::whole_snapshot();
        change(*snapshot.service);
        return series_of(snapshot).at("disarmd_coverage_complete");
    };
    EXPECT_EQ(coverage([](auto&) {}), 1);
    EXPECT_EQ(coverage([](auto& service) { service.survey_complete = false; }), 0);
    EXPECT_EQ(coverage([](auto& service) { service.hooks_missing["verdict"] = 1; }), 0);
    EXPECT_EQ(coverage([](auto& service) { service.hooks_missing["tracking"] = 1; }), 0);
}

TEST(Families, are_bounded_however_many_modules_there_are) {
    auto snapshot = test::whole_snapshot();
    snapshot.kernel->timers.modules.clear();
    constexpr std::size_t modules = modules_shown_max + 100;
    for (std::size_t i = 1; i <= modules; ++i)
        snapshot.kernel->timers.modules[fmt::format("m{}", i)] = {{TimerKind::timer, i}};
    const auto series = series_of(snapshot);
    EXPECT_TRUE(series.contains("disarmd_armed_timers{module=\"m101\",kind=\"timer\"}"));
    EXPECT_FALSE(series.contains("disarmd_armed_timers{module=\"m100\",kind=\"timer\"}"));
    EXPECT_EQ(series.at("disarmd_armed_timers{module=\"\",kind=\"timer\"}"), 100 * 101 / 2);
}

TEST(Families, hold_hostile_names_in) {
    auto snapshot = test::whole_snapshot();
    snapshot.kernel->timers.modules = {{"m\"}\n# \x1b\xff", {{TimerKind::timer, 1}}}};
    for (const auto& family : to_families(snapshot)) {
        for (const auto& metric : family.metric) {
            for (const auto& label : metric.label)
                EXPECT_TRUE(test::is_printable_but_for_newlines(label.value) &&
                            label.value.find('\n') == std::string::npos)
                    << label.value;
        }
    }
}

} // namespace
} // namespace disarmd
