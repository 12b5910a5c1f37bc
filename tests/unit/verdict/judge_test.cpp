// SPDX-License-Identifier: Apache-2.0
#include "verdict/judge.h"

#include <array>
#include <map>
#include <ostream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "builders.h"

namespace disarmd {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

const SymbolLookup symbols = test::lookup_in(test::own_functions());

struct Gap {
    std::uint32_t bit;
    enum class Of { scan, tracking, verdict } of;
    std::string_view reason; // begins with this
    std::string_view words;  // and has these in it
};

// In the order of their bits.
constexpr std::array gaps_by_bit{
    Gap{abi::GAP_SCAN_MOVING, Gap::Of::scan, "scan: ", "kept changing"},
    Gap{abi::GAP_SCAN_BOUND, Gap::Of::scan, "scan: ", "more to read than its bound"},
    Gap{abi::GAP_SCAN_EXPIRING, Gap::Of::scan, "scan: ", "being expired"},
    Gap{abi::GAP_SCAN_UNREADABLE, Gap::Of::scan, "scan: ", "could not be read"},
    Gap{abi::GAP_TRACKING_LOST, Gap::Of::tracking, "tracking: ", "arms were lost"},
    Gap{abi::GAP_TRACKING_LATE, Gap::Of::tracking, "tracking: ", "began after the module was loaded"},
    Gap{abi::GAP_HOOKS, Gap::Of::verdict, "tracking: ", "not every hook was attached"},
    Gap{abi::GAP_LOST_MEANWHILE, Gap::Of::verdict,
        "tracking: ", "arms were lost while the module was being freed"},
    Gap{abi::GAP_UNCONFIRMED, Gap::Of::verdict, "tracking: ", "in motion"},
    Gap{abi::GAP_RANGES, Gap::Of::verdict, "the module's ", "memory ranges could not be read"},
    Gap{abi::GAP_SCAN_ABSENT, Gap::Of::scan, "scan: ", "where this kernel keeps its timers is not known"},
    Gap{abi::GAP_TRACKING_UNSURE, Gap::Of::tracking, "tracking: ", "by kprobes, which a kernel may skip"},
    Gap{abi::GAP_TRACKING_UNREAD, Gap::Of::tracking, "tracking: ", "can't be asked for every timer"},
    Gap{abi::GAP_OVERRUN, Gap::Of::verdict, "tracking: ", "more timers were armed than are remembered"},
    Gap{abi::GAP_HOOKS_OFF, Gap::Of::verdict, "tracking: ", "switched off"},
    Gap{abi::GAP_END_UNSEEN, Gap::Of::verdict, "tracking: ", "that sees the module's memory go"},
    Gap{abi::GAP_SCAN_DISPUTED, Gap::Of::scan, "scan: ", "takes for one of an earlier module"},
    Gap{abi::GAP_ORPHANS, Gap::Of::verdict, "timers that earlier modules left", "can't be told"},
    Gap{abi::GAP_OVERWRITTEN, Gap::Of::verdict, "tracking: ", "its memory was given away"},
    Gap{abi::GAP_TRACKING_OFF, Gap::Of::tracking, "tracking: ", "is off"},
};
constexpr std::uint32_t all_gaps = abi::GAP_END - 1;
static_assert(1U << gaps_by_bit.size() == abi::GAP_END, "every gap of the ABI is in the table");

bool any(std::uint32_t gaps, Gap::Of of) {
    return std::ranges::any_of(gaps_by_bit,
                               [&](const Gap& gap) { return gap.of == of && (gaps & gap.bit) != 0; });
}

// What was armed before the free is known to a whole scan or to whole tracking; what
// happened meanwhile to tracking alone, for which the gaps of the verdict stand.
bool may_be_clean(std::uint32_t gaps) {
    const bool source_whole = !any(gaps, Gap::Of::scan) || !any(gaps, Gap::Of::tracking);
    return source_whole && !any(gaps, Gap::Of::verdict);
}

// No gap, each alone, each with each other, all of them: what judge() adds to the rule,
// of which every combination is tried, does not depend on more.
std::vector<std::uint32_t> gap_samples() {
    std::vector<std::uint32_t> samples{0, all_gaps};
    for (const auto& first : gaps_by_bit) {
        for (const auto& second : gaps_by_bit) {
            if (first.bit <= second.bit)
                samples.push_back(first.bit | second.bit);
        }
    }
    return samples;
}

struct Missed {
    std::uint64_t runs;
    bool since_load;
    bool lately;

