// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace disarmd {

struct TerminalSize {
    std::size_t columns = 80;
    std::size_t rows = 24;
};

// Of the terminal that stdout is, nothing if it is none: what that says, else what COLUMNS and LINES say
// (a serial line does not know), else 80 by 24.
std::optional<TerminalSize> size_of_stdout();

// Whether stdout is one whose cursor can be moved.
bool has_screen();

// Lines, each with its newline, from the terminal's first one on, in the place of what was there. Those
// that it has no room for are left out, and their number is told. Pure.
std::string frame(std::string_view text, const TerminalSize& size);

// To the terminal's other screen, without a cursor; and back to what was there before.
inline constexpr std::string_view enter_screen = "\x1b[?1049h\x1b[?25l";
inline constexpr std::string_view leave_screen = "\x1b[?25h\x1b[?1049l";

} // namespace disarmd
