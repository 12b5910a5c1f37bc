// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "verdict/unload.h"

namespace disarmd {

// The mend in the kernel's own API for the pending timers' kinds and causes. Pure.
std::string advise(const Unload& unload, bool has_timer_shutdown_sync);

// What an operator can do about an unload that was denied. Pure.
std::string advise_denied(const Unload& unload);

} // namespace disarmd
