// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include <prometheus/metric_family.h>

#include "metrics/snapshot.h"

namespace disarmd {

enum class MetricKind { counter, gauge };
std::string_view name_of(MetricKind kind);

// A metric as Prometheus sees it; docs/metrics.md lists the same.
struct Metric {
    std::string_view name;
    MetricKind kind;
    std::string_view labels; // their names, by commas
    std::string_view help;
};

std::span<const Metric> metric_catalogue();

// Modules with series of their own: those with the most timers. Those of all others are summed up.
inline constexpr std::size_t modules_shown_max = 200;
inline constexpr std::string_view other_modules; // empty: no module's name

// Every metric of the catalogue that the snapshot knows something of, in its order. Names of modules are
// printable(). Pure.
std::vector<prometheus::MetricFamily> to_families(const MetricsSnapshot& snapshot);

} // namespace disarmd
