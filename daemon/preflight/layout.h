// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "preflight/elf_image.h"
#include "preflight/model.h"

namespace disarmd {

// Where which function and which variable lies in a module's file.
class CodeLayout {
public:
    struct Extent {
        int section = -1;
        std::uint64_t begin = 0;
        std::uint64_t end = 0;
        std::vector<std::uint64_t> entries; // that code elsewhere jumps to, in the midst of it
    };

    explicit CodeLayout(const ElfImage& image);

    // By section and offset. Code that no symbol is for, as a compiler's cold parts can be, makes functions
    // of its own.
    [[nodiscard]] const std::vector<Function>& functions() const { return functions_; }
    [[nodiscard]] const Extent& extent(FunctionIndex function) const {
        return extents_[static_cast<std::size_t>(function)];
    }
    // The function that the offset lies in, and the one that begins there.
    [[nodiscard]] FunctionIndex function_with(int section, std::int64_t offset) const;
    [[nodiscard]] FunctionIndex function_at(int section, std::int64_t offset) const;
    [[nodiscard]] FunctionIndex init() const { return init_; }
    [[nodiscard]] FunctionIndex exit() const { return exit_; }

    // Other modules can refer to it.
    [[nodiscard]] bool is_exported(const std::string& name) const { return exported_.contains(name); }

    // The variable around a place in a data section. Without a symbol: of no size.
    struct Variable {
        std::string name;
        std::int64_t begin = 0;
        std::int64_t end = 0;
    };
    [[nodiscard]] Variable variable_at(int section, std::int64_t offset) const;

private:
    void add_section(const ElfImage& image, int section, std::vector<const ElfSymbol*> symbols);

    std::vector<Function> functions_;
    std::vector<Extent> extents_;
    std::vector<ElfSymbol> variables_; // by section and offset
    std::set<std::string, std::less<>> exported_;
    FunctionIndex init_ = no_function;
    FunctionIndex exit_ = no_function;
};

} // namespace disarmd
