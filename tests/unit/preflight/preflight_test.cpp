// SPDX-License-Identifier: Apache-2.0
#include "preflight/preflight.h"

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <random>

#include <elf.h>
#include <sys/stat.h>

#include "builders.h"
#include "preflight/elf_image.h"

namespace disarmd {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::string case_file(const std::string& name) {
    for (const auto& [known, file] :
         std::initializer_list<std::pair<std::string, std::string>>{DISARMD_PREFLIGHT_CASES}) {
        if (known == name)
            return file;
    }
    return "";
}

PreflightReport report_on(const std::string& name) {
    auto report = preflight(case_file(name));
    EXPECT_TRUE(report) << name << ": " << report.error().text();
    return report ? *report : PreflightReport{};
}

// "certain never-deleted timer:callback"
std::vector<std::string> findings_in(const PreflightReport& report) {
    std::vector<std::string> lines;
    for (const auto& finding : report.findings)
        lines.push_back(fmt::format("{} {} {} {}:{}", name_of(finding.certainty), name_of(finding.rule),
                                    name_of(finding.kind), finding.timer, finding.callback));
    return lines;
}

struct Expected {
    const char* name;
    std::vector<std::string> findings;
};

class Case : public testing::TestWithParam<Expected> {};

TEST_P(Case, has_the_findings_that_it_should) {
    EXPECT_EQ(findings_in(report_on(GetParam().name)), GetParam().findings);
}

INSTANTIATE_TEST_SUITE_P(
    Compiled, Case,
    testing::Values(Expected{"NEVER_DELETED", {"certain never-deleted timer timer:callback"}},
                    Expected{"OTHER_DELETED", {"certain never-deleted timer timer:callback"}},
                    Expected{"DELETED", {}}, Expected{"ALLOCATED", {"likely never-deleted timer :callback"}},
                    Expected{"ESCAPES", {"likely never-deleted timer timer:callback"}},
                    Expected{"WAITS", {"possible never-deleted timer timer:last_callback"}}, //
                    Expected{"BY_POINTER", {}},
                    Expected{"NOT_REACHED", {"likely exit-reaches-no-delete timer timer:callback"}},
                    Expected{"RACE", {"race delete-races-with-rearm timer timer:again"}}, //
                    Expected{"NO_RACE", {}},
                    Expected{"LAST_WORD", {"race delete-races-with-rearm timer timer:again"}},
                    Expected{"INIT_FAILS", {"possible init-failure-leaves-it timer timer:callback"}},
                    Expected{"INIT_CLEANS_UP", {}}, //
                    Expected{"NO_EXIT", {}},
                    Expected{"HRTIMER", {"certain never-deleted hrtimer clock:tick"}},
                    Expected{"WORK", {"certain never-deleted delayed_work work:work_function"}},
                    Expected{"AT_ONCE", {}}, //
                    Expected{"SET_UP_WORK", {}}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(Preflight, names_function_section_and_offset) {
    const auto report = report_on("NEVER_DELETED");
    ASSERT_EQ(report.findings.size(), 1U);
    const auto& finding = report.findings[0];
    EXPECT_EQ(finding.function, "init_module");
    EXPECT_EQ(finding.api, "mod_timer");
    EXPECT_EQ(finding.section, ".init.text");
    EXPECT_GT(finding.offset, 0U);
    EXPECT_LT(finding.offset, 64U);
}

TEST(Preflight, tells_what_is_called_and_whether_init_and_exit_get_there) {
    const auto report = report_on("DELETED");
    EXPECT_EQ(report.module, "cases");
    EXPECT_EQ(report.srcversion, "0123456789ABCDEF01234567");
    EXPECT_EQ(report.kernel, "6.1.0-1-amd64");
    EXPECT_TRUE(report.can_be_unloaded);
    ASSERT_EQ(report.uses.size(), 2U);
    EXPECT_EQ(report.uses[0].api, "mod_timer");
    EXPECT_EQ(report.uses[0].init, Reach::yes);
    EXPECT_EQ(report.uses[0].exit, Reach::no);
    EXPECT_EQ(report.uses[1].api, "timer_delete_sync");
    EXPECT_EQ(report.uses[1].calls, 1U);
    EXPECT_THAT(report.uses[1].functions, ElementsAre("stop_it"));
    EXPECT_EQ(report.uses[1].exit, Reach::yes);
    ASSERT_EQ(report.timers.size(), 1U);
    EXPECT_EQ(report.timers[0].callback, "callback");

    const auto by_pointer = report_on("BY_POINTER");
    ASSERT_EQ(by_pointer.uses.size(), 2U);
    EXPECT_EQ(by_pointer.uses[1].exit, Reach::perhaps);
}

TEST(Preflight, finds_the_work_function_of_a_work_that_is_set_up_by_hand) {
    const auto report = report_on("SET_UP_WORK");
    ASSERT_EQ(report.timers.size(), 1U);
    EXPECT_EQ(report.timers[0].kind, TimerKind::delayed_work);
    EXPECT_EQ(report.timers[0].callback, "work_function");
}

TEST(Preflight, passes_what_cannot_be_unloaded_and_says_so) {
    const auto report = report_on("NO_EXIT");
    EXPECT_FALSE(report.can_be_unloaded);
    EXPECT_FALSE(fails(report));
}

TEST(Preflight, fails_for_what_is_certain_or_likely_alone) {
    PreflightReport report;
    EXPECT_FALSE(fails(report));
    for (const auto weak : {Certainty::race, Certainty::possible}) {
        report.findings.assign(1, Finding{});
        report.findings[0].certainty = weak;
        EXPECT_FALSE(fails(report));
    }
    for (const auto grave : {Certainty::certain, Certainty::likely}) {
        report.findings[0].certainty = grave;
        EXPECT_TRUE(fails(report));
    }
}

TEST(Preflight, refuses_what_is_no_module_and_says_which_and_why) {
    const test::TemporaryFolder folder;
    const auto expect_refused = [](const std::string& path, int code, const std::string& text) {
        const auto report = preflight(path);
        ASSERT_FALSE(report) << path;
        EXPECT_EQ(report.error().code(), code) << report.error().text();
        EXPECT_THAT(report.error().text(), HasSubstr(path));
        EXPECT_THAT(report.error().text(), HasSubstr(text));
        EXPECT_EQ(report.error().text().find('\n'), std::string::npos);
    };
    expect_refused(folder.file("absent"), ENOENT, "No such file");
    expect_refused(folder.path(), EINVAL, "no file");
    test::write_file(folder.file("empty"), "");
    expect_refused(folder.file("empty"), ENOEXEC, "no ELF file");
    test::write_file(folder.file("text"), "no ELF file");
    expect_refused(folder.file("text"), ENOEXEC, "no ELF file");
    test::write_file(folder.file("magic"), "\x7f"
                                           "ELF");
    expect_refused(folder.file("magic"), ENOEXEC, "damaged");
    expect_refused("/bin/sh", ENOEXEC, "no module");
    ASSERT_EQ(::mkfifo(folder.file("pipe").c_str(), 0600), 0);
    expect_refused(folder.file("pipe"), EINVAL, "no file");

    auto content = test::content_of(case_file("NEVER_DELETED"));
    constexpr std::size_t machine = 18;
    content[machine] = static_cast<char>(183);
    test::write_file(folder.file("arm64"), content);
    expect_refused(folder.file("arm64"), ENOEXEC, "arm64: only x86-64");
}

TEST(Preflight, survives_every_part_of_a_module) {
    const test::TemporaryFolder folder;
    const auto whole = test::content_of(case_file("INIT_FAILS"));
    for (std::size_t size = 0; size < whole.size(); size += 13) {
        test::write_file(folder.file("part"), whole.substr(0, size));
        const auto report = preflight(folder.file("part"));
        EXPECT_FALSE(report) << size << " bytes: the section headers are at the end";
    }
}

TEST(Preflight, tells_names_that_would_steer_a_terminal_in_letters_that_do_not) {
    auto content = test::content_of(case_file("INIT_FAILS"));
    for (const auto& [name, hostile] :
         {std::pair<std::string_view, std::string_view>{"register_thing", "regi\x1b[2J_thing"},
          {"callback", "call\x1b[2J"}}) {
        ASSERT_EQ(name.size(), hostile.size());
        const auto at = content.find(name);
        ASSERT_NE(at, std::string::npos) << name;
        content.replace(at, name.size(), hostile);
    }
    const test::TemporaryFolder folder;
    test::write_file(folder.file("hostile"), content);
    const auto report = preflight(folder.file("hostile"));
    ASSERT_TRUE(report) << report.error().text();
    ASSERT_EQ(report->findings.size(), 1U);
    EXPECT_THAT(report->findings[0].text, HasSubstr("regi\\x1b[2J_thing() does"));
    EXPECT_EQ(report->findings[0].callback, "call\\x1b[2J");
}

TEST(Preflight, reads_no_more_calls_than_any_module_has) {
    const auto report = preflight(case_file("MANY_CALLS"));
    ASSERT_FALSE(report);
    EXPECT_EQ(report.error().code(), EFBIG);
    EXPECT_THAT(report.error().text(), HasSubstr("more than 4096"));
}

// A branch every two bytes, each of which is a block: what is known of registers is given up, and not the
// whole.
TEST(Preflight, ends_for_code_that_is_made_to_keep_it_busy) {
    const auto report = report_on("MANY_BLOCKS");
    EXPECT_THAT(findings_in(report), IsEmpty());
}

TEST(Preflight, passes_over_targets_that_no_code_reaches) {
    auto content = test::content_of(case_file("INIT_FAILS"));
    const auto* const header = reinterpret_cast<const Elf64_Ehdr*>(content.data());
    for (std::size_t i = 0; i < header->e_shnum; ++i) {
        Elf64_Shdr section{};
        std::memcpy(&section, &content[header->e_shoff + i * sizeof(section)], sizeof(section));
        for (std::size_t at = 0; section.sh_type == SHT_RELA && at < section.sh_size;
             at += sizeof(Elf64_Rela))
            std::memset(&content[section.sh_offset + at + offsetof(Elf64_Rela, r_addend)], 0x7f,
                        sizeof(Elf64_Rela::r_addend));
    }
    const auto image = ElfImage::parse(content);
    ASSERT_TRUE(image) << image.error().text();
    for (const auto& section : image->sections())
        EXPECT_THAT(section.relocations, IsEmpty());
    const test::TemporaryFolder folder;
    test::write_file(folder.file("m"), content);
    EXPECT_TRUE(preflight(folder.file("m")));
}

// Bytes changed at random, the headers more often than the rest: neither a crash, nor a fault that the
// sanitizers see, nor an endless loop.
TEST(Preflight, survives_damage) {
    const test::TemporaryFolder folder;
    std::mt19937 random(1); // NOLINT: the same damage every time
    for (const auto* const name : {"INIT_FAILS", "BY_POINTER", "SET_UP_WORK"}) {
        const auto whole = test::content_of(case_file(name));
        for (int round = 0; round < 1500; ++round) {
            auto damaged = whole;
            const auto changes = 1 + random() % 8;
            for (std::uint32_t i = 0; i < changes; ++i) {
                // The section headers are at the end, 64 bytes each.
                const auto where = random() % 3 == 0 ? random() % 64 : random() % damaged.size();
                damaged[where] = static_cast<char>(random() % 3 == 0 ? 0xff : random());
            }
            test::write_file(folder.file("damaged"), damaged);
            const auto report = preflight(folder.file("damaged"));
            EXPECT_TRUE(report || report.error().text().find(folder.file("damaged")) != std::string::npos);
        }
    }
}

} // namespace
} // namespace disarmd
