// SPDX-License-Identifier: Apache-2.0
#include "cli/commands.h"
#include "probe/pins.h"

namespace disarmd {

ExitCode release(const ReleaseOptions&) {
    // What it uses would stay, and what it pins next would be found by nobody.
    const auto lock = lock_pins();
    if (!lock)
        return complain(lock.error(), ExitCode::impossible);
    const auto released = release_pins();
    if (!released)
        return complain(released.error(), ExitCode::impossible);
    return print_result(*released ? "nothing of disarmd is kept in the kernel any more\n"
                                  : "nothing of disarmd was kept in the kernel\n",
                        ExitCode::clean);
}

} // namespace disarmd
