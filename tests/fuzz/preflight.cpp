// SPDX-License-Identifier: Apache-2.0
//
// A module's file, packed or not.
#include <nlohmann/json.hpp>

#include "fuzz.h"
#include "incident/json.h"
#include "module_file.h"
#include "preflight/preflight.h"
#include "preflight/report.h"

namespace disarmd::fuzz {

namespace {

void check_report(const PreflightReport& report) {
    check(is_plain(to_page(report, Colour::never)) && is_plain(to_lines(report)), "a page is printable");
    // What is not UTF-8 would be replaced.
    const auto line = to_line(to_json(report));
    check(is_plain(line) && line.find("\\ufffd") == std::string::npos, "the report's strings are printable");
    check(report.kernel.find('\n') == std::string::npos && report.module.find('\n') == std::string::npos,
          "a name is on a line");
    for (const auto& use : report.uses)
        check(use.calls != 0 && !use.functions.empty() && use.functions.size() <= use.calls,
              "somebody calls what is called");
    for (std::size_t i = 0; i < report.findings.size(); ++i) {
        const auto& finding = report.findings[i];
        check(!finding.text.empty() && !finding.api.empty() && !finding.function.empty(),
              "a finding is told");
        check(i == 0 || report.findings[i - 1].certainty <= finding.certainty, "the surest first");
    }
    check(fails(report) == (!report.findings.empty() && is_grave(report.findings.front().certainty)),
          "a module fails by its surest finding");
}

} // namespace

} // namespace disarmd::fuzz

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace disarmd;
    using namespace disarmd::fuzz;
    const ModuleFile file(data, size);
    const auto path = file.path();
    const auto report = preflight(path);
    if (report) {
        check_report(*report);
        return 0;
    }
    const auto& error = report.error();
    check(error.code() != ENOMEM, "a small file needs little memory");
    check(is_plain(error.text()) && error.text().find(path) != std::string::npos, "an error says which file");
    return 0;
}
