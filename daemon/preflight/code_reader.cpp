// SPDX-License-Identifier: Apache-2.0
#include "preflight/code_reader.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <map>
#include <span>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "base/text.h"
#include "preflight/decoder.h"
#include "preflight/flow.h"
#include "preflight/layout.h"
#include "preflight/paths.h"

namespace disarmd {

namespace {

// Data that says where code is, and calls nothing.
bool is_bookkeeping(std::string_view section) {
    constexpr auto those = std::to_array<std::string_view>({
        "__mcount_loc",
        ".orc_",
        "__jump_table",
        "__bug_table",
        "__ex_table",
        ".alt",
        ".smp_locks",
        ".return_sites",
        ".call_sites",
        ".retpoline_sites",
        ".ibt_endbr_seal",
        ".cfi_sites",
        ".static_call",
        "__patchable_function_entries",
        ".gnu.linkonce.this_module",
        "__ksymtab",
        "___ksymtab",
        ".discard",
        ".init.discard",
        "__kcrctab",
        "___kcrctab",
        ".parainstructions",
        ".eh_frame",
        ".exit.data",
        "_error_injection",
        ".note",
        ".codetag",
        ".export_symbol",
    });
    return std::ranges::any_of(those, [&](auto name) { return section.starts_with(name); });
}

Place place_of(const Value& value) {
    Place place;
    switch (value.type) {
    case Value::Type::address:
        place.type = Place::Type::fixed;
        place.section = value.section;
        break;
    case Value::Type::pointer:
        if (value.base == Value::Base::variable) {
            place.type = Place::Type::behind;
            place.section = value.section;
            place.variable = value.origin;
        } else if (value.base == Value::Base::unknown && value.number == 0) {
            return place;
        } else {
            place.type = Place::Type::field;
            place.given = value.base == Value::Base::argument && value.origin == 0;
        }
        break;
    default:
        return place;
    }
    place.offset = value.number;
    return place;
}

// wiphy_delayed_work (6.5): a work, a pointer, a timer.
constexpr std::string_view wiphy_work_callback = "wiphy_delayed_work_timer";
constexpr int wiphy_timer_offset = 0x20;
constexpr int wiphy_callback_offset = 0x10;

Place moved(Place place, int by) {
    if (place.type != Place::Type::unknown)
        place.offset += by;
    return place;
}

// A work's timer is told as the work.
TimerKind kind_behind(std::string_view callback, TimerKind kind) {
    if (callback == delayed_work_callback)
        return TimerKind::delayed_work;
    if (callback == kthread_delayed_work_callback)
        return TimerKind::kthread_delayed_work;
    return kind;
}

class Reader {
public:
    Reader(const ElfImage& image, const Decoder& decoder)
        : image_(image), decoder_(decoder), layout_(image) {}

    Result<ModuleCode> read();

private:
    struct Stored {
        Value where;
        FunctionIndex function = no_function;
    };

    void read_data();
    void read_function(FunctionIndex index);
    void skim_function(FunctionIndex index);
    void note_transfer(Function& function, FunctionIndex index, const Instruction& instruction);
    void note_references(const Instruction& instruction, const Registers& registers);
    void note_call(FunctionIndex index, const Instruction& instruction, const Registers& registers);
    void note_site(FunctionIndex index, const Api& api, const Instruction& instruction,
                   const Registers& registers);
    void find_callbacks(std::size_t first_site);
    void find_timers();
    [[nodiscard]] FunctionIndex function_of(const Value& value) const;
    [[nodiscard]] bool escapes(const OwnTimer& timer) const;
    void escape(const Value& value);
    Function& function_named(FunctionIndex index) { return code_.functions[static_cast<std::size_t>(index)]; }

