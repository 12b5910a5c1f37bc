// SPDX-License-Identifier: Apache-2.0
#include "cli/list_view.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "incident/json.h"
#include "policy/policy.h"

namespace disarmd {

namespace {

using Cells = std::vector<std::vector<std::string>>;

std::string module_text(const std::string& module) {
    return module.empty() ? "(freed)" : printable(module);
}

// The module stands in a column of its own.
std::string callback_text(const ListedTimer& listed) {
    std::string_view symbol = listed.timer.symbol;
    const auto suffix = fmt::format(" [{}]", listed.module);
    if (symbol.ends_with(suffix))
        symbol.remove_suffix(suffix.size());
    return printable(symbol);
}

std::string owners_text(const InventoryTimer& timer) {
    std::vector<std::string_view> words;
    for (const auto owner : timer.owned_by)
        words.push_back(name_of(owner));
    return words.empty() ? "-" : fmt::format("{}", fmt::join(words, ", "));
}

std::string known_duration(const std::optional<std::chrono::nanoseconds>& duration) {
    return duration ? duration_text(*duration) : "unknown";
}

std::string rate_text(const std::optional<double>& arms_per_s) {
    return arms_per_s ? fmt::format("{:.1f}", *arms_per_s) : "-";
}

bool is_sooner(const InventoryTimer& one, const InventoryTimer& other) {
    constexpr auto never = std::chrono::nanoseconds::max();
    return one.expires_in.value_or(never) < other.expires_in.value_or(never);
}

// Those that can't be told apart but by their addresses.
struct Group {
    ListedTimer soonest;
    std::size_t armed = 0;
    std::optional<double> arms_per_s;
};

std::vector<Group> group(const std::vector<ListedTimer>& timers) {
    std::map<std::tuple<bool, std::string, std::string, TimerKind, std::vector<Owner>>, Group> groups;
    for (const auto& listed : timers) {
        const auto& [module, timer] = listed;
        const auto [at, is_first] = groups.try_emplace(
            {module.empty(), module, timer.symbol, timer.kind, timer.owned_by}, Group{listed, 0, {}});
        auto& entry = at->second;
        if (!is_first && is_sooner(timer, entry.soonest.timer))
            entry.soonest = listed;
        entry.armed += timer.armed ? 1 : 0;
        if (timer.arms_per_s)
            entry.arms_per_s = entry.arms_per_s.value_or(0) + *timer.arms_per_s;
    }
    std::vector<Group> list;
    list.reserve(groups.size());
    for (auto& [key, entry] : groups)
        list.push_back(std::move(entry));
    return list;
}

void sort_groups(std::vector<Group>& groups, ListOrder order) {
    std::ranges::stable_sort(groups, [&](const Group& one, const Group& other) {
        switch (order) {
        case ListOrder::count:
            return one.armed > other.armed;
        case ListOrder::rate:
            return one.arms_per_s.value_or(0) > other.arms_per_s.value_or(0);
        case ListOrder::next:
            return is_sooner(one.soonest.timer, other.soonest.timer);
        case ListOrder::module:
            break;
        }
        return false; // as they are
    });
}

Cells group_cells(const std::vector<ListedTimer>& timers, ListOrder order) {
    Cells rows{{"MODULE", "KIND", "ARMED", "ARMS/S", "FIRES IN", "CALLBACK", "OWNED BY"}};
    auto groups = group(timers);
    sort_groups(groups, order);
    for (const auto& [soonest, armed, arms_per_s] : groups)
        rows.push_back({module_text(soonest.module), std::string(name_of(soonest.timer.kind)),
                        std::to_string(armed), rate_text(arms_per_s),
                        armed != 0 ? known_duration(soonest.timer.expires_in) : "-", callback_text(soonest),
                        owners_text(soonest.timer)});
    return rows;
}

Cells timer_cells(const std::vector<ListedTimer>& timers) {
    Cells rows{{"MODULE", "KIND", "FIRES IN", "ARMS/S", "CALLBACK", "OWNED BY"}};
    for (const auto& listed : timers)
        rows.push_back({module_text(listed.module), std::string(name_of(listed.timer.kind)),
                        known_duration(listed.timer.expires_in), rate_text(listed.timer.arms_per_s),
                        callback_text(listed), owners_text(listed.timer)});
    return rows;
}

Cells orphan_cells(const std::vector<ListedTimer>& timers) {
    Cells rows{{"KIND", "FIRES IN", "TIMER", "CALLBACK", "LEFT AGO"}};
    for (const auto& [module, timer] : timers)
        rows.push_back({std::string(name_of(timer.kind)), known_duration(timer.expires_in),
                        address_text(timer.timer), address_text(timer.callback),
                        known_duration(timer.left_ago)});
    return rows;
}

} // namespace

void keep_asked(std::vector<ModuleTimers>& inventory, const ListOptions& options) {
    Rule rule;
    rule.module = options.module.value_or("*");
    std::erase_if(inventory, [&](const ModuleTimers& entry) {
        return entry.module.empty() ? options.module.has_value()
                                    : options.orphans || !takes(rule, entry.module, "");
    });
}

std::vector<ListedTimer> listed_timers(const std::vector<ModuleTimers>& inventory,
                                       const std::optional<std::size_t>& next) {
    std::vector<ListedTimer> listed;
    for (const auto& entry : inventory) {
        for (const auto& timer : entry.timers)
            listed.push_back({entry.module, timer});
    }
    if (next) {
        std::erase_if(listed, [](const ListedTimer& each) { return !each.timer.armed; });
        std::ranges::stable_sort(listed, is_sooner, &ListedTimer::timer);
        listed.erase(listed.begin() + static_cast<std::ptrdiff_t>(std::min(*next, listed.size())),
                     listed.end());
    }
    return listed;
}

std::string list_table(const std::vector<ListedTimer>& timers, const ListOptions& options,
                       const std::optional<std::size_t>& width) {
    auto cells = options.orphans ? orphan_cells(timers)
                 : options.next  ? timer_cells(timers)
                                 : group_cells(timers, options.order);
    if (const auto column = std::ranges::find(cells.front(), "ARMS/S");
        column != cells.front().end() && !options.rate && !options.watch) {
        const auto at = column - cells.front().begin();
        for (auto& row : cells)
            row.erase(row.begin() + at);
    }
    return columns_text(cells, width);
}

std::string headline(const std::vector<ListedTimer>& timers, std::string_view time) {
    std::set<std::uint64_t> armed; // one that is of two modules is listed twice
    std::set<std::string> modules;
    std::map<std::uint64_t, double> rates;
    for (const auto& [module, timer] : timers) {
        if (timer.armed) {
            armed.insert(timer.timer);
            modules.insert(module);
        }
        if (timer.arms_per_s)
            rates[timer.timer] = *timer.arms_per_s;
    }
    modules.erase("");
    auto text = fmt::format("{}: {} armed, of {}", time, count_text(armed.size(), "timer"),
                            count_text(modules.size(), "module"));
    double arms_per_s = 0;
    for (const auto& [timer, rate] : rates)
        arms_per_s += rate;
    if (!rates.empty())
        text += fmt::format("; {:.1f} arms a second", arms_per_s);
    return text;
}

std::string list_lines(const std::vector<ListedTimer>& timers, std::string_view time) {
    std::string lines;
    for (const auto& [module, timer] : timers)
        lines += to_line(to_json(time, module, timer)) + '\n';
    return lines;
}

} // namespace disarmd
