// SPDX-License-Identifier: Apache-2.0
#include "cli/diagnosis.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "incident/json.h"

namespace disarmd {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

Hook attached_hook() {
    return {"arms of timers", true,       "timer_start",
            "BTF tracepoint", "tracking", {{"timer_start", "BTF tracepoint", "taken"}}};
}

// Seen by the second best way.
Hook second_choice() {
    return {"unloads being begun",
            true,
            "__x64_sys_delete_module",
            "kprobe",
            "detail",
            {{"__x64_sys_delete_module", "fentry", "attaching: Invalid argument"},
             {"__x64_sys_delete_module", "kprobe", "taken"},
             {"delete_module", "kretprobe", "not needed"}}};
}

Hook missing_hook() {
    return {"disarms of hrtimers",
            false,
            "hrtimer_cancel",
            "BTF tracepoint",
            "tracking",
            {{"hrtimer_cancel", "BTF tracepoint", "this kernel has none of that name"}}};
}

Diagnosis whole_diagnosis() {
    Diagnosis diagnosis;
    diagnosis.kernel = "6.1.0-56-amd64";
    diagnosis.requirements = {{"BTF", true, "/sys/kernel/btf/vmlinux", ""}};
    diagnosis.backend = "tracepoint";
    diagnosis.backend_reason = "this kernel has all of its tracepoints";
    diagnosis.hooks = {attached_hook(), second_choice()};
    diagnosis.survey_complete = true;
    return diagnosis;
}

Diagnosis impossible_diagnosis() {
    Diagnosis diagnosis;
    diagnosis.kernel = "6.1.0";
    diagnosis.requirements = {
        {"BTF", false, "it is not there", "build the kernel with CONFIG_DEBUG_INFO_BTF"}};
    diagnosis.impossible = "BTF: build the kernel with CONFIG_DEBUG_INFO_BTF";
    return diagnosis;
}

TEST(Diagnosis, of_a_whole_kernel_is_clean) {
    EXPECT_THAT(degraded(whole_diagnosis()), IsEmpty());
    EXPECT_EQ(exit_code_of(whole_diagnosis()), ExitCode::clean);
}

TEST(DiagnosisPage, tells_what_was_chosen_what_failed_and_why) {
    EXPECT_EQ(to_page(whole_diagnosis()), "disarmd " DISARMD_VERSION R"( on Linux 6.1.0-56-amd64

Requirements
  ok  BTF  /sys/kernel/btf/vmlinux

Scan of the timer wheels and hrtimer trees
  ok  this kernel tells where it keeps what a scan reads
  ok  the start-up survey saw every armed timer

Hooks (backend tracepoint: this kernel has all of its tracepoints)
  ok  arms of timers       timer_start              BTF tracepoint
  ok  unloads being begun  __x64_sys_delete_module  kprobe
        __x64_sys_delete_module by fentry: attaching: Invalid argument

disarmd works fully here
)");
}

TEST(DiagnosisPage, names_everything_that_is_missing) {
    auto diagnosis = whole_diagnosis();
    diagnosis.hooks = {missing_hook()};
    diagnosis.layout_missing = {"timer_bases: no scan of the timer wheels"};
    diagnosis.survey_complete = false;
    diagnosis.sure = false;
    diagnosis.losses[abi::LOSS_TIMER_MAP] = 3;
    EXPECT_EQ(exit_code_of(diagnosis), ExitCode::inconclusive);
    EXPECT_THAT(degraded(diagnosis), ElementsAre("timer_bases: no scan of the timer wheels",
                                                 "hrtimer_cancel is not watched (disarms of hrtimers)",
                                                 HasSubstr("kprobe"), HasSubstr("armed before")));
    const auto page = to_page(diagnosis);
    EXPECT_THAT(page, HasSubstr("\n  NO  timer_bases: no scan of the timer wheels\n"
                                "  NO  the start-up survey may lack timers\n"));
    EXPECT_THAT(page, Not(HasSubstr("this kernel tells where")));
    EXPECT_THAT(page,
                HasSubstr("\n  NO  disarms of hrtimers  hrtimer_cancel  not attached (tracking)\n"
                          "        hrtimer_cancel by BTF tracepoint: this kernel has none of that name\n"));
    EXPECT_THAT(page, HasSubstr("\nLost meanwhile\n  NO  3 x an arm could not be stored"));
    EXPECT_THAT(page, HasSubstr("\ndisarmd works here, but does not see everything\n  timer_bases"));
}

TEST(Diagnosis, degrades_by_each_lack_alone) {
    const auto code = [](const auto& spoil) {
        auto diagnosis = whole_diagnosis();
        spoil(diagnosis);
        EXPECT_EQ(degraded(diagnosis).size(), 1U);
        return exit_code_of(diagnosis);
    };
    EXPECT_EQ(code([](Diagnosis& d) { d.layout_missing = {"x"}; }), ExitCode::inconclusive);
    EXPECT_EQ(code([](Diagnosis& d) { d.hooks.push_back(missing_hook()); }), ExitCode::inconclusive);
    EXPECT_EQ(code([](Diagnosis& d) { d.sure = false; }), ExitCode::inconclusive);
    EXPECT_EQ(code([](Diagnosis& d) { d.survey_complete = false; }), ExitCode::inconclusive);
}

TEST(DiagnosisPage, of_a_machine_where_it_cant_work_stops_at_the_reason) {
    const auto diagnosis = impossible_diagnosis();
    EXPECT_EQ(exit_code_of(diagnosis), ExitCode::impossible);
    EXPECT_EQ(to_page(diagnosis), "disarmd " DISARMD_VERSION R"( on Linux 6.1.0

Requirements
  NO  BTF  it is not there
           build the kernel with CONFIG_DEBUG_INFO_BTF

disarmd can't work here
  BTF: build the kernel with CONFIG_DEBUG_INFO_BTF
)");
}

TEST(DiagnosisPage, escapes_what_the_kernel_says) {
    auto diagnosis = whole_diagnosis();
    diagnosis.kernel = "6.1\x1b[2J";
    diagnosis.hooks[1].attempts[0].outcome = "attaching:\nno";
    EXPECT_THAT(to_page(diagnosis), StartsWith("disarmd " DISARMD_VERSION " on Linux 6.1\\x1b[2J\n"));
    EXPECT_THAT(to_page(diagnosis), HasSubstr("attaching:\\x0ano\n"));
}

TEST(DiagnosisJson, has_everything) {
    auto diagnosis = whole_diagnosis();
    diagnosis.hooks = {second_choice(), missing_hook()};
    diagnosis.losses[abi::LOSS_READ] = 7;
    EXPECT_EQ(
        to_line(to_json(diagnosis)),
        R"({"schema":1,"version":")" DISARMD_VERSION R"(","kernel":"6.1.0-56-amd64","backend":"tracepoint",)"
        R"("backend_reason":"this kernel has all of its tracepoints",)"
        R"("requirements":[{"name":"BTF","met":true,"detail":"/sys/kernel/btf/vmlinux","remedy":""}],)"
        R"("hooks":[{"purpose":"unloads being begun","attached":true,"name":"__x64_sys_delete_module",)"
        R"("method":"kprobe","loses":"detail","attempts":[)"
        R"({"name":"__x64_sys_delete_module","method":"fentry","outcome":"attaching: Invalid argument"},)"
        R"({"name":"__x64_sys_delete_module","method":"kprobe","outcome":"taken"},)"
        R"({"name":"delete_module","method":"kretprobe","outcome":"not needed"}]},)"
        R"({"purpose":"disarms of hrtimers","attached":false,"name":"hrtimer_cancel",)"
        R"("method":"BTF tracepoint","loses":"tracking","attempts":[)"
        R"({"name":"hrtimer_cancel","method":"BTF tracepoint","outcome":"this kernel has none of that name"}]}],)"
        R"("layout_missing":[],"survey_complete":true,"losses":{"timer_map":0,"module_map":0,"unload_map":0,)"
        R"("notify":0,"timer_read":0,"read":7,"task_map":0,"delete":0,"symbols":0,"decision":0},)"
        R"("enforcement":null,"policy":[],)"
        R"x("degraded":["hrtimer_cancel is not watched (disarms of hrtimers)"],"impossible":""})x");
}

TEST(DiagnosisJson, has_null_for_a_survey_that_was_not_made) {
    const auto json = to_json(impossible_diagnosis());
    EXPECT_TRUE(json["survey_complete"].is_null());
    EXPECT_EQ(json["hooks"].size(), 0U);
    EXPECT_EQ(json["impossible"], "BTF: build the kernel with CONFIG_DEBUG_INFO_BTF");
}

} // namespace
} // namespace disarmd
