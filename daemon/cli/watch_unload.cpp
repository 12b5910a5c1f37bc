// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <csignal>
#include <cstring>
#include <optional>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "base/event_loop.h"
#include "base/text.h"
#include "cli/child.h"
#include "cli/commands.h"
#include "cli/source_lines.h"
#include "incident/json.h"
#include "incident/ktap.h"
#include "incident/text.h"
#include "verdict/decode.h"

namespace disarmd {

namespace {

// What COMMAND has to end in order, from the SIGTERM on.
constexpr std::chrono::seconds command_grace(2);

// Nothing could be watched: stderr says why, and so does what is to be parsed.
ExitCode refuse(const WatchUnloadOptions& options, const Error& error, ExitCode code) {
    complain(error, code);
    if (!options.ktap)
        return code;
    return print_result(code == ExitCode::impossible
                            ? to_ktap_skip(error.text())
                            : to_ktap(options.module, {}, CutShort{false, error.text()}),
                        code);
}

// One watch: what has been seen of the module so far, and how it may end.
class Watch {
public:
    Watch(const WatchUnloadOptions& options, Probe probe, EventLoop loop)
        : options_(options), probe_(std::move(probe)), loop_(std::move(loop)) {}

    ExitCode run();

private:
    Result<void> announce();
    Result<void> listen();
    void take_unloads();
    void end(ExitCode code) { loop_.stop(static_cast<int>(code)); }
    Result<void> start_command();
    void on_command_change(int how, int status);
    void on_timeout();
    void on_interrupt(std::string_view signal);
    [[nodiscard]] std::string ktap() const;
    ExitCode report(ExitCode ended_with);

