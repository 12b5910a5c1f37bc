// SPDX-License-Identifier: Apache-2.0
#include "verdict/stack.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "base/text.h"

namespace disarmd {

namespace {

bool begins_with_any(const Symbol& frame, std::span<const std::string_view> beginnings) {
    return std::ranges::any_of(beginnings,
                               [&](std::string_view beginning) { return frame.name.starts_with(beginning); });
}

// How the kernel gets from one of its events, or functions, to a program (kernel/trace/bpf_trace.c,
// include/trace/bpf_probe.h).
constexpr std::array<std::string_view, 4> program_callers{"bpf_", "__bpf_", "__traceiter_", "__probestub_"};
// The return address of a function whose return is watched.
constexpr std::array<std::string_view, 3> return_watchers{"kretprobe_trampoline", "__kretprobe_trampoline",
                                                          "arch_rethook_trampoline"};
// What follows an interrupt's entry (arch/x86/include/asm/idtentry.h) was interrupted by chance.
constexpr std::array<std::string_view, 3> interrupt_entries{"asm_sysvec_", "asm_common_interrupt",
                                                            "asm_call_"};

// A return address; it may be in the next function, if the call that it belongs to does not return.
std::optional<Symbol> name_return(std::uint64_t address, const SymbolLookup& symbols) {
    auto exact = symbols(address);
    if (exact && exact->offset == 0 && begins_with_any(*exact, return_watchers))
        return exact;
    auto before = symbols(address - 1);
    if (before)
        ++before->offset;
    return before;
}

} // namespace

std::vector<Symbol> name_stack(std::span<const std::uint64_t> addresses, const SymbolLookup& symbols,
                               std::uint64_t modules_floor) {
    std::vector<Symbol> stack;
    for (const auto address : addresses) {
        if (stack.empty() && address >= modules_floor)
            continue;
        auto symbol = name_return(address, symbols);
        if (symbol &&
            ((stack.empty() && begins_with_any(*symbol, program_callers)) ||
             begins_with_any(*symbol, return_watchers) || symbol->module == SymbolTable::program_module))
            continue;
        stack.push_back(symbol ? std::move(*symbol) : Symbol{address_text(address), "", 0});
        if (begins_with_any(stack.back(), interrupt_entries))
            break;
    }
    return stack;
}

std::vector<std::string> texts_of(const std::vector<Symbol>& stack) {
    std::vector<std::string> texts;
    texts.reserve(stack.size());
    for (const auto& frame : stack)
        texts.push_back(text_of(frame));
    return texts;
}

std::string outermost_of(const std::set<std::string>& functions, const std::vector<Symbol>& stack) {
    std::string outermost;
    for (const auto& frame : stack) {
        if (!frame.module.empty() || !functions.contains(frame.name))
            break;
        outermost = frame.name;
    }
    return outermost;
}

} // namespace disarmd
