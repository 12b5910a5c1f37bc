// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include <sys/types.h>

#include "base/result.h"

namespace disarmd {

// Starts COMMAND, searched in PATH, with this process's standard input and error;
// its standard output goes to standard error, as ours holds the result alone. It
// starts with no signal blocked, and SIGPIPE not ignored.
Result<pid_t> start_command(const std::vector<std::string>& command);

} // namespace disarmd
