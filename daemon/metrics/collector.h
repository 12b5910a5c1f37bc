// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <mutex>
#include <optional>
#include <vector>

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include "base/result.h"
#include "metrics/snapshot.h"

namespace disarmd {

// Answers scrapes, from any thread; those that come at once, or within a second, share one snapshot: nobody
// can keep the service busy by asking. What can't be had is shown as it was last.
class Collector : public prometheus::Collectable {
public:
    struct Sources {
        std::function<std::optional<ServiceFacts>()> ask_service; // waits, for no longer than it should
        std::function<Result<KernelFacts>()> ask_kernel;
    };
    explicit Collector(Sources sources, std::chrono::milliseconds shared_for = std::chrono::seconds(1));

    [[nodiscard]] std::vector<prometheus::MetricFamily>
    Collect() const override; // NOLINT(readability-identifier-naming)

private:
    void renew() const;

    const Sources sources_;
    const std::chrono::milliseconds shared_for_;
    mutable std::mutex mutex_; // of everything below
    mutable MetricsSnapshot snapshot_;
    mutable std::optional<std::chrono::steady_clock::time_point> renewed_at_; // nothing: not yet
    mutable bool told_ = false; // that the kernel can't be asked, and still not
};

} // namespace disarmd
