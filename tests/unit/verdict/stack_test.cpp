// SPDX-License-Identifier: Apache-2.0
#include "verdict/stack.h"

#include <array>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "builders.h"

namespace disarmd {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::uint64_t core = 0xffffffff81000000;
constexpr std::uint64_t floor = 0xffffffff83000000;
constexpr std::uint64_t own = 0xffffffffc0a00000;
constexpr std::uint64_t program = 0xffffffffc0f00000;

// A function every 0x100 bytes, in this order.
const SymbolLookup& symbols() {
    static const SymbolLookup lookup =
        test::lookup_in({{core, {"mod_timer", "", 0}},
                         {core + 0x100, {"bpf_trace_run2", "", 0}},
                         {core + 0x200, {"__traceiter_timer_start", "", 0}},
                         {core + 0x300, {"call_timer_fn", "", 0}},
                         {core + 0x400, {"asm_sysvec_apic_timer_interrupt", "", 0}},
                         {core + 0x500, {"do_idle", "", 0}},
                         {core + 0x600, {"arch_rethook_trampoline", "", 0}},
                         {own, {"m_init", "m", 0}},
                         {program, {"bpf_prog_1", "[program]", 0}}});
    return lookup;
}

std::vector<std::string> named(const std::vector<std::uint64_t>& addresses) {
    return texts_of(name_stack(addresses, symbols(), floor));
}

TEST(NameStack, names_every_frame_by_the_call_that_it_returns_to) {
    EXPECT_THAT(named({core + 5, own + 0x1c, core + 0x300}),
                ElementsAre("mod_timer+0x5", "m_init+0x1c [m]", "__traceiter_timer_start+0x100"));
}

TEST(NameStack, tells_an_address_where_there_is_no_name) {
    EXPECT_THAT(named({core + 5, own + 0x1000}), ElementsAre("mod_timer+0x5", "0xffffffffc0a01000"));
}

TEST(NameStack, leaves_out_the_program_that_took_it_and_who_called_that) {
    EXPECT_THAT(named({program + 9, program + 0x5000, core + 0x105, core + 0x205, core + 5, own + 1}),
                ElementsAre("mod_timer+0x5", "m_init+0x1 [m]"));
    EXPECT_THAT(named({program + 9, core + 0x105}), IsEmpty());
    EXPECT_THAT(named({}), IsEmpty());
}

TEST(NameStack, leaves_out_programs_and_watchers_of_returns_on_the_way) {
    EXPECT_THAT(named({core + 5, own + 1, program + 0x10, core + 0x600, core + 0x501}),
                ElementsAre("mod_timer+0x5", "m_init+0x1 [m]", "do_idle+0x1"));
}

TEST(NameStack, ends_where_something_was_interrupted) {
    EXPECT_THAT(named({core + 5, core + 0x301, core + 0x416, core + 0x501}),
                ElementsAre("mod_timer+0x5", "call_timer_fn+0x1", "asm_sysvec_apic_timer_interrupt+0x16"));
}

TEST(OutermostOf, is_the_last_of_those_that_it_begins_with) {
    const std::set<std::string> functions{"a", "b", "c"};
    const Symbol a{"a", "", 1};
    const Symbol b{"b", "", 1};
    const Symbol exit{"m_exit", "m", 1};
    EXPECT_EQ(outermost_of(functions, {a, b, exit, Symbol{"c", "", 1}}), "b");
    EXPECT_EQ(outermost_of(functions, {a}), "a");
    EXPECT_EQ(outermost_of(functions, {exit, a}), "");
    EXPECT_EQ(outermost_of(functions, {Symbol{"a", "m", 1}}), "") << "a module's own function of that name";
    EXPECT_EQ(outermost_of(functions, {}), "");
}

} // namespace
} // namespace disarmd
