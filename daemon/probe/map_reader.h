// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cerrno>
#include <string_view>

#include <bpf/bpf.h>
#include <fmt/format.h>

#include "base/result.h"

namespace disarmd {

// Calls visit(key, value) for every element of a map. Elements that come or go meanwhile may be visited or
// not.
template <typename Key, typename Value, typename Visit>
Result<void> for_each_element(int map, std::string_view name, Visit&& visit) {
    Key key{};
    Key next{};
    const Key* position = nullptr;
    while (bpf_map_get_next_key(map, position, &next) == 0) {
        Value value{};
        key = next;
        position = &key;
        if (bpf_map_lookup_elem(map, &key, &value) == 0)
            visit(key, value);
        else if (errno != ENOENT)
            return fail(Error::from_errno(fmt::format("reading map {}", name)));
    }
    if (errno != ENOENT)
        return fail(Error::from_errno(fmt::format("walking map {}", name)));
    return {};
}

} // namespace disarmd
