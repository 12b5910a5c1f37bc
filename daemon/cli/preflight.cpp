// SPDX-License-Identifier: Apache-2.0
#include "preflight/preflight.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "incident/json.h"
#include "preflight/module_file.h"
#include "preflight/report.h"

namespace disarmd {

namespace {

Result<PreflightReport> preflight_of(const std::string& file_or_module) {
    const auto file = find_module_file(file_or_module);
    return file ? preflight(*file) : fail(file.error());
}

// A file that could not be read is worse than one that fails: nothing is known of it.
ExitCode worse_of(ExitCode a, ExitCode b) {
    return std::max(a, b);
}

} // namespace

ExitCode preflight(const PreflightOptions& options) {
    const bool single = options.files.size() == 1;
    PreflightCounts counts;
    auto code = ExitCode::clean;
    for (const auto& file : options.files) {
        const auto report = preflight_of(file);
        if (!report) {
            ++counts.unreadable;
            code = worse_of(code, complain(report.error(), ExitCode::usage));
            continue;
        }
        const bool failing = fails(*report);
        ++counts.modules;
        counts.failing += failing ? 1 : 0;
        counts.weaker += !failing && !report->findings.empty() ? 1 : 0;
        const auto text = options.json ? to_line(to_json(*report)) + '\n'
                          : single     ? to_page(*report, colour_of_stdout())
                                       : to_lines(*report);
        code = worse_of(code, print_result(text, failing ? ExitCode::found : ExitCode::clean));
    }
    if (!single && !options.json)
        code = worse_of(code, print_result(summary_line(counts), ExitCode::clean));
    return code;
}

} // namespace disarmd
