// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include <disarmd/abi.h>

#include "base/result.h"
#include "base/unique_fd.h"

struct bpf_link;

namespace disarmd {

// Where what must outlive the daemon is kept: in the BPF file system. A version whose maps look otherwise
// has a folder of its own there; what both know is said in include/disarmd/abi.h.
inline constexpr const char* pins_root = "/sys/fs/bpf/disarmd";
inline constexpr const char* pins_folder = "/sys/fs/bpf/disarmd/v" DISARMD_SCHEMA_TEXT;
inline constexpr const char* permissions_pin = "/sys/fs/bpf/disarmd/v" DISARMD_SCHEMA_TEXT "/permissions";

// In pins_folder, the programs of one daemon, by which of them stay attached without it. A kernel's kprobes
// before 5.15 don't. In the folder are links by number and maps by name.
inline constexpr const char* whole_prefix = "whole-";     // all
inline constexpr const char* lean_prefix = "lean-";       // all that verdicts build on
inline constexpr const char* partial_prefix = "partial-"; // not even those
inline constexpr const char* links_name = "links";
inline constexpr const char* maps_name = "maps";

// Makes the folder, which only its owner may enter, and mounts the BPF file system if nothing is there.
Result<void> prepare_pins();

// For as long as the result lives no other process gets it: of two services each would take the other's
// programs for those of one that has ended.
Result<UniqueFd> lock_pins();

struct LinkToPin {
    bpf_link* link;
    bool is_detail; // no verdict builds on it
};

struct Pinned {
    std::string folder;
    std::size_t unpinned = 0; // of those that verdicts build on
};

// Keeps programs attached after the daemon's end, whatever way it comes to that, with these maps of theirs.
// It appears as a whole or not at all.
Result<Pinned> pin_programs(const std::vector<LinkToPin>& links, const std::map<std::string, int>& maps);

// Whether any daemon's programs are kept, that of one that runs included.
bool is_anything_pinned();

// What is in one of the folders, and the folder. Nothing there is no error.
Result<void> remove_pinned(const std::string& folder);

// Everything, of every version: nothing of disarmd is in the kernel any more once its process has ended.
// Returns whether there was anything.
Result<bool> release_pins();

} // namespace disarmd
