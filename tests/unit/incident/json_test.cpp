// SPDX-License-Identifier: Apache-2.0
#include "incident/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "builders.h"

namespace disarmd {
namespace {

using namespace std::chrono_literals;

std::vector<std::string> keys_of(const nlohmann::ordered_json& object) {
    std::vector<std::string> keys;
    for (const auto& [key, value] : object.items())
        keys.push_back(key);
    return keys;
}

// Of the incident that the fixed host, time and id make of it.
nlohmann::ordered_json json_of(const Unload& unload) {
    return to_json(test::incident_of(unload));
}

// What every document of the builders begins with.
constexpr std::string_view head =
    R"({"schema":1,"id":"0123456789ab","time":"2026-11-23T18:41:48.123Z",)"
    R"("host":{"name":"web1","kernel":"6.12.0-1-amd64","boot_id":"11111111-2222-3333-4444-555555555555"},)"
    R"("disarmd":")" DISARMD_VERSION R"(","module":"m",)";
constexpr std::string_view no_instance =
    R"("instance":{"version":null,"srcversion":null,"taints":"","ranges":[],"init_section":null,)"
    R"("loaded_age_ms":null},)";
constexpr std::string_view tail =
    R"("unload":{"pid":42,"comm":"rmmod","command":null,"duration_ms":1.5},"action":"none","advice":""})";

TEST(IncidentJson, of_a_leak_is_the_documented_document) {
    auto unload = test::detailed_unload();
    unload.pending.front().armed->stack_age = 3s;
    EXPECT_EQ(json_of(unload).dump(1), R"({
 "schema": 1,
 "id": "0123456789ab",
 "time": "2026-11-23T18:41:48.123Z",
 "host": {
  "name": "web1",
  "kernel": "6.12.0-1-amd64",
  "boot_id": "11111111-2222-3333-4444-555555555555"
 },
 "disarmd": ")" DISARMD_VERSION R"(",
 "module": "m",
 "instance": {
  "version": "1.2",
  "srcversion": "0123456789ABCDEF01234567",
  "taints": "OE",
  "ranges": [
   {
    "start": "0xffffffffc0a00000",
    "bytes": 8192
   },
   {
    "start": "0xffffffffc0a04000",
    "bytes": 4096
   }
  ],
  "init_section": {
   "start": "0xffffffffc0a08000",
   "bytes": 4096
  },
  "loaded_age_ms": 3600000.0
 },
 "outcome": "freed",
 "verdict": "leak",
 "backend": "tracepoint",
 "sources": [
  "tracking",
  "scan"
 ],
 "lost_events": 4,
 "losses": {
  "timer_map": 3,
  "symbols": 1
 },
 "why_inconclusive": [],
 "pending": [
  {
   "kind": "timer",
   "timer": "0xffffffffc0a03040",
   "callback": "0xffffffffc0a01000",
   "symbol": "m_cb [m]",
   "owned_by": [
    "callback",
    "object"
   ],
   "cause": "rearmed-after-delete",
   "rearmed_by": "thread",
   "expires_in_ms": 1234.5,
   "armed": {
    "age_ms": 0.4,
    "pid": 77,
    "comm": "kworker/3:1",
    "cpu": 3,
    "context": "task",
    "stack": [
     "mod_timer+0x10",
     "m_poll+0x2c [m]",
     "process_one_work+0x174"
    ],
    "stack_age_ms": 3000.0
   },
   "deleted": {
    "age_ms": 0.9,
    "api": "timer_delete_sync",
    "pid": 42,
    "comm": "rmmod",
    "cpu": 1,
    "context": "task",
    "found": "armed",
    "stack": [
     "m_exit+0x1d [m]",
     "__do_sys_delete_module+0xd9"
    ]
   }
  }
 ],
 "unload": {
  "pid": 42,
  "comm": "rmmod",
  "command": [
   "rmmod",
   "-v",
   "m"
  ],
  "duration_ms": 1.5
 },
 "action": "none",
 "advice": "stop what arms m_cb [m] again (m_poll+0x2c [m]) before the exit function deletes it"
})");
}

TEST(IncidentJson, of_a_clean_unload_has_the_same_keys) {
    EXPECT_EQ(to_line(json_of(test::clean_unload())),
              std::string(head) + std::string(no_instance) +
                  R"("outcome":"freed","verdict":"clean","backend":"tracepoint",)"
                  R"("sources":["tracking","scan"],"lost_events":0,"losses":{},"why_inconclusive":[],)"
                  R"("pending":[],)" +
                  std::string(tail));
}

TEST(IncidentJson, of_an_inconclusive_unload_says_why) {
    EXPECT_EQ(
        to_line(json_of(test::inconclusive_unload())),
        std::string(head) + std::string(no_instance) +
            R"("outcome":"freed","verdict":"inconclusive","backend":"tracepoint",)"
            R"("sources":["scan"],"lost_events":7,"losses":{},)"
            R"("why_inconclusive":["tracking: events were lost","scan: a timer wheel could not be read"],)"
            R"("pending":[],)" +
            std::string(tail));
}

TEST(IncidentJson, of_what_was_not_unloaded_has_no_unload_no_instance_and_no_id) {
    auto line = to_line(json_of(test::not_unloaded()));
    EXPECT_EQ(line.substr(0, 25), R"({"schema":1,"id":null,"ti)");
    EXPECT_EQ(line.substr(line.find("\"module\"")),
              R"("module":"m","instance":null,"outcome":"not-unloaded","verdict":"inconclusive",)"
              R"("backend":"tracepoint","sources":[],"lost_events":0,"losses":{},"why_inconclusive":[],)"
              R"("pending":[],"unload":null,"action":"none","advice":""})");
}

TEST(IncidentJson, of_a_failed_init_tells_how_long_it_took_where_that_is_known) {
    auto unload = test::leaking_unload();
    unload.outcome = Outcome::init_failed;
    auto json = json_of(unload);
    EXPECT_EQ(json["outcome"], "init-failed");
    EXPECT_EQ(to_line(json["unload"]), R"({"pid":42,"comm":"rmmod","command":null,"duration_ms":1.5})");
    unload.duration.reset();
    EXPECT_EQ(to_line(json_of(unload)["unload"]),
              R"({"pid":42,"comm":"rmmod","command":null,"duration_ms":null})");
}

TEST(IncidentJson, has_null_for_a_boot_that_is_not_known) {
    auto incident = test::incident_of(test::clean_unload());
    incident.host.boot_id.clear();
    EXPECT_EQ(to_line(to_json(incident)["host"]),
              R"({"name":"web1","kernel":"6.12.0-1-amd64","boot_id":null})");
}

TEST(IncidentJson, of_a_delete_that_little_is_known_of_says_so) {
    auto unload = test::leaking_unload();
    unload.pending.front().deleted = Delete{};
    unload.pending.front().deleted->age = 3ms;
    EXPECT_EQ(to_line(json_of(unload)["pending"][0]["deleted"]), R"({"age_ms":3.0,"api":null})");
}

TEST(IncidentJson, has_null_for_what_is_not_known_of_a_timer) {
    auto unload = test::leaking_unload();
    auto& timer = unload.pending.front();
    timer.kind = TimerKind::delayed_work;
    timer.owned_by = {Owner::work};
    timer.cause = Cause::callback_running;
    timer.expires_in.reset();
    timer.armed.reset();
    EXPECT_EQ(to_line(json_of(unload)["pending"]),
              R"([{"kind":"delayed_work","timer":"0xffffffffc0a03040","callback":"0xffffffffc0a01000",)"
              R"("symbol":"m_cb [m]","owned_by":["work"],"cause":"callback-running","expires_in_ms":null,)"
              R"("armed":null,"deleted":null}])");
}

TEST(IncidentJson, has_an_empty_list_for_a_stack_that_was_not_taken_and_owners_that_are_none) {
    auto unload = test::leaking_unload();
    unload.pending.front().owned_by = {};
    const auto json = json_of(unload);
    EXPECT_EQ(to_line(json["pending"][0]["armed"]["stack"]), "[]");
    EXPECT_EQ(to_line(json["pending"][0]["owned_by"]), "[]");
}

TEST(IncidentJson, tells_how_many_timers_it_leaves_out) {
    auto unload = test::leaking_unload();
    EXPECT_FALSE(json_of(unload).contains("pending_left_out"));
    unload.pending_count = 100;
    const auto json = json_of(unload);
    EXPECT_EQ(json["pending_left_out"], 99);
    EXPECT_THAT(keys_of(json), testing::ElementsAre("schema", "id", "time", "host", "disarmd", "module",
                                                    "instance", "outcome", "verdict", "backend", "sources",
                                                    "lost_events", "losses", "why_inconclusive", "pending",
                                                    "pending_left_out", "unload", "action", "advice"));
}

TEST(IncidentJson, keeps_large_numbers_exact) {
    auto unload = test::clean_unload();
    unload.lost_events = UINT64_MAX;
    unload.pid = UINT32_MAX;
    const auto json = json_of(unload);
    EXPECT_EQ(to_line(json["lost_events"]), "18446744073709551615");
    EXPECT_EQ(to_line(json["unload"]["pid"]), "4294967295");
}

TEST(IncidentJson, tells_fractions_of_a_millisecond) {
    auto unload = test::clean_unload();
    unload.duration = 12'345ns;
    EXPECT_DOUBLE_EQ(json_of(unload)["unload"]["duration_ms"].get<double>(), 0.012345);
}

TEST(ToLine, is_valid_json_whatever_bytes_the_kernel_held) {
    auto unload = test::leaking_unload();
    unload.module = "m\xff\xfe";
    unload.comm = "\xc3";
    unload.pending.front().symbol = "a\"b\\c\n\x1b[m]\x80";
    unload.pending.front().armed->comm = std::string("x\0y", 3);
    const auto line = to_line(json_of(unload));
    EXPECT_EQ(line.find('\n'), std::string::npos);
    EXPECT_EQ(line.find('\x1b'), std::string::npos);
    const auto read = nlohmann::json::parse(line);
    EXPECT_EQ(read["module"], "m\xef\xbf\xbd\xef\xbf\xbd");
    EXPECT_EQ(read["unload"]["comm"], "\xef\xbf\xbd");
    EXPECT_EQ(read["pending"][0]["symbol"], "a\"b\\c\n\x1b[m]\xef\xbf\xbd");
    EXPECT_EQ(read["pending"][0]["armed"]["comm"], std::string("x\0y", 3));
}

// DEL and the control sequence introducer of ISO 6429 among them.
TEST(ToLine, escapes_all_that_is_not_printable_ascii) {
    auto unload = test::clean_unload();
    unload.comm = "caf\xc3\xa9\x7f\xc2\x9b";
    const auto line = to_line(json_of(unload));
    EXPECT_THAT(line, testing::HasSubstr(R"("caf\u00e9\u007f\u009b")"));
    EXPECT_TRUE(test::is_printable_but_for_newlines(line));
    EXPECT_EQ(nlohmann::json::parse(line)["unload"]["comm"], unload.comm);
}

TEST(InventoryJson, lists_modules_and_orphans_apart) {
    const InventoryTimer timer{TimerKind::timer, test::timer_address, test::callback_address,
                               "m_cb [m]",       {Owner::callback},   1500us};
    const InventoryTimer orphan{
        TimerKind::kthread_delayed_work, 0x10, 0x20, "0x0000000000000020", {}, std::nullopt, 2500ms};
    EXPECT_EQ(
        to_line(to_json(std::vector<ModuleTimers>{{"m", {timer}}, {"", {orphan}}})),
        R"({"schema":1,"modules":[{"module":"m","timers":[{"kind":"timer","timer":"0xffffffffc0a03040",)"
        R"("callback":"0xffffffffc0a01000","symbol":"m_cb [m]","owned_by":["callback"],)"
        R"("expires_in_ms":1.5}]}],"orphans":[{"kind":"kthread_delayed_work","timer":"0x0000000000000010",)"
        R"("callback":"0x0000000000000020","symbol":"0x0000000000000020","owned_by":[],)"
        R"("expires_in_ms":null,"left_ago_ms":2500.0}]})");
}

TEST(InventoryJson, of_orphans_alone_has_nothing_else) {
    const InventoryTimer orphan{TimerKind::hrtimer, 0x10, 0x20, "0x0000000000000020", {}, 1500us, 2s};
    auto older = orphan;
    older.left_ago.reset();
    EXPECT_EQ(to_line(orphans_to_json({orphan, older})),
              R"({"schema":1,"orphans":[{"kind":"hrtimer","timer":"0x0000000000000010",)"
              R"("callback":"0x0000000000000020","symbol":"0x0000000000000020","owned_by":[],)"
              R"("expires_in_ms":1.5,"left_ago_ms":2000.0},{"kind":"hrtimer","timer":"0x0000000000000010",)"
              R"("callback":"0x0000000000000020","symbol":"0x0000000000000020","owned_by":[],)"
              R"("expires_in_ms":1.5,"left_ago_ms":null}]})");
    EXPECT_EQ(to_line(orphans_to_json({})), R"({"schema":1,"orphans":[]})");
}

TEST(InventoryJson, of_nothing_has_empty_lists) {
    EXPECT_EQ(to_line(to_json(std::vector<ModuleTimers>{})), R"({"schema":1,"modules":[],"orphans":[]})");
}

TEST(InventoryJson, keeps_the_order_of_modules_and_timers) {
    const InventoryTimer timer{TimerKind::timer, 1, 2, "s", {Owner::object}, 1ms};
    auto second = timer;
    second.timer = 3;
    const auto json = to_json(std::vector<ModuleTimers>{{"b", {timer, second}}, {"c", {timer}}});
    ASSERT_EQ(json["modules"].size(), 2U);
    EXPECT_EQ(json["modules"][0]["module"], "b");
    EXPECT_EQ(json["modules"][0]["timers"][0]["timer"], "0x0000000000000001");
    EXPECT_EQ(json["modules"][0]["timers"][1]["timer"], "0x0000000000000003");
    EXPECT_EQ(json["modules"][1]["module"], "c");
}

TEST(IncidentJson, of_what_a_rule_took_tells_the_rule) {
    auto unload = test::leaking_unload();
    unload.policy = {Action::drained, "c.toml:1: x", false, false, std::chrono::milliseconds(280), 0};
    const auto drained = to_json(test::incident_of(unload));
    EXPECT_EQ(drained["action"], "drained");
    EXPECT_EQ(
        drained["policy"].dump(),
        R"({"rule":"c.toml:1: x","allowed_once":false,"bypassed":false,"drain_ms":280.0,"drain_left":0})");
    const auto denied = to_json(test::incident_of(test::denied_unload()));
    EXPECT_EQ(denied["outcome"], "denied");
    EXPECT_EQ(denied["action"], "denied");
    EXPECT_EQ(denied["policy"]["drain_ms"], nullptr);
}

} // namespace
} // namespace disarmd
