// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace disarmd {

// Names of modules, symbols and tasks come from the kernel and may hold any bytes.
// Printable ASCII stays; everything else, and the backslash, becomes \xNN, so that
// a name can neither steer a terminal nor end a log line.
[[nodiscard]] std::string printable(std::string_view text);

// "850 us", "12.3 ms", "59.9 s", "2 h 5 min": a length of time for people.
[[nodiscard]] std::string duration_text(std::chrono::nanoseconds duration);

// "1 timer", "3 timers".
[[nodiscard]] std::string count_text(std::size_t count, std::string_view noun);

// "0xffffffffc0a3e000": all 16 digits, as the kernel prints addresses.
[[nodiscard]] std::string address_text(std::uint64_t address);

// Into a field of the kernel programs', which is zeroed: cut to it, with a NUL at its end.
void copy_text(std::span<char> to, std::string_view from);

// The text with line breaks in the place of blanks, so that no line is longer than the width where
// its words allow it. Every line but the first begins with the indent, which counts, and the first
// is taken to stand behind as much.
[[nodiscard]] std::string wrapped(std::string_view text, std::size_t indent, std::size_t width);

// A line for each row, its cells in columns as wide as their widest one, two blanks
// apart. All rows have as many cells; the last one is not filled up. Where that is wider than the
// width, the widest columns are narrowed, and the ends of their cells left out ("..").
[[nodiscard]] std::string columns_text(const std::vector<std::vector<std::string>>& rows,
                                       const std::optional<std::size_t>& width = std::nullopt);

} // namespace disarmd
