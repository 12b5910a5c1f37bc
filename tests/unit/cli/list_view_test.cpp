// SPDX-License-Identifier: Apache-2.0
#include "cli/list_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "builders.h"

namespace disarmd {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;

InventoryTimer timer_of(std::uint64_t address, std::string symbol,
                        std::optional<std::chrono::nanoseconds> expires_in,
                        std::optional<double> arms_per_s = std::nullopt) {
    return {TimerKind::timer, address,      0x20, std::move(symbol), {Owner::callback},
            expires_in,       std::nullopt, true, arms_per_s};
}

InventoryTimer orphan_of(std::uint64_t address, std::optional<std::chrono::nanoseconds> expires_in) {
    return {TimerKind::hrtimer, address, 0x20, "0x0000000000000020", {}, expires_in, 2min};
}

// Two callbacks of module a, one of b that is armed often, and what a module that is gone has left.
std::vector<ModuleTimers> example() {
    auto idle = timer_of(0x40, "often [b]", std::nullopt, 100);
    idle.armed = false;
    return {{"a",
             {timer_of(0x10, "x [a]", 3s, 0.5), timer_of(0x11, "x [a]", 1s, 0.25),
              timer_of(0x12, "y [a]", 5ms, 0.0)}},
            {"b", {timer_of(0x30, "often [b]", 2s, 900), idle}},
            {"", {orphan_of(0x50, 4s)}}};
}

std::vector<std::uint64_t> addresses(const std::vector<ListedTimer>& timers) {
    std::vector<std::uint64_t> list;
    for (const auto& listed : timers)
        list.push_back(listed.timer.timer);
    return list;
}

std::vector<std::string> modules_in(const std::vector<ModuleTimers>& inventory) {
    std::vector<std::string> names;
    for (const auto& entry : inventory)
        names.push_back(entry.module);
    return names;
}

std::string table(const std::vector<ModuleTimers>& inventory, const ListOptions& options = {}) {
    return list_table(listed_timers(inventory, options.next), options, std::nullopt);
}

TEST(KeepAsked, takes_modules_by_name_or_pattern_and_orphans) {
    struct Case {
        std::optional<std::string> module;
        bool orphans;
        std::vector<std::string> kept;
    };
    for (const auto& tried : {
             Case{std::nullopt, false, {"vendor_a", "vendor_b", "x", ""}},
             Case{"x", false, {"x"}},
             Case{"vendor", false, {}},
             Case{"vendor_*", false, {"vendor_a", "vendor_b"}},
             Case{"vendor_[b-z]", false, {"vendor_b"}},
             Case{"?", false, {"x"}},
             Case{"*", false, {"vendor_a", "vendor_b", "x"}},
             Case{std::nullopt, true, {""}},
         }) {
        std::vector<ModuleTimers> inventory{{"vendor_a", {}}, {"vendor_b", {}}, {"x", {}}, {"", {}}};
        ListOptions options;
        options.module = tried.module;
        options.orphans = tried.orphans;
        keep_asked(inventory, options);
        EXPECT_EQ(modules_in(inventory), tried.kept) << tried.module.value_or("-");
    }
}

TEST(ListedTimers, are_all_or_the_next_ones) {
    EXPECT_THAT(addresses(listed_timers(example(), std::nullopt)),
                ElementsAre(0x10, 0x11, 0x12, 0x30, 0x40, 0x50));
    EXPECT_THAT(addresses(listed_timers(example(), 3)), ElementsAre(0x12, 0x11, 0x30));
    EXPECT_THAT(addresses(listed_timers(example(), 100)), ElementsAre(0x12, 0x11, 0x30, 0x10, 0x50))
        << "one that is not armed is not going to fire";
    EXPECT_THAT(addresses(listed_timers({}, 1)), ElementsAre());
    EXPECT_THAT(addresses(listed_timers({{"m", {timer_of(1, "s", std::nullopt), timer_of(2, "s", 1s)}}}, 2)),
                ElementsAre(2, 1))
        << "what is not known comes last";
}

TEST(ListTable, has_a_line_for_each_callback) {
    EXPECT_EQ(table(example()), "MODULE   KIND     ARMED  FIRES IN  CALLBACK            OWNED BY\n"
                                "a        timer    2      1.0 s     x                   callback\n"
                                "a        timer    1      5.0 ms    y                   callback\n"
                                "b        timer    1      2.0 s     often               callback\n"
                                "(freed)  hrtimer  1      4.0 s     0x0000000000000020  -\n");
}

TEST(ListTable, of_nothing_is_its_head) {
    EXPECT_EQ(table({}), "MODULE  KIND  ARMED  FIRES IN  CALLBACK  OWNED BY\n");
}

TEST(ListTable, keeps_kinds_and_owners_apart) {
    auto work = timer_of(1, "f [m]", 1s);
    work.kind = TimerKind::delayed_work;
    work.owned_by = {Owner::object, Owner::work};
    auto other = work;
    other.owned_by = {Owner::work};
    EXPECT_EQ(table({{"m", {work, other, timer_of(2, "f [m]", std::nullopt)}}}),
              "MODULE  KIND          ARMED  FIRES IN  CALLBACK  OWNED BY\n"
              "m       timer         1      unknown   f         callback\n"
              "m       delayed_work  1      1.0 s     f         object, work\n"
              "m       delayed_work  1      1.0 s     f         work\n");
}

TEST(ListTable, has_rates_where_they_are_measured) {
    ListOptions options;
    options.watch = 2s;
    EXPECT_EQ(table(example(), options),
              "MODULE   KIND     ARMED  ARMS/S  FIRES IN  CALLBACK            OWNED BY\n"
              "a        timer    2      0.8     1.0 s     x                   callback\n"
              "a        timer    1      0.0     5.0 ms    y                   callback\n"
              "b        timer    1      1000.0  2.0 s     often               callback\n"
              "(freed)  hrtimer  1      -       4.0 s     0x0000000000000020  -\n");
    auto idle = timer_of(1, "f [m]", std::nullopt, 3);
    idle.armed = false;
    EXPECT_THAT(table({{"m", {idle}}}, options), HasSubstr("\nm       timer  0      3.0     -         f "));
}

TEST(ListTable, is_sorted_as_it_is_asked) {
    struct Case {
        ListOrder order;
        std::vector<std::string> callbacks;
    };
    for (const auto& tried : {
             Case{ListOrder::module, {"x", "y", "often", "0x0000000000000020"}},
             Case{ListOrder::count, {"x", "y", "often", "0x0000000000000020"}},
             Case{ListOrder::rate, {"often", "x", "y", "0x0000000000000020"}},
             Case{ListOrder::next, {"y", "x", "often", "0x0000000000000020"}},
         }) {
        ListOptions options;
        options.order = tried.order;
        std::vector<std::string> callbacks;
        for (const auto& line : test::lines_of(table(example(), options))) {
            const auto word = line.substr(std::string("(freed)  hrtimer  1      4.0 s     ").size());
            callbacks.push_back(word.substr(0, word.find(' ')));
        }
        callbacks.erase(callbacks.begin());
        EXPECT_EQ(callbacks, tried.callbacks);
    }
    ListOptions by_count;
    by_count.order = ListOrder::count;
    EXPECT_THAT(
        table({{"a", {timer_of(1, "f", 1s)}}, {"b", {timer_of(2, "g", 2s), timer_of(3, "g", 3s)}}}, by_count),
        HasSubstr("\nb       timer  2      2.0 s     g         callback\na "));
}

TEST(ListTable, of_the_next_has_a_line_for_each_timer) {
    ListOptions options;
    options.next = 3;
    EXPECT_EQ(table(example(), options), "MODULE  KIND   FIRES IN  CALLBACK  OWNED BY\n"
                                         "a       timer  5.0 ms    y         callback\n"
                                         "a       timer  1.0 s     x         callback\n"
                                         "b       timer  2.0 s     often     callback\n");
    options.rate = 1s;
    EXPECT_THAT(table(example(), options), HasSubstr("FIRES IN  ARMS/S  CALLBACK"));
}

TEST(ListTable, of_orphans_tells_the_addresses_and_since_when) {
    auto older = orphan_of(0x10, std::nullopt);
    older.kind = TimerKind::kthread_delayed_work;
    older.left_ago.reset();
    ListOptions options;
    options.orphans = true;
    EXPECT_EQ(table({{"", {orphan_of(test::timer_address, 1500us), older}}}, options),
              "KIND                  FIRES IN  TIMER               CALLBACK            LEFT AGO\n"
              "hrtimer               1.5 ms    0xffffffffc0a03040  0x0000000000000020  120.0 s\n"
              "kthread_delayed_work  unknown   0x0000000000000010  0x0000000000000020  unknown\n");
}

TEST(ListTable, escapes_names) {
    const auto text = table({{test::hostile, {timer_of(1, test::hostile, 1s)}}});
    EXPECT_TRUE(test::is_printable_but_for_newlines(text)) << text;
    EXPECT_EQ(test::lines_of(text).size(), 2U);
    EXPECT_THAT(text, HasSubstr("\n" + test::escaped + "  timer  1      1.0 s     " + test::escaped +
                                "  callback\n"));
}

TEST(ListTable, fits_the_width) {
    const std::string name(55, 'm');
    const auto timers =
        listed_timers({{name, {timer_of(1, std::string(60, 'f') + " [" + name + "]", 1s)}}}, std::nullopt);
    for (const std::size_t width : {20, 40, 80, 100, 130}) {
        for (const auto& line : test::lines_of(list_table(timers, {}, width)))
            EXPECT_LE(line.size(), width);
    }
    EXPECT_THAT(list_table(timers, {}, 80), HasSubstr("mmm..  timer  1      1.0 s     fff"));
}

TEST(Headline, counts_what_is_armed_once) {
    EXPECT_EQ(headline(listed_timers(example(), std::nullopt), "now"),
              "now: 5 timers armed, of 2 modules; 1000.8 arms a second");
    const auto shared = timer_of(1, "f", 1s);
    EXPECT_EQ(headline(listed_timers({{"a", {shared}}, {"b", {shared}}}, std::nullopt), "now"),
              "now: 1 timer armed, of 2 modules");
    EXPECT_EQ(headline({}, "now"), "now: 0 timers armed, of 0 modules");
}

TEST(ListLines, have_an_object_for_each_timer) {
    auto idle = timer_of(0x10, "f [m]", std::nullopt, 2.00049);
    idle.armed = false;
    EXPECT_EQ(
        list_lines(listed_timers({{"m", {idle}}, {"", {orphan_of(0x50, 1500us)}}}, std::nullopt), "now"),
        R"({"schema":1,"time":"now","module":"m","kind":"timer","timer":"0x0000000000000010",)"
        R"("callback":"0x0000000000000020","symbol":"f [m]","owned_by":["callback"],)"
        R"("expires_in_ms":null,"armed":false,"arms_per_s":2.0})"
        "\n"
        R"({"schema":1,"time":"now","module":null,"kind":"hrtimer","timer":"0x0000000000000050",)"
        R"("callback":"0x0000000000000020","symbol":"0x0000000000000020","owned_by":[],)"
        R"("expires_in_ms":1.5,"left_ago_ms":120000.0,"armed":true,"arms_per_s":null})"
        "\n");
    EXPECT_EQ(list_lines({}, "now"), "");
}

TEST(ListLines, escape_names) {
    const auto lines = list_lines({{test::hostile, timer_of(1, test::hostile, 1s)}}, "now");
    EXPECT_TRUE(test::is_printable_but_for_newlines(lines)) << lines;
    EXPECT_EQ(test::lines_of(lines).size(), 1U);
}

} // namespace
} // namespace disarmd
