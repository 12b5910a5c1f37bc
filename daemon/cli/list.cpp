// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <thread>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "base/event_loop.h"
#include "cli/commands.h"
#include "cli/list_view.h"
#include "cli/policy_view.h"
#include "cli/terminal.h"
#include "config/config.h"
#include "incident/json.h"
#include "probe/pins.h"
#include "state/rates.h"
#include "verdict/decode.h"
#include "verdict/gaps.h"

namespace disarmd {

namespace {

// Of the rules that a service would follow. A configuration that is wrong is told, and has none.
std::vector<PolicyRow> read_policy(const Probe& probe, const std::vector<LoadedModule>& modules) {
    const auto config = load_config(std::nullopt);
    const auto timers = probe.armed_timers();
    const auto areas = probe.percpu_areas();
    if (!config || !timers || !areas) {
        say("disarmd: {}\n", (!config ? config.error() : !timers ? timers.error() : areas.error()).text());
        return {};
    }
    auto rows = policy_rows(*config, modules, *timers, *areas);
    if (std::ranges::any_of(rows, &PolicyRow::denied) && !is_anything_pinned())
        say("disarmd: no service has run since this host was booted (or it was released): "
            "what the rules say is not in force\n");
    return rows;
}

// Looks, one after the other, at what the probe knows.
class Looks {
public:
    Looks(const ListOptions& options, Probe probe) : options_(options), probe_(std::move(probe)) {}

    // What the options ask for of it, with rates from the second look on.
    Result<std::vector<ModuleTimers>> take();

    Probe& probe() { return probe_; }
    // Whether an arm may have escaped since the first look.
    [[nodiscard]] bool has_lost() const;

private:
    [[nodiscard]] bool is_asked_for(const ArmedTimer& timer) const;

    const ListOptions& options_;
    Probe probe_;
    std::vector<ArmedTimer> before_;
    std::optional<std::uint64_t> before_ns_;
};

bool Looks::is_asked_for(const ArmedTimer& timer) const {
    const bool is_of_kind =
        options_.kinds.empty() ||
        std::ranges::find(options_.kinds, kind_of(timer.state.kind)) != options_.kinds.end();
    return is_of_kind && (timer.state.armed != 0 || timer.arms_per_s.value_or(0) > 0);
}

Result<std::vector<ModuleTimers>> Looks::take() {
    const auto now_ns = monotonic_ns();
    const auto modules = probe_.modules();
    if (!modules)
        return fail(modules.error());
    auto timers = probe_.tracked_timers();
    if (!timers)
        return fail(timers.error());
    if (before_ns_)
        measure_rates(before_, *timers, time_between(*before_ns_, now_ns));
    before_ = *timers;
    before_ns_ = now_ns;
    std::erase_if(*timers, [&](const ArmedTimer& timer) { return !is_asked_for(timer); });
    std::vector<std::uint64_t> callbacks;
    for (const auto& timer : *timers)
        callbacks.push_back(timer.state.callback);
    const auto symbols = name_addresses(callbacks);
    if (!symbols)
        return fail(symbols.error());
    auto inventory = take_inventory(*modules, *timers, *symbols, probe_.clocks(), now_ns);
    keep_asked(inventory, options_);
    return inventory;
}

bool Looks::has_lost() const {
    return std::ranges::any_of(std::array{abi::LOSS_TIMER_MAP, abi::LOSS_TIMER_READ, abi::LOSS_MODULE_MAP},
                               [&](abi::loss what) { return probe_.losses(what) != 0; });
}

ExitCode complain_of_lack(std::string_view why) {
    return complain({EAGAIN, fmt::format("the list may lack timers: {}", why)}, ExitCode::inconclusive);
}

// What is said where there is nothing to show.
std::string nothing_text(const ListOptions& options) {
    if (options.orphans)
        return "no timer is left by a module that is gone";
    const auto what = options.kinds.empty() ? "timer" : "such timer";
    return options.module ? fmt::format("module {} has no {} armed", *options.module, what)
                          : fmt::format("modules have no {} armed", what);
}

std::string table_for_stdout(const std::vector<ListedTimer>& timers, const ListOptions& options) {
    const auto size = size_of_stdout();
    return list_table(timers, options, size ? std::optional(size->columns) : std::nullopt);
}

std::string json_text(const std::vector<ModuleTimers>& inventory, const std::vector<PolicyRow>& policy,
                      const ListOptions& options) {
    if (options.orphans)
        return to_line(orphans_to_json(inventory.empty() ? std::vector<InventoryTimer>{}
                                                         : inventory.front().timers)) +
               '\n';
    auto json = to_json(inventory);
    if (!policy.empty())
        json["policy"] = to_json(policy);
    return to_line(json) + '\n';
}

ExitCode print_once(const std::vector<ModuleTimers>& inventory, const std::vector<PolicyRow>& policy,
                    const ListOptions& options, ExitCode code) {
    if (options.json)
        return print_result(json_text(inventory, policy, options), code);
    const auto timers = listed_timers(inventory, options.next);
    if (timers.empty())
        say("{}\n", nothing_text(options));
    if (options.ndjson)
        return print_result(list_lines(timers, time_text(std::chrono::system_clock::now())), code);
    auto text = timers.empty() ? "" : table_for_stdout(timers, options);
    if (!policy.empty())
        text += (text.empty() ? "" : "\n") + to_table(policy);
    return print_result(text, code);
}

// Looks again and again, on the terminal's other screen if there is one, until it is interrupted.
class LiveList {
public:
    LiveList(const ListOptions& options, Looks& looks, EventLoop loop, ExitCode code)
        : options_(options), looks_(looks), loop_(std::move(loop)), code_(code) {}

