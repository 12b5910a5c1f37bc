// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/result.h"

namespace disarmd {

// A module's file (.ko, compressed or not), and the debug information in it or, as debuggers look for it,
// beside it. Reads megabytes: for when a person is shown something. One thread.
class DebugInfo {
public:
    // Fails where the file is no module, or its debug information is not at hand.
    static Result<DebugInfo> open(const std::string& module_file);

    DebugInfo(DebugInfo&&) noexcept;
    DebugInfo& operator=(DebugInfo&&) noexcept;
    DebugInfo(const DebugInfo&) = delete;
    DebugInfo& operator=(const DebugInfo&) = delete;
    ~DebugInfo();

    // What modinfo(8) shows: "srcversion", "vermagic". Empty if it is not there.
    [[nodiscard]] std::string modinfo(const std::string& key) const;

    // The line that made the instruction before this one, which is the call where it is what a call
    // returns to: "drivers/net/x.c:42". Several functions of one name: nothing, as they can't be told apart.
    [[nodiscard]] std::optional<std::string> line_before(const std::string& function,
                                                         std::uint64_t offset) const;

private:
    struct State;
    explicit DebugInfo(std::unique_ptr<State> state);

    std::unique_ptr<State> state_;
};

// Where modprobe(8) finds the module for that kernel (modules.dep(5)). Nothing if it does not.
std::optional<std::string> installed_module(const std::string& module, const std::string& kernel_release);

} // namespace disarmd
