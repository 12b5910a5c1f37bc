// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/result.h"
#include "incident/incident.h"

namespace disarmd {

// The incident that to_json() made that document of; what it does not say is as in a new one. Any
// text at all may be given; a failure says what is wrong with it. Pure.
Result<Incident> parse_incident(const std::string& document);

} // namespace disarmd
