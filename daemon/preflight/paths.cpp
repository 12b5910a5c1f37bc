// SPDX-License-Identifier: Apache-2.0
#include "preflight/paths.h"

#include <algorithm>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>

#include "base/text.h"
#include "preflight/flow.h"
#include "preflight/graph.h"
#include "preflight/same_timer.h"

namespace disarmd {

namespace {

constexpr std::size_t most_states = 4096; // for each arm
constexpr std::size_t most_arms = 64;     // of one module
constexpr std::int64_t largest_errno = 4095;

// The state of a path: at which block, what the registers hold, and which call has failed on it, if its
// result was compared.
struct State {
    int block = 0;
    std::size_t instruction = 0; // where in the block it goes on
    Registers registers{};
    std::optional<std::int64_t> failed; // where the call is
};

class PathFinder {
public:
    PathFinder(const Flow& flow, const CodeLayout& layout, const ModuleCode& code,
               const FunctionSet& deleting, bool others_delete)
        : flow_(flow), layout_(layout), code_(code), deleting_(deleting), others_delete_(others_delete) {}

    // Where the function is left with a failure, and which call failed.
    std::optional<std::pair<std::uint64_t, std::string>> from(const Site& site, std::int64_t& work);

private:
    [[nodiscard]] bool may_delete(const Instruction& call, const Site& site) const;
    [[nodiscard]] bool fails(const Value& returned, const State& state) const;
    [[nodiscard]] std::string name_of_call(std::int64_t offset) const;
    [[nodiscard]] std::string name_of_failure(const State& state) const;
    void branch(const State& state, const Flow::Block& block, const std::optional<Tested>& tested,
                std::vector<State>& queue) const;

