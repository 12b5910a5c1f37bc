// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdio>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "base/result.h"
#include "cli/exit_code.h"
#include "cli/options.h"
#include "incident/text.h"
#include "probe/probe.h"
#include "probe/settings.h"
#include "verdict/losses.h"

namespace disarmd {

// One function per command, each in its own file. They write results to stdout and
// everything else to stderr, and return the process's exit code.
ExitCode run(const RunOptions& options);
ExitCode watch_unload(const WatchUnloadOptions& options);
ExitCode list(const ListOptions& options);
ExitCode preflight(const PreflightOptions& options);
ExitCode autopsy(const AutopsyOptions& options);
ExitCode incidents(const IncidentsOptions& options);
ExitCode doctor(const DoctorOptions& options);
ExitCode check_config(const CheckConfigOptions& options);
ExitCode allow_once(const AllowOnceOptions& options);
ExitCode release(const ReleaseOptions& options);

// What every command that looks into the kernel does first. A failure's text names
// the first requirement that is not met and what to do about it; it means exit code 4.
Result<void> meet_requirements();
// That included.
Result<Probe> open_probe(const ProbeSettings& settings);

LossCounts losses_of(const Probe& probe);

// Colours are for people at a terminal that has them, and who do not mind (https://no-color.org).
Colour colour_of_stdout();

// Writes to stdout and flushes; a result that could not be written is no result, so
// instead of clean the exit code is then inconclusive, and stderr says so.
ExitCode print_result(const std::string& text, ExitCode code);

// Writes to stderr; that nobody can read it there changes no result.
template <typename... Arguments>
void say(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
    static_cast<void>(std::fputs(fmt::format(format, std::forward<Arguments>(arguments)...).c_str(), stderr));
}

// One line on stderr: "disarmd: TEXT".
ExitCode complain(const Error& error, ExitCode code);

} // namespace disarmd
