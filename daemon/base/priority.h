// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.h"

namespace disarmd {

// From here on the calling thread runs before every ordinary one (SCHED_RR, the lowest priority of
// it): for what must be done within milliseconds on a busy host too. Threads and processes that
// it starts are ordinary ones again. Wants CAP_SYS_NICE, or RLIMIT_RTPRIO.
Result<void> run_before_others();

} // namespace disarmd
