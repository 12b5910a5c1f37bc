// SPDX-License-Identifier: Apache-2.0
#include "sinks/sink.h"

#include <gtest/gtest.h>

#include "builders.h"

namespace disarmd {
namespace {

Config::Sinks without_kmsg() {
    Config::Sinks config;
    config.kmsg = false;
    return config;
}

TEST(OpenSinks, opens_none_where_none_is_asked_for) {
    const auto sinks = open_sinks(without_kmsg());
    ASSERT_TRUE(sinks) << sinks.error().text();
    EXPECT_TRUE(sinks->empty());
}

TEST(OpenSinks, opens_the_json_file) {
    const test::TemporaryFolder folder;
    auto config = without_kmsg();
    config.json_file = folder.file("incidents.json");
    const auto sinks = open_sinks(config);
    ASSERT_TRUE(sinks) << sinks.error().text();
    ASSERT_EQ(sinks->size(), 1U);
    EXPECT_EQ(sinks->front()->name(), "json_file");
    ASSERT_TRUE(sinks->front()->write(test::leaking_unload()));
    EXPECT_FALSE(test::content_of(*config.json_file).empty());
}

TEST(OpenSinks, opens_the_file_of_every_unload_beside_it) {
    const test::TemporaryFolder folder;
    auto config = without_kmsg();
    config.json_file = folder.file("incidents.json");
    config.unloads_file = folder.file("unloads.json");
    const auto sinks = open_sinks(config);
    ASSERT_TRUE(sinks) << sinks.error().text();
    ASSERT_EQ(sinks->size(), 2U);
    EXPECT_EQ((*sinks)[0]->name(), "json_file");
    EXPECT_EQ((*sinks)[1]->name(), "unloads_file");
    EXPECT_FALSE((*sinks)[0]->takes(test::clean_unload()));
    EXPECT_TRUE((*sinks)[1]->takes(test::clean_unload()));
    config.unloads_file = folder.file("absent/unloads.json");
    EXPECT_FALSE(open_sinks(config));
}

TEST(OpenSinks, fails_at_once_where_a_sink_cant_be_opened) {
    const test::TemporaryFolder folder;
    auto config = without_kmsg();
    config.json_file = folder.file("absent/incidents.json");
    const auto sinks = open_sinks(config);
    ASSERT_FALSE(sinks);
    EXPECT_EQ(sinks.error().code(), ENOENT);
}

} // namespace
} // namespace disarmd
