// SPDX-License-Identifier: Apache-2.0
#include "base/service_manager.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <systemd/sd-daemon.h>

#include "base/clock.h"
#include "base/result.h"
#include "base/text.h"

namespace disarmd::service_manager {

namespace {

void notify(const std::string& state) {
    if (const int err = sd_notify(0, state.c_str()); err < 0)
        spdlog::warn("{}", Error::from_code(-err, "telling the service manager").text());
}

} // namespace

void ready(const std::string& status) {
    notify(fmt::format("READY=1\nSTATUS={}", printable(status)));
}

void status(const std::string& status) {
    notify(fmt::format("STATUS={}", printable(status)));
}

void reloading() {
    notify(fmt::format("RELOADING=1\nMONOTONIC_USEC={}", monotonic_ns() / 1000));
}

void stopping() {
    notify("STOPPING=1");
}

std::optional<std::chrono::microseconds> watchdog_period() {
    std::uint64_t period = 0;
    if (sd_watchdog_enabled(0, &period) <= 0)
        return std::nullopt;
    return std::chrono::microseconds(period);
}

void alive() {
    notify("WATCHDOG=1");
}

} // namespace disarmd::service_manager
