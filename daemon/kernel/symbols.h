// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <fstream>
#include <istream>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace disarmd {

Result<std::ifstream> open_kallsyms();

// A line of /proc/kallsyms (kernel/kallsyms.c, s_show()): "address type name [module]".
struct SymbolLine {
    std::uint64_t address;
    char type; // as of nm(1)
    std::string_view name;
    std::string_view module; // empty for the core kernel
};

// Nothing for a line of another form.
[[nodiscard]] std::optional<SymbolLine> parse_symbol_line(std::string_view line);

// The core kernel's symbols of the given names. Modules choose their own symbols'
// names, so theirs never count; a name that the core kernel has at more than one
// address is ambiguous and counts as absent.
class CoreSymbols {
public:
    static CoreSymbols parse(std::istream& kallsyms, const std::set<std::string>& names);
    // Fails where addresses are hidden from this process (kptr_restrict, no CAP_SYSLOG).
    static Result<CoreSymbols> read(const std::set<std::string>& names);

    [[nodiscard]] std::optional<std::uint64_t> find(std::string_view name) const;
    // Bytes from a symbol to the next one at another address, as the kernel lists them.
    [[nodiscard]] std::optional<std::uint64_t> room(std::string_view name) const;

private:
    std::map<std::string, std::optional<std::uint64_t>, std::less<>> addresses_;
    std::map<std::string, std::uint64_t, std::less<>> rooms_;
};

// "function [module]" for every one of the addresses that begins a symbol.
std::map<std::uint64_t, std::string> name_addresses(std::istream& kallsyms,
                                                    const std::vector<std::uint64_t>& addresses);
Result<std::map<std::uint64_t, std::string>> name_addresses(const std::vector<std::uint64_t>& addresses);

} // namespace disarmd
