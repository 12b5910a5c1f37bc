// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "base/result.h"

namespace disarmd {

inline constexpr const char* default_config_path = "/etc/disarmd/disarmd.toml";

// What `disarmd run` may be told; the defaults need no file.
struct Config {
    struct Sinks {
        bool kmsg = true;                     // one line per incident in the kernel's log
        std::optional<std::string> json_file; // one JSON line per incident, appended
    } sinks;
};

// TOML text. Unknown keys and values of a wrong type are refused, with their line.
Result<Config> parse_config(std::string_view text, const std::string& path);

// With no path, the default one, which need not exist.
Result<Config> load_config(const std::optional<std::string>& path);

} // namespace disarmd
