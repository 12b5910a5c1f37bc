// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include <bpf/bpf.h>
#include <fmt/format.h>

#include "base/result.h"

namespace disarmd {

// Calls visit(key, value) for every element of a map, and for none twice. Elements that come or go meanwhile
// may be visited or not. In batches: one by one, each takes two system calls, and the walk begins anew where
// the element that it stands at goes.
template <typename Key, typename Value, typename Visit>
Result<void> for_each_element(int map, std::string_view name, Visit&& visit) {
    constexpr std::size_t bytes_at_once = 262'144;
    std::vector<Key> keys(std::max<std::size_t>(bytes_at_once / sizeof(Value), 8));
    std::vector<Value> values(keys.size());
    // What the kernel keeps there is a bucket of a hash, and otherwise a key.
    std::array<std::byte, std::max(sizeof(Key), sizeof(std::uint32_t))> position{};
    for (bool first = true;;) {
        auto count = static_cast<std::uint32_t>(keys.size());
        auto before = position;
        const bool read = bpf_map_lookup_batch(map, first ? nullptr : before.data(), position.data(),
                                               keys.data(), values.data(), &count, nullptr) == 0;
        const bool ended = !read && errno == ENOENT;
        if (!read && errno == ENOSPC) {
            // A bucket holds more than that.
            keys.resize(2 * keys.size());
            values.resize(keys.size());
            position = before;
            continue;
        }
        if (!read && !ended)
            return fail(Error::from_errno(fmt::format("reading map {}", name)));
        for (std::size_t i = 0; i < count; ++i)
            visit(keys[i], values[i]);
        if (ended)
            return {};
        first = false;
    }
}

} // namespace disarmd