    [[nodiscard]] std::uint32_t as_gaps() const {
        std::uint32_t gaps = 0;
        if (since_load)
            gaps |= abi::GAP_TRACKING_LOST;
        if (lately)
            gaps |= abi::GAP_LOST_MEANWHILE;
        return gaps;
    }
};
constexpr std::array missed_runs{Missed{0, false, false}, Missed{1, false, false}, Missed{1, true, false},
                                 Missed{1, true, true}};

abi::unload_record record_of(std::uint32_t verdict, std::uint32_t gaps) {
    auto record = verdict == abi::VERDICT_LEAK ? test::leak_in_kernel() : test::unload_in_kernel();
    record.verdict = verdict;
    record.gaps = gaps;
    return record;
}

Coverage missing(const Missed& missed) {
    auto coverage = test::whole_coverage();
    coverage.missed_runs = missed.runs;
    coverage.missed_since_load = missed.since_load;
    coverage.missed_lately = missed.lately;
    return coverage;
}

TEST(VerdictOf, is_a_leak_wherever_a_timer_is_pending) {
    for (std::uint32_t gaps = 0; gaps <= all_gaps; ++gaps) {
        for (const std::uint32_t count : {1U, 64U, 65U, UINT32_MAX})
            ASSERT_EQ(abi::verdict_of(count, gaps), abi::VERDICT_LEAK) << "gaps " << gaps;
    }
}

TEST(VerdictOf, is_clean_only_where_nothing_can_have_escaped) {
    for (std::uint32_t gaps = 0; gaps <= all_gaps; ++gaps)
        ASSERT_EQ(abi::verdict_of(0, gaps),
                  may_be_clean(gaps) ? abi::VERDICT_CLEAN : abi::VERDICT_INCONCLUSIVE)
            << "gaps " << gaps;
}

TEST(Judge, a_clean_unload_has_every_field) {
    const auto unload = judge(test::unload_in_kernel(), test::whole_coverage(), symbols);
    EXPECT_EQ(unload.module, "m");
    EXPECT_EQ(unload.outcome, Outcome::freed);
    EXPECT_EQ(unload.verdict, Verdict::clean);
    EXPECT_EQ(unload.backend, "tracepoint");
    EXPECT_THAT(unload.sources, ElementsAre(Source::tracking, Source::scan));
    EXPECT_EQ(unload.lost_events, 0U);
    EXPECT_THAT(unload.why_inconclusive, IsEmpty());
    EXPECT_THAT(unload.pending, IsEmpty());
    EXPECT_EQ(unload.pending_count, 0U);
    EXPECT_EQ(unload.pid, 42U);
    EXPECT_EQ(unload.comm, "rmmod");
    EXPECT_EQ(unload.duration, 1500us);
    EXPECT_EQ(unload.advice, "");
}

TEST(Judge, a_leak_has_every_field_of_the_timer) {
    const auto unload = judge(test::leak_in_kernel(), test::whole_coverage(), symbols);
    EXPECT_EQ(unload.module, "m");
    EXPECT_EQ(unload.outcome, Outcome::freed);
    EXPECT_EQ(unload.verdict, Verdict::leak);
    EXPECT_EQ(unload.backend, "tracepoint");
    EXPECT_THAT(unload.sources, ElementsAre(Source::tracking));
    EXPECT_THAT(unload.why_inconclusive, IsEmpty());
    EXPECT_EQ(unload.pending_count, 1U);
    ASSERT_EQ(unload.pending.size(), 1U);
    const auto& timer = unload.pending.front();
    EXPECT_EQ(timer.kind, TimerKind::timer);
    EXPECT_EQ(timer.timer, test::timer_address);
    EXPECT_EQ(timer.callback, test::callback_address);
    EXPECT_EQ(timer.symbol, "m_cb [m]");
    EXPECT_THAT(timer.owned_by, ElementsAre(Owner::callback, Owner::object));
    EXPECT_EQ(timer.cause, Cause::never_deleted);
    EXPECT_FALSE(timer.deleted);
    EXPECT_EQ(timer.expires_in, 1234ms);
    ASSERT_TRUE(timer.armed);
    EXPECT_EQ(timer.armed->age, 2s);
    EXPECT_EQ(timer.armed->pid, 321U);
    EXPECT_EQ(timer.armed->comm, "insmod");
    EXPECT_EQ(timer.armed->cpu, 3U);
    EXPECT_EQ(timer.armed->context, ArmContext::task);
    EXPECT_THAT(timer.armed->stack, IsEmpty());
    EXPECT_EQ(unload.advice, "call timer_shutdown_sync() for m_cb [m] in the exit function, after everything "
                             "that could arm it again");
}

TEST(Judge, tells_when_it_was_freed_for_the_incidents_id) {
    EXPECT_EQ(judge(test::leak_in_kernel(), test::whole_coverage(), symbols).freed_ns, 10'000'000'000U);
}

TEST(Judge, tells_which_module_it_was_and_which_load_of_it) {
    auto record = test::unload_in_kernel();
    test::set_text(record.version, "1.2-rc\n");
    test::set_text(record.srcversion, "0123456789ABCDEF01234567");
    record.taints = 1U << 12U | 1U << 13U;
    record.memory.ranges[2] = {test::module_base + 0x8000, 0x1000};
    record.memory.init_text = {test::module_base + 0xc000, 0x2000};
    const auto identity = judge(record, test::whole_coverage(), symbols).identity;
    EXPECT_EQ(identity.version, "1.2-rc\n") << "the kernel's bytes";
    EXPECT_EQ(identity.srcversion, "0123456789ABCDEF01234567");
    EXPECT_EQ(identity.taints, "OE");
    EXPECT_THAT(identity.ranges, ElementsAre(MemoryRange{test::module_base, 0x4000},
                                             MemoryRange{test::module_base + 0x8000, 0x1000}));
    EXPECT_EQ(identity.init_section, (MemoryRange{test::module_base + 0xc000, 0x2000}));
    EXPECT_EQ(identity.loaded_age, 9s);
}

TEST(Judge, leaves_out_what_a_module_does_not_say_of_itself) {
    auto record = test::unload_in_kernel();
    record.loaded_ns = 0;
    record.memory.ranges[0] = {};
    const auto identity = judge(record, test::whole_coverage(), symbols).identity;
    EXPECT_EQ(identity.version, "");
    EXPECT_EQ(identity.srcversion, "");
    EXPECT_EQ(identity.taints, "");
    EXPECT_THAT(identity.ranges, IsEmpty());
    EXPECT_EQ(identity.init_section, std::nullopt);
    EXPECT_EQ(identity.loaded_age, std::nullopt);
}

TEST(Judge, reads_no_further_than_what_a_module_calls_itself) {
    auto record = test::unload_in_kernel();
    test::set_text(record.version, std::string(sizeof(record.version), 'v'));
    test::set_text(record.srcversion, std::string(sizeof(record.srcversion), 's'));
    record.loaded_ns = record.freed_ns + 1;
    const auto identity = judge(record, test::whole_coverage(), symbols).identity;
    EXPECT_EQ(identity.version, std::string(sizeof(record.version), 'v'));
    EXPECT_EQ(identity.srcversion, std::string(sizeof(record.srcversion), 's'));
    EXPECT_EQ(identity.loaded_age, 0ns) << "times out of order";
}

TEST(Judge, lists_the_losses_that_there_were) {
    auto coverage = test::whole_coverage();
    EXPECT_THAT(judge(test::unload_in_kernel(), coverage, symbols).losses, IsEmpty());
    coverage.losses.at(abi::LOSS_TIMER_MAP) = 3;
    coverage.losses.at(abi::LOSS_MAX - 1) = UINT64_MAX;
    const auto losses = judge(test::unload_in_kernel(), coverage, symbols).losses;
    ASSERT_EQ(losses.size(), 2U);
    EXPECT_EQ(losses[0].name, "timer_map");
    EXPECT_EQ(losses[0].count, 3U);
    EXPECT_EQ(losses[1].name, name_of_loss(abi::LOSS_MAX - 1));
    EXPECT_EQ(losses[1].count, UINT64_MAX);
}

TEST(Judge, knows_no_command_which_is_not_the_kernels_to_tell) {
    EXPECT_THAT(judge(test::leak_in_kernel(), test::whole_coverage(), symbols).command, IsEmpty());
}

TEST(Judge, tells_how_long_a_failed_init_took) {
    auto record = test::leak_in_kernel();
    record.init_failed = 1;
    const auto unload = judge(record, test::whole_coverage(), symbols);
    EXPECT_EQ(unload.outcome, Outcome::init_failed);
    EXPECT_EQ(unload.duration, 1500us);
}

TEST(Judge, advises_what_the_kernel_has) {
    auto coverage = test::whole_coverage();
    coverage.has_timer_shutdown_sync = false;
    EXPECT_THAT(judge(test::leak_in_kernel(), coverage, symbols).advice,
                StartsWith("call timer_delete_sync()"));
}

// The classes that the rule is made of, one by one.
struct RuleCase {
    std::string_view name;
    std::uint32_t gaps;
    std::uint32_t verdict;

    friend void PrintTo(const RuleCase& value, std::ostream* out) { *out << value.name; }
};

class Rule : public testing::TestWithParam<RuleCase> {};

TEST_P(Rule, holds) {
    EXPECT_EQ(abi::verdict_of(0, GetParam().gaps), GetParam().verdict);
    EXPECT_EQ(abi::verdict_of(1, GetParam().gaps), abi::VERDICT_LEAK);
}

constexpr std::uint32_t scan_gaps = abi::GAP_SCAN_MOVING | abi::GAP_SCAN_BOUND | abi::GAP_SCAN_EXPIRING |
                                    abi::GAP_SCAN_UNREADABLE | abi::GAP_SCAN_ABSENT;
constexpr std::uint32_t tracking_gaps =
    abi::GAP_TRACKING_LOST | abi::GAP_TRACKING_LATE | abi::GAP_TRACKING_UNSURE | abi::GAP_TRACKING_UNREAD;

INSTANTIATE_TEST_SUITE_P(
    classes, Rule,
    testing::Values(
        RuleCase{"both sources whole", 0, abi::VERDICT_CLEAN},
        RuleCase{"tracking whole, the scan broken in every way", scan_gaps, abi::VERDICT_CLEAN},
        RuleCase{"the scan whole, tracking broken in every way", tracking_gaps, abi::VERDICT_CLEAN},
        RuleCase{"kprobes, the scan whole", abi::GAP_TRACKING_UNSURE, abi::VERDICT_CLEAN},
        RuleCase{"kprobes, and a scan that met an expiry", abi::GAP_TRACKING_UNSURE | abi::GAP_SCAN_EXPIRING,
                 abi::VERDICT_INCONCLUSIVE},
        RuleCase{"no scan on this kernel, tracking whole", abi::GAP_SCAN_ABSENT, abi::VERDICT_CLEAN},
        RuleCase{"no scan on this kernel, arms lost", abi::GAP_SCAN_ABSENT | abi::GAP_TRACKING_LOST,
                 abi::VERDICT_INCONCLUSIVE},
        RuleCase{"tracked timers that can't be gone through, and a moving list",
                 abi::GAP_TRACKING_UNREAD | abi::GAP_SCAN_MOVING, abi::VERDICT_INCONCLUSIVE},
        RuleCase{"both sources broken", scan_gaps | tracking_gaps, abi::VERDICT_INCONCLUSIVE},
        RuleCase{"a hook missing", abi::GAP_HOOKS, abi::VERDICT_INCONCLUSIVE},
        RuleCase{"arms lost meanwhile", abi::GAP_LOST_MEANWHILE, abi::VERDICT_INCONCLUSIVE},
        RuleCase{"a timer in motion", abi::GAP_UNCONFIRMED, abi::VERDICT_INCONCLUSIVE},
        RuleCase{"no ranges", abi::GAP_RANGES, abi::VERDICT_INCONCLUSIVE},
        RuleCase{"more arms meanwhile than are remembered", abi::GAP_OVERRUN, abi::VERDICT_INCONCLUSIVE},
        RuleCase{"a gap that nobody knows", all_gaps + 1, abi::VERDICT_INCONCLUSIVE}));

TEST(Judge, clean_is_a_promise) {
    for (const auto gaps : gap_samples()) {
        for (const auto& missed : missed_runs) {
            const bool clean = may_be_clean(gaps | missed.as_gaps());
            const auto unload = judge(record_of(abi::verdict_of(0, gaps), gaps), missing(missed), symbols);
            ASSERT_EQ(unload.verdict, clean ? Verdict::clean : Verdict::inconclusive)
                << "gaps " << gaps << ", missed " << missed.runs << missed.since_load << missed.lately;
            ASSERT_EQ(unload.why_inconclusive.empty(), clean)
                << "gaps " << gaps << ", missed " << missed.runs << missed.since_load << missed.lately;
        }
    }
}

TEST(Judge, a_leak_stays_a_leak_whatever_the_gaps) {
    for (const auto gaps : gap_samples()) {
        for (const auto& missed : missed_runs) {
            const auto unload = judge(record_of(abi::VERDICT_LEAK, gaps), missing(missed), symbols);
            ASSERT_EQ(unload.verdict, Verdict::leak) << "gaps " << gaps;
            ASSERT_THAT(unload.why_inconclusive, IsEmpty()) << "gaps " << gaps;
            ASSERT_EQ(unload.pending.size(), 1U) << "gaps " << gaps;
        }
    }
}

TEST(Judge, never_makes_clean_of_what_the_kernel_did_not_find_clean) {
    for (const std::uint32_t verdict : {std::uint32_t{abi::VERDICT_INCONCLUSIVE}, 3U, 255U, UINT32_MAX}) {
        for (const auto gaps : gap_samples()) {
            const auto unload = judge(record_of(verdict, gaps), test::whole_coverage(), symbols);
            ASSERT_EQ(unload.verdict, Verdict::inconclusive) << "verdict " << verdict << ", gaps " << gaps;
            ASSERT_FALSE(unload.why_inconclusive.empty()) << "verdict " << verdict << ", gaps " << gaps;
        }
    }
}

TEST(Judge, names_the_hooks_of_tracking_that_are_not_attached) {
    auto coverage = test::whole_coverage();
    coverage.unattached_hooks = {"timer_start"};
    const auto unload = judge(record_of(abi::VERDICT_CLEAN, 0), coverage, symbols);
    EXPECT_EQ(unload.verdict, Verdict::inconclusive);
    EXPECT_THAT(unload.why_inconclusive, ElementsAre("tracking: not attached: timer_start"));
    EXPECT_THAT(unload.sources, ElementsAre(Source::scan));
    coverage.unattached_hooks = {"mod_timer", "hrtimer_start"};
    EXPECT_THAT(judge(record_of(abi::VERDICT_CLEAN, 0), coverage, symbols).why_inconclusive,
                ElementsAre("tracking: not attached: mod_timer, hrtimer_start"));
}

TEST(Judge, gives_one_reason_for_every_gap_that_spoils) {
    for (const auto& gap : gaps_by_bit) {
        // One of each kind beside it, so that every gap spoils.
        const auto beside = gap.of == Gap::Of::scan       ? abi::GAP_TRACKING_LATE
                            : gap.of == Gap::Of::tracking ? abi::GAP_SCAN_MOVING
                                                          : abi::verdict_gap{};
        const auto reasons =
            judge(record_of(abi::VERDICT_INCONCLUSIVE, gap.bit | beside), test::whole_coverage(), symbols)
                .why_inconclusive;
        ASSERT_EQ(reasons.size(), beside == 0 ? 1U : 2U) << gap.words;
        EXPECT_THAT(reasons,
                    Contains(AllOf(StartsWith(std::string(gap.reason)), HasSubstr(std::string(gap.words)))));
    }
}

TEST(Judge, gives_no_reason_that_is_none) {
    const auto reasons = [](std::uint32_t gaps) {
        return judge(record_of(abi::verdict_of(0, gaps), gaps), test::whole_coverage(), symbols)
            .why_inconclusive;
    };
    // Tracking alone is not sure, or the scan alone was disturbed: the other source stood for it.
    EXPECT_THAT(reasons(abi::GAP_TRACKING_UNSURE), IsEmpty());
    EXPECT_THAT(reasons(abi::GAP_TRACKING_UNSURE | abi::GAP_RANGES), ElementsAre(StartsWith("the module's")));
    EXPECT_THAT(reasons(abi::GAP_SCAN_EXPIRING | abi::GAP_OVERRUN), ElementsAre(HasSubstr("remembered")));
    EXPECT_THAT(reasons(abi::GAP_SCAN_EXPIRING | abi::GAP_TRACKING_UNSURE),
                ElementsAre(StartsWith("scan: "), StartsWith("tracking: ")));
}

TEST(Judge, tells_what_it_knows_where_the_rule_does_not_explain_the_kernels_word) {
    const auto reasons = [](std::uint32_t gaps) {
        return judge(record_of(abi::VERDICT_INCONCLUSIVE, gaps), test::whole_coverage(), symbols)
            .why_inconclusive;
    };
    EXPECT_THAT(reasons(abi::GAP_SCAN_ABSENT), ElementsAre(HasSubstr("is not known")));
    EXPECT_THAT(reasons(0), ElementsAre("the kernel programs gave no verdict that this disarmd knows"));
}

TEST(Judge, tells_a_gap_that_it_does_not_know) {
    const auto unload =
        judge(record_of(abi::VERDICT_INCONCLUSIVE, 0x80000000), test::whole_coverage(), symbols);
    EXPECT_EQ(unload.verdict, Verdict::inconclusive);
    EXPECT_THAT(unload.why_inconclusive, ElementsAre(HasSubstr("0x80000000")));
}

TEST(Judge, gives_all_reasons_at_once) {
    auto coverage = test::whole_coverage();
    coverage.unattached_hooks = {"timer_start", "timer_cancel"};
    coverage.missed_runs = 3;
    coverage.missed_since_load = true;
    const auto reasons =
        judge(record_of(abi::VERDICT_INCONCLUSIVE, all_gaps), coverage, symbols).why_inconclusive;
    ASSERT_EQ(reasons.size(), gaps_by_bit.size());
    EXPECT_EQ(reasons[0], "tracking: not attached: timer_start, timer_cancel");
    EXPECT_EQ(reasons[1], "tracking: arms were lost, 3 since the watch began");
    for (const auto& gap : gaps_by_bit) {
        if (gap.bit == abi::GAP_HOOKS) // named instead
            continue;
        EXPECT_THAT(reasons, Contains(HasSubstr(std::string(gap.words))));
    }
}

TEST(Judge, a_run_missed_before_the_module_was_loaded_hides_nothing_of_it) {
    const auto unload =
        judge(record_of(abi::VERDICT_CLEAN, abi::GAP_SCAN_EXPIRING), missing({3, false, false}), symbols);
    EXPECT_EQ(unload.verdict, Verdict::clean);
    EXPECT_EQ(unload.lost_events, 3U);
}

TEST(Judge, a_run_missed_since_is_a_lost_arm) {
    const auto unload =
        judge(record_of(abi::VERDICT_CLEAN, abi::GAP_SCAN_EXPIRING), missing({3, true, false}), symbols);
    EXPECT_EQ(unload.verdict, Verdict::inconclusive);
    EXPECT_EQ(unload.lost_events, 3U);
    EXPECT_THAT(unload.why_inconclusive,
                ElementsAre("tracking: arms were lost, 3 since the watch began", HasSubstr("being expired")));
}

TEST(Judge, a_run_missed_lately_may_have_been_during_the_free) {
    const auto unload = judge(record_of(abi::VERDICT_CLEAN, 0), missing({1, true, true}), symbols);
    EXPECT_EQ(unload.verdict, Verdict::inconclusive);
    EXPECT_EQ(unload.lost_events, 1U);
    EXPECT_THAT(unload.why_inconclusive,
                ElementsAre("tracking: arms were lost while the module was being freed"));
}

TEST(Judge, adds_up_the_kernels_losses_and_the_missed_runs) {
    auto record = test::unload_in_kernel();
    record.tracking_losses = 5;
    EXPECT_EQ(judge(record, missing({0, false, false}), symbols).lost_events, 5U);
    EXPECT_EQ(judge(record, missing({2, true, false}), symbols).lost_events, 7U);
}

TEST(Judge, lists_the_sources_that_could_look) {
    const auto sources = [](std::uint32_t gaps) {
        return judge(record_of(abi::verdict_of(0, gaps), gaps), test::whole_coverage(), symbols).sources;
    };
    EXPECT_THAT(sources(0), ElementsAre(Source::tracking, Source::scan));
    EXPECT_THAT(sources(abi::GAP_HOOKS), ElementsAre(Source::scan));
    EXPECT_THAT(sources(abi::GAP_SCAN_UNREADABLE), ElementsAre(Source::tracking));
    EXPECT_THAT(sources(abi::GAP_HOOKS | abi::GAP_SCAN_UNREADABLE), IsEmpty());
    EXPECT_THAT(sources(abi::GAP_SCAN_ABSENT), ElementsAre(Source::tracking));
    EXPECT_THAT(sources(abi::GAP_TRACKING_UNREAD), ElementsAre(Source::scan));
    EXPECT_THAT(sources(abi::GAP_TRACKING_UNREAD | abi::GAP_SCAN_ABSENT), IsEmpty());
    EXPECT_THAT(sources(abi::GAP_TRACKING_OFF), ElementsAre(Source::scan));
    EXPECT_THAT(sources(all_gaps & ~(abi::GAP_HOOKS | abi::GAP_SCAN_UNREADABLE | abi::GAP_SCAN_ABSENT |
                                     abi::GAP_TRACKING_UNREAD | abi::GAP_TRACKING_OFF)),
                ElementsAre(Source::tracking, Source::scan));
}

TEST(Judge, lists_the_sources_that_found_a_leak) {
    const auto sources = [](const std::vector<unsigned>& found_by) {
        auto record = record_of(abi::VERDICT_CLEAN, abi::GAP_HOOKS | abi::GAP_SCAN_UNREADABLE);
        for (const auto by : found_by) {
            auto pending = test::pending_in_kernel();
            pending.sources = static_cast<__u8>(by);
            test::add_pending(record, pending);
        }
        return judge(record, test::whole_coverage(), symbols).sources;
    };
    EXPECT_THAT(sources({abi::SOURCE_TRACKING}), ElementsAre(Source::tracking));
    EXPECT_THAT(sources({abi::SOURCE_SCAN}), ElementsAre(Source::scan));
    EXPECT_THAT(sources({abi::SOURCE_SCAN | abi::SOURCE_TRACKING}),
                ElementsAre(Source::tracking, Source::scan));
    EXPECT_THAT(sources({abi::SOURCE_SCAN, abi::SOURCE_TRACKING}),
                ElementsAre(Source::tracking, Source::scan));
    EXPECT_THAT(sources({abi::SOURCE_SCAN, abi::SOURCE_SCAN}), ElementsAre(Source::scan));
    EXPECT_THAT(sources(std::vector<unsigned>(DISARMD_PENDING_MAX + 1, abi::SOURCE_SCAN)),
                ElementsAre(Source::scan));
}

TEST(Judge, describes_as_many_timers_as_fit_and_counts_them_all) {
    for (const std::uint32_t count : {1U, 63U, 64U, 65U, 1000U, UINT32_MAX}) {
        auto record = test::leak_in_kernel();
        for (std::uint32_t i = 1; i < std::min<std::uint32_t>(count, DISARMD_PENDING_MAX); ++i) {
            auto pending = test::pending_in_kernel();
            pending.timer += i;
            test::add_pending(record, pending);
        }
        record.pending_count = count;
        const auto unload = judge(record, test::whole_coverage(), symbols);
        EXPECT_EQ(unload.verdict, Verdict::leak);
        EXPECT_EQ(unload.pending_count, count);
        ASSERT_EQ(unload.pending.size(), std::min<std::uint32_t>(count, DISARMD_PENDING_MAX));
        for (std::size_t i = 0; i < unload.pending.size(); ++i)
            EXPECT_EQ(unload.pending[i].timer, test::timer_address + i);
    }
}

TEST(Judge, a_leak_of_a_failed_init_is_a_failed_rollback) {
    auto record = test::leak_in_kernel();
    record.init_failed = 1;
    record.begun_ns = 0;
    const auto unload = judge(record, test::whole_coverage(), symbols);
    EXPECT_EQ(unload.outcome, Outcome::init_failed);
    EXPECT_EQ(unload.verdict, Verdict::leak);
    EXPECT_EQ(unload.duration, std::nullopt);
    ASSERT_EQ(unload.pending.size(), 1U);
    EXPECT_EQ(unload.pending.front().cause, Cause::failed_rollback);
    EXPECT_EQ(unload.pending.front().expires_in, 1234ms);
    EXPECT_THAT(unload.advice, HasSubstr("on the error path of the init function"));
}

TEST(Judge, an_unload_whose_begin_was_not_seen_is_still_an_unload) {
    auto record = test::leak_in_kernel();
    record.begun_ns = 0;
    const auto unload = judge(record, test::whole_coverage(), symbols);
    EXPECT_EQ(unload.outcome, Outcome::freed);
    EXPECT_EQ(unload.duration, std::nullopt);
    ASSERT_EQ(unload.pending.size(), 1U);
    EXPECT_EQ(unload.pending.front().cause, Cause::unknown);
    EXPECT_THAT(unload.advice, HasSubstr("in the exit function"));
}

TEST(Judge, a_failed_init_that_left_nothing_is_clean) {
    auto record = test::unload_in_kernel();
    record.init_failed = 1;
    record.begun_ns = 0;
    const auto unload = judge(record, test::whole_coverage(), symbols);
    EXPECT_EQ(unload.outcome, Outcome::init_failed);
    EXPECT_EQ(unload.verdict, Verdict::clean);
}

TEST(Judge, a_running_callback_has_its_own_cause_and_no_expiry) {
    for (const bool init_failed : {false, true}) {
        auto record = test::unload_in_kernel();
        record.init_failed = init_failed ? 1 : 0;
        auto pending = test::pending_in_kernel();
        pending.state = abi::PENDING_CALLBACK_RUNNING;
        test::add_pending(record, pending);
        const auto unload = judge(record, test::whole_coverage(), symbols);
        EXPECT_EQ(unload.verdict, Verdict::leak);
        ASSERT_EQ(unload.pending.size(), 1U);
        EXPECT_EQ(unload.pending.front().cause, Cause::callback_running);
        EXPECT_EQ(unload.pending.front().expires_in, std::nullopt);
        EXPECT_TRUE(unload.pending.front().armed);
        EXPECT_THAT(unload.advice, StartsWith("wait for m_cb [m] to return"));
    }
}

TEST(Judge, keeps_the_causes_of_several_timers_apart) {
    auto record = test::leak_in_kernel();
    auto running = test::pending_in_kernel();
    running.state = abi::PENDING_CALLBACK_RUNNING;
    running.timer = test::heap_address;
    test::add_pending(record, running);
    auto work = test::pending_in_kernel();
    work.kind = abi::TIMER_KIND_DELAYED_WORK;
    work.owned_by = abi::OWNED_BY_WORK;
    work.armed_context = abi::ARM_CONTEXT_CALLBACK;
    test::add_pending(record, work);
    const auto unload = judge(record, test::whole_coverage(), symbols);
    ASSERT_EQ(unload.pending.size(), 3U);
    EXPECT_EQ(unload.pending[0].cause, Cause::never_deleted);
    EXPECT_EQ(unload.pending[1].cause, Cause::callback_running);
    EXPECT_EQ(unload.pending[1].timer, test::heap_address);
    EXPECT_EQ(unload.pending[2].cause, Cause::never_deleted);
    EXPECT_EQ(unload.pending[2].kind, TimerKind::delayed_work);
    EXPECT_THAT(unload.pending[2].owned_by, ElementsAre(Owner::work));
    ASSERT_TRUE(unload.pending[2].armed);
    EXPECT_EQ(unload.pending[2].armed->context, ArmContext::callback);
}

TEST(Judge, a_timer_that_nobody_saw_being_armed_has_no_arm) {
    auto record = test::unload_in_kernel();
    auto pending = test::pending_in_kernel();
    pending.armed_ns = 0;
    test::add_pending(record, pending);
    EXPECT_EQ(judge(record, test::whole_coverage(), symbols).pending.front().armed, std::nullopt);
}

TEST(Judge, tells_no_expiry_where_the_tick_is_unknown) {
    auto coverage = test::whole_coverage();
    coverage.tick = 0ns;
    EXPECT_EQ(judge(test::leak_in_kernel(), coverage, symbols).pending.front().expires_in, std::nullopt);
}

TEST(Judge, tells_the_expiry_across_a_wrap_of_jiffies) {
    auto record = test::leak_in_kernel();
    record.jiffies = UINT64_MAX - 9;
    record.pending[0].expires = 90;
    auto coverage = test::whole_coverage();
    coverage.tick = 4ms;
    EXPECT_EQ(judge(record, coverage, symbols).pending.front().expires_in, 400ms);
}

TEST(Judge, a_timer_that_is_due_has_nothing_to_go) {
    auto record = test::leak_in_kernel();
    record.pending[0].expires = record.jiffies - 3;
    EXPECT_EQ(judge(record, test::whole_coverage(), symbols).pending.front().expires_in, 0ns);
}

TEST(Judge, times_out_of_order_are_zero_long) {
    auto record = test::leak_in_kernel();
    record.begun_ns = record.freed_ns + 1;
    record.pending[0].armed_ns = record.freed_ns + 1;
    const auto unload = judge(record, test::whole_coverage(), symbols);
    EXPECT_EQ(unload.outcome, Outcome::freed);
    EXPECT_EQ(unload.duration, 0ns);
    ASSERT_TRUE(unload.pending.front().armed);
    EXPECT_EQ(unload.pending.front().armed->age, 0ns);
}

TEST(Judge, reads_no_further_than_a_field_that_has_no_nul) {
    auto record = test::leak_in_kernel();
    test::set_text(record.module, std::string(sizeof(record.module), 'm'));
    test::set_text(record.comm, std::string(sizeof(record.comm), 'c'));
    test::set_text(record.pending[0].armed_comm, std::string(sizeof(record.pending[0].armed_comm), 'a'));
    const auto unload = judge(record, test::whole_coverage(), symbols);
    EXPECT_EQ(unload.module, std::string(56, 'm'));
    EXPECT_EQ(unload.comm, std::string(16, 'c'));
    EXPECT_EQ(unload.pending.front().armed->comm, std::string(16, 'a'));
}

TEST(Judge, tells_an_hrtimers_expiry_by_the_clock_and_without_a_tick) {
    struct Case {
        std::uint64_t expires;
        std::chrono::nanoseconds expires_in;
    };
    auto record = test::unload_in_kernel();
    test::add_pending(record, test::pending_hrtimer_in_kernel());
    auto coverage = test::whole_coverage();
    coverage.tick = 0ns;
    // Freed at 10 s. KTIME_MAX is "never"; an expiry on CLOCK_REALTIME set to the past is negative.
    for (const auto& tried :
         {Case{10'001'500'000, 1500us}, Case{10'000'000'001, 1ns}, Case{10'000'000'000, 0ns},
          Case{9'000'000'000, 0ns}, Case{0, 0ns},
          Case{std::uint64_t{INT64_MAX}, std::chrono::nanoseconds(INT64_MAX - 10'000'000'000)},
          Case{static_cast<std::uint64_t>(INT64_MIN), 0ns}, Case{UINT64_MAX, 0ns}}) {
        record.pending[0].expires = tried.expires;
        const auto unload = judge(record, coverage, symbols);
        EXPECT_EQ(unload.pending.front().kind, TimerKind::hrtimer);
        EXPECT_EQ(unload.pending.front().expires_in, tried.expires_in) << tried.expires;
    }
}

TEST(Judge, an_hrtimers_callback_that_is_running_has_no_expiry) {
    auto record = test::unload_in_kernel();
    auto pending = test::pending_hrtimer_in_kernel();
    pending.state = abi::PENDING_CALLBACK_RUNNING;
    test::add_pending(record, pending);
    const auto unload = judge(record, test::whole_coverage(), symbols);
    EXPECT_EQ(unload.pending.front().expires_in, std::nullopt);
    EXPECT_EQ(unload.pending.front().cause, Cause::callback_running);
    EXPECT_EQ(unload.advice, "wait for m_cb [m] to return: delete it with hrtimer_cancel() instead of a "
                             "delete that does not wait");
}

TEST(Judge, knows_a_kthreads_delayed_work) {
    auto record = test::unload_in_kernel();
    auto pending = test::pending_in_kernel();
    pending.kind = abi::TIMER_KIND_KTHREAD_DELAYED_WORK;
    pending.owned_by = abi::OWNED_BY_WORK;
    test::add_pending(record, pending);
    const auto unload = judge(record, test::whole_coverage(), symbols);
    EXPECT_EQ(unload.pending.front().kind, TimerKind::kthread_delayed_work);
    EXPECT_EQ(unload.pending.front().expires_in, 1234ms) << "its timer is a timer_list";
    EXPECT_THAT(unload.advice,
                StartsWith("call kthread_cancel_delayed_work_sync() for m_cb [m] in the exit"));
}

constexpr std::uint64_t core_function = 0xffffffff81234560;
constexpr std::uint64_t other_function = 0xffffffffc0b01000;
constexpr std::uint64_t own_exit = test::callback_address + 0x200;
constexpr std::uint64_t core_delete = 0xffffffff81100000;
constexpr std::uint64_t core_delete_inside = 0xffffffff81100200;
constexpr std::uint64_t core_delete_module = 0xffffffff81100400;
constexpr std::uint64_t a_program = 0xffffffffc0ff0000;

const std::map<std::uint64_t, Symbol>& functions() {
    static const std::map<std::uint64_t, Symbol> all = [] {
        auto own = test::own_functions();
        own.insert({{core_function, {"process_timeout", "", 0}},
                    {other_function, {"cb", "other", 0}},
                    {own_exit, {"m_exit", "m", 0}},
                    {core_delete, {"hrtimer_cancel", "", 0}},
                    {core_delete_inside, {"hrtimer_try_to_cancel", "", 0}},
                    {core_delete_module, {"__do_sys_delete_module", "", 0}}});
        return own;
    }();
    return all;
}

// A timer in the freed module's memory, with somebody else's callback.
abi::pending_timer object_with(std::uint64_t callback) {
    auto pending = test::pending_in_kernel();
    pending.callback = callback;
    pending.owned_by = abi::OWNED_BY_OBJECT;
    return pending;
}

std::string symbol_in(const abi::unload_record& record) {
    return judge(record, test::whole_coverage(), test::lookup_in(functions())).pending.front().symbol;
}

TEST(Judge, names_a_callback_without_a_symbol_by_its_address) {
    auto record = test::leak_in_kernel();
    record.pending[0].callback += 0x100;
    const auto unload = judge(record, test::whole_coverage(), symbols);
    EXPECT_EQ(unload.pending.front().symbol, "0xffffffffc0a01100");
    EXPECT_THAT(unload.advice, HasSubstr("for 0xffffffffc0a01100 in"));
}

TEST(Judge, names_others_callbacks_by_their_symbols) {
    auto record = test::unload_in_kernel();
    test::add_pending(record, object_with(core_function));
    EXPECT_EQ(symbol_in(record), "process_timeout");
    record.pending[0] = object_with(other_function);
    EXPECT_EQ(symbol_in(record), "cb [other]");
    record.pending[0] = object_with(other_function + 8);
    EXPECT_EQ(symbol_in(record), "cb+0x8 [other]");
    record.pending[0] = object_with(other_function + 0x100);
    EXPECT_EQ(symbol_in(record), "0xffffffffc0b01100");
}

TEST(Judge, does_not_name_a_freed_callback_after_whoever_has_its_address_now) {
    auto record = test::leak_in_kernel();
    // In an init section, which was given back long before.
    record.pending[0].callback = other_function;
    EXPECT_EQ(symbol_in(record), "0xffffffffc0b01000");
    record.pending[0].kind = abi::TIMER_KIND_DELAYED_WORK;
    record.pending[0].owned_by = abi::OWNED_BY_WORK;
    EXPECT_EQ(symbol_in(record), "0xffffffffc0b01000");
}

// While the module's init ran its init section was where something else may be by now.
TEST(Judge, names_what_ran_in_the_init_and_what_ran_later_each_by_its_time) {
    const auto same_place = [](const std::string& name) {
        return [name](std::uint64_t) { return std::optional(Symbol{name, "m", 0x1c}); };
    };
    const CodeNames names{same_place("its_init"), same_place("the_next")};
    auto record = test::leak_in_kernel();
    auto& pending = record.pending[0];
    pending.evidence.arm_frames = 1;
    pending.evidence.arm_stack[0] = core_function;
    const auto armed_by = [&](std::uint64_t time_ns) {
        pending.armed_ns = pending.evidence.arm_stack_ns = time_ns;
        return judge(record, test::whole_coverage(), names).pending.front().armed.value().stack;
    };
    const auto live_ns = record.live_ns;
    EXPECT_THAT(armed_by(record.loaded_ns), ElementsAre("its_init+0x1d [m]"));
    EXPECT_THAT(armed_by(live_ns), ElementsAre("its_init+0x1d [m]"));
    EXPECT_THAT(armed_by(live_ns + 1), ElementsAre("the_next+0x1d [m]"));
    record.live_ns = 0; // It never got so far.
    EXPECT_THAT(armed_by(live_ns + 1), ElementsAre("its_init+0x1d [m]"));
    record.loaded_ns = 0; // Before anybody watched.
    EXPECT_THAT(armed_by(live_ns + 1), ElementsAre("the_next+0x1d [m]"));
    // The module's own callback keeps the name that it had.
    EXPECT_EQ(judge(record, test::whole_coverage(), names).pending.front().symbol, "its_init+0x1c [m]");
}

// Deleted by hrtimer_cancel() in the exit function, 1 ms before the free and half a ms after it was begun;
// the last arm was before.
abi::pending_timer deleted_in_exit() {
    auto pending = test::pending_hrtimer_in_kernel();
    pending.deleted_ns = 9'999'000'000;
    auto& evidence = pending.evidence;
    evidence.deleted_ns = pending.deleted_ns;
    evidence.deleted_by = core_delete_inside + 5;
    evidence.deleted_pid = 42;
    evidence.deleted_cpu = 1;
    test::set_text(evidence.deleted_comm, "rmmod");
    evidence.deleted_context = abi::ARM_CONTEXT_TASK;
    evidence.deleted_found = abi::DELETE_FOUND_ARMED;
    const std::array<std::uint64_t, 5> stack{a_program + 0x40, core_delete_inside + 5, core_delete + 0x20,
                                             own_exit + 0x1d, core_delete_module + 0xd9};
    std::ranges::copy(stack, std::begin(evidence.delete_stack));
    evidence.delete_frames = stack.size();
    return pending;
}

PendingTimer judged(const abi::pending_timer& pending) {
    auto record = test::unload_in_kernel();
    test::add_pending(record, pending);
    return judge(record, test::whole_coverage(), test::lookup_in(functions())).pending.front();
}

TEST(Judge, tells_a_delete_by_the_function_that_was_called_outermost) {
    const auto timer = judged(deleted_in_exit());
    ASSERT_TRUE(timer.deleted);
    EXPECT_EQ(timer.deleted->age, 1ms);
    EXPECT_EQ(timer.deleted->api, "hrtimer_cancel");
    EXPECT_EQ(timer.deleted->pid, 42U);
    EXPECT_EQ(timer.deleted->comm, "rmmod");
    EXPECT_EQ(timer.deleted->cpu, 1U);
    EXPECT_EQ(timer.deleted->context, ArmContext::task);
    EXPECT_EQ(timer.deleted->found, DeleteFound::armed);
    EXPECT_THAT(timer.deleted->stack, ElementsAre("hrtimer_try_to_cancel+0x5", "hrtimer_cancel+0x20",
                                                  "m_exit+0x1d [m]", "__do_sys_delete_module+0xd9"));
}

TEST(Judge, tells_a_delete_without_a_stack_by_the_function_that_was_seen) {
    auto pending = deleted_in_exit();
    pending.evidence.delete_frames = 0;
    const auto timer = judged(pending);
    ASSERT_TRUE(timer.deleted);
    EXPECT_EQ(timer.deleted->api, "hrtimer_try_to_cancel");
    EXPECT_THAT(timer.deleted->stack, IsEmpty());
}

TEST(Judge, tells_of_a_delete_whose_evidence_is_anothers_only_when_it_was) {
    auto pending = deleted_in_exit();
    pending.evidence.deleted_ns -= 1;
    const auto timer = judged(pending);
    ASSERT_TRUE(timer.deleted);
    EXPECT_EQ(timer.deleted->age, 1ms);
    EXPECT_EQ(timer.deleted->api, "");
    EXPECT_EQ(timer.cause, Cause::rearmed_after_delete) << "it was deleted all the same";
}

// What is loaded later may lie where another module was, and its timers where that had its own.
TEST(Judge, a_delete_from_before_the_load_was_anothers) {
    const auto with = [](std::uint64_t deleted_ns, std::uint64_t loaded_ns) {
        auto record = test::leak_in_kernel();
        record.loaded_ns = loaded_ns;
        record.pending[0].deleted_ns = record.pending[0].evidence.deleted_ns = deleted_ns;
        return judge(record, test::whole_coverage(), symbols).pending.front();
    };
    const auto loaded_ns = test::leak_in_kernel().loaded_ns;
    EXPECT_FALSE(with(loaded_ns - 1, loaded_ns).deleted);
    EXPECT_TRUE(with(loaded_ns, loaded_ns).deleted);
    EXPECT_TRUE(with(loaded_ns - 1, 0).deleted) << "nobody saw the load";
}

TEST(Judge, a_delete_that_gave_up_is_none) {
    auto pending = deleted_in_exit();
    pending.evidence.deleted_found = abi::DELETE_FOUND_RUNNING;
    EXPECT_EQ(judged(pending).cause, Cause::rearmed_after_delete) << "hrtimer_cancel() waits";
    pending.evidence.delete_frames = 0;
    EXPECT_EQ(judged(pending).cause, Cause::never_deleted) << "hrtimer_try_to_cancel() does not";
}

TEST(Judge, tells_who_armed_it_again_after_a_delete) {
    auto pending = deleted_in_exit();
    pending.armed_ns = 9'999'500'000;
    pending.armed_pid = 42;
    auto timer = judged(pending);
    EXPECT_EQ(timer.cause, Cause::rearmed_after_delete);
    EXPECT_EQ(timer.rearmer, Rearmer::unloader);
    pending.armed_pid = 43;
    EXPECT_EQ(judged(pending).rearmer, Rearmer::thread);
    pending.armed_context = abi::ARM_CONTEXT_CALLBACK;
    EXPECT_EQ(judged(pending).rearmer, Rearmer::callback);
}

TEST(Judge, a_stack_of_an_earlier_arm_says_so) {
    auto pending = test::pending_in_kernel();
    const std::array<std::uint64_t, 2> stack{core_function + 1, test::callback_address + 9};
    std::ranges::copy(stack, std::begin(pending.evidence.arm_stack));
    pending.evidence.arm_frames = stack.size();
    pending.evidence.arm_stack_ns = pending.armed_ns;
    auto timer = judged(pending);
    EXPECT_THAT(timer.armed->stack, ElementsAre("process_timeout+0x1", "m_cb+0x9 [m]"));
    EXPECT_EQ(timer.armed->stack_age, std::nullopt);
    pending.evidence.arm_stack_ns -= 1'000'000'000;
    timer = judged(pending);
    EXPECT_THAT(timer.armed->stack, ElementsAre("process_timeout+0x1", "m_cb+0x9 [m]"));
    EXPECT_EQ(timer.armed->stack_age, 3s);
    pending.evidence.arm_stack_ns = pending.armed_ns + 1;
    EXPECT_THAT(judged(pending).armed->stack, IsEmpty()) << "another timer's, at this place";
}

TEST(Judge, reads_no_further_than_a_stack_reaches) {
    auto pending = test::pending_in_kernel();
    std::ranges::fill(pending.evidence.arm_stack, core_function + 1);
    pending.evidence.arm_stack_ns = pending.armed_ns;
    pending.evidence.arm_frames = 255;
    EXPECT_EQ(judged(pending).armed->stack.size(), std::size_t{DISARMD_STACK_DEPTH});
}

Coverage with_rules() {
    auto coverage = test::whole_coverage();
    coverage.rule = {"c.toml:9: second", true};
    return coverage;
}

TEST(JudgePolicy, is_nothing_where_no_rule_takes_the_module) {
    const auto unload = judge(test::leak_in_kernel(), with_rules(), symbols);
    EXPECT_EQ(unload.policy.action, Action::none);
    EXPECT_EQ(unload.policy.rule, "");
    EXPECT_FALSE(unload.policy.drain);
}

TEST(JudgePolicy, of_a_denied_unload_gives_no_verdict_and_no_cause) {
    auto record = test::leak_in_kernel();
    record.rule = 2;
    record.denied = abi::ON_UNLOAD_DENY_IF_ARMED;
    const auto unload = judge(record, with_rules(), symbols);
    EXPECT_EQ(unload.outcome, Outcome::denied);
    EXPECT_EQ(unload.verdict, Verdict::inconclusive);
    EXPECT_THAT(unload.why_inconclusive, IsEmpty());
    EXPECT_EQ(unload.policy.action, Action::denied);
    EXPECT_EQ(unload.policy.rule, "c.toml:9: second");
    ASSERT_EQ(unload.pending.size(), 1U);
    EXPECT_EQ(unload.pending[0].cause, Cause::unknown);
    EXPECT_THAT(unload.advice, HasSubstr("disarmd allow-once m"));
    EXPECT_TRUE(is_notable(unload));
}

TEST(JudgePolicy, of_a_drain_tells_how_long_it_was_and_what_was_left) {
    auto record = test::leak_in_kernel();
    record.rule = 1;
    record.on_leak = abi::ON_LEAK_DRAIN;
    record.drain_ns = 1'500'000;
    const auto drained = judge(record, with_rules(), symbols);
    EXPECT_EQ(drained.verdict, Verdict::leak);
    EXPECT_EQ(drained.policy.action, Action::drained);
    EXPECT_EQ(drained.policy.drain, std::chrono::nanoseconds(1'500'000));
    record.drain_left = 1;
    const auto left = judge(record, with_rules(), symbols);
    EXPECT_EQ(left.policy.action, Action::none);
    EXPECT_EQ(left.policy.drain_left, 1U);
}

TEST(JudgePolicy, panics_at_what_could_not_be_drained_alone) {
    auto record = test::leak_in_kernel();
    record.rule = 1;
    record.on_leak = abi::ON_LEAK_PANIC;
    EXPECT_EQ(judge(record, with_rules(), symbols).policy.action, Action::panic);
    record.drain_ns = 1;
    EXPECT_EQ(judge(record, with_rules(), symbols).policy.action, Action::drained);
    record.drain_left = 1;
    EXPECT_EQ(judge(record, with_rules(), symbols).policy.action, Action::panic);
    auto clean = test::unload_in_kernel();
    clean.rule = 1;
    clean.on_leak = abi::ON_LEAK_PANIC;
    EXPECT_EQ(judge(clean, with_rules(), symbols).policy.action, Action::none);
}

TEST(JudgePolicy, of_what_an_operator_let_through_is_notable_though_it_is_clean) {
    auto record = test::unload_in_kernel();
    record.rule = 1;
    record.allowed = 1;
    const auto unload = judge(record, with_rules(), symbols);
    EXPECT_EQ(unload.verdict, Verdict::clean);
    EXPECT_TRUE(unload.policy.allowed_once);
    EXPECT_TRUE(is_notable(unload));
    record.allowed = 0;
    auto allows = with_rules();
    allows.rule->denies = false;
    EXPECT_FALSE(is_notable(judge(record, allows, symbols)));
}

TEST(JudgePolicy, tells_of_an_unload_that_got_past_a_rule_that_denies_it) {
    auto record = test::unload_in_kernel();
    record.rule = 2;
    const auto unload = judge(record, with_rules(), symbols);
    EXPECT_TRUE(unload.policy.bypassed);
    EXPECT_TRUE(is_notable(unload));
    record.allowed = 1;
    EXPECT_FALSE(judge(record, with_rules(), symbols).policy.bypassed);
    record.allowed = 0;
    record.init_failed = 1;
    EXPECT_FALSE(judge(record, with_rules(), symbols).policy.bypassed);
}

TEST(JudgePolicy, does_not_make_up_a_rule_that_it_does_not_know) {
    auto record = test::leak_in_kernel();
    record.rule = 3;
    const auto unload = judge(record, test::whole_coverage(), symbols);
    EXPECT_EQ(unload.policy.rule, "a rule that can't be told");
    EXPECT_FALSE(unload.policy.bypassed);
}

} // namespace
} // namespace disarmd
