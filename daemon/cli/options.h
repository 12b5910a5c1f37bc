// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/result.h"
#include "probe/settings.h"
#include "verdict/unload.h"

namespace disarmd {

struct RunOptions {
    std::optional<std::string> config;
    std::optional<Backend> backend; // wins over the configuration's
    bool require_enforcement = false;
};

struct WatchUnloadOptions {
    std::string module; // as the kernel spells it: '_' for '-'
    std::optional<std::chrono::microseconds> timeout;
    bool json = false;
    bool ktap = false;                      // not both
    std::optional<std::string> module_file; // a .ko with debug information; else it is looked for
    Backend backend = Backend::automatic;
    std::vector<std::string> command; // empty: wait for whoever unloads it
};

enum class ListOrder { module, count, rate, next };

struct ListOptions {
    std::optional<std::string> module; // as WatchUnloadOptions, or a pattern as of a rule
    std::vector<TimerKind> kinds;      // empty: all
    bool orphans = false;              // nothing but them
    ListOrder order = ListOrder::module;
    std::optional<std::size_t> next;                // so many, the soonest, each on a line of its own
    std::optional<std::chrono::microseconds> rate;  // measured for so long
    std::optional<std::chrono::microseconds> watch; // a look every so often, until it is interrupted
    bool json = false;
    bool ndjson = false; // not both
    Backend backend = Backend::automatic;
};

struct IncidentsOptions {
    std::optional<std::string> id; // or its beginning; nothing: list them
    std::optional<std::string> module;
    std::optional<std::string> ledger; // wins over the configuration's
    std::optional<std::string> config;
    std::optional<std::string> module_file; // as WatchUnloadOptions
    bool json = false;
};

struct PreflightOptions {
    std::vector<std::string> files; // or names of modules; at least one
    bool json = false;
};

struct AutopsyOptions {
    std::vector<std::string> files;    // "-": standard input; at least one
    std::optional<std::string> ledger; // of the host that crashed
    bool json = false;
};

struct DoctorOptions {
    bool json = false;
    Backend backend = Backend::automatic;
};

struct CheckConfigOptions {
    std::optional<std::string> file;
};

struct AllowOnceOptions {
    std::string module;
};

struct ReleaseOptions {};

// Text that was asked for (--help, --version).
struct PrintOptions {
    std::string text;
};

struct Options {
    bool verbose = false;
    std::variant<RunOptions, WatchUnloadOptions, ListOptions, PreflightOptions, AutopsyOptions,
                 IncidentsOptions, DoctorOptions, CheckConfigOptions, AllowOnceOptions, ReleaseOptions,
                 PrintOptions>
        command;
};

// A failure's text says what is wrong and where to read more.
Result<Options> parse_options(const std::vector<std::string>& arguments);

// The name of a module as the kernel spells it, or why it can't be one.
Result<std::string> parse_module_name(const std::string& text);

} // namespace disarmd
