// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "incident/incident.h"

namespace disarmd {

// Whether what a user named as the module's file can tell lines.
Result<void> check_module_file(const std::string& module_file);

// Adds the lines of the module's functions in the stacks, as far as they can be told: from the file, or
// where none is named from the one that modprobe(8) would load. Lines of another build would mislead:
// there are none then, and it is said why on standard error if the file was named.
void add_source_lines(Incident& incident, const std::optional<std::string>& module_file);

} // namespace disarmd
