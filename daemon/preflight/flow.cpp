// SPDX-License-Identifier: Apache-2.0
#include "preflight/flow.h"

#include <algorithm>
#include <tuple>

namespace disarmd {

namespace {

// rax, rcx, rdx, rsi, rdi, r8 to r11: a call does not keep them.
constexpr std::uint32_t kept_by_nobody = 0x0fc7;

bool ends_block(Operation operation) {
    switch (operation) {
    case Operation::jump:
    case Operation::branch:
    case Operation::back:
    case Operation::trap:
        return true;
    default:
        return false;
    }
}

Value& at(Registers& registers, Register reg) {
    return registers.at(static_cast<std::size_t>(reg));
}

const Value& at(const Registers& registers, Register reg) {
    return registers.at(static_cast<std::size_t>(reg));
}

Value made_by(const Instruction& instruction, Register reg) {
    return Value::of_pointer(Value::Base::made,
                             static_cast<std::int64_t>(instruction.offset) * register_count + reg);
}

// Hostile numbers may wrap around.
std::int64_t sum_of(std::int64_t a, std::int64_t b) {
    return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
}

Value content_of(const Operand& from, const Instruction& instruction, Register reg,
                 const Registers& registers) {
    switch (from.type) {
    case Operand::Type::reg:
        return from.reg < 0 || from.size < 4 ? made_by(instruction, reg) : at(registers, from.reg);
    case Operand::Type::constant:
        return from.target ? Value::of_target(*from.target) : Value::of_constant(from.constant);
    case Operand::Type::memory:
        if (from.target && from.target->section >= 0 && from.base < 0 && from.index < 0 && from.size == 8)
            return {Value::Type::pointer, Value::Base::variable,
                    from.target->section, 0,
                    from.target->offset,  {}};
        break;
    case Operand::Type::none:
        break;
    }
    return made_by(instruction, reg);
}

Value sum_of(const Instruction& instruction, const Registers& registers) {
    const auto& was = at(registers, instruction.to.reg);
    if (instruction.from.type != Operand::Type::constant || instruction.from.target ||
        instruction.to.size < 8)
        return made_by(instruction, instruction.to.reg);
    auto value = was;
    const auto by = instruction.from.constant;
    value.number = sum_of(value.number, instruction.operation == Operation::subtract ? -by : by);
    return value;
}

bool is_zeroing(const Instruction& instruction) {
    return instruction.operation == Operation::exclusive_or && instruction.to.type == Operand::Type::reg &&
           instruction.from.type == Operand::Type::reg && instruction.to.reg == instruction.from.reg &&
           instruction.to.size >= 4;
}

} // namespace

Value address_of(const Operand& memory, const Registers& registers) {
    Value value;
    if (memory.index >= 0)
        return value;
    if (memory.base < 0)
        return memory.target ? Value::of_target(*memory.target) : Value::of_constant(memory.displacement);
    if (memory.target)
        return value;
    value = at(registers, memory.base);
    value.number = sum_of(value.number, memory.displacement);
    return value;
}

namespace {

void make(const Instruction& instruction, Registers& registers) {
    const auto set = [&](const Value& value) { at(registers, instruction.to.reg) = value; };
    if (instruction.operation == Operation::call) {
        for (std::size_t reg = 0; reg < registers.size(); ++reg) {
            if ((kept_by_nobody >> reg & 1) != 0)
                registers.at(reg) = made_by(instruction, static_cast<Register>(reg));
        }
        at(registers, rax) =
            Value::of_pointer(Value::Base::result, static_cast<std::int64_t>(instruction.offset));
        return;
    }
    const auto& to = instruction.to;
    const bool to_register = to.type == Operand::Type::reg && to.reg >= 0 && to.size >= 4;
    if (to_register && instruction.operation == Operation::move)
        return set(content_of(instruction.from, instruction, to.reg, registers));
    if (to_register && instruction.operation == Operation::load_address) {
        const auto value = address_of(instruction.from, registers);
        const bool known = value.type != Value::Type::pointer || value.base != Value::Base::unknown ||
                           instruction.from.index < 0;
        return set(known ? value : made_by(instruction, to.reg));
    }
    if (to_register && is_zeroing(instruction))
        return set(Value::of_constant(0));
    if (to_register &&
        (instruction.operation == Operation::add || instruction.operation == Operation::subtract))
        return set(sum_of(instruction, registers));
    for (std::size_t reg = 0; reg < registers.size(); ++reg) {
        if ((instruction.written >> reg & 1) != 0)
            registers.at(reg) = made_by(instruction, static_cast<Register>(reg));
    }
}

} // namespace

void step(const Instruction& instruction, Registers& registers) {
    make(instruction, registers);
    at(registers, rsp) = Value::of_pointer(Value::Base::stack, 0);
}

std::optional<Tested> run_block(std::span<const Instruction> block, Registers& registers) {
    Value compared; // with zero
    for (const auto& instruction : block) {
        const auto& [to, from] = std::tie(instruction.to, instruction.from);
        if (instruction.operation == Operation::test || instruction.operation == Operation::compare) {
            const bool with_itself = instruction.operation == Operation::test &&
                                     from.type == Operand::Type::reg && from.reg == to.reg;
            const bool with_zero = instruction.operation == Operation::compare &&
                                   from.type == Operand::Type::constant && !from.target && from.constant == 0;
            compared = Value{};
            if (to.type == Operand::Type::reg && to.reg >= 0 && to.size >= 4 && (with_itself || with_zero))
                compared = at(registers, to.reg);
        }
        step(instruction, registers);
    }
    if (compared.base != Value::Base::result || compared.number != 0 || block.empty() ||
        block.back().operation != Operation::branch)
        return std::nullopt;
    switch (block.back().condition) {
    case Condition::not_zero:
    case Condition::negative:
        return Tested{compared, true};
    case Condition::zero:
    case Condition::not_negative:
        return Tested{compared, false};
    default:
        return std::nullopt;
    }
}

void refine_success(const Value& result, Registers& registers) {
    for (auto& value : registers) {
        if (value == result)
            value = Value::of_constant(0);
    }
}

Flow::Flow(const Decoder& decoder, const ElfImage& image, int section, std::uint64_t begin, std::uint64_t end,
           std::span<const std::uint64_t> entries, std::int64_t& work)
    : section_(section), begin_(begin), end_(end), work_(work) {
    for (auto offset = begin; offset < end; offset = instructions_.back().offset + instructions_.back().size)
        instructions_.push_back(decoder.decode(image, section, offset));
    find_blocks(entries);
    propagate();
}

void Flow::find_blocks(std::span<const std::uint64_t> entries) {
    std::vector<std::uint64_t> begins{begin_};
    begins.insert(begins.end(), entries.begin(), entries.end());
    const auto inside = [&](const Instruction& instruction) {
        const auto& target = instruction.to.target;
        return target && target->section == section_ && target->offset >= static_cast<std::int64_t>(begin_) &&
               target->offset < static_cast<std::int64_t>(end_);
    };
    for (const auto& instruction : instructions_) {
        if (!ends_block(instruction.operation))
            continue;
        begins.push_back(instruction.offset + instruction.size);
        if (inside(instruction))
            begins.push_back(static_cast<std::uint64_t>(instruction.to.target->offset));
    }
    std::ranges::sort(begins);
    begins.erase(std::unique(begins.begin(), begins.end()), begins.end());

    auto begin = begins.begin();
    for (std::size_t i = 0; i < instructions_.size(); ++i) {
        // What jumps into the midst of an instruction is no compiler's.
        bool begins_here = false;
        while (begin != begins.end() && *begin <= instructions_[i].offset) {
            begins_here = begins_here || *begin == instructions_[i].offset;
            ++begin;
        }
        if (begins_here || blocks_.empty())
            blocks_.push_back(Block{i, i, {-1, -1}, false, {}});
        blocks_.back().end = i + 1;
    }
    for (std::size_t i = 0; i < blocks_.size(); ++i) {
        const auto& last = instructions_[blocks_[i].end - 1];
        if (i + 1 < blocks_.size() && last.operation != Operation::jump &&
            last.operation != Operation::back && last.operation != Operation::trap)
            blocks_[i].next[0] = static_cast<int>(i + 1);
        if ((last.operation == Operation::jump || last.operation == Operation::branch) && inside(last))
            blocks_[i].next[1] = block_at(static_cast<std::uint64_t>(last.to.target->offset));
    }
    for (const auto entry : entries) {
        if (const int block = block_at(entry); block >= 0)
            entered_.push_back(block);
    }
}

int Flow::block_at(std::uint64_t offset) const {
    const auto found = std::ranges::lower_bound(
        blocks_, offset, {}, [&](const Block& block) { return instructions_[block.first].offset; });
    if (found == blocks_.end() || instructions_[found->first].offset != offset)
        return -1;
    return static_cast<int>(found - blocks_.begin());
}

void Flow::reach(int block, const Registers& registers, std::vector<int>& queue) {
    auto& to = blocks_[static_cast<std::size_t>(block)];
    bool changed = !to.reached;
    if (!to.reached)
        to.before = registers;
    for (std::size_t i = 0; to.reached && i < registers.size(); ++i) {
        auto& known = to.before.at(i);
        if (known == registers.at(i))
            continue;
        for (const auto& value : {known, registers.at(i)}) {
            if (value.type == Value::Type::address && (lost_.empty() || lost_.back() != value))
                lost_.push_back(value);
        }
        changed = changed || known != Value{};
        known = Value{};
    }
    to.reached = true;
    if (changed)
        queue.push_back(block);
}

// To a fixed point: a register's content can only become unknown, so each block is visited a few times.
void Flow::propagate() {
    if (blocks_.empty())
        return;
    Registers nothing{};
    at(nothing, rsp) = Value::of_pointer(Value::Base::stack, 0);
    Registers given = nothing;
    for (std::size_t i = 0; i < argument_registers.size(); ++i)
        given.at(argument_registers.at(i)) =
            Value::of_pointer(Value::Base::argument, static_cast<std::int64_t>(i));
    std::vector<int> queue;
    const auto drain = [&] {
        while (!queue.empty()) {
            const auto& block = blocks_[static_cast<std::size_t>(queue.back())];
            queue.pop_back();
            work_ -= work_of_a_block + static_cast<std::int64_t>(block.end - block.first);
            if (work_ < 0) {
                complete_ = false;
                queue.clear();
                return;
            }
            auto registers = block.before;
            const auto next = block.next;
            const auto tested = run_block(instructions_of(block), registers);
            for (const bool jumps : {false, true}) {
                const int to = next.at(jumps ? 1 : 0);
                if (to < 0)
                    continue;
                if (!tested || tested->failed_if_jumps == jumps) {
                    reach(to, registers, queue);
                    continue;
                }
                auto then = registers;
                refine_success(tested->result, then);
                reach(to, then, queue);
            }
        }
    };
    reach(0, given, queue);
    drain();
    // What comes from elsewhere is the function's own cold part coming back: it has left alone what calls
    // leave alone, or set it to what has escaped there.
    for (const int block : entered_) {
        auto registers = nothing;
        const auto& to = blocks_[static_cast<std::size_t>(block)];
        for (std::size_t reg = 0; to.reached && reg < registers.size(); ++reg) {
            if ((kept_by_nobody >> reg & 1) == 0)
                registers.at(reg) = to.before.at(reg);
        }
        reach(block, registers, queue);
        drain();
    }
    // What only a jump table, a static key or an exception leads to.
    for (std::size_t i = 0; i < blocks_.size(); ++i) {
        if (blocks_[i].reached)
            continue;
        reach(static_cast<int>(i), nothing, queue);
        drain();
    }
    if (complete_)
        return;
    for (auto& block : blocks_)
        block.before = nothing;
}

void Flow::visit(const Visitor& visitor) const {
    for (const auto& block : blocks_) {
        auto registers = block.before;
        for (std::size_t i = block.first; i < block.end; ++i) {
            visitor(instructions_[i], registers);
            step(instructions_[i], registers);
        }
    }
}

bool Flow::leads(std::optional<std::uint64_t> from, std::optional<std::uint64_t> to,
                 const std::function<bool(const Instruction&)>& stops) const {
    std::vector<bool> seen(blocks_.size());
    std::vector<std::pair<std::size_t, std::size_t>> queue; // block, and the instruction to go on with
    if (!from && !blocks_.empty())
        queue.emplace_back(0, 0);
    for (std::size_t i = 0; from && i < blocks_.size(); ++i) {
        for (std::size_t at = blocks_[i].first; at < blocks_[i].end; ++at) {
            if (instructions_[at].offset == *from)
                queue.emplace_back(i, at + 1);
        }
    }
    while (!queue.empty()) {
        const auto [index, first] = queue.back();
        queue.pop_back();
        const auto& block = blocks_[index];
        bool stopped = false;
        for (std::size_t at = first; at < block.end && !stopped; ++at) {
            const auto& instruction = instructions_[at];
            if (to && instruction.offset == *to)
                return true;
            stopped = stops(instruction);
        }
        const auto& last = instructions_[block.end - 1];
        const bool leaves =
            last.operation == Operation::back || (last.operation == Operation::jump && block.next[1] < 0);
        if (stopped)
            continue;
        if (leaves && !to)
            return true;
        for (const int next : block.next) {
            if (next >= 0 && !seen[static_cast<std::size_t>(next)]) {
                seen[static_cast<std::size_t>(next)] = true;
                queue.emplace_back(static_cast<std::size_t>(next),
                                   blocks_[static_cast<std::size_t>(next)].first);
            }
        }
    }
    return false;
}

} // namespace disarmd
