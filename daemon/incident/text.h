// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "incident/incident.h"

namespace disarmd {

// The incident as a person reads it: the verdict in the first line, what happened when, each timer,
// and the mend. No line is longer than 80 columns, but for names that are. Names are escaped
// (printable()). Ends with a newline. Pure.
enum class Colour { never, ansi };
std::string to_page(const Incident& incident, Colour colour);

// The same for logs, in lines without a newline and of at most this many bytes: one that is enough
// to act on, then one for each timer, of which no more than that are told.
inline constexpr std::size_t log_line_limit = 900;
inline constexpr std::size_t log_timers_max = 8;
std::vector<std::string> to_log(const Incident& incident);

// What logs say of a timer: "rearmed-after-delete by its own callback"; and of an arm: "insmod (pid 12) from
// task context". Pure.
std::string cause_text(const PendingTimer& timer);
std::string armed_by_text(const Arm& arm);

// Why its timers were left, each cause once, by commas. Pure.
std::string causes_text(const Unload& unload);

} // namespace disarmd
