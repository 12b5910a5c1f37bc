// SPDX-License-Identifier: Apache-2.0
#include "config/config.h"

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <functional>
#include <map>
#include <vector>

#include <fmt/format.h>
#include <toml++/toml.h>

#include "base/text.h"

namespace disarmd {

namespace {

Error error_at(const std::string& path, const toml::node& node, std::string_view what) {
    return {EINVAL, fmt::format("{}:{}: {}", path, node.source().begin.line, what)};
}

// What a key of a table is set by; the text says what it must be.
struct Key {
    std::string_view name;
    std::function<bool(const toml::node&, Config&)> take; // false: it is none
    std::string must_be;
};

template <typename Value, typename Member>
Key text_key(std::string_view name, Member Value::*member, Value Config::*part) {
    return {name,
            [=](const toml::node& node, Config& config) {
                const auto* const text = node.as_string();
                if (text != nullptr)
                    (config.*part).*member = text->get();
                return text != nullptr;
            },
            "a string"};
}

Key switch_key(std::string_view name, bool Config::Sinks::*member) {
    return {name,
            [=](const toml::node& node, Config& config) {
                const auto* const value = node.as_boolean();
                if (value != nullptr)
                    config.sinks.*member = value->get();
                return value != nullptr;
            },
            "true or false"};
}

Key number_key(std::string_view name, std::int64_t least, std::int64_t most,
               const std::function<void(Config&, std::int64_t)>& set) {
    return {name,
            [=](const toml::node& node, Config& config) {
                const auto* const value = node.as_integer();
                if (value == nullptr || value->get() < least || value->get() > most)
                    return false;
                set(config, value->get());
                return true;
            },
            fmt::format("a whole number from {} to {}", least, most)};
}

Key limit_key(std::string_view name, std::uint32_t ProbeSettings::*member, std::uint32_t least,
              std::uint32_t most) {
    return number_key(name, least, most, [=](Config& config, std::int64_t value) {
        config.probe.*member = static_cast<std::uint32_t>(value);
    });
}

const std::map<std::string_view, std::vector<Key>>& tables() {
    using Sinks = Config::Sinks;
    static const std::map<std::string_view, std::vector<Key>> all{
        {"sinks",
         {switch_key("kmsg", &Sinks::kmsg), switch_key("journal", &Sinks::journal),
          switch_key("ledger", &Sinks::ledger), switch_key("pmsg", &Sinks::pmsg),
          number_key("hold_ms", 0, 1000,
                     [](Config& config, std::int64_t value) {
                         config.sinks.hold = std::chrono::milliseconds(value);
                     }),
          text_key("json_file", &Sinks::json_file, &Config::sinks),
          text_key("unloads_file", &Sinks::unloads_file, &Config::sinks)}},
        {"ledger",
         {{"path",
           [](const toml::node& node, Config& config) {
               // SQLite takes an empty one for a file that nobody sees and that goes with the process.
               const auto* const path = node.as_string();
               if (path == nullptr || path->get().empty())
                   return false;
               config.sinks.ledger_path = path->get();
               return true;
           },
           "the path of a file"},
          number_key("keep_days", 1, 36'500,
                     [](Config& config, std::int64_t value) {
                         config.sinks.ledger_retention.age = std::chrono::days(value);
                     }),
          number_key("keep_unloads", 1, 10'000'000,
                     [](Config& config, std::int64_t value) {
                         config.sinks.ledger_retention.unloads = static_cast<std::size_t>(value);
                     })}},
        {"hooks",
         {text_key("folder", &Sinks::hooks_folder, &Config::sinks),
          number_key("timeout_s", 1, 3600,
                     [](Config& config, std::int64_t value) {
                         config.sinks.hook_timeout = std::chrono::seconds(value);
                     })}},
        // An armed timer takes some 100 bytes of kernel memory, an unload some 30,000.
        // BPF_MAX_LOOPS (kernel/bpf/bpf_iter.c) bounds the steps of a scan.
        {"limits",
         {limit_key("armed_timers", &ProbeSettings::armed_timers, 64, 4'194'304),
          limit_key("unloads", &ProbeSettings::unloads, 1, 4096),
          limit_key("scan_steps", &ProbeSettings::scan_steps, 1, 8'388'608)}},
    };
    return all;
}

Result<void> read_table(const std::string& path, std::string_view name, const std::vector<Key>& keys,
                        const toml::table& table, Config& config) {
    for (const auto& [key, node] : table) {
        const auto known = std::ranges::find(keys, key.str(), &Key::name);
        if (known == keys.end())
            return fail(error_at(path, node, fmt::format("unknown key {}.{}", name, printable(key.str()))));
        if (!known->take(node, config))
            return fail(
                error_at(path, node, fmt::format("{}.{} must be {}", name, known->name, known->must_be)));
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
    const auto known = tables().find(key);
    if (known == tables().end())
        return fail(error_at(path, node, fmt::format("unknown key {}", printable(key))));
    const auto* const table = node.as_table();
    if (table == nullptr)
        return fail(error_at(path, node, fmt::format("{0} must be a table: [{0}]", key)));
    return read_table(path, key, known->second, *table, config);
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
