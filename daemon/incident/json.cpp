// SPDX-License-Identifier: Apache-2.0
#include "incident/json.h"

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

Json to_json(const Arm& arm) {
    return {
        {"age_ms", milliseconds(arm.age)}, {"pid", arm.pid},          {"comm", arm.comm}, {"cpu", arm.cpu},
        {"context", name_of(arm.context)}, {"stack", Json(arm.stack)}};
}

Json to_json(const PendingTimer& timer) {
    return {{"kind", name_of(timer.kind)},
            {"timer", address_text(timer.timer)},
            {"callback", address_text(timer.callback)},
            {"symbol", timer.symbol},
            {"owned_by", names(timer.owned_by)},
            {"cause", name_of(timer.cause)},
            {"expires_in_ms", milliseconds(timer.expires_in)},
            {"armed", timer.armed ? to_json(*timer.armed) : Json(nullptr)},
            {"deleted", nullptr}};
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

} // namespace

Json to_json(const Unload& unload) {
    Json json = {{"schema", json_schema},
                 {"module", unload.module},
                 {"outcome", name_of(unload.outcome)},
                 {"verdict", name_of(unload.verdict)},
                 {"backend", unload.backend},
                 {"sources", names(unload.sources)},
                 {"lost_events", unload.lost_events},
                 {"why_inconclusive", Json(unload.why_inconclusive)},
                 {"pending", list_of(unload.pending)}};
    if (unload.pending_count > unload.pending.size())
        json["pending_left_out"] = unload.pending_count - unload.pending.size();
    if (unload.outcome == Outcome::not_unloaded)
        json["unload"] = nullptr;
    else
        json["unload"] = {
            {"pid", unload.pid}, {"comm", unload.comm}, {"duration_ms", milliseconds(unload.duration)}};
    json["action"] = "none";
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

std::string to_line(const Json& json) {
    return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

} // namespace disarmd
