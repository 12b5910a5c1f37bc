// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <mutex>
#include <span>

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <malloc.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/event_loop.h"
#include "base/priority.h"
#include "base/service_manager.h"
#include "base/text.h"
#include "base/unique_fd.h"
#include "cli/commands.h"
#include "cli/examiner.h"
#include "cli/module_knowledge.h"
#include "config/config.h"
#include "incident/text.h"
#include "kernel/requirements.h"
#include "metrics/exporter.h"
#include "probe/enforcer.h"
#include "probe/holder.h"
#include "probe/pins.h"
#include "probe/predecessor.h"
#include "sinks/dispatcher.h"
#include "sinks/sink.h"
#include "state/census.h"
#include "verdict/decode.h"

namespace disarmd {

namespace {

// For what is queued, at the end.
constexpr std::chrono::seconds sinks_patience(5);
// How often the service manager hears what is going on.
constexpr std::chrono::microseconds status_period(std::chrono::seconds(10));
// A write that takes longer is told of.
constexpr std::chrono::seconds stuck_sink(10);

// Null if that can't be, which is told.
std::unique_ptr<Holder> make_holder(Probe& probe, std::chrono::milliseconds limit) {
    auto holder = Holder::create(probe, limit);
    if (holder)
        return std::move(*holder);
    spdlog::error("{} (sinks.hold_ms)", holder.error().text());
    return nullptr;
}

// Before a panic the memory of the module is not to go either.
constexpr std::chrono::milliseconds hold_for_panic(1000);

std::chrono::milliseconds hold_of(const Config& config) {
    return config.policy.panic_confirmed ? std::max(config.sinks.hold, hold_for_panic) : config.sinks.hold;
}

// Does not return where the kernel has that.
void panic() {
    const UniqueFd trigger(::open("/proc/sysrq-trigger", O_WRONLY | O_CLOEXEC));
    if (!trigger || ::write(trigger.get(), "c", 1) != 1)
        spdlog::critical(
            "{}", Error::from_errno("crashing the host by /proc/sysrq-trigger, as a rule says").text());
}

class Service {
public:
    Service(Probe probe, std::vector<Predecessor> predecessors, EventLoop loop,
            std::vector<std::unique_ptr<Sink>> sinks, Config config, RunOptions options)
        : probe_(std::move(probe)),
          loop_(std::move(loop)),
          holder_(hold_of(config).count() != 0 ? make_holder(probe_, hold_of(config)) : nullptr),
          dispatcher_(std::move(sinks), [this](const Incident& incident) { release(incident); }),
          host_(read_host()),
          config_(std::move(config)),
          options_(std::move(options)),
          known_(config_),
          predecessors_(std::move(predecessors)) {}

    ExitCode run();

private:
    ExitCode watch();
    Inheritance inherit();
    Result<void> listen();
    void tell_how_it_watches() const;
    Result<void> enforce();
    void tell_policy() const;
    bool pin(); // whether that was done; if not it is told
    void take_over();
    void reload();
    void try_to_reload();
    [[nodiscard]] std::string status() const;
    void look_after_itself();
    void learn();
    void examine(const std::string& module);
    void take_unloads();
    void record(Unload unload, bool is_backlog = false);
    void release(const Incident& incident) {
        if (holder_ && incident.unload.verdict == Verdict::leak)
            holder_->release();
    }
    void tell_losses();
    Result<void> serve_metrics();
    [[nodiscard]] ServiceFacts facts() const;
    void give_up(const Error& error);

