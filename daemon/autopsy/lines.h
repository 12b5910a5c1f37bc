// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace disarmd {

// A line of a kernel's log, without what printk, consoles, syslog, the journal and mails put around it.
struct TextLine {
    std::size_t number = 0;     // in the file, from 1
    std::string text;           // printable ASCII, and cut to line_length_max
    std::optional<double> time; // seconds, as printk stamped it
    std::string caller;         // "C0" or "T123", who printed it; empty where the kernel does not tell
};

inline constexpr std::size_t line_length_max = 4096;

// Reads text line by line, whatever bytes it has. A view of them: they have to outlive it.
class LineReader {
public:
    explicit LineReader(std::string_view bytes);

    // The next line into what is given; false: there is none.
    bool next(TextLine& line);

private:
    std::string_view take_raw();

    std::string_view rest_;
    std::size_t number_ = 0;
    bool quoted_printable_;
    std::string raw_; // of one that was put together
};

} // namespace disarmd
