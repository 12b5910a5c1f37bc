// SPDX-License-Identifier: Apache-2.0
#include "cli/diagnosis.h"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "incident/json.h"

namespace disarmd {

namespace {

using Json = nlohmann::ordered_json;
using Rows = std::vector<std::vector<std::string>>;

std::string mark(bool ok) {
    return ok ? "  ok" : "  NO";
}

std::string section(std::string_view title, const Rows& rows) {
    return rows.empty() ? "" : fmt::format("\n{}\n{}", title, columns_text(rows));
}

std::string requirements_text(const Diagnosis& diagnosis) {
    Rows rows;
    for (const auto& requirement : diagnosis.requirements) {
        rows.push_back({mark(requirement.met), requirement.name, requirement.detail});
        if (!requirement.remedy.empty())
            rows.push_back({"", "", requirement.remedy});
    }
    return section("Requirements", rows);
}

std::string scan_text(const Diagnosis& diagnosis) {
    Rows rows;
    for (const auto& missing : diagnosis.layout_missing)
        rows.push_back({mark(false), missing});
    if (rows.empty())
        rows.push_back({mark(true), "this kernel tells where it keeps what a scan reads"});
    if (diagnosis.survey_complete)
        rows.push_back({mark(*diagnosis.survey_complete), *diagnosis.survey_complete
                                                              ? "the start-up survey saw every armed timer"
                                                              : "the start-up survey may lack timers"});
    return section("Scan of the timer wheels and hrtimer trees", rows);
}

bool is_failure(const HookAttempt& attempt) {
    return attempt.outcome != "taken" && attempt.outcome != "not needed";
}

// The attempts stand below their hook, and don't widen the columns.
std::string hooks_text(const Diagnosis& diagnosis) {
    if (diagnosis.hooks.empty())
        return "";
    Rows rows;
    for (const auto& hook : diagnosis.hooks)
        rows.push_back({mark(hook.attached), hook.purpose, hook.name,
                        hook.attached ? hook.method : fmt::format("not attached ({})", hook.loses)});
    auto text = fmt::format("\nHooks (backend {}: {})\n", diagnosis.backend, diagnosis.backend_reason);
    const auto lines = columns_text(rows);
    std::size_t start = 0;
    for (const auto& hook : diagnosis.hooks) {
        const auto end = lines.find('\n', start) + 1;
        text += lines.substr(start, end - start);
        start = end;
        for (const auto& attempt : hook.attempts) {
            if (is_failure(attempt))
                text += fmt::format("        {} by {}: {}\n", attempt.name, attempt.method,
                                    printable(attempt.outcome));
        }
    }
    return text;
}

std::string enforcement_text(const Diagnosis& diagnosis) {
    if (!diagnosis.not_effective)
        return "";
    Rows rows;
    for (const auto& what : *diagnosis.not_effective)
        rows.push_back({mark(false), what});
    if (rows.empty())
        rows.push_back(
            {mark(true), "denying unloads is effective: the kernel denied one, and the drain is possible"});
    // What no program can tell at that moment, and only root can bring about.
    rows.push_back(
        {"    ", "not decided: a module's name in memory that is not there yet, or that changes meanwhile"});
    auto text = section("Enforcement", rows);
    if (!diagnosis.policy.empty())
        text += '\n' + to_table(diagnosis.policy);
    return text;
}

std::string losses_text(const Diagnosis& diagnosis) {
    Rows rows;
    for (const auto& loss : describe_losses({}, diagnosis.losses))
        rows.push_back({mark(false), loss});
    return section("Lost meanwhile", rows);
}

std::string_view summary_of(const Diagnosis& diagnosis) {
    if (!diagnosis.impossible.empty())
        return "disarmd can't work here";
    return degraded(diagnosis).empty() ? "disarmd works fully here"
                                       : "disarmd works here, but does not see everything";
}

Json to_json(const Hook& hook) {
    Json attempts = Json::array();
    for (const auto& attempt : hook.attempts)
        attempts.push_back(
            {{"name", attempt.name}, {"method", attempt.method}, {"outcome", attempt.outcome}});
    return {{"purpose", hook.purpose}, {"attached", hook.attached}, {"name", hook.name},
            {"method", hook.method},   {"loses", hook.loses},       {"attempts", attempts}};
}

Json to_json(const Requirement& requirement) {
    return {{"name", requirement.name},
            {"met", requirement.met},
            {"detail", requirement.detail},
            {"remedy", requirement.remedy}};
}

template <typename Value>
Json to_json_list(const std::vector<Value>& values) {
    Json list = Json::array();
    for (const auto& value : values)
        list.push_back(to_json(value));
    return list;
}

} // namespace

std::vector<std::string> degraded(const Diagnosis& diagnosis) {
    auto texts = diagnosis.layout_missing;
    for (const auto& hook : diagnosis.hooks) {
        if (!hook.attached)
            texts.push_back(fmt::format("{} is not watched ({})", hook.name, hook.purpose));
    }
    if (!diagnosis.sure)
        texts.emplace_back("a kprobe may be skipped without a word: only a whole scan makes a verdict clean");
    if (diagnosis.not_effective)
        std::ranges::copy(*diagnosis.not_effective, std::back_inserter(texts));
    if (diagnosis.survey_complete && !*diagnosis.survey_complete)
        texts.emplace_back("timers that were armed before may not be known");
    return texts;
}

ExitCode exit_code_of(const Diagnosis& diagnosis) {
    if (!diagnosis.impossible.empty())
        return ExitCode::impossible;
    return degraded(diagnosis).empty() ? ExitCode::clean : ExitCode::inconclusive;
}

std::string to_page(const Diagnosis& diagnosis) {
    auto page = fmt::format("disarmd {} on Linux {}\n", DISARMD_VERSION, printable(diagnosis.kernel));
    page += requirements_text(diagnosis);
    if (!diagnosis.backend.empty())
        page += scan_text(diagnosis) + hooks_text(diagnosis) + enforcement_text(diagnosis) +
                losses_text(diagnosis);
    page += fmt::format("\n{}\n", summary_of(diagnosis));
    for (const auto& what : degraded(diagnosis))
        page += fmt::format("  {}\n", what);
    if (!diagnosis.impossible.empty())
        page += fmt::format("  {}\n", diagnosis.impossible);
    return page;
}

Json to_json(const Diagnosis& diagnosis) {
    Json losses = Json::object();
    for (std::size_t i = 0; i < diagnosis.losses.size(); ++i)
        losses[name_of_loss(i)] = diagnosis.losses.at(i);
    return {{"schema", json_schema},
            {"version", DISARMD_VERSION},
            {"kernel", diagnosis.kernel},
            {"backend", diagnosis.backend},
            {"backend_reason", diagnosis.backend_reason},
            {"requirements", to_json_list(diagnosis.requirements)},
            {"hooks", to_json_list(diagnosis.hooks)},
            {"layout_missing", Json(diagnosis.layout_missing)},
            {"survey_complete", diagnosis.survey_complete ? Json(*diagnosis.survey_complete) : Json(nullptr)},
            {"losses", losses},
            {"enforcement", diagnosis.not_effective ? Json{{"effective", diagnosis.not_effective->empty()},
                                                           {"not_effective", Json(*diagnosis.not_effective)}}
                                                    : Json(nullptr)},
            {"policy", to_json(diagnosis.policy)},
            {"degraded", Json(degraded(diagnosis))},
            {"impossible", diagnosis.impossible}};
}

} // namespace disarmd