    const Flow& flow_;
    const CodeLayout& layout_;
    const ModuleCode& code_;
    const FunctionSet& deleting_;
    bool others_delete_;
};

bool PathFinder::may_delete(const Instruction& call, const Site& site) const {
    const auto& target = call.to.target;
    if (call.indirect || !target)
        return others_delete_;
    if (target->section < 0) {
        if (const auto* const api = find_api(target->external))
            return is_delete(api->effect) && api->kind == site.kind;
        return may_delete_within(target->external) || (others_delete_ && !is_harmless(target->external));
    }
    const auto callee = layout_.function_with(target->section, target->offset);
    return callee == no_function || deleting_[static_cast<std::size_t>(callee)];
}

// The caller is told of a failure: by an error's number, by what a call that failed returned, or by what one
// did that nobody looked at.
bool PathFinder::fails(const Value& returned, const State& state) const {
    if (returned.type == Value::Type::constant) {
        const auto number = static_cast<std::int64_t>(static_cast<std::int32_t>(returned.number));
        return number < 0 && number >= -largest_errno;
    }
    return returned.type == Value::Type::pointer && returned.base == Value::Base::result &&
           returned.number == 0 && (!state.failed || returned.origin == *state.failed);
}

std::string PathFinder::name_of_call(std::int64_t offset) const {
    const auto& all = flow_.instructions();
    const auto found =
        std::ranges::lower_bound(all, static_cast<std::uint64_t>(offset), {}, &Instruction::offset);
    if (found == all.end() || !found->to.target)
        return "";
    const auto& target = *found->to.target;
    if (target.section < 0)
        return printable(target.external);
    const auto callee = layout_.function_with(target.section, target.offset);
    return callee == no_function ? "" : code_.functions[static_cast<std::size_t>(callee)].name;
}

std::string PathFinder::name_of_failure(const State& state) const {
    if (state.failed)
        return name_of_call(*state.failed);
    const auto& returned = state.registers.at(rax);
    return returned.base == Value::Base::result ? name_of_call(returned.origin) : "";
}

void PathFinder::branch(const State& state, const Flow::Block& block, const std::optional<Tested>& tested,
                        std::vector<State>& queue) const {
    for (const bool jumps : {false, true}) {
        const int next = block.next.at(jumps ? 1 : 0);
        if (next < 0)
            continue;
        State to = state;
        to.block = next;
        to.instruction = flow_.blocks()[static_cast<std::size_t>(next)].first;
        if (tested && tested->failed_if_jumps == jumps)
            to.failed = tested->result.origin;
        else if (tested)
            refine_success(tested->result, to.registers);
        queue.push_back(to);
    }
}

std::optional<std::pair<std::uint64_t, std::string>> PathFinder::from(const Site& site, std::int64_t& work) {
    const auto& instructions = flow_.instructions();
    std::vector<State> queue;
    for (std::size_t i = 0; i < flow_.blocks().size(); ++i) {
        const auto& block = flow_.blocks()[i];
        auto registers = block.before;
        for (std::size_t at = block.first; at < block.end; ++at) {
            step(instructions[at], registers);
            if (instructions[at].offset == site.offset)
                queue.push_back({static_cast<int>(i), at + 1, registers, std::nullopt});
        }
    }
    std::set<std::pair<int, std::int64_t>> visited; // block, and what has failed or is in rax, rbx, rbp, r12
    for (std::size_t states = 0; !queue.empty() && states < most_states && work > 0; ++states) {
        auto state = queue.back();
        queue.pop_back();
        const auto& block = flow_.blocks()[static_cast<std::size_t>(state.block)];
        if (state.instruction == block.first) {
            std::uint64_t key = state.failed ? static_cast<std::uint64_t>(*state.failed) + 1 : 0;
            for (const std::size_t reg : {0U, 3U, 5U, 12U, 13U, 14U, 15U}) {
                const auto& value = state.registers.at(reg);
                constexpr std::uint64_t prime = 1099511628211;
                key = key * prime + static_cast<std::uint64_t>(value.type);
                key = key * prime + static_cast<std::uint64_t>(value.number);
                key = key * prime + static_cast<std::uint64_t>(value.origin);
            }
            if (!visited.emplace(state.block, static_cast<std::int64_t>(key)).second)
                continue;
        }
        const auto rest = std::span(instructions).subspan(state.instruction, block.end - state.instruction);
        work -= work_of_a_block + static_cast<std::int64_t>(rest.size());
        bool over = false;
        for (const auto& instruction : rest) {
            const bool leaves = instruction.operation == Operation::jump && block.next[1] < 0;
            over = over ||
                   ((instruction.operation == Operation::call || leaves) && may_delete(instruction, site));
        }
        const auto tested = run_block(rest, state.registers);
        if (!over && instructions[block.end - 1].operation == Operation::back &&
            fails(state.registers.at(rax), state))
            return std::pair(instructions[block.end - 1].offset, name_of_failure(state));
        if (!over)
            branch(state, block, tested, queue);
    }
    return std::nullopt;
}

} // namespace

void find_failing_paths(const ElfImage& image, const Decoder& decoder, const CodeLayout& layout,
                        ModuleCode& code, std::int64_t& work) {
    std::size_t arms = 0;
    for (std::size_t i = 0; i < code.sites.size() && arms < most_arms && work > 0; ++i) {
        const auto& site = code.sites[i];
        const auto& function = code.functions[static_cast<std::size_t>(site.function)];
        if (site.api->effect != Effect::arms || site.at_once || !is_own(code, site) ||
            !(function.init || site.function == code.init))
            continue;
        ++arms;
        const auto deletes = [&](const Site& other) {
            return is_delete(other.api->effect) && other.kind == site.kind;
        };
        auto ends = functions_where(code, [](const Function& other) {
            return std::ranges::any_of(other.externals, may_delete_within);
        });
        for (const auto& other : code.sites) {
            if (deletes(other))
                ends[static_cast<std::size_t>(other.function)] = true;
        }
        const auto deleting = leading_to(code, ends);
        const auto by_pointer = reached_from(code, called_by_others(code));
        bool others_delete = false;
        for (std::size_t at = 0; at < ends.size(); ++at)
            others_delete = others_delete || (ends[at] && by_pointer[at]);
        // What init calls is undone by init, if by anything.
        if (site.function != code.init) {
            const auto callers = leading_to(code, only(code, site.function));
            bool undone = false;
            for (std::size_t at = 0; at < callers.size(); ++at)
                undone = undone ||
                         (callers[at] && deleting[at] && static_cast<FunctionIndex>(at) != site.function);
            if (undone)
                continue;
        }
        const auto& extent = layout.extent(site.function);
        const Flow flow(decoder, image, extent.section, extent.begin, extent.end, extent.entries, work);
        PathFinder finder(flow, layout, code, deleting, others_delete);
        if (auto found = finder.from(site, work))
            code.failing_paths.push_back({i, found->first, std::move(found->second)});
    }
}

void find_last_deletes(const ElfImage& image, const Decoder& decoder, const CodeLayout& layout,
                       ModuleCode& code, std::int64_t& work) {
    if (code.exit == no_function)
        return;
    const auto waits_for = [](const Site& site, TimerKind kind) {
        return (site.api->effect == Effect::deletes_sync || site.api->effect == Effect::shuts_down) &&
               site.kind == kind;
    };
    const auto& extent = layout.extent(code.exit);
    const Flow flow(decoder, image, extent.section, extent.begin, extent.end, extent.entries, work);
    for (std::size_t i = 0; i < code.sites.size() && work > 0; ++i) {
        work -= static_cast<std::int64_t>(flow.instructions().size() + code.functions.size());
        const auto& site = code.sites[i];
        if (site.function != code.exit || site.api->effect != Effect::deletes)
            continue;
        FunctionSet ends(code.functions.size());
        for (const auto& other : code.sites) {
            if (waits_for(other, site.kind))
                ends[static_cast<std::size_t>(other.function)] = true;
        }
        const auto waiting = leading_to(code, ends);
        const auto may_wait = [&](const Instruction& instruction) {
            const auto& target = instruction.to.target;
            if (instruction.operation != Operation::call && instruction.operation != Operation::jump)
                return false;
            if (instruction.indirect || !target)
                return true;
            if (target->section < 0) {
                const auto* const api = find_api(target->external);
                return api != nullptr && api->effect != Effect::deletes && is_delete(api->effect) &&
                       api->kind == site.kind;
            }
            const auto callee = layout.function_with(target->section, target->offset);
            return callee != code.exit && callee != no_function && waiting[static_cast<std::size_t>(callee)];
        };
        // What was waited for before may be that the callback does not arm it any more.
        const auto waited = [](const Instruction& instruction) {
            return instruction.operation == Operation::call && instruction.to.target &&
                   waits(instruction.to.target->external);
        };
        if (flow.leads(std::nullopt, site.offset, waited) && flow.leads(site.offset, std::nullopt, may_wait))
            code.last_deletes.push_back(i);
    }
}

} // namespace disarmd
