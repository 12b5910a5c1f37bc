// SPDX-License-Identifier: Apache-2.0
#include "probe/predecessor.h"

#include <cstring>

#include <gtest/gtest.h>

namespace disarmd {
namespace {

constexpr std::uint64_t second = 1'000'000'000;

UnloadMark unload(std::uint64_t begun_ns, std::uint64_t freed_ns) {
    return {.id = freed_ns, .pid = 7, .module = "m", .begun_ns = begun_ns, .freed_ns = freed_ns};
}

void expect_same(const UnloadMark& one, const UnloadMark& other, bool same) {
    EXPECT_EQ(is_same_unload(one, other), same);
    EXPECT_EQ(is_same_unload(other, one), same);
}

TEST(SameUnload, is_marked_by_what_a_record_says) {
    abi::unload_record record{};
    record.id = 5;
    record.freed_ns = 4;
    record.begun_ns = 3;
    record.pid = 2;
    std::strcpy(record.module, "some"); // NOLINT(clang-analyzer-security.insecureAPI.strcpy): it fits
    const auto mark = mark_of(record);
    EXPECT_EQ(mark.id, 5U);
    EXPECT_EQ(mark.freed_ns, 4U);
    EXPECT_EQ(mark.begun_ns, 3U);
    EXPECT_EQ(mark.pid, 2U);
    EXPECT_EQ(mark.module, "some");
    EXPECT_FALSE(mark.denied);
    record.denied = abi::ON_UNLOAD_DENY;
    EXPECT_TRUE(mark_of(record).denied);
}

TEST(SameUnload, has_begun_for_both_when_it_is_freed_for_either) {
    const auto one = unload(10 * second, 11 * second);
    expect_same(one, one, true);
    expect_same(one, unload(10 * second - 50, 11 * second + 90), true);
    expect_same(one, unload(11 * second, 19 * second), true);
    expect_same(one, unload(11 * second + 1, 12 * second), false);
}

TEST(SameUnload, whose_begin_was_not_seen_is_freed_at_about_the_time_of_the_other) {
    const auto seen = unload(10 * second, 11 * second);
    expect_same(seen, unload(0, 11 * second + 7), true);
    expect_same(seen, unload(0, 10 * second), true);
    expect_same(seen, unload(0, 10 * second - 1), false);
    expect_same(seen, unload(0, 16 * second), false);
    expect_same(unload(0, second), unload(0, 2 * second), true);
    expect_same(unload(0, second), unload(0, 6 * second), false);
}

TEST(SameUnload, is_of_one_module_by_one_task_and_a_refusal_is_none) {
    const auto one = unload(second, 2 * second);
    auto other = one;
    other.module = "n";
    expect_same(one, other, false);
    other = one;
    other.pid = 8;
    expect_same(one, other, false);
    other = one;
    other.denied = true;
    expect_same(one, other, false);
}

} // namespace
} // namespace disarmd
