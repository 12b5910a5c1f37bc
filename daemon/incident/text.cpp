// SPDX-License-Identifier: Apache-2.0
#include "incident/text.h"

#include <algorithm>
#include <set>

#include <fmt/chrono.h>
#include <fmt/color.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/text.h"
#include "incident/timeline.h"

namespace disarmd {

namespace {

std::string joined(const std::vector<Owner>& owners) {
    std::vector<std::string_view> words;
    words.reserve(owners.size());
    for (const auto owner : owners)
        words.push_back(name_of(owner));
    return fmt::format("{}", fmt::join(words, ", "));
}

constexpr std::size_t page_width = 80;
// Further ones have a line each.
constexpr std::size_t timers_in_full = 8;

std::string expiry_text(const PendingTimer& timer) {
    if (timer.cause == Cause::callback_running)
        return "its callback is running";
    if (!timer.expires_in)
        return "armed";
    return fmt::format("fires in {}", duration_text(*timer.expires_in));
}

std::string task_text(std::string_view comm, std::uint32_t pid) {
    return fmt::format("{} (pid {})", printable(comm), pid);
}

std::string by_whom(const Unload& unload) {
    const auto task = task_text(unload.comm, unload.pid);
    if (unload.outcome == Outcome::init_failed)
        return fmt::format("its init failed, loaded by {}", task);
    if (unload.outcome == Outcome::denied)
        return fmt::format("asked for by {}", task);
    if (!unload.duration)
        return fmt::format("unloaded by {}", task);
    return fmt::format("unloaded by {} in {}", task, duration_text(*unload.duration));
}

// "; held for 280 ms until they had fired"
std::string drain_text(const PolicyApplied& policy) {
    if (!policy.drain)
        return "";
    const auto held = fmt::format("held for {}", duration_text(*policy.drain));
    return policy.drain_left == 0
               ? held + ", until nothing was pending"
               : fmt::format("{}, and {} still pending", held, count_text(policy.drain_left, "timer"));
}

std::string headline(const Unload& unload) {
    const auto module = printable(unload.module);
    if (unload.outcome == Outcome::denied)
        return fmt::format("module {} may not be unloaded{}", module,
                           unload.pending_count == 0
                               ? ""
                               : fmt::format(": {} armed", count_text(unload.pending_count, "timer")));
    if (unload.verdict == Verdict::clean && unload.policy.allowed_once)
        return fmt::format("module {} was freed with no timer pending, let through against a rule", module);
    if (unload.verdict == Verdict::clean && unload.policy.bypassed)
        return fmt::format("module {} was freed with no timer pending, past a rule that denies it", module);
    if (unload.outcome == Outcome::not_unloaded)
        return fmt::format("module {} was not unloaded: no verdict", module);
    switch (unload.verdict) {
    case Verdict::clean:
        return fmt::format("module {} was freed with no timer pending", module);
    case Verdict::inconclusive:
        return fmt::format("module {} was freed, and whether a timer was pending can't be told", module);
    case Verdict::leak:
        break;
    }
    return fmt::format("module {} was freed with {} still pending", module,
                       count_text(unload.pending_count, "timer"));
}

std::string_view label(const Unload& unload) {
    if (unload.outcome == Outcome::not_unloaded)
        return "NOT UNLOADED";
    if (unload.outcome == Outcome::denied)
        return "DENIED";
    switch (unload.verdict) {
    case Verdict::clean:
        return "CLEAN";
    case Verdict::leak:
        return "LEAK";
    case Verdict::inconclusive:
        break;
    }
    return "INCONCLUSIVE";
}

std::string_view explain(Rearmer rearmer) {
    switch (rearmer) {
    case Rearmer::callback:
        return "its own callback";
    case Rearmer::softirq:
        return "a softirq";
    case Rearmer::hardirq:
        return "a hard interrupt";
    case Rearmer::thread:
        return "another thread";
    case Rearmer::unloader:
        return "the unloading task itself";
    case Rearmer::unknown:
        break;
    }
    return "something that was not seen";
}

std::string explain(const PendingTimer& timer) {
    switch (timer.cause) {
    case Cause::never_deleted:
        return "nothing on the module's way out deleted it";
    case Cause::rearmed_after_delete:
        return fmt::format("it was deleted, and armed again by {}", explain(timer.rearmer));
    case Cause::failed_rollback:
        return "the init armed it, failed, and did not delete it";
    case Cause::callback_running:
        return "nobody waited for its callback to return";
    case Cause::unknown:
        break;
    }
    return "what was seen does not tell";
}

// Of a path the end tells most.
std::string end_of(std::string text, std::size_t width) {
    constexpr std::string_view mark = "...";
    if (text.size() > width)
        text.replace(0, text.size() - width + mark.size(), mark);
    return text;
}

// The page, part by part, in colour if that is wanted.
class Page {
public:
    Page(const Incident& incident, Colour colour) : incident_(incident), colour_(colour) {}

