// SPDX-License-Identifier: Apache-2.0
#include "autopsy/report.h"

#include <algorithm>
#include <array>
#include <set>

#include <fmt/color.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "autopsy/lines.h"
#include "base/text.h"
#include "incident/json.h"

namespace disarmd {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t width = 80;

std::string_view headline_of(CrashVerdict verdict) {
    switch (verdict) {
    case CrashVerdict::this_pattern:
        return "THIS PATTERN: a timer of a module that had been freed";
    case CrashVerdict::related:
        return "RELATED: something of a module that had been freed, but no timer";
    case CrashVerdict::not_this_pattern:
        return "NOT THIS PATTERN";
    case CrashVerdict::cant_tell:
        break;
    }
    return "CAN'T TELL";
}

std::string_view name_of(Arch arch) {
    switch (arch) {
    case Arch::x86_64:
        return "x86-64";
    case Arch::arm64:
        return "arm64";
    case Arch::other:
    case Arch::unknown:
        break;
    }
    return "";
}

std::string_view name_of(Access access) {
    switch (access) {
    case Access::read:
        return "read";
    case Access::write:
        return "write";
    case Access::execute:
        return "execute";
    case Access::unknown:
        break;
    }
    return "";
}

struct ToLookFor {
    Cause cause;
    const char* text;
};

// What leaves a timer armed, and so what to look for.
constexpr std::array what_to_look_for{
    ToLookFor{Cause::never_deleted,
              "a timer that the exit function does not delete: timer_delete_sync(), hrtimer_cancel(), "
              "cancel_delayed_work_sync(), on each way out of it"},
    ToLookFor{Cause::rearmed_after_delete,
              "one that is deleted and then armed again, by its callback, an interrupt, a work item or a "
              "thread that still runs: stop those first, or timer_shutdown_sync()"},
    ToLookFor{Cause::failed_rollback,
              "an init function that arms it, fails further down, and does not delete it"},
};

// Of the causes those that were recorded; all, if none of them was.
std::vector<std::string_view> to_look_for(const std::optional<ClosedCase>& closed) {
    std::vector<std::string_view> all;
    std::vector<std::string_view> recorded;
    for (const auto& each : what_to_look_for) {
        all.emplace_back(each.text);
        const auto& causes = closed && closed->timer ? closed->timer->cause
                             : closed                ? closed->free.causes
                                                     : "";
        if (causes.find(name_of(each.cause)) != std::string::npos)
            recorded.emplace_back(each.text);
    }
    return recorded.empty() ? all : recorded;
}

// Of the boot that crashed.
std::string release_of(const CrashText& crash, const CrashDiagnosis& diagnosis) {
    return diagnosis.primary != nullptr && !diagnosis.primary->release.empty() ? diagnosis.primary->release
                                                                               : crash.release;
}

std::string_view module_of(const CrashDiagnosis& diagnosis) {
    if (diagnosis.closed)
        return diagnosis.closed->free.module;
    return diagnosis.suspects.empty() ? std::string_view() : diagnosis.suspects.front().module;
}

std::vector<std::string> next_commands(const CrashDiagnosis& diagnosis) {
    std::vector<std::string> commands;
    if (diagnosis.verdict == CrashVerdict::not_this_pattern)
        return commands;
    if (diagnosis.closed && !diagnosis.closed->free.incident.empty())
        commands.push_back(fmt::format("disarmd incidents {}", printable(diagnosis.closed->free.incident)));
    if (const auto module = module_of(diagnosis); !module.empty())
        commands.push_back(fmt::format("disarmd preflight {}", printable(module)));
    if (diagnosis.met == nullptr)
        return commands;
    const auto& ip = diagnosis.met->ip;
    if (!ip.symbol.empty())
        commands.push_back(fmt::format("crash> dis -lr {}+{}", printable(ip.symbol), ip.offset));
    if (diagnosis.address) {
        commands.push_back(fmt::format("crash> kmem {:x}", *diagnosis.address));
        commands.push_back(fmt::format("drgn>  print(identify_address({:#x}))", *diagnosis.address));
    }
    commands.emplace_back("crash> mod    # whose memory is near it, now");
    commands.emplace_back("crash> timer  # what else is armed");
    if (!diagnosis.closed)
        commands.emplace_back("crash> log | grep -i -e disarmd -e unload -e rmmod");
    return commands;
}

std::string styled(std::string_view text, fmt::text_style style, Colour colour) {
    return colour == Colour::ansi ? fmt::format(style, "{}", text) : std::string(text);
}

fmt::text_style style_of(CrashVerdict verdict) {
    switch (verdict) {
    case CrashVerdict::this_pattern:
        return fmt::emphasis::bold | fmt::fg(fmt::terminal_color::red);
    case CrashVerdict::not_this_pattern:
        return fmt::emphasis::bold | fmt::fg(fmt::terminal_color::green);
    case CrashVerdict::related:
    case CrashVerdict::cant_tell:
        break;
    }
    return fmt::emphasis::bold | fmt::fg(fmt::terminal_color::yellow);
}

constexpr std::size_t indent = 13;

using Lines = std::map<std::size_t, std::string>;

// A line that a part before has quoted already is not quoted once more.
std::string evidence_text(const std::vector<Evidence>& all, const Lines& lines,
                          std::set<std::size_t>& quoted) {
    std::string text;
    for (std::size_t i = 0; i < all.size(); ++i) {
        const auto& each = all[i];
        const auto where = each.line != 0 ? fmt::format("line {}", each.line) : "";
        text += fmt::format("  {:<9}  {}\n", where, wrapped(each.says, indent, width));
        // Two in a row of one line share it.
        const auto found = lines.find(each.line);
        if (found == lines.end() || (i + 1 < all.size() && all[i + 1].line == each.line) ||
            !quoted.insert(each.line).second)
            continue;
        constexpr std::size_t quoted_max = width - indent - 2;
        text += fmt::format("  {:<9}  | {}\n", "", found->second.substr(0, quoted_max));
    }
    return text;
}

std::string fact(std::string_view name, std::string_view value) {
    return fmt::format("  {:<9}  {}\n", name, wrapped(value, indent, width));
}

// Where disarmd had recorded it, and how that was found.
std::string source_text(const ClosedCase& closed) {
    auto text = closed.free.line != 0
                    ? fmt::format("line {}", closed.timer ? closed.timer->line : closed.free.line)
                    : "the ledger";
    if (!closed.free.when.empty())
        text += fmt::format(", {}", closed.free.when);
    if (!closed.free.incident.empty())
        text += fmt::format(", incident {}", printable(closed.free.incident));
    return fmt::format("{}: {}", text, closed.how);
}

std::string recorded_text(const ClosedCase& closed) {
    const auto& free = closed.free;
    auto text = fact("module", fmt::format("{}: disarmd had recorded its unload", printable(free.module)));
    text += fact("recorded", source_text(closed));
    if (closed.timer) {
        const auto& timer = *closed.timer;
        text += fact("timer", fmt::format("{} {} at {}", printable(timer.kind), printable(timer.callback),
                                          address_text(timer.timer)));
        text += fact("cause", printable(timer.cause));
        if (!timer.armed_by.empty())
            text += fact("armed by", printable(timer.armed_by));
    } else {
        text += fact("cause", free.leak ? printable(free.causes) : "no timer was pending as it was freed");
    }
    return text;
}

Json closed_json(const std::optional<ClosedCase>& closed) {
    if (!closed)
        return nullptr;
    const auto text = [](const std::string& value) {
        return value.empty() ? Json(nullptr) : Json(printable(value));
    };
    Json json;
    json["source"] = closed->free.line != 0 ? "log" : "ledger";
    json["line"] = closed->free.line != 0 ? Json(closed->free.line) : Json(nullptr);
    json["module"] = printable(closed->free.module);
    json["incident"] = text(closed->free.incident);
    json["leak"] = closed->free.leak;
    json["causes"] = text(closed->free.causes);
    json["by_address"] = closed->by_address;
    json["how"] = closed->how;
    json["timer"] = nullptr;
    if (closed->timer) {
        const auto& timer = *closed->timer;
        json["timer"] = {{"kind", printable(timer.kind)},
                         {"symbol", printable(timer.callback)},
                         {"timer", address_text(timer.timer)},
                         {"callback", timer.callback_address != 0 ? Json(address_text(timer.callback_address))
                                                                  : Json(nullptr)},
                         {"cause", printable(timer.cause)},
                         {"armed_by", text(timer.armed_by)}};
    }
    return json;
}

Json evidence_json(const std::vector<Evidence>& all, const std::map<std::size_t, std::string>& lines) {
    auto list = Json::array();
    for (const auto& each : all) {
        Json entry;
        entry["line"] = each.line != 0 ? Json(each.line) : Json(nullptr);
        entry["says"] = each.says;
        const auto quoted = lines.find(each.line);
        entry["text"] = quoted != lines.end() ? Json(quoted->second) : Json(nullptr);
        list.push_back(std::move(entry));
    }
    return list;
}

Json or_null(const std::string& text) {
    return text.empty() ? Json(nullptr) : Json(printable(text));
}

Json address_json(const std::optional<std::uint64_t>& address) {
    return address ? Json(address_text(*address)) : Json(nullptr);
}

Json fault_json(const CrashDiagnosis& diagnosis) {
    if (diagnosis.met == nullptr)
        return nullptr;
    const auto& met = *diagnosis.met;
    Json fault;
    fault["line"] = met.line;
    fault["symbol"] = or_null(met.ip.symbol);
    fault["offset"] = met.ip.symbol.empty() ? Json(nullptr) : Json(met.ip.offset);
    fault["module"] = or_null(met.ip.module);
    fault["instruction_pointer"] = address_json(met.ip.address);
    fault["instruction"] = diagnosis.instruction ? Json(diagnosis.instruction->text) : Json(nullptr);
    fault["instruction_inferred"] = diagnosis.instruction_inferred;
    const auto base =
        diagnosis.instruction ? met.registers.find(diagnosis.instruction->base) : met.registers.end();
    fault["register"] = diagnosis.instruction ? or_null(diagnosis.instruction->base) : Json(nullptr);
    fault["register_value"] =
        base != met.registers.end() ? Json(address_text(base->second.value)) : Json(nullptr);
    const auto access = diagnosis.primary->access != Access::unknown             ? diagnosis.primary->access
                        : diagnosis.instruction && diagnosis.instruction->writes ? Access::write
                                                                                 : Access::unknown;
    fault["access"] = or_null(std::string(name_of(access)));
    fault["address"] = address_json(diagnosis.address);
    fault["address_kind"] = diagnosis.address ? Json(name_of(diagnosis.address_kind)) : Json(nullptr);
    return fault;
}

} // namespace

