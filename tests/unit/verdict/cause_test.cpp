// SPDX-License-Identifier: Apache-2.0
#include "verdict/cause.h"

#include <string>

#include <gtest/gtest.h>

#include "builders.h"

namespace disarmd {
namespace {

constexpr std::uint64_t before = 1000;
constexpr std::uint64_t begun = 2000;
constexpr std::uint64_t within = 3000;
constexpr std::uint64_t later = 4000;

// Armed long ago, and everything was seen.
CauseEvidence whole_evidence() {
    CauseEvidence evidence;
    evidence.begun_ns = begun;
    evidence.deletes_whole = true;
    evidence.armed_ns = before;
    evidence.armed_context = ArmContext::task;
    return evidence;
}

struct Case {
    std::string name;
    void (*change)(CauseEvidence&);
    Cause cause;
    Rearmer rearmer = Rearmer::unknown;
};

void PrintTo(const Case& tried, std::ostream* out) { // NOLINT(readability-identifier-naming): GoogleTest's
    *out << tried.name;
}

class FindCause : public testing::TestWithParam<Case> {};

TEST_P(FindCause, by_the_evidence) {
    auto evidence = whole_evidence();
    GetParam().change(evidence);
    const auto found = find_cause(evidence);
    EXPECT_EQ(found.cause, GetParam().cause);
    EXPECT_EQ(found.rearmer, GetParam().rearmer);
}

void rearm(CauseEvidence& evidence, ArmContext context) {
    evidence.deleted_ns = within;
    evidence.armed_ns = later;
    evidence.armed_context = context;
}

INSTANTIATE_TEST_SUITE_P(
    all, FindCause,
    testing::Values(
        Case{"nothing_deleted_it", [](CauseEvidence&) {}, Cause::never_deleted},
        Case{"armed_before_anyone_watched", [](CauseEvidence& e) { e.armed_ns.reset(); },
             Cause::never_deleted},
        Case{"armed_during_the_unload", [](CauseEvidence& e) { e.armed_ns = within; }, Cause::never_deleted},
        Case{"deleted_before_the_unload",
             [](CauseEvidence& e) {
                 e.deleted_ns = before;
                 e.armed_ns = within;
             },
             Cause::never_deleted},
        Case{"deletes_were_missed", [](CauseEvidence& e) { e.deletes_whole = false; }, Cause::unknown},
        Case{"the_begin_was_not_seen", [](CauseEvidence& e) { e.begun_ns.reset(); }, Cause::unknown},
        Case{"the_begin_was_not_seen_but_a_delete",
             [](CauseEvidence& e) {
                 rearm(e, ArmContext::task);
                 e.begun_ns.reset();
             },
             Cause::unknown},
        Case{"rearmed_by_its_callback", [](CauseEvidence& e) { rearm(e, ArmContext::callback); },
             Cause::rearmed_after_delete, Rearmer::callback},
        Case{"rearmed_by_a_softirq", [](CauseEvidence& e) { rearm(e, ArmContext::softirq); },
             Cause::rearmed_after_delete, Rearmer::softirq},
        Case{"rearmed_by_an_interrupt", [](CauseEvidence& e) { rearm(e, ArmContext::hardirq); },
             Cause::rearmed_after_delete, Rearmer::hardirq},
        Case{"rearmed_by_another_thread", [](CauseEvidence& e) { rearm(e, ArmContext::task); },
             Cause::rearmed_after_delete, Rearmer::thread},
        Case{"rearmed_by_the_exit_function",
             [](CauseEvidence& e) {
                 rearm(e, ArmContext::task);
                 e.armed_by_unloader = true;
             },
             Cause::rearmed_after_delete, Rearmer::unloader},
        Case{"rearmed_somewhere", [](CauseEvidence& e) { rearm(e, ArmContext::unknown); },
             Cause::rearmed_after_delete},
        Case{"rearmed_though_deletes_were_missed",
             [](CauseEvidence& e) {
                 rearm(e, ArmContext::softirq);
                 e.deletes_whole = false;
             },
             Cause::rearmed_after_delete, Rearmer::softirq},
        Case{"rearmed_unseen", [](CauseEvidence& e) { e.deleted_ns = within; }, Cause::rearmed_after_delete},
        Case{"rearmed_unseen_though_armed_before_anyone_watched",
             [](CauseEvidence& e) {
                 e.deleted_ns = within;
                 e.armed_ns.reset();
             },
             Cause::rearmed_after_delete},
        Case{"deleted_as_the_unload_began",
             [](CauseEvidence& e) {
                 rearm(e, ArmContext::softirq);
                 e.deleted_ns = begun;
             },
             Cause::rearmed_after_delete, Rearmer::softirq},
        Case{"a_delete_gave_up",
             [](CauseEvidence& e) {
                 e.deleted_ns = within;
                 e.delete_gave_up = true;
             },
             Cause::never_deleted},
        Case{"its_callback_is_running",
             [](CauseEvidence& e) {
                 rearm(e, ArmContext::callback);
                 e.callback_running = true;
             },
             Cause::callback_running},
        Case{"init_failed", [](CauseEvidence& e) { e.init_failed = true; }, Cause::failed_rollback},
        Case{"init_failed_and_little_is_known",
             [](CauseEvidence& e) {
                 e.init_failed = true;
                 e.begun_ns.reset();
                 e.deletes_whole = false;
             },
             Cause::failed_rollback},
        Case{"init_failed_and_rolled_back_in_vain",
             [](CauseEvidence& e) {
                 rearm(e, ArmContext::callback);
                 e.init_failed = true;
             },
             Cause::rearmed_after_delete, Rearmer::callback}),
    [](const auto& test) { return test.param.name; });

} // namespace
} // namespace disarmd
