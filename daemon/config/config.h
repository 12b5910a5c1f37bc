// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "probe/settings.h"

namespace disarmd {

inline constexpr const char* default_config_path = "/etc/disarmd/disarmd.toml";

// What `disarmd run` may be told; the defaults need no file.
struct Config {
    struct Sinks {
        bool kmsg = true;                        // one line per incident in the kernel's log
        std::optional<std::string> json_file;    // one JSON line per incident, appended
        std::optional<std::string> unloads_file; // one JSON line per unload, clean ones too, appended
    } sinks;
    ProbeSettings probe; // probe_backend and [limits]
};

// "auto", "tracepoint" or "kprobe", as the command line and the file have them.
std::optional<Backend> backend_named(std::string_view word);
inline constexpr const char* backend_words = "auto, tracepoint or kprobe";

// TOML text. Unknown keys and values of a wrong type are refused, with their line.
Result<Config> parse_config(std::string_view text, const std::string& path);

// With no path, the default one, which need not exist.
Result<Config> load_config(const std::optional<std::string>& path);

} // namespace disarmd
