// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <string>

#include <nlohmann/json.hpp>

#include "fuzz.h"
#include "incident/incident.h"
#include "incident/json.h"
#include "incident/ktap.h"
#include "incident/parse.h"
#include "incident/text.h"

namespace disarmd::fuzz {

// But for the last digits of a length of time, of which a double has fewer than the nanoseconds of years.
inline bool is_same(const nlohmann::ordered_json& one, const nlohmann::ordered_json& other) {
    if (one.is_number_float() && other.is_number_float())
        return std::abs(one.get<double>() - other.get<double>()) <= 1e-12 * std::abs(one.get<double>());
    if (one.type() != other.type() || one.size() != other.size() || !one.is_structured())
        return one == other;
    const auto all = one.items();
    return std::equal(all.begin(), all.end(), other.items().begin(), [](const auto& a, const auto& b) {
        return a.key() == b.key() && is_same(a.value(), b.value());
    });
}

// What is said of an incident, and that it can be read again.
inline void check_incident(const Incident& incident) {
    const auto page = to_page(incident, Colour::never);
    check(is_plain(page) && page.ends_with('\n'), "a page is printable");
    const auto log = to_log(incident);
    check(!log.empty() && log.size() <= log_timers_max + 2, "a log tells of no more timers than that");
    for (const auto& line : log)
        check(is_plain(line) && line.find('\n') == std::string::npos && line.size() <= log_line_limit,
              "a log's line is one, and no longer than that");
    check(is_plain(to_ktap(incident.unload.module, {incident}, CutShort{true, incident.unload.module})),
          "KTAP is printable");

    const auto document = to_json(incident);
    const auto line = to_line(document);
    check(is_plain(line) && line.find('\n') == std::string::npos, "a record is a line");
    const auto again = parse_incident(line);
    if (!again)
        std::fprintf(stderr, "%s\n%s\n", line.c_str(), again.error().text().c_str());
    check(again.has_value(), "what was written can be read");
    check(
        is_same(nlohmann::ordered_json::parse(line), nlohmann::ordered_json::parse(to_line(to_json(*again)))),
        "what was read is what was written");
}

} // namespace disarmd::fuzz
