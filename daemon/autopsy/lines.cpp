// SPDX-License-Identifier: Apache-2.0
#include "autopsy/lines.h"

#include <algorithm>
#include <charconv>
#include <cstdint>

#include <re2/re2.h>

namespace disarmd {

namespace {

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

int hex_digit(char c) {
    if (is_digit(c))
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

void skip_blanks(std::string_view& text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t'))
        text.remove_prefix(1);
}

// "<4>"; of /dev/kmsg "4,1234,5678,-;"; of dmesg -x "kern  :alert : ".
bool skip_level(std::string_view& text) {
    static const RE2 others(R"(^(?:\d{1,3},\d+,\d+,[^;]{0,40};|(?:kern|user|daemon) *:[a-z]+ *: ))");
    if (re2::StringPiece rest(text.data(), text.size()); RE2::Consume(&rest, others)) {
        text.remove_prefix(text.size() - rest.size());
        return true;
    }
    if (text.size() >= 3 && text[0] == '<' && is_digit(text[1])) {
        const auto end = text.find_first_not_of("0123456789", 1);
        if (end != std::string_view::npos && text[end] == '>') {
            text.remove_prefix(end + 1);
            return true;
        }
    }
    return false;
}

// "> " of mails, in front of what somebody quotes, and what else is put in front of lines.
bool skip_quote(std::string_view& text) {
    constexpr std::string_view marks = ">|+";
    const bool comment = text.starts_with("# ");
    if (!comment && (text.empty() || marks.find(text.front()) == std::string_view::npos))
        return false;
    text.remove_prefix(1);
    return true;
}

// "[   12.345678]", which tells the time, and "[    C0]" or "[  T123]", which tell who.
bool skip_stamp(std::string_view& text, TextLine& line) {
    if (text.empty() || text.front() != '[')
        return false;
    constexpr std::size_t stamp_max = 40;
    const auto end = text.find(']');
    if (end > stamp_max) // or there is none
        return false;
    auto inner = text.substr(1, end - 1);
    skip_blanks(inner);
    // What somebody has made of it who wanted to have no times in it.
    if (inner.empty()) {
        text.remove_prefix(end + 1);
        return true;
    }
    // dmesg's "[Wed Oct 20 09:08:06 2021]", "[Oct20 09:08]", "[  +0.000004]", "[<    0.000004>]"
    static const RE2 of_day(
        R"(^(?:[^\W\d]\S{1,12} ?(?:\S{3} +)?\d{1,2} \d\d:\d\d(?::\d\d \d{4})?|\+\d+\.\d+|< *\d+\.\d+>)$)");
    if (RE2::PartialMatch(re2::StringPiece(inner.data(), inner.size()), of_day)) {
        text.remove_prefix(end + 1);
        return true;
    }
    if (is_digit(inner.front())) {
        double time = 0;
        const auto read =
            std::from_chars(inner.data(), inner.data() + inner.size(), time, std::chars_format::fixed);
        // "[12345.678901]" and, with the caller in it, "[12345.678901@0]" or "[12345.678901,0]".
        const auto left =
            std::string_view(read.ptr, static_cast<std::size_t>(inner.data() + inner.size() - read.ptr));
        if (read.ec != std::errc() || inner.find('.') == std::string_view::npos ||
            !(left.empty() || left.front() == '@' || left.front() == ',' || left.front() == ' '))
            return false;
        line.time = time;
    } else if ((inner.front() == 'C' || inner.front() == 'T') && inner.size() > 1 &&
               std::ranges::all_of(inner.substr(1), is_digit)) {
        line.caller = inner;
    } else {
        return false;
    }
    text.remove_prefix(end + 1);
    return true;
}

// "Nov  4 12:00:00 host kernel: ", "2024-11-04T12:00:00+0000 host kern.warn kernel: ".
bool skip_syslog(std::string_view& text, bool stamped) {
    // The longest that is there: what is searched behind it is no head any more.
    constexpr std::size_t head_max = 200;
    const auto mark = text.substr(0, head_max).find("kernel");
    if (mark == std::string_view::npos)
        return false;
    static const RE2 head(
        R"(^(?:\S{2,12} +\d{1,2} +\d[\d:.]+|\d{4}-\d\d-\d\d[T ][\d:.,]+(?:Z|[-+][\d:]+)?)(?: \S+)?(?: \S+)? kernel(?:\[\d*\])?: ?)");
    // journalctl -o short-monotonic, behind its stamp.
    static const RE2 monotonic(R"(^(?:[\w.-]{1,64} )?kernel: )");
    re2::StringPiece rest(text.data(), text.size());
    if (!RE2::Consume(&rest, head) && !(stamped && RE2::Consume(&rest, monotonic)))
        return false;
    text.remove_prefix(text.size() - rest.size());
    return true;
}

// Whatever a logger has put in front of printk's own stamp, or of "kernel: ".
void skip_unknown_front(std::string_view& text) {
    constexpr std::size_t front_max = 120;
    static const RE2 front(R"(^.*?(?:(\[ *\d{1,8}\.\d{6}(?:\]|@|,| *[CT]\d))|\bkernel: ))");
    re2::StringPiece stamp;
    const auto head = text.substr(0, front_max);
    re2::StringPiece rest(head.data(), head.size());
    if (!RE2::Consume(&rest, front, &stamp))
        return;
    // Another program's line ("sshd[9]: ") can quote the kernel, by the word of whoever talks to it.
    static const RE2 program(R"([a-z][\w.-]*(?:\[\d+\])?: )");
    const auto length = head.size() - rest.size() - stamp.size();
    const auto skipped = head.substr(0, length - (stamp.empty() ? std::string_view("kernel: ").size() : 0));
    if (!RE2::PartialMatch(re2::StringPiece(skipped.data(), skipped.size()), program))
        text.remove_prefix(length);
}

void skip_what_is_in_front(std::string_view& text, TextLine& line) {
    skip_unknown_front(text);
    bool found = true;
    while (found) {
        skip_blanks(text);
        found = skip_level(text) || skip_quote(text) || skip_stamp(text, line) ||
                skip_syslog(text, line.time.has_value());
    }
}

// Escape sequences of terminals go; what else can't be printed is a blank.
void append_printable(std::string& to, std::string_view text) {
    for (std::size_t i = 0; i < text.size() && to.size() < line_length_max; ++i) {
        const char c = text[i];
        if (c == '\x1b' && i + 1 < text.size() && text[i + 1] == '[') {
            i += 2;
            while (i < text.size() && (text[i] < '@' || text[i] > '~'))
                ++i;
            continue;
        }
        // A blank that does not break, of a page that somebody copied from.
        if (c == '\xc2' && i + 1 < text.size() && text[i + 1] == '\xa0')
            ++i;
        to += c >= ' ' && c <= '~' ? c : ' ';
    }
    while (!to.empty() && to.back() == ' ')
        to.pop_back();
}

std::string without_quoted_printable(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '=' && i + 2 < text.size() && hex_digit(text[i + 1]) >= 0 &&
            hex_digit(text[i + 2]) >= 0) {
            out += static_cast<char>(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2]));
            i += 2;
        } else {
            out += text[i];
        }
    }
    return out;
}

