// SPDX-License-Identifier: Apache-2.0
#include "config/config.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <fstream>

#include <fmt/format.h>
#include <toml++/toml.h>

#include "base/text.h"

namespace disarmd {

namespace {

Error error_at(const std::string& path, const toml::node& node, std::string_view what) {
    return {EINVAL, fmt::format("{}:{}: {}", path, node.source().begin.line, what)};
}

template <typename Value, typename Target>
Result<void> take(const std::string& path, const toml::node& node, std::string_view key,
                  std::string_view type, Target& target) {
    const auto* const value = node.as<Value>();
    if (value == nullptr)
        return fail(error_at(path, node, fmt::format("{} must be {}", key, type)));
    target = value->get();
    return {};
}

Result<void> read_sinks(const std::string& path, const toml::table& table, Config::Sinks& sinks) {
    for (const auto& [key, node] : table) {
        Result<void> taken;
        if (key == "kmsg")
            taken = take<bool>(path, node, "sinks.kmsg", "true or false", sinks.kmsg);
        else if (key == "json_file")
            taken = take<std::string>(path, node, "sinks.json_file", "a string", sinks.json_file);
        else if (key == "unloads_file")
            taken = take<std::string>(path, node, "sinks.unloads_file", "a string", sinks.unloads_file);
        else
            return fail(error_at(path, node, fmt::format("unknown key sinks.{}", printable(key.str()))));
        if (!taken)
            return taken;
    }
    return {};
}

struct Limit {
    std::string_view key;
    std::uint32_t ProbeSettings::*target;
    std::uint32_t least;
    std::uint32_t most;
};

// An armed timer takes some 100 bytes of kernel memory, an unload some 13,000.
// BPF_MAX_LOOPS (kernel/bpf/bpf_iter.c) bounds the steps of a scan.
constexpr std::array limits{
    Limit{"armed_timers", &ProbeSettings::armed_timers, 64, 4'194'304},
    Limit{"unloads", &ProbeSettings::unloads, 1, 4096},
    Limit{"scan_steps", &ProbeSettings::scan_steps, 1, 8'388'608},
};

Result<void> read_limits(const std::string& path, const toml::table& table, ProbeSettings& settings) {
    for (const auto& [key, node] : table) {
        const auto limit = std::ranges::find(limits, key.str(), &Limit::key);
        if (limit == limits.end())
            return fail(error_at(path, node, fmt::format("unknown key limits.{}", printable(key.str()))));
        const auto* const value = node.as_integer();
        if (value == nullptr || value->get() < limit->least || value->get() > limit->most)
            return fail(error_at(path, node,
                                 fmt::format("limits.{} must be a whole number from {} to {}", limit->key,
                                             limit->least, limit->most)));
        settings.*(limit->target) = static_cast<std::uint32_t>(value->get());
    }
    return {};
}

Result<void> read_backend(const std::string& path, const toml::node& node, Backend& backend) {
    const auto* const word = node.as_string();
    const auto named = word != nullptr ? backend_named(word->get()) : std::nullopt;
    if (!named)
        return fail(error_at(path, node, fmt::format("probe_backend must be {}, in quotes", backend_words)));
    backend = *named;
    return {};
}

Result<void> read_key(const std::string& path, std::string_view key, const toml::node& node, Config& config) {
    if (key == "probe_backend")
        return read_backend(path, node, config.probe.backend);
    if (key != "sinks" && key != "limits")
        return fail(error_at(path, node, fmt::format("unknown key {}", printable(key))));
    const auto* const table = node.as_table();
    if (table == nullptr)
        return fail(error_at(path, node, fmt::format("{0} must be a table: [{0}]", key)));
    return key == "sinks" ? read_sinks(path, *table, config.sinks) : read_limits(path, *table, config.probe);
}

} // namespace

std::optional<Backend> backend_named(std::string_view word) {
    for (const auto backend : {Backend::automatic, Backend::tracepoint, Backend::kprobe}) {
        if (word == name_of(backend))
            return backend;
    }
    return std::nullopt;
}

Result<Config> parse_config(std::string_view text, const std::string& path) {
    toml::table document;
    try {
        document = toml::parse(text, path);
    } catch (const toml::parse_error& error) {
        return fail({EINVAL, fmt::format("{}:{}: {}", path, error.source().begin.line, error.description())});
    }
    Config config;
    for (const auto& [key, node] : document) {
        if (auto read = read_key(path, key.str(), node, config); !read)
            return fail(read.error());
    }
    return config;
}

Result<Config> load_config(const std::optional<std::string>& path) {
    const std::string chosen = path.value_or(default_config_path);
    std::ifstream file(chosen);
    if (!file) {
        if (!path && errno == ENOENT)
            return Config{};
        return fail(Error::from_errno(fmt::format("reading the configuration {}", chosen)));
    }
    std::string text;
    for (std::string line; std::getline(file, line);)
        text += line + '\n';
    if (file.bad()) // a directory opens, but can't be read
        return fail(Error::from_errno(fmt::format("reading the configuration {}", chosen)));
    return parse_config(text, chosen);
}

} // namespace disarmd
