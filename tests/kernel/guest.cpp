// SPDX-License-Identifier: Apache-2.0
#include "guest.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <sstream>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "process.h"

namespace disarmd::tests {

namespace {

constexpr int harness_timed_out = 251;
constexpr int harness_failed = 252;
constexpr int emulator_failed = 253;

std::string read_file(const std::string& path) {
    std::ifstream file(path);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

// Removed with everything in it.
class TemporaryFolder {
public:
    TemporaryFolder() {
        std::string pattern = testing::TempDir() + "disarmd-guest-XXXXXX";
        path_ = ::mkdtemp(pattern.data()) != nullptr ? pattern : "";
    }
    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;
    ~TemporaryFolder() {
        for (const auto* name : {"results", "console"})
            ::unlink((path_ + "/" + name).c_str());
        ::rmdir(path_.c_str());
    }

    [[nodiscard]] std::string file(const std::string& name) const { return path_ + "/" + name; }

private:
    std::string path_;
};

} // namespace

GuestResult run_guest(const GuestOptions& options, const std::string& commands) {
    const TemporaryFolder folder;
    std::vector<std::string> words{DISARMD_VM_RUN,
                                   "--kernel",
                                   options.kernel,
                                   "--cpus",
                                   std::to_string(options.cpus),
                                   "--timeout",
                                   std::to_string(options.timeout_seconds),
                                   "--results",
                                   folder.file("results"),
                                   "--console",
                                   folder.file("console")};
    words.insert(words.end(), options.arguments.begin(), options.arguments.end());
    words.emplace_back("--");
    words.push_back(read_file(DISARMD_GUEST_PRELUDE) + "\n" + commands);

    GuestResult result;
    result.status = run_process(words).value_or(harness_failed);
    if (result.status == emulator_failed) // proven by the console; twice in a row is something else
        result.status = run_process(words).value_or(harness_failed);
    EXPECT_NE(result.status, emulator_failed) << "the emulator failed twice";
    result.console = read_file(folder.file("console"));
    EXPECT_NE(result.status, harness_failed) << "the test VM itself failed";
    EXPECT_NE(result.status, harness_timed_out) << "the guest timed out\n" << result.console;
    std::istringstream lines(read_file(folder.file("results")));
    for (std::string line; std::getline(lines, line);) {
        auto json = nlohmann::json::parse(line, nullptr, false);
        EXPECT_FALSE(json.is_discarded()) << "not JSON: " << line;
        result.results.push_back(std::move(json));
    }
    return result;
}

const nlohmann::json& find(const GuestResult& guest, const std::string& name) {
    static const nlohmann::json none;
    const auto found = std::ranges::find_if(guest.results, [&](const nlohmann::json& result) {
        return result.is_object() && result.value("name", "") == name;
    });
    if (found != guest.results.end())
        return *found;
    ADD_FAILURE() << "no result " << name << " in\n" << guest.console;
    return none;
}

void expect_done(const GuestResult& guest, const std::vector<std::string>& names) {
    for (const auto& name : names)
        EXPECT_EQ(find(guest, name)["exit"], 0) << name << "\n" << guest.console;
}

std::vector<std::string> test_kernels() {
    const char* const chosen = std::getenv("DISARMD_TEST_KERNELS"); // NOLINT(concurrency-mt-unsafe)
    std::istringstream words(chosen != nullptr ? chosen : DISARMD_KERNELS);
    return {std::istream_iterator<std::string>(words), {}};
}

std::vector<std::string> outermost_kernels() {
    const auto all = test_kernels();
    if (all.size() <= 2)
        return all;
    return {all.front(), all.back()};
}

std::vector<std::string> inner_kernels() {
    const auto all = test_kernels();
    if (all.size() <= 2)
        return {};
    return {all.begin() + 1, all.end() - 1};
}

std::vector<std::string> oldest_kernel() {
    return {test_kernels().front()};
}

std::vector<std::string> newer_kernels() {
    const auto all = test_kernels();
    return {all.begin() + 1, all.end()};
}

std::string kernel_test_name(const std::string& kernel) {
    std::string name = "k" + kernel;
    std::ranges::replace(name, '.', '_');
    return name;
}

void PrintTo(const Setup& setup, std::ostream* out) { // NOLINT(readability-identifier-naming)
    *out << setup.kernel << ' ' << setup.backend << ' ' << setup.cpus;
}

std::string setup_test_name(const Setup& setup) {
    return fmt::format("{}_{}_{}cpu", kernel_test_name(setup.kernel), setup.backend, setup.cpus);
}

} // namespace disarmd::tests
