// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "preflight/decoder.h"

namespace disarmd {

// What is known of a register's content.
struct Value {
    enum class Type : std::uint8_t {
        pointer,  // something at run time, and an offset from it
        constant, // a number
        address,  // of a place in the file
        foreign,  // the address of somebody else's symbol
    };
    enum class Base : std::uint8_t {
        unknown,
        argument, // what the function was given
        variable, // what a variable of the module's contains
        result,   // what a call returned
        made,     // by an instruction
        stack,    // the function's own
    };

    Type type = Type::pointer;
    Base base = Base::unknown;
    int section = -1;          // of an address, or of the variable
    std::int64_t number = 0;   // the constant, or the offset in the section, or from the base
    std::int64_t origin = 0;   // which argument; the variable's offset; where the instruction is
    std::string_view external; // foreign: the symbol's name

    bool operator==(const Value&) const = default;

    static Value of_constant(std::int64_t number) {
        return {Type::constant, Base::unknown, -1, number, 0, {}};
    }
    static Value of_target(const Target& target) {
        return {target.section < 0 ? Type::foreign : Type::address,
                Base::unknown,
                target.section,
                target.offset,
                0,
                target.external};
    }
    static Value of_pointer(Base base, std::int64_t origin) {
        return {Type::pointer, base, -1, 0, origin, {}};
    }
};

using Registers = std::array<Value, register_count>;

// The first six arguments of a call, in order.
inline constexpr std::array<std::size_t, 6> argument_registers{7, 6, 2, 1, 8, 9};

// What the instruction makes of the registers.
void step(const Instruction& instruction, Registers& registers);

// Where a memory operand lies.
Value address_of(const Operand& memory, const Registers& registers);

// What a branch at the end of a block tells of the result of a call: that it is zero on one of the ways.
struct Tested {
    Value result;
    bool failed_if_jumps = false; // that it is not zero, or negative, where the branch jumps
};

// The block's instructions, which are made on the way. Nothing: it ends in no branch, or in one on something
// else.
std::optional<Tested> run_block(std::span<const Instruction> block, Registers& registers);

// It went well, or is no error: what holds the result holds zero.
void refine_success(const Value& result, Registers& registers);

// How much work is left for a whole module: an instruction that is looked at is one, and going from one block
// to another some more. The largest real module takes half of it.
inline constexpr std::int64_t flow_work_limit = 64'000'000;
inline constexpr std::int64_t work_of_a_block = 16;

// One function's code, and what its registers hold where.
class Flow {
public:
    // The code in [begin, end) of the section. Code elsewhere jumps to the entries. What it takes is taken
    // off the work; when none is left, nothing is known of any register.
    Flow(const Decoder& decoder, const ElfImage& image, int section, std::uint64_t begin, std::uint64_t end,
         std::span<const std::uint64_t> entries, std::int64_t& work);

    using Visitor = std::function<void(const Instruction&, const Registers& before)>;
    // Every instruction once, in the order of the code.
    void visit(const Visitor& visitor) const;

    // Whether a path leads from behind the instruction at an offset, or from the function's begin, to the one
    // at another, or to the function's end, with nothing on it that stops it.
    [[nodiscard]] bool leads(std::optional<std::uint64_t> from, std::optional<std::uint64_t> to,
                             const std::function<bool(const Instruction&)>& stops) const;

    struct Block {
        std::size_t first = 0; // instructions
        std::size_t end = 0;
        std::array<int, 2> next{-1, -1}; // goes on with; where it jumps to
        bool reached = false;
        Registers before{};
    };
    // There was work enough.
    [[nodiscard]] bool is_complete() const { return complete_; }
    [[nodiscard]] const std::vector<Block>& blocks() const { return blocks_; }
    // Addresses that were in a register on one of the ways to a place, and something else on another: what
    // became of them is not known.
    [[nodiscard]] const std::vector<Value>& lost() const { return lost_; }
    [[nodiscard]] const std::vector<Instruction>& instructions() const { return instructions_; }
    [[nodiscard]] std::span<const Instruction> instructions_of(const Block& block) const {
        return std::span(instructions_).subspan(block.first, block.end - block.first);
    }

private:
    void find_blocks(std::span<const std::uint64_t> entries);
    void propagate();
    void reach(int block, const Registers& registers, std::vector<int>& queue);
    [[nodiscard]] int block_at(std::uint64_t offset) const;

    int section_;
    std::uint64_t begin_;
    std::uint64_t end_;
    std::vector<Instruction> instructions_;
    std::vector<Block> blocks_;
    std::vector<int> entered_; // blocks
    std::vector<Value> lost_;
    std::int64_t& work_;
    bool complete_ = true;
};

} // namespace disarmd