std::map<std::size_t, std::string> quoted_lines(std::string_view bytes, const CrashDiagnosis& diagnosis) {
    std::map<std::size_t, std::string> lines;
    for (const auto* const list : {&diagnosis.evidence, &diagnosis.against, &diagnosis.consequences}) {
        for (const auto& each : *list)
            lines.emplace(each.line, "");
    }
    for (const auto& suspect : diagnosis.suspects)
        lines.emplace(suspect.line, "");
    lines.erase(0);
    LineReader reader(bytes);
    TextLine line;
    auto wanted = lines.begin();
    while (wanted != lines.end() && reader.next(line)) {
        if (line.number == wanted->first) {
            wanted->second = printable(line.text);
            ++wanted;
        }
    }
    lines.erase(wanted, lines.end());
    return lines;
}

std::string to_page(const CrashText& crash, const CrashDiagnosis& diagnosis,
                    const std::map<std::size_t, std::string>& lines, Colour colour) {
    auto page = fmt::format("{} ({} confidence)\n  {}\n\n",
                            styled(headline_of(diagnosis.verdict), style_of(diagnosis.verdict), colour),
                            name_of(diagnosis.confidence), wrapped(diagnosis.what, 2, width));
    if (const auto release = release_of(crash, diagnosis); !release.empty())
        page += fact("kernel", fmt::format("{}{}{}", printable(release),
                                           crash.arch == Arch::unknown ? "" : ", ", name_of(crash.arch)));
    if (diagnosis.closed)
        page += recorded_text(*diagnosis.closed);
    for (const auto& suspect : diagnosis.suspects)
        page += fact(diagnosis.closed ? "besides" : "module",
                     fmt::format("{}: {}", printable(suspect.module), suspect.why));
    if (diagnosis.other_crashes != 0)
        page += fact("besides", fmt::format("{} of another boot in it: cut the text there to be told of it",
                                            diagnosis.other_crashes == 1 ? "a crash" : "crashes"));
    const auto title = [&](std::string_view text) {
        return fmt::format("\n  {}\n", styled(text, fmt::emphasis::bold, colour));
    };
    std::set<std::size_t> quoted;
    if (!diagnosis.evidence.empty())
        page += title("Evidence") + evidence_text(diagnosis.evidence, lines, quoted);
    if (!diagnosis.against.empty())
        page += title("Against it") + evidence_text(diagnosis.against, lines, quoted);
    if (!diagnosis.consequences.empty())
        page += title("What came of it") + evidence_text(diagnosis.consequences, lines, quoted);
    if (diagnosis.verdict == CrashVerdict::this_pattern) {
        page += title("What to look for in the module");
        for (const auto each : to_look_for(diagnosis.closed))
            page += fmt::format("  - {}\n", wrapped(each, 4, width));
    }
    const auto commands = next_commands(diagnosis);
    if (!commands.empty())
        page += title("Next");
    for (const auto& command : commands)
        page += fmt::format("  {}\n", command);
    return page;
}

