// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <optional>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

namespace disarmd::test {

struct KtapResult {
    std::string status; // "ok", "not ok" or "skip"
    std::string name;
    std::string why;                  // what stands behind the '#'
    std::vector<std::string> details; // the lines in front of it
};

struct KtapReport {
    std::optional<std::size_t> planned;
    std::string skipped; // of a plan of no tests: why
    std::vector<KtapResult> results;
    std::vector<std::string> errors; // that make it no KTAP, or one that a reader takes for something else

    [[nodiscard]] bool passes() const {
        return errors.empty() && !results.empty() &&
               std::ranges::all_of(results, [](const auto& result) { return result.status == "ok"; });
    }
};

// Reads results as the kernel's reader does (tools/testing/kunit/kunit_parser.py, Linux 6.18, whose rules
// these are; Documentation/dev-tools/ktap.rst), of one level:
//  - it begins with the line that names a version, and what stands in that line before it is cut from every
//  line;
//  - a line that looks like what halts a kernel is the end;
//  - a plan comes before any result: one behind them would be taken for another test;
//  - a result is "ok" or "not ok", its number, which counts from 1, perhaps "- ", a name without '#', and
//  perhaps
//    " # " and more; " # SKIP" anywhere in it skips the test, whichever of the two words it has;
//  - "# Subtest: NAME", or another version, begins a test in the test;
//  - all other lines are diagnostics of the next result;
//  - fewer results than were planned are a crash, and more are not read at all.
inline KtapReport read_ktap(const std::string& text) {
    static const std::regex version(R"((.*)KTAP version ([0-9]+)\s*)");
    static const std::regex halt(
        R"(.*(List of all partitions:|Kernel panic - not syncing: VFS:|reboot: System halted).*)");
    static const std::regex plan(R"(\s*1\.\.([0-9]+)(.*))");
    static const std::regex result(R"(\s*(ok|not ok) ([0-9]+) (- )?([^#]*?)( # (.*))?)");
    static const std::regex subtest(R"(\s*# Subtest: .*)");
    KtapReport report;
    std::istringstream lines(text);
    std::smatch match;
    std::string line;
    bool begun = false;
    std::size_t prefix = 0;
    std::vector<std::string> details;
    while (std::getline(lines, line)) {
        const bool names_version = std::regex_match(line, match, version);
        if (!begun && !names_version)
            continue;
        if (!begun) {
            begun = true;
            prefix = match.length(1);
            if (match[2] != "1")
                report.errors.push_back("version " + match[2].str());
            continue;
        }
        if (std::regex_match(line, halt))
            break;
        line = line.substr(std::min(prefix, line.size()));
        if (names_version || std::regex_match(line, subtest)) {
            report.errors.push_back("a test in the test: " + line);
        } else if (std::regex_match(line, match, plan)) {
            if (report.planned || !report.results.empty())
                report.errors.push_back("a plan out of its place: " + line);
            report.planned = std::stoul(match[1]);
            const std::string behind = match[2];
            if (behind.starts_with(" # SKIP "))
                report.skipped = behind.substr(8);
            else if (!behind.empty())
                report.errors.push_back("more than a plan: " + line);
        } else if (std::regex_match(line, match, result)) {
            if (match[2] != std::to_string(report.results.size() + 1))
                report.errors.push_back("a number out of order: " + line);
            const bool skips = line.find(" # SKIP") != std::string::npos;
            report.results.push_back({skips ? "skip" : match[1].str(), match[4], match[6], details});
            details.clear();
        } else {
            details.push_back(line);
        }
    }
    if (!begun)
        report.errors.emplace_back("no KTAP at all");
    else if (!report.planned)
        report.errors.emplace_back("no plan");
    else if (*report.planned != report.results.size())
        report.errors.push_back("of " + std::to_string(*report.planned) + " results there are " +
                                std::to_string(report.results.size()));
    return report;
}

} // namespace disarmd::test
