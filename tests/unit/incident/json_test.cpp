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

TEST(UnloadJson, of_a_leak_is_the_documented_document) {
    auto unload = test::leaking_unload();
    unload.pending.front().armed->stack = {"m_init+0x1c [m]", "do_one_initcall+0x56"};
    EXPECT_EQ(to_json(unload).dump(1), R"({
 "schema": 1,
 "module": "m",
 "outcome": "freed",
 "verdict": "leak",
 "backend": "tracepoint",
 "sources": [
  "tracking",
  "scan"
 ],
 "lost_events": 0,
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
   "cause": "never-deleted",
   "expires_in_ms": 1234.5,
   "armed": {
    "age_ms": 2000.0,
    "pid": 321,
    "comm": "insmod",
    "cpu": 3,
    "context": "task",
    "stack": [
     "m_init+0x1c [m]",
     "do_one_initcall+0x56"
    ]
   },
   "deleted": null
  }
 ],
 "unload": {
  "pid": 42,
  "comm": "rmmod",
  "duration_ms": 1.5
 },
 "action": "none",
 "advice": "call timer_shutdown_sync() for m_cb [m] in the exit function"
})");
}

TEST(UnloadJson, of_a_clean_unload_has_the_same_keys) {
    EXPECT_EQ(to_line(to_json(test::clean_unload())),
              R"({"schema":1,"module":"m","outcome":"freed","verdict":"clean","backend":"tracepoint",)"
              R"("sources":["tracking","scan"],"lost_events":0,"why_inconclusive":[],"pending":[],)"
              R"("unload":{"pid":42,"comm":"rmmod","duration_ms":1.5},"action":"none","advice":""})");
}

TEST(UnloadJson, of_an_inconclusive_unload_says_why) {
    EXPECT_EQ(
        to_line(to_json(test::inconclusive_unload())),
        R"({"schema":1,"module":"m","outcome":"freed","verdict":"inconclusive","backend":"tracepoint",)"
        R"("sources":["scan"],"lost_events":7,)"
        R"("why_inconclusive":["tracking: events were lost","scan: a timer wheel could not be read"],)"
        R"("pending":[],"unload":{"pid":42,"comm":"rmmod","duration_ms":1.5},"action":"none","advice":""})");
}

TEST(UnloadJson, of_what_was_not_unloaded_has_no_unload) {
    EXPECT_EQ(to_line(to_json(test::not_unloaded())),
              R"({"schema":1,"module":"m","outcome":"not-unloaded","verdict":"inconclusive",)"
              R"("backend":"tracepoint","sources":[],"lost_events":0,"why_inconclusive":[],"pending":[],)"
              R"("unload":null,"action":"none","advice":""})");
}

TEST(UnloadJson, of_a_failed_init_has_no_duration) {
    auto unload = test::leaking_unload();
    unload.outcome = Outcome::init_failed;
    unload.duration.reset();
    const auto json = to_json(unload);
    EXPECT_EQ(json["outcome"], "init-failed");
    EXPECT_EQ(to_line(json["unload"]), R"({"pid":42,"comm":"rmmod","duration_ms":null})");
}

TEST(UnloadJson, has_null_for_what_is_not_known_of_a_timer) {
    auto unload = test::leaking_unload();
    auto& timer = unload.pending.front();
    timer.kind = TimerKind::delayed_work;
    timer.owned_by = {Owner::work};
    timer.cause = Cause::callback_running;
    timer.expires_in.reset();
    timer.armed.reset();
    EXPECT_EQ(to_line(to_json(unload)["pending"]),
              R"([{"kind":"delayed_work","timer":"0xffffffffc0a03040","callback":"0xffffffffc0a01000",)"
              R"("symbol":"m_cb [m]","owned_by":["work"],"cause":"callback-running","expires_in_ms":null,)"
              R"("armed":null,"deleted":null}])");
}

TEST(UnloadJson, has_an_empty_list_for_a_stack_that_was_not_taken_and_owners_that_are_none) {
    auto unload = test::leaking_unload();
    unload.pending.front().owned_by = {};
    const auto json = to_json(unload);
    EXPECT_EQ(to_line(json["pending"][0]["armed"]["stack"]), "[]");
    EXPECT_EQ(to_line(json["pending"][0]["owned_by"]), "[]");
}

TEST(UnloadJson, tells_how_many_timers_it_leaves_out) {
    auto unload = test::leaking_unload();
    EXPECT_FALSE(to_json(unload).contains("pending_left_out"));
    unload.pending_count = 100;
    const auto json = to_json(unload);
    EXPECT_EQ(json["pending_left_out"], 99);
    EXPECT_THAT(keys_of(json), testing::ElementsAre("schema", "module", "outcome", "verdict", "backend",
                                                    "sources", "lost_events", "why_inconclusive", "pending",
                                                    "pending_left_out", "unload", "action", "advice"));
}

TEST(UnloadJson, keeps_large_numbers_exact) {
    auto unload = test::clean_unload();
    unload.lost_events = UINT64_MAX;
    unload.pid = UINT32_MAX;
    const auto json = to_json(unload);
    EXPECT_EQ(to_line(json["lost_events"]), "18446744073709551615");
    EXPECT_EQ(to_line(json["unload"]["pid"]), "4294967295");
}

TEST(UnloadJson, tells_fractions_of_a_millisecond) {
    auto unload = test::clean_unload();
    unload.duration = 12'345ns;
    EXPECT_DOUBLE_EQ(to_json(unload)["unload"]["duration_ms"].get<double>(), 0.012345);
}

TEST(ToLine, is_valid_json_whatever_bytes_the_kernel_held) {
    auto unload = test::leaking_unload();
    unload.module = "m\xff\xfe";
    unload.comm = "\xc3";
    unload.pending.front().symbol = "a\"b\\c\n\x1b[m]\x80";
    unload.pending.front().armed->comm = std::string("x\0y", 3);
    const auto line = to_line(to_json(unload));
    EXPECT_EQ(line.find('\n'), std::string::npos);
    EXPECT_EQ(line.find('\x1b'), std::string::npos);
    const auto read = nlohmann::json::parse(line);
    EXPECT_EQ(read["module"], "m\xef\xbf\xbd\xef\xbf\xbd");
    EXPECT_EQ(read["unload"]["comm"], "\xef\xbf\xbd");
    EXPECT_EQ(read["pending"][0]["symbol"], "a\"b\\c\n\x1b[m]\xef\xbf\xbd");
    EXPECT_EQ(read["pending"][0]["armed"]["comm"], std::string("x\0y", 3));
}

TEST(ToLine, leaves_valid_utf8_alone) {
    auto unload = test::clean_unload();
    unload.comm = "caf\xc3\xa9";
    EXPECT_THAT(to_line(to_json(unload)), testing::HasSubstr("\"caf\xc3\xa9\""));
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

} // namespace
} // namespace disarmd
