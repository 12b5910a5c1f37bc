// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <optional>
#include <string>

// What the service manager that started this process is told, as sd_notify(3) says; nothing where there
// is none. Any thread.
namespace disarmd::service_manager {

// Watching has begun, or goes on after a reload; the status is a line for who asks it.
void ready(const std::string& status);
void status(const std::string& status);
void reloading();
void stopping();

// It wants to hear of this process that often, or takes it for hanging; nothing: it does not.
std::optional<std::chrono::microseconds> watchdog_period();
void alive();

} // namespace disarmd::service_manager
