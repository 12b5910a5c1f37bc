// SPDX-License-Identifier: Apache-2.0
#include "kernel/symbols.h"

#include <algorithm>
#include <charconv>
#include <fstream>

#include <fmt/format.h>

namespace disarmd {

Result<std::ifstream> open_kallsyms() {
    std::ifstream file("/proc/kallsyms");
    if (!file)
        return fail(Error::from_errno("opening /proc/kallsyms"));
    return file;
}

std::optional<SymbolLine> parse_symbol_line(std::string_view line) {
    SymbolLine symbol{};
    const char* const end = line.data() + line.size();
    const auto [rest, err] = std::from_chars(line.data(), end, symbol.address, 16);
    // " T name": a space, the type, a space, at least one character
    if (err != std::errc{} || end - rest < 4 || rest[0] != ' ' || rest[2] != ' ')
        return std::nullopt;
    symbol.type = rest[1];
    std::string_view tail(rest + 3, static_cast<std::size_t>(end - rest - 3));
    const auto tab = tail.find('\t');
    symbol.name = tail.substr(0, tab);
    if (tab != std::string_view::npos) {
        tail.remove_prefix(tab + 1);
        if (tail.size() < 3 || tail.front() != '[' || tail.back() != ']')
            return std::nullopt;
        symbol.module = tail.substr(1, tail.size() - 2);
    }
    if (symbol.name.empty())
        return std::nullopt;
    return symbol;
}

CoreSymbols CoreSymbols::parse(std::istream& kallsyms, const std::set<std::string>& names) {
    CoreSymbols found;
    std::string previous; // found, and followed by no symbol at another address yet
    std::uint64_t begin = 0;
    for (std::string line; std::getline(kallsyms, line);) {
        const auto symbol = parse_symbol_line(line);
        if (!symbol || !symbol->module.empty())
            continue;
        if (!previous.empty() && symbol->address > begin) {
            found.rooms_.try_emplace(previous, symbol->address - begin);
            previous.clear();
        }
        const auto wanted = names.find(std::string(symbol->name));
        if (wanted == names.end())
            continue;
        const auto [entry, fresh] = found.addresses_.try_emplace(*wanted, symbol->address);
        if (!fresh && entry->second != symbol->address)
            entry->second.reset();
        previous = *wanted;
        begin = symbol->address;
    }
    return found;
}

Result<CoreSymbols> CoreSymbols::read(const std::set<std::string>& names) {
    auto file = open_kallsyms();
    if (!file)
        return fail(file.error());
    CoreSymbols found = parse(*file, names);
    const bool hidden = std::ranges::all_of(
        found.addresses_, [](const auto& entry) { return entry.second && *entry.second == 0; });
    if (!found.addresses_.empty() && hidden)
        return fail(
            {EPERM,
             "/proc/kallsyms hides its addresses: CAP_SYSLOG and kernel.kptr_restrict below 2 are needed"});
    return found;
}

std::optional<std::uint64_t> CoreSymbols::find(std::string_view name) const {
    const auto entry = addresses_.find(name);
    return entry == addresses_.end() ? std::nullopt : entry->second;
}

std::optional<std::uint64_t> CoreSymbols::room(std::string_view name) const {
    const auto entry = rooms_.find(name);
    return entry == rooms_.end() ? std::nullopt : std::optional(entry->second);
}

std::map<std::uint64_t, std::string> name_addresses(std::istream& kallsyms,
                                                    const std::vector<std::uint64_t>& addresses) {
    std::map<std::uint64_t, std::string> names;
    for (std::string line; std::getline(kallsyms, line);) {
        const auto symbol = parse_symbol_line(line);
        if (!symbol || std::ranges::find(addresses, symbol->address) == addresses.end())
            continue;
        names.try_emplace(symbol->address, symbol->module.empty()
                                               ? std::string(symbol->name)
                                               : fmt::format("{} [{}]", symbol->name, symbol->module));
    }
    return names;
}

Result<std::map<std::uint64_t, std::string>> name_addresses(const std::vector<std::uint64_t>& addresses) {
    if (addresses.empty())
        return std::map<std::uint64_t, std::string>{};
    auto file = open_kallsyms();
    if (!file)
        return fail(file.error());
    return name_addresses(*file, addresses);
}

} // namespace disarmd
