// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "ledger/ledger.h"
#include "policy/policy.h"
#include "probe/settings.h"

namespace disarmd {

inline constexpr const char* default_config_path = "/etc/disarmd/disarmd.toml";

// What `disarmd run` may be told; the defaults need no file.
struct Config {
    struct Sinks {
        bool kmsg = true;    // the kernel's log
        bool journal = true; // systemd's, where there is one
        bool ledger = true;
        bool pmsg = true; // where the host has it
        // The memory of a module that leaves a timer is kept until the urgent records are written, but
        // no longer than that; 0: it is not.
        std::chrono::milliseconds hold{0};
        std::string ledger_path = default_ledger_path;
        Retention ledger_retention;
        std::string hooks_folder = "/etc/disarmd/hooks.d"; // empty: none is run
        std::chrono::seconds hook_timeout{10};
        std::optional<std::string> json_file;    // one JSON line per incident, appended
        std::optional<std::string> unloads_file; // one JSON line per unload, clean ones too, appended
    } sinks;
    struct Metrics {
        bool enabled = true;
        std::string listen = "127.0.0.1:9958"; // an IPv4 address and a port
    } metrics;
    ProbeSettings probe; // tracking, probe_backend and [limits]
    Policy policy;
    std::vector<std::string> files; // that it was read from, in their order
};

// "auto", "tracepoint" or "kprobe", as the command line and the file have them.
std::optional<Backend> backend_named(std::string_view word);
inline constexpr const char* backend_words = "auto, tracepoint or kprobe";

// A key that a file may have, as "table.key"; those of a rule as "policy.rule.key".
struct Setting {
    std::string name;
    std::string must_be; // what its value must be, in words
};

// All that there are, as it is by them that a file is read.
std::vector<Setting> settings();

// TOML text. Unknown keys, values of a wrong type and rules that can't be followed are refused, with
// their line.
Result<Config> parse_config(std::string_view text, const std::string& path);

// With no path, the default one, which need not exist. Then, in the order of their names, the files
// *.toml of the folder beside it that is called as it is, but ends in .d: what they set counts,
// and their rules come after its own.
Result<Config> load_config(const std::optional<std::string>& path);

} // namespace disarmd
