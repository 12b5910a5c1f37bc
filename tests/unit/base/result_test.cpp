// SPDX-License-Identifier: Apache-2.0
#include "base/result.h"

#include <bpf/libbpf.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace disarmd {
namespace {

TEST(Error, tells_what_was_attempted_and_then_the_errno) {
    const auto error = Error::from_code(EACCES, "opening /dev/kmsg");
    EXPECT_EQ(error.code(), EACCES);
    EXPECT_EQ(error.text(), "opening /dev/kmsg: Permission denied");
}

TEST(Error, takes_the_current_errno) {
    errno = ENOENT;
    const auto error = Error::from_errno("opening /nowhere");
    EXPECT_EQ(error.code(), ENOENT);
    EXPECT_EQ(error.text(), "opening /nowhere: No such file or directory");
}

TEST(Error, turns_a_negative_libbpf_code_into_a_positive_errno) {
    const auto error = Error::from_libbpf(-EPERM, "loading");
    EXPECT_EQ(error.code(), EPERM);
    EXPECT_EQ(error.text(), "loading: Operation not permitted");
}

TEST(Error, takes_a_positive_libbpf_code_as_well) {
    const auto error = Error::from_libbpf(ENOMEM, "loading");
    EXPECT_EQ(error.code(), ENOMEM);
    EXPECT_EQ(error.text(), "loading: Cannot allocate memory");
}

TEST(Error, never_hands_out_libbpf_codes_as_errnos) {
    for (const int code : {LIBBPF_ERRNO__LIBELF, LIBBPF_ERRNO__VERIFY, LIBBPF_ERRNO__NLPARSE}) {
        const auto error = Error::from_libbpf(-code, "loading");
        EXPECT_EQ(error.code(), EINVAL) << code;
        EXPECT_THAT(error.text(), testing::StartsWith("loading: ")) << code;
        EXPECT_GT(error.text().size(), std::string_view("loading: ").size()) << code;
    }
}

TEST(Error, text_of_libbpf_codes_is_libbpfs) {
    EXPECT_THAT(Error::from_libbpf(-LIBBPF_ERRNO__LIBELF, "loading").text(), testing::HasSubstr("libelf"));
}

TEST(Result, carries_the_error_through_fail) {
    const Result<int> result = fail({ENOSPC, "writing"});
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code(), ENOSPC);
    EXPECT_EQ(result.error().text(), "writing");
}

} // namespace
} // namespace disarmd