Json to_json(std::string_view file, const CrashText& crash, const CrashDiagnosis& diagnosis,
             const std::map<std::size_t, std::string>& lines) {
    Json json;
    json["file"] = printable(file);
    json["verdict"] = name_of(diagnosis.verdict);
    json["confidence"] = name_of(diagnosis.confidence);
    json["rule"] = diagnosis.rule;
    json["what"] = diagnosis.what;
    json["kernel"] = or_null(release_of(crash, diagnosis));
    json["fault"] = fault_json(diagnosis);
    json["recorded"] = closed_json(diagnosis.closed);
    auto suspects = Json::array();
    for (const auto& suspect : diagnosis.suspects)
        suspects.push_back({{"module", printable(suspect.module)},
                            {"why", suspect.why},
                            {"line", suspect.line != 0 ? Json(suspect.line) : Json(nullptr)}});
    json["suspects"] = std::move(suspects);
    json["other_crashes"] = diagnosis.other_crashes;
    json["evidence"] = evidence_json(diagnosis.evidence, lines);
    json["against"] = evidence_json(diagnosis.against, lines);
    json["consequences"] = evidence_json(diagnosis.consequences, lines);
    return json;
}

std::vector<std::string> autopsy_columns() {
    return {"FILE", "VERDICT", "CONFIDENCE", "KERNEL", "MODULE", "WHAT"};
}

std::vector<std::string> to_row(std::string_view file, const CrashText& crash,
                                const CrashDiagnosis& diagnosis) {
    return {printable(file),
            std::string(name_of(diagnosis.verdict)),
            std::string(name_of(diagnosis.confidence)),
            release_of(crash, diagnosis).empty() ? "-" : printable(release_of(crash, diagnosis)),
            module_of(diagnosis).empty() ? "-" : printable(module_of(diagnosis)),
            diagnosis.what};
}

} // namespace disarmd
