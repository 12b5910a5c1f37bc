// SPDX-License-Identifier: Apache-2.0
#include "sinks/json_file.h"

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "builders.h"
#include "incident/json.h"

namespace disarmd {
namespace {

using testing::HasSubstr;

constexpr auto incidents = JsonFileSink::Content::incidents;

// The documents of a file, one a line.
std::vector<nlohmann::ordered_json> documents_in(const std::string& path) {
    const auto text = test::content_of(path);
    EXPECT_TRUE(text.empty() || text.ends_with('\n'));
    std::vector<nlohmann::ordered_json> documents;
    for (const auto& line : test::lines_of(text))
        documents.push_back(nlohmann::ordered_json::parse(line));
    return documents;
}

TEST(JsonFileSink, writes_one_document_a_line) {
    const test::TemporaryFolder folder;
    const auto path = folder.file("incidents.json");
    auto sink = JsonFileSink::open(path, incidents);
    ASSERT_TRUE(sink) << sink.error().text();
    EXPECT_EQ((*sink)->name(), "json_file");
    EXPECT_TRUE(std::filesystem::exists(path)) << "opening tries the file";
    ASSERT_TRUE((*sink)->write(test::incident_of(test::leaking_unload())));
    ASSERT_TRUE((*sink)->write(test::incident_of(test::inconclusive_unload())));
    const auto documents = documents_in(path);
    ASSERT_EQ(documents.size(), 2U);
    EXPECT_EQ(documents[0], to_json(test::incident_of(test::leaking_unload())));
    EXPECT_EQ(documents[1], to_json(test::incident_of(test::inconclusive_unload())));
}

TEST(JsonFileSink, of_incidents_leaves_out_what_was_clean) {
    const test::TemporaryFolder folder;
    const auto sink = JsonFileSink::open(folder.file("incidents.json"), incidents);
    ASSERT_TRUE(sink) << sink.error().text();
    EXPECT_TRUE((*sink)->takes(test::incident_of(test::leaking_unload())));
    EXPECT_TRUE((*sink)->takes(test::incident_of(test::inconclusive_unload())));
    EXPECT_FALSE((*sink)->takes(test::incident_of(test::clean_unload())));
}

TEST(JsonFileSink, of_every_unload_takes_all_verdicts_and_writes_the_same_documents) {
    const test::TemporaryFolder folder;
    const auto path = folder.file("unloads.json");
    const auto sink = JsonFileSink::open(path, JsonFileSink::Content::every_unload);
    ASSERT_TRUE(sink) << sink.error().text();
    EXPECT_EQ((*sink)->name(), "unloads_file");
    const std::vector<Incident> written{test::incident_of(test::clean_unload()),
                                        test::incident_of(test::leaking_unload()),
                                        test::incident_of(test::inconclusive_unload())};
    for (const auto& incident : written) {
        EXPECT_TRUE((*sink)->takes(incident));
        ASSERT_TRUE((*sink)->write(incident));
    }
    const auto documents = documents_in(path);
    ASSERT_EQ(documents.size(), written.size());
    for (std::size_t i = 0; i < written.size(); ++i)
        EXPECT_EQ(documents[i], to_json(written[i]));
}

TEST(JsonFileSink, after_a_line_that_was_cut_off_begins_a_new_one) {
    const test::TemporaryFolder folder;
    const auto path = folder.file("incidents.json");
    std::ofstream(path) << "{\"schema\":1,\"id\":\"cut";
    auto sink = JsonFileSink::open(path, incidents);
    ASSERT_TRUE(sink) << sink.error().text();
    const auto incident = test::incident_of(test::leaking_unload());
    ASSERT_TRUE((*sink)->write(incident));
    const auto lines = test::lines_of(test::content_of(path));
    ASSERT_EQ(lines.size(), 2U);
    EXPECT_EQ(lines[0], "{\"schema\":1,\"id\":\"cut");
    EXPECT_EQ(nlohmann::ordered_json::parse(lines[1]), to_json(incident));
}

TEST(JsonFileSink, keeps_what_the_file_held) {
    const test::TemporaryFolder folder;
    const auto path = folder.file("incidents.json");
    for (int run = 0; run < 2; ++run) {
        auto sink = JsonFileSink::open(path, incidents);
        ASSERT_TRUE(sink) << sink.error().text();
        ASSERT_TRUE((*sink)->write(test::incident_of(test::leaking_unload())));
    }
    EXPECT_EQ(documents_in(path).size(), 2U);
}

TEST(JsonFileSink, writes_to_a_new_file_after_the_old_one_was_rotated) {
    const test::TemporaryFolder folder;
    const auto path = folder.file("incidents.json");
    auto sink = JsonFileSink::open(path, incidents);
    ASSERT_TRUE(sink) << sink.error().text();
    ASSERT_TRUE((*sink)->write(test::incident_of(test::leaking_unload())));
    std::filesystem::rename(path, folder.file("incidents.json.1"));
    ASSERT_TRUE((*sink)->write(test::incident_of(test::inconclusive_unload())));
    const auto old_documents = documents_in(folder.file("incidents.json.1"));
    ASSERT_EQ(old_documents.size(), 1U);
    EXPECT_EQ(old_documents[0]["verdict"], "leak");
    const auto new_documents = documents_in(path);
    ASSERT_EQ(new_documents.size(), 1U);
    EXPECT_EQ(new_documents[0]["verdict"], "inconclusive");
}

TEST(JsonFileSink, creates_a_file_that_others_cant_read) {
    const test::TemporaryFolder folder;
    ASSERT_TRUE(JsonFileSink::open(folder.file("incidents.json"), incidents));
    const auto permissions = std::filesystem::status(folder.file("incidents.json")).permissions();
    EXPECT_EQ(permissions & std::filesystem::perms::others_all, std::filesystem::perms::none);
    EXPECT_EQ(permissions & std::filesystem::perms::owner_all,
              std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
}

TEST(JsonFileSink, a_line_stays_a_line_whatever_the_names) {
    const test::TemporaryFolder folder;
    auto incident = test::incident_of(test::leaking_unload());
    incident.unload.module = "m\n\xff";
    auto sink = JsonFileSink::open(folder.file("incidents.json"), incidents);
    ASSERT_TRUE(sink) << sink.error().text();
    ASSERT_TRUE((*sink)->write(incident));
    const auto documents = documents_in(folder.file("incidents.json"));
    ASSERT_EQ(documents.size(), 1U);
    EXPECT_EQ(documents[0]["module"], "m\n\xef\xbf\xbd");
}

TEST(JsonFileSink, cant_be_opened_where_there_is_no_folder) {
    const test::TemporaryFolder folder;
    const auto path = folder.file("absent/incidents.json");
    const auto sink = JsonFileSink::open(path, incidents);
    ASSERT_FALSE(sink);
    EXPECT_EQ(sink.error().code(), ENOENT);
    EXPECT_EQ(sink.error().text(), "opening " + path + ": No such file or directory");
}

TEST(JsonFileSink, says_so_when_the_folder_has_gone_since) {
    const test::TemporaryFolder folder;
    std::filesystem::create_directory(folder.file("log"));
    const auto path = folder.file("log/incidents.json");
    auto sink = JsonFileSink::open(path, incidents);
    ASSERT_TRUE(sink) << sink.error().text();
    std::filesystem::remove_all(folder.file("log"));
    const auto written = (*sink)->write(test::incident_of(test::leaking_unload()));
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().code(), ENOENT);
    EXPECT_THAT(written.error().text(), HasSubstr(path));
}

TEST(JsonFileSink, says_so_when_the_device_is_full) {
    auto sink = JsonFileSink::open("/dev/full", incidents);
    ASSERT_TRUE(sink) << sink.error().text();
    const auto written = (*sink)->write(test::incident_of(test::leaking_unload()));
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().code(), ENOSPC);
    EXPECT_EQ(written.error().text(), "writing to /dev/full: No space left on device");
}

} // namespace
} // namespace disarmd
