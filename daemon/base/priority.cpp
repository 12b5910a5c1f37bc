// SPDX-License-Identifier: Apache-2.0
#include "base/priority.h"

#include <sched.h>

namespace disarmd {

Result<void> run_before_others() {
    sched_param parameters{};
    parameters.sched_priority = ::sched_get_priority_min(SCHED_RR);
    if (::sched_setscheduler(0, SCHED_RR | SCHED_RESET_ON_FORK, &parameters) != 0)
        return fail(Error::from_errno("running before other processes"));
    return {};
}

} // namespace disarmd
