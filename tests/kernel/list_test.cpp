// SPDX-License-Identifier: Apache-2.0
//
// What is armed now, as disarmd list tells it: once, and again and again.
#include <algorithm>

#include <gtest/gtest.h>

#include "guest.h"

namespace disarmd::tests {

namespace {

using Json = nlohmann::json;

class List : public testing::TestWithParam<std::string> {};

// Modules with one timer, three and a delayed work, and one that is armed ten times a second; and functions
// for the guest: lines NAME COMMAND... sends each line of JSON that the command prints as {"as": NAME,
// "line": ...}.
constexpr const char* modules = R"sh(
    insmod /modules/zoo_timer_static.ko delay_ms=500000 end=delete
    insmod /modules/zoo_timer_alloc.ko delay_ms=400000 count=3 end=delete
    insmod /modules/zoo_dwork_alloc.ko delay_ms=300000 end=delete
    insmod /modules/zoo_timer_periodic.ko period_ms=100 end=delete
    as_lines() { sed 's/^/{"as":"'$1'","line":/; s/$/}/' >/dev/results; }
    lines() {
        as=$1
        shift
        "$@" >/tmp/lines 2>/tmp/lines.err
        printf '{"name":"%s","exit":%d}\n' $as $? >/dev/results
        as_lines $as </tmp/lines
    }
)sh";

std::vector<Json> lines_of(const GuestResult& guest, const std::string& name) {
    std::vector<Json> lines;
    for (const auto& result : guest.results) {
        if (result.contains("as") && result["as"] == name)
            lines.push_back(result["line"]);
    }
    return lines;
}

std::size_t count_of(const std::vector<Json>& lines, const std::string& module) {
    return static_cast<std::size_t>(
        std::ranges::count_if(lines, [&](const Json& line) { return line["module"] == module; }));
}

TEST_P(List, has_what_is_asked_for_on_lines_and_in_tables) {
    const auto guest = run_guest({GetParam(), 2, 400}, std::string(modules) + R"sh(
        lines all disarmd list --module 'zoo_*' --ndjson
        lines kind disarmd list --kind delayed_work --module 'zoo_*' --ndjson
        lines next disarmd list --module 'zoo_*' --next 2 --ndjson
        lines rate disarmd list --module zoo_timer_periodic --rate 2 --ndjson
        lines other_rate disarmd list --module zoo_timer_static --rate 0.5 --ndjson
        report json disarmd list --module 'zoo_timer_*' --kind timer --json
        report no_such disarmd list --module 'no_such_*'
        report pair disarmd list --json --watch

        disarmd list --module 'zoo_*' --kind timer --sort count >/tmp/by_count
        disarmd list --module 'zoo_*' --kind timer,delayed_work --sort next >/tmp/by_next
        disarmd list --module 'zoo_*' --rate 1 --sort rate >/tmp/by_rate
        cat /tmp/by_count /tmp/by_next /tmp/by_rate
        says() { report "$1" sh -c "sed -n $2p $3 | grep -Eq '$4'"; }
        says head 1 /tmp/by_count '^MODULE +KIND +ARMED +FIRES IN +CALLBACK +OWNED BY$'
        says most 2 /tmp/by_count '^zoo_timer_alloc +timer +3 +[0-9.]+ s +zoo_timer_alloc_fn +callback$'
        says next_is_periodic 2 /tmp/by_next '^zoo_timer_periodic +timer +1 +[0-9.]+ (ms|us) '
        says then_the_work 3 /tmp/by_next '^zoo_dwork_alloc +delayed_work +1 +[0-9.]+ s +zoo_dwork_alloc_fn +work$'
        says rate_head 1 /tmp/by_rate '^MODULE +KIND +ARMED +ARMS/S +FIRES IN +CALLBACK +OWNED BY$'
        says most_often 2 /tmp/by_rate '^zoo_timer_periodic +timer +[01] +[0-9.]+ '
    )sh");
    EXPECT_EQ(guest.status, 0) << guest.console;
    for (const auto* const name : {"all", "kind", "next", "rate", "other_rate"})
        EXPECT_EQ(find(guest, name)["exit"], 0) << name << "\n" << guest.console;

    const auto all = lines_of(guest, "all");
    EXPECT_EQ(count_of(all, "zoo_timer_alloc"), 3U);
    EXPECT_EQ(count_of(all, "zoo_timer_static"), 1U);
    EXPECT_EQ(count_of(all, "zoo_dwork_alloc"), 1U);
    for (const auto& line : all) {
        EXPECT_EQ(line["schema"], 1);
        EXPECT_EQ(line["time"], all.front()["time"]);
        EXPECT_EQ(line["armed"], true);
        EXPECT_TRUE(line["arms_per_s"].is_null()) << line;
        EXPECT_GE(line["expires_in_ms"], 0);
    }
    const auto of_kind = lines_of(guest, "kind");
    ASSERT_EQ(of_kind.size(), 1U);
    EXPECT_EQ(of_kind.front()["module"], "zoo_dwork_alloc");
    EXPECT_EQ(of_kind.front()["symbol"], "zoo_dwork_alloc_fn [zoo_dwork_alloc]");
    const auto next = lines_of(guest, "next");
    ASSERT_EQ(next.size(), 2U);
    EXPECT_LE(next[0]["expires_in_ms"], next[1]["expires_in_ms"]);
    EXPECT_EQ(count_of(next, "zoo_timer_static"), 0U) << "it fires last";

    const auto rate = lines_of(guest, "rate");
    ASSERT_EQ(rate.size(), 1U);
    // Ten a second, but for ticks, and for a machine that is slow.
    EXPECT_GT(rate.front()["arms_per_s"], 1.0) << rate.front();
    EXPECT_LT(rate.front()["arms_per_s"], 12.0) << rate.front();
    const auto other_rate = lines_of(guest, "other_rate");
    ASSERT_EQ(other_rate.size(), 1U);
    EXPECT_EQ(other_rate.front()["arms_per_s"], 0.0);

    const Json& json = find(guest, "json");
    EXPECT_EQ(json["exit"], 0);
    std::vector<std::string> names;
    for (const auto& module : json["out"]["modules"])
        names.push_back(module["module"]);
    EXPECT_TRUE(std::ranges::includes(names, std::vector<std::string>{"zoo_timer_alloc", "zoo_timer_static"}))
        << json;
    EXPECT_EQ(json["out"]["orphans"], Json::array());
    EXPECT_EQ(find(guest, "no_such")["exit"], 2);
    EXPECT_NE(find(guest, "no_such")["error"].get<std::string>().find("module no_such_* is not loaded"),
              std::string::npos);
    EXPECT_EQ(find(guest, "pair")["exit"], 2);
    for (const auto* const name :
         {"head", "most", "next_is_periodic", "then_the_work", "rate_head", "most_often"})
        EXPECT_EQ(find(guest, name)["exit"], 0) << name << "\n" << guest.console;
}

TEST_P(List, live_ends_when_it_is_interrupted_and_leaves_the_terminal_as_it_was) {
    const auto guest =
        run_guest({GetParam(), 2, 600, {"--add", "/usr/bin/script:/bin/script"}}, std::string(modules) + R"sh(
        # looks_are COUNT FILE WORDS: it has shown so many.
        looks_are() { [ "$(grep -c "$3" "$2")" -ge "$1" ]; }

        disarmd list --module 'zoo_*' --watch 0.2 >/tmp/tables &
        pid=$!
        await looks_are 3 /tmp/tables '^MODULE '
        # A module that comes and goes is there while it is there.
        insmod /modules/zoo_many.ko delay_ms=600000 end=delete
        await grep -q '^zoo_many ' /tmp/tables
        rmmod zoo_many
        kill -INT $pid
        wait $pid
        printf '{"name":"tables","exit":%d}\n' $? >/dev/results
        report plain sh -c '! tr -d "\n -~" </tmp/tables | grep -q .'
        report head grep -Eq '^20[-0-9T:.]+Z: [0-9]+ timers armed, of [4-9] modules; [0-9.]+ arms a second$' /tmp/tables
        report rates grep -Eq '^zoo_timer_periodic +timer +[01] +[1-9][0-9.]+ ' /tmp/tables

        disarmd list --module 'zoo_*' --watch 0.2 --ndjson >/tmp/objects &
        pid=$!
        await looks_are 3 /tmp/objects '"zoo_timer_static"'
        kill -TERM $pid
        wait $pid
        printf '{"name":"objects","exit":%d}\n' $? >/dev/results
        as_lines objects </tmp/objects

        for signal in INT QUIT HUP; do
            # Who is interrupted says so by the shell within, and that shell is not.
            TERM=xterm COLUMNS=70 script -qfec 'disarmd list --watch 0.2 & echo $! >/tmp/pid; wait $!; echo "ended $?"' \
                /tmp/screen </dev/null >/dev/null 2>&1 &
            outer=$!
            shown() { [ "$(tr '\033' '\n' </tmp/screen 2>/dev/null | grep -c '^\[H')" -ge 3 ]; }
            await shown
            # Ctrl-Z where no shell could continue it: it gives the terminal back, takes it again, and goes on.
            entered_again() { [ "$(tr '\033' '\n' </tmp/screen | grep -c '^\[?1049h')" -ge 2 ]; }
            if [ $signal = INT ]; then
                kill -TSTP "$(cat /tmp/pid)"
                report goes_on await entered_again
            fi
            kill -$signal "$(cat /tmp/pid)"
            wait $outer
            tr '\033' '\n' </tmp/screen | tr -d '\r' | sed '/^Script /d; /^$/d' >/tmp/sequences
            report entered_$signal grep -q '^\[?1049h' /tmp/sequences
            # Behind what the last one gives back there is nothing but what the shell says.
            report restored_$signal sh -c 'tail -n 2 /tmp/sequences | tr "\n" "|" | grep -q "^\[?25h|\[?1049lended 0|$"'
            report narrow_$signal awk '/^\[2K/ && length > 70 + 3 { wide = 1 } END { exit wide }' /tmp/sequences
            rm -f /tmp/screen /tmp/pid
        done
    )sh");
    EXPECT_EQ(guest.status, 0) << guest.console;
    for (const auto* const name : {"tables", "plain", "head", "rates", "objects", "goes_on", "entered_INT",
                                   "restored_INT", "narrow_INT", "entered_QUIT", "restored_QUIT",
                                   "narrow_QUIT", "entered_HUP", "restored_HUP", "narrow_HUP"})
        EXPECT_EQ(find(guest, name)["exit"], 0) << name << "\n" << guest.console;
    const auto objects = lines_of(guest, "objects");
    ASSERT_GE(count_of(objects, "zoo_timer_static"), 3U);
    EXPECT_TRUE(objects.front()["arms_per_s"].is_null()) << "there was no look before";
    EXPECT_TRUE(objects.back()["arms_per_s"].is_number()) << objects.back();
    EXPECT_NE(objects.front()["time"], objects.back()["time"]);
}

constexpr auto name_test = [](const auto& test) { return kernel_test_name(test.param); };
INSTANTIATE_TEST_SUITE_P(Kernels, List, testing::ValuesIn(oldest_kernel()), name_test);
INSTANTIATE_TEST_SUITE_P(Long, List, testing::ValuesIn(newer_kernels()), name_test);

} // namespace
} // namespace disarmd::tests
