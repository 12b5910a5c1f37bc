// SPDX-License-Identifier: Apache-2.0
#include "autopsy/instruction.h"

#include <algorithm>
#include <memory>
#include <string_view>

#include <capstone/capstone.h>
#include <fmt/format.h>
#include <re2/re2.h>

namespace disarmd {

namespace {

struct Disassembler {
    csh handle = 0;

    Disassembler(cs_arch arch, cs_mode mode) {
        if (::cs_open(arch, mode, &handle) != CS_ERR_OK)
            handle = 0;
        if (handle != 0) {
            ::cs_option(handle, CS_OPT_DETAIL, CS_OPT_ON);
            if (arch == CS_ARCH_X86)
                ::cs_option(handle, CS_OPT_SYNTAX, CS_OPT_SYNTAX_ATT);
        }
    }
    Disassembler(const Disassembler&) = delete;
    Disassembler& operator=(const Disassembler&) = delete;
    ~Disassembler() {
        if (handle != 0)
            ::cs_close(&handle);
    }
};

struct FreeInstruction {
    void operator()(cs_insn* instruction) const { ::cs_free(instruction, 1); }
};

std::optional<std::uint64_t> value_of(const Exception& exception, std::string_view name) {
    const auto found = exception.registers.find(std::string(name));
    return found == exception.registers.end() ? std::nullopt : std::optional(found->second.value);
}

// Registers that were printed, and the fixed ones; the instruction pointer is that of the next one.
struct Sum {
    std::uint64_t value = 0;
    bool known = true;

    void add(std::optional<std::uint64_t> part, std::uint64_t times) {
        known = known && part.has_value();
        value += part.value_or(0) * times;
    }
};

void look_at_x86(const Exception& exception, csh handle, const cs_insn& instruction, MetInstruction& met) {
    const auto& x86 = instruction.detail->x86;
    for (std::uint8_t i = 0; i < x86.op_count; ++i) {
        const auto& operand = x86.operands[i];
        if (operand.type != X86_OP_MEM || instruction.id == X86_INS_LEA || instruction.id == X86_INS_NOP)
            continue;
        met.writes = (operand.access & CS_AC_WRITE) != 0;
        met.displacement = operand.mem.disp;
        Sum address{static_cast<std::uint64_t>(operand.mem.disp)};
        if (operand.mem.base != X86_REG_INVALID) {
            met.base = ::cs_reg_name(handle, operand.mem.base);
            const bool relative = operand.mem.base == X86_REG_RIP;
            address.add(relative ? exception.ip.address : value_of(exception, met.base), 1);
            address.value += relative ? instruction.size : 0;
        }
        if (operand.mem.index != X86_REG_INVALID)
            address.add(value_of(exception, ::cs_reg_name(handle, operand.mem.index)),
                        static_cast<std::uint64_t>(operand.mem.scale));
        // What a segment register adds is not printed, or by the name of another register.
        if (address.known && operand.mem.segment == X86_REG_INVALID)
            met.address = address.value;
        return;
    }
}

void look_at_arm64(const Exception& exception, csh handle, const cs_insn& instruction, MetInstruction& met) {
    const auto& arm64 = instruction.detail->arm64;
    for (std::uint8_t i = 0; i < arm64.op_count; ++i) {
        const auto& operand = arm64.operands[i];
        if (operand.type != ARM64_OP_MEM)
            continue;
        met.writes = std::string_view(instruction.mnemonic).starts_with("st");
        met.base = ::cs_reg_name(handle, operand.mem.base);
        met.displacement = operand.mem.disp;
        Sum address{static_cast<std::uint64_t>(std::int64_t{operand.mem.disp})};
        address.add(value_of(exception, met.base), 1);
        if (address.known && operand.mem.index == ARM64_REG_INVALID)
            met.address = address.value;
        return;
    }
}

// "mov %rsi,0x8(%rcx)": what people look for, and the crash utility and scripts/decodecode print.
std::string as_objdump_has_it(const cs_insn& instruction) {
    std::string mnemonic = instruction.mnemonic;
    std::string operands = instruction.op_str;
    RE2::GlobalReplace(&operands, ", ", ",");
    RE2::GlobalReplace(&operands, R"((^|[^\w])(\d)\()", R"(\10x\2()");
    // Where a register tells how long an operand is, nothing else does.
    const auto& x86 = instruction.detail->x86;
    const bool has_register =
        std::any_of(x86.operands, x86.operands + x86.op_count,
                    [](const cs_x86_op& operand) { return operand.type == X86_OP_REG; });
    static const RE2 suffixed("(mov|cmp|add|sub|and|or|xor|test|lea|xchg|inc|dec|push|pop)[bwlq]");
    if (std::string plain; has_register && RE2::FullMatch(mnemonic, suffixed, &plain))
        mnemonic = plain;
    return operands.empty() ? mnemonic : fmt::format("{} {}", mnemonic, operands);
}

} // namespace

std::optional<MetInstruction> met_instruction(const Exception& exception, Arch arch) {
    const auto begin = exception.code_at.value_or(exception.code.size());
    if (begin >= exception.code.size() || (arch != Arch::x86_64 && arch != Arch::arm64))
        return std::nullopt;
    const bool x86 = arch == Arch::x86_64;
    const Disassembler disassembler(x86 ? CS_ARCH_X86 : CS_ARCH_ARM64,
                                    x86 ? CS_MODE_64 : CS_MODE_LITTLE_ENDIAN);
    if (disassembler.handle == 0)
        return std::nullopt;
    cs_insn* decoded = nullptr;
    if (::cs_disasm(disassembler.handle, exception.code.data() + begin, exception.code.size() - begin,
                    exception.ip.address.value_or(0), 1, &decoded) != 1)
        return std::nullopt;
    const std::unique_ptr<cs_insn, FreeInstruction> instruction(decoded);
    MetInstruction met;
    met.text = x86 ? as_objdump_has_it(*instruction)
                   : fmt::format("{} {}", instruction->mnemonic, instruction->op_str);
    if (x86)
        look_at_x86(exception, disassembler.handle, *instruction, met);
    else
        look_at_arm64(exception, disassembler.handle, *instruction, met);
    return met;
}

} // namespace disarmd
