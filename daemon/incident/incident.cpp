// SPDX-License-Identifier: Apache-2.0
#include "incident/incident.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "base/clock.h"

namespace disarmd {

std::string incident_id(const std::string& boot_id, std::uint64_t freed_ns) {
    // FNV-1a: no secret is in it, and nobody gains by two that are the same.
    std::uint64_t hash = 0xcbf29ce484222325;
    for (const char byte : fmt::format("{} {}", boot_id, freed_ns)) {
        hash ^= static_cast<unsigned char>(byte);
        hash *= 0x100000001b3;
    }
    return fmt::format("{:012x}", hash >> 16U);
}

Incident make_incident(Unload unload, Host host, const ClockPair& now) {
    Incident incident;
    incident.at = now.wall;
    if (unload.freed_ns != 0) {
        incident.id = incident_id(host.boot_id, unload.freed_ns);
        const auto age = static_cast<std::int64_t>(now.monotonic_ns - unload.freed_ns);
        incident.at -=
            std::chrono::duration_cast<std::chrono::system_clock::duration>(std::chrono::nanoseconds(age));
    }
    incident.host = std::move(host);
    incident.unload = std::move(unload);
    return incident;
}

Incident make_incident(Unload unload, Host host) {
    return make_incident(std::move(unload), std::move(host),
                         {std::chrono::system_clock::now(), monotonic_ns()});
}

Incident specimen() {
    PendingTimer timer;
    timer.symbol = "callback [module]";
    timer.owned_by = {Owner::callback, Owner::object, Owner::work};
    timer.cause = Cause::rearmed_after_delete;
    timer.rearmer = Rearmer::thread;
    timer.expires_in = std::chrono::seconds(1);
    timer.armed = Arm{};
    timer.armed->stack = {"function+0x1 [module]"};
    timer.deleted = Delete{};
    timer.deleted->api = "timer_delete";
    timer.deleted->stack = timer.armed->stack;
    Unload unload;
    unload.module = "module";
    unload.identity.ranges = {{1, 1}};
    unload.identity.init_section = {1, 1};
    unload.freed_ns = 1;
    unload.outcome = Outcome::freed;
    unload.verdict = Verdict::leak;
    unload.sources = {Source::tracking, Source::scan};
    unload.pending = {timer};
    unload.pending_count = 1;
    unload.comm = "command";
    unload.command = {unload.comm, unload.module};
    unload.duration = std::chrono::milliseconds(1);
    unload.advice = "none";
    return make_incident(std::move(unload), {"host", "kernel", "boot"});
}

std::string time_text(std::chrono::system_clock::time_point time) {
    const auto ms = std::chrono::floor<std::chrono::milliseconds>(time);
    const auto seconds = std::chrono::floor<std::chrono::seconds>(ms);
    return fmt::format("{:%FT%T}.{:03}Z", fmt::gmtime(std::chrono::system_clock::to_time_t(seconds)),
                       (ms - seconds).count());
}

} // namespace disarmd
