// SPDX-License-Identifier: Apache-2.0
#include "autopsy/address.h"

#include <gtest/gtest.h>

namespace disarmd {
namespace {

CrashText of(Arch arch, const char* release = "6.1.0") {
    CrashText crash;
    crash.arch = arch;
    crash.release = release;
    return crash;
}

AddressKind kind(std::uint64_t address, const char* release = "6.1.0") {
    return kind_of_address(address, of(Arch::x86_64, release));
}

TEST(Address, of_x86_64_tells_what_lies_there) {
    EXPECT_EQ(kind(0), AddressKind::null_page);
    EXPECT_EQ(kind(0x18), AddressKind::null_page);
    EXPECT_EQ(kind(0xffffffffffffffd6), AddressKind::null_page) << "a NULL pointer, and a little less";
    EXPECT_EQ(kind(0x00007fff12345678), AddressKind::user);
    EXPECT_EQ(kind(0xdead000000000100), AddressKind::list_poison);
    EXPECT_EQ(kind(0xdead000000000122), AddressKind::list_poison);
    EXPECT_EQ(kind(0xdead000000000200 + 8), AddressKind::list_poison);
    EXPECT_EQ(kind(0x0000000000100108, "2.6.18"), AddressKind::list_poison);
    EXPECT_EQ(kind(0x6b6b6b6b6b6b6b6b), AddressKind::slab_poison);
    EXPECT_EQ(kind(0x6b6b6b6b6b6b6b73), AddressKind::slab_poison) << "a member";
    EXPECT_EQ(kind(0x1234567812345678), AddressKind::non_canonical);
    EXPECT_EQ(kind(0xffff888012345678), AddressKind::kernel);
    EXPECT_EQ(kind(0xffffffff81000000), AddressKind::kernel);
    EXPECT_EQ(kind(0xffffffffc0a03040), AddressKind::module_space);
    EXPECT_EQ(kind(0xffffffffa88b53b8, "3.10.0"), AddressKind::module_space);
}

TEST(Address, of_modules_was_lower_before_2_6_26) {
    EXPECT_EQ(kind(0xffffffff88123456, "2.6.18-400.el5"), AddressKind::module_space);
    EXPECT_EQ(kind(0xffffffff88123456, "2.6.32"), AddressKind::kernel);
}

TEST(Address, in_the_shadow_of_kasan_stands_for_another) {
    // (0xfffffbfff8140608 - 0xdffffc0000000000) << 3
    EXPECT_EQ(unshadowed(0xfffffbfff8140608), 0xffffffffc0a03040);
    EXPECT_EQ(kind(0xfffffbfff8140608), AddressKind::module_space);
    EXPECT_EQ(unshadowed(0xffffffffc0a03040), 0xffffffffc0a03040) << "is none";
}

TEST(Address, of_arm64_tells_little) {
    EXPECT_EQ(kind_of_address(0xffff800001230000, of(Arch::arm64)), AddressKind::unknown);
    EXPECT_EQ(kind_of_address(0x10, of(Arch::arm64)), AddressKind::null_page);
    EXPECT_EQ(kind_of_address(0xdead000000000122, of(Arch::arm64)), AddressKind::list_poison);
}

} // namespace
} // namespace disarmd
