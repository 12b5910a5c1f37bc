// SPDX-License-Identifier: Apache-2.0
#include "incident/text.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/text.h"

namespace disarmd {

namespace {

std::string joined(const std::vector<Owner>& owners) {
    std::vector<std::string_view> words;
    words.reserve(owners.size());
    for (const auto owner : owners)
        words.push_back(name_of(owner));
    return fmt::format("{}", fmt::join(words, ", "));
}

std::string expiry_text(const PendingTimer& timer) {
    if (timer.cause == Cause::callback_running)
        return "its callback is running";
    if (!timer.expires_in)
        return "armed";
    return fmt::format("fires in {}", duration_text(*timer.expires_in));
}

std::string known_duration(const std::optional<std::chrono::nanoseconds>& duration) {
    return duration ? duration_text(*duration) : "unknown";
}

std::string task_text(std::string_view comm, std::uint32_t pid) {
    return fmt::format("{} (pid {})", printable(comm), pid);
}

std::string by_whom(const Unload& unload) {
    const auto task = task_text(unload.comm, unload.pid);
    if (unload.outcome == Outcome::init_failed)
        return fmt::format("its init failed, loaded by {}", task);
    if (!unload.duration)
        return fmt::format("unloaded by {}", task);
    return fmt::format("unloaded by {} in {}", task, duration_text(*unload.duration));
}

std::string headline(const Unload& unload) {
    const auto module = printable(unload.module);
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

std::string timer_text(const PendingTimer& timer) {
    return fmt::format("{} {}, {}", name_of(timer.kind), printable(timer.symbol), expiry_text(timer));
}

std::string page_of(const PendingTimer& timer) {
    std::string page = fmt::format("\n  {} {}\n", name_of(timer.kind), printable(timer.symbol));
    const auto line = [&](std::string_view name, const std::string& value) {
        page += fmt::format("    {:<9} {}\n", name, value);
    };
    line("pending", expiry_text(timer));
    line("timer", address_text(timer.timer));
    line("callback", address_text(timer.callback));
    line("owned by", joined(timer.owned_by));
    if (timer.armed)
        line("armed",
             fmt::format("{} before the free by {} on CPU {}, from {} context",
                         duration_text(timer.armed->age), task_text(timer.armed->comm, timer.armed->pid),
                         timer.armed->cpu, name_of(timer.armed->context)));
    else
        line("armed", "before disarmd watched");
    line("cause", std::string(name_of(timer.cause)));
    return page;
}

} // namespace

std::string to_page(const Unload& unload) {
    std::string page = fmt::format("{}: {}\n", label(unload), headline(unload));
    if (unload.outcome != Outcome::not_unloaded)
        page += fmt::format("  {}\n", by_whom(unload));
    for (const auto& reason : unload.why_inconclusive)
        page += fmt::format("  because {}\n", printable(reason));
    for (const auto& timer : unload.pending)
        page += page_of(timer);
    if (unload.pending_count > unload.pending.size())
        page += fmt::format("\n  and {} more\n", unload.pending_count - unload.pending.size());
    if (!unload.advice.empty())
        page += fmt::format("\n  to mend it: {}\n", unload.advice);
    return page;
}

std::string to_summary(const Unload& unload) {
    std::string line = fmt::format("{}: {}", label(unload), headline(unload));
    std::size_t told = 0;
    const std::string ending = unload.outcome == Outcome::not_unloaded ? "" : "; " + by_whom(unload);
    for (const auto& timer : unload.pending) {
        const auto text = fmt::format("{}{}", told == 0 ? ": " : "; ", timer_text(timer));
        constexpr std::size_t room_for_more = 32;
        if (line.size() + text.size() + ending.size() + room_for_more > summary_limit)
            break;
        line += text;
        ++told;
    }
    if (told < unload.pending_count)
        line += fmt::format("; and {} more", unload.pending_count - told);
    for (const auto& reason : unload.why_inconclusive)
        line += fmt::format("; {}", printable(reason));
    line += ending;
    line.resize(std::min(line.size(), summary_limit));
    return line;
}

std::string to_table(const std::vector<ModuleTimers>& inventory) {
    std::vector<std::vector<std::string>> rows{{"MODULE", "KIND", "FIRES IN", "CALLBACK", "OWNED BY"}};
    for (const auto& entry : inventory) {
        for (const auto& timer : entry.timers)
            rows.push_back({entry.module.empty() ? "(freed)" : printable(entry.module),
                            std::string(name_of(timer.kind)), known_duration(timer.expires_in),
                            printable(timer.symbol), timer.owned_by.empty() ? "-" : joined(timer.owned_by)});
    }
    return columns_text(rows);
}

std::string to_orphan_table(const std::vector<InventoryTimer>& orphans) {
    std::vector<std::vector<std::string>> rows{{"KIND", "FIRES IN", "TIMER", "CALLBACK", "LEFT AGO"}};
    for (const auto& timer : orphans)
        rows.push_back({std::string(name_of(timer.kind)), known_duration(timer.expires_in),
                        address_text(timer.timer), address_text(timer.callback),
                        known_duration(timer.left_ago)});
    return columns_text(rows);
}

} // namespace disarmd
