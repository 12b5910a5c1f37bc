// SPDX-License-Identifier: Apache-2.0
#include "base/text.h"

#include <algorithm>
#include <numeric>

#include <fmt/format.h>

namespace disarmd {

std::string printable(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x20 || byte >= 0x7f || c == '\\')
            out += fmt::format("\\x{:02x}", byte);
        else
            out += c;
    }
    return out;
}

std::string duration_text(std::chrono::nanoseconds duration) {
    constexpr double us = 1e3;
    constexpr double ms = 1e6;
    constexpr double s = 1e9;
    const auto ns = static_cast<double>(duration.count());
    if (ns < ms)
        return fmt::format("{:.0f} us", ns / us);
    if (ns < s)
        return fmt::format("{:.1f} ms", ns / ms);
    if (ns < 600 * s)
        return fmt::format("{:.1f} s", ns / s);
    const auto minutes = std::chrono::duration_cast<std::chrono::minutes>(duration).count();
    if (minutes < 60)
        return fmt::format("{} min", minutes);
    constexpr auto day = std::int64_t{24} * 60;
    constexpr auto century = 36'525 * day;
    if (minutes < 2 * day)
        return fmt::format("{} h {} min", minutes / 60, minutes % 60);
    if (minutes < century)
        return fmt::format("{} days", minutes / day);
    return "over 100 years"; // What is to fire never is given the end of time.
}

std::string count_text(std::size_t count, std::string_view noun) {
    return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

std::string address_text(std::uint64_t address) {
    return fmt::format("{:#018x}", address);
}

void copy_text(std::span<char> to, std::string_view from) {
    from.copy(to.data(), to.size() - 1);
}

std::string wrapped(std::string_view text, std::size_t indent, std::size_t width) {
    std::string out;
    std::size_t column = indent;
    while (!text.empty()) {
        const auto word = text.substr(0, text.find(' '));
        if (column != indent && column + 1 + word.size() > width) {
            out += '\n' + std::string(indent, ' ');
            column = indent;
        } else if (column != indent) {
            out += ' ';
            ++column;
        }
        out += word;
        column += word.size();
        text.remove_prefix(std::min(word.size() + 1, text.size()));
    }
    return out;
}

namespace {

// Takes from the widest until all of them fit, or the widest is no wider than what a cut cell needs.
void narrow(std::vector<std::size_t>& widths, std::size_t all) {
    constexpr std::size_t least = 6;
    auto total = std::accumulate(widths.begin(), widths.end(), widths.empty() ? 0 : 2 * (widths.size() - 1));
    for (; total > all; --total) {
        const auto widest = std::ranges::max_element(widths);
        if (*widest <= least)
            return;
        --*widest;
    }
}

std::string cut(std::string text, std::size_t width) {
    if (text.size() > width)
        text.replace(width < 2 ? 0 : width - 2, text.npos, std::string_view("..").substr(0, width));
    return text;
}

} // namespace

std::string columns_text(const std::vector<std::vector<std::string>>& rows,
                         const std::optional<std::size_t>& width) {
    std::vector<std::size_t> widths;
    for (const auto& row : rows) {
        widths.resize(std::max(widths.size(), row.size()));
        for (std::size_t i = 0; i < row.size(); ++i)
            widths[i] = std::max(widths[i], row[i].size());
    }
    if (width)
        narrow(widths, *width);
    std::string text;
    for (const auto& row : rows) {
        std::string line;
        for (std::size_t i = 0; i + 1 < row.size(); ++i)
            line += fmt::format("{:<{}}  ", cut(row[i], widths[i]), widths[i]);
        if (!row.empty())
            line += cut(row.back(), widths[row.size() - 1]);
        text += (width ? cut(line, *width) : line) + '\n';
    }
    return text;
}

} // namespace disarmd
