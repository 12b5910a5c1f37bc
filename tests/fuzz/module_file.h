// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/unique_fd.h"
#include "fuzz.h"

namespace disarmd::fuzz {

// The input as a file in memory, for what opens a module by its path.
class ModuleFile {
public:
    ModuleFile(const std::uint8_t* data, std::size_t size) : file_(::memfd_create("module", MFD_CLOEXEC)) {
        check(::write(file_.get(), data, size) == static_cast<ssize_t>(size), "there is memory for the file");
    }

    [[nodiscard]] std::string path() const { return fmt::format("/proc/self/fd/{}", file_.get()); }

private:
    UniqueFd file_;
};

} // namespace disarmd::fuzz
