// SPDX-License-Identifier: Apache-2.0
#include "base/result.h"

#include <array>
#include <cstdlib>
#include <system_error>

#include <bpf/libbpf.h>
#include <fmt/format.h>

namespace disarmd {

Error Error::from_code(int code, std::string_view attempted) {
    return {code, fmt::format("{}: {}", attempted, std::generic_category().message(code))};
}

Error Error::from_libbpf(long code, std::string_view attempted) {
    std::array<char, 128> text{};
    const int positive = std::abs(static_cast<int>(code));
    libbpf_strerror(positive, text.data(), text.size());
    // Codes of libbpf's own begin at __LIBBPF_ERRNO__START and mean nothing as errno.
    const int errno_code = positive >= __LIBBPF_ERRNO__START ? EINVAL : positive;
    return {errno_code, fmt::format("{}: {}", attempted, text.data())};
}

} // namespace disarmd
