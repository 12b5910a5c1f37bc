// SPDX-License-Identifier: Apache-2.0
#include "disk.h"

#include <cstdlib>

#include <gtest/gtest.h>
#include <unistd.h>

#include "process.h"

namespace disarmd::tests {

namespace {

// Sparse on the host.
constexpr off_t bytes = off_t{64} * 1024 * 1024;

} // namespace

Disk::Disk() : path_(testing::TempDir() + "disarmd-disk-XXXXXX") {
    const int fd = ::mkstemp(path_.data());
    EXPECT_GE(fd, 0) << path_;
    EXPECT_EQ(::ftruncate(fd, bytes), 0);
    ::close(fd);
    EXPECT_EQ(run_process({"/sbin/mkfs.ext4", "-q", "-F", path_}), 0);
}

Disk::~Disk() {
    ::unlink(path_.c_str());
}

} // namespace disarmd::tests
