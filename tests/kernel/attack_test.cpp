// SPDX-License-Identifier: Apache-2.0
//
// Who means harm: what docs/security.md says that they get.
#include <gtest/gtest.h>

#include "guest.h"

namespace disarmd::tests {
namespace {

using Json = nlohmann::json;

void expect_done(const GuestResult& guest, std::initializer_list<const char*> names) {
    for (const auto* name : names)
        EXPECT_EQ(find(guest, name)["exit"], 0) << name << "\n" << guest.console;
}

constexpr const char* with_nobody = R"sh(
    as_nobody='/usr/bin/setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all'
)sh";

class Attack : public testing::TestWithParam<std::string> {};

// Stock mounts of it let everybody make folders there.
TEST_P(Attack, a_folder_of_pins_that_somebody_else_made_is_not_used) {
    const auto guest = run_guest({GetParam()}, std::string(with_nobody) + R"sh(
        $as_nobody mkdir -m 777 /sys/fs/bpf/disarmd
        report theirs timeout 20 disarmd run
        rmdir /sys/fs/bpf/disarmd
        $as_nobody mkdir /tmp/pins
        $as_nobody ln -s /tmp/pins /sys/fs/bpf/disarmd
        report link timeout 20 disarmd run
        rm /sys/fs/bpf/disarmd
        serve
        report ours test "$(stat -c %u/%a /sys/fs/bpf/disarmd /sys/fs/bpf/disarmd/v* | uniq)" = 0/700
        report kept sh -c "! $as_nobody mv /sys/fs/bpf/disarmd /sys/fs/bpf/gone"
        report hidden sh -c "! $as_nobody ls /sys/fs/bpf/disarmd"
    )sh");
    for (const auto* name : {"theirs", "link"}) {
        const Json& refused = find(guest, name);
        EXPECT_NE(refused["exit"], 0) << refused;
        EXPECT_NE(refused["error"].get<std::string>().find("/sys/fs/bpf/disarmd is not root's alone"),
                  std::string::npos)
            << refused;
    }
    expect_done(guest, {"ours", "kept", "hidden"});
}

constexpr auto name_kernel = [](const auto& test) { return kernel_test_name(test.param); };
INSTANTIATE_TEST_SUITE_P(Kernels, Attack, testing::ValuesIn(oldest_kernel()), name_kernel);
INSTANTIATE_TEST_SUITE_P(Long, Attack, testing::ValuesIn(newer_kernels()), name_kernel);

} // namespace
} // namespace disarmd::tests
