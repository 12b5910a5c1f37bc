// SPDX-License-Identifier: Apache-2.0
#include "config/config.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <vector>

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <toml++/toml.h>
#include <unistd.h>

#include "base/text.h"
#include "base/unique_fd.h"

namespace disarmd {

namespace {

// [[policy.rule]]
constexpr std::string_view rules_table = "policy";
constexpr std::string_view rules_key = "rule";

constexpr off_t largest_file = 1 << 20;

Error error_at(const std::string& path, const toml::node& node, std::string_view what) {
    return {EINVAL, fmt::format("{}:{}: {}", printable(path), node.source().begin.line, what)};
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

template <typename Value>
Key switch_key(std::string_view name, bool Value::*member, Value Config::*part) {
    return {name,
            [=](const toml::node& node, Config& config) {
                const auto* const value = node.as_boolean();
                if (value != nullptr)
                    (config.*part).*member = value->get();
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

// "192.0.2.1:9958". Not IPv6, which the server has where it was built for it only: Debian's was not.
bool is_listen_address(const std::string& text) {
    const auto colon = text.rfind(':');
    if (colon == std::string::npos)
        return false;
    std::uint16_t port = 0;
    const auto* const end = text.data() + text.size();
    const auto read = std::from_chars(text.data() + colon + 1, end, port);
    if (read.ec != std::errc() || read.ptr != end || port == 0)
        return false;
    in_addr parsed{};
    // As it is given on to what reads up to a NUL.
    return text.find('\0') == std::string::npos &&
           ::inet_pton(AF_INET, text.substr(0, colon).c_str(), &parsed) == 1;
}

// What is in no table: one of some words each.
const std::vector<Key>& word_keys() {
    static const std::vector<Key> all{
        {"tracking",
         [](const toml::node& node, Config& config) {
             const auto word = node.value_exact<std::string_view>();
             config.probe.tracks = word == "on";
             return word == "on" || word == "off";
         },
         "on or off"},
        {"probe_backend",
         [](const toml::node& node, Config& config) {
             const auto* const word = node.as_string();
             const auto named = word != nullptr ? backend_named(word->get()) : std::nullopt;
             config.probe.backend = named.value_or(config.probe.backend);
             return named.has_value();
         },
         backend_words},
    };
    return all;
}

const std::map<std::string_view, std::vector<Key>>& tables() {
    using Sinks = Config::Sinks;
    using Metrics = Config::Metrics;
    static const std::map<std::string_view, std::vector<Key>> all{
        {"sinks",
         {switch_key("kmsg", &Sinks::kmsg, &Config::sinks),
          switch_key("journal", &Sinks::journal, &Config::sinks),
          switch_key("ledger", &Sinks::ledger, &Config::sinks),
          switch_key("pmsg", &Sinks::pmsg, &Config::sinks),
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
        {"policy",
         {number_key("drain_ms", 1, 2000,
                     [](Config& config, std::int64_t value) {
                         config.policy.drain = std::chrono::milliseconds(value);
                     }),
          {"panic_confirmed",
           [](const toml::node& node, Config& config) {
               const auto* const value = node.as_boolean();
               if (value != nullptr)
                   config.policy.panic_confirmed = value->get();
               return value != nullptr;
           },
           "true or false"}}},
        {"metrics",
         {switch_key("enabled", &Metrics::enabled, &Config::metrics),
          {"listen",
           [](const toml::node& node, Config& config) {
               const auto* const text = node.as_string();
               if (text == nullptr || !is_listen_address(text->get()))
                   return false;
               config.metrics.listen = text->get();
               return true;
           },
           "an IPv4 address and a port, as in \"127.0.0.1:9958\""}}},
        // An armed timer takes some 100 bytes of kernel memory, an unload some 30,000.
        // BPF_MAX_LOOPS (kernel/bpf/bpf_iter.c) bounds the steps of a scan.
        {"limits",
         {limit_key("armed_timers", &ProbeSettings::armed_timers, 64, 4'194'304),
          limit_key("unloads", &ProbeSettings::unloads, 1, 4096),
          limit_key("scan_steps", &ProbeSettings::scan_steps, 1, 8'388'608)}},
    };
    return all;
}

// The same for a rule, whose values are all strings.
struct RuleKey {
    std::string_view name;
    std::function<bool(const std::string&, Rule&)> take;
    std::string_view must_be;
};

const std::vector<RuleKey>& rule_keys() {
    const auto text_of_rule = [](std::string Rule::*member) {
        return [=](const std::string& word, Rule& rule) {
            rule.*member = word;
            return true;
        };
    };
    static const std::vector<RuleKey> all{
        {"module", text_of_rule(&Rule::module), "a string"},
        {"srcversion", text_of_rule(&Rule::srcversion), "a string"},
        {"on_unload",
         [](const std::string& word, Rule& rule) {
             const auto action = on_unload_named(word);
             rule.on_unload = action.value_or(rule.on_unload);
             return action.has_value();
         },
         "allow, deny, deny-if-armed, deny-if-leaked-before or deny-if-preflight-fails"},
        {"on_leak",
         [](const std::string& word, Rule& rule) {
             const auto action = on_leak_named(word);
             rule.on_leak = action.value_or(rule.on_leak);
             return action.has_value();
         },
         "alert, drain or panic"},
    };
    return all;
}

Result<void> read_rule_key(const std::string& path, std::string_view key, const toml::node& node,
                           Rule& rule) {
    const auto known = std::ranges::find(rule_keys(), key, &RuleKey::name);
    if (known == rule_keys().end())
        return fail(error_at(path, node, fmt::format("unknown key {} of a rule", printable(key))));
    const auto* const word = node.as_string();
    if (word == nullptr)
        return fail(error_at(path, node, fmt::format("{} of a rule must be a string", key)));
    if (!known->take(word->get(), rule))
        return fail(error_at(path, node, fmt::format("{} must be {}", key, known->must_be)));
    return {};
}

Result<Rule> read_rule(const std::string& path, const toml::table& table) {
    Rule rule;
    rule.where = fmt::format("{}:{}", path, table.source().begin.line);
    for (const auto& [key, node] : table) {
        if (auto read = read_rule_key(path, key.str(), node, rule); !read)
            return fail(read.error());
    }
    if (!table.contains("module"))
        return fail(error_at(path, table, R"(a rule lacks its module = "..." ("*": every one))"));
    if (const auto compiled = compile(rule); !compiled)
        return fail(error_at(path, *table.get("module"), compiled.error().text()));
    return rule;
}

Result<void> read_rules(const std::string& path, const toml::node& node, Policy& policy) {
    const auto* const list = node.as_array();
    if (list == nullptr)
        return fail(error_at(path, node, "policy.rule must be tables: [[policy.rule]]"));
    for (const auto& element : *list) {
        const auto* const table = element.as_table();
        if (table == nullptr)
            return fail(error_at(path, element, "policy.rule must be tables: [[policy.rule]]"));
        auto rule = read_rule(path, *table);
        if (!rule)
            return fail(rule.error());
        if (policy.rules.size() == DISARMD_RULES_MAX)
            return fail(
                error_at(path, element, fmt::format("there are more than {} rules", DISARMD_RULES_MAX)));
        policy.rules.push_back(std::move(*rule));
    }
    return {};
}

// What only all files together tell.
Result<void> check_policy(const Config& config) {
    for (const auto& rule : config.policy.rules) {
        if (rule.on_leak != OnLeak::panic)
            continue;
        if (!config.sinks.kmsg)
            return fail({EINVAL, fmt::format("{}: on_leak = \"panic\" wants sinks.kmsg: its line is all that "
                                             "tells why the host crashed",
                                             printable(rule.where))});
        if (!config.policy.panic_confirmed)
            return fail({EINVAL, fmt::format("{}: on_leak = \"panic\" crashes this host on purpose: say "
                                             "panic_confirmed = true in [policy] if that is meant",
                                             printable(rule.where))});
    }
    return {};
}

Result<void> read_table(const std::string& path, std::string_view name, const std::vector<Key>& keys,
                        const toml::table& table, Config& config) {
    for (const auto& [key, node] : table) {
        if (name == rules_table && key == rules_key) {
            if (auto read = read_rules(path, node, config.policy); !read)
                return read;
            continue;
        }
        const auto known = std::ranges::find(keys, key.str(), &Key::name);
        if (known == keys.end())
            return fail(error_at(path, node, fmt::format("unknown key {}.{}", name, printable(key.str()))));
        if (!known->take(node, config))
            return fail(
                error_at(path, node, fmt::format("{}.{} must be {}", name, known->name, known->must_be)));
    }
    return {};
}

Result<void> read_key(const std::string& path, std::string_view key, const toml::node& node, Config& config) {
    const auto word = std::ranges::find(word_keys(), key, &Key::name);
    if (word != word_keys().end()) {
        if (!word->take(node, config))
            return fail(error_at(path, node, fmt::format("{} must be {}, in quotes", key, word->must_be)));
        return {};
    }
    const auto known = tables().find(key);
    if (known == tables().end())
        return fail(error_at(path, node, fmt::format("unknown key {}", printable(key))));
    const auto* const table = node.as_table();
    if (table == nullptr)
        return fail(error_at(path, node, fmt::format("{0} must be a table: [{0}]", key)));
    return read_table(path, key, known->second, *table, config);
}

} // namespace

std::vector<Setting> settings() {
    std::vector<Setting> all;
    for (const auto& key : word_keys())
        all.push_back({std::string(key.name), key.must_be});
    for (const auto& [table, keys] : tables()) {
        for (const auto& key : keys)
            all.push_back({fmt::format("{}.{}", table, key.name), key.must_be});
    }
    for (const auto& key : rule_keys())
        all.push_back({fmt::format("{}.{}.{}", rules_table, rules_key, key.name), std::string(key.must_be)});
    return all;
}

std::optional<Backend> backend_named(std::string_view word) {
    for (const auto backend : {Backend::automatic, Backend::tracepoint, Backend::kprobe}) {
        if (word == name_of(backend))
            return backend;
    }
    return std::nullopt;
}

namespace {

// On top of what is known already.
Result<void> add_text(std::string_view text, const std::string& path, Config& config) {
    toml::table document;
    try {
        document = toml::parse(text, path);
    } catch (const toml::parse_error& error) {
        return fail({EINVAL, fmt::format("{}:{}: {}", printable(path), error.source().begin.line,
                                         printable(error.description()))});
    }
    for (const auto& [key, node] : document) {
        if (auto read = read_key(path, key.str(), node, config); !read)
            return fail(read.error());
    }
    config.files.push_back(path);
    return {};
}

// Nothing that opening or reading it could wait for, or that has no end.
Result<std::string> read_text(const std::string& path) {
    const auto failed = [&] {
        return fail(Error::from_errno(fmt::format("reading the configuration {}", printable(path))));
    };
    const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    struct stat status {};
    if (!file || ::fstat(file.get(), &status) != 0)
        return failed();
    if (!S_ISREG(status.st_mode))
        return fail(
            {EINVAL, fmt::format("reading the configuration {}: it is no regular file", printable(path))});
    if (status.st_size > largest_file)
        return fail({EFBIG, fmt::format("reading the configuration {}: it has more than {} bytes",
                                        printable(path), largest_file)});
    std::string text(static_cast<std::size_t>(status.st_size), '\0');
    std::size_t length = 0;
    while (length < text.size()) {
        const auto got = ::read(file.get(), &text[length], text.size() - length);
        if (got < 0)
            return failed();
        if (got == 0)
            break;
        length += static_cast<std::size_t>(got);
    }
    text.resize(length);
    return text;
}

Result<void> add_file(const std::string& path, Config& config) {
    const auto text = read_text(path);
    if (!text)
        return fail(text.error());
    return add_text(*text, path, config);
}

Result<std::vector<std::string>> drop_ins_of(const std::string& path) {
    namespace fs = std::filesystem;
    auto folder = fs::path(path);
    folder.replace_extension(".d");
    std::vector<std::string> files;
    std::error_code error;
    for (fs::directory_iterator entry(folder, error); !error && entry != fs::directory_iterator();
         entry.increment(error)) {
        const auto name = entry->path().filename().string();
        if (name.ends_with(".toml") && !name.starts_with('.'))
            files.push_back(entry->path().string());
    }
    if (error && error != std::errc::no_such_file_or_directory)
        return fail({error.value(), fmt::format("reading the configuration in {}: {}",
                                                printable(folder.string()), error.message())});
    std::ranges::sort(files);
    return files;
}

} // namespace

Result<Config> parse_config(std::string_view text, const std::string& path) {
    Config config;
    if (auto added = add_text(text, path, config); !added)
        return fail(added.error());
    if (auto checked = check_policy(config); !checked)
        return fail(checked.error());
    return config;
}

Result<Config> load_config(const std::optional<std::string>& path) {
    const std::string chosen = path.value_or(default_config_path);
    Config config;
    std::error_code ignored;
    if (path || std::filesystem::exists(chosen, ignored)) {
        if (auto added = add_file(chosen, config); !added)
            return fail(added.error());
    }
    const auto drop_ins = drop_ins_of(chosen);
    if (!drop_ins)
        return fail(drop_ins.error());
    for (const auto& file : *drop_ins) {
        if (auto added = add_file(file, config); !added)
            return fail(added.error());
    }
    if (auto checked = check_policy(config); !checked)
        return fail(checked.error());
    return config;
}

} // namespace disarmd
