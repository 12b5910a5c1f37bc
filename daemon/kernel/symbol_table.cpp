// SPDX-License-Identifier: Apache-2.0
#include "kernel/symbol_table.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <elf.h>

#include <fmt/format.h>

#include "kernel/symbols.h"

namespace disarmd {

namespace {

// KSYM_NAME_LEN (include/linux/kallsyms.h) without the NUL.
constexpr std::size_t longest_name = 511;
// Outside the core the next function may be far, and code that has no name, or none any more, in between.
constexpr std::uint64_t longest_outside_core = 65536;
// The modules that code made at run time is listed under (kernel/kallsyms.c, s_show()).
constexpr std::array<std::string_view, 3> made_at_run_time{"bpf", "__builtin__ftrace", "__builtin__kprobes"};

SymbolTable::Part part_of(const SymbolLine& symbol) {
    if (symbol.module.empty())
        return SymbolTable::Part::core;
    const bool program = std::ranges::find(made_at_run_time, symbol.module) != made_at_run_time.end();
    return program ? SymbolTable::Part::programs : SymbolTable::Part::modules;
}

} // namespace

std::string text_of(const Symbol& symbol) {
    std::string text = symbol.name;
    if (symbol.offset != 0)
        text += fmt::format("+{:#x}", symbol.offset);
    if (!symbol.module.empty())
        text += fmt::format(" [{}]", symbol.module);
    return text;
}

std::optional<Symbol> symbol_of(std::string_view text) {
    Symbol symbol;
    if (const auto module = text.find(" ["); module != std::string_view::npos) {
        if (!text.ends_with(']'))
            return std::nullopt;
        symbol.module = text.substr(module + 2, text.size() - module - 3);
        text = text.substr(0, module);
    }
    if (const auto plus = text.find("+0x"); plus != std::string_view::npos) {
        const auto digits = text.substr(plus + 3);
        const auto [end, error] =
            std::from_chars(digits.data(), digits.data() + digits.size(), symbol.offset, 16);
        if (error != std::errc() || end != digits.data() + digits.size())
            return std::nullopt;
        text = text.substr(0, plus);
    }
    if (text.empty() || text.starts_with("0x"))
        return std::nullopt;
    symbol.name = text;
    return symbol;
}

std::uint32_t SymbolTable::keep(std::string_view text) {
    const auto at = static_cast<std::uint32_t>(names_.size());
    names_ += text;
    names_ += '\0';
    return at;
}

void SymbolTable::sort() {
    std::ranges::stable_sort(functions_, {}, &Function::begin);
    functions_.shrink_to_fit();
    names_.shrink_to_fit();
}

void SymbolTable::end_each_with_the_next(std::uint64_t longest) {
    constexpr std::uint64_t longest_last_function = 4096;
    std::uint64_t next = 0;
    for (auto function = functions_.rbegin(); function != functions_.rend(); ++function) {
        const auto length = next != 0 ? next - function->begin : longest_last_function;
        function->end = function->begin + std::min(length, longest);
        if (std::next(function) != functions_.rend() && std::next(function)->begin != function->begin)
            next = function->begin;
    }
}

std::map<SymbolTable::Part, SymbolTable> SymbolTable::parse(std::istream& kallsyms,
                                                            const std::set<Part>& parts) {
    std::map<Part, SymbolTable> tables;
    std::string owner;
    std::uint32_t owner_at = 0;
    const SymbolTable* owners_table = nullptr; // where that lies
    for (const auto part : parts)
        tables[part].keep("");
    for (std::string line; std::getline(kallsyms, line);) {
        const auto symbol = parse_symbol_line(line);
        if (!symbol || std::string_view("tTwW").find(symbol->type) == std::string_view::npos)
            continue;
        const auto part = part_of(*symbol);
        const auto found = tables.find(part);
        if (found == tables.end())
            continue;
        auto& table = found->second;
        const auto module = part == Part::programs ? program_module : symbol->module;
        if (&table != owners_table || module != owner) {
            owner = module;
            owner_at = module.empty() ? 0 : table.keep(module);
            owners_table = &table;
        }
        table.functions_.push_back({symbol->address, 0, table.keep(symbol->name), owner_at});
    }
    for (auto& [part, table] : tables) {
        table.sort();
        table.end_each_with_the_next(part == Part::core ? UINT64_MAX : longest_outside_core);
    }
    return tables;
}

Result<std::map<SymbolTable::Part, SymbolTable>> SymbolTable::read(const std::set<Part>& parts) {
    auto file = open_kallsyms();
    if (!file)
        return fail(file.error());
    return parse(*file, parts);
}

SymbolTable SymbolTable::of_module(const std::string& module, std::span<const std::byte> table,
                                   std::size_t symbols) {
    SymbolTable found;
    const auto module_at = found.keep(module);
    const std::size_t names_at = symbols * sizeof(Elf64_Sym);
    if (names_at / sizeof(Elf64_Sym) != symbols || names_at >= table.size())
        return found;
    const auto names = table.subspan(names_at);
    for (std::size_t i = 0; i < symbols; ++i) {
        Elf64_Sym symbol{};
        std::memcpy(&symbol, &table[i * sizeof(symbol)], sizeof(symbol));
        // Up to 6.3 the kernel keeps its own kind of type here (kernel/module/kallsyms.c), so what has a
        // size and no name but a section's is told by the range that it is asked for.
        if (symbol.st_name >= names.size() || symbol.st_size == 0)
            continue;
        const auto* const begin = reinterpret_cast<const char*>(&names[symbol.st_name]);
        const std::string_view name(begin,
                                    ::strnlen(begin, std::min(names.size() - symbol.st_name, longest_name)));
        std::uint64_t end = 0;
        if (name.empty() || __builtin_add_overflow(symbol.st_value, symbol.st_size, &end))
            continue;
        found.functions_.push_back({symbol.st_value, end, found.keep(name), module_at});
    }
    found.sort();
    return found;
}

SymbolTable SymbolTable::within(std::uint64_t begin, std::uint64_t size) const {
    SymbolTable part;
    for (const auto& function : functions_) {
        if (function.begin - begin < size)
            part.functions_.push_back({function.begin, function.end, part.keep(&names_[function.name]),
                                       part.keep(&names_[function.module])});
    }
    part.sort();
    return part;
}

std::optional<Symbol> SymbolTable::find(std::uint64_t address) const {
    auto after = std::ranges::upper_bound(functions_, address, {}, &Function::begin);
    if (after == functions_.begin())
        return std::nullopt;
    // Of several at one address the first counts.
    const auto begin = std::prev(after)->begin;
    const auto function = std::ranges::lower_bound(functions_, begin, {}, &Function::begin);
    if (address >= function->end)
        return std::nullopt;
    return Symbol{&names_[function->name], &names_[function->module], address - begin};
}

} // namespace disarmd
