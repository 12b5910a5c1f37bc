// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "autopsy/crash.h"

namespace disarmd {

// The instruction that an exception met, from the bytes that were printed of it.
struct MetInstruction {
    std::string text; // "mov %rsi,0x8(%rcx)", as objdump has it
    bool writes = false;
    std::string base;              // the register that a memory operand begins from; empty: there is none
    std::int64_t displacement = 0; // what is added to it
    std::optional<std::uint64_t> address; // of memory that it reads or writes, by the registers
};

// Nothing: the bytes are not there, or are no instruction. Pure.
std::optional<MetInstruction> met_instruction(const Exception& exception, Arch arch);

} // namespace disarmd
