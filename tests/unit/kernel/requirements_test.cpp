// SPDX-License-Identifier: Apache-2.0
#include "kernel/requirements.h"

#include <gtest/gtest.h>

namespace disarmd {
namespace {

TEST(ParseLockdown, finds_the_active_mode_wherever_it_stands) {
    EXPECT_EQ(parse_lockdown("[none] integrity confidentiality"), "none");
    EXPECT_EQ(parse_lockdown("none [integrity] confidentiality"), "integrity");
    EXPECT_EQ(parse_lockdown("none integrity [confidentiality]"), "confidentiality");
}

TEST(ParseLockdown, makes_up_no_mode_where_none_is_marked) {
    EXPECT_EQ(parse_lockdown(""), "unknown");
    EXPECT_EQ(parse_lockdown("none integrity confidentiality"), "unknown");
    EXPECT_EQ(parse_lockdown("none [integrity confidentiality"), "unknown");
    EXPECT_EQ(parse_lockdown("none integrity] confidentiality"), "unknown");
    EXPECT_EQ(parse_lockdown("]none["), "unknown");
}

} // namespace
} // namespace disarmd
