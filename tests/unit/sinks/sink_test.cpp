// SPDX-License-Identifier: Apache-2.0
#include "sinks/sink.h"

#include <functional>
#include <ostream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "builders.h"
#include "sinks/journal.h"
#include "sinks/pmsg.h"

namespace disarmd {
namespace {

using testing::ElementsAre;

Config::Sinks with_nothing() {
    Config::Sinks config;
    config.kmsg = false;
    config.journal = false;
    config.ledger = false;
    config.pmsg = false;
    config.hooks_folder.clear();
    return config;
}

std::vector<std::string> names_of(const Config::Sinks& config) {
    const auto sinks = open_sinks(config);
    if (!sinks) {
        ADD_FAILURE() << sinks.error().text();
        return {};
    }
    std::vector<std::string> names;
    for (const auto& sink : *sinks)
        names.emplace_back(sink->name());
    return names;
}

TEST(OpenSinks, opens_none_where_none_is_asked_for) {
    EXPECT_THAT(names_of(with_nothing()), ElementsAre());
}

struct SwitchCase {
    std::string_view name;
    std::function<void(Config::Sinks&)> turn_on;
    bool there = true; // on this host

    friend void PrintTo(const SwitchCase& value, std::ostream* out) { *out << value.name; }
};

std::vector<SwitchCase> switches() {
    return {{"kmsg", [](auto& config) { config.kmsg = true; }, ::access("/dev/kmsg", W_OK) == 0},
            {"journal", [](auto& config) { config.journal = true; }, JournalSink::is_there()},
            {"ledger", [](auto& config) { config.ledger = true; }},
            {"pmsg", [](auto& config) { config.pmsg = true; }, ::access(PmsgSink::default_path, F_OK) == 0},
            {"hooks", [](auto& config) { config.hooks_folder = "/absent"; }},
            {"json_file", [](auto& config) { config.json_file = "/dev/null"; }},
            {"unloads_file", [](auto& config) { config.unloads_file = "/dev/null"; }}};
}

TEST(OpenSinks, each_setting_is_one_sinks_where_the_host_has_what_it_wants) {
    for (const auto& setting : switches()) {
        auto config = with_nothing();
        setting.turn_on(config);
        if (setting.name == "kmsg" && !setting.there)
            continue; // an error, as it should be there
        if (setting.there)
            EXPECT_THAT(names_of(config), ElementsAre(std::string(setting.name)));
        else
            EXPECT_THAT(names_of(config), ElementsAre()) << setting.name;
    }
}

TEST(OpenSinks, opens_all_of_them_in_the_order_in_which_an_incident_should_reach_them) {
    auto config = with_nothing();
    std::vector<std::string> expected;
    for (const auto& setting : switches()) {
        if (setting.name == "kmsg" && !setting.there)
            continue;
        setting.turn_on(config);
        if (setting.there)
            expected.emplace_back(setting.name);
    }
    EXPECT_EQ(names_of(config), expected);
}

TEST(OpenSinks, tries_neither_the_ledger_nor_the_folder_of_hooks) {
    const test::TemporaryFolder folder;
    test::write_file(folder.file("file"), "");
    auto config = with_nothing();
    config.ledger = true;
    config.ledger_path = folder.file("file/ledger.db");
    config.hooks_folder = folder.file("file");
    EXPECT_THAT(names_of(config), ElementsAre("ledger", "hooks"));
}

TEST(OpenSinks, only_the_ledger_and_the_file_of_every_unload_take_what_was_clean) {
    auto config = with_nothing();
    for (const auto& setting : switches()) {
        if (setting.name != "kmsg" || setting.there)
            setting.turn_on(config);
    }
    const auto sinks = open_sinks(config);
    ASSERT_TRUE(sinks) << sinks.error().text();
    for (const auto& sink : *sinks) {
        const bool every = sink->name() == "ledger" || sink->name() == "unloads_file";
        EXPECT_EQ(sink->takes(test::incident_of(test::clean_unload())), every) << sink->name();
        EXPECT_TRUE(sink->takes(test::incident_of(test::leaking_unload()))) << sink->name();
        EXPECT_TRUE(sink->takes(test::incident_of(test::inconclusive_unload()))) << sink->name();
        EXPECT_EQ(sink->is_immediate(), sink->name() == "kmsg" || sink->name() == "pmsg") << sink->name();
    }
}

TEST(OpenSinks, opens_the_json_file) {
    const test::TemporaryFolder folder;
    auto config = with_nothing();
    config.json_file = folder.file("incidents.json");
    const auto sinks = open_sinks(config);
    ASSERT_TRUE(sinks) << sinks.error().text();
    ASSERT_EQ(sinks->size(), 1U);
    EXPECT_EQ(sinks->front()->name(), "json_file");
    ASSERT_TRUE(sinks->front()->write(test::incident_of(test::leaking_unload())));
    EXPECT_FALSE(test::content_of(*config.json_file).empty());
}

TEST(OpenSinks, opens_the_file_of_every_unload_beside_it) {
    const test::TemporaryFolder folder;
    auto config = with_nothing();
    config.json_file = folder.file("incidents.json");
    config.unloads_file = folder.file("unloads.json");
    const auto sinks = open_sinks(config);
    ASSERT_TRUE(sinks) << sinks.error().text();
    ASSERT_EQ(sinks->size(), 2U);
    EXPECT_EQ((*sinks)[0]->name(), "json_file");
    EXPECT_EQ((*sinks)[1]->name(), "unloads_file");
    EXPECT_FALSE((*sinks)[0]->takes(test::incident_of(test::clean_unload())));
    EXPECT_TRUE((*sinks)[1]->takes(test::incident_of(test::clean_unload())));
    config.unloads_file = folder.file("absent/unloads.json");
    EXPECT_FALSE(open_sinks(config));
}

TEST(OpenSinks, fails_at_once_where_a_sink_cant_be_opened) {
    const test::TemporaryFolder folder;
    auto config = with_nothing();
    config.json_file = folder.file("absent/incidents.json");
    const auto sinks = open_sinks(config);
    ASSERT_FALSE(sinks);
    EXPECT_EQ(sinks.error().code(), ENOENT);
}

} // namespace
} // namespace disarmd