// Of a mail's, the signs of equality are written so; a kernel's text has one in nearly every report.
bool is_quoted_printable(std::string_view bytes) {
    constexpr std::size_t looked_at = 1 << 20;
    bytes = bytes.substr(0, looked_at);
    if (bytes.find("=3D") != std::string_view::npos)
        return true;
    // Of an excerpt that has none: long lines are broken, at 76 characters at most, by another.
    constexpr std::size_t broken_min = 66;
    constexpr std::size_t broken_max = 76;
    constexpr int enough = 3;
    int broken = 0;
    for (std::size_t begin = 0; begin < bytes.size() && broken < enough;) {
        const auto end = std::min(bytes.find('\n', begin), bytes.size());
        auto line = bytes.substr(begin, end - begin);
        if (!line.empty() && line.back() == '\r')
            line.remove_suffix(1);
        broken += line.size() >= broken_min && line.size() <= broken_max && line.back() == '=' ? 1 : 0;
        begin = end + 1;
    }
    return broken == enough;
}

} // namespace

LineReader::LineReader(std::string_view bytes)
    : rest_(bytes), quoted_printable_(is_quoted_printable(bytes)) {}

std::string_view LineReader::take_raw() {
    const auto end = rest_.find('\n');
    auto raw = rest_.substr(0, end);
    rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end + 1);
    ++number_;
    while (!raw.empty() && raw.back() == '\r')
        raw.remove_suffix(1);
    return raw;
}

bool LineReader::next(TextLine& line) {
    if (rest_.empty())
        return false;
    auto raw = take_raw();
    line.number = number_;
    line.time.reset();
    line.caller.clear();
    line.text.clear();
    if (quoted_printable_) {
        raw_ = raw;
        while (!raw_.empty() && raw_.back() == '=' && !rest_.empty() && raw_.size() < line_length_max) {
            raw_.pop_back();
            raw_ += take_raw();
        }
        raw_ = without_quoted_printable(raw_);
        raw = raw_;
    }
    // A serial console's carriage returns: what is behind the last one is what was seen.
    if (const auto last = raw.rfind('\r'); last != std::string_view::npos)
        raw.remove_prefix(last + 1);
    append_printable(line.text, raw);
    // Of a page that somebody copied from.
    static const RE2 less("&lt;");
    static const RE2 greater("&gt;");
    if (line.text.find('&') != std::string::npos) {
        RE2::GlobalReplace(&line.text, less, "<");
        RE2::GlobalReplace(&line.text, greater, ">");
    }
    std::string_view text = line.text;
    skip_what_is_in_front(text, line);
    line.text.erase(0, line.text.size() - text.size());
    return true;
}

} // namespace disarmd
