// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace disarmd {

// How arms and disarms are seen. automatic: tracepoint if this kernel lets it, else kprobe.
enum class Backend { automatic, tracepoint, kprobe };

constexpr std::string_view name_of(Backend backend) {
    switch (backend) {
    case Backend::tracepoint:
        return "tracepoint";
    case Backend::kprobe:
        return "kprobe";
    case Backend::automatic:
        break;
    }
    return "auto";
}

struct InheritanceSize {
    std::size_t timers = 0;
    std::size_t modules = 0;
};

// What the kernel programs are told before they are loaded.
struct ProbeSettings {
    Backend backend = Backend::automatic;
    // Whether arms and disarms are seen at all; if not, the scan alone gives verdicts.
    bool tracks = true;
    // Timers of modules that are tracked, armed or not long disarmed.
    std::uint32_t armed_timers = 65536;
    // Verdicts that wait for user space at once.
    std::uint32_t unloads = 64;
    // Steps of one scan: one for each word of a wheel's bitmap, bucket and timer.
    std::uint32_t scan_steps = 4'000'000;
    bool enforces = false;           // a policy
    bool shares_permissions = false; // with disarmd allow-once
    // How much another daemon's programs know about now, which watch until these do; nothing: there are none.
    std::optional<InheritanceSize> inherits;
};

} // namespace disarmd
