// SPDX-License-Identifier: Apache-2.0
#include "metrics/collector.h"

#include <spdlog/spdlog.h>

#include "metrics/catalogue.h"

namespace disarmd {

Collector::Collector(Sources sources, std::chrono::milliseconds shared_for)
    : sources_(std::move(sources)), shared_for_(shared_for) {
    snapshot_.version = DISARMD_VERSION;
    snapshot_.started_at = std::chrono::system_clock::now();
}

std::vector<prometheus::MetricFamily> Collector::Collect() const {
    const std::lock_guard lock(mutex_);
    if (!renewed_at_ || std::chrono::steady_clock::now() - *renewed_at_ >= shared_for_) {
        renew();
        renewed_at_ = std::chrono::steady_clock::now();
    }
    return to_families(snapshot_);
}

void Collector::renew() const {
    auto service = sources_.ask_service();
    auto kernel = sources_.ask_kernel();
    snapshot_.fresh = service && kernel;
    if (service)
        snapshot_.service = std::move(*service);
    if (kernel)
        snapshot_.kernel = std::move(*kernel);
    else if (!told_)
        spdlog::error("metrics: what modules have armed is not known: {}", kernel.error().text());
    told_ = !kernel;
}

} // namespace disarmd
