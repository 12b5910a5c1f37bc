// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace disarmd::tests {

// How a guest ended when it did not end by the commands' own status (tests/vm/run).
inline constexpr int guest_panicked = 250;

struct GuestOptions {
    std::string kernel;
    int cpus = 2;
    int timeout_seconds = 240;
    std::vector<std::string> arguments = {}; // further ones for tests/vm/run
};

struct GuestResult {
    int status = -1;
    std::string console;
    std::vector<nlohmann::json> results; // one per line that the guest wrote to /dev/results
};

// Boots the kernel, runs the shell commands and waits for the end. The commands may
// use the functions of prelude.sh. Fails the current test if the harness failed or a
// result is not JSON.
GuestResult run_guest(const GuestOptions& options, const std::string& commands);

// The result {"name": ...} of that name; fails the current test if there is none.
const nlohmann::json& find(const GuestResult& guest, const std::string& name);

// Fails the current test if one of these results tells of another exit status than 0.
void expect_done(const GuestResult& guest, const std::vector<std::string>& names);

// The kernels that scenarios run on: $DISARMD_TEST_KERNELS, by spaces, or every
// one that disarmd supports.
std::vector<std::string> test_kernels();

// The oldest and the newest of them, and the others: what differs little between kernels is seen on
// the others in the long run only.
std::vector<std::string> outermost_kernels();
std::vector<std::string> inner_kernels();

// The same of what hardly depends on the kernel: the oldest (the quickest to boot), and the others in
// the long run.
std::vector<std::string> oldest_kernel();
std::vector<std::string> newer_kernels();

// "6.1" -> "k6_1", for test names.
std::string kernel_test_name(const std::string& kernel);

// What a scenario runs on, where it runs on both backends.
struct Setup {
    std::string kernel;
    std::string backend; // as for --probe-backend
    int cpus;
};

// What GoogleTest shows of a parameter.
void PrintTo(const Setup& setup, std::ostream* out); // NOLINT(readability-identifier-naming)

// {"6.1", "kprobe", 4} -> "k6_1_kprobe_4cpu", for test names.
std::string setup_test_name(const Setup& setup);

} // namespace disarmd::tests
