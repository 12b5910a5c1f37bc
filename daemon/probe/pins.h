// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

struct bpf_link;

namespace disarmd {

// Where what must outlive the daemon is kept: in the BPF file system, in a folder of this version's own.
inline constexpr const char* pins_root = "/sys/fs/bpf/disarmd";
inline constexpr const char* pins_folder = "/sys/fs/bpf/disarmd/v1";
inline constexpr const char* permissions_pin = "/sys/fs/bpf/disarmd/v1/permissions";

// Makes the folder, which only its owner may enter, and mounts the BPF file system if nothing is there.
Result<void> prepare_pins();

// Keeps programs attached after the daemon's end, whatever way it comes to that; then lets those go that an
// earlier daemon has left, so that there is no moment without any. A kernel's links that can't be pinned
// (kprobes before 5.15) end with the daemon: how many these are is returned.
Result<std::size_t> pin_links(const std::vector<bpf_link*>& links);
// Lets go whatever links are pinned, an earlier daemon's as well.
Result<void> unpin_links();

// Everything, of every version: nothing of disarmd is in the kernel any more once its process has ended.
// Returns whether there was anything.
Result<bool> release_pins();

} // namespace disarmd
