// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace disarmd {

// The machine, and the boot of it, that something happened on.
struct Host {
    std::string name;    // $DISARMD_HOST_NAME if that is set: a container's own name is not the host's
    std::string kernel;  // its release
    std::string boot_id; // /proc/sys/kernel/random/boot_id; empty where it can't be read
};

inline constexpr const char* host_name_variable = "DISARMD_HOST_NAME";

Host read_host();

// Whether the kernel asks that security module; not where that can't be read.
bool has_active_lsm(std::string_view name);

struct Task {
    std::string comm;
    std::vector<std::string> command; // the words that it was started with, no more than a few KiB of them
};

// Nothing where there is none of that number (any more).
std::optional<Task> read_task(std::uint32_t pid);

} // namespace disarmd
