// SPDX-License-Identifier: Apache-2.0
#include "autopsy/address.h"

#include <charconv>

namespace disarmd {

namespace {

constexpr std::uint64_t null_page_end = 0x10000;

bool is_near(std::uint64_t address, std::uint64_t base, std::uint64_t below, std::uint64_t above) {
    return address >= base - below && address < base + above;
}

// "2.6.18-400.el5": before 2.6.26 modules were lower.
bool is_before_2_6_26(std::string_view release) {
    constexpr std::string_view series = "2.6.";
    if (!release.starts_with(series))
        return false;
    int minor = 0;
    release.remove_prefix(series.size());
    return std::from_chars(release.data(), release.data() + release.size(), minor).ec == std::errc() &&
           minor < 26;
}

// All bytes are the same, or nearly: a member's offset may have been added.
bool is_filled_with(std::uint64_t address, std::uint8_t byte) {
    return address >> 16 == 0x0000010101010101U * byte;
}

// "4.18.0-305.el8": since 4.12 kernels are built to be loaded anywhere below 0xffffffffc0000000, mostly.
bool is_before_4_12(std::string_view release) {
    unsigned major = 0;
    unsigned minor = 0;
    const auto* const end = release.data() + release.size();
    const auto read = std::from_chars(release.data(), end, major);
    if (read.ec != std::errc() || read.ptr == end || *read.ptr != '.' ||
        std::from_chars(read.ptr + 1, end, minor).ec != std::errc())
        return true;
    return major < 4 || (major == 4 && minor < 12);
}

// Since 5.4 the linear map is in the lower half, if addresses have 48 bits.
AddressKind kind_on_arm64(std::uint64_t address) {
    constexpr unsigned address_bits = 48;
    const auto top = address >> address_bits;
    if (top == 0)
        return AddressKind::user;
    return top == 0xffff || top >> 8U == 0xff ? AddressKind::unknown : AddressKind::non_canonical;
}

AddressKind kind_on_x86_64(std::uint64_t address, const CrashText& crash) {
    const auto top = address >> 47;
    if (top == 0)
        return AddressKind::user;
    // With five levels of page tables there are more.
    constexpr std::uint64_t all_ones_of_5_levels = 0xff00000000000000;
    if (top != 0x1ffff && (address & all_ones_of_5_levels) != all_ones_of_5_levels)
        return AddressKind::non_canonical;
    const auto& release = crash.release;
    constexpr std::uint64_t image_start_fixed = 0xffffffff81000000;
    const bool relocated =
        crash.image_start ? *crash.image_start != image_start_fixed : !is_before_4_12(release);
    const std::uint64_t begin = relocated                   ? 0xffffffffc0000000
                                : is_before_2_6_26(release) ? 0xffffffff88000000
                                                            : 0xffffffffa0000000;
    constexpr std::uint64_t end = 0xffffffffff000000;
    return address >= begin && address < end ? AddressKind::module_space : AddressKind::kernel;
}

} // namespace

std::string_view name_of(AddressKind kind) {
    switch (kind) {
    case AddressKind::null_page:
        return "null";
    case AddressKind::user:
        return "user";
    case AddressKind::list_poison:
        return "list-poison";
    case AddressKind::slab_poison:
        return "slab-poison";
    case AddressKind::non_canonical:
        return "non-canonical";
    case AddressKind::module_space:
        return "module-space";
    case AddressKind::kernel:
        return "kernel";
    case AddressKind::unknown:
        break;
    }
    return "unknown";
}

std::uint64_t unshadowed(std::uint64_t address) {
    // CONFIG_KASAN_SHADOW_OFFSET of x86-64; what stands for modules begins with 0xfffffbfff.
    constexpr std::uint64_t shadow_offset = 0xdffffc0000000000;
    return address >> 36U == 0xfffffbf || address >> 28U == 0xfffffbfff ? (address - shadow_offset) << 3U
                                                                        : address;
}

AddressKind kind_of_address(std::uint64_t address, const CrashText& crash) {
    if (address < null_page_end || address >= ~std::uint64_t{0} - null_page_end)
        return AddressKind::null_page;
    constexpr std::uint64_t poison_of_lists = 0xdead000000000000;
    if (is_near(address, poison_of_lists + 0x100, 0x100, 0x400) || is_near(address, 0x00100100, 0x10, 0x200))
        return AddressKind::list_poison;
    if (is_filled_with(address, 0x6b) || is_filled_with(address, 0x5a) || is_filled_with(address, 0xcc))
        return AddressKind::slab_poison;
    if (crash.arch == Arch::arm64)
        return kind_on_arm64(address);
    return crash.arch == Arch::x86_64 ? kind_on_x86_64(unshadowed(address), crash) : AddressKind::unknown;
}

} // namespace disarmd
