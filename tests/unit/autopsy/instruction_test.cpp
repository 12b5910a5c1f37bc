// SPDX-License-Identifier: Apache-2.0
#include "autopsy/instruction.h"

#include <gtest/gtest.h>

namespace disarmd {
namespace {

Exception met(std::vector<std::uint8_t> before, const std::vector<std::uint8_t>& from,
              std::map<std::string, Register> registers = {}) {
    Exception exception;
    exception.code_at = before.size();
    exception.code = std::move(before);
    exception.code.insert(exception.code.end(), from.begin(), from.end());
    exception.registers = std::move(registers);
    return exception;
}

TEST(Instruction, that_unlinks_a_timer_is_named_as_people_know_it) {
    const auto found = met_instruction(
        met({0x90}, {0x48, 0x89, 0x71, 0x08, 0x90}, {{"rcx", {0xffffffffa88b53b0, 7}}}), Arch::x86_64);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->text, "mov %rsi,0x8(%rcx)");
    EXPECT_TRUE(found->writes);
    EXPECT_EQ(found->base, "rcx");
    EXPECT_EQ(found->displacement, 8);
    EXPECT_EQ(found->address, 0xffffffffa88b53b8);
}

TEST(Instruction, that_reads_with_an_index) {
    const auto found = met_instruction(
        met({}, {0x48, 0x8b, 0x44, 0xc8, 0x10}, {{"rax", {0x1000, 1}}, {"rcx", {2, 1}}}), Arch::x86_64);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->text, "mov 0x10(%rax,%rcx,8),%rax");
    EXPECT_FALSE(found->writes);
    EXPECT_EQ(found->address, 0x1020U);
}

TEST(Instruction, without_its_registers_has_no_address) {
    const auto found = met_instruction(met({}, {0x48, 0x89, 0x71, 0x08}), Arch::x86_64);
    ASSERT_TRUE(found);
    EXPECT_FALSE(found->address);
}

TEST(Instruction, relative_to_itself_counts_from_the_next_one) {
    auto exception = met({}, {0x48, 0x8b, 0x05, 0x10, 0x00, 0x00, 0x00}); // mov 0x10(%rip),%rax
    exception.ip.address = 0xffffffff81000000;
    const auto found = met_instruction(exception, Arch::x86_64);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->address, 0xffffffff81000017);
}

TEST(Instruction, that_only_computes_an_address_meets_none) {
    const auto found =
        met_instruction(met({}, {0x48, 0x8d, 0x41, 0x08}, {{"rcx", {0x1000, 1}}}), Arch::x86_64);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->text, "lea 0x8(%rcx),%rax");
    EXPECT_FALSE(found->address);
}

TEST(Instruction, keeps_its_length_where_no_register_tells_it) {
    const auto found = met_instruction(met({}, {0xc7, 0x00, 0x01, 0x00, 0x00, 0x00}), Arch::x86_64);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->text, "movl $1,(%rax)");
}

TEST(Instruction, of_arm64) {
    const auto found =
        met_instruction(met({}, {0x20, 0x04, 0x00, 0xf9}, {{"x1", {0xffff800001230000, 1}}}), Arch::arm64);
    ASSERT_TRUE(found); // str x0, [x1, #8]
    EXPECT_EQ(found->text, "str x0, [x1, #8]");
    EXPECT_TRUE(found->writes);
    EXPECT_EQ(found->address, 0xffff800001230008);
}

TEST(Instruction, there_is_none_in_what_is_no_code) {
    EXPECT_FALSE(met_instruction(Exception{}, Arch::x86_64));
    EXPECT_FALSE(met_instruction(met({}, {0x06}), Arch::x86_64)) << "invalid in 64 bit";
    EXPECT_FALSE(met_instruction(met({}, {0x48}), Arch::x86_64)) << "cut off";
    EXPECT_FALSE(met_instruction(met({}, {0x48, 0x89, 0x71, 0x08}), Arch::unknown));
    auto beyond = met({}, {0x90});
    beyond.code_at = 9;
    EXPECT_FALSE(met_instruction(beyond, Arch::x86_64));
}

} // namespace
} // namespace disarmd
