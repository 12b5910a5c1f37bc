// SPDX-License-Identifier: Apache-2.0
#include "incident/parse.h"

#include <functional>
#include <ostream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "builders.h"
#include "incident/json.h"
#include "incident/text.h"

namespace disarmd {
namespace {

using namespace std::chrono_literals;
using nlohmann::ordered_json;
using testing::HasSubstr;
using testing::StartsWith;

std::string document_of(const Incident& incident) {
    return to_line(to_json(incident));
}

void expect_the_same(const Incident& incident) {
    const auto document = document_of(incident);
    const auto parsed = parse_incident(document);
    ASSERT_TRUE(parsed) << parsed.error().text();
    EXPECT_EQ(document_of(*parsed), document);
    EXPECT_EQ(to_page(*parsed, Colour::ansi), to_page(incident, Colour::ansi));
    EXPECT_EQ(to_log(*parsed), to_log(incident));
}

TEST(ParseIncident, gives_back_every_incident_that_a_document_was_made_of) {
    for (const auto& unload : {test::clean_unload(), test::leaking_unload(), test::inconclusive_unload(),
                               test::not_unloaded(), test::detailed_unload(), test::denied_unload()})
        expect_the_same(test::incident_of(unload));
    auto drained = test::leaking_unload();
    drained.policy = {Action::panic, "c.toml:1: x", true, true, std::chrono::milliseconds(280), 2};
    expect_the_same(test::incident_of(drained));
    auto unload = test::detailed_unload();
    unload.outcome = Outcome::init_failed;
    unload.duration.reset();
    expect_the_same(test::incident_of(unload));
    auto incident = test::incident_of(test::leaking_unload());
    incident.host = {};
    expect_the_same(incident);
}

TEST(ParseIncident, gives_back_every_word) {
    auto unload = test::detailed_unload();
    auto& timer = unload.pending.front();
    for (const auto kind : {TimerKind::timer, TimerKind::hrtimer, TimerKind::delayed_work,
                            TimerKind::kthread_delayed_work, TimerKind::alarm}) {
        timer.kind = kind;
        expect_the_same(test::incident_of(unload));
    }
    for (const auto cause : {Cause::unknown, Cause::never_deleted, Cause::failed_rollback,
                             Cause::callback_running, Cause::rearmed_after_delete}) {
        timer.cause = cause;
        expect_the_same(test::incident_of(unload));
    }
    for (const auto rearmer : {Rearmer::unknown, Rearmer::callback, Rearmer::softirq, Rearmer::hardirq,
                               Rearmer::thread, Rearmer::unloader}) {
        timer.rearmer = rearmer;
        expect_the_same(test::incident_of(unload));
    }
    for (const auto context : {ArmContext::unknown, ArmContext::task, ArmContext::softirq,
                               ArmContext::hardirq, ArmContext::callback}) {
        timer.armed->context = context;
        timer.deleted->context = context;
        expect_the_same(test::incident_of(unload));
    }
    for (const auto found :
         {DeleteFound::unknown, DeleteFound::armed, DeleteFound::not_armed, DeleteFound::callback_running}) {
        timer.deleted->found = found;
        expect_the_same(test::incident_of(unload));
    }
    for (const auto& owned_by : std::vector<std::vector<Owner>>{
             {}, {Owner::callback}, {Owner::object}, {Owner::work}, {Owner::callback, Owner::work}}) {
        timer.owned_by = owned_by;
        expect_the_same(test::incident_of(unload));
    }
}

TEST(ParseIncident, gives_back_what_is_not_known) {
    auto unload = test::detailed_unload();
    auto& timer = unload.pending.front();
    timer.expires_in.reset();
    timer.armed->stack_age = 5s;
    timer.deleted->api.clear();
    expect_the_same(test::incident_of(unload));
    timer.armed.reset();
    timer.deleted.reset();
    expect_the_same(test::incident_of(unload));
    unload.pending_count = UINT32_MAX;
    expect_the_same(test::incident_of(unload));
}

TEST(ParseIncident, gives_back_many_timers_and_those_that_are_left_out) {
    auto unload = test::detailed_unload();
    unload.pending.resize(DISARMD_PENDING_MAX, unload.pending.front());
    for (std::size_t i = 0; i < unload.pending.size(); ++i)
        unload.pending[i].timer += i;
    unload.pending_count = 100;
    expect_the_same(test::incident_of(unload));
    EXPECT_EQ(parse_incident(document_of(test::incident_of(unload)))->unload.pending_count, 100U);
}

TEST(ParseIncident, gives_back_source_lines) {
    auto incident = test::incident_of(test::detailed_unload());
    incident.source_lines = {{"m_init+0x1c [m]", "drivers/m.c:42"}, {"m_exit+0x2 [m]", "drivers/m.c:50"}};
    expect_the_same(incident);
    EXPECT_EQ(parse_incident(document_of(incident))->source_lines, incident.source_lines);
}

TEST(ParseIncident, gives_back_every_kind_of_loss) {
    auto unload = test::inconclusive_unload();
    unload.lost_events = UINT64_MAX;
    for (std::size_t i = 0; i < abi::LOSS_MAX; ++i)
        unload.losses.push_back({name_of_loss(i), i + 1});
    unload.losses.back().count = UINT64_MAX;
    expect_the_same(test::incident_of(unload));
}

TEST(ParseIncident, gives_back_lengths_of_time_to_the_nanosecond) {
    for (const auto length :
         std::vector<std::chrono::nanoseconds>{0ns, 1ns, 999ns, 12'345ns, 12'343ns, 1'000'001ns,
                                               59'999'999'999ns, 48h + 1ns, 24h * 20 + 123'456'789ns}) {
        auto unload = test::detailed_unload();
        unload.duration = length;
        unload.identity.loaded_age = length;
        unload.pending.front().expires_in = length;
        unload.pending.front().armed->age = length;
        unload.pending.front().deleted->age = length;
        expect_the_same(test::incident_of(unload));
        const auto parsed = parse_incident(document_of(test::incident_of(unload)));
        EXPECT_EQ(parsed->unload.duration, length);
        EXPECT_EQ(parsed->unload.pending.front().armed->age, length);
    }
}

TEST(ParseIncident, gives_back_a_timer_that_never_fires) {
    // MAX_JIFFY_OFFSET; KTIME_MAX, two years after the host was started.
    for (const auto never : {std::chrono::nanoseconds::max(), std::chrono::nanoseconds::max() - 24h * 730}) {
        auto unload = test::leaking_unload();
        unload.pending.front().expires_in = never;
        expect_the_same(test::incident_of(unload));
    }
}

TEST(ParseIncident, gives_back_hostile_names_that_are_utf8) {
    auto unload = test::hostile_unload();
    std::string text = "caf\xc3\xa9 \n\x1b[2J\"\\ \x7f";
    text += '\0';
    unload.module = unload.comm = unload.pending.front().symbol = text;
    unload.command = {text, "", text};
    unload.identity.version = unload.identity.srcversion = text;
    unload.why_inconclusive = {text};
    unload.pending.front().armed->comm = unload.pending.front().deleted->comm = text;
    unload.pending.front().armed->stack = unload.pending.front().deleted->stack = {text};
    unload.pending.front().deleted->api = text;
    auto incident = test::incident_of(unload);
    incident.host = {text, text, text};
    expect_the_same(incident);
}

TEST(ParseIncident, takes_what_replaced_bytes_that_are_none) {
    const auto incident = test::incident_of(test::hostile_unload());
    const auto parsed = parse_incident(document_of(incident));
    ASSERT_TRUE(parsed) << parsed.error().text();
    EXPECT_EQ(parsed->unload.module, "a\nb\r\x1b[2J\x07\xef\xbf\xbd\xef\xbf\xbd\\");
    EXPECT_EQ(document_of(*parsed), document_of(incident));
}

TEST(ParseIncident, passes_over_what_a_later_version_adds) {
    auto json = to_json(test::incident_of(test::detailed_unload()));
    const auto document = to_line(json);
    json["later"] = {1, 2, 3};
    json["pending"][0]["later"] = nullptr;
    json["losses"]["later"] = 5;
    const auto parsed = parse_incident(to_line(json));
    ASSERT_TRUE(parsed) << parsed.error().text();
    EXPECT_EQ(document_of(*parsed), document);
}

// What it says of a document that is wrong.
std::string error_of(const std::string& document) {
    const auto parsed = parse_incident(document);
    if (parsed) {
        ADD_FAILURE() << "accepted: " << document;
        return {};
    }
    EXPECT_EQ(parsed.error().code(), EINVAL);
    EXPECT_THAT(parsed.error().text(), StartsWith("this is no incident's record: "));
    EXPECT_TRUE(test::is_printable_but_for_newlines(parsed.error().text())) << parsed.error().text();
    EXPECT_EQ(parsed.error().text().find('\n'), std::string::npos);
    return parsed.error().text().substr(parsed.error().text().find(": ") + 2);
}

ordered_json whole() {
    return to_json(test::incident_of(test::detailed_unload()));
}

TEST(ParseIncident, refuses_what_is_not_json) {
    for (const std::string text : {"", " ", "{", "x", "{\"schema\":1", "{\"schema\":1}}", "\xff", "[1,2",
                                   "{'a':1}", "{\"a\":1e999}", "{\"a\":\"\xff\"}", "\xef\xbb\xbf"})
        EXPECT_EQ(error_of(text), "it is not JSON") << text;
    EXPECT_EQ(error_of(std::string(1, '\0')), "it is not JSON");
    EXPECT_EQ(error_of(document_of(test::incident_of(test::leaking_unload())) + "x"), "it is not JSON");
}

TEST(ParseIncident, refuses_json_that_is_no_object) {
    for (const std::string text : {"null", "1", "\"a\"", "[]", "true", "1.5", "[{}]"})
        EXPECT_THAT(error_of(text), HasSubstr("cannot use at() with ")) << text;
    EXPECT_THAT(error_of("{}"), HasSubstr("key 'schema' not found"));
}

TEST(ParseIncident, refuses_what_is_nested_however_deep) {
    for (const std::string open : {"[", "{\"a\":"}) {
        std::string text;
        for (int depth = 0; depth < 20'000; ++depth)
            text += open;
        error_of(text);
    }
    error_of(std::string(20'000, '[') + std::string(20'000, ']'));
    auto json = whole();
    auto text = to_line(json);
    const std::string version = R"("version":"1.2")";
    text.replace(text.find(version), version.size(),
                 "\"version\":" + std::string(10'000, '[') + std::string(10'000, ']'));
    error_of(text);
}

TEST(ParseIncident, refuses_a_document_that_is_cut_anywhere) {
    const auto document = to_line(whole());
    for (std::size_t size = 0; size < document.size(); ++size)
        ASSERT_FALSE(parse_incident(document.substr(0, size))) << size;
}

TEST(ParseIncident, refuses_another_schema) {
    auto json = whole();
    json["schema"] = 2;
    EXPECT_EQ(error_of(to_line(json)), "its schema is 2, and 1 is known here");
    json["schema"] = 0;
    EXPECT_EQ(error_of(to_line(json)), "its schema is 0, and 1 is known here");
    for (const auto& wrong : {ordered_json(-1), ordered_json(1.0), ordered_json("1"), ordered_json(true),
                              ordered_json(4294967297), ordered_json(nullptr)}) {
        json["schema"] = wrong;
        error_of(to_line(json));
    }
}

// Every place in the document, as JSON pointers.
void collect(const ordered_json& json, const ordered_json::json_pointer& at,
             std::vector<ordered_json::json_pointer>& places) {
    for (const auto& [key, value] : json.items()) {
        const auto place = json.is_array() ? at / std::stoul(key) : at / key;
        places.push_back(place);
        if (value.is_structured())
            collect(value, place, places);
    }
}

std::vector<ordered_json::json_pointer> places_of(const ordered_json& json) {
    std::vector<ordered_json::json_pointer> places;
    collect(json, ordered_json::json_pointer(), places);
    return places;
}

TEST(ParseIncident, refuses_a_document_that_lacks_any_key) {
    const auto json = whole();
    for (const auto& place : places_of(json)) {
        const auto parent = place.parent_pointer();
        const auto text = place.to_string();
        if (!json[parent].is_object() || text == "/disarmd" || text.starts_with("/losses/") ||
            text.ends_with("/rearmed_by"))
            continue;
        auto lacking = json;
        lacking[parent].erase(place.back());
        EXPECT_THAT(error_of(to_line(lacking)), HasSubstr("key '" + place.back() + "' not found")) << text;
    }
}

TEST(ParseIncident, refuses_a_value_of_another_type_in_any_place) {
    const auto json = whole();
    const std::vector<ordered_json> values{
        nullptr, true, 1, -1, 1.5, "a", ordered_json::array(), ordered_json::object()};
    for (const auto& place : places_of(json)) {
        if (place.to_string() == "/disarmd")
            continue;
        const auto& right = json[place];
        for (const auto& value : values) {
            const bool same_type = right.is_number_float() ? value.is_number() : value.type() == right.type();
            // As if it were not known.
            const bool may_be_null = value.is_null() && parse_incident([&] {
                                                            auto nulled = json;
                                                            nulled[place] = nullptr;
                                                            return to_line(nulled);
                                                        }())
                                                            .has_value();
            if (same_type || may_be_null || (right.is_number_unsigned() && value.is_number_unsigned()))
                continue;
            auto wrong = json;
            wrong[place] = value;
            if (right.is_number_integer() && value == 1)
                continue;
            error_of(to_line(wrong));
            if (testing::Test::HasFailure())
                FAIL() << place << " = " << value;
        }
    }
}

TEST(ParseIncident, takes_null_where_it_may_stand_and_nowhere_else) {
    const auto json = whole();
    std::vector<std::string> nullable;
    for (const auto& place : places_of(json)) {
        auto nulled = json;
        nulled[place] = nullptr;
        if (parse_incident(to_line(nulled)))
            nullable.push_back(place.to_string());
    }
    EXPECT_THAT(nullable, testing::ElementsAre(
                              "/id", "/host/boot_id", "/disarmd", "/instance", "/instance/version",
                              "/instance/srcversion", "/instance/init_section", "/instance/loaded_age_ms",
                              "/pending/0/expires_in_ms", "/pending/0/armed", "/pending/0/deleted",
                              "/pending/0/deleted/api", "/unload", "/unload/command", "/unload/duration_ms"));
}

struct WrongCase {
    std::string place;
    std::string value; // JSON
    std::string error;

    friend void PrintTo(const WrongCase& value, std::ostream* out) {
        *out << value.place << " " << value.value;
    }
};

class WrongValue : public testing::TestWithParam<WrongCase> {};

TEST_P(WrongValue, is_told) {
    auto json = whole();
    const ordered_json::json_pointer place(GetParam().place);
    ASSERT_TRUE(json.contains(place));
    json[place] = ordered_json::parse(GetParam().value);
    EXPECT_EQ(error_of(to_line(json)), GetParam().error);
}

INSTANTIATE_TEST_SUITE_P(
    words, WrongValue,
    testing::Values(WrongCase{"/verdict", R"("Leak")", R"(what is "Leak"?)"},
                    WrongCase{"/verdict", R"("")", R"(what is ""?)"},
                    WrongCase{"/verdict", R"("le\nak\u001b")", R"(what is "le\x0aak\x1b"?)"},
                    WrongCase{"/outcome", R"("leak")", R"(what is "leak"?)"},
                    WrongCase{"/sources/0", R"("both")", R"(what is "both"?)"},
                    WrongCase{"/pending/0/kind", R"("timer ")", R"(what is "timer "?)"},
                    WrongCase{"/pending/0/cause", R"("fate")", R"(what is "fate"?)"},
                    WrongCase{"/pending/0/rearmed_by", R"("me")", R"(what is "me"?)"},
                    WrongCase{"/pending/0/owned_by/1", R"("nobody")", R"(what is "nobody"?)"},
                    WrongCase{"/pending/0/armed/context", R"("nmi")", R"(what is "nmi"?)"},
                    WrongCase{"/pending/0/deleted/context", R"("nmi")", R"(what is "nmi"?)"},
                    WrongCase{"/pending/0/deleted/found", R"("gold")", R"(what is "gold"?)"}));

INSTANTIATE_TEST_SUITE_P(
    addresses, WrongValue,
    testing::Values(WrongCase{"/pending/0/timer", R"("")", R"("" is no address)"},
                    WrongCase{"/pending/0/timer", R"("0x")", R"("0x" is no address)"},
                    WrongCase{"/pending/0/timer", R"("12")", R"("12" is no address)"},
                    WrongCase{"/pending/0/timer", R"("0x12g")", R"("0x12g" is no address)"},
                    WrongCase{"/pending/0/timer", R"("0x-1")", R"("0x-1" is no address)"},
                    WrongCase{"/pending/0/timer", R"("0x 1")", R"("0x 1" is no address)"},
                    WrongCase{"/pending/0/callback", R"("0x10000000000000000")",
                              R"("0x10000000000000000" is no address)"},
                    WrongCase{"/instance/ranges/0/start", R"("0x1\u0000")", R"("0x1\x00" is no address)"}));

INSTANTIATE_TEST_SUITE_P(
    numbers, WrongValue,
    testing::Values(WrongCase{"/unload/pid", "4294967296", "4294967296 is no number up to 4294967295"},
                    WrongCase{"/unload/pid", "-1", "-1 is no number up to 4294967295"},
                    WrongCase{"/unload/pid", "1.5", "1.5 is no number up to 4294967295"},
                    WrongCase{"/unload/pid", "true", "boolean is no number up to 4294967295"},
                    WrongCase{"/pending/0/armed/pid", "-1", "-1 is no number up to 4294967295"},
                    WrongCase{"/pending/0/armed/cpu", "-1", "-1 is no number up to 4294967295"},
                    WrongCase{"/pending/0/deleted/cpu", "1e3", "1000.0 is no number up to 4294967295"},
                    WrongCase{"/instance/ranges/0/bytes", "-4096",
                              "-4096 is no number up to 18446744073709551615"},
                    WrongCase{"/instance/ranges/0/bytes", "18446744073709551616",
                              "1.8446744073709552e+19 is no number up to 18446744073709551615"},
                    WrongCase{"/lost_events", "-1", "-1 is no number up to 18446744073709551615"},
                    WrongCase{"/losses/timer_map", "-1", "-1 is no number up to 18446744073709551615"},
                    WrongCase{"/losses", "[]", "losses are no object"},
                    WrongCase{"/pending", "{}", "pending is no list"},
                    WrongCase{"/sources", "\"scan\"", "sources is no list"},
                    WrongCase{"/pending/0/owned_by", "null", "owned_by is no list"},
                    WrongCase{"/instance/ranges", "{}", "ranges is no list"},
                    WrongCase{"/unload/duration_ms", "1e300", "a length of time is out of range"},
                    WrongCase{"/unload/duration_ms", "-1e13", "a length of time is out of range"},
                    WrongCase{"/unload/duration_ms", "true", "boolean is no length of time"}));

INSTANTIATE_TEST_SUITE_P(
    texts, WrongValue,
    testing::Values(
        WrongCase{"/time", R"("")", R"("" is no time)"},
        WrongCase{"/time", R"("now")", R"("now" is no time)"},
        WrongCase{"/time", R"("2026-11-23T18:41:48.123")", R"("2026-11-23T18:41:48.123" is no time)"},
        WrongCase{"/time", R"("2026-11-23T18:41:48.123Zx")", R"("2026-11-23T18:41:48.123Zx" is no time)"},
        WrongCase{"/time", R"("2026-13-01T00:00:00.000Z")", R"("2026-13-01T00:00:00.000Z" is no time)"},
        WrongCase{"/time", R"("2026-02-30T00:00:00.000Z")", R"("2026-02-30T00:00:00.000Z" is no time)"},
        WrongCase{"/time", R"("9999-01-01T00:00:00.000Z")", R"("9999-01-01T00:00:00.000Z" is no time)"},
        WrongCase{"/time", R"("0001-01-01T00:00:00.000Z")", R"("0001-01-01T00:00:00.000Z" is no time)"},
        WrongCase{"/time", R"("2026- 1-23T18:41:48.123Z")", R"("2026- 1-23T18:41:48.123Z" is no time)"},
        WrongCase{"/id", R"("\u001b[2J")", R"("\x1b[2J" is not printable)"},
        WrongCase{"/instance/taints", R"("\n")", R"("\x0a" is not printable)"},
        WrongCase{"/advice", R"("caf\u00e9")", R"("caf\xc3\xa9" is not printable)"}));

TEST(ParseIncident, counts_no_more_than_can_be_left_out) {
    auto json = whole();
    json["pending_left_out"] = UINT32_MAX;
    EXPECT_EQ(parse_incident(to_line(json))->unload.pending_count, std::size_t{UINT32_MAX} + 1);
    json["pending_left_out"] = UINT64_MAX;
    EXPECT_EQ(error_of(to_line(json)), "18446744073709551615 is no number up to 4294967295");
}

} // namespace
} // namespace disarmd
