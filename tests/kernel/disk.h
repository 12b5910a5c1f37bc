// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace disarmd::tests {

// The file of a virtual disk with an empty ext4 file system, for tests/vm/run --disk. Gone with this.
// Fails the current test if it can't be made.
class Disk {
public:
    Disk();
    Disk(const Disk&) = delete;
    Disk& operator=(const Disk&) = delete;
    ~Disk();

    [[nodiscard]] const std::string& path() const { return path_; }

private:
    std::string path_;
};

} // namespace disarmd::tests
