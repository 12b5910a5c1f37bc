// SPDX-License-Identifier: Apache-2.0
//
// What the manual names is there, and what is there is in the manual.
#include <filesystem>
#include <regex>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/config.h"
#include "metrics/catalogue.h"
#include "papers.h"
#include "sinks/journal.h"
#include "verdict/losses.h"

namespace disarmd::tests {

namespace {

using testing::Contains;
using testing::HasSubstr;

const std::string& page_of_commands() {
    static const auto page = source("docs/disarmd.8.scd");
    return page;
}

const std::map<std::string, std::string>& page_of_settings() {
    static const auto sections = [] {
        std::map<std::string, std::string> entries;
        for (const auto& [section, text] : sections_of(source("docs/disarmd.toml.5.scd"))) {
            if (!section.starts_with("SETTINGS"))
                continue;
            // "SETTINGS/[limits]", "SETTINGS/[[policy.rule]]"
            const auto table = std::regex_replace(section.substr(8), std::regex(R"([/\[\]])"), "");
            for (const auto& [key, entry] : entries_of(text))
                entries[table.empty() ? key : table + "." + key] = entry;
        }
        return entries;
    }();
    return sections;
}

template <typename Value>
Names keys_of(const std::map<std::string, Value>& map) {
    Names names;
    for (const auto& entry : map)
        names.insert(entry.first);
    return names;
}

Names union_of(Names names, const Names& others) {
    names.insert(others.begin(), others.end());
    return names;
}

TEST(Settings, are_those_of_the_manual) {
    Names known;
    for (const auto& setting : settings())
        known.insert(setting.name);
    EXPECT_GE(known.size(), 20U);
    EXPECT_EQ(keys_of(page_of_settings()), known);
}

TEST(Settings, may_be_what_the_manual_says) {
    for (const auto& setting : settings()) {
        auto must_be = setting.must_be;
        EXPECT_THAT(page_of_settings(), Contains(testing::Pair(setting.name, HasSubstr(must_be.substr(1)))))
            << must_be;
    }
}

// What a file sets; whoever adds to these structures has to add here.
auto values_of(const Config& config) {
    const auto& [sinks, metrics, probe, policy, files] = config;
    const auto& [kmsg, journal, ledger, pmsg, hold, ledger_path, retention, hooks_folder, hook_timeout,
                 json_file, unloads_file] = sinks;
    const auto& [age, unloads_kept] = retention;
    const auto& [backend, tracks, armed_timers, unloads, scan_steps, enforces, shares, inherits] = probe;
    const auto& [rules, drain, panic_confirmed] = policy;
    return std::make_tuple(kmsg, journal, ledger, pmsg, hold, ledger_path, age, unloads_kept, hooks_folder,
                           hook_timeout, json_file, unloads_file, metrics.enabled, metrics.listen, backend,
                           tracks, armed_timers, unloads, scan_steps, drain, panic_confirmed, rules.size());
}

// The manual's defaults, as a file.
std::string defaults_as_toml() {
    std::map<std::string, std::string> tables;
    for (const auto& [name, entry] : page_of_settings()) {
        std::smatch value;
        if (name.starts_with("policy.rule.") ||
            !std::regex_search(entry, value, std::regex("Default: (.*)\n")) || value[1] == "none")
            continue;
        const auto dot = name.rfind('.');
        const auto table = dot == std::string::npos ? "" : name.substr(0, dot);
        const auto key = dot == std::string::npos ? name : name.substr(dot + 1);
        tables[table] += fmt::format("{} = {}\n", key, value[1].str());
    }
    auto text = tables[""];
    tables.erase("");
    for (const auto& [table, lines] : tables)
        text += fmt::format("[{}]\n{}", table, lines);
    return text;
}

TEST(Settings, have_the_defaults_of_the_manual) {
    for (const auto& [name, entry] : page_of_settings())
        EXPECT_TRUE(entry.find("Default: ") != std::string::npos || name == "policy.rule.module") << name;
    const auto text = defaults_as_toml();
    const auto config = parse_config(text, "manual");
    ASSERT_TRUE(config) << config.error().text() << "\n" << text;
    EXPECT_EQ(values_of(*config), values_of(Config{})) << text;

    const auto rules = parse_config("[[policy.rule]]\nmodule = \"m\"\n[[policy.rule]]\nmodule = "
                                    "\"m\"\non_unload = \"allow\"\non_leak = \"alert\"",
                                    "rules");
    ASSERT_TRUE(rules) << rules.error().text();
    EXPECT_EQ(rules->policy.rules[0].on_unload, rules->policy.rules[1].on_unload);
    EXPECT_EQ(rules->policy.rules[0].on_leak, rules->policy.rules[1].on_leak);
    EXPECT_THAT(page_of_settings().at("policy.rule.on_unload"), HasSubstr("Default: \"allow\"\n"));
    EXPECT_THAT(page_of_settings().at("policy.rule.on_leak"), HasSubstr("Default: \"alert\"\n"));
}

TEST(Settings, of_the_manuals_example_are_right) {
    const auto sections = sections_of(source("docs/disarmd.toml.5.scd"));
    const auto& text = sections.at("EXAMPLE");
    const auto begin = text.find("```\n") + 4;
    const auto config = parse_config(text.substr(begin, text.find("```", begin) - begin), "example");
    ASSERT_TRUE(config) << config.error().text();
    EXPECT_EQ(config->policy.rules.size(), 2U);
}

// The file that is installed: its comments are settings.
TEST(Settings, of_the_installed_file_are_right_and_all_there) {
    const auto text = source("systemd/disarmd.toml");
    const auto config = parse_config(
        std::regex_replace(text, std::regex(R"(^#(\[|[a-z_]+ = ))", std::regex::multiline), "$1"),
        "installed");
    ASSERT_TRUE(config) << config.error().text();
    for (const auto& setting : settings()) {
        const auto key = setting.name.substr(setting.name.rfind('.') + 1);
        const bool is_there = text.find("\n#" + key + " = ") != std::string::npos;
        EXPECT_EQ(is_there, key != "srcversion") << key; // of one build: nobody's default
    }
}

TEST(Journal, has_the_fields_of_the_manual) {
    const auto code = matches(source("daemon/sinks/journal.cpp"), R"re("(DISARMD_[A-Z_]+)")re");
    EXPECT_GE(code.size(), 16U);
    const auto sections = sections_of(page_of_commands());
    EXPECT_EQ(keys_of(entries_of(sections.at("JOURNAL"))), code);
    for (const auto* const id :
         {leak_message_id, inconclusive_message_id, denied_message_id, allowed_message_id}) {
        EXPECT_THAT(sections.at("JOURNAL"), HasSubstr(id));
        EXPECT_THAT(source("systemd/disarmd.catalog"), HasSubstr(fmt::format("\n-- {}\n", id)));
    }
    EXPECT_EQ(matches(sections.at("JOURNAL"), "_([0-9a-f]{32})_"),
              matches(source("daemon/sinks/journal.h"), "\"([0-9a-f]{32})\""));
}

TEST(Journal, has_the_fields_of_its_catalog) {
    const auto code = matches(source("daemon/sinks/journal.cpp"), R"re("(DISARMD_[A-Z_]+)")re");
    for (const auto& field : matches(source("systemd/disarmd.catalog"), "@([A-Z_]+)@"))
        EXPECT_THAT(code, Contains(field));
}

TEST(Environment, has_the_variables_of_the_manual) {
    const auto sections = sections_of(page_of_commands());
    const auto of_hooks = matches(source("daemon/sinks/hooks.cpp"), R"re("(DISARMD_[A-Z_]+)=)re");
    const auto of_the_host = matches(source("daemon/kernel/host.h"), R"re("(DISARMD_[A-Z_]+)")re");
    EXPECT_EQ(matches(sections.at("ENVIRONMENT"), R"(\*(DISARMD_[A-Z_]+)\*)"),
              union_of(of_hooks, of_the_host));
}

Names metric_names() {
    Names names;
    for (const auto& metric : metric_catalogue())
        names.insert(std::string(metric.name));
    return names;
}

TEST(Metrics, are_those_of_their_page) {
    const auto page = source("docs/metrics.md");
    std::string table;
    for (const auto& metric : metric_catalogue()) {
        const auto labels = std::regex_replace(std::string(metric.labels), std::regex(","), ", ");
        table +=
            fmt::format("| `{}` | {} | {} | {} |\n", metric.name, name_of(metric.kind), labels, metric.help);
    }
    EXPECT_THAT(page, HasSubstr(table));
    EXPECT_EQ(matches(page, R"(^\| `(disarmd_[a-z_]+)` )"), metric_names());
}

TEST(Metrics, have_the_reasons_of_losses_of_their_page) {
    const auto page = source("docs/metrics.md");
    Names reasons;
    for (std::size_t loss = 0; loss < abi::LOSS_MAX; ++loss) {
        reasons.emplace(name_of_loss(loss));
        EXPECT_THAT(page,
                    HasSubstr(fmt::format("\n| `{}` | {} |\n", name_of_loss(loss), describe_loss(loss))));
    }
    EXPECT_EQ(matches(page.substr(page.find("## Losses")), R"(^\| `([a-z_]+)` \|)"), reasons);
}

// Of alerts, of the dashboard and of guides: a name that nothing has is a graph that stays empty.
TEST(Metrics, that_others_ask_for_are_there) {
    const auto known = metric_names();
    for (const auto* const file :
         {"packaging/prometheus/disarmd.rules.yml", "packaging/grafana/disarmd.json"}) {
        const auto asked = matches(source(file), R"(\b(disarmd_[a-z_]+)\b)");
        EXPECT_GE(asked.size(), 8U) << file;
        EXPECT_THAT(asked, testing::IsSubsetOf(known)) << file;
    }
}

TEST(ExitCodes, are_those_of_the_manual_the_help_and_the_readme) {
    const auto code = matches(source("daemon/cli/exit_code.h"), R"(^    [a-z_]+ = ([0-9]+),)");
    EXPECT_GE(code.size(), 6U);
    const auto sections = sections_of(page_of_commands());
    EXPECT_EQ(keys_of(entries_of(sections.at("EXIT STATUS"))), code);
    EXPECT_EQ(matches(help_of(""), R"(^ +([0-9]+)  )"), code);
    EXPECT_EQ(matches(source("README.md"), R"(^\| ([0-9]+) \|)"), code);
}

TEST(Commands, are_those_of_the_manual) {
    const auto known = commands();
    EXPECT_GE(known.size(), 8U);
    Names told;
    for (const auto& [section, text] : sections_of(page_of_commands())) {
        if (section.starts_with("COMMANDS/disarmd "))
            told.insert(section.substr(std::string("COMMANDS/disarmd ").size()));
    }
    EXPECT_EQ(told, union_of(known, {"--watch-unload"}));
}

Names options_told_in(const std::string& section) {
    Names names;
    for (const auto& line : lines_of(section)) {
        if (!line.starts_with('*'))
            continue;
        for (const auto& name : matches(line, R"(\*(--[a-z-]+)\*)"))
            names.insert(name);
    }
    names.erase("--help");
    return names;
}

TEST(Options, are_those_of_the_manual) {
    const auto sections = sections_of(page_of_commands());
    for (const auto& command : commands())
        EXPECT_EQ(options_told_in(sections.at("COMMANDS/disarmd " + command)), options_of(command))
            << command;
    const auto told = union_of(union_of(options_told_in(sections.at("OPTIONS")), options_of("run")),
                               options_told_in(sections.at("COMMANDS/disarmd --watch-unload")));
    EXPECT_EQ(told, options_of(""));
}

TEST(Options, of_the_synopses_are_known) {
    auto known = options_of("");
    for (const auto& command : commands())
        known = union_of(known, options_of(command));
    const auto sections = sections_of(page_of_commands());
    for (const auto& name : matches(sections.at("SYNOPSIS"), R"((--[a-z][a-z-]*))"))
        EXPECT_THAT(known, Contains(name));
    for (const auto& name :
         matches(help_of("").substr(0, help_of("").find("Options:")), R"((--[a-z][a-z-]*))"))
        EXPECT_THAT(known, Contains(name));
}

TEST(Guides, name_journal_fields_that_there_are) {
    const auto known = matches(page_of_commands(), R"(\*(DISARMD_[A-Z_]+)\*)");
    for (const auto* const guide :
         {"operators.md", "driver-developers.md", "records.md", "how-it-works.md"}) {
        for (const auto& field : matches(source(std::string("docs/") + guide), "(DISARMD_[A-Z_]+)="))
            EXPECT_THAT(known, Contains(field)) << guide;
    }
}

// Command lines in the guides: those that begin a line, and those within `...`.
TEST(Guides, name_commands_and_options_that_there_are) {
    const auto known = commands();
    const std::regex lines(R"((^|`|# )disarmd((?: +[^\s`#]+)+))",
                           std::regex::ECMAScript | std::regex::multiline);
    std::vector<std::string> guides{"README.md"};
    for (const auto& entry : std::filesystem::directory_iterator(DISARMD_SOURCE "/docs")) {
        if (entry.path().extension() == ".md")
            guides.push_back("docs/" + entry.path().filename().string());
    }
    std::size_t seen = 0;
    for (const auto& guide : guides) {
        const auto text = source(guide);
        for (std::sregex_iterator match(text.begin(), text.end(), lines); match != std::sregex_iterator();
             ++match) {
            const auto line = (*match)[2].str();
            const auto own = line.substr(0, line.find(" -- "));
            const auto first = matches(own, R"(^ +([a-z][a-z-]*)(?: |$))");
            const bool is_known = !first.empty() && known.contains(*first.begin());
            if (!is_known && (*match)[1].length() == 0 && own.find(" --") == std::string::npos)
                continue; // a sentence
            EXPECT_TRUE(is_known || first.empty()) << guide << ": disarmd" << line;
            const auto command = is_known ? *first.begin() : "";
            ++seen;
            const auto options = union_of(options_of(command), {"--help"});
            for (const auto& name : matches(own, R"( (--[a-z][a-z-]*))"))
                EXPECT_THAT(options, Contains(name)) << guide << ": disarmd" << line;
        }
    }
    EXPECT_GE(seen, 10U);
}

TEST(Guides, link_to_what_is_there) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(DISARMD_SOURCE "/docs")) {
        if (entry.path().extension() != ".md")
            continue;
        const auto path = std::filesystem::relative(entry.path(), DISARMD_SOURCE);
        for (const auto& link : matches(source(path.string()), R"(\]\(([^)#:]+)(?:#[^)]*)?\))"))
            EXPECT_TRUE(std::filesystem::exists(entry.path().parent_path() / link)) << path << ": " << link;
    }
}

} // namespace

} // namespace disarmd::tests
