// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "base/result.h"
#include "preflight/elf_image.h"

namespace disarmd {

// The general registers, as they are encoded: 0 rax, 1 rcx, 2 rdx, 3 rbx, 4 rsp, 5 rbp, 6 rsi, 7 rdi, 8 r8
// ...
using Register = std::int8_t;
inline constexpr Register no_register = -1;
inline constexpr Register rax = 0;
inline constexpr Register rsp = 4;
inline constexpr int register_count = 16;

enum class Operation {
    other,
    move,
    load_address, // lea
    add,
    subtract,
    exclusive_or,
    compare,
    test,
    call,
    jump,
    branch, // a conditional jump
    back,   // ret, and what returns in its stead
    trap,   // what does not go on: ud2, int3
};

enum class Condition { none, zero, not_zero, negative, not_negative, other };

struct Operand {
    enum class Type { none, reg, constant, memory };

    Type type = Type::none;
    int size = 0; // bytes
    Register reg = no_register;
    std::int64_t constant = 0;   // of a jump or call: its target in the section
    Register base = no_register; // of memory, as index
    Register index = no_register;
    std::int64_t displacement = 0;
    std::optional<Target> target; // what a relocation puts in: the address, or the constant
};

struct Instruction {
    std::uint64_t offset = 0;
    std::uint64_t size = 0;
    Operation operation = Operation::other;
    Condition condition = Condition::none;
    bool indirect = false;     // a call or jump to where a register or memory says
    Operand to;                // the first operand
    Operand from;              // the second one
    std::uint32_t written = 0; // general registers, a bit each
};

// Decodes x86-64 code of a module, with what relocations will put into it. Never fails: what is no
// instruction is a trap of one byte.
class Decoder {
public:
    static Result<Decoder> open();
    Decoder(Decoder&&) noexcept;
    Decoder& operator=(Decoder&&) noexcept;
    Decoder(const Decoder&) = delete;
    Decoder& operator=(const Decoder&) = delete;
    ~Decoder();

    // The instruction at the offset, which is within the section.
    [[nodiscard]] Instruction decode(const ElfImage& image, int section, std::uint64_t offset) const;

private:
    struct State;
    explicit Decoder(std::unique_ptr<State> state);

    std::unique_ptr<State> state_;
};

} // namespace disarmd
