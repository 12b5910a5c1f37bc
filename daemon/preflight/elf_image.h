// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace disarmd {

// A place that code or data refers to: in one of the file's sections, or a symbol of somebody else's.
struct Target {
    int section = -1; // below 0: somebody else's, or nothing that lies anywhere
    std::int64_t offset = 0;
    std::string_view external; // the symbol's name, if it is somebody else's

    bool operator==(const Target&) const = default;
};

struct Relocation {
    std::uint64_t offset = 0; // in its section
    Target target;            // of one that is relative: what S + A is, without the instruction's length
    bool relative = false;    // to where the processor executes
};

struct ElfSection {
    std::string_view name;
    bool code = false;                   // SHF_EXECINSTR
    bool loaded = false;                 // SHF_ALLOC
    std::string_view bytes;              // empty of .bss
    std::vector<Relocation> relocations; // by offset
};

struct ElfSymbol {
    std::string_view name;
    int section = -1;
    std::uint64_t offset = 0;
    std::uint64_t size = 0;
    bool function = false;
    bool object = false;
};

// A relocatable x86-64 file with all that a module's readers look at: sections, symbols, relocations.
// Whatever the file says, nothing outside it is read, and no more memory is used than a few times its size.
// Names are cut off after 511 characters, which is the kernel's limit.
class ElfImage {
public:
    // Fails (ENOEXEC) if it is no ELF file, truncated, for another machine, or no module: what it says is to
    // be put behind the file's name.
    static Result<ElfImage> parse(std::string content);

    [[nodiscard]] const std::vector<ElfSection>& sections() const { return sections_; }
    [[nodiscard]] const std::vector<ElfSymbol>& symbols() const { return symbols_; }
    // What modinfo(8) shows; empty if it is not there.
    [[nodiscard]] std::string_view modinfo(std::string_view key) const;
    // The relocations within [begin, end) of that section.
    [[nodiscard]] std::span<const Relocation> relocations(int section, std::uint64_t begin,
                                                          std::uint64_t end) const;

private:
    ElfImage() = default;

    // On the heap, as the views must outlive a move.
    std::unique_ptr<const std::string> content_;
    std::vector<ElfSection> sections_;
    std::vector<ElfSymbol> symbols_;
};

} // namespace disarmd
