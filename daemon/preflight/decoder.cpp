// SPDX-License-Identifier: Apache-2.0
#include "preflight/decoder.h"

#include <algorithm>
#include <array>
#include <span>

#include <capstone/capstone.h>

namespace disarmd {

struct Decoder::State {
    csh handle = 0;
    cs_insn* instruction = nullptr;

    State() = default;
    State(const State&) = delete;
    State& operator=(const State&) = delete;
    ~State() {
        if (instruction != nullptr)
            ::cs_free(instruction, 1);
        if (handle != 0)
            ::cs_close(&handle);
    }
};

namespace {

constexpr auto as_wide = std::to_array<std::array<int, 5>>({
    {X86_REG_RAX, X86_REG_EAX, X86_REG_AX, X86_REG_AL, X86_REG_AH},
    {X86_REG_RCX, X86_REG_ECX, X86_REG_CX, X86_REG_CL, X86_REG_CH},
    {X86_REG_RDX, X86_REG_EDX, X86_REG_DX, X86_REG_DL, X86_REG_DH},
    {X86_REG_RBX, X86_REG_EBX, X86_REG_BX, X86_REG_BL, X86_REG_BH},
    {X86_REG_RSP, X86_REG_ESP, X86_REG_SP, X86_REG_SPL, 0},
    {X86_REG_RBP, X86_REG_EBP, X86_REG_BP, X86_REG_BPL, 0},
    {X86_REG_RSI, X86_REG_ESI, X86_REG_SI, X86_REG_SIL, 0},
    {X86_REG_RDI, X86_REG_EDI, X86_REG_DI, X86_REG_DIL, 0},
    {X86_REG_R8, X86_REG_R8D, X86_REG_R8W, X86_REG_R8B, 0},
    {X86_REG_R9, X86_REG_R9D, X86_REG_R9W, X86_REG_R9B, 0},
    {X86_REG_R10, X86_REG_R10D, X86_REG_R10W, X86_REG_R10B, 0},
    {X86_REG_R11, X86_REG_R11D, X86_REG_R11W, X86_REG_R11B, 0},
    {X86_REG_R12, X86_REG_R12D, X86_REG_R12W, X86_REG_R12B, 0},
    {X86_REG_R13, X86_REG_R13D, X86_REG_R13W, X86_REG_R13B, 0},
    {X86_REG_R14, X86_REG_R14D, X86_REG_R14W, X86_REG_R14B, 0},
    {X86_REG_R15, X86_REG_R15D, X86_REG_R15W, X86_REG_R15B, 0},
});
static_assert(as_wide.size() == register_count);

constexpr auto register_numbers = [] {
    std::array<Register, X86_REG_ENDING> numbers{};
    numbers.fill(no_register);
    for (std::size_t i = 0; i < as_wide.size(); ++i) {
        for (const int name : as_wide.at(i)) {
            if (name != 0)
                numbers.at(static_cast<std::size_t>(name)) = static_cast<Register>(i);
        }
    }
    return numbers;
}();

Register number_of(x86_reg name) {
    const auto index = static_cast<std::size_t>(name);
    return index < register_numbers.size() ? register_numbers.at(index) : no_register;
}

// They do not come back to who called them.
bool never_returns(std::string_view function) {
    constexpr auto those = std::to_array<std::string_view>(
        {"__stack_chk_fail", "panic", "fortify_panic", "__fortify_panic", "do_exit", "kthread_exit",
         "kthread_complete_and_exit", "__module_put_and_kthread_exit", "complete_and_exit"});
    return std::ranges::find(those, function) != those.end();
}

// They leave every register alone: a tracer's hook, and what assembler calls.
bool keeps_registers(std::string_view function) {
    return function == "__fentry__" || function.starts_with("__SCT__preempt_schedule") ||
           function.starts_with("preempt_schedule_thunk") || function == "preempt_schedule_notrace_thunk";
}

std::uint32_t bit(Register reg) {
    return reg < 0 ? 0 : std::uint32_t{1} << static_cast<unsigned int>(reg);
}

Condition condition_of(unsigned int id) {
    switch (id) {
    case X86_INS_JE:
        return Condition::zero;
    case X86_INS_JNE:
        return Condition::not_zero;
    case X86_INS_JS:
    case X86_INS_JL:
        return Condition::negative;
    case X86_INS_JNS:
    case X86_INS_JGE:
        return Condition::not_negative;
    default:
        return Condition::other;
    }
}

Operation operation_of(const cs_insn& raw) {
    switch (raw.id) {
    case X86_INS_MOV:
    case X86_INS_MOVABS:
        return Operation::move;
    case X86_INS_LEA:
        return Operation::load_address;
    case X86_INS_ADD:
        return Operation::add;
    case X86_INS_SUB:
        return Operation::subtract;
    case X86_INS_XOR:
        return Operation::exclusive_or;
    case X86_INS_CMP:
        return Operation::compare;
    case X86_INS_TEST:
        return Operation::test;
    case X86_INS_CALL:
    case X86_INS_LCALL:
        return Operation::call;
    case X86_INS_JMP:
    case X86_INS_LJMP:
        return Operation::jump;
    case X86_INS_RET:
    case X86_INS_RETF:
    case X86_INS_IRETQ:
        return Operation::back;
    case X86_INS_UD2:
    case X86_INS_INT3:
    case X86_INS_HLT:
        return Operation::trap;
    default:
        break;
    }
    const auto groups = std::span(raw.detail->groups).first(raw.detail->groups_count);
    return std::ranges::find(groups, X86_GRP_JUMP) != groups.end() ? Operation::branch : Operation::other;
}

// What the first operand tells of is not changed.
bool only_reads(const cs_insn& raw, Operation operation) {
    switch (operation) {
    case Operation::compare:
    case Operation::test:
    case Operation::call:
    case Operation::jump:
    case Operation::branch:
    case Operation::back:
    case Operation::trap:
        return true;
    default:
        return raw.id == X86_INS_PUSH || raw.id == X86_INS_BT || raw.id == X86_INS_NOP;
    }
}

Operand operand_of(const cs_x86_op& raw) {
    Operand operand;
    operand.size = raw.size;
    switch (raw.type) {
    case X86_OP_REG:
        operand.type = Operand::Type::reg;
        operand.reg = number_of(raw.reg);
        break;
    case X86_OP_IMM:
        operand.type = Operand::Type::constant;
        operand.constant = raw.imm;
        break;
    case X86_OP_MEM:
        operand.type = Operand::Type::memory;
        operand.base = number_of(raw.mem.base);
        operand.index = number_of(raw.mem.index);
        operand.displacement = raw.mem.disp;
        // The stack's thread-local and per-CPU segments have addresses of their own.
        if (raw.mem.segment == X86_REG_GS || raw.mem.segment == X86_REG_FS)
            operand.type = Operand::Type::none;
        break;
    default:
        break;
    }
    return operand;
}

std::uint32_t written_by(const cs_insn& raw, Operation operation) {
    const auto& detail = *raw.detail;
    std::uint32_t written = 0;
    for (const auto reg : std::span(detail.regs_write).first(detail.regs_write_count))
        written |= bit(number_of(static_cast<x86_reg>(reg)));
    const auto operands = std::span(detail.x86.operands).first(detail.x86.op_count);
    if (!operands.empty() && operands[0].type == X86_OP_REG && !only_reads(raw, operation))
        written |= bit(number_of(operands[0].reg));
    // Exchanges write both.
    for (const auto& operand : operands) {
        if (operand.type == X86_OP_REG && (operand.access & CS_AC_WRITE) != 0 && !only_reads(raw, operation))
            written |= bit(number_of(operand.reg));
    }
    return written;
}

} // namespace

Decoder::Decoder(std::unique_ptr<State> state) : state_(std::move(state)) {}
Decoder::Decoder(Decoder&&) noexcept = default;
Decoder& Decoder::operator=(Decoder&&) noexcept = default;
Decoder::~Decoder() = default;

Result<Decoder> Decoder::open() {
    auto state = std::make_unique<State>();
    if (::cs_open(CS_ARCH_X86, CS_MODE_64, &state->handle) != CS_ERR_OK ||
        ::cs_option(state->handle, CS_OPT_DETAIL, CS_OPT_ON) != CS_ERR_OK)
        return fail({ENOTSUP, "capstone can't decode x86-64 code"});
    state->instruction = ::cs_malloc(state->handle);
    if (state->instruction == nullptr)
        return fail({ENOMEM, "there is no memory to decode code"});
    return Decoder(std::move(state));
}

Instruction Decoder::decode(const ElfImage& image, int section, std::uint64_t offset) const {
    const auto bytes = image.sections()[static_cast<std::size_t>(section)].bytes;
    const auto* code = reinterpret_cast<const std::uint8_t*>(bytes.data()) + offset;
    std::size_t left = bytes.size() - offset;
    std::uint64_t address = offset;
    Instruction instruction;
    instruction.offset = offset;
    if (!::cs_disasm_iter(state_->handle, &code, &left, &address, state_->instruction)) {
        instruction.size = 1;
        instruction.operation = Operation::trap;
        return instruction;
    }
    const auto& raw = *state_->instruction;
    const auto& x86 = raw.detail->x86;
    instruction.size = raw.size;
    instruction.operation = operation_of(raw);
    instruction.written = written_by(raw, instruction.operation);
    if (instruction.operation == Operation::branch)
        instruction.condition = condition_of(raw.id);
    if (x86.op_count > 0)
        instruction.to = operand_of(x86.operands[0]);
    if (x86.op_count > 1)
        instruction.from = operand_of(x86.operands[1]);
    // Three operands: a product, or a shift of two; neither is an address.
    if (x86.op_count > 2 && instruction.operation == Operation::move)
        instruction.operation = Operation::other;

    const auto end = offset + instruction.size;
    for (const auto& relocation : image.relocations(section, offset, end)) {
        auto target = relocation.target;
        if (relocation.relative)
            target.offset += static_cast<std::int64_t>(end - relocation.offset);
        const auto within = relocation.offset - offset;
        const bool is_constant = x86.encoding.imm_offset != 0 && within == x86.encoding.imm_offset;
        for (auto* const operand : {&instruction.to, &instruction.from}) {
            if (operand->type == (is_constant ? Operand::Type::constant : Operand::Type::memory))
                operand->target = target;
        }
        // Capstone tells no encoding of a direct call's or jump's target.
        if (instruction.to.type == Operand::Type::constant && x86.op_count == 1)
            instruction.to.target = target;
    }
    const bool transfers = instruction.operation == Operation::call ||
                           instruction.operation == Operation::jump ||
                           instruction.operation == Operation::branch;
    if (transfers && instruction.to.type == Operand::Type::constant && !instruction.to.target)
        instruction.to.target = Target{section, instruction.to.constant, {}};
    if (transfers && instruction.to.type != Operand::Type::constant)
        instruction.indirect = true;
    if (transfers && instruction.to.target && instruction.to.target->section < 0) {
        const auto name = instruction.to.target->external;
        if (name == "__x86_return_thunk" || name == "srso_return_thunk") {
            instruction.operation = Operation::back;
        } else if (keeps_registers(name) && instruction.operation == Operation::call) {
            instruction.operation = Operation::other;
            instruction.written = 0;
        } else if (never_returns(name)) {
            instruction.operation = Operation::trap;
        } else if (name.starts_with("__x86_indirect_")) {
            // A retpoline: as far as this file goes, a call or jump through a register.
            instruction.indirect = true;
            instruction.to.target.reset();
        }
    }
    return instruction;
}

} // namespace disarmd
