// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>

#include "base/result.h"

namespace disarmd {

// A file, and what comes out when it is decompressed, can be no larger. The largest module that a
// distribution ships has 20 MiB; with debug information some have ten times as much.
inline constexpr std::size_t module_file_limit = std::size_t{256} << 20;

// The content of a module's file, decompressed if it is .ko.xz, .ko.zst or .ko.gz, which its first bytes
// tell and not its name. Fails, without having read or made more than the limit, where it is no regular
// file (ENOENT, EACCES, EINVAL), too large (EFBIG), or can't be decompressed (ENOEXEC). The text of a
// failure says which file.
Result<std::string> read_module_file(const std::string& path, std::size_t limit = module_file_limit);

// The file that is meant: what has a '/' or the end of a module's file in its name is a path; anything else
// is the name of a module, as lsmod shows it, which is looked up as modprobe(8) does for the running kernel.
Result<std::string> find_module_file(const std::string& file_or_module);

} // namespace disarmd
