// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cerrno>
#include <string>
#include <string_view>
#include <utility>

#include <tl/expected.hpp>

namespace disarmd {

// A failure that the caller may handle or hand on. The code is a positive errno;
// the text says what was attempted, outermost first, and what to do if that is
// known. An error is either returned or logged, never both.
class Error {
public:
    Error(int code, std::string text) : code_(code), text_(std::move(text)) {}

    // "opening /dev/kmsg: Permission denied", from the current errno.
    static Error from_errno(std::string_view attempted) { return from_code(errno, attempted); }
    static Error from_code(int code, std::string_view attempted);
    // libbpf returns negative codes, some of them (LIBBPF_ERRNO__*) not errnos.
    static Error from_libbpf(long code, std::string_view attempted);

    [[nodiscard]] int code() const { return code_; }
    [[nodiscard]] const std::string& text() const { return text_; }

private:
    int code_;
    std::string text_;
};

template <typename T>
using Result = tl::expected<T, Error>;

inline tl::unexpected<Error> fail(Error error) {
    return tl::unexpected<Error>(std::move(error));
}

} // namespace disarmd