    ExitCode run();

private:
    Result<void> listen();
    void look();
    Result<std::string> snapshot();
    void print(std::string_view text);
    void suspend();
    void end(const Error& error);

    const ListOptions& options_;
    Looks& looks_;
    EventLoop loop_;
    ExitCode code_;
    const bool draws_ = has_screen() && !options_.ndjson;
    std::optional<Error> trouble_; // told when the terminal is as it was
};

Result<void> LiveList::listen() {
    for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) {
        if (auto added = loop_.on_signal(signal, [this] { loop_.stop(0); }); !added)
            return added;
    }
    if (draws_) {
        if (auto added = loop_.on_signal(SIGTSTP, [this] { suspend(); }); !added)
            return added;
    }
    if (auto added = loop_.after(std::chrono::microseconds(0), [this] { look(); }); !added)
        return added;
    return loop_.every(*options_.watch, [this] { look(); });
}

Result<std::string> LiveList::snapshot() {
    // Verdicts are nobody's here: they make room for others.
    if (auto consumed = looks_.probe().consume([](const std::string&) {}, [](const Unload&) {}); !consumed)
        return fail(consumed.error());
    const auto inventory = looks_.take();
    if (!inventory)
        return fail(inventory.error());
    const auto timers = listed_timers(*inventory, options_.next);
    const auto time = time_text(std::chrono::system_clock::now());
    if (options_.ndjson)
        return list_lines(timers, time);
    const auto head = headline(timers, time) + (looks_.has_lost() ? "; some may be missing" : "");
    return fmt::format("{}\n{}\n", head, timers.empty() ? "" : table_for_stdout(timers, options_));
}

void LiveList::look() {
    const auto text = snapshot();
    if (!text)
        return end(text.error());
    print(draws_ ? frame(*text, size_of_stdout().value_or(TerminalSize{})) : *text);
}

void LiveList::print(std::string_view text) {
    if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0)
        end(Error::from_errno("writing the result to stdout"));
}

// Ctrl-Z: the shell gets its terminal as it was.
void LiveList::suspend() {
    print(leave_screen);
    // And not SIGSTOP: where nobody could ever continue it, the kernel does not stop it.
    sigset_t stop{};
    ::sigemptyset(&stop);
    ::sigaddset(&stop, SIGTSTP);
    ::raise(SIGTSTP);
    ::pthread_sigmask(SIG_UNBLOCK, &stop, nullptr);
    ::pthread_sigmask(SIG_BLOCK, &stop, nullptr);
    print(enter_screen);
    look();
}

void LiveList::end(const Error& error) {
    trouble_ = error;
    loop_.stop(0);
}

ExitCode LiveList::run() {
    if (auto listening = listen(); !listening)
        return complain(listening.error(), ExitCode::inconclusive);
    if (draws_)
        print(enter_screen);
    const auto ended = loop_.run();
    if (draws_) { // after a hang-up there is no terminal left to write to
        std::fwrite(leave_screen.data(), 1, leave_screen.size(), stdout);
        std::fflush(stdout);
    }
    if (!ended)
        return complain(ended.error(), ExitCode::inconclusive);
    if (trouble_)
        return complain(*trouble_, ExitCode::inconclusive);
    return looks_.has_lost() ? complain_of_lack("events were lost") : code_;
}

} // namespace

ExitCode list(const ListOptions& options) {
    ProbeSettings settings;
    settings.backend = options.backend;
    auto probe = open_probe(settings);
    if (!probe)
        return complain(probe.error(), ExitCode::impossible);
    if (options.rate || options.watch) { // whoever counts has to see every arm
        if (auto watching = probe->watch(); !watching)
            return complain(watching.error(), ExitCode::impossible);
    }
    const auto gaps = probe->survey();
    if (!gaps)
        return complain(gaps.error(), ExitCode::impossible);
    const auto modules = probe->modules();
    if (!modules)
        return complain(modules.error(), ExitCode::impossible);
    Rule rule;
    rule.module = options.module.value_or("*");
    if (options.module && !options.watch && std::ranges::none_of(*modules, [&](const LoadedModule& module) {
            return takes(rule, text_of(module.instance.name), "");
        }))
        return complain(
            {ENOENT, fmt::format("module {} is not loaded (lsmod shows which are)", *options.module)},
            ExitCode::usage);

    Looks looks(options, std::move(*probe));
    const auto code = *gaps == 0 ? ExitCode::clean
                                 : complain_of_lack(fmt::format("{}", fmt::join(describe_gaps(*gaps), "; ")));
    if (options.watch) {
        auto loop = EventLoop::create();
        if (!loop)
            return complain(loop.error(), ExitCode::inconclusive);
        return LiveList(options, looks, std::move(*loop), code).run();
    }
    auto inventory = looks.take();
    if (inventory && options.rate) {
        std::this_thread::sleep_for(*options.rate);
        inventory = looks.take();
    }
    if (!inventory)
        return complain(inventory.error(), ExitCode::impossible);
    std::vector<PolicyRow> policy;
    if (!options.orphans && !options.next && !options.ndjson) {
        policy = read_policy(looks.probe(), *modules);
        std::erase_if(policy, [&](const PolicyRow& row) { return !takes(rule, row.module, ""); });
    }
    return print_once(*inventory, policy, options,
                      looks.has_lost() ? complain_of_lack("events were lost") : code);
}

} // namespace disarmd
