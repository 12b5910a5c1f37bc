// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <vector>

// A target defines it; libFuzzer has main().
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace disarmd::fuzz {

// What has to hold whatever was read.
inline void check(bool holds, const char* what) {
    if (holds)
        return;
    std::fprintf(stderr, "This does not hold: %s\n", what);
    std::abort();
}

inline bool is_plain(std::string_view text) {
    return std::ranges::all_of(text, [](char c) { return (c >= ' ' && c <= '~') || c == '\n'; });
}

// The next bytes of the input, which is shortened by them; zeroes where it ends.
template <typename Value>
Value take(std::string_view& input) {
    Value value{};
    const auto size = std::min(sizeof(value), input.size());
    std::memcpy(&value, input.data(), size);
    input.remove_prefix(size);
    return value;
}

// A copy of a part of the input, as a read past its end is not seen where more of it follows.
inline std::vector<char> copy_of(std::string_view part) {
    return {part.begin(), part.end()};
}

} // namespace disarmd::fuzz
