// SPDX-License-Identifier: Apache-2.0
#include <cerrno>
#include <cstdio>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/unique_fd.h"
#include "cli/commands.h"

namespace disarmd {
namespace {

// A stream that can't be written, until the end of this.
class Full {
public:
    explicit Full(std::FILE* stream) : stream_(stream), before_(::dup(::fileno(stream))) {
        std::fflush(stream_);
        const UniqueFd full(::open("/dev/full", O_WRONLY | O_CLOEXEC));
        EXPECT_GE(::dup2(full.get(), ::fileno(stream_)), 0);
    }
    Full(const Full&) = delete;
    Full& operator=(const Full&) = delete;
    ~Full() {
        std::clearerr(stream_);
        ::dup2(before_.get(), ::fileno(stream_));
    }

private:
    std::FILE* stream_;
    UniqueFd before_;
};

TEST(Complaint, that_nobody_can_read_changes_no_exit_code) {
    const Full full(stderr);
    EXPECT_EQ(complain({EIO, "what went wrong"}, ExitCode::inconclusive), ExitCode::inconclusive);
    say("READY: {}\n", 1);
}

TEST(Result, that_nobody_can_read_is_never_clean) {
    const Full full(stdout);
    const Full full_too(stderr);
    EXPECT_EQ(print_result("clean\n", ExitCode::clean), ExitCode::inconclusive);
    EXPECT_EQ(print_result("leak\n", ExitCode::found), ExitCode::found);
}

} // namespace
} // namespace disarmd
