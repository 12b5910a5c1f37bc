// SPDX-License-Identifier: Apache-2.0
//
// The text of /proc/kallsyms, as the kernel made it of names that modules chose. Its first line is what else
// the kernel tells in words: the CPUs that there may be, the mode of its lockdown, or a frame of a stack.
#include <sstream>

#include "fuzz.h"
#include "kernel/layout.h"
#include "kernel/requirements.h"
#include "kernel/symbol_table.h"
#include "kernel/symbols.h"

namespace disarmd::fuzz {

namespace {

using Part = SymbolTable::Part;

struct Line {
    SymbolLine symbol;
    bool function = false;
};

// By the form alone, in which nothing is kept.
std::vector<Line> lines_of(std::string_view text) {
    std::vector<Line> lines;
    while (!text.empty()) {
        const auto line = text.substr(0, text.find('\n'));
        if (const auto symbol = parse_symbol_line(line)) {
            check(line.ends_with(symbol->module.empty()
                                     ? std::string(symbol->name)
                                     : std::string(symbol->name) + "\t[" + std::string(symbol->module) + "]"),
                  "a name is of its line");
            lines.push_back({*symbol, std::string_view("tTwW").find(symbol->type) != std::string_view::npos});
        }
        text.remove_prefix(std::min(line.size() + 1, text.size()));
    }
    return lines;
}

void check_tables(const std::string& text, const std::vector<Line>& lines) {
    std::istringstream stream(text);
    const auto tables = SymbolTable::parse(stream, {Part::core, Part::programs, Part::modules});
    check(tables.size() == 3, "a table for each part");
    std::size_t asked = 0;
    for (const auto& line : lines) {
        if (++asked > 64)
            break;
        for (const auto& [part, table] : tables) {
            const auto found = table.find(line.symbol.address);
            if (!found)
                continue;
            check(found->offset <= line.symbol.address, "a symbol begins before what is in it");
            check(part != Part::core || found->module.empty(), "the core's are of no module");
            check(part != Part::programs || found->module == SymbolTable::program_module, "programs' are");
            // An address where several begin has the first one's name.
            const auto first = std::ranges::find_if(lines, [&](const Line& each) {
                const auto begin = line.symbol.address - found->offset;
                return each.function && each.symbol.address == begin &&
                       found->name == each.symbol.name.substr(0, each.symbol.name.find('\0'));
            });
            check(first != lines.end(), "a symbol is one of the text's");
        }
    }
}

void check_core(const std::string& text) {
    std::istringstream stream(text);
    const auto symbols = CoreSymbols::parse(stream, layout_symbols());
    const auto lines = lines_of(text);
    for (const auto& name : layout_symbols()) {
        std::set<std::uint64_t> addresses;
        for (const auto& line : lines) {
            if (line.symbol.module.empty() && line.symbol.name == name)
                addresses.insert(line.symbol.address);
        }
        const auto found = symbols.find(name);
        check(found.has_value() == (addresses.size() == 1), "what is there once is found");
        check(!found || *found == *addresses.begin(), "where it is");
    }
}

void check_names(const std::string& text, const std::vector<Line>& lines) {
    std::vector<std::uint64_t> addresses;
    for (std::size_t i = 0; i < std::min<std::size_t>(lines.size(), 16); ++i)
        addresses.push_back(lines[i].symbol.address);
    std::istringstream stream(text);
    const auto names = name_addresses(stream, addresses);
    for (const auto address : addresses)
        check(names.contains(address) && !names.at(address).empty(), "each that begins a symbol has a name");
}

void check_words(std::string_view words) {
    if (const auto cpus = parse_possible_cpus(words))
        check(*cpus != 0, "there is a CPU");
    else
        check(is_plain(cpus.error().text()) && cpus.error().text().find('\n') == std::string::npos,
              "an error is a line");
    const auto mode = parse_lockdown(words);
    check(mode == "unknown" || words.find(mode) != std::string_view::npos, "a mode is one of those");
    if (const auto symbol = symbol_of(words)) {
        const auto again = symbol_of(text_of(*symbol));
        check(again == symbol, "a frame can be read as it is written");
    }
}

} // namespace

} // namespace disarmd::fuzz

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace disarmd::fuzz;
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    const auto end = std::min(input.find('\n'), input.size());
    const auto words = copy_of(input.substr(0, end));
    check_words({words.data(), words.size()});
    const std::string text(input.substr(std::min(end + 1, input.size())));
    const auto lines = lines_of(text);
    check_tables(text, lines);
    check_core(text);
    check_names(text, lines);
    return 0;
}
