// SPDX-License-Identifier: Apache-2.0
#include "cli/exit_code.h"

#include <gtest/gtest.h>

namespace disarmd {
namespace {

TEST(ExitCode, is_what_scripts_rely_on) {
    EXPECT_EQ(static_cast<int>(ExitCode::clean), 0);
    EXPECT_EQ(static_cast<int>(ExitCode::found), 1);
    EXPECT_EQ(static_cast<int>(ExitCode::usage), 2);
    EXPECT_EQ(static_cast<int>(ExitCode::inconclusive), 3);
    EXPECT_EQ(static_cast<int>(ExitCode::impossible), 4);
    EXPECT_EQ(static_cast<int>(ExitCode::timed_out), 124);
}

TEST(ExitCode, of_a_verdict_is_zero_for_clean_alone) {
    EXPECT_EQ(exit_code_of(Verdict::clean), ExitCode::clean);
    EXPECT_EQ(exit_code_of(Verdict::leak), ExitCode::found);
    EXPECT_EQ(exit_code_of(Verdict::inconclusive), ExitCode::inconclusive);
}

} // namespace
} // namespace disarmd
