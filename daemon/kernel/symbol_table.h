// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <istream>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace disarmd {

// What an address in code is called. Names hold whatever bytes the kernel held.
struct Symbol {
    std::string name;
    std::string module;       // empty: the core kernel's
    std::uint64_t offset = 0; // of the address, from the symbol's begin

    bool operator==(const Symbol&) const = default;
};

// "function+0x1c [module]"; without the offset where that is 0.
[[nodiscard]] std::string text_of(const Symbol& symbol);
// Nothing of what is no such text, but an address.
[[nodiscard]] std::optional<Symbol> symbol_of(std::string_view text);

// Names an address; nothing where nobody knows it.
using SymbolLookup = std::function<std::optional<Symbol>(std::uint64_t address)>;

// The functions of the core kernel, of code that it made at run time (BPF programs, and what leads
// to these), or of modules, by address.
class SymbolTable {
public:
    enum class Part { core, programs, modules };
    // What programs are told to be in; no module can have a name with a bracket.
    static constexpr std::string_view program_module = "[program]";

    // Of /proc/kallsyms, where a function ends with the next one's begin: those parts of it, in one go.
    static std::map<Part, SymbolTable> parse(std::istream& kallsyms, const std::set<Part>& parts);
    static Result<std::map<Part, SymbolTable>> read(const std::set<Part>& parts);
    // A module's own table: an array of Elf64_Sym, with the names right behind it, as the
    // kernel programs copied it. Anything at all may be in it, and its end may be missing.
    static SymbolTable of_module(const std::string& module, std::span<const std::byte> table,
                                 std::size_t symbols);
    // Without the functions that begin elsewhere.
    [[nodiscard]] SymbolTable within(std::uint64_t begin, std::uint64_t size) const;

    [[nodiscard]] std::optional<Symbol> find(std::uint64_t address) const;

private:
    struct Function {
        std::uint64_t begin;
        std::uint64_t end;
        std::uint32_t name; // in names_
        std::uint32_t module;
    };

    std::uint32_t keep(std::string_view text);
    void sort();
    // But none is longer than `longest` bytes.
    void end_each_with_the_next(std::uint64_t longest);

    std::vector<Function> functions_; // by begin
    std::string names_;               // each with a NUL behind
};

} // namespace disarmd