    const ElfImage& image_;
    const Decoder& decoder_;
    CodeLayout layout_;
    ModuleCode code_;
    std::int64_t work_ = flow_work_limit;
    std::vector<Stored> stored_;                        // in the function that is being read
    std::vector<std::pair<int, std::int64_t>> escaped_; // section and offset
    std::map<std::pair<int, std::int64_t>, FunctionIndex> functions_in_data_;
    // The work's kind, by where a variable contains the kernel's callback.
    std::map<std::pair<int, std::int64_t>, TimerKind> works_in_data_;
};

FunctionIndex Reader::function_of(const Value& value) const {
    return value.type == Value::Type::address ? layout_.function_at(value.section, value.number)
                                              : no_function;
}

void Reader::escape(const Value& value) {
    if (value.type == Value::Type::address)
        escaped_.emplace_back(value.section, value.number);
}

void Reader::read_data() {
    for (std::size_t i = 0; i < image_.sections().size(); ++i) {
        const auto& section = image_.sections()[i];
        if (section.code || !section.loaded || is_bookkeeping(section.name))
            continue;
        for (const auto& relocation : section.relocations) {
            const auto& target = relocation.target;
            if (relocation.relative)
                continue;
            const auto where = std::pair(static_cast<int>(i), static_cast<std::int64_t>(relocation.offset));
            if (const auto kind = kind_behind(target.external, TimerKind::timer); kind != TimerKind::timer)
                works_in_data_[where] = kind;
            if (target.section < 0)
                continue;
            if (const auto function = layout_.function_at(target.section, target.offset);
                function != no_function) {
                function_named(function).address_taken = true;
                functions_in_data_[where] = function;
                continue;
            }
            const auto from = layout_.variable_at(where.first, where.second);
            const bool into_itself =
                target.section == where.first && target.offset >= from.begin && target.offset < from.end;
            if (!into_itself)
                escaped_.emplace_back(target.section, target.offset);
        }
    }
}

void Reader::note_transfer(Function& function, FunctionIndex index, const Instruction& instruction) {
    const auto& target = instruction.to.target;
    if (instruction.indirect) {
        // A jump through a table stays within the function; what is called through the kernel's own pointers
        // is the kernel's.
        const bool through_table = instruction.operation == Operation::jump && instruction.to.index >= 0;
        const bool kernels = target && target->section < 0;
        if (!through_table && !kernels)
            function.calls_pointers = true;
        return;
    }
    if (!target)
        return;
    if (target->section < 0) {
        function.externals.emplace_back(target->external);
        return;
    }
    const auto callee = layout_.function_with(target->section, target->offset);
    if (callee != no_function && callee != index)
        function.callees.push_back(callee);
}

// Where a function's or a variable's address is made, or goes where it is lost sight of.
void Reader::note_references(const Instruction& instruction, const Registers& registers) {
    const auto take = [&](const Operand& operand) {
        if (!operand.target || operand.target->section < 0)
            return;
        if (const auto function = layout_.function_at(operand.target->section, operand.target->offset);
            function != no_function)
            function_named(function).address_taken = true;
    };
    const auto value_in = [&](const Operand& operand) {
        if (operand.type == Operand::Type::reg && operand.reg >= 0)
            return registers.at(static_cast<std::size_t>(operand.reg));
        if (operand.type == Operand::Type::constant && operand.target)
            return Value::of_target(*operand.target);
        return Value{};
    };
    take(instruction.to);
    take(instruction.from);
    const auto& [to, from] = std::tie(instruction.to, instruction.from);
    switch (instruction.operation) {
    case Operation::move:
        if (to.type == Operand::Type::memory || to.type == Operand::Type::none) {
            const auto value = value_in(from);
            escape(value);
            if (const auto function = function_of(value); function != no_function)
                stored_.push_back({address_of(to, registers), function});
        }
        break;
    case Operation::load_address:
        if (from.index >= 0) {
            if (from.target)
                escape(Value::of_target(*from.target));
            for (const auto reg : {from.base, from.index}) {
                if (reg >= 0)
                    escape(registers.at(static_cast<std::size_t>(reg)));
            }
        }
        break;
    case Operation::add:
    case Operation::subtract:
        if (from.type == Operand::Type::constant && !from.target)
            break;
        [[fallthrough]];
    case Operation::other:
    case Operation::exclusive_or:
        escape(value_in(to));
        escape(value_in(from));
        break;
    case Operation::back:
        escape(registers.at(rax));
        break;
    default:
        break;
    }
}

void Reader::note_call(FunctionIndex index, const Instruction& instruction, const Registers& registers) {
    const auto& target = instruction.to.target;
    const bool external = target && target->section < 0 && !instruction.indirect;
    const auto* const api = external ? find_api(target->external) : nullptr;
    if (api != nullptr) {
        note_site(index, *api, instruction, registers);
        return;
    }
    if (external && is_harmless(target->external))
        return;
    for (const auto reg : argument_registers)
        escape(registers.at(reg));
}

void Reader::note_site(FunctionIndex index, const Api& api, const Instruction& instruction,
                       const Registers& registers) {
    const auto argument = [&](int number) {
        return registers.at(argument_registers.at(static_cast<std::size_t>(number)));
    };
    const auto timer = argument(api.timer);
    // Gone with the function: it can't be left.
    if (timer.type == Value::Type::pointer && timer.base == Value::Base::stack)
        return;
    Site site;
    site.api = &api;
    site.kind = api.kind;
    site.function = index;
    site.offset = instruction.offset;
    site.timer = place_of(timer);
    if (api.callback >= 0) {
        const auto callback = argument(api.callback);
        site.callback = function_of(callback);
        site.kind = kind_behind(callback.external, api.kind);
        site.timer = moved(site.timer, -timer_offset(site.kind));
        if (callback.external == wiphy_work_callback)
            site.timer = moved(site.timer, -wiphy_timer_offset);
    }
    if (api.delay >= 0) {
        const auto delay = argument(api.delay);
        site.at_once = delay.type == Value::Type::constant && delay.number == 0;
    }
    // One too many tells that there are.
    if (code_.sites.size() <= site_limit)
        code_.sites.push_back(site);
}

// Callbacks and work functions that are stored in the timer, and not given to what sets it up.
void Reader::find_callbacks(std::size_t first_site) {
    for (auto& site : std::span(code_.sites).subspan(first_site)) {
        if (site.api->effect != Effect::sets_up || site.callback != no_function)
            continue;
        for (const auto& stored : stored_) {
            for (const int offset : {callback_offset(site.kind), wiphy_callback_offset}) {
                if (site.timer.type != Place::Type::unknown &&
                    place_of(stored.where) == moved(site.timer, offset))
                    site.callback = stored.function;
            }
            if (site.callback != no_function)
                break;
        }
    }
}

void Reader::read_function(FunctionIndex index) {
    const auto& extent = layout_.extent(index);
    auto& function = function_named(index);
    const Flow flow(decoder_, image_, extent.section, extent.begin, extent.end, extent.entries, work_);
    if (!flow.is_complete())
        ++code_.not_followed;
    const auto first_site = code_.sites.size();
    stored_.clear();
    flow.visit([&](const Instruction& instruction, const Registers& registers) {
        const bool transfers = instruction.operation == Operation::call ||
                               instruction.operation == Operation::jump ||
                               instruction.operation == Operation::branch;
        if (!transfers)
            return note_references(instruction, registers);
        note_transfer(function, index, instruction);
        const auto& target = instruction.to.target;
        const bool within = target && !instruction.indirect && target->section == extent.section &&
                            target->offset >= static_cast<std::int64_t>(extent.begin) &&
                            target->offset < static_cast<std::int64_t>(extent.end);
        if (!within)
            note_call(index, instruction, registers);
        // Into a cold part, or out of one.
        if (!within && instruction.operation != Operation::call) {
            for (const auto& value : registers)
                escape(value);
        }
    });
    for (const auto& value : flow.lost())
        escape(value);
    find_callbacks(first_site);
}

// No more than what it calls.
void Reader::skim_function(FunctionIndex index) {
    ++code_.not_followed;
    const auto& extent = layout_.extent(index);
    auto& function = function_named(index);
    for (auto offset = extent.begin; offset < extent.end;) {
        const auto instruction = decoder_.decode(image_, extent.section, offset);
        offset += instruction.size;
        if (instruction.operation == Operation::call || instruction.operation == Operation::jump ||
            instruction.operation == Operation::branch) {
            note_transfer(function, index, instruction);
            note_call(index, instruction, Registers{});
        } else {
            note_references(instruction, Registers{});
        }
    }
}

bool Reader::escapes(const OwnTimer& timer) const {
    const auto variable = layout_.variable_at(timer.place.section, timer.place.offset);
    // In something larger it is reached by other ways.
    constexpr int alignment = 8;
    if (variable.begin != timer.place.offset ||
        variable.end - variable.begin > size_of(timer.kind) + alignment)
        return true;
    if (layout_.is_exported(variable.name) || code_.not_followed > 0)
        return true;
    const auto first = std::ranges::lower_bound(escaped_, std::pair(timer.place.section, variable.begin));
    return first != escaped_.end() && *first < std::pair(timer.place.section, variable.end);
}

void Reader::find_timers() {
    std::ranges::sort(escaped_);
    std::vector<OwnTimer> found;
    for (const auto& site : code_.sites) {
        if (site.api->effect == Effect::sets_up)
            found.push_back({site.kind, site.timer, site.callback, "", true});
    }
    for (const auto& [where, kind] : works_in_data_) {
        OwnTimer timer;
        timer.kind = kind;
        timer.place = {Place::Type::fixed, where.first, 0,
                       where.second - callback_offset(TimerKind::timer) - timer_offset(kind), false};
        const auto function =
            functions_in_data_.find({where.first, timer.place.offset + callback_offset(kind)});
        timer.callback = function == functions_in_data_.end() ? no_function : function->second;
        found.push_back(timer);
    }
    for (const auto& site : code_.sites) {
        if (site.api->effect != Effect::arms || site.timer.type != Place::Type::fixed)
            continue;
        const auto function =
            functions_in_data_.find({site.timer.section, site.timer.offset + callback_offset(site.kind)});
        found.push_back({site.kind, site.timer,
                         function == functions_in_data_.end() ? no_function : function->second, "", true});
    }
    for (auto& timer : found) {
        const auto same = std::ranges::find_if(code_.timers, [&](const OwnTimer& known) {
            return known.kind == timer.kind && known.place == timer.place &&
                   (known.callback == timer.callback || timer.place.type == Place::Type::fixed);
        });
        if (same != code_.timers.end()) {
            if (same->callback == no_function)
                same->callback = timer.callback;
            continue;
        }
        if (timer.place.type == Place::Type::fixed) {
            timer.variable = layout_.variable_at(timer.place.section, timer.place.offset).name;
            timer.escapes = escapes(timer);
        }
        code_.timers.push_back(timer);
    }
}

Result<ModuleCode> Reader::read() {
    code_.name = printable(image_.modinfo("name"));
    code_.srcversion = printable(image_.modinfo("srcversion"));
    const auto magic = image_.modinfo("vermagic");
    code_.kernel = printable(magic.substr(0, magic.find(' ')));
    code_.functions = layout_.functions();
    code_.init = layout_.init();
    code_.exit = layout_.exit();
    const bool arms_anything = std::ranges::any_of(image_.symbols(), [](const ElfSymbol& symbol) {
        const auto* const api = symbol.section < 0 ? find_api(symbol.name) : nullptr;
        return api != nullptr && api->effect == Effect::arms;
    });
    if (!arms_anything)
        return std::move(code_);
    read_data();
    for (std::size_t i = 0; i < code_.functions.size(); ++i) {
        const auto index = static_cast<FunctionIndex>(i);
        const auto& extent = layout_.extent(index);
        if (extent.end - extent.begin > function_limit || work_ < 0)
            skim_function(index);
        else
            read_function(index);
        auto& function = function_named(index);
        const auto once = [](auto& list) {
            std::ranges::sort(list);
            list.erase(std::unique(list.begin(), list.end()), list.end());
        };
        once(function.callees);
        once(function.externals);
    }
    if (code_.sites.size() > site_limit || works_in_data_.size() > site_limit)
        return fail({EFBIG, fmt::format("it has more than {} timers or calls that concern one", site_limit)});
    find_timers();
    find_failing_paths(image_, decoder_, layout_, code_, work_);
    find_last_deletes(image_, decoder_, layout_, code_, work_);
    return std::move(code_);
}

} // namespace

Result<ModuleCode> read_code(const ElfImage& image) {
    std::size_t sum = 0;
    for (const auto& section : image.sections())
        sum += section.code ? section.bytes.size() : 0;
    if (sum > code_limit)
        return fail({EFBIG, fmt::format("it has {} MiB of code, and more than {} are not read", sum >> 20,
                                        code_limit >> 20)});
    const auto decoder = Decoder::open();
    if (!decoder)
        return fail(decoder.error());
    return Reader(image, *decoder).read();
}

} // namespace disarmd
