// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "base/result.h"

struct btf;

namespace disarmd {

inline constexpr const char* vmlinux_btf_path = "/sys/kernel/btf/vmlinux";

// The running kernel's own type information.
class KernelBtf {
public:
    static Result<KernelBtf> load();

    // Elements of a global array variable.
    [[nodiscard]] std::optional<std::uint32_t> array_length(const std::string& variable) const;
    // Bytes from the start of the struct, members of anonymous members included.
    [[nodiscard]] std::optional<std::uint32_t> member_offset(const std::string& structure,
                                                             const std::string& member) const;
    // Those of the names that this kernel has a typed function for.
    [[nodiscard]] std::set<std::string> functions_among(const std::set<std::string>& names) const;
    // The names as in TP_PROTO's event: "timer_start".
    [[nodiscard]] std::set<std::string> tracepoints_among(const std::set<std::string>& events) const;
    // Bytes.
    [[nodiscard]] std::optional<std::uint64_t> size_of(const std::string& structure) const;

private:
    struct Free {
        void operator()(btf* types) const;
    };

    explicit KernelBtf(btf* types) : types_(types) {}

    std::unique_ptr<btf, Free> types_;
};

} // namespace disarmd
