// SPDX-License-Identifier: Apache-2.0
#include "preflight/report.h"

#include <algorithm>

#include <fmt/color.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "incident/json.h"

namespace disarmd {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t width = 80;
constexpr std::size_t indent = 4;

std::string_view word_of(Effect effect) {
    switch (effect) {
    case Effect::sets_up:
        return "sets up";
    case Effect::arms:
        return "arms";
    case Effect::deletes:
        return "deletes";
    case Effect::deletes_sync:
        return "deletes, waits";
    case Effect::shuts_down:
        break;
    }
    return "shuts down";
}

std::size_t count_grave(const PreflightReport& report) {
    return static_cast<std::size_t>(std::ranges::count_if(
        report.findings, [](const Finding& finding) { return is_grave(finding.certainty); }));
}

// "fails, 1 finding and 2 weaker ones"
std::string verdict_of(const PreflightReport& report) {
    const auto grave = count_grave(report);
    const auto weaker = report.findings.size() - grave;
    if (grave > 0)
        return weaker == 0 ? fmt::format("fails: {}", count_text(grave, "finding"))
                           : fmt::format("fails: {}, and {} weaker", count_text(grave, "finding"), weaker);
    if (weaker > 0)
        return fmt::format("passes, with {}", count_text(weaker, "weaker finding"));
    const bool arms =
        std::ranges::any_of(report.uses, [](const ApiUse& use) { return use.effect == Effect::arms; });
    return arms ? "passes: nothing found" : "passes: it arms no timer";
}

std::string place_of(const Finding& finding) {
    return fmt::format("{}() in {} at {}+{:#x}", finding.api, finding.function, finding.section,
                       finding.offset);
}

std::string timers_text(const PreflightReport& report) {
    std::vector<std::vector<std::string>> rows;
    for (const auto& timer : report.timers) {
        rows.push_back({"   ", std::string(name_of(timer.kind)),
                        timer.callback.empty() ? "callback not known, or the kernel's" : timer.callback,
                        timer.variable.empty() ? "" : "in " + timer.variable});
    }
    std::ranges::sort(rows);
    rows.erase(std::unique(rows.begin(), rows.end()), rows.end());
    return columns_text(rows);
}

std::string uses_text(const PreflightReport& report) {
    std::vector<std::vector<std::string>> rows{{"   ", "CALL", "DOES", "CALLS", "INIT", "EXIT"}};
    for (const auto& use : report.uses) {
        rows.push_back({"   ", std::string(use.api), std::string(word_of(use.effect)),
                        std::to_string(use.calls), std::string(name_of(use.init)),
                        std::string(name_of(use.exit))});
    }
    return columns_text(rows);
}

} // namespace

std::string to_page(const PreflightReport& report, Colour colour) {
    const bool failing = fails(report);
    auto head = verdict_of(report);
    if (colour == Colour::ansi)
        head = fmt::format(fmt::emphasis::bold |
                               fmt::fg(failing ? fmt::terminal_color::red : fmt::terminal_color::green),
                           "{}", head);
    auto text = fmt::format("module {} {}\n", report.module, head);
    text += fmt::format("\n  file       {}\n", report.file);
    if (!report.srcversion.empty())
        text += fmt::format("  srcversion {}\n", report.srcversion);
    text += fmt::format("  built for  Linux {}\n", report.kernel);
    if (!report.can_be_unloaded)
        text += "  unload     never: it has no exit function\n";
    for (std::size_t i = 0; i < report.findings.size(); ++i) {
        const auto& finding = report.findings[i];
        text += fmt::format("\n  #{} {}: {}\n", i + 1, name_of(finding.certainty), name_of(finding.rule));
        text += fmt::format("    {}\n", wrapped(finding.text, indent, width));
        text += fmt::format("    {}\n", wrapped(place_of(finding), indent, width));
    }
    if (!report.timers.empty())
        text += "\n  its timers\n" + timers_text(report);
    if (!report.uses.empty())
        text += "\n  what it calls, and whether init and exit get there\n" + uses_text(report);
    return text;
}

std::string to_lines(const PreflightReport& report) {
    auto text = fmt::format("{}: {}\n", report.file, verdict_of(report));
    for (const auto& finding : report.findings)
        text += fmt::format("  {} {}: {}; {}\n", name_of(finding.certainty), name_of(finding.rule),
                            finding.text, place_of(finding));
    return text;
}

std::string summary_line(const PreflightCounts& counts) {
    auto text = fmt::format("{}: {}, {} with weaker findings", count_text(counts.modules, "module"),
                            counts.failing == 0 ? "none fails" : fmt::format("{} fail", counts.failing),
                            counts.weaker);
    if (counts.unreadable > 0)
        text += fmt::format("; {} could not be read", count_text(counts.unreadable, "file"));
    return text + '\n';
}

Json to_json(const PreflightReport& report) {
    const auto or_null = [](const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); };
    Json findings = Json::array();
    for (const auto& finding : report.findings) {
        findings.push_back({{"rule", name_of(finding.rule)},
                            {"certainty", name_of(finding.certainty)},
                            {"kind", name_of(finding.kind)},
                            {"timer", or_null(finding.timer)},
                            {"callback", or_null(finding.callback)},
                            {"function", finding.function},
                            {"api", finding.api},
                            {"section", finding.section},
                            {"offset", finding.offset},
                            {"text", finding.text}});
    }
    Json timers = Json::array();
    for (const auto& timer : report.timers)
        timers.push_back({{"kind", name_of(timer.kind)},
                          {"timer", or_null(timer.variable)},
                          {"callback", or_null(timer.callback)}});
    Json uses = Json::array();
    for (const auto& use : report.uses)
        uses.push_back({{"api", use.api},
                        {"kind", name_of(use.kind)},
                        {"does", word_of(use.effect)},
                        {"calls", use.calls},
                        {"functions", use.functions},
                        {"init", name_of(use.init)},
                        {"exit", name_of(use.exit)}});
    return {{"schema", json_schema},   {"file", report.file},
            {"module", report.module}, {"srcversion", or_null(report.srcversion)},
            {"kernel", report.kernel}, {"can_be_unloaded", report.can_be_unloaded},
            {"fails", fails(report)},  {"findings", findings},
            {"timers", timers},        {"uses", uses}};
}

} // namespace disarmd
