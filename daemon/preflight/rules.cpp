// SPDX-License-Identifier: Apache-2.0
#include "preflight/rules.h"

#include <algorithm>
#include <iterator>
#include <tuple>

#include <fmt/format.h>

#include "preflight/graph.h"
#include "preflight/same_timer.h"

namespace disarmd {

std::string_view name_of(FindingRule rule) {
    switch (rule) {
    case FindingRule::never_deleted:
        return "never-deleted";
    case FindingRule::not_reached:
        return "exit-reaches-no-delete";
    case FindingRule::race:
        return "delete-races-with-rearm";
    case FindingRule::init_fails:
        break;
    }
    return "init-failure-leaves-it";
}

std::string_view name_of(Certainty certainty) {
    switch (certainty) {
    case Certainty::certain:
        return "certain";
    case Certainty::likely:
        return "likely";
    case Certainty::race:
        return "race";
    case Certainty::possible:
        break;
    }
    return "possible";
}

namespace {

const Function& function_of(const ModuleCode& code, FunctionIndex index) {
    return code.functions[static_cast<std::size_t>(index)];
}

bool contains(const FunctionSet& set, FunctionIndex index) {
    return index != no_function && set[static_cast<std::size_t>(index)];
}

bool any_calls(const ModuleCode& code, const FunctionSet& set, bool (*which)(std::string_view)) {
    for (std::size_t i = 0; i < set.size(); ++i) {
        if (set[i] && std::ranges::any_of(code.functions[i].externals, which))
            return true;
    }
    return false;
}

std::string name_of(const ModuleCode& code, FunctionIndex index) {
    return index == no_function ? "" : function_of(code, index).name;
}

bool arms(const Site& site) {
    return site.api->effect == Effect::arms && !site.at_once;
}

bool deletes(const Site& site) {
    return is_delete(site.api->effect);
}

// What all rules ask for, once.
struct Facts {
    explicit Facts(const ModuleCode& of);

