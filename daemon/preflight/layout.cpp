// SPDX-License-Identifier: Apache-2.0
#include "preflight/layout.h"

#include <algorithm>
#include <tuple>

#include <fmt/format.h>

#include "base/text.h"

namespace disarmd {

namespace {

constexpr std::string_view init_name = "init_module";
constexpr std::string_view exit_name = "cleanup_module";

// Of several names for one function, its own comes first; the loader's names of init and exit come last.
int rank_of(std::string_view name) {
    return name == init_name || name == exit_name ? 1 : 0;
}

// The padding in front of a function that tracers or the kernel's control flow checks use.
bool is_padding(std::string_view name) {
    return name.starts_with("__pfx_") || name.starts_with("__cfi_");
}

// What aligns the next function: some bytes of nop or int3.
bool is_filler(std::string_view bytes) {
    constexpr std::size_t longest = 64;
    const auto first = static_cast<unsigned char>(bytes[0]);
    const bool long_nop = bytes.size() > 1 && first == 0x0f && static_cast<unsigned char>(bytes[1]) == 0x1f;
    return bytes.size() <= longest &&
           (first == 0x90 || first == 0xcc || first == 0x66 || first == 0x2e || long_nop);
}

} // namespace

CodeLayout::CodeLayout(const ElfImage& image) {
    std::vector<std::vector<const ElfSymbol*>> by_section(image.sections().size());
    for (const auto& symbol : image.symbols()) {
        if (symbol.section < 0 || symbol.name.empty())
            continue;
        const auto& section = image.sections()[static_cast<std::size_t>(symbol.section)];
        if (section.code && symbol.function && !is_padding(symbol.name) &&
            symbol.offset < section.bytes.size())
            by_section[static_cast<std::size_t>(symbol.section)].push_back(&symbol);
        else if (symbol.object && section.loaded && symbol.size > 0)
            variables_.push_back(symbol);
    }
    std::ranges::stable_sort(
        variables_, {}, [](const ElfSymbol& symbol) { return std::tuple(symbol.section, symbol.offset); });
    for (std::size_t i = 0; i < by_section.size(); ++i) {
        if (image.sections()[i].code && image.sections()[i].loaded)
            add_section(image, static_cast<int>(i), std::move(by_section[i]));
    }

    // Code that other sections jump into, in the midst of a function.
    for (std::size_t i = 0; i < image.sections().size(); ++i) {
        const auto& section = image.sections()[i];
        if (!section.code)
            continue;
        for (const auto& relocation : section.relocations) {
            const auto& target = relocation.target;
            if (!relocation.relative || target.section < 0 || target.section == static_cast<int>(i) ||
                !image.sections()[static_cast<std::size_t>(target.section)].code)
                continue;
            const auto offset = target.offset + 4;
            if (const auto function = function_with(target.section, offset); function != no_function)
                extents_[static_cast<std::size_t>(function)].entries.push_back(
                    static_cast<std::uint64_t>(offset));
        }
    }
    for (const auto& symbol : image.symbols()) {
        if (symbol.name.starts_with("__ksymtab_"))
            exported_.emplace(symbol.name.substr(std::string_view("__ksymtab_").size()));
    }
    for (const auto& symbol : image.symbols()) {
        if (symbol.section < 0)
            continue;
        const auto function = function_at(symbol.section, static_cast<std::int64_t>(symbol.offset));
        if (function == no_function)
            continue;
        if (symbol.name == init_name)
            init_ = function;
        if (symbol.name == exit_name)
            exit_ = function;
        if (exported_.contains(symbol.name))
            functions_[static_cast<std::size_t>(function)].exported = true;
    }
}

void CodeLayout::add_section(const ElfImage& image, int section, std::vector<const ElfSymbol*> symbols) {
    const auto& content = image.sections()[static_cast<std::size_t>(section)];
    std::ranges::stable_sort(symbols, {}, [](const ElfSymbol* symbol) {
        return std::tuple(symbol->offset, rank_of(symbol->name));
    });
    std::uint64_t covered = 0;
    const auto add = [&](std::string name, std::uint64_t begin, std::uint64_t end) {
        if (begin >= end)
            return;
        Function function;
        function.name = std::move(name);
        function.section = printable(content.name);
        function.offset = begin;
        function.init = content.name.starts_with(".init.text");
        functions_.push_back(std::move(function));
        extents_.push_back({section, begin, end, {}});
    };
    const auto add_gap = [&](std::uint64_t begin, std::uint64_t end) {
        if (end > begin && !is_filler(content.bytes.substr(begin, end - begin)))
            add(fmt::format("{}+{:#x}", printable(content.name), begin), begin, end);
    };
    for (std::size_t i = 0; i < symbols.size(); ++i) {
        const auto& symbol = *symbols[i];
        if (i > 0 && symbols[i - 1]->offset == symbol.offset)
            continue;
        add_gap(covered, symbol.offset);
        std::size_t next = i + 1;
        while (next < symbols.size() && symbols[next]->offset == symbol.offset)
            ++next;
        const auto limit = next < symbols.size() ? symbols[next]->offset : content.bytes.size();
        // One without a size, as assembler's can be, goes on to the next.
        const auto size =
            symbol.size == 0 ? limit - symbol.offset : std::min(symbol.size, limit - symbol.offset);
        add(printable(symbol.name), symbol.offset, symbol.offset + size);
        covered = symbol.offset + size;
    }
    add_gap(covered, content.bytes.size());
}

FunctionIndex CodeLayout::function_with(int section, std::int64_t offset) const {
    if (offset < 0)
        return no_function;
    const auto key = std::tuple(section, static_cast<std::uint64_t>(offset));
    const auto after = std::ranges::upper_bound(
        extents_, key, {}, [](const Extent& extent) { return std::tuple(extent.section, extent.begin); });
    if (after == extents_.begin())
        return no_function;
    const auto found = after - 1;
    if (found->section != section || static_cast<std::uint64_t>(offset) >= found->end)
        return no_function;
    return static_cast<FunctionIndex>(found - extents_.begin());
}

FunctionIndex CodeLayout::function_at(int section, std::int64_t offset) const {
    const auto function = function_with(section, offset);
    if (function == no_function || extent(function).begin != static_cast<std::uint64_t>(offset))
        return no_function;
    return function;
}

CodeLayout::Variable CodeLayout::variable_at(int section, std::int64_t offset) const {
    const auto key = std::tuple(section, static_cast<std::uint64_t>(offset));
    const auto after = std::ranges::upper_bound(variables_, key, {}, [](const ElfSymbol& symbol) {
        return std::tuple(symbol.section, symbol.offset);
    });
    if (offset >= 0 && after != variables_.begin()) {
        const auto& found = *(after - 1);
        if (found.section == section && static_cast<std::uint64_t>(offset) - found.offset < found.size)
            return {printable(found.name), static_cast<std::int64_t>(found.offset),
                    static_cast<std::int64_t>(found.offset + found.size)};
    }
    return {"", offset, offset};
}

} // namespace disarmd