    [[nodiscard]] std::string text() const;

private:
    [[nodiscard]] std::string styled(std::string_view text, fmt::text_style style) const {
        return colour_ == Colour::ansi ? fmt::format(style, "{}", text) : std::string(text);
    }
    [[nodiscard]] std::string title(std::string_view text) const {
        return fmt::format("\n  {}\n", styled(text, fmt::emphasis::bold));
    }
    // One fact, its value wrapped behind its name.
    static std::string fact(std::string_view name, std::string_view value) {
        constexpr std::size_t indent = 13;
        return fmt::format("  {:<9}  {}\n", name, wrapped(value, indent, page_width));
    }
    [[nodiscard]] std::string first_line(const Unload& unload) const;
    [[nodiscard]] static std::string facts(const Incident& incident);
    [[nodiscard]] std::string timeline(const Unload& unload) const;
    [[nodiscard]] std::string timer(const PendingTimer& timer, std::size_t number) const;
    [[nodiscard]] std::string timers(const Unload& unload) const;
    [[nodiscard]] std::string stack(const std::vector<std::string>& frames) const;

    const Incident& incident_;
    Colour colour_;
};

std::string Page::first_line(const Unload& unload) const {
    auto style = fmt::emphasis::bold | fmt::fg(fmt::terminal_color::yellow);
    if (unload.verdict == Verdict::leak)
        style = fmt::emphasis::bold | fmt::fg(fmt::terminal_color::red);
    else if (unload.verdict == Verdict::clean)
        style = fmt::emphasis::bold | fmt::fg(fmt::terminal_color::green);
    const auto text = wrapped(fmt::format("{}: {}", label(unload), headline(unload)), 2, page_width);
    return styled(text.substr(0, label(unload).size()), style) + text.substr(label(unload).size()) + '\n';
}

std::string command_text(const std::vector<std::string>& command) {
    constexpr std::size_t longest = 200;
    std::vector<std::string> words;
    words.reserve(command.size());
    for (const auto& word : command)
        words.push_back(printable(word));
    auto text = fmt::format("{}", fmt::join(words, " "));
    if (text.size() > longest)
        text = text.substr(0, longest) + " ...";
    return text;
}

std::string identity_text(const Unload& unload) {
    const auto& identity = unload.identity;
    auto text = printable(unload.module);
    if (!identity.version.empty())
        text += fmt::format(", version {}", printable(identity.version));
    if (!identity.srcversion.empty())
        text += fmt::format(", srcversion {}", printable(identity.srcversion));
    if (!identity.taints.empty())
        text += fmt::format(", taints {}", identity.taints);
    return text;
}

std::string Page::facts(const Incident& incident) {
    const auto& unload = incident.unload;
    auto text = fact("module", identity_text(unload));
    text += fact(unload.outcome == Outcome::denied ? "unload" : "freed", by_whom(unload));
    if (!unload.policy.rule.empty())
        text += fact("rule", unload.policy.rule);
    if (unload.policy.bypassed)
        text += fact("bypass", "the rule denies that, and was not asked: the name could not be read in time");
    if (unload.policy.allowed_once)
        text += fact("override", "disarmd allow-once had let this one through");
    if (const auto drain = drain_text(unload.policy); !drain.empty())
        text += fact("drain", drain);
    if (unload.policy.action == Action::panic)
        text += fact("action", "the host was made to crash, as the rule says");
    if (!unload.command.empty())
        text += fact("command", command_text(unload.command));
    text += fact("at", fmt::format("{} on {}, Linux {}", time_text(incident.at),
                                   printable(incident.host.name), printable(incident.host.kernel)));
    text += fact("incident", incident.id);
    return text;
}

std::string Page::timeline(const Unload& unload) const {
    std::string text = title("timeline");
    for (const auto& event : timeline_of(unload, timers_in_full)) {
        const auto sign = event.at.count() < 0 ? "-" : event.at.count() > 0 ? "+" : "";
        const auto time = event.at.count() == 0 ? "0" : sign + duration_text(std::chrono::abs(event.at));
        constexpr std::size_t indent = 16;
        text += fmt::format("  {:>12}  {}\n", time, wrapped(event.what, indent, page_width));
    }
    return text;
}

std::string Page::stack(const std::vector<std::string>& frames) const {
    std::string text;
    for (const auto& frame : frames) {
        text += fmt::format("        {}\n", printable(frame));
        const auto line = incident_.source_lines.find(frame);
        if (line != incident_.source_lines.end())
            text += fmt::format("            {}\n", end_of(printable(line->second), page_width - 12));
    }
    return text;
}

std::string Page::timer(const PendingTimer& timer, std::size_t number) const {
    const auto line = [](std::string_view text) {
        constexpr std::size_t indent = 6;
        return fmt::format("    {}\n", wrapped(text, indent, page_width));
    };
    const std::string_view before =
        incident_.unload.outcome == Outcome::denied ? "before that" : "before the free";
    auto text = title(fmt::format("#{} {} {}", number, name_of(timer.kind), printable(timer.symbol)));
    const auto cause = name_of(timer.cause);
    if (incident_.unload.outcome != Outcome::denied) {
        const auto why = line(fmt::format("{}: {}", cause, explain(timer)));
        const auto behind = why.find(cause) + cause.size();
        text += "    " + styled(cause, fmt::emphasis::bold) + why.substr(behind);
    }
    text += line(fmt::format("{}; owned by {}", expiry_text(timer), joined(timer.owned_by)));
    text +=
        line(fmt::format("timer {}, callback {}", address_text(timer.timer), address_text(timer.callback)));
    if (timer.armed) {
        const auto& arm = *timer.armed;
        text += line(fmt::format("armed {} {} by {} on CPU {}, from {} context{}", duration_text(arm.age),
                                 before, task_text(arm.comm, arm.pid), arm.cpu, name_of(arm.context),
                                 arm.stack.empty() ? "" : ":"));
        if (arm.stack_age)
            text +=
                line(fmt::format("(the stack is of an arm {} {})", duration_text(*arm.stack_age), before));
        text += stack(arm.stack);
    } else {
        text += line("armed before disarmd watched");
    }
    if (timer.deleted) {
        const auto& deleted = *timer.deleted;
        if (deleted.api.empty())
            return text + line(fmt::format("deleted {} {}", duration_text(deleted.age), before));
        const auto found = deleted.found == DeleteFound::unknown
                               ? std::string()
                               : fmt::format(", which found it {}", name_of(deleted.found));
        text += line(fmt::format("deleted {} {} by {} with {}(){}{}", duration_text(deleted.age), before,
                                 task_text(deleted.comm, deleted.pid), printable(deleted.api), found,
                                 deleted.stack.empty() ? "" : ":"));
        text += stack(deleted.stack);
    }
    return text;
}

std::string Page::timers(const Unload& unload) const {
    std::string text;
    std::size_t number = 0;
    for (const auto& pending : unload.pending) {
        if (++number <= timers_in_full)
            text += timer(pending, number);
        else
            text +=
                (number == timers_in_full + 1 ? "\n  " : "  ") +
                wrapped(fmt::format("#{} {} {}, {}, {}", number, name_of(pending.kind),
                                    printable(pending.symbol), expiry_text(pending), name_of(pending.cause)),
                        4, page_width) +
                '\n';
    }
    if (unload.pending_count > unload.pending.size())
        text += fmt::format("\n  and {} more\n", unload.pending_count - unload.pending.size());
    return text;
}

std::string Page::text() const {
    const auto& unload = incident_.unload;
    auto page = first_line(unload);
    const bool whole = is_notable(unload) && unload.outcome != Outcome::not_unloaded;
    if (whole)
        page += '\n' + facts(incident_);
    else if (unload.outcome != Outcome::not_unloaded)
        page += fmt::format("  {}\n", by_whom(unload));
    for (const auto& reason : unload.why_inconclusive)
        page += fmt::format("  because {}\n", wrapped(printable(reason), 10, page_width));
    if (whole && unload.outcome != Outcome::denied)
        page += timeline(unload);
    page += timers(unload);
    if (!unload.advice.empty()) {
        page += title(unload.outcome == Outcome::denied ? "what to do" : "to mend it");
        page += fmt::format("    {}\n", wrapped(unload.advice, 4, page_width));
    }
    return page;
}

// Of what is pending the first thing that happens.
std::string first_expiry_text(const Unload& unload) {
    const PendingTimer* first = nullptr;
    for (const auto& timer : unload.pending) {
        if (timer.cause == Cause::callback_running)
            return "its callback is running";
        if (timer.expires_in && (first == nullptr || *timer.expires_in < *first->expires_in))
            first = &timer;
    }
    if (first == nullptr)
        return "";
    return fmt::format("{} fires in {}", unload.pending_count == 1 ? "it" : "the first",
                       duration_text(*first->expires_in));
}

std::string cut(std::string line) {
    constexpr std::string_view mark = "...";
    if (line.size() > log_line_limit) {
        line.resize(log_line_limit - mark.size());
        line += mark;
    }
    return line;
}

std::string log_headline(const Incident& incident) {
    const auto& unload = incident.unload;
    auto line = fmt::format("{}: {}", label(unload), headline(unload));
    if (unload.outcome == Outcome::not_unloaded)
        return line;
    if (unload.verdict == Verdict::leak)
        line += fmt::format(" ({})", unload.pending.empty() ? "unknown" : causes_text(unload));
    line += "; " + by_whom(unload);
    if (!unload.policy.rule.empty() &&
        (unload.outcome == Outcome::denied || unload.policy.allowed_once || unload.policy.bypassed))
        line += fmt::format("; rule {}", unload.policy.rule);
    if (const auto drain = drain_text(unload.policy); !drain.empty())
        line += "; " + drain;
    if (unload.policy.action == Action::panic)
        line += "; a panic follows, as the rule says";
    if (const auto expiry = first_expiry_text(unload);
        !expiry.empty() && unload.policy.action != Action::drained && unload.outcome != Outcome::denied)
        line += "; " + expiry;
    if (is_notable(unload))
        line += fmt::format("; incident {}", incident.id);
    for (const auto& reason : unload.why_inconclusive)
        line += fmt::format("; {}", printable(reason));
    if (!unload.advice.empty())
        line += fmt::format("; {}: {}", unload.outcome == Outcome::denied ? "what to do" : "to mend it",
                            unload.advice);
    return line;
}

std::string log_line(const PendingTimer& timer, const Unload& unload, std::size_t number) {
    auto line =
        fmt::format("{}: {} {}/{}: {} {} at {}, callback {}, {}, {}", label(unload), printable(unload.module),
                    number, unload.pending_count, name_of(timer.kind), printable(timer.symbol),
                    address_text(timer.timer), address_text(timer.callback), expiry_text(timer),
                    unload.outcome == Outcome::denied ? "armed" : cause_text(timer));
    if (timer.armed)
        line += fmt::format(", armed {} before by {}", duration_text(timer.armed->age),
                            armed_by_text(*timer.armed));
    return line;
}

} // namespace

std::string cause_text(const PendingTimer& timer) {
    auto text = std::string(name_of(timer.cause));
    if (timer.cause == Cause::rearmed_after_delete)
        text += fmt::format(" by {}", explain(timer.rearmer));
    return text;
}

std::string armed_by_text(const Arm& arm) {
    return fmt::format("{} from {} context", task_text(arm.comm, arm.pid), name_of(arm.context));
}

std::string causes_text(const Unload& unload) {
    std::vector<std::string_view> causes;
    for (const auto& timer : unload.pending) {
        if (std::ranges::find(causes, name_of(timer.cause)) == causes.end())
            causes.push_back(name_of(timer.cause));
    }
    return fmt::format("{}", fmt::join(causes, ", "));
}

std::string to_page(const Incident& incident, Colour colour) {
    return Page(incident, colour).text();
}

std::vector<std::string> to_log(const Incident& incident) {
    const auto& unload = incident.unload;
    std::vector<std::string> lines{cut(log_headline(incident))};
    for (const auto& timer : unload.pending) {
        if (lines.size() > log_timers_max)
            break;
        lines.push_back(cut(log_line(timer, unload, lines.size())));
    }
    if (const auto told = lines.size() - 1; told < unload.pending_count)
        lines.push_back(fmt::format("{}: {}: and {}", label(unload), printable(unload.module),
                                    count_text(unload.pending_count - told, "more timer")));
    return lines;
}

} // namespace disarmd
