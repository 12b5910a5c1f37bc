// SPDX-License-Identifier: Apache-2.0
#include "metrics/catalogue.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <numeric>

#include <spdlog/spdlog.h>

#include "base/text.h"
#include "probe/hooks.h"

namespace disarmd {

namespace {

constexpr std::array catalogue{
    Metric{"disarmd_build_info", MetricKind::gauge, "version", "Always 1: the version of disarmd."},
    Metric{"disarmd_start_time_seconds", MetricKind::gauge, "",
           "When the service was started, in seconds since 1970. Its counters begin at 0 then."},
    Metric{"disarmd_scrape_fresh", MetricKind::gauge, "",
           "1: this scrape shows the present (one second old at most). 0: some of it could not be had in "
           "time, and is what an earlier scrape had, or missing."},
    Metric{"disarmd_backend_info", MetricKind::gauge, "backend",
           "Always 1: how arms and disarms are seen, tracepoint or kprobe."},
    Metric{"disarmd_coverage_complete", MetricKind::gauge, "",
           "1: every hook that verdicts and tracking need is attached, and the survey at the start saw every "
           "timer that was armed before. 0: verdicts may be inconclusive; disarmd doctor says why."},
    Metric{"disarmd_survey_complete", MetricKind::gauge, "",
           "1: the survey at the start saw every timer that was armed before."},
    Metric{"disarmd_hooks_missing", MetricKind::gauge, "loses",
           "Places in the kernel that could not be hooked, by what is lost without them: verdict, tracking, "
           "or detail, which is merely not told."},
    Metric{"disarmd_modules", MetricKind::gauge, "", "Kernel modules that are loaded and watched."},
    Metric{
        "disarmd_armed_timers", MetricKind::gauge, "module,kind",
        "Timers of loaded modules that are armed, by module and kind. The 200 modules with the most "
        "timers are named; those of all others together have module=\"\". A timer that two modules own "
        "counts for both. Timers in per-CPU data that only their memory ties to a module are not counted."},
    Metric{"disarmd_orphaned_timers", MetricKind::gauge, "kind",
           "Timers that are armed and whose module is gone: each may crash this host when it fires."},
    Metric{"disarmd_unloads_total", MetricKind::counter, "verdict",
           "Modules that were freed, failed inits among them, by verdict."},
    Metric{"disarmd_leaks_total", MetricKind::counter, "cause,drained",
           "Modules that were freed and left timers (incidents), by cause; several: its timers have "
           "different ones. drained=\"true\": a rule held the free until nothing was pending."},
    Metric{"disarmd_leaked_timers_total", MetricKind::counter, "",
           "Timers that were pending when their module was freed."},
    Metric{"disarmd_denied_unloads_total", MetricKind::counter, "", "Unloads that a rule denied."},
    Metric{"disarmd_bypassed_denials_total", MetricKind::counter, "",
           "Unloads that a rule denies and that went by, as the module's name could not be read in time."},
    Metric{"disarmd_drains_total", MetricKind::counter, "",
           "Frees of modules that a rule held so that timers that were left fire."},
    Metric{"disarmd_drain_seconds_total", MetricKind::counter, "", "How long those frees were held in all."},
    Metric{"disarmd_drain_left_timers_total", MetricKind::counter, "",
           "Timers that were still pending when the drain of their module ended."},
    Metric{"disarmd_losses_total", MetricKind::counter, "reason",
           "What the kernel programs could not do, by reason. What of it may have hidden a timer makes "
           "verdicts inconclusive."},
    Metric{"disarmd_sink_records_total", MetricKind::counter, "sink,result",
           "Records that a sink was given: written, failed, or dropped as its queue was full."},
    Metric{"disarmd_sink_busy_seconds", MetricKind::gauge, "sink",
           "How long a sink's write has been going on that has not ended; 0: there is none."},
    Metric{"disarmd_enforcement_configured", MetricKind::gauge, "",
           "1: a rule of the policy denies, drains or panics."},
    Metric{"disarmd_enforcement_effective", MetricKind::gauge, "",
           "1: what the rules want is in place; denying has been proven by a denied unload. 0: it is not, or "
           "no rule wants anything."},
    Metric{"disarmd_config_last_reload_successful", MetricKind::gauge, "",
           "0: the last reload failed, and the configuration before it stays in force."},
    Metric{"disarmd_config_last_reload_success_timestamp_seconds", MetricKind::gauge, "",
           "When the configuration that is in force was read, in seconds since 1970."},
    Metric{"disarmd_program_runs_total", MetricKind::counter, "program",
           "How often a kernel program ran. The kernel counts this only while "
           "kernel.bpf_stats_enabled=1, which costs time; it is 0 by default."},
    Metric{"disarmd_program_run_seconds_total", MetricKind::counter, "program",
           "For how long a kernel program ran in all. The kernel counts this only while "
           "kernel.bpf_stats_enabled=1, which costs time; it is 0 by default."},
};

using Labels = std::vector<prometheus::ClientMetric::Label>;

double seconds(std::chrono::nanoseconds duration) {
    return std::chrono::duration<double>(duration).count();
}

double seconds_since_1970(std::chrono::system_clock::time_point time) {
    return std::chrono::duration<double>(time.time_since_epoch()).count();
}

// Families in the order of the catalogue.
class Families {
public:
    void add(std::string_view name, double value, Labels labels = {}) {
        const auto found = std::ranges::find(catalogue, name, &Metric::name);
        if (found == catalogue.end()) {
            spdlog::critical("metric {} is not in the catalogue", name);
            std::abort();
        }
        auto& family = families_.at(static_cast<std::size_t>(found - catalogue.begin()));
        auto& metric = family.metric.emplace_back();
        metric.label = std::move(labels);
        if (found->kind == MetricKind::counter)
            metric.counter.value = value;
        else
            metric.gauge.value = value;
    }

