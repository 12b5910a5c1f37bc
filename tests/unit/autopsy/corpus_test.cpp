// SPDX-License-Identifier: Apache-2.0
//
// Real crashes, of guests that were made to crash so (tests/autopsy).
#include <map>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "autopsy/diagnosis.h"
#include "autopsy/reader.h"
#include "texts.h"

namespace disarmd {
namespace {

// What the file scenarios says of one.
struct Truth {
    std::string verdict;
    bool may_be_untold = false;
    std::string module, callback, cause; // empty: not known
};

std::map<std::string, Truth> read_truths() {
    std::map<std::string, Truth> truths;
    std::istringstream lines(test::autopsy_file("scenarios"));
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::string name, verdict, kernels, known;
        if (!(words >> name >> verdict >> kernels >> known) || name.starts_with('#') || name == "append")
            continue;
        auto& truth = truths[name];
        truth.may_be_untold = verdict.starts_with('?');
        truth.verdict = verdict.substr(truth.may_be_untold ? 1 : 0);
        std::istringstream parts(known == "-" ? "" : known);
        std::getline(parts, truth.module, ':');
        std::getline(parts, truth.callback, ':');
        std::getline(parts, truth.cause, ':');
    }
    return truths;
}

class Corpus : public testing::TestWithParam<std::string> {
protected:
    // Calls it with the name, the truth and the text of each file of the kernel.
    template <typename Look>
    static void for_each_crash(Look&& look) {
        static const auto truths = read_truths();
        const auto folder = std::filesystem::path(DISARMD_AUTOPSY) / "corpus" / GetParam();
        for (const auto& entry : std::filesystem::directory_iterator(folder)) {
            const auto name = entry.path().stem().string();
            const auto truth = truths.find(name);
            ASSERT_NE(truth, truths.end()) << name << " is not among the scenarios";
            look(name, truth->second, test::autopsy_file("corpus/" + GetParam() + "/" + name + ".log"));
        }
    }
};

TEST_P(Corpus, is_judged_right) {
    std::map<std::string, int> counts;
    for_each_crash([&](const std::string& name, const Truth& truth, const std::string& text) {
        const auto crash = read_crash(text);
        const auto diagnosis = diagnose(crash, {});
        const auto verdict = std::string(name_of(diagnosis.verdict));
        ++counts[verdict];
        if (!truth.may_be_untold || diagnosis.verdict != CrashVerdict::cant_tell) {
            EXPECT_EQ(verdict, truth.verdict) << name << ": " << diagnosis.what;
        }
        // Whose it was is known for certain only where it was recorded.
        if (truth.callback.empty())
            return;
        ASSERT_TRUE(diagnosis.closed && diagnosis.closed->timer) << name;
        EXPECT_EQ(diagnosis.closed->free.module, truth.module) << name;
        EXPECT_THAT(diagnosis.closed->timer->callback, testing::StartsWith(truth.callback + " ")) << name;
        EXPECT_THAT(diagnosis.closed->timer->cause, testing::StartsWith(truth.cause)) << name;
        EXPECT_TRUE(diagnosis.closed->by_address) << name;
    });
    // Enough of each to say something: of four kernels, 40 and 40.
    EXPECT_GE(counts["this-pattern"], 10);
    EXPECT_GE(counts["not-this-pattern"], 10);
    EXPECT_GE(counts["related"], 4);
    const auto all =
        counts["this-pattern"] + counts["not-this-pattern"] + counts["related"] + counts["cant-tell"];
    EXPECT_LT(counts["cant-tell"] * 10, all);
}

TEST_P(Corpus, names_the_module_that_was_unloaded_last) {
    for_each_crash([&](const std::string& name, const Truth& truth, const std::string& text) {
        // Other modules went after it, or it is still there, or none was ever loaded as far as the kernel
        // knows.
        for (const auto* const other :
             {"timer-then-clean", "timer-in-another", "timer-init-", "watched-", "dwork-init"}) {
            if (name.starts_with(other))
                return;
        }
        if (truth.module.empty())
            return;
        const auto crash = read_crash(text);
        const auto diagnosis = diagnose(crash, {});
        if (diagnosis.verdict == CrashVerdict::cant_tell ||
            diagnosis.verdict == CrashVerdict::not_this_pattern)
            return;
        ASSERT_FALSE(diagnosis.suspects.empty()) << name;
        EXPECT_EQ(diagnosis.suspects[0].module, truth.module) << name;
    });
}

INSTANTIATE_TEST_SUITE_P(Kernels, Corpus, testing::Values("5.10", "6.1", "6.12", "7.2"),
                         [](const auto& each) {
                             auto name = "k" + each.param;
                             std::ranges::replace(name, '.', '_');
                             return name;
                         });

} // namespace
} // namespace disarmd
