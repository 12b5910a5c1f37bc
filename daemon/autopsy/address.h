// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>

#include "autopsy/crash.h"

namespace disarmd {

// What an address can say by itself of who lies there, or lay.
enum class AddressKind {
    null_page,     // near 0: a NULL pointer, and a member behind it
    user,          // of user space
    list_poison,   // LIST_POISON1, 2, TIMER_ENTRY_STATIC (include/linux/poison.h)
    slab_poison,   // freed memory of a kernel that fills it: 0x6b6b...
    non_canonical, // no address at all
    module_space,  // where modules are loaded to
    kernel,        // the direct map, vmalloc, the kernel's own image
    unknown,       // of an architecture that has no fixed places
};

std::string_view name_of(AddressKind kind);

// Where x86-64 loads modules to: Documentation/arch/x86/x86_64/mm.rst. Before 2.6.26 it begins lower, at
// 0xffffffff88000000; with CONFIG_RANDOMIZE_BASE, the default since 4.12, at 0xffffffffc0000000, and what is
// below that can be the kernel's image. Of arm64 no more is known than what is no kernel address.
AddressKind kind_of_address(std::uint64_t address, const CrashText& crash);

// Of an address in KASAN's shadow, whose fault tells of the memory that it stands for.
std::uint64_t unshadowed(std::uint64_t address);

} // namespace disarmd
