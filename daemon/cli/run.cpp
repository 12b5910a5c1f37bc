// SPDX-License-Identifier: Apache-2.0
#include <csignal>
#include <cstdlib>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spdlog/spdlog.h>

#include "base/event_loop.h"
#include "base/priority.h"
#include "base/text.h"
#include "cli/commands.h"
#include "config/config.h"
#include "incident/text.h"
#include "kernel/requirements.h"
#include "probe/holder.h"
#include "sinks/dispatcher.h"
#include "sinks/sink.h"

namespace disarmd {

namespace {

// For what is queued, at the end.
constexpr std::chrono::seconds sinks_patience(5);

// Null if that can't be, which is told.
std::unique_ptr<Holder> make_holder(Probe& probe, std::chrono::milliseconds limit) {
    auto holder = Holder::create(probe, limit);
    if (holder)
        return std::move(*holder);
    spdlog::error("{} (sinks.hold_ms)", holder.error().text());
    return nullptr;
}

class Service {
public:
    Service(Probe probe, EventLoop loop, std::vector<std::unique_ptr<Sink>> sinks,
            std::chrono::milliseconds hold)
        : probe_(std::move(probe)),
          loop_(std::move(loop)),
          holder_(hold.count() != 0 ? make_holder(probe_, hold) : nullptr),
          dispatcher_(std::move(sinks), [this](const Incident& incident) { release(incident); }),
          host_(read_host()) {}

    ExitCode run();

private:
    ExitCode watch();
    Result<void> listen();
    void tell_how_it_watches() const;
    void take_unloads();
    void record(Unload unload);
    void release(const Incident& incident) {
        if (holder_ && incident.unload.verdict == Verdict::leak)
            holder_->release();
    }
    void tell_losses();
    void give_up(const Error& error);

    Probe probe_;
    EventLoop loop_;
    std::unique_ptr<Holder> holder_; // before any other thread; null: nothing is held
    Dispatcher dispatcher_;
    Host host_;
    LossCounts losses_{}; // those that were told
};

void Service::give_up(const Error& error) {
    spdlog::critical("{}", error.text());
    loop_.stop(static_cast<int>(ExitCode::inconclusive));
}

void Service::record(Unload unload) {
    auto incident = make_incident(std::move(unload), host_);
    const auto verdict = incident.unload.verdict;
    const auto line = to_log(incident).front();
    // The sinks come before the log: the host may have only milliseconds left.
    dispatcher_.dispatch(std::move(incident));
    const auto level = verdict == Verdict::leak    ? spdlog::level::critical
                       : verdict == Verdict::clean ? spdlog::level::debug
                                                   : spdlog::level::warn;
    spdlog::log(level, "{}", line);
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
        [&](Unload unload) {
            record(std::move(unload));
            judged = true;
        },
        // Until record() has been everywhere.
        [this] {
            if (holder_)
                holder_->hold();
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

ExitCode Service::watch() {
    if (auto watching = probe_.watch(); !watching)
        return complain(watching.error(), ExitCode::impossible);
    if (auto listening = listen(); !listening)
        return complain(listening.error(), ExitCode::inconclusive);
    if (auto hurried = run_before_others(); !hurried)
        spdlog::info("{}: on a busy host a record may be late", hurried.error().text());
    probe_.begin_to_read_symbols();
    tell_how_it_watches();
    const auto modules = probe_.modules();
    const auto timers = probe_.armed_timers();
    if (!modules || !timers)
        return complain(modules ? timers.error() : modules.error(), ExitCode::inconclusive);
    std::vector<std::string_view> names;
    const auto health = dispatcher_.health();
    names.reserve(health.size());
    for (const auto& sink : health)
        names.push_back(sink.name);
    probe_.rehearse();
    spdlog::info("watching {} with {} armed, incidents to log{}{}", count_text(modules->size(), "module"),
                 count_text(timers->size(), "timer"), names.empty() ? "" : ", ", fmt::join(names, ", "));
    const auto ended = loop_.run();
    take_unloads(); // that came with the signal
    return ended ? static_cast<ExitCode>(*ended) : complain(ended.error(), ExitCode::inconclusive);
}

ExitCode Service::run() {
    const auto code = watch();
    // However it ended: the sinks' threads use what an end would take away.
    if (!dispatcher_.close(sinks_patience)) {
        for (const auto& sink : dispatcher_.health()) {
            if (sink.busy_for.count() != 0)
                spdlog::error("sink {} still hangs in a write, since {}: it is left alone", sink.name,
                              duration_text(sink.busy_for));
        }
        spdlog::default_logger()->flush();
        std::_Exit(static_cast<int>(ExitCode::inconclusive));
    }
    spdlog::info("no longer watching");
    return code;
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
    return Service(std::move(*probe), std::move(*loop), std::move(*sinks), config->sinks.hold).run();
}

} // namespace disarmd