    const ModuleCode& code;
    FunctionSet by_exit;    // what exit calls
    FunctionSet may_run;    // what may run on the way out: that, and what others may call
    FunctionSet after_init; // all that is not only init's
    bool exit_calls_back = false;
    bool exit_waits = false;
    bool waits_anywhere = false;
    bool unsure = false; // whether a timer is armed when exit begins may hang on more than the calls
    bool helped = false; // a function of the kernel's that may delete a timer is called
};

Facts::Facts(const ModuleCode& of) : code(of) {
    by_exit = reached_from(code, only(code, code.exit));
    const auto by_others = reached_from(code, called_by_others(code));
    for (std::size_t i = 0; i < by_exit.size(); ++i)
        exit_calls_back = exit_calls_back || (by_exit[i] && may_call_back(code.functions[i]));
    may_run = by_exit;
    // What others can call may have run before, when whoever used the module let go of it.
    for (std::size_t i = 0; i < may_run.size(); ++i)
        may_run[i] = may_run[i] || by_others[i];
    after_init = functions_where(code, [](const Function& function) { return !function.init; });
    exit_waits = any_calls(code, by_exit, waits);
    waits_anywhere = any_calls(code, after_init, waits);
    unsure = waits_anywhere || any_calls(code, reached_from(code, after_init), holds_modules);
    helped = any_calls(code, after_init, may_delete_within);
}

std::string subject_of(const Finding& finding) {
    auto text = fmt::format("the {}", name_of(finding.kind));
    if (!finding.timer.empty())
        text += " " + finding.timer;
    if (!finding.callback.empty())
        text +=
            fmt::format("{}{}()", finding.timer.empty() ? " of " : ", whose callback is ", finding.callback);
    return text;
}

Finding finding_at(const Facts& facts, FindingRule rule, const OwnTimer& timer, const Site& site) {
    Finding finding;
    finding.rule = rule;
    finding.kind = timer.kind;
    finding.timer = timer.variable;
    finding.callback = name_of(facts.code, timer.callback);
    finding.function = name_of(facts.code, site.function);
    finding.section = function_of(facts.code, site.function).section;
    finding.offset = site.offset;
    finding.api = site.api->name;
    return finding;
}

// The first call that arms it, and is more than init's where there is one. Nothing: it is never armed.
const Site* first_arm(const Facts& facts, const OwnTimer& timer) {
    const Site* found = nullptr;
    for (const auto& site : facts.code.sites) {
        if (!arms(site))
            continue;
        const auto same = concerns(facts.code, site, timer);
        if (same == Same::yes && (found == nullptr || found->function == timer.callback))
            found = &site;
    }
    return found;
}

// Its callback wakes up somebody, and the module waits for something: perhaps for that.
bool tells_its_end(const Facts& facts, const OwnTimer& timer) {
    return facts.waits_anywhere &&
           any_calls(facts.code, reached_from(facts.code, only(facts.code, timer.callback)), signals);
}

void find_never_deleted(const Facts& facts, const OwnTimer& timer, const Site& arm,
                        std::vector<Finding>& findings) {
    const bool known = timer.place.type == Place::Type::fixed && !timer.escapes;
    bool any_of_kind = false;
    for (const auto& site : facts.code.sites) {
        if (!deletes(site))
            continue;
        any_of_kind = any_of_kind || site.kind == timer.kind;
        if (concerns(facts.code, site, timer) != Same::no)
            return;
    }
    auto finding = finding_at(facts, FindingRule::never_deleted, timer, arm);
    const auto nothing =
        any_of_kind ? "nothing in the module deletes it" : "the module calls nothing that deletes one";
    finding.text = fmt::format("{}() arms {}, and {}", finding.function, subject_of(finding), nothing);
    const bool signals_end = tells_its_end(facts, timer);
    if (facts.exit_waits || facts.helped || signals_end) {
        finding.certainty = Certainty::possible;
        finding.text += facts.helped       ? "; a function of the kernel's that it calls may"
                        : facts.exit_waits ? "; but its exit waits, perhaps until the timer has expired"
                                           : "; but its callback wakes up who waits, perhaps for that";
    } else if (known && !facts.unsure) {
        finding.certainty = Certainty::certain;
    } else {
        finding.certainty = Certainty::likely;
    }
    findings.push_back(std::move(finding));
}

void find_not_reached(const Facts& facts, const OwnTimer& timer, const Site& arm,
                      std::vector<Finding>& findings) {
    const Site* elsewhere = nullptr;
    for (const auto& site : facts.code.sites) {
        if (!deletes(site) || concerns(facts.code, site, timer) == Same::no)
            continue;
        if (contains(facts.may_run, site.function))
            return;
        elsewhere = &site;
    }
    if (elsewhere == nullptr || facts.helped)
        return;
    auto finding = finding_at(facts, FindingRule::not_reached, timer, arm);
    const bool others = facts.exit_waits || facts.exit_calls_back || facts.waits_anywhere;
    finding.certainty = others ? Certainty::possible : Certainty::likely;
    finding.text = fmt::format(
        "{}() arms {}; what deletes one is called by {}(), which the module's exit does not reach",
        finding.function, subject_of(finding), name_of(facts.code, elsewhere->function));
    findings.push_back(std::move(finding));
}

void find_race(const Facts& facts, const OwnTimer& timer, std::vector<Finding>& findings) {
    const auto rearms = std::ranges::find_if(facts.code.sites, [&](const Site& site) {
        return arms(site) && site.function == timer.callback &&
               concerns(facts.code, site, timer) == Same::yes;
    });
    if (timer.callback == no_function || rearms == facts.code.sites.end())
        return;
    const Site* found = nullptr;
    bool waited_for = tells_its_end(facts, timer);
    for (std::size_t i = 0; i < facts.code.sites.size(); ++i) {
        const auto& site = facts.code.sites[i];
        if (!deletes(site) || site.function == timer.callback)
            continue;
        const auto same = concerns(facts.code, site, timer);
        if (site.api->effect != Effect::deletes) {
            // A variable's own delete names it; what is done through pointers is done to others.
            const bool to_others =
                timer.place.type == Place::Type::fixed && site.timer.type == Place::Type::field;
            waited_for = waited_for || same == Same::yes || (same == Same::maybe && !to_others);
            continue;
        }
        // A socket's timer holds a reference to it, which only its callback lets go of.
        if (same != Same::yes || !contains(facts.may_run, site.function) || site.api->name == "sk_stop_timer")
            continue;
        // The last word of exit, whatever waits elsewhere.
        if (std::ranges::find(facts.code.last_deletes, i) != facts.code.last_deletes.end()) {
            found = &site;
            waited_for = false;
            break;
        }
        if (found == nullptr ||
            (contains(facts.by_exit, site.function) && !contains(facts.by_exit, found->function)))
            found = &site;
    }
    // One that waits may be meant for it.
    if (waited_for)
        return;
    if (found == nullptr)
        return;
    auto finding = finding_at(facts, FindingRule::race, timer, *found);
    finding.certainty = Certainty::race;
    finding.text = fmt::format(
        "{}() deletes {} with {}(), which does not wait; a callback that is running meanwhile arms it "
        "again, at {}+{:#x}",
        finding.function, subject_of(finding), finding.api, function_of(facts.code, rearms->function).section,
        rearms->offset);
    findings.push_back(std::move(finding));
}

void find_failing_init(const Facts& facts, std::vector<Finding>& findings) {
    for (const auto& path : facts.code.failing_paths) {
        const auto& site = facts.code.sites[path.site];
        const auto timer = std::ranges::find_if(facts.code.timers, [&](const OwnTimer& own) {
            return concerns(facts.code, site, own) == Same::yes;
        });
        OwnTimer unknown;
        unknown.kind = site.kind;
        auto finding = finding_at(facts, FindingRule::init_fails,
                                  timer == facts.code.timers.end() ? unknown : *timer, site);
        finding.certainty = Certainty::possible;
        const auto why =
            path.failed.empty() ? "it fails after that" : fmt::format("it fails if {}() does", path.failed);
        finding.text = fmt::format("{}() arms {}; {}, and returns at {}+{:#x} without having deleted it",
                                   finding.function, subject_of(finding), why, finding.section, path.end);
        findings.push_back(std::move(finding));
    }
}

} // namespace

std::vector<Finding> find_faults(const ModuleCode& code) {
    const Facts facts(code);
    std::vector<Finding> findings;
    if (code.exit != no_function) {
        for (const auto& timer : code.timers) {
            const auto* const arm = first_arm(facts, timer);
            if (arm == nullptr)
                continue;
            // Somebody else's code, set up by nobody here: somebody else's timer.
            if (timer.callback == no_function && timer.place.type != Place::Type::fixed)
                continue;
            const auto before = findings.size();
            find_never_deleted(facts, timer, *arm, findings);
            if (findings.size() == before)
                find_not_reached(facts, timer, *arm, findings);
            if (findings.size() == before)
                find_race(facts, timer, findings);
        }
    }
    find_failing_init(facts, findings);
    std::ranges::stable_sort(findings, {}, [](const Finding& finding) { return finding.certainty; });
    // A timer can be set up in several places.
    std::vector<Finding> once;
    std::ranges::copy_if(findings, std::back_inserter(once), [&](const Finding& finding) {
        return std::ranges::find(once, finding) == once.end();
    });
    return once;
}

} // namespace disarmd
