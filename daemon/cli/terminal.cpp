// SPDX-License-Identifier: Apache-2.0
#include "cli/terminal.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <sys/ioctl.h>
#include <unistd.h>

#include <fmt/format.h>

namespace disarmd {

namespace {

std::string_view environment(const char* variable) {
    const char* const value = std::getenv(variable); // NOLINT(concurrency-mt-unsafe): nobody sets any
    return value != nullptr ? value : "";
}

std::size_t first_known(std::size_t told, const char* variable, std::size_t otherwise) {
    const auto text = environment(variable);
    if (told == 0)
        std::from_chars(text.data(), text.data() + text.size(), told);
    return told != 0 ? told : otherwise;
}

} // namespace

std::optional<TerminalSize> size_of_stdout() {
    if (::isatty(STDOUT_FILENO) == 0)
        return std::nullopt;
    winsize told{};
    if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &told) != 0)
        told = {};
    const TerminalSize otherwise;
    return TerminalSize{first_known(told.ws_col, "COLUMNS", otherwise.columns),
                        first_known(told.ws_row, "LINES", otherwise.rows)};
}

bool has_screen() {
    const auto terminal = environment("TERM");
    return ::isatty(STDOUT_FILENO) != 0 && !terminal.empty() && terminal != "dumb";
}

std::string frame(std::string_view text, const TerminalSize& size) {
    std::string out = "\x1b[H";
    // The last line is for the cursor: a newline there would scroll.
    const auto room = size.rows - 1;
    for (std::size_t row = 0; row < room && !text.empty(); ++row) {
        const auto left = static_cast<std::size_t>(std::ranges::count(text, '\n'));
        const auto end = text.find('\n');
        // Erased before it is written: behind a full line the cursor is still on its last character.
        out += "\x1b[2K";
        if (row + 1 == room && left > 1)
            out += fmt::format("... and {} more", left).substr(0, size.columns);
        else
            out += text.substr(0, end).substr(0, size.columns);
        out += '\n';
        text.remove_prefix(end + 1);
    }
    return out + "\x1b[J";
}

} // namespace disarmd
