// SPDX-License-Identifier: Apache-2.0
#include "verdict/decode.h"

#include <optional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "builders.h"

namespace disarmd {
namespace {

using namespace std::chrono_literals;
using std::chrono::nanoseconds;
using testing::ElementsAre;
using testing::IsEmpty;

TEST(KindOf, tells_the_kinds_apart) {
    EXPECT_EQ(kind_of(abi::TIMER_KIND_TIMER), TimerKind::timer);
    EXPECT_EQ(kind_of(abi::TIMER_KIND_HRTIMER), TimerKind::hrtimer);
    EXPECT_EQ(kind_of(abi::TIMER_KIND_DELAYED_WORK), TimerKind::delayed_work);
    EXPECT_EQ(kind_of(abi::TIMER_KIND_KTHREAD_DELAYED_WORK), TimerKind::kthread_delayed_work);
    EXPECT_EQ(kind_of(abi::TIMER_KIND_ALARM), TimerKind::alarm);
    EXPECT_EQ(kind_of(255), TimerKind::timer);
}

TEST(ContextOf, tells_the_contexts_apart) {
    EXPECT_EQ(context_of(abi::ARM_CONTEXT_UNKNOWN), ArmContext::unknown);
    EXPECT_EQ(context_of(abi::ARM_CONTEXT_TASK), ArmContext::task);
    EXPECT_EQ(context_of(abi::ARM_CONTEXT_SOFTIRQ), ArmContext::softirq);
    EXPECT_EQ(context_of(abi::ARM_CONTEXT_HARDIRQ), ArmContext::hardirq);
    EXPECT_EQ(context_of(abi::ARM_CONTEXT_CALLBACK), ArmContext::callback);
    EXPECT_EQ(context_of(255), ArmContext::unknown);
}

TEST(OwnersOf, takes_every_bit_for_itself) {
    EXPECT_THAT(owners_of(0), IsEmpty());
    EXPECT_THAT(owners_of(abi::OWNED_BY_CALLBACK), ElementsAre(Owner::callback));
    EXPECT_THAT(owners_of(abi::OWNED_BY_OBJECT), ElementsAre(Owner::object));
    EXPECT_THAT(owners_of(abi::OWNED_BY_WORK), ElementsAre(Owner::work));
    EXPECT_THAT(owners_of(abi::OWNED_BY_CALLBACK | abi::OWNED_BY_OBJECT),
                ElementsAre(Owner::callback, Owner::object));
    EXPECT_THAT(owners_of(abi::OWNED_BY_OBJECT | abi::OWNED_BY_WORK),
                ElementsAre(Owner::object, Owner::work));
    EXPECT_THAT(owners_of(0xff), ElementsAre(Owner::callback, Owner::object, Owner::work));
    EXPECT_THAT(owners_of(0xf8), IsEmpty());
}

TEST(TaintsText, has_a_letter_for_every_taint_by_its_number) {
    EXPECT_EQ(taints_text(0), "");
    EXPECT_EQ(taints_text(1), "P");
    EXPECT_EQ(taints_text(1U << 12U | 1U << 13U), "OE");
    EXPECT_EQ(taints_text((1U << 20U) - 1), "PFSRMBUDAWCIOELKXTNJ");
    EXPECT_EQ(taints_text(1U << 20U), "?") << "newer than this disarmd";
    EXPECT_EQ(taints_text(UINT64_MAX), "PFSRMBUDAWCIOELKXTNJ" + std::string(44, '?'));
}

// Of a timer_list.
std::optional<nanoseconds> jiffies_to(std::uint64_t expires, std::uint64_t jiffies, nanoseconds tick) {
    return time_to_expiry(TimerKind::timer, expires, {jiffies, tick, 77});
}

TEST(TimeToExpiry, is_the_distance_in_ticks) {
    EXPECT_EQ(jiffies_to(101'000, 100'000, 4ms), 4s);
    EXPECT_EQ(jiffies_to(100'001, 100'000, 1ms), 1ms);
}

TEST(TimeToExpiry, of_a_timer_that_is_due_is_zero) {
    EXPECT_EQ(jiffies_to(100'000, 100'000, 4ms), 0ns);
    EXPECT_EQ(jiffies_to(99'999, 100'000, 4ms), 0ns);
    EXPECT_EQ(jiffies_to(0, 100'000, 4ms), 0ns);
}

TEST(TimeToExpiry, goes_on_where_jiffies_wrap) {
    EXPECT_EQ(jiffies_to(5, UINT64_MAX - 4, 4ms), 40ms);
    EXPECT_EQ(jiffies_to(UINT64_MAX - 4, 5, 4ms), 0ns);
}

// msecs_to_jiffies() of a negative time, a usual way to say "never", is MAX_JIFFY_OFFSET.
TEST(TimeToExpiry, of_a_timer_armed_for_ever_is_as_long_as_can_be_told) {
    constexpr std::uint64_t max_jiffy_offset = (INT64_MAX >> 1) - 1;
    EXPECT_EQ(jiffies_to(100'000 + max_jiffy_offset, 100'000, 4ms), nanoseconds::max());
    EXPECT_EQ(jiffies_to(100'000 + std::uint64_t{INT64_MAX}, 100'000, 1ms), nanoseconds::max());
}

TEST(TimeToExpiry, is_not_known_without_the_length_of_a_tick) {
    EXPECT_EQ(jiffies_to(101'000, 100'000, 0ns), std::nullopt);
    for (const auto kind : {TimerKind::timer, TimerKind::delayed_work, TimerKind::kthread_delayed_work})
        EXPECT_EQ(time_to_expiry(kind, 101'000, {}), std::nullopt);
}

TEST(TimeToExpiry, of_works_is_in_ticks_too) {
    for (const auto kind : {TimerKind::delayed_work, TimerKind::kthread_delayed_work})
        EXPECT_EQ(time_to_expiry(kind, 101'000, {100'000, 4ms, 77}), 4s);
}

TEST(TimeToExpiry, of_an_hrtimer_is_in_nanoseconds_and_needs_no_tick) {
    const auto ns_to = [](std::uint64_t expires, std::uint64_t now) {
        return time_to_expiry(TimerKind::hrtimer, expires, {100'000, 0ns, now});
    };
    EXPECT_EQ(ns_to(5'000'000, 3'000'000), 2ms);
    EXPECT_EQ(ns_to(3'000'000, 3'000'000), 0ns);
    EXPECT_EQ(ns_to(2'999'999, 3'000'000), 0ns);
    EXPECT_EQ(ns_to(0, 3'000'000), 0ns);
    EXPECT_EQ(ns_to(UINT64_MAX, 3'000'000), 0ns) << "a ktime_t is signed: this one is past";
    EXPECT_EQ(ns_to(INT64_MAX, 0), nanoseconds::max()) << "KTIME_MAX";
    EXPECT_EQ(time_to_expiry(TimerKind::alarm, 5'000'000, {100'000, 0ns, 3'000'000}), 2ms);
}

TEST(TimeToExpiry, of_an_hrtimer_is_as_long_as_can_be_told) {
    constexpr auto below_zero = static_cast<std::uint64_t>(-5);
    EXPECT_EQ(time_to_expiry(TimerKind::hrtimer, INT64_MAX, {0, 0ns, below_zero}), nanoseconds::max());
}

TEST(TimeBetween, is_zero_for_times_out_of_order) {
    EXPECT_EQ(time_between(3, 5), 2ns);
    EXPECT_EQ(time_between(5, 5), 0ns);
    EXPECT_EQ(time_between(5, 3), 0ns);
    EXPECT_EQ(time_between(UINT64_MAX, 0), 0ns);
}

TEST(TimeBetween, is_as_long_as_can_be_told) {
    EXPECT_EQ(time_between(1, INT64_MAX), nanoseconds::max() - 1ns);
    EXPECT_EQ(time_between(0, UINT64_MAX), nanoseconds::max());
}

TEST(TextOf, ends_at_the_first_nul) {
    const char field[8] = {'a', 'b', '\0', 'c', 'd', '\0', '\0', '\0'};
    EXPECT_EQ(text_of(field), "ab");
}

TEST(TextOf, of_a_field_without_a_nul_ends_with_the_field) {
    struct {
        char field[4];
        char beyond[4];
    } memory{{'a', 'b', 'c', 'd'}, {'X', 'X', 'X', '\0'}};
    EXPECT_EQ(text_of(memory.field), "abcd");
    EXPECT_EQ(memory.beyond[0], 'X');
}

TEST(TextOf, of_an_empty_field_is_empty) {
    const char field[4] = {};
    EXPECT_EQ(text_of(field), "");
}

} // namespace
} // namespace disarmd
