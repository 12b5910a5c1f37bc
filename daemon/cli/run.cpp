// SPDX-License-Identifier: Apache-2.0
#include <csignal>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spdlog/spdlog.h>

#include "base/event_loop.h"
#include "base/text.h"
#include "cli/commands.h"
#include "config/config.h"
#include "incident/text.h"
#include "kernel/requirements.h"
#include "sinks/sink.h"

namespace disarmd {

namespace {

class Service {
public:
    Service(Probe probe, EventLoop loop, std::vector<std::unique_ptr<Sink>> sinks)
        : probe_(std::move(probe)), loop_(std::move(loop)), sinks_(std::move(sinks)) {}

    ExitCode run();

private:
    Result<void> listen();
    void tell_how_it_watches() const;
    void take_unloads();
    void record(const Unload& unload);
    void tell_losses();
    void give_up(const Error& error);

    Probe probe_;
    EventLoop loop_;
    std::vector<std::unique_ptr<Sink>> sinks_;
    LossCounts losses_{}; // those that were told
};

void Service::give_up(const Error& error) {
    spdlog::critical("{}", error.text());
    loop_.stop(static_cast<int>(ExitCode::inconclusive));
}

void Service::record(const Unload& unload) {
    // The sinks come before the log: the host may have only milliseconds left.
    for (const auto& sink : sinks_) {
        if (!sink->takes(unload))
            continue;
        if (auto written = sink->write(unload); !written)
            spdlog::error("sink {}: {}", sink->name(), written.error().text());
    }
    const auto level = unload.verdict == Verdict::leak    ? spdlog::level::critical
                       : unload.verdict == Verdict::clean ? spdlog::level::debug
                                                          : spdlog::level::warn;
    spdlog::log(level, "{}", to_summary(unload));
}

void Service::tell_losses() {
    const auto losses = losses_of(probe_);
    for (const auto& loss : describe_losses(losses_, losses))
        spdlog::warn("lost: {}", loss);
    losses_ = losses;
}

void Service::take_unloads() {
    bool judged = false;
    const auto consumed = probe_.consume(
        [](const std::string& module) { spdlog::debug("module {} was loaded", printable(module)); },
        [&](const Unload& unload) {
            record(unload);
            judged = true;
        });
    if (!consumed)
        return give_up(consumed.error());
    auto& told = losses_.at(abi::LOSS_UNLOAD_MAP);
    const auto lost = probe_.losses(abi::LOSS_UNLOAD_MAP);
    if (lost != told)
        spdlog::error("the verdicts of {} could not be stored", count_text(lost - told, "unload"));
    told = lost;
    // A host may lose arms by the thousand; they matter where a module is judged.
    if (judged)
        tell_losses();
}

void Service::tell_how_it_watches() const {
    spdlog::info("backend {}: {}", probe_.backend(), probe_.backend_reason());
    for (const auto& hook : probe_.hooks()) {
        if (hook.attached)
            continue;
        std::vector<std::string> attempts;
        for (const auto& attempt : hook.attempts)
            attempts.push_back(fmt::format("{} by {}: {}", attempt.name, attempt.method, attempt.outcome));
        spdlog::warn("not watched: {} ({}); {}", hook.purpose, hook.name, fmt::join(attempts, "; "));
    }
    if (!probe_.survey_complete())
        spdlog::warn("not every timer that was armed before could be seen; a verdict that this may concern "
                     "will say so");
}

Result<void> Service::listen() {
    for (const int signal : {SIGINT, SIGTERM}) {
        if (auto added = loop_.on_signal(signal, [this] { loop_.stop(static_cast<int>(ExitCode::clean)); });
            !added)
            return added;
    }
    return loop_.on_readable(probe_.wake_fd(), [this] { take_unloads(); });
}

ExitCode Service::run() {
    if (auto watching = probe_.watch(); !watching)
        return complain(watching.error(), ExitCode::impossible);
    if (auto listening = listen(); !listening)
        return complain(listening.error(), ExitCode::inconclusive);
    tell_how_it_watches();
    const auto modules = probe_.modules();
    const auto timers = probe_.armed_timers();
    if (!modules || !timers)
        return complain(modules ? timers.error() : modules.error(), ExitCode::inconclusive);
    std::vector<std::string_view> names;
    for (const auto& sink : sinks_)
        names.push_back(sink->name());
    spdlog::info("watching {} with {} armed, incidents to log{}{}", count_text(modules->size(), "module"),
                 count_text(timers->size(), "timer"), names.empty() ? "" : ", ", fmt::join(names, ", "));
    const auto ended = loop_.run();
    if (!ended)
        return complain(ended.error(), ExitCode::inconclusive);
    spdlog::info("no longer watching");
    return static_cast<ExitCode>(*ended);
}

} // namespace

ExitCode run(const RunOptions& options) {
    const auto config = load_config(options.config);
    if (!config)
        return complain(config.error(), ExitCode::usage);
    auto settings = config->probe;
    settings.backend = options.backend.value_or(settings.backend);
    auto probe = open_probe(settings);
    if (!probe)
        return complain(probe.error(), ExitCode::impossible);
    auto sinks = open_sinks(config->sinks);
    if (!sinks)
        return complain(sinks.error(), ExitCode::usage);
    auto loop = EventLoop::create();
    if (!loop)
        return complain(loop.error(), ExitCode::inconclusive);
    return Service(std::move(*probe), std::move(*loop), std::move(*sinks)).run();
}

} // namespace disarmd
