// SPDX-License-Identifier: Apache-2.0
//
// The oracle: a module that does random things to timers of every kind, from every context,
// and counts by itself what it leaves armed. disarmd's verdict and counts are compared with its own.
#include <cstdlib>
#include <iostream>
#include <map>
#include <random>
#include <regex>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "guest.h"

namespace disarmd::tests {

namespace {

using Json = nlohmann::json;

std::vector<Setup> setups(const std::vector<std::string>& kernels, const std::string& backend, int cpus) {
    std::vector<Setup> all;
    for (const auto& kernel : kernels)
        all.push_back({kernel, backend, cpus});
    return all;
}

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
    const char* const text = std::getenv(variable);
    return text != nullptr ? std::stoull(text) : otherwise;
}

// How many unloads on each setup, and the first seed; the others follow it.
std::uint64_t rounds() {
    const char* const is_long = std::getenv("DISARMD_TEST_LONG");
    return number_from("DISARMD_TORTURE_ROUNDS", is_long != nullptr && *is_long != '\0' ? 300 : 16);
}
std::uint64_t first_seed() {
    static const std::uint64_t seed = number_from("DISARMD_TORTURE_SEED", std::random_device{}());
    return seed;
}

// What the module said of itself.
struct Confession {
    std::uint64_t seed;
    std::size_t left;
    std::map<std::string, std::size_t> by_kind;
};

std::vector<Confession> confessions(const std::string& console) {
    static const std::regex line("zoo_torture: seed=([0-9]+) left=([0-9]+) timer=([0-9]+) hrtimer=([0-9]+) "
                                 "delayed_work=([0-9]+) kthread_delayed_work=([0-9]+)");
    std::vector<Confession> found;
    for (std::sregex_iterator match(console.begin(), console.end(), line), end; match != end; ++match) {
        const auto number = [&](std::size_t group) { return std::stoull((*match)[group].str()); };
        found.push_back({number(1),
                         number(2),
                         {{"timer", number(3)},
                          {"hrtimer", number(4)},
                          {"delayed_work", number(5)},
                          {"kthread_delayed_work", number(6)}}});
    }
    return found;
}

std::size_t left_out(const Json& unload) {
    return unload.value("pending_left_out", std::size_t{0});
}

void expect_same(const Json& unload, const Confession& confession) {
    EXPECT_EQ(unload["verdict"], confession.left != 0 ? "leak" : "clean") << unload;
    EXPECT_EQ(unload["pending"].size() + left_out(unload), confession.left) << unload;
    if (left_out(unload) != 0)
        return;
    std::map<std::string, std::size_t> by_kind{
        {"timer", 0}, {"hrtimer", 0}, {"delayed_work", 0}, {"kthread_delayed_work", 0}};
    for (const auto& pending : unload["pending"]) {
        ++by_kind[pending["kind"]];
        EXPECT_EQ(pending["symbol"].get<std::string>().rfind("zoo_torture_", 0), 0U) << pending;
        EXPECT_NE(pending["symbol"].get<std::string>().find(" [zoo_torture]"), std::string::npos) << pending;
    }
    EXPECT_EQ(by_kind, confession.by_kind) << unload;
}

class Torture : public testing::TestWithParam<Setup> {};

TEST_P(Torture, verdicts_are_what_the_module_counts_itself) {
    const auto& setup = GetParam();
    const auto guest =
        run_guest({setup.kernel, setup.cpus, static_cast<int>(200 + 6 * rounds())},
                  fmt::format("serve --probe-backend {}\n"
                              "seed={} rounds={}\n"
                              "while [ $rounds -gt 0 ]; do\n"
                              "    insmod /modules/zoo_torture.ko seed=$seed; unload zoo_torture\n"
                              "    seed=$((seed + 1)) rounds=$((rounds - 1)); await_judged\n"
                              "done\n"
                              "judged\n",
                              setup.backend, first_seed(), rounds()));
    SCOPED_TRACE(fmt::format("DISARMD_TORTURE_SEED={} DISARMD_TORTURE_ROUNDS={} repeats this", first_seed(),
                             rounds()));
    EXPECT_EQ(guest.status, 0) << guest.console;
    const auto said = confessions(guest.console);
    ASSERT_EQ(said.size(), rounds()) << guest.console;
    ASSERT_EQ(guest.results.size(), rounds()) << guest.console;
    std::size_t inconclusive = 0;
    std::size_t leaks = 0;
    for (std::size_t i = 0; i < said.size(); ++i) {
        SCOPED_TRACE(fmt::format("seed {}", said[i].seed));
        const Json& unload = guest.results[i];
        leaks += said[i].left != 0 ? 1 : 0;
        if (unload["verdict"] == "inconclusive") {
            ++inconclusive;
            std::cout << "seed " << said[i].seed << ": " << unload["why_inconclusive"] << '\n';
            continue;
        }
        expect_same(unload, said[i]);
    }
    std::cout << fmt::format("{} {} {} CPUs: {} unloads from seed {}: {} leaks, {} inconclusive\n",
                             setup.kernel, setup.backend, setup.cpus, said.size(), first_seed(), leaks,
                             inconclusive);
    // Under one in a hundred.
    EXPECT_LT(inconclusive * 100, said.size());
}

constexpr auto name_setup = [](const auto& test) { return setup_test_name(test.param); };
INSTANTIATE_TEST_SUITE_P(Machines, Torture, testing::ValuesIn(setups(test_kernels(), "tracepoint", 4)),
                         name_setup);
INSTANTIATE_TEST_SUITE_P(Kprobes, Torture, testing::ValuesIn(setups(outermost_kernels(), "kprobe", 2)),
                         name_setup);
INSTANTIATE_TEST_SUITE_P(Long, Torture, testing::ValuesIn(setups(inner_kernels(), "kprobe", 2)), name_setup);

} // namespace

} // namespace disarmd::tests
