// SPDX-License-Identifier: Apache-2.0
#include "incident/ktap.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/text.h"
#include "incident/text.h"

namespace disarmd {

namespace {

constexpr std::string_view version_line = "KTAP version 1\n";

// For lines that mean something. A '#' that came with a name could begin a directive there.
std::string plain(std::string_view text) {
    std::string out;
    for (const char c : printable(text)) {
        if (c == '#')
            out += "\\x23";
        else
            out += c;
    }
    return out;
}

std::string as_diagnostics(std::string_view text) {
    std::string out;
    while (!text.empty()) {
        const auto end = std::min(text.find('\n'), text.size());
        const auto line = text.substr(0, end);
        out += line.empty() ? "#\n" : fmt::format("# {}\n", line);
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return out;
}

// What stands behind the '#': ERROR is for a test that came to no result.
std::string outcome_of(const Unload& unload) {
    if (unload.outcome == Outcome::denied)
        return fmt::format("ERROR the unload was denied: {}", unload.policy.rule);
    if (unload.verdict == Verdict::leak)
        return fmt::format("leak: {} still pending ({})", count_text(unload.pending_count, "timer"),
                           unload.pending.empty() ? name_of(Cause::unknown) : causes_text(unload));
    std::string text = "ERROR inconclusive";
    for (std::size_t i = 0; i < unload.why_inconclusive.size(); ++i)
        text += (i == 0 ? ": " : "; ") + unload.why_inconclusive[i];
    return text;
}

bool is_ok(const Unload& unload) {
    return unload.verdict == Verdict::clean && unload.outcome != Outcome::denied &&
           unload.outcome != Outcome::not_unloaded;
}

} // namespace

std::string to_ktap(std::string_view module, const std::vector<Incident>& unloads,
                    const std::optional<CutShort>& cut_short) {
    // No results at all would be a test that nobody misses.
    auto end = cut_short;
    if (unloads.empty() && !end)
        end = CutShort{false, "the module was not unloaded"};
    const auto test = plain(module) + ".unload";
    const auto count = unloads.size() + (end ? 1 : 0);
    auto text = fmt::format("{}1..{}\n", version_line, count);
    std::size_t number = 0;
    for (const auto& incident : unloads) {
        ++number;
        text += as_diagnostics(to_page(incident, Colour::never));
        // Names of their own, as reports are searched by them.
        const auto name = number == 1 ? test : fmt::format("{}.{}", test, number);
        if (is_ok(incident.unload))
            text += fmt::format("ok {} {}\n", number, name);
        else
            text += fmt::format("not ok {} {} # {}\n", number, name, plain(outcome_of(incident.unload)));
    }
    if (end)
        text += fmt::format("not ok {} {} # {} {}\n", number + 1,
                            unloads.empty() ? test : plain(module) + ".watch",
                            end->timed_out ? "TIMEOUT" : "ERROR", plain(end->why));
    return text;
}

std::string to_ktap_skip(std::string_view why) {
    return fmt::format("{}1..0 # SKIP {}\n", version_line, plain(why));
}

} // namespace disarmd
