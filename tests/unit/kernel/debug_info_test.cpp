// SPDX-License-Identifier: Apache-2.0
#include "kernel/debug_info.h"

#include <cerrno>
#include <filesystem>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "builders.h"

namespace disarmd {
namespace {

using testing::HasSubstr;

// Of the calls, wherever the compiler has put them.
std::set<std::string> lines_of(const DebugInfo& info, const std::string& function) {
    std::set<std::string> lines;
    for (std::uint64_t offset = 0; offset < 0x1000; ++offset) {
        if (const auto line = info.line_before(function, offset))
            lines.insert(line->substr(line->rfind('/') + 1));
    }
    return lines;
}

TEST(DebugInfo, tells_the_lines_of_a_function_in_any_section) {
    const auto info = DebugInfo::open(DISARMD_MODULE_FILE);
    ASSERT_TRUE(info) << info.error().text();
    EXPECT_THAT(lines_of(*info, "m_init"), testing::IsSupersetOf({"module_file.c:17", "module_file.c:19"}));
    EXPECT_THAT(lines_of(*info, "m_probe"),
                testing::IsSupersetOf({"module_file.c:23", "module_file.c:25", "module_file.c:27"}));
    EXPECT_FALSE(lines_of(*info, "m_probe").contains("module_file.c:17"));
}

TEST(DebugInfo, tells_no_line_of_what_is_not_within_a_function) {
    const auto info = DebugInfo::open(DISARMD_MODULE_FILE);
    ASSERT_TRUE(info) << info.error().text();
    EXPECT_EQ(info->line_before("m_init", 0), std::nullopt) << "before its begin";
    EXPECT_NE(info->line_before("m_init", 1), std::nullopt);
    for (const std::uint64_t beyond : {std::uint64_t{0x1000}, UINT64_MAX})
        EXPECT_EQ(info->line_before("m_init", beyond), std::nullopt) << beyond;
    for (const auto* const other : {"", "m_ini", "add_timer", "license", "m_init [m]"})
        EXPECT_EQ(info->line_before(other, 1), std::nullopt) << other;
}

TEST(DebugInfo, tells_what_modinfo_shows) {
    const auto info = DebugInfo::open(DISARMD_MODULE_FILE);
    ASSERT_TRUE(info) << info.error().text();
    EXPECT_EQ(info->modinfo("license"), "GPL");
    EXPECT_EQ(info->modinfo("srcversion"), "0123456789ABCDEF01234567");
    EXPECT_EQ(info->modinfo("vermagic"), "6.1.0-1-amd64 SMP preempt mod_unload modversions ");
    for (const auto* const other : {"", "lic", "license=", "version"})
        EXPECT_EQ(info->modinfo(other), "") << other;
}

TEST(DebugInfo, is_refused_where_there_is_none) {
    const auto expect_refused = [](const std::string& path, int code, const std::string& text) {
        const auto info = DebugInfo::open(path);
        ASSERT_FALSE(info) << path;
        EXPECT_EQ(info.error().code(), code) << path;
        EXPECT_THAT(info.error().text(), HasSubstr(path));
        EXPECT_THAT(info.error().text(), HasSubstr(text));
    };
    const test::TemporaryFolder folder;
    expect_refused(folder.file("absent"), ENOENT, "No such file");
    expect_refused(folder.path(), EINVAL, "is no file");
    test::write_file(folder.file("empty"), "");
    expect_refused(folder.file("empty"), ENOEXEC, "is no module");
    test::write_file(folder.file("text"), "no ELF file");
    expect_refused(folder.file("text"), ENOEXEC, "is no module");
    expect_refused("/proc/self/exe", ENOEXEC, "is no module");
    expect_refused(DISARMD_MODULE_FILE_STRIPPED, ENODATA, "no debug information");
    // Whatever part of it there is.
    const auto whole = test::content_of(DISARMD_MODULE_FILE);
    for (std::size_t size = 0; size < whole.size(); size += 97) {
        test::write_file(folder.file("part"), whole.substr(0, size));
        if (const auto info = DebugInfo::open(folder.file("part")))
            lines_of(*info, "m_init");
    }
}

TEST(InstalledModule, is_nothing_for_a_kernel_that_is_not_installed) {
    for (const auto* const release : {"", "0.0.0-none", "../modules", ".."})
        EXPECT_EQ(installed_module("m", release), std::nullopt) << release;
}

} // namespace
} // namespace disarmd
