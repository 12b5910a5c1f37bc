// SPDX-License-Identifier: Apache-2.0
#include "state/inventory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "builders.h"

namespace disarmd {
namespace {

using namespace std::chrono_literals;
using test::armed_timer;
using test::heap_address;
using test::loaded_module;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr KernelClocks clocks_at_1000{1000, 4ms, 50'000'000'000};
constexpr std::uint64_t m_start = 0xffffffffc0a00000;
constexpr std::uint64_t n_start = 0xffffffffc0b00000;
constexpr std::uint64_t size = 0x4000;

std::vector<ModuleTimers> inventory_of(const std::vector<LoadedModule>& modules,
                                       const std::vector<ArmedTimer>& timers) {
    return take_inventory(modules, timers, {}, clocks_at_1000);
}

std::vector<std::string> modules_in(const std::vector<ModuleTimers>& inventory) {
    std::vector<std::string> names;
    for (const auto& entry : inventory)
        names.push_back(entry.module);
    return names;
}

TEST(TakeInventory, of_nothing_is_empty) {
    EXPECT_THAT(inventory_of({}, {}), IsEmpty());
    EXPECT_THAT(inventory_of({loaded_module("m", m_start, size)}, {}), IsEmpty());
}

TEST(TakeInventory, describes_a_timer_whole) {
    const auto inventory = take_inventory({loaded_module("m", m_start, size)},
                                          {armed_timer(m_start + 0x3000, m_start + 0x100, 1250)},
                                          {{m_start + 0x100, "m_cb [m]"}}, clocks_at_1000);
    ASSERT_THAT(modules_in(inventory), ElementsAre("m"));
    ASSERT_EQ(inventory.front().timers.size(), 1U);
    const auto& timer = inventory.front().timers.front();
    EXPECT_EQ(timer.kind, TimerKind::timer);
    EXPECT_EQ(timer.timer, m_start + 0x3000);
    EXPECT_EQ(timer.callback, m_start + 0x100);
    EXPECT_EQ(timer.symbol, "m_cb [m]");
    EXPECT_THAT(timer.owned_by, ElementsAre(Owner::callback, Owner::object));
    EXPECT_EQ(timer.expires_in, 1s);
}

TEST(TakeInventory, names_a_callback_without_a_symbol_by_its_address) {
    const auto inventory =
        take_inventory({loaded_module("m", m_start, size)}, {armed_timer(heap_address, m_start)},
                       {{m_start + 1, "other [m]"}}, clocks_at_1000);
    EXPECT_EQ(inventory.front().timers.front().symbol, "0xffffffffc0a00000");
}

TEST(TakeInventory, tells_owners_apart) {
    const auto owners = [](const ArmedTimer& timer) {
        return inventory_of({loaded_module("m", m_start, size)}, {timer}).front().timers.front().owned_by;
    };
    EXPECT_THAT(owners(armed_timer(heap_address, m_start)), ElementsAre(Owner::callback));
    EXPECT_THAT(owners(armed_timer(m_start, 0xffffffff81000000)), ElementsAre(Owner::object));
    auto work = armed_timer(heap_address, m_start);
    work.state.kind = abi::TIMER_KIND_DELAYED_WORK;
    EXPECT_THAT(owners(work), ElementsAre(Owner::work));
    work.timer = m_start + 8;
    EXPECT_THAT(owners(work), ElementsAre(Owner::object, Owner::work));
    auto hrtimer = armed_timer(heap_address, m_start);
    hrtimer.state.kind = abi::TIMER_KIND_HRTIMER;
    EXPECT_THAT(owners(hrtimer), ElementsAre(Owner::callback));
}

TEST(TakeInventory, keeps_the_kind) {
    auto work = armed_timer(heap_address, m_start);
    work.state.kind = abi::TIMER_KIND_DELAYED_WORK;
    EXPECT_EQ(inventory_of({loaded_module("m", m_start, size)}, {work}).front().timers.front().kind,
              TimerKind::delayed_work);
}

TEST(TakeInventory, a_range_holds_its_first_byte_and_not_the_one_after_its_last) {
    const auto owned = [](std::uint64_t callback) {
        return !inventory_of({loaded_module("m", m_start, size)}, {armed_timer(heap_address, callback)})
                    .front()
                    .module.empty();
    };
    EXPECT_FALSE(owned(m_start - 1));
    EXPECT_TRUE(owned(m_start));
    EXPECT_TRUE(owned(m_start + size - 1));
    EXPECT_FALSE(owned(m_start + size));
}

TEST(TakeInventory, a_range_may_end_with_the_address_space) {
    const std::uint64_t last_page = UINT64_MAX - 0xfff;
    const auto inventory =
        inventory_of({loaded_module("m", last_page, 0x1000)},
                     {armed_timer(heap_address, UINT64_MAX), armed_timer(heap_address, 0)});
    ASSERT_THAT(modules_in(inventory), ElementsAre("m", ""));
    ASSERT_EQ(inventory[0].timers.size(), 1U);
    EXPECT_EQ(inventory[0].timers.front().callback, UINT64_MAX);
    ASSERT_EQ(inventory[1].timers.size(), 1U);
    EXPECT_EQ(inventory[1].timers.front().callback, 0U);
}

TEST(TakeInventory, a_module_without_ranges_owns_nothing) {
    const auto inventory =
        inventory_of({loaded_module("m", 0, 0)}, {armed_timer(0, 0), armed_timer(heap_address, m_start)});
    ASSERT_THAT(modules_in(inventory), ElementsAre(""));
    EXPECT_EQ(inventory.front().timers.size(), 2U);
}

TEST(TakeInventory, looks_into_every_range) {
    auto module = loaded_module("m", m_start, size);
    for (std::uint64_t i = 1; i < DISARMD_MODULE_RANGES; ++i)
        module.instance.memory.ranges[i] = {m_start + i * 0x10000, size};
    for (std::uint64_t i = 0; i < DISARMD_MODULE_RANGES; ++i)
        EXPECT_THAT(
            modules_in(inventory_of({module}, {armed_timer(heap_address, m_start + i * 0x10000 + 8)})),
            ElementsAre("m"))
            << i;
    EXPECT_THAT(modules_in(inventory_of({module}, {armed_timer(heap_address, m_start + size + 8)})),
                ElementsAre(""));
}

TEST(TakeInventory, sorts_modules_by_name_and_puts_orphans_last) {
    const auto inventory =
        inventory_of({loaded_module("n", n_start, size), loaded_module("m", m_start, size),
                      loaded_module("idle", 0xffffffffc0c00000, size)},
                     {armed_timer(heap_address, 0xffffffffc0d00000), armed_timer(heap_address + 8, n_start),
                      armed_timer(heap_address + 16, m_start)});
    ASSERT_THAT(modules_in(inventory), ElementsAre("m", "n", ""));
    EXPECT_EQ(inventory[0].timers.front().timer, heap_address + 16);
    EXPECT_EQ(inventory[1].timers.front().timer, heap_address + 8);
    ASSERT_EQ(inventory[2].timers.size(), 1U);
    EXPECT_EQ(inventory[2].timers.front().timer, heap_address);
    EXPECT_THAT(inventory[2].timers.front().owned_by, IsEmpty());
}

TEST(TakeInventory, sorts_timers_soonest_first_everywhere) {
    const std::uint64_t freed = 0xffffffffc0d00000;
    const auto inventory = inventory_of({loaded_module("m", m_start, size)},
                                        {armed_timer(1, m_start, 3000), armed_timer(2, m_start, 900),
                                         armed_timer(3, m_start, 2000), armed_timer(4, freed, 5000),
                                         armed_timer(5, freed, 1001)});
    const auto timers_of = [](const ModuleTimers& entry) {
        std::vector<std::uint64_t> timers;
        for (const auto& timer : entry.timers)
            timers.push_back(timer.timer);
        return timers;
    };
    ASSERT_THAT(modules_in(inventory), ElementsAre("m", ""));
    EXPECT_THAT(timers_of(inventory[0]), ElementsAre(2, 3, 1));
    EXPECT_THAT(timers_of(inventory[1]), ElementsAre(5, 4));
    EXPECT_EQ(inventory[0].timers[0].expires_in, 0ns) << "it was due 100 jiffies ago";
    EXPECT_EQ(inventory[0].timers[2].expires_in, 8s);
    EXPECT_EQ(inventory[1].timers[0].expires_in, 4ms);
}

TEST(TakeInventory, tells_no_expiry_where_the_tick_is_unknown) {
    const auto inventory = take_inventory({loaded_module("m", m_start, size)},
                                          {armed_timer(heap_address, m_start, 3000)}, {}, {1000, 0ns, 0});
    EXPECT_EQ(inventory.front().timers.front().expires_in, std::nullopt);
}

TEST(TakeInventory, a_timer_of_two_modules_appears_under_both) {
    const auto inventory =
        inventory_of({loaded_module("m", m_start, size), loaded_module("n", n_start, size)},
                     {armed_timer(n_start + 0x80, m_start + 0x40)});
    ASSERT_THAT(modules_in(inventory), ElementsAre("m", "n"));
    ASSERT_EQ(inventory[0].timers.size(), 1U);
    EXPECT_THAT(inventory[0].timers.front().owned_by, ElementsAre(Owner::callback));
    ASSERT_EQ(inventory[1].timers.size(), 1U);
    EXPECT_THAT(inventory[1].timers.front().owned_by, ElementsAre(Owner::object));
    EXPECT_EQ(inventory[1].timers.front().timer, n_start + 0x80);
}

TEST(TakeInventory, reads_no_further_than_a_name_that_has_no_nul) {
    const std::string name(DISARMD_MODULE_NAME_LEN, 'm');
    EXPECT_THAT(
        modules_in(inventory_of({loaded_module(name, m_start, size)}, {armed_timer(heap_address, m_start)})),
        ElementsAre(name));
}

// Addresses are reused: what the record of an unload names belongs to the module that is gone.
TEST(TakeInventory, does_not_charge_an_orphan_to_a_later_module_at_the_same_address) {
    auto module = loaded_module("later", m_start, size);
    module.instance.loaded_ns = 5'000;
    auto orphan = armed_timer(m_start + 0x80, m_start + 0x40);
    orphan.state.armed_ns = 3'000;
    orphan.state.reported = 4'000;
    orphan.state.orphaned = abi::OWNED_BY_CALLBACK | abi::OWNED_BY_OBJECT;
    auto own = armed_timer(m_start + 0x180, m_start + 0x40);
    own.state.armed_ns = 5'001;
    const auto inventory = inventory_of({module}, {orphan, own});
    ASSERT_THAT(modules_in(inventory), ElementsAre("later", ""));
    ASSERT_EQ(inventory[0].timers.size(), 1U);
    EXPECT_EQ(inventory[0].timers.front().timer, m_start + 0x180);
    ASSERT_EQ(inventory[1].timers.size(), 1U);
    EXPECT_EQ(inventory[1].timers.front().timer, m_start + 0x80);
    EXPECT_THAT(inventory[1].timers.front().owned_by, IsEmpty());
}

TEST(TakeInventory, does_not_charge_a_module_with_what_was_armed_before_its_load_began) {
    auto module = loaded_module("later", m_start, size);
    module.instance.begun_ns = 5'000;
    module.instance.loaded_ns = 6'000;
    const auto charged = [&](std::uint64_t armed_ns) {
        auto timer = armed_timer(heap_address, m_start + 0x40);
        timer.state.armed_ns = armed_ns;
        return modules_in(inventory_of({module}, {timer})) == std::vector<std::string>{"later"};
    };
    EXPECT_FALSE(charged(4'999));
    EXPECT_TRUE(charged(5'000)) << "by the setter of a parameter";
    EXPECT_TRUE(charged(7'000));
}

TEST(TakeInventory, an_owner_that_is_gone_leaves_the_others) {
    // Its callback's module was freed; its memory is another module's, which is loaded.
    auto timer = armed_timer(n_start + 0x80, m_start + 0x40);
    timer.state.armed_ns = 3'000;
    timer.state.reported = 4'000;
    timer.state.orphaned = abi::OWNED_BY_CALLBACK;
    const auto inventory =
        inventory_of({loaded_module("later", m_start, size), loaded_module("n", n_start, size)}, {timer});
    ASSERT_THAT(modules_in(inventory), ElementsAre("n", ""));
    EXPECT_THAT(inventory[0].timers.front().owned_by, ElementsAre(Owner::object));
    EXPECT_EQ(inventory[0].timers.front().left_ago, std::nullopt);
    EXPECT_THAT(inventory[1].timers.front().owned_by, IsEmpty());
    EXPECT_EQ(inventory[1].timers.front().timer, n_start + 0x80) << "it still fires into freed memory";
}

TEST(TakeInventory, every_owner_goes_by_its_own_bit) {
    struct Case {
        unsigned kind;
        unsigned orphaned;
        std::vector<Owner> left;
    };
    const auto owners = [](const Case& tried) {
        auto timer = armed_timer(m_start + 0x80, m_start + 0x40);
        timer.state.armed_ns = 3'000;
        timer.state.kind = static_cast<__u8>(tried.kind);
        timer.state.orphaned = static_cast<__u8>(tried.orphaned);
        return inventory_of({loaded_module("m", m_start, size)}, {timer}).front().timers.front().owned_by;
    };
    for (const auto& tried : {Case{abi::TIMER_KIND_TIMER, 0, {Owner::callback, Owner::object}},
                              Case{abi::TIMER_KIND_TIMER, abi::OWNED_BY_OBJECT, {Owner::callback}},
                              Case{abi::TIMER_KIND_HRTIMER, abi::OWNED_BY_CALLBACK, {Owner::object}},
                              Case{abi::TIMER_KIND_DELAYED_WORK, abi::OWNED_BY_WORK, {Owner::object}},
                              Case{abi::TIMER_KIND_KTHREAD_DELAYED_WORK, 0, {Owner::object, Owner::work}},
                              Case{abi::TIMER_KIND_KTHREAD_DELAYED_WORK, abi::OWNED_BY_OBJECT, {Owner::work}},
                              Case{abi::TIMER_KIND_TIMER, 0xff, {}}})
        EXPECT_EQ(owners(tried), tried.left) << tried.kind << ", " << tried.orphaned;
}

TEST(TakeInventory, tells_since_when_an_orphan_is_one) {
    auto orphan = armed_timer(heap_address, m_start + 0x40);
    orphan.state.armed_ns = 3'000;
    orphan.state.orphaned = abi::OWNED_BY_CALLBACK;
    const auto left_ago = [&](std::uint64_t reported) {
        orphan.state.reported = reported;
        return inventory_of({}, {orphan}).front().timers.front().left_ago;
    };
    EXPECT_EQ(left_ago(48'000'000'000), 2s);
    EXPECT_EQ(left_ago(50'000'000'000), 0s);
    EXPECT_EQ(left_ago(50'000'000'001), 0s);
    EXPECT_EQ(left_ago(0), std::nullopt) << "it was left before anyone watched";
}

TEST(TakeInventory, does_not_name_an_orphan_after_whoever_has_its_callbacks_address_now) {
    auto orphan = armed_timer(heap_address, m_start + 0x40);
    orphan.state.armed_ns = 3'000;
    orphan.state.orphaned = abi::OWNED_BY_CALLBACK;
    const auto symbol = [&] {
        return take_inventory({}, {orphan}, {{m_start + 0x40, "later_cb [later]"}}, clocks_at_1000)
            .front()
            .timers.front()
            .symbol;
    };
    EXPECT_EQ(symbol(), "0xffffffffc0a00040");
    orphan.state.orphaned = abi::OWNED_BY_OBJECT;
    EXPECT_EQ(symbol(), "later_cb [later]") << "the callback itself is not gone";
}

TEST(TakeInventory, tells_an_hrtimers_expiry_by_the_clock) {
    auto hrtimer = armed_timer(heap_address, m_start, 50'000'250'000);
    hrtimer.state.kind = abi::TIMER_KIND_HRTIMER;
    const auto expires_in = [&](const KernelClocks& clocks) {
        return take_inventory({loaded_module("m", m_start, size)}, {hrtimer}, {}, clocks)
            .front()
            .timers.front()
            .expires_in;
    };
    EXPECT_EQ(expires_in(clocks_at_1000), 250us);
    EXPECT_EQ(expires_in({0, 0ns, 50'000'000'000}), 250us) << "no tick is needed";
    EXPECT_EQ(expires_in({0, 0ns, 60'000'000'000}), 0ns);
}

TEST(TakeInventory, of_a_timer_that_is_not_armed_tells_its_module_and_no_expiry) {
    auto idle = armed_timer(heap_address, m_start, 1250);
    idle.state.armed = 0;
    idle.arms_per_s = 2.5;
    const auto inventory = inventory_of({loaded_module("m", m_start, size)}, {idle});
    ASSERT_THAT(modules_in(inventory), ElementsAre("m"));
    EXPECT_FALSE(inventory.front().timers.front().armed);
    EXPECT_EQ(inventory.front().timers.front().expires_in, std::nullopt);
    EXPECT_EQ(inventory.front().timers.front().arms_per_s, 2.5);
    EXPECT_THAT(inventory_of({}, {idle}), IsEmpty()) << "it is no orphan";
}

// The module was freed and reported, and loaded again at the same place; nobody armed the timer since.
TEST(TakeInventory, a_find_of_the_first_scan_that_was_reported_goes_by_its_bits) {
    auto module = loaded_module("later", m_start, size);
    module.instance.loaded_ns = 5'000;
    auto timer = armed_timer(m_start + 0x80, heap_address);
    timer.state.reported = 4'000;
    timer.state.orphaned = abi::OWNED_BY_OBJECT;
    EXPECT_THAT(modules_in(inventory_of({module}, {timer})), ElementsAre(""));
    timer.state.orphaned = abi::OWNED_BY_CALLBACK;
    EXPECT_THAT(modules_in(inventory_of({module}, {timer})), ElementsAre("later", ""));
}

TEST(TakeInventory, does_not_charge_what_the_first_scan_found_to_a_module_loaded_since) {
    auto module = loaded_module("later", m_start, size);
    module.instance.loaded_ns = 5'000;
    auto found = armed_timer(m_start + 0x80, m_start + 0x40);
    found.state.surveyed = 1;
    found.state.armed_ns = 4'999;
    EXPECT_THAT(modules_in(inventory_of({module}, {found})), ElementsAre(""));
    found.state.reported = 6'000; // a question names it, and leaves it whose it is
    EXPECT_THAT(modules_in(inventory_of({module}, {found})), ElementsAre(""));
}

// A parameter's setter runs, and may arm a timer, before the load is announced.
TEST(TakeInventory, charges_an_arm_just_before_the_load_was_announced_to_the_module) {
    auto module = loaded_module("m", m_start, size);
    module.instance.loaded_ns = 5'000;
    auto early = armed_timer(m_start + 0x80, m_start + 0x40);
    early.state.armed_ns = 4'999;
    EXPECT_THAT(modules_in(inventory_of({module}, {early})), ElementsAre("m"));
}

TEST(TakeInventory, charges_what_is_older_than_the_watch_to_a_module_that_is_older_too) {
    auto later_arm = armed_timer(m_start + 0x80, m_start + 0x40);
    later_arm.state.armed_ns = 7;
    const auto inventory =
        inventory_of({loaded_module("m", m_start, size)}, {later_arm, armed_timer(m_start + 0x180, m_start)});
    ASSERT_THAT(modules_in(inventory), ElementsAre("m"));
    EXPECT_EQ(inventory.front().timers.size(), 2U);
}

} // namespace
} // namespace disarmd