    Probe probe_;
    std::unique_ptr<Exporter>
        exporter_; // null: nobody can scrape; its threads use the probe, the loop its fd
    EventLoop loop_;
    std::unique_ptr<Holder> holder_; // before any other thread; null: nothing is held
    Dispatcher dispatcher_;
    Host host_;
    LossCounts losses_{}; // those that were told
    UnloadCounters counters_;
    std::chrono::system_clock::time_point configured_at_ = std::chrono::system_clock::now();
    Config config_;
    RunOptions options_;
    ModuleKnowledge known_;
    Enforcer enforcer_{PolicyPorts{}};
    std::vector<Predecessor> predecessors_;
    std::string pinned_;                // the folder; empty: not yet
    std::optional<Error> reload_error_; // of the last reload
    std::mutex learning_;
    std::unique_ptr<Examiner> examiner_; // null until a rule asks for one
};

void Service::give_up(const Error& error) {
    spdlog::critical("{}", error.text());
    loop_.stop(static_cast<int>(ExitCode::inconclusive));
}

void Service::record(Unload unload, bool is_backlog) {
    auto incident = make_incident(std::move(unload), host_);
    const auto verdict = incident.unload.verdict;
    const auto action = incident.unload.policy.action;
    counters_.count(incident.unload);
    const auto line = to_log(incident).front();
    const ModuleBuild build{incident.unload.module, incident.unload.identity.srcversion};
    // The sinks come before the log: the host may have only milliseconds left.
    if (is_backlog)
        dispatcher_.dispatch_backlog(std::move(incident));
    else
        dispatcher_.dispatch(std::move(incident));
    if (action == Action::panic)
        panic();
    if (verdict == Verdict::leak && known_.add_leak(build))
        learn();
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
        [&](const std::string& module) {
            spdlog::debug("module {} was loaded", printable(module));
            examine(module);
        },
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

// What is known of modules, to the kernel programs. The policy as it is then holds without some of it.
void Service::learn() {
    const std::lock_guard lock(learning_);
    if (auto told = enforcer_.set_facts(known_.facts()); !told)
        spdlog::error("{}", told.error().text());
}

void Service::examine(const std::string& module) {
    if (!asks_preflight_of(config_.policy, module, srcversion_of_loaded(module)))
        return;
    if (!examiner_)
        examiner_ = std::make_unique<Examiner>([this](const ModuleBuild& build, bool fails) {
            spdlog::info("module {}: its preflight {}", printable(build.first),
                         fails ? "fails" : "does not fail");
            if (known_.add_preflight(build, fails))
                learn();
        });
    examiner_->examine(module);
}

void Service::tell_policy() const {
    if (config_.policy.rules.empty())
        return;
    spdlog::info("policy: {}{}", count_text(config_.policy.rules.size(), "rule"),
                 enforcer_.denies() ? "; denying unloads is effective" : "");
    for (const auto& what : enforcer_.not_effective())
        spdlog::error("not effective: {}", what);
}

// Whatever ends this, the programs go on: they record, and deny.
bool Service::pin() {
    auto links = probe_.links();
    for (auto* const link : enforcer_.links())
        links.push_back({link, false});
    auto pinned = pin_programs(links, probe_.maps_to_keep());
    if (!pinned) {
        spdlog::error("modules are watched only as long as this runs: {}", pinned.error().text());
        return false;
    }
    if (pinned->unpinned != 0)
        spdlog::warn("{} of {} would end with this, as this kernel can't keep them: verdicts without the "
                     "service will be unsure",
                     pinned->unpinned, count_text(links.size(), "hook"));
    // With an earlier policy.
    const auto earlier = std::exchange(pinned_, pinned->folder);
    if (auto removed = earlier.empty() ? Result<void>() : remove_pinned(earlier); !removed)
        spdlog::warn("{}", removed.error().text());
    return true;
}

// Only now, as these programs are there and pinned, do earlier ones go.
void Service::take_over() {
    for (std::size_t i = 0; i < predecessors_.size(); ++i) {
        const auto& before = predecessors_[i];
        if (!before.is_of_this_schema())
            spdlog::info("{} is another version's: of what it recorded only the verdicts can be read",
                         before.folder());
        if (const auto lost = before.losses(abi::LOSS_UNLOAD_MAP); lost != 0)
            spdlog::error("the verdicts of {} could not be stored before this began",
                          count_text(lost, "unload"));
        std::size_t told = 0;
        const auto later = std::span(predecessors_).subspan(i + 1);
        auto taken = probe_.take_over(before, later, [&](Unload unload) {
            record(std::move(unload), /*is_backlog=*/true);
            ++told;
        });
        if (!taken)
            spdlog::error("what an earlier disarmd has left in {}: {}", before.folder(),
                          taken.error().text());
        else if (told != 0)
            spdlog::info("{} came while no disarmd ran", count_text(told, "unload"));
    }
    predecessors_.clear();
}

Result<void> Service::enforce() {
    known_.look(config_);
    learn();
    if (auto set = enforcer_.set_policy(config_.policy); !set)
        return set;
    const auto modules = probe_.modules();
    if (!modules)
        return fail(modules.error());
    for (const auto& module : *modules)
        examine(text_of(module.instance.name));
    tell_policy();
    return {};
}

std::string Service::status() const {
    const auto modules = probe_.modules();
    auto text =
        fmt::format("{} with {} known; backend {}", count_text(modules ? modules->size() : 0, "module"),
                    count_text(probe_.known_timers(), "timer"), probe_.backend());
    const auto missing =
        std::ranges::count_if(probe_.hooks(), [](const Hook& hook) { return !hook.attached; });
    if (missing != 0)
        text += fmt::format("; {} missing", count_text(static_cast<std::size_t>(missing), "hook"));
    if (!probe_.survey_complete())
        text += "; not every timer that was armed before is known";
    if (enforcer_.denies())
        text += "; denying is effective";
    for (const auto& what : enforcer_.not_effective())
        text += fmt::format("; not effective: {}", what);
    for (const auto& sink : dispatcher_.health()) {
        if (sink.busy_for > stuck_sink)
            text += fmt::format("; sink {} hangs since {}", sink.name, duration_text(sink.busy_for));
    }
    if (reload_error_)
        text += fmt::format("; the configuration is not reloaded: {}", reload_error_->text());
    if (config_.metrics.enabled && !exporter_)
        text += "; metrics can't be scraped, see the log";
    return text;
}

// Again and again: where nothing wakes it, it shows that it would.
void Service::look_after_itself() {
    take_unloads();
    service_manager::status(status());
    service_manager::alive();
}

void Service::reload() {
    service_manager::reloading();
    try_to_reload();
    service_manager::ready(status());
}

void Service::try_to_reload() {
    reload_error_.reset();
    auto config = load_config(options_.config);
    if (config && config->policy.panic_confirmed && !holder_)
        config = fail({EBUSY, "that a leak may crash the host counts from the next start on (systemctl "
                              "restart disarmd)"});
    if (!config) {
        reload_error_ = config.error();
        spdlog::error("the configuration is not reloaded, and what it was stays in force: {}",
                      reload_error_->text());
        return;
    }
    config_.policy = std::move(config->policy);
    if (auto enforced = enforce(); !enforced)
        return give_up(enforced.error());
    pin();
    configured_at_ = std::chrono::system_clock::now();
    spdlog::info("the policy is reloaded; other settings count from the next start on");
}

// By the scrapes' threads: however much is armed, the event loop's has no part in counting it.
Result<KernelFacts> ask_kernel(const Probe& probe) {
    const auto began_ns = monotonic_ns();
    const auto modules = probe.modules();
    if (!modules)
        return fail(modules.error());
    const auto timers = probe.armed_timers();
    if (!timers)
        return fail(timers.error());
    auto programs = probe.program_runs();
    if (!programs)
        return fail(programs.error());
    return KernelFacts{modules->size(), count_timers(*modules, *timers, began_ns), std::move(*programs)};
}

ServiceFacts Service::facts() const {
    ServiceFacts facts;
    facts.unloads = counters_;
    facts.losses = losses_of(probe_);
    facts.sinks = dispatcher_.health();
    facts.backend = probe_.backend();
    facts.survey_complete = probe_.survey_complete();
    for (const auto& hook : probe_.hooks())
        facts.hooks_missing[hook.loses] += hook.attached ? 0 : 1;
    facts.enforcement_configured = config_.policy.can_deny() || config_.policy.can_drain();
    facts.enforcement_effective = facts.enforcement_configured && enforcer_.not_effective().empty();
    facts.last_reload_successful = !reload_error_;
    facts.configured_at = configured_at_;
    return facts;
}

// Watching goes on without, which is told.
Result<void> Service::serve_metrics() {
    if (!config_.metrics.enabled)
        return {};
    auto exporter = Exporter::start(config_.metrics.listen, [this] { return ask_kernel(probe_); });
    if (!exporter) {
        spdlog::error("metrics can't be scraped: {}", exporter.error().text());
        return {};
    }
    exporter_ = std::move(*exporter);
    spdlog::info("metrics are at http://{}/metrics", config_.metrics.listen);
    return loop_.on_readable(exporter_->exchange().fd(), [this] { exporter_->exchange().answer(facts()); });
}

Result<void> Service::listen() {
    if (auto added = loop_.on_signal(SIGHUP, [this] { reload(); }); !added)
        return added;
    for (const int signal : {SIGINT, SIGTERM}) {
        if (auto added = loop_.on_signal(signal, [this] { loop_.stop(static_cast<int>(ExitCode::clean)); });
            !added)
            return added;
    }
    // Twice before anybody would miss it.
    const auto period = service_manager::watchdog_period();
    if (auto added = loop_.every(period ? std::min(*period / 2, status_period) : status_period,
                                 [this] { look_after_itself(); });
        !added)
        return added;
    return loop_.on_readable(probe_.wake_fd(), [this] { take_unloads(); });
}

// Of the youngest. Without that, timers are known as the survey finds them.
Inheritance Service::inherit() {
    auto known = predecessors_.back().knowledge();
    if (!known) {
        spdlog::warn("what an earlier disarmd knew is lost: {}", known.error().text());
        return {};
    }
    known_.inherit(known->facts);
    return std::move(*known);
}

ExitCode Service::watch() {
    if (auto watching = probe_.watch([this] { return inherit(); }); !watching)
        return complain(watching.error(), ExitCode::impossible);
    enforcer_ = Enforcer(probe_.policy_ports());
    if (auto listening = listen(); !listening)
        return complain(listening.error(), ExitCode::inconclusive);
    if (auto hurried = run_before_others(); !hurried)
        spdlog::info("{}: on a busy host a record may be late", hurried.error().text());
    probe_.begin_to_read_symbols();
    tell_how_it_watches();
    if (auto enforced = enforce(); !enforced)
        return complain(enforced.error(), ExitCode::inconclusive);
    if (options_.require_enforcement && !enforcer_.not_effective().empty())
        return complain(
            {ENOTSUP, fmt::format("--require-enforcement: {}", fmt::join(enforcer_.not_effective(), "; "))},
            ExitCode::impossible);
    if (!pin() && options_.require_enforcement)
        return complain({ENOTSUP, "--require-enforcement: unloads would be denied only as long as this runs"},
                        ExitCode::impossible);
    take_over();
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
    if (auto served = serve_metrics(); !served)
        return complain(served.error(), ExitCode::inconclusive);
    spdlog::info("watching {} with {} armed, incidents to log{}{}", count_text(modules->size(), "module"),
                 count_text(timers->size(), "timer"), names.empty() ? "" : ", ", fmt::join(names, ", "));
    service_manager::ready(status());
    const auto ended = loop_.run();
    service_manager::stopping();
    take_unloads(); // that came with the signal
    return ended ? static_cast<ExitCode>(*ended) : complain(ended.error(), ExitCode::inconclusive);
}

ExitCode Service::run() {
    const auto code = watch();
    if (exporter_)
        exporter_->stop();
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

InheritanceSize size_of(const Predecessor& before) {
    const auto known = before.knowledge(); // why not is told when it is needed
    return known ? InheritanceSize{known->timers.size(), known->modules.size()} : InheritanceSize{};
}

} // namespace

ExitCode run(const RunOptions& options) {
    // That would end this until it watches. A reload that is asked for earlier is done then.
    sigset_t reload{};
    sigemptyset(&reload);
    sigaddset(&reload, SIGHUP);
    ::pthread_sigmask(SIG_BLOCK, &reload, nullptr);
    // What a look at very many timers takes goes back to the kernel after it: of itself this threshold grows
    // with what is freed, and the next look's would stay.
    ::mallopt(M_MMAP_THRESHOLD, 128 << 10); // NOLINT(concurrency-mt-unsafe): this is the only thread yet
    const auto config = load_config(options.config);
    if (!config)
        return complain(config.error(), ExitCode::usage);
    auto settings = config->probe;
    settings.backend = options.backend.value_or(settings.backend);
    settings.enforces = settings.shares_permissions = true;
    if (auto met = meet_requirements(); !met)
        return complain(met.error(), ExitCode::impossible);
    const auto lock = lock_pins();
    if (!lock)
        return complain(lock.error(), ExitCode::impossible);
    auto predecessors = Predecessor::find();
    if (!predecessors)
        return complain(predecessors.error(), ExitCode::impossible);
    if (!predecessors->empty() && predecessors->back().is_watching())
        settings.inherits = size_of(predecessors->back());
    auto probe = open_probe(settings);
    if (!probe)
        return complain(probe.error(), ExitCode::impossible);
    auto sinks = open_sinks(config->sinks);
    if (!sinks)
        return complain(sinks.error(), ExitCode::usage);
    auto loop = EventLoop::create();
    if (!loop)
        return complain(loop.error(), ExitCode::inconclusive);
    return Service(std::move(*probe), std::move(*predecessors), std::move(*loop), std::move(*sinks), *config,
                   options)
        .run();
}

} // namespace disarmd