    const WatchUnloadOptions& options_;
    Probe probe_;
    EventLoop loop_;
    std::optional<Command> command_; // while it runs
    std::vector<Unload> unloads_;
    std::vector<std::string> trouble_;  // why there may be no verdict
    std::optional<CutShort> cut_short_; // by the clock or a signal
};

Result<void> Watch::announce() {
    const auto modules = probe_.modules();
    if (!modules)
        return fail(modules.error());
    const auto module = std::ranges::find_if(*modules, [&](const LoadedModule& candidate) {
        return text_of(candidate.instance.name) == options_.module;
    });
    if (module == modules->end()) {
        say("READY: module {} is not loaded yet; watching for it\n", options_.module);
        return {};
    }
    const auto timers = probe_.armed_timers();
    if (!timers)
        return fail(timers.error());
    const auto inventory = take_inventory({*module}, *timers, {}, {});
    const std::size_t armed =
        inventory.empty() || inventory.front().module.empty() ? 0 : inventory.front().timers.size();
    say("READY: module {} is loaded, with {} armed; watching for its unload\n", options_.module,
        count_text(armed, "timer"));
    return {};
}

Result<void> Watch::listen() {
    if (auto added = loop_.on_readable(probe_.wake_fd(), [this] { take_unloads(); }); !added)
        return added;
    if (auto added = loop_.on_signal(SIGINT, [this] { on_interrupt("SIGINT"); }); !added)
        return added;
    if (auto added = loop_.on_signal(SIGTERM, [this] { on_interrupt("SIGTERM"); }); !added)
        return added;
    if (options_.timeout) {
        if (auto added = loop_.after(*options_.timeout, [this] { on_timeout(); }); !added)
            return added;
    }
    return {};
}

void Watch::take_unloads() {
    const auto consumed = probe_.consume(
        [this](const std::string& module) {
            if (module == options_.module)
                say("module {} was loaded\n", options_.module);
        },
        [this](Unload unload) {
            if (unload.module == options_.module)
                unloads_.push_back(std::move(unload));
        });
    if (!consumed) {
        trouble_.push_back(consumed.error().text());
        return end(ExitCode::inconclusive);
    }
    // Without a command the first unload is the one; with one, all until it ends.
    if (!unloads_.empty() && options_.command.empty())
        end(ExitCode::clean);
}

Result<void> Watch::start_command() {
    auto command = Command::start(options_.command);
    if (!command)
        return fail(command.error());
    command_ = std::move(*command);
    if (auto added = loop_.on_signal(SIGCONT,
                                     [this] {
                                         if (command_)
                                             command_->go_on();
                                     });
        !added)
        return added;
    return loop_.on_child_change(command_->pid(),
                                 [this](int how, int status) { on_command_change(how, status); });
}

void Watch::on_command_change(int how, int status) {
    if (how == CLD_STOPPED)
        return command_->stop_along(status);
    const bool had_terminal = command_->give_back_terminal();
    command_.reset();
    if (how == CLD_KILLED && status == SIGINT && had_terminal) {
        ::kill(0, SIGINT); // Ctrl-C is for the whole job, of which the command was a part
        return on_interrupt("SIGINT");
    }
    if (how != CLD_EXITED) {
        const char* const meaning = ::sigdescr_np(status); // null for the real-time ones
        say("disarmd: {} was killed by signal {} ({})\n", printable(options_.command.front()), status,
            meaning != nullptr ? meaning : "real-time");
    } else if (status != 0) {
        say("disarmd: {} exited with status {}\n", printable(options_.command.front()), status);
    }
    // A verdict is stored before delete_module() returns: what it did is all there.
    take_unloads();
    end(ExitCode::clean);
}

void Watch::on_timeout() {
    const auto text = fmt::format("timed out after {}", duration_text(*options_.timeout));
    say("disarmd: {}\n", text);
    cut_short_ = CutShort{true, text};
    end(ExitCode::timed_out);
}

void Watch::on_interrupt(std::string_view signal) {
    const auto text = fmt::format("{}: no longer watching", signal);
    say("disarmd: {}\n", text);
    cut_short_ = CutShort{false, text};
    end(ExitCode::inconclusive);
}

// One result for each unload, and one for what was not seen.
std::string Watch::ktap() const {
    std::vector<Incident> incidents;
    incidents.reserve(unloads_.size());
    for (const auto& unload : unloads_) {
        incidents.push_back(make_incident(unload, read_host()));
        add_source_lines(incidents.back(), options_.module_file);
    }
    auto cut_short = cut_short_;
    if (!cut_short && !trouble_.empty())
        cut_short = CutShort{false, fmt::format("{}", fmt::join(trouble_, "; "))};
    return to_ktap(options_.module, incidents, cut_short);
}

ExitCode Watch::report(ExitCode ended_with) {
    // Several unloads while one command ran: the worst of them is the answer.
    const auto severity = [](const Unload& unload) {
        return unload.verdict == Verdict::leak ? 0 : unload.verdict == Verdict::inconclusive ? 1 : 2;
    };
    const auto worst = std::ranges::min_element(unloads_, {}, severity);
    const bool found = worst != unloads_.end();
    Unload unload = found ? *worst : Unload{};
    if (!found) {
        unload.module = options_.module;
        unload.backend = probe_.backend();
    }
    if (probe_.losses(abi::LOSS_UNLOAD_MAP) != 0)
        trouble_.emplace_back("the verdicts of some unloads could not be stored");
    // What was not seen may have been a leak.
    if (unload.verdict != Verdict::leak && !trouble_.empty()) {
        unload.verdict = Verdict::inconclusive;
        unload.why_inconclusive.insert(unload.why_inconclusive.end(), trouble_.begin(), trouble_.end());
    }
    // A watch that was cut short has no verdict but a leak that it saw.
    const auto verdict_code = exit_code_of(unload.verdict);
    const auto code =
        unload.verdict != Verdict::leak && ended_with != ExitCode::clean ? ended_with : verdict_code;
    if (options_.ktap)
        return print_result(ktap(), code);
    auto incident = make_incident(std::move(unload), read_host());
    add_source_lines(incident, options_.module_file);
    return print_result(
        options_.json ? to_line(to_json(incident)) + '\n' : to_page(incident, colour_of_stdout()), code);
}

ExitCode Watch::run() {
    if (auto watching = probe_.watch(); !watching)
        return refuse(options_, watching.error(), ExitCode::impossible);
    if (auto listening = listen(); !listening)
        return refuse(options_, listening.error(), ExitCode::inconclusive);
    if (auto announced = announce(); !announced)
        return refuse(options_, announced.error(), ExitCode::inconclusive);
    if (!options_.command.empty()) {
        if (auto started = start_command(); !started)
            return refuse(options_, started.error(), ExitCode::usage);
    }
    probe_.begin_to_read_symbols();
    const auto ended = loop_.run();
    if (command_) {
        command_->end(command_grace);
        take_unloads(); // those that it did at its end
    }
    if (!ended)
        return refuse(options_, ended.error(), ExitCode::inconclusive);
    return report(static_cast<ExitCode>(*ended));
}

// A built-in module has a folder in sysfs only for its parameters; initstate is a loadable one's.
bool is_built_in(const std::string& module) {
    const auto folder = "/sys/module/" + module;
    return ::access(folder.c_str(), F_OK) == 0 && ::access((folder + "/initstate").c_str(), F_OK) != 0;
}

} // namespace

ExitCode watch_unload(const WatchUnloadOptions& options) {
    if (is_built_in(options.module))
        return refuse(options,
                      {EINVAL, fmt::format("module {} is built into this kernel: it can't be unloaded",
                                           options.module)},
                      ExitCode::usage);
    if (options.module_file) {
        if (auto checked = check_module_file(*options.module_file); !checked)
            return refuse(options, checked.error(), ExitCode::usage);
    }
    ProbeSettings settings;
    settings.backend = options.backend;
    auto probe = open_probe(settings);
    if (!probe)
        return refuse(options, probe.error(), ExitCode::impossible);
    auto loop = EventLoop::create();
    if (!loop)
        return refuse(options, loop.error(), ExitCode::inconclusive);
    return Watch(options, std::move(*probe), std::move(*loop)).run();
}

} // namespace disarmd
