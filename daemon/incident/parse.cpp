// SPDX-License-Identifier: Apache-2.0
#include "incident/parse.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <limits>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "incident/json.h"
#include "verdict/losses.h"

namespace disarmd {

namespace {

using Document = nlohmann::json;
using std::chrono::nanoseconds;

// Of a document that has another form than it should; none leaves this file. nlohmann's own
// exceptions, for a value of another type, tell the rest.
struct Malformed {
    std::string what;
};

template <typename Named, std::size_t count>
Named named(const Document& word, const std::array<Named, count>& all) {
    for (const auto value : all) {
        if (word.get<std::string>() == name_of(value))
            return value;
    }
    throw Malformed{fmt::format("what is \"{}\"?", printable(word.get<std::string>()))};
}

constexpr std::array all_arm_contexts{ArmContext::unknown, ArmContext::task, ArmContext::softirq,
                                      ArmContext::hardirq, ArmContext::callback};
constexpr std::array all_owners{Owner::callback, Owner::object, Owner::work};
constexpr std::array all_sources{Source::tracking, Source::scan};
constexpr std::array all_verdicts{Verdict::clean, Verdict::leak, Verdict::inconclusive};
constexpr std::array all_outcomes{Outcome::freed, Outcome::init_failed, Outcome::denied,
                                  Outcome::not_unloaded};
constexpr std::array all_actions{Action::none, Action::denied, Action::drained, Action::panic};
constexpr std::array all_causes{Cause::unknown, Cause::never_deleted, Cause::rearmed_after_delete,
                                Cause::failed_rollback, Cause::callback_running};
constexpr std::array all_rearmers{Rearmer::unknown, Rearmer::callback, Rearmer::softirq,
                                  Rearmer::hardirq, Rearmer::thread,   Rearmer::unloader};
constexpr std::array all_delete_founds{DeleteFound::unknown, DeleteFound::armed, DeleteFound::not_armed,
                                       DeleteFound::callback_running};

std::string text_or_empty(const Document& json) {
    return json.is_null() ? "" : json.get<std::string>();
}

// What disarmd says in words of its own, and shows as it is.
std::string own_text(const Document& json) {
    auto text = json.get<std::string>();
    if (!std::ranges::all_of(text, [](char c) { return c >= ' ' && c <= '~'; }))
        throw Malformed{fmt::format("\"{}\" is not printable", printable(text))};
    return text;
}

// nlohmann's own conversion takes a fraction, a sign or too large a number for another number.
template <typename Number>
Number number_of(const Document& json) {
    if (!json.is_number_unsigned() ||
        json.get<std::uint64_t>() > static_cast<std::uint64_t>(std::numeric_limits<Number>::max()))
        throw Malformed{fmt::format("{} is no number up to {}",
                                    json.is_number() ? json.dump() : json.type_name(),
                                    std::numeric_limits<Number>::max())};
    return json.get<Number>();
}

// So that a loop takes nothing else for its only element, or for none.
const Document& list_in(const Document& json, const char* key) {
    const auto& list = json.at(key);
    if (!list.is_array())
        throw Malformed{fmt::format("{} is no list", key)};
    return list;
}

nanoseconds duration_of(const Document& milliseconds) {
    if (!milliseconds.is_number())
        throw Malformed{fmt::format("{} is no length of time", milliseconds.type_name())};
    // A timer that never fires does so in as many nanoseconds as there can be, and a double, which has fewer
    // digits, may tell a few more.
    constexpr double most_ns = 0x1p63;
    const double ns = milliseconds.get<double>() * 1e6;
    if (std::abs(ns) > 1.001 * most_ns)
        throw Malformed{"a length of time is out of range"};
    if (std::abs(ns) >= most_ns)
        return ns > 0 ? nanoseconds::max() : -nanoseconds::max();
    return nanoseconds(std::llround(ns));
}

std::optional<nanoseconds> known_duration_of(const Document& milliseconds) {
    return milliseconds.is_null() ? std::nullopt : std::optional(duration_of(milliseconds));
}

std::uint64_t address_of(const Document& json) {
    const auto text = json.get<std::string>();
    std::uint64_t address = 0;
    const auto* const end = text.data() + text.size();
    const bool begins = text.starts_with("0x");
    const auto read = std::from_chars(text.data() + (begins ? 2 : 0), end, address, 16);
    if (!begins || read.ec != std::errc() || read.ptr != end)
        throw Malformed{fmt::format("\"{}\" is no address", printable(text))};
    return address;
}

std::chrono::system_clock::time_point time_of(const Document& json) {
    constexpr int first_year = 1970;
    constexpr int last_year = 2200; // well before the clock, which counts nanoseconds, ends
    const auto text = json.get<std::string>();
    std::tm fields{};
    int ms = 0;
    // NOLINTNEXTLINE(cert-err34-c): what differs from what the result is written as is refused
    const int found =
        std::sscanf(text.c_str(), "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ", &fields.tm_year, &fields.tm_mon,
                    &fields.tm_mday, &fields.tm_hour, &fields.tm_min, &fields.tm_sec, &ms);
    std::chrono::system_clock::time_point time;
    if (found == 7 && fields.tm_year >= first_year && fields.tm_year <= last_year) {
        fields.tm_year -= 1900;
        fields.tm_mon -= 1;
        time = std::chrono::system_clock::from_time_t(::timegm(&fields)) + std::chrono::milliseconds(ms);
    }
    if (time_text(time) != text)
        throw Malformed{fmt::format("\"{}\" is no time", printable(text))};
    return time;
}

MemoryRange range_of(const Document& json) {
    return {address_of(json.at("start")), number_of<std::uint64_t>(json.at("bytes"))};
}

ModuleIdentity identity_of(const Document& json) {
    ModuleIdentity identity;
    identity.version = text_or_empty(json.at("version"));
    identity.srcversion = text_or_empty(json.at("srcversion"));
    identity.taints = own_text(json.at("taints"));
    for (const auto& range : list_in(json, "ranges"))
        identity.ranges.push_back(range_of(range));
    if (const auto& init = json.at("init_section"); !init.is_null())
        identity.init_section = range_of(init);
    identity.loaded_age = known_duration_of(json.at("loaded_age_ms"));
    return identity;
}

Arm arm_of(const Document& json) {
    Arm arm;
    arm.age = duration_of(json.at("age_ms"));
    arm.pid = number_of<std::uint32_t>(json.at("pid"));
    arm.comm = json.at("comm").get<std::string>();
    arm.cpu = number_of<std::uint32_t>(json.at("cpu"));
    arm.context = named(json.at("context"), all_arm_contexts);
    arm.stack = json.at("stack").get<std::vector<std::string>>();
    if (json.contains("stack_age_ms"))
        arm.stack_age = duration_of(json.at("stack_age_ms"));
    return arm;
}

Delete delete_of(const Document& json) {
    Delete deleted;
    deleted.age = duration_of(json.at("age_ms"));
    if (json.at("api").is_null())
        return deleted;
    deleted.api = json.at("api").get<std::string>();
    deleted.pid = number_of<std::uint32_t>(json.at("pid"));
    deleted.comm = json.at("comm").get<std::string>();
    deleted.cpu = number_of<std::uint32_t>(json.at("cpu"));
    deleted.context = named(json.at("context"), all_arm_contexts);
    deleted.found = named(json.at("found"), all_delete_founds);
    deleted.stack = json.at("stack").get<std::vector<std::string>>();
    return deleted;
}

PendingTimer timer_of(const Document& json) {
    PendingTimer timer;
    timer.kind = named(json.at("kind"), all_timer_kinds);
    timer.timer = address_of(json.at("timer"));
    timer.callback = address_of(json.at("callback"));
    timer.symbol = json.at("symbol").get<std::string>();
    for (const auto& owner : list_in(json, "owned_by"))
        timer.owned_by.push_back(named(owner, all_owners));
    timer.cause = named(json.at("cause"), all_causes);
    if (json.contains("rearmed_by"))
        timer.rearmer = named(json.at("rearmed_by"), all_rearmers);
    timer.expires_in = known_duration_of(json.at("expires_in_ms"));
    if (const auto& armed = json.at("armed"); !armed.is_null())
        timer.armed = arm_of(armed);
    if (const auto& deleted = json.at("deleted"); !deleted.is_null())
        timer.deleted = delete_of(deleted);
    return timer;
}

std::vector<Loss> losses_of(const Document& json) {
    if (!json.is_object())
        throw Malformed{"losses are no object"};
    std::vector<Loss> losses;
    for (std::size_t i = 0; i < abi::LOSS_MAX; ++i) {
        if (const auto found = json.find(name_of_loss(i)); found != json.end())
            losses.push_back({name_of_loss(i), number_of<std::uint64_t>(*found)});
    }
    return losses;
}

void take_unload(const Document& json, Unload& unload) {
    unload.pid = number_of<std::uint32_t>(json.at("pid"));
    unload.comm = json.at("comm").get<std::string>();
    if (const auto& command = json.at("command"); !command.is_null())
        unload.command = command.get<std::vector<std::string>>();
    unload.duration = known_duration_of(json.at("duration_ms"));
}

void take_policy(const Document& json, PolicyApplied& policy) {
    policy.rule = own_text(json.at("rule"));
    policy.allowed_once = json.at("allowed_once").get<bool>();
    policy.bypassed = json.at("bypassed").get<bool>();
    policy.drain = known_duration_of(json.at("drain_ms"));
    policy.drain_left = number_of<std::uint32_t>(json.at("drain_left"));
}

Incident incident_of(const Document& json) {
    if (const auto schema = number_of<int>(json.at("schema")); schema != json_schema)
        throw Malformed{fmt::format("its schema is {}, and {} is known here", schema, json_schema)};
    Incident incident;
    if (!json.at("id").is_null())
        incident.id = own_text(json.at("id"));
    incident.at = time_of(json.at("time"));
    const auto& host = json.at("host");
    incident.host = {host.at("name").get<std::string>(), host.at("kernel").get<std::string>(),
                     text_or_empty(host.at("boot_id"))};
    auto& unload = incident.unload;
    unload.module = json.at("module").get<std::string>();
    if (const auto& instance = json.at("instance"); !instance.is_null())
        unload.identity = identity_of(instance);
    unload.outcome = named(json.at("outcome"), all_outcomes);
    unload.verdict = named(json.at("verdict"), all_verdicts);
    unload.backend = json.at("backend").get<std::string>();
    for (const auto& source : list_in(json, "sources"))
        unload.sources.push_back(named(source, all_sources));
    unload.lost_events = number_of<std::uint64_t>(json.at("lost_events"));
    unload.losses = losses_of(json.at("losses"));
    unload.why_inconclusive = json.at("why_inconclusive").get<std::vector<std::string>>();
    for (const auto& timer : list_in(json, "pending"))
        unload.pending.push_back(timer_of(timer));
    unload.pending_count = unload.pending.size();
    if (json.contains("pending_left_out"))
        unload.pending_count += number_of<std::uint32_t>(json.at("pending_left_out"));
    if (json.contains("source_lines"))
        incident.source_lines = json.at("source_lines").get<std::map<std::string, std::string>>();
    if (const auto& by = json.at("unload"); !by.is_null())
        take_unload(by, unload);
    unload.policy.action = named(json.at("action"), all_actions);
    if (json.contains("policy"))
        take_policy(json.at("policy"), unload.policy);
    unload.advice = own_text(json.at("advice"));
    return incident;
}

} // namespace

Result<Incident> parse_incident(const std::string& document) {
    const auto wrong = [](std::string_view what) {
        return fail({EINVAL, fmt::format("this is no incident's record: {}", what)});
    };
    const auto json = Document::parse(document, nullptr, false);
    if (json.is_discarded())
        return wrong("it is not JSON");
    try {
        return incident_of(json);
    } catch (const Malformed& malformed) {
        return wrong(malformed.what);
    } catch (const Document::exception& error) {
        return wrong(error.what());
    }
}

} // namespace disarmd
