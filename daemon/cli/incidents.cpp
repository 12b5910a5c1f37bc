// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <filesystem>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/source_lines.h"
#include "config/config.h"
#include "incident/json.h"
#include "incident/parse.h"
#include "incident/text.h"
#include "ledger/ledger.h"

namespace disarmd {

namespace {

std::string to_table(const std::vector<IncidentSummary>& incidents) {
    std::vector<std::vector<std::string>> rows{{"INCIDENT", "TIME", "VERDICT", "TIMERS", "MODULE", "CAUSE"}};
    for (const auto& incident : incidents)
        rows.push_back({printable(incident.id), time_text(incident.at), printable(incident.verdict),
                        std::to_string(incident.pending_count), printable(incident.module),
                        incident.causes.empty() ? "-" : printable(incident.causes)});
    return columns_text(rows);
}

nlohmann::ordered_json to_json(const std::vector<IncidentSummary>& incidents) {
    auto list = nlohmann::ordered_json::array();
    for (const auto& incident : incidents)
        list.push_back({{"id", incident.id},
                        {"time", time_text(incident.at)},
                        {"module", incident.module},
                        {"outcome", incident.outcome},
                        {"verdict", incident.verdict},
                        {"pending_count", incident.pending_count},
                        {"causes", incident.causes},
                        {"kernel", incident.kernel}});
    return {{"schema", json_schema}, {"incidents", list}};
}

ExitCode list_incidents(Ledger& ledger, const IncidentsOptions& options) {
    const auto incidents = ledger.incidents(options.module);
    if (!incidents)
        return complain(incidents.error(), ExitCode::inconclusive);
    if (options.json)
        return print_result(to_line(to_json(*incidents)) + '\n', ExitCode::clean);
    if (!incidents->empty())
        return print_result(to_table(*incidents), ExitCode::clean);
    say("no incident is recorded{}\n", options.module ? fmt::format(" of module {}", *options.module) : "");
    return ExitCode::clean;
}

// A ledger from elsewhere may hold anything; disarmd writes nothing else.
bool is_printed(char byte) {
    return byte >= ' ' && byte <= '~';
}

ExitCode show_incident(Ledger& ledger, const IncidentsOptions& options) {
    const auto records = ledger.find(*options.id);
    if (!records)
        return complain(records.error(), ExitCode::inconclusive);
    if (records->size() != 1) {
        const auto* const whose =
            records->empty() ? "no incident's id begins" : "several incidents' ids begin";
        return complain({ENOENT, fmt::format("{} with \"{}\" (disarmd incidents lists them)", whose,
                                             printable(*options.id))},
                        ExitCode::usage);
    }
    auto incident = parse_incident(records->front());
    if (!incident)
        return complain(incident.error(), ExitCode::inconclusive);
    if (options.json && std::ranges::all_of(records->front(), is_printed))
        return print_result(records->front() + '\n', ExitCode::clean);
    if (options.json)
        return complain({EINVAL, "the record is not as disarmd writes it, and could steer a terminal"},
                        ExitCode::inconclusive);
    add_source_lines(*incident, options.module_file);
    return print_result(to_page(*incident, colour_of_stdout()), ExitCode::clean);
}

} // namespace

ExitCode incidents(const IncidentsOptions& options) {
    if (options.module_file) {
        if (auto checked = check_module_file(*options.module_file); !checked)
            return complain(checked.error(), ExitCode::usage);
    }
    std::string path = options.ledger.value_or("");
    if (!options.ledger) {
        const auto config = load_config(options.config);
        if (!config)
            return complain(config.error(), ExitCode::usage);
        path = config->sinks.ledger_path;
    }
    std::error_code error;
    if (!std::filesystem::exists(path, error) && !error)
        return complain(
            {ENOENT, fmt::format("there is no ledger {}: the service writes it (disarmd run)", path)},
            ExitCode::usage);
    auto ledger = Ledger::open_for_reading(path);
    if (!ledger) {
        const auto hint = ledger.error().code() == Ledger::damaged
                              ? "; the service sets it aside when it next writes to it"
                              : "";
        return complain({ledger.error().code(), ledger.error().text() + hint}, ExitCode::inconclusive);
    }
    return options.id ? show_incident(*ledger, options) : list_incidents(*ledger, options);
}

} // namespace disarmd