    void add(std::string_view name, std::uint64_t value, Labels labels = {}) {
        add(name, static_cast<double>(value), std::move(labels));
    }
    void add(std::string_view name, bool value) { add(name, value ? 1.0 : 0.0); }

    std::vector<prometheus::MetricFamily> take() {
        std::vector<prometheus::MetricFamily> known;
        for (std::size_t i = 0; i < families_.size(); ++i) {
            auto& family = families_.at(i);
            if (family.metric.empty())
                continue;
            const auto& metric = catalogue.at(i);
            family.name = metric.name;
            family.help = metric.help;
            family.type = metric.kind == MetricKind::counter ? prometheus::MetricType::Counter
                                                             : prometheus::MetricType::Gauge;
            known.push_back(std::move(family));
        }
        return known;
    }

private:
    std::array<prometheus::MetricFamily, catalogue.size()> families_;
};

// 0 where there is none: a series that begins with its first event has no increase to be alerted of.
template <typename Key>
std::uint64_t count_of(const std::map<Key, std::uint64_t>& counts, const std::type_identity_t<Key>& key) {
    const auto found = counts.find(key);
    return found == counts.end() ? 0 : found->second;
}

std::uint64_t sum_of(const KindCounts& counts) {
    return std::accumulate(counts.begin(), counts.end(), std::uint64_t{0},
                           [](std::uint64_t sum, const auto& entry) { return sum + entry.second; });
}

void add_armed(Families& families, const TimerCensus& timers) {
    std::vector<std::pair<std::string, KindCounts>> modules(timers.modules.begin(), timers.modules.end());
    std::ranges::stable_sort(modules, std::greater{},
                             [](const auto& module) { return sum_of(module.second); });
    KindCounts others;
    for (std::size_t i = 0; i < modules.size(); ++i) {
        const auto& [module, counts] = modules[i];
        for (const auto& [kind, count] : counts) {
            if (i < modules_shown_max)
                families.add("disarmd_armed_timers", count,
                             {{"module", printable(module)}, {"kind", std::string(name_of(kind))}});
            else
                others[kind] += count;
        }
    }
    for (const auto kind : timer_kinds)
        families.add("disarmd_armed_timers", count_of(others, kind),
                     {{"module", std::string(other_modules)}, {"kind", std::string(name_of(kind))}});
}

void add_kernel(Families& families, const KernelFacts& kernel) {
    families.add("disarmd_modules", kernel.modules);
    add_armed(families, kernel.timers);
    for (const auto kind : timer_kinds)
        families.add("disarmd_orphaned_timers", count_of(kernel.timers.orphans, kind),
                     {{"kind", std::string(name_of(kind))}});
    for (const auto& program : kernel.programs) {
        families.add("disarmd_program_runs_total", program.runs, {{"program", program.program}});
        families.add("disarmd_program_run_seconds_total", seconds(program.time),
                     {{"program", program.program}});
    }
}

void add_unloads(Families& families, const UnloadCounters& unloads) {
    for (const auto verdict : {Verdict::clean, Verdict::leak, Verdict::inconclusive})
        families.add("disarmd_unloads_total", count_of(unloads.verdicts, verdict),
                     {{"verdict", std::string(name_of(verdict))}});
    std::vector<std::string> causes{several_causes};
    for (const auto cause : {Cause::unknown, Cause::never_deleted, Cause::rearmed_after_delete,
                             Cause::failed_rollback, Cause::callback_running})
        causes.emplace_back(name_of(cause));
    for (const auto& cause : causes) {
        for (const bool drained : {false, true})
            families.add("disarmd_leaks_total", count_of(unloads.leaks, {cause, drained}),
                         {{"cause", cause}, {"drained", drained ? "true" : "false"}});
    }
    families.add("disarmd_leaked_timers_total", unloads.timers_left);
    families.add("disarmd_denied_unloads_total", unloads.denied);
    families.add("disarmd_bypassed_denials_total", unloads.bypassed);
    families.add("disarmd_drains_total", unloads.drains);
    families.add("disarmd_drain_seconds_total", seconds(unloads.drained));
    families.add("disarmd_drain_left_timers_total", unloads.left_by_drains);
}

void add_service(Families& families, const ServiceFacts& service) {
    families.add("disarmd_backend_info", 1.0, {{"backend", service.backend}});
    bool whole = service.survey_complete;
    for (const auto role : {HookRole::verdict, HookRole::tracking, HookRole::detail}) {
        const std::string loses(name_of(role));
        const auto missing = count_of(service.hooks_missing, loses);
        families.add("disarmd_hooks_missing", missing, {{"loses", loses}});
        whole = whole && (missing == 0 || role == HookRole::detail);
    }
    families.add("disarmd_survey_complete", service.survey_complete);
    families.add("disarmd_coverage_complete", whole);
    add_unloads(families, service.unloads);
    for (std::size_t i = 0; i < service.losses.size(); ++i)
        families.add("disarmd_losses_total", service.losses.at(i),
                     {{"reason", std::string(name_of_loss(i))}});
    for (const auto& sink : service.sinks) {
        for (const auto& [result, count] :
             {std::pair("written", sink.written), std::pair("failed", sink.failed),
              std::pair("dropped", sink.dropped)})
            families.add("disarmd_sink_records_total", count, {{"sink", sink.name}, {"result", result}});
        families.add("disarmd_sink_busy_seconds", seconds(sink.busy_for), {{"sink", sink.name}});
    }
    families.add("disarmd_enforcement_configured", service.enforcement_configured);
    families.add("disarmd_enforcement_effective", service.enforcement_effective);
    families.add("disarmd_config_last_reload_successful", service.last_reload_successful);
    families.add("disarmd_config_last_reload_success_timestamp_seconds",
                 seconds_since_1970(service.configured_at));
}

} // namespace

std::string_view name_of(MetricKind kind) {
    return kind == MetricKind::counter ? "counter" : "gauge";
}

std::span<const Metric> metric_catalogue() {
    return catalogue;
}

std::vector<prometheus::MetricFamily> to_families(const MetricsSnapshot& snapshot) {
    Families families;
    families.add("disarmd_build_info", 1.0, {{"version", snapshot.version}});
    families.add("disarmd_start_time_seconds", seconds_since_1970(snapshot.started_at));
    families.add("disarmd_scrape_fresh", snapshot.fresh);
    if (snapshot.service)
        add_service(families, *snapshot.service);
    if (snapshot.kernel)
        add_kernel(families, *snapshot.kernel);
    return families.take();
}

} // namespace disarmd
