// SPDX-License-Identifier: Apache-2.0
#include "config/config.h"

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
        else
            return fail(error_at(path, node, fmt::format("unknown key sinks.{}", printable(key.str()))));
        if (!taken)
            return taken;
    }
    return {};
}

} // namespace

Result<Config> parse_config(std::string_view text, const std::string& path) {
    toml::table document;
    try {
        document = toml::parse(text, path);
    } catch (const toml::parse_error& error) {
        return fail({EINVAL, fmt::format("{}:{}: {}", path, error.source().begin.line, error.description())});
    }
    Config config;
    for (const auto& [key, node] : document) {
        const auto* const table = node.as_table();
        if (key != "sinks")
            return fail(error_at(path, node, fmt::format("unknown key {}", printable(key.str()))));
        if (table == nullptr)
            return fail(error_at(path, node, "sinks must be a table: [sinks]"));
        if (auto read = read_sinks(path, *table, config.sinks); !read)
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
