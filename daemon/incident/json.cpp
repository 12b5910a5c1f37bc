// SPDX-License-Identifier: Apache-2.0
#include "incident/json.h"

#include <cmath>

#include <nlohmann/json.hpp>

#include "base/text.h"

namespace disarmd {

namespace {

using Json = nlohmann::ordered_json;

Json milliseconds(const std::optional<std::chrono::nanoseconds>& duration) {
    if (!duration)
        return nullptr;
    return std::chrono::duration<double, std::milli>(*duration).count();
}

template <typename Named>
Json names(const std::vector<Named>& values) {
    Json list = Json::array();
    for (const auto value : values)
        list.push_back(name_of(value));
    return list;
}

Json text_or_null(const std::string& text) {
    return text.empty() ? Json(nullptr) : Json(text);
}

Json to_json(const Host& host) {
    return {{"name", host.name}, {"kernel", host.kernel}, {"boot_id", text_or_null(host.boot_id)}};
}

Json to_json(const MemoryRange& range) {
    return {{"start", address_text(range.start)}, {"bytes", range.size}};
}

Json to_json(const std::vector<Loss>& losses) {
    Json counts = Json::object();
    for (const auto& loss : losses)
        counts[std::string(loss.name)] = loss.count;
    return counts;
}

Json to_json(const Arm& arm) {
    Json json = {
        {"age_ms", milliseconds(arm.age)}, {"pid", arm.pid},          {"comm", arm.comm}, {"cpu", arm.cpu},
        {"context", name_of(arm.context)}, {"stack", Json(arm.stack)}};
    if (arm.stack_age)
        json["stack_age_ms"] = milliseconds(arm.stack_age);
    return json;
}

Json to_json(const Delete& deleted) {
    if (deleted.api.empty())
        return {{"age_ms", milliseconds(deleted.age)}, {"api", nullptr}};
    return {{"age_ms", milliseconds(deleted.age)},
            {"api", deleted.api},
            {"pid", deleted.pid},
            {"comm", deleted.comm},
            {"cpu", deleted.cpu},
            {"context", name_of(deleted.context)},
            {"found", name_of(deleted.found)},
            {"stack", Json(deleted.stack)}};
}

Json to_json(const PendingTimer& timer) {
    Json json = {{"kind", name_of(timer.kind)},
                 {"timer", address_text(timer.timer)},
                 {"callback", address_text(timer.callback)},
                 {"symbol", timer.symbol},
                 {"owned_by", names(timer.owned_by)},
                 {"cause", name_of(timer.cause)}};
    if (timer.cause == Cause::rearmed_after_delete)
        json["rearmed_by"] = name_of(timer.rearmer);
    json["expires_in_ms"] = milliseconds(timer.expires_in);
    json["armed"] = timer.armed ? to_json(*timer.armed) : Json(nullptr);
    json["deleted"] = timer.deleted ? to_json(*timer.deleted) : Json(nullptr);
    return json;
}

Json to_json(const InventoryTimer& timer) {
    return {{"kind", name_of(timer.kind)},
            {"timer", address_text(timer.timer)},
            {"callback", address_text(timer.callback)},
            {"symbol", timer.symbol},
            {"owned_by", names(timer.owned_by)},
            {"expires_in_ms", milliseconds(timer.expires_in)}};
}

Json to_orphan_json(const InventoryTimer& timer) {
    auto json = to_json(timer);
    json["left_ago_ms"] = milliseconds(timer.left_ago);
    return json;
}

Json list_orphans(const std::vector<InventoryTimer>& timers) {
    Json list = Json::array();
    for (const auto& timer : timers)
        list.push_back(to_orphan_json(timer));
    return list;
}

template <typename Timer>
Json list_of(const std::vector<Timer>& timers) {
    Json list = Json::array();
    for (const auto& timer : timers)
        list.push_back(to_json(timer));
    return list;
}

Json to_json(const PolicyApplied& policy) {
    return {{"rule", policy.rule},
            {"allowed_once", policy.allowed_once},
            {"bypassed", policy.bypassed},
            {"drain_ms", milliseconds(policy.drain)},
            {"drain_left", policy.drain_left}};
}

Json to_json(const ModuleIdentity& identity) {
    return {{"version", text_or_null(identity.version)},
            {"srcversion", text_or_null(identity.srcversion)},
            {"taints", identity.taints},
            {"ranges", list_of(identity.ranges)},
            {"init_section", identity.init_section ? to_json(*identity.init_section) : Json(nullptr)},
            {"loaded_age_ms", milliseconds(identity.loaded_age)}};
}

} // namespace

Json to_json(const Incident& incident) {
    const auto& unload = incident.unload;
    Json json = {{"schema", json_schema},
                 {"id", text_or_null(incident.id)},
                 {"time", time_text(incident.at)},
                 {"host", to_json(incident.host)},
                 {"disarmd", DISARMD_VERSION},
                 {"module", unload.module},
                 {"instance", to_json(unload.identity)},
                 {"outcome", name_of(unload.outcome)},
                 {"verdict", name_of(unload.verdict)},
                 {"backend", unload.backend},
                 {"sources", names(unload.sources)},
                 {"lost_events", unload.lost_events},
                 {"losses", to_json(unload.losses)},
                 {"why_inconclusive", Json(unload.why_inconclusive)},
                 {"pending", list_of(unload.pending)}};
    if (unload.pending_count > unload.pending.size())
        json["pending_left_out"] = unload.pending_count - unload.pending.size();
    if (!incident.source_lines.empty())
        json["source_lines"] = incident.source_lines;
    if (unload.outcome == Outcome::not_unloaded) {
        json["instance"] = nullptr;
        json["unload"] = nullptr;
    } else {
        json["unload"] = {{"pid", unload.pid},
                          {"comm", unload.comm},
                          {"command", unload.command.empty() ? Json(nullptr) : Json(unload.command)},
                          {"duration_ms", milliseconds(unload.duration)}};
    }
    json["action"] = name_of(unload.policy.action);
    if (!unload.policy.rule.empty())
        json["policy"] = to_json(unload.policy);
    json["advice"] = unload.advice;
    return json;
}

Json to_json(const std::vector<ModuleTimers>& inventory) {
    Json modules = Json::array();
    Json orphans = Json::array();
    for (const auto& entry : inventory) {
        if (entry.module.empty())
            orphans = list_orphans(entry.timers);
        else
            modules.push_back({{"module", entry.module}, {"timers", list_of(entry.timers)}});
    }
    return {{"schema", json_schema}, {"modules", modules}, {"orphans", orphans}};
}

Json orphans_to_json(const std::vector<InventoryTimer>& orphans) {
    return {{"schema", json_schema}, {"orphans", list_orphans(orphans)}};
}

Json to_json(std::string_view time, const std::string& module, const InventoryTimer& timer) {
    Json json = {{"schema", json_schema}, {"time", time}, {"module", text_or_null(module)}};
    json.update(module.empty() ? to_orphan_json(timer) : to_json(timer));
    json["armed"] = timer.armed;
    json["arms_per_s"] = timer.arms_per_s ? Json(std::round(*timer.arms_per_s * 1000) / 1000) : Json(nullptr);
    return json;
}

std::string to_line(const Json& json) {
    // In ASCII: the kernel's names may hold what a terminal obeys.
    return json.dump(-1, ' ', true, Json::error_handler_t::replace);
}

} // namespace disarmd
