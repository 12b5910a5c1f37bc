// SPDX-License-Identifier: Apache-2.0
#include "kernel/symbol_table.h"

#include <cstring>
#include <elf.h>
#include <sstream>

#include <gtest/gtest.h>

namespace disarmd {
namespace {

using Part = SymbolTable::Part;

constexpr const char* kallsyms = "0000000000000000 A fixed_percpu_data\n"
                                 "ffffffff81000000 T _stext\n"
                                 "ffffffff81000000 T startup\n"
                                 "ffffffff81000100 t helper\n"
                                 "ffffffff81000180 d no_function\n"
                                 "ffffffff81000200 W weak\n"
                                 "ffffffffc0100000 t first\t[m]\n"
                                 "ffffffffc0100040 t second\t[m]\n"
                                 "ffffffffc0100080 d data\t[m]\n"
                                 "ffffffffc0200000 t other\t[n]\n"
                                 "ffffffffc0300000 t bpf_prog_0123_on_timer\t[bpf]\n"
                                 "ffffffffc0300100 t ftrace_trampoline\t[__builtin__ftrace]\n"
                                 "ffffffffc0700000 t bpf_trampoline_1\t[bpf]\n";

std::string named(const SymbolTable& table, std::uint64_t address) {
    const auto symbol = table.find(address);
    return symbol ? text_of(*symbol) : "-";
}

SymbolTable parsed(Part part) {
    std::istringstream text(kallsyms);
    return SymbolTable::parse(text, {part}).at(part);
}

TEST(Symbol, is_read_back_from_its_text) {
    for (const auto& symbol : {Symbol{"f", "", 0}, Symbol{"f", "", 0x1c}, Symbol{"f", "m", 0},
                               Symbol{"f.isra.0", "m_2", UINT64_MAX}})
        EXPECT_EQ(symbol_of(text_of(symbol)), symbol) << text_of(symbol);
    for (const auto* const text :
         {"", "0xffffffffc0100000", "+0x1c", " [m]", "f [m", "f+0x", "f+0x1g", "f+0x1c x"})
        EXPECT_EQ(symbol_of(text), std::nullopt) << text;
}

TEST(SymbolTable, names_the_cores_functions_up_to_the_next_one) {
    const auto table = parsed(Part::core);
    EXPECT_EQ(named(table, 0xffffffff80ffffff), "-");
    EXPECT_EQ(named(table, 0xffffffff81000000), "_stext") << "the first of two";
    EXPECT_EQ(named(table, 0xffffffff810000ff), "_stext+0xff");
    EXPECT_EQ(named(table, 0xffffffff81000100), "helper");
    EXPECT_EQ(named(table, 0xffffffff81000181), "helper+0x81") << "data does not count";
    EXPECT_EQ(named(table, 0xffffffff81000fff + 0x200), "weak+0xfff");
    EXPECT_EQ(named(table, 0xffffffff81001200), "-") << "the last one ends somewhere";
    EXPECT_EQ(named(table, 0xffffffffc0100000), "-");
}

TEST(SymbolTable, names_modules_functions) {
    const auto table = parsed(Part::modules);
    EXPECT_EQ(named(table, 0xffffffffc0100000), "first [m]");
    EXPECT_EQ(named(table, 0xffffffffc0100041), "second+0x1 [m]");
    EXPECT_EQ(named(table, 0xffffffffc0200010), "other+0x10 [n]");
    EXPECT_EQ(named(table, 0xffffffffc01fff00), "-") << "a module that is gone may have been there";
    EXPECT_EQ(named(table, 0xffffffff81000100), "-");
    EXPECT_EQ(table.find(0xffffffffc0300000), table.find(0xffffffffc0300100)) << "programs are no module's";
}

TEST(SymbolTable, tells_code_that_was_made_at_run_time) {
    const auto table = parsed(Part::programs);
    ASSERT_TRUE(table.find(0xffffffffc0300020));
    EXPECT_EQ(table.find(0xffffffffc0300020)->module, SymbolTable::program_module);
    EXPECT_EQ(table.find(0xffffffffc0300120)->name, "ftrace_trampoline");
    EXPECT_FALSE(table.find(0xffffffffc0100000));
    EXPECT_FALSE(table.find(0xffffffffc06fff00)) << "a module that is gone may have been there";
}

TEST(SymbolTable, of_nothing_names_nothing) {
    std::istringstream text("");
    EXPECT_FALSE(SymbolTable::parse(text, {Part::core}).at(Part::core).find(0));
    EXPECT_FALSE(SymbolTable{}.find(UINT64_MAX));
}

// As the kernel keeps it: symbols, then their names.
class ModuleTable {
public:
    void add(std::string_view name, std::uint64_t value, std::uint64_t size) {
        Elf64_Sym symbol{};
        symbol.st_name = static_cast<Elf64_Word>(names_.size());
        symbol.st_value = value;
        symbol.st_size = size;
        names_ += name;
        names_ += '\0';
        symbols_.push_back(symbol);
    }
    [[nodiscard]] std::vector<std::byte> bytes() const {
        std::vector<std::byte> all(symbols_.size() * sizeof(Elf64_Sym) + names_.size());
        std::memcpy(all.data(), symbols_.data(), symbols_.size() * sizeof(Elf64_Sym));
        std::memcpy(&all[symbols_.size() * sizeof(Elf64_Sym)], names_.data(), names_.size());
        return all;
    }
    [[nodiscard]] std::size_t count() const { return symbols_.size(); }

private:
    std::vector<Elf64_Sym> symbols_;
    std::string names_;
};

ModuleTable module_table() {
    ModuleTable table;
    table.add("", 0, 0);
    table.add("m_exit", 0x2000, 0x80);
    table.add("m_cb", 0x1000, 0x40);
    table.add("no_size", 0x1800, 0);
    return table;
}

TEST(SymbolTable, names_a_modules_functions_by_its_own_table) {
    const auto source = module_table();
    const auto table = SymbolTable::of_module("m", source.bytes(), source.count());
    EXPECT_EQ(named(table, 0x1000), "m_cb [m]");
    EXPECT_EQ(named(table, 0x103f), "m_cb+0x3f [m]");
    EXPECT_EQ(named(table, 0x1040), "-");
    EXPECT_EQ(named(table, 0x1800), "-");
    EXPECT_EQ(named(table, 0x2001), "m_exit+0x1 [m]");
    EXPECT_EQ(named(table, 0), "-");
}

TEST(SymbolTable, survives_any_cut_through_a_modules_table) {
    const auto source = module_table();
    const auto whole = source.bytes();
    for (std::size_t length = 0; length < whole.size(); ++length) {
        const std::vector<std::byte> cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length));
        const auto table = SymbolTable::of_module("m", cut, source.count());
        const auto found = table.find(0x1000);
        if (found) {
            EXPECT_EQ(std::string("m_cb").rfind(found->name, 0), 0U) << found->name;
        }
        for (const std::size_t symbols : {std::size_t{0}, std::size_t{1}, SIZE_MAX, SIZE_MAX / 24 + 2})
            (void)SymbolTable::of_module("m", cut, symbols).find(0x1000);
    }
}

TEST(SymbolTable, survives_symbols_that_point_anywhere) {
    auto source = module_table();
    source.add("wraps", UINT64_MAX - 4, 16);
    source.add("huge", 0, UINT64_MAX);
    auto bytes = source.bytes();
    Elf64_Sym wild{};
    wild.st_name = UINT32_MAX;
    wild.st_size = 8;
    std::memcpy(bytes.data(), &wild, sizeof(wild));
    const auto table = SymbolTable::of_module("m", bytes, source.count());
    EXPECT_EQ(named(table, 0x1000), "m_cb [m]");
    EXPECT_EQ(named(table, UINT64_MAX), "-");
}

} // namespace
} // namespace disarmd
