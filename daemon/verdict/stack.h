// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "kernel/symbol_table.h"

namespace disarmd {

// A stack that a kernel program took, innermost frame first, with names; an address where there is none.
// Without the frames of the program itself and of what called it: it lies where modules do, from
// modules_floor on, and whoever arms or deletes a timer ends in a function of the core's. Pure.
std::vector<Symbol> name_stack(std::span<const std::uint64_t> addresses, const SymbolLookup& symbols,
                               std::uint64_t modules_floor);

// One frame to read: text_of(Symbol).
std::vector<std::string> texts_of(const std::vector<Symbol>& stack);

// The outermost of the named functions that the stack begins with: of functions that call each
// other the one that somebody called. Empty: it begins with none of them.
std::string outermost_of(const std::set<std::string>& functions, const std::vector<Symbol>& stack);

} // namespace disarmd
