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
    void take_unloads();
    void record(const Unload& unload);
    void give_up(const Error& error);

    Probe probe_;
    EventLoop loop_;
    std::vector<std::unique_ptr<Sink>> sinks_;
    std::uint64_t unloads_lost_ = 0;
};

void Service::give_up(const Error& error) {
    spdlog::critical("{}", error.text());
    loop_.stop(static_cast<int>(ExitCode::inconclusive));
}

void Service::record(const Unload& unload) {
    if (unload.verdict == Verdict::clean) {
        spdlog::debug("{}", to_summary(unload));
        return;
    }
    // The sinks come before the log: the host may have only milliseconds left.
    for (const auto& sink : sinks_) {
        if (auto written = sink->write(unload); !written)
            spdlog::error("sink {}: {}", sink->name(), written.error().text());
    }
    if (unload.verdict == Verdict::leak)
        spdlog::critical("{}", to_summary(unload));
    else
        spdlog::warn("{}", to_summary(unload));
}

void Service::take_unloads() {
    const auto consumed = probe_.consume(
        [](const std::string& module) { spdlog::debug("module {} was loaded", printable(module)); },
        [this](const Unload& unload) { record(unload); });
    if (!consumed)
        return give_up(consumed.error());
    const auto lost = probe_.losses(abi::LOSS_UNLOAD_MAP);
    if (lost != unloads_lost_)
        spdlog::error("the verdicts of {} could not be stored", count_text(lost - unloads_lost_, "unload"));
    unloads_lost_ = lost;
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
    for (const auto& hook : probe_.hooks()) {
        if (!hook.attached)
            spdlog::warn("{} ({}) is not watched: {}", hook.name, hook.purpose, hook.why_not);
    }
    const auto modules = probe_.modules();
    const auto timers = probe_.armed_timers();
    if (!modules || !timers)
        return complain(modules ? timers.error() : modules.error(), ExitCode::inconclusive);
    std::vector<std::string_view> names;
    for (const auto& sink : sinks_)
        names.push_back(sink->name());
    spdlog::info("watching {} with {} armed, backend {}, incidents to log{}{}",
                 count_text(modules->size(), "module"), count_text(timers->size(), "timer"), probe_.backend(),
                 names.empty() ? "" : ", ", fmt::join(names, ", "));
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
    auto probe = open_probe();
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
