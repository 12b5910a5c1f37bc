// SPDX-License-Identifier: Apache-2.0
#include "autopsy/diagnosis.h"

#include <algorithm>
#include <array>
#include <set>
#include <span>

#include <fmt/format.h>
#include <re2/re2.h>

#include "autopsy/functions.h"
#include "base/text.h"

namespace disarmd {

namespace {

// The exception that a fault made, on a stack that may have others: the outermost one above which the fault's
// entry stands. What is above that came of it.
const Exception* fault_on_stack(const Report& report) {
    const Exception* found = nullptr;
    for (const auto& exception : report.exceptions) {
        const auto above = exception.frames_above;
        if (exception.user || above == 0 || above > report.frames.size() ||
            !is_fault_entry(report.frames[above - 1].place.symbol))
            continue;
        // Most page faults are no harm: one that is has been told of.
        const auto entered = std::span(report.frames).first(above);
        const bool cut = report.by_crash && above == 1;
        if (cut || std::ranges::any_of(
                       entered, [](const Frame& frame) { return is_fault_report(frame.place.symbol); }))
            found = &exception;
    }
    return found;
}

// Where a place is, for people: "run_timer_softirq+0xf8", "0xffffffffc0a3e000".
std::string text_of(const CodePlace& place) {
    if (place.symbol.empty())
        return place.address ? address_text(*place.address) : "an unknown address";
    auto text = place.offset != 0 ? fmt::format("{}+{:#x}", place.symbol, place.offset) : place.symbol;
    if (!place.module.empty())
        text += fmt::format(" [{}]", place.module);
    return printable(text);
}

// What the rules look at.
struct Scene {
    explicit Scene(const CrashText& text) : crash(text) {}

    const CrashText& crash;
    const Report* report = nullptr;
    const Exception* met = nullptr;
    LinkedModules modules;
    std::span<const Frame> below; // of the code that faulted, and who called it, innermost first
    CodePlace ip;
    std::size_t ip_line = 0;
    std::optional<MetInstruction> instruction;
    bool inferred = false;
    std::optional<std::uint64_t> address;
    std::size_t address_line = 0;
    AddressKind address_kind = AddressKind::unknown;
    bool fetched = false; // what was to be executed could not be read
    Context context = Context::none;
    const Frame* context_frame = nullptr;
    const Frame* caller_frame = nullptr;   // of what was called: no more than what lies on top of the stack
    bool context_is_sure = false;          // a frame that the unwinder vouches for says so
    const Frame* module_frame = nullptr;   // the innermost one of a module that is linked in
    const Frame* nameless_frame = nullptr; // the innermost one of module space that has no name
    bool none_was_unloaded = false;        // the text says so
    std::optional<ClosedCase> closed;

    [[nodiscard]] bool in_module_space(std::optional<std::uint64_t> where) const {
        return where && kind_of_address(*where, crash) == AddressKind::module_space;
    }
};

bool is_listed(const LinkedModules& modules, std::string_view name) {
    // "snd_hda" and "snd-hda" are one.
    const auto same = [](std::string_view one, std::string_view other) {
        return std::ranges::equal(
            one, other, [](char a, char b) { return (a == '-' ? '_' : a) == (b == '-' ? '_' : b); });
    };
    return std::ranges::any_of(modules.names, [&](const std::string& each) { return same(each, name); });
}

// What EL6 unloads at every boot.
bool says_nothing(std::string_view unloaded) {
    return unloaded == "scsi_wait_scan";
}

std::span<const Frame> frames_below(const Report& report, const Exception* met) {
    const auto begin = met != nullptr ? std::min(met->frames_above, report.frames.size()) : 0;
    auto end = report.frames.size();
    for (const auto& exception : report.exceptions) {
        if (&exception != met && exception.frames_above > begin)
            end = std::min(end, exception.frames_above);
    }
    return std::span(report.frames).subspan(begin, end - begin);
}

// Without what the report itself left on the stack: "? page_fault_oops", "? asm_exc_page_fault".
std::span<const Frame> without_the_report(std::span<const Frame> frames) {
    constexpr std::size_t looked_at_max = 16;
    for (std::size_t i = std::min(frames.size(), looked_at_max); i > 0; --i) {
        // Its own entry is told as well by one that looked where it would jump to.
        if ((!frames[i - 1].reliable || i == 1) && is_fault_entry(frames[i - 1].place.symbol))
            return frames.subspan(i);
    }
    return frames;
}

void find_context(Scene& scene) {
    scene.below = without_the_report(scene.below);
    // arm64 begins with what was called itself.
    const auto caller = std::ranges::find_if(scene.below, [&](const Frame& frame) {
        return !frame.place.symbol.empty() || frame.place.address != scene.ip.address;
    });
    if (caller != scene.below.end())
        scene.caller_frame = &*caller;
    for (const bool sure : {true, false}) {
        std::size_t looked_at = 0;
        for (const auto& frame : scene.below) {
            if (frame.reliable != sure)
                continue;
            // What merely lies about on the stack counts only where it is close.
            constexpr std::size_t close = 4;
            if (!sure && ++looked_at > close)
                break;
            if (sure && scene.nameless_frame == nullptr && frame.place.symbol.empty() &&
                scene.in_module_space(frame.place.address))
                scene.nameless_frame = &frame;
            if (sure && scene.module_frame == nullptr && !frame.place.module.empty())
                scene.module_frame = &frame;
            const auto context = context_of(frame.place.symbol);
            if (context != Context::none) {
                scene.context = context;
                scene.context_frame = &frame;
                scene.context_is_sure = sure;
                return;
            }
        }
        // Of code that is not there it is the caller, and can be all that is left of the stack.
        if (sure && scene.fetched) {
            scene.context = context_of(scene.met->caller.symbol);
            scene.context_is_sure = scene.context != Context::none;
            if (scene.context_is_sure)
                return;
        }
    }
    const auto& report = *scene.report;
    if (report.work || report.comm.starts_with("kworker/") || report.comm.starts_with("events/"))
        scene.context = Context::work;
}

// Whether it is those who call callbacks that called what is not there, and not a function of the kernel's
// own that is itself a callback.
bool was_called_back(const Scene& scene) {
    return scene.caller_frame == nullptr || scene.caller_frame->place.symbol.empty() ||
           context_of(scene.caller_frame->place.symbol) != Context::none ||
           is_helper(scene.caller_frame->place.symbol);
}

// Without the code, what the registers say: where the list of expired timers lies on the stack of the
// softirq, and one register points to it and another into module space, the first is stored behind the
// second: list_del()'s next->prev = prev (detach_timer(), kernel/timer.c, to 4.1).
void infer_instruction(Scene& scene) {
    if (scene.met == nullptr || scene.instruction || !is_timer_core(scene.ip.symbol) ||
        scene.crash.arch != Arch::x86_64 ||
        (scene.report->kind != ReportKind::page_fault && !scene.report->by_crash))
        return;
    const auto& registers = scene.met->registers;
    const auto stack = registers.find("rsp");
    if (stack == registers.end())
        return;
    constexpr std::uint64_t frame_max = 0x200;
    for (const auto& [from, pointer] : registers) {
        const auto value = pointer.value;
        const bool on_stack = value > stack->second.value && value - stack->second.value < frame_max;
        if (!on_stack || from == "rbp" || from == "rsp")
            continue;
        for (const auto& [to, holds] : registers) {
            const auto target = holds.value;
            if (!scene.in_module_space(target))
                continue;
            MetInstruction guess;
            guess.text = fmt::format("mov %{},0x8(%{})", from, to);
            guess.writes = true;
            guess.base = to;
            guess.displacement = 8;
            guess.address = target + 8;
            scene.instruction = guess;
            scene.inferred = true;
            return;
        }
    }
}

/* What was recorded */

// No kernel's timer is larger, not even with what debugging adds.
constexpr std::uint64_t timer_size_max = 0x80;

bool is_in_timer(std::uint64_t address, const RecordedTimer& timer) {
    return timer.timer != 0 && address >= timer.timer && address - timer.timer < timer_size_max;
}

bool is_in(std::uint64_t address, const std::vector<MemoryRange>& ranges) {
    return std::ranges::any_of(ranges, [&](const MemoryRange& range) {
        return address >= range.start && address - range.start < range.size;
    });
}

// A register that points into the timer; the names are in the order of the alphabet.
const std::string* register_into(const Exception& met, const RecordedTimer& timer) {
    const auto found = std::ranges::find_if(met.registers, [&](const auto& each) {
        return each.first != "rsp" && is_in_timer(each.second.value, timer);
    });
    return found == met.registers.end() ? nullptr : &found->first;
}

// By what address the fault was one of the timer's.
std::string how_met(const Scene& scene, const RecordedTimer& timer) {
    if (timer.callback_address != 0 && ((scene.fetched && scene.ip.address == timer.callback_address) ||
                                        (scene.report != nullptr && scene.report->work &&
                                         scene.report->work->address == timer.callback_address)))
        return fmt::format("{} is its callback", address_text(timer.callback_address));
    if (scene.address && is_in_timer(*scene.address, timer))
        return fmt::format("{} is in it", address_text(*scene.address));
    const bool walks = is_timer_core(scene.ip.symbol) || is_helper(scene.ip.symbol);
    const auto* const pointer = scene.met != nullptr && walks ? register_into(*scene.met, timer) : nullptr;
    return pointer != nullptr && scene.module_frame == nullptr
               ? fmt::format("{} points to it", printable(*pointer))
               : "";
}

// By what address it was memory of the module's.
std::string how_met(const Scene& scene, const RecordedFree& free) {
    for (const auto address :
         {scene.fetched ? scene.ip.address : std::nullopt, scene.address,
          scene.nameless_frame != nullptr ? scene.nameless_frame->place.address : std::nullopt}) {
        if (address && is_in(*address, free.ranges))
            return fmt::format("{} had been in it", address_text(*address));
    }
    return "";
}

// Whether all that it left had fired long before, as far as the stamps of both tell.
bool has_fired(const RecordedFree& free, const Report& report) {
    constexpr double late_s = 60; // a CPU that sleeps, or is busy, or a wheel that is coarse so far ahead
    return !free.timers.empty() && free.time_s && report.time &&
           std::ranges::all_of(free.timers, [&](const RecordedTimer& timer) {
               return timer.fires_in_s && *report.time > *free.time_s + *timer.fires_in_s + late_s;
           });
}

// A ledger has other boots, too, where other modules had the same addresses. As far as the text tells when
// its boot began, and when it crashed.
bool is_of_that_boot(const RecordedFree& free, const Report& report) {
    constexpr double inexact_s = 60; // clocks are set meanwhile
    if (!free.freed_at_s || !report.booted_at_s || !report.time)
        return true;
    return *free.freed_at_s > *report.booted_at_s - inexact_s &&
           *free.freed_at_s < *report.booted_at_s + *report.time + inexact_s;
}

// Of all that was recorded, what an address is of: a timer rather than a module, the last one rather than
// one before. Where none is, and the very log tells of a leak: the last one before.
std::optional<ClosedCase> closed_by(const Scene& scene, const std::vector<RecordedFree>& ledger) {
    if (scene.report == nullptr)
        return std::nullopt;
    std::vector<const RecordedFree*> all; // the last one first
    for (const auto& told : scene.crash.told) {
        if (told.boot == scene.report->boot && told.line <= scene.report->last_line)
            all.push_back(&told);
    }
    std::ranges::reverse(all);
    const auto count_told = all.size();
    for (const auto& free : ledger) {
        if (is_of_that_boot(free, *scene.report))
            all.push_back(&free);
    }
    for (const auto* const free : all) {
        if (free->drained)
            continue;
        for (const auto& timer : free->timers) {
            if (auto how = how_met(scene, timer); !how.empty())
                return ClosedCase{*free, timer, std::move(how), true};
        }
    }
    for (const auto* const free : all) {
        if (auto how = how_met(scene, *free); !how.empty())
            return ClosedCase{*free, std::nullopt, std::move(how), true};
    }
    for (const auto* const free : std::span(all).first(count_told)) {
        if (free->drained || free->line >= scene.report->first_line || has_fired(*free, *scene.report))
            continue;
        auto timer = free->timers.size() == 1 ? std::optional(free->timers.front()) : std::nullopt;
        return ClosedCase{*free, std::move(timer), "it was recorded last before the crash", false};
    }
    return std::nullopt;
}

// arch/x86/include/asm/trap_pf.h: X86_PF_PROT, X86_PF_INSTR
constexpr unsigned page_was_there = 1U << 0U;
constexpr unsigned instruction_fetch = 1U << 4U;

// Where module code shares large pages, the place of what is freed is filled (execmem, since 6.12 or so).
// Having executed one of these, a CPU points behind it.
constexpr std::uint8_t int3 = 0xcc;

bool is_filled_with_int3(const Exception& met) {
    const auto at = met.code_at.value_or(met.code.size());
    return at > 0 && at < met.code.size() && met.code[at - 1] == int3 && met.code[at] == int3;
}

// Whether it was code that is not there any more what faulted.
bool has_fetched(const Scene& scene) {
    if (scene.met == nullptr)
        return false;
    // Some kernels have names for what was a module's init section; and some make a module's code
    // inexecutable before they give it back.
    const auto error = scene.report->error_code.value_or(0);
    if ((error & instruction_fetch) != 0)
        return (error & page_was_there) == 0 || scene.ip.symbol.empty();
    if (!scene.ip.symbol.empty())
        return false;
    return scene.met->code_unreadable || scene.report->access == Access::execute ||
           is_filled_with_int3(*scene.met) || (scene.address && scene.ip.address == scene.address) ||
           (!scene.address && scene.met->code.empty());
}

// Since 2.6.25 (kernel/module.c, print_modules()).
bool tells_last_unloaded(std::string_view release) {
    static const RE2 older(R"(^2\.(?:[0-5]\.|6\.(?:1?\d|2[0-4])(?:\D|$)))");
    return !RE2::PartialMatch(re2::StringPiece(release.data(), release.size()), older);
}

Scene scene_of(const CrashText& crash, const Report* report, const std::vector<RecordedFree>& ledger) {
    Scene scene(crash);
    scene.modules = report != nullptr && report->modules.line != 0 ? report->modules : crash.modules;
    const auto& modules = scene.modules;
    if (report == nullptr)
        return scene;
    scene.none_was_unloaded = modules.line >= report->first_line && !modules.is_cut &&
                              modules.last_unloaded.empty() && crash.told.empty() &&
                              tells_last_unloaded(report->release.empty() ? crash.release : report->release);
    scene.report = report;
    scene.met = fault_on_stack(*report);
    if (scene.met == nullptr && is_fault(report->kind) && !report->by_crash && !report->exceptions.empty() &&
        !report->exceptions.front().user)
        scene.met = &report->exceptions.front();
    // Where the kernel looked at the target before it jumped there, that is what was met.
    std::optional<std::uint64_t> target;
    if (report->call_target && report->call_target->symbol.empty())
        target = report->call_target->address;
    if (target) {
        const auto there = std::ranges::find_if(
            report->exceptions, [&](const Exception& exception) { return exception.ip.address == *target; });
        if (there != report->exceptions.end())
            scene.met = &*there;
    }
    scene.below = frames_below(*report, scene.met);
    if (scene.met != nullptr) {
        scene.ip = scene.met->ip;
        scene.ip_line = scene.met->line;
        scene.instruction = met_instruction(*scene.met, crash.arch);
        infer_instruction(scene);
    }
    scene.address = report->fault_address;
    scene.address_line = report->fault_address_line;
    if (!scene.address && scene.instruction) {
        scene.address = scene.instruction->address;
        scene.address_line = scene.met->line;
    }
    if (scene.address) {
        scene.address = crash.arch == Arch::x86_64 ? unshadowed(*scene.address) : *scene.address;
        scene.address_kind = kind_of_address(*scene.address, crash);
    }
    scene.fetched = has_fetched(scene);
    if (scene.fetched && !scene.ip.address)
        scene.ip.address = scene.address;
    if (scene.fetched && scene.ip.address && is_filled_with_int3(*scene.met))
        --*scene.ip.address;
    if (scene.met != nullptr && target && scene.in_module_space(target)) {
        scene.fetched = true;
        scene.ip = *report->call_target;
        scene.address.reset();
    }
    find_context(scene);
    scene.closed = closed_by(scene, ledger);
    return scene;
}

struct Finding {
    CrashVerdict verdict;
    Confidence confidence;
    std::string what;
};

using Answer = std::optional<Finding>;

Finding this_pattern(Confidence confidence, std::string what) {
    return {CrashVerdict::this_pattern, confidence, std::move(what)};
}
Finding related(Confidence confidence, std::string what) {
    return {CrashVerdict::related, confidence, std::move(what)};
}
Finding another(Confidence confidence, std::string what) {
    return {CrashVerdict::not_this_pattern, confidence, std::move(what)};
}
Finding unknown(std::string what) {
    return {CrashVerdict::cant_tell, Confidence::low, std::move(what)};
}

/* Rules, in the order in which they are asked: the first one that has an answer decides. */

Answer nothing_to_read(const Scene& scene) {
    if (!scene.crash.reports.empty())
        return {};
    return unknown("There is no report of a crash in it.");
}

// CONFIG_DEBUG_OBJECTS_FREE (lib/debugobjects.c): memory is freed, and what is in it is in use.
bool is_odebug(const Report& report) {
    static const RE2 armed(R"(^ODEBUG: free active .*object type: (?:timer_list|hrtimer))");
    return RE2::PartialMatch(report.headline, armed);
}

Answer no_fault(const Scene& scene) {
    if (scene.report == nullptr)
        return {};
    // sysrq-c makes a fault of its own, on many kernels.
    const bool by_hand = scene.report->by_hand || bare_symbol(scene.ip.symbol) == "sysrq_handle_crash";
    if (scene.met != nullptr && !by_hand)
        return {};
    if (by_hand && scene.closed && scene.closed->free.panics)
        return this_pattern(
            Confidence::high,
            fmt::format("disarmd crashed the host, as a rule says, when module {} had left a timer behind.",
                        printable(scene.closed->free.module)));
    if (by_hand)
        return another(Confidence::high, "The host was crashed on purpose, and no fault came before.");
    if (is_odebug(*scene.report)) {
        const bool unloads = std::ranges::any_of(scene.report->frames, [](const Frame& frame) {
            const auto symbol = bare_symbol(frame.place.symbol);
            return symbol == "free_module" || symbol == "do_free_init" || context_of(symbol) == Context::exit;
        });
        const auto& headline = scene.report->headline;
        const auto hint =
            printable(headline.substr(std::min(headline.find("object type: "), headline.size())));
        return unloads
                   ? this_pattern(Confidence::high,
                                  fmt::format("The kernel itself found it, as a module's memory was "
                                              "freed with an armed timer in it ({}).",
                                              hint))
                   : another(Confidence::medium,
                             fmt::format(
                                 "Memory was freed with an armed timer in it, by code that is there ({}).",
                                 hint));
    }
    const auto& work = scene.report->work;
    if (work && work->symbol.empty() && work->address && work->address == scene.address)
        return related(Confidence::medium,
                       fmt::format("A work queue's worker called code of a module that had been "
                                   "freed, at {}: no timer's callback.",
                                   address_text(*work->address)));
    const bool is_lockup = scene.report->kind == ReportKind::hard_lockup ||
                           scene.report->kind == ReportKind::soft_lockup ||
                           (scene.report->kind == ReportKind::stall && !scene.report->exceptions.empty());
    const auto& exceptions = scene.report->exceptions;
    const auto& ip = !exceptions.empty() ? exceptions.front().ip : scene.ip;
    const bool in_timer_core =
        is_timer_core(ip.symbol) ||
        (is_helper(ip.symbol) && std::ranges::any_of(scene.below, [](const Frame& frame) {
             return frame.reliable && is_timer_core(frame.place.symbol);
         }));
    if (is_lockup && in_timer_core)
        return unknown("A CPU was stuck in the timer code. That is what follows when a fault in it is "
                       "printed, or when a "
                       "list of timers has been overwritten; the fault itself is not in this text.");
    if (is_lockup)
        return another(Confidence::medium, fmt::format("A CPU was stuck in {}, and nothing has faulted.",
                                                       ip.symbol.empty() ? "some code" : text_of(ip)));
    if (scene.report->kind == ReportKind::warning)
        return another(Confidence::medium, "There is a warning in it, and no crash.");
    if (scene.report->kind == ReportKind::panic || scene.report->kind == ReportKind::stall)
        return another(Confidence::medium, "Nothing has faulted: the kernel gave up for another reason.");
    return unknown(
        "The report has no instruction pointer that is known here: too much of it is missing, or it is "
        "of another architecture.");
}

// An address is of a timer that was recorded as left behind.
Answer was_recorded(const Scene& scene) {
    if (!scene.closed || !scene.closed->by_address || !scene.closed->timer || !scene.closed->free.leak)
        return {};
    const auto& timer = *scene.closed->timer;
    return this_pattern(
        Confidence::high,
        fmt::format("It was the {} {} of module {}, which disarmd had recorded as left behind: {}.",
                    printable(timer.kind), printable(timer.callback), printable(scene.closed->free.module),
                    scene.closed->how));
}

std::string in_whose_context(const Scene& scene) {
    return std::string(name_of(scene.context));
}

// Code was called that is not there.
Answer code_is_gone(const Scene& scene) {
    if (!scene.fetched || scene.ip.address.value_or(0) == 0)
        return {};
    const auto ip = *scene.ip.address;
    const auto kind = kind_of_address(ip, scene.crash);
    // Of arm64 that it is no code is all that is known: a page that is there is no freed module's.
    const bool of_module = kind == AddressKind::module_space ||
                           (kind == AddressKind::unknown && !scene.none_was_unloaded &&
                            scene.report->headline.find("non-executable") == std::string::npos);
    if (scene.module_frame != nullptr) {
        const auto& module = scene.module_frame->place.module;
        return of_module
                   ? related(Confidence::medium,
                             fmt::format("The module {} called code of a module that had been freed, at {}.",
                                         printable(module), address_text(ip)))
                   : another(Confidence::high, fmt::format("The module {} called {}, which is no code.",
                                                           printable(module), address_text(ip)));
    }
    const auto confidence = scene.context_is_sure ? Confidence::high : Confidence::medium;
    if (of_module && is_of_timers(scene.context) && !was_called_back(scene))
        return related(
            Confidence::medium,
            fmt::format("{} called code of a module that had been freed, at {}: it is no timer's callback.",
                        printable(scene.caller_frame->place.symbol), address_text(ip)));
    if (of_module && is_of_timers(scene.context))
        return this_pattern(
            confidence,
            fmt::format("{} called a callback at {}, where a module's code had been.",
                        scene.context == Context::timer ? "The timer softirq" : "An hrtimer's expiry",
                        address_text(ip)));
    if (of_module && scene.context != Context::none)
        return related(
            confidence,
            fmt::format("{} called code of a module that had been freed, at {}: no timer's callback.",
                        in_whose_context(scene), address_text(ip)));
    if (of_module)
        return related(
            Confidence::low,
            fmt::format("Code of a module that had been freed was called, at {}; by what is not in the "
                        "text.",
                        address_text(ip)));
    if (!is_of_timers(scene.context))
        return another(
            Confidence::medium,
            fmt::format("{} is no module's code: a pointer to a function was wrong.", address_text(ip)));
    if (scene.none_was_unloaded)
        return another(Confidence::medium,
                       "A timer's callback was overwritten, and no module had been unloaded.");
    return unknown("A timer's callback was overwritten, or never set: the timer's memory may have been "
                   "freed, by a module "
                   "that was unloaded or by one that is still there.");
}

Answer null_was_called(const Scene& scene) {
    if (!scene.fetched || scene.ip.address.value_or(1) != 0)
        return {};
    if (scene.module_frame != nullptr)
        return another(Confidence::high,
                       fmt::format("The module {} called a function through a NULL pointer.",
                                   printable(scene.module_frame->place.module)));
    if (!is_of_timers(scene.context) || scene.none_was_unloaded)
        return another(Confidence::medium, "A function was called through a NULL pointer.");
    return unknown("A timer has no callback: its memory was freed and cleared, or it was never set up.");
}

Answer module_is_there(const Scene& scene) {
    // A module that was stripped of its symbols is there all the same, if its code could be read.
    if (scene.ip.symbol.empty() && scene.in_module_space(scene.ip.address) && !scene.fetched)
        return another(Confidence::medium,
                       fmt::format("The code at {} is there, and faulted: that of a module without symbols.",
                                   address_text(*scene.ip.address)));
    if (scene.ip.module.empty())
        return {};
    return another(Confidence::high,
                   fmt::format("It is code of the module {} that faulted, and that was loaded.",
                               printable(scene.ip.module)));
}

// Whether it is the timer code itself that met the address, or a helper that it called.
const CodePlace* timer_code_that_met_it(const Scene& scene) {
    if (is_timer_core(scene.ip.symbol) || is_queueing_of_work(scene.ip.symbol))
        return &scene.ip;
    if (!is_helper(scene.ip.symbol))
        return nullptr;
    for (const auto& frame : scene.below) {
        if (!frame.reliable || is_helper(frame.place.symbol))
            continue;
        return is_timer_core(frame.place.symbol) || is_queueing_of_work(frame.place.symbol) ? &frame.place
                                                                                            : nullptr;
    }
    return nullptr;
}

Answer queue_leads_to_freed_memory(const Scene& scene) {
    const auto* const code = timer_code_that_met_it(scene);
    // What is an assertion is about the timer of who called.
    if (code == nullptr || scene.report->kind == ReportKind::bug)
        return {};
    const auto name = text_of(*code);
    if (scene.module_frame != nullptr && scene.address_kind == AddressKind::null_page)
        return another(Confidence::medium,
                       fmt::format("The module {} was running, and gave {} a NULL pointer.",
                                   printable(scene.module_frame->place.module), name));
    const bool was_mapped = (scene.report->error_code.value_or(0) & page_was_there) != 0 ||
                            scene.report->headline.find("out-of-bounds in") != std::string::npos;
    if (scene.address_kind == AddressKind::module_space && !was_mapped)
        return this_pattern(
            Confidence::high,
            fmt::format("{} went to a timer at {}, in the memory of a module that had been freed.", name,
                        address_text(*scene.address)));
    if (scene.none_was_unloaded)
        return another(
            Confidence::medium,
            fmt::format(
                "A queue of timers led {} astray, and no module had been unloaded: a timer's memory was "
                "freed, or overwritten, by code that is still there.",
                name));
    return unknown(fmt::format("A queue of timers led {} astray. A timer in allocated memory was freed or "
                               "overwritten: by a module that "
                               "was unloaded, or by one that is still there.",
                               name));
}

Answer freed_code_was_running(const Scene& scene) {
    if (scene.nameless_frame == nullptr)
        return {};
    const auto where = text_of(scene.nameless_frame->place);
    // A module can be there without symbols; what it met tells.
    if (scene.address_kind != AddressKind::module_space)
        return scene.none_was_unloaded
                   ? another(Confidence::medium,
                             fmt::format("Code at {}, that has no name, was running; no module "
                                         "had been unloaded.",
                                         where))
                   : unknown(
                         fmt::format("Code at {}, that has no name, was running: of a module that had been "
                                     "freed, or of one that is there without symbols.",
                                     where));
    if (is_of_timers(scene.context))
        return this_pattern(
            Confidence::medium,
            fmt::format("A timer's callback of a module that had been freed was running, at {}.", where));
    return related(Confidence::medium,
                   fmt::format("Code of a module that had been freed was running, at {}, called by {}.",
                               where, in_whose_context(scene)));
}

Answer module_called_it(const Scene& scene) {
    if (scene.module_frame == nullptr)
        return {};
    return another(Confidence::high, fmt::format("The module {} was running, and was loaded.",
                                                 printable(scene.module_frame->place.module)));
}

Answer memory_of_module_is_gone(const Scene& scene) {
    if (scene.address_kind != AddressKind::module_space)
        return {};
    return related(Confidence::medium,
                   fmt::format("{} met memory of a module that had been freed, at {}: no timer.",
                               text_of(scene.ip), address_text(*scene.address)));
}

Answer core_callback(const Scene& scene) {
    if (!is_of_timers(scene.context))
        return {};
    return another(Confidence::medium,
                   fmt::format("A timer's callback was running, of the kernel's own code, and {} faulted.",
                               text_of(scene.ip)));
}

Answer otherwise(const Scene& scene) {
    return another(Confidence::medium,
                   fmt::format("{} faulted, in {}: no timer, and nothing of a module that had been freed.",
                               text_of(scene.ip), in_whose_context(scene)));
}

// What the text alone does not tell, and a record from right before the crash does.
Finding with_record(const Scene& scene, Finding finding) {
    if (finding.verdict != CrashVerdict::cant_tell || !scene.closed || !scene.closed->free.leak)
        return finding;
    return this_pattern(Confidence::medium,
                        fmt::format("{} disarmd had recorded that module {} left a timer behind.",
                                    finding.what, printable(scene.closed->free.module)));
}

struct Rule {
    std::string_view name;
    Answer (*ask)(const Scene&);
};

constexpr std::array rules{
    Rule{"nothing-to-read", nothing_to_read},
    Rule{"no-fault", no_fault},
    Rule{"was-recorded", was_recorded},
    Rule{"null-was-called", null_was_called},
    Rule{"code-is-gone", code_is_gone},
    Rule{"module-is-there", module_is_there},
    Rule{"queue-leads-to-freed-memory", queue_leads_to_freed_memory},
    Rule{"freed-code-was-running", freed_code_was_running},
    Rule{"module-called-it", module_called_it},
    Rule{"memory-of-module-is-gone", memory_of_module_is_gone},
    Rule{"core-callback", core_callback},
    Rule{"otherwise", otherwise},
};

/* What goes with the verdict */

// What has no fault in it: the gravest.
const Report* gravest_of(const CrashText& crash) {
    for (const auto kind : {ReportKind::hard_lockup, ReportKind::soft_lockup, ReportKind::stall,
                            ReportKind::panic, ReportKind::warning}) {
        const auto found = std::ranges::find(crash.reports, kind, &Report::kind);
        if (found != crash.reports.end())
            return &*found;
    }
    return nullptr;
}

struct Judged {
    Scene scene;
    Finding finding;
    std::string_view rule;
};

Judged judge(const CrashText& crash, const Report* report, const std::vector<RecordedFree>& ledger) {
    auto scene = scene_of(crash, report, ledger);
    for (const auto& rule : rules) {
        if (auto answer = rule.ask(scene)) {
            auto finding = with_record(scene, std::move(*answer));
            return {std::move(scene), std::move(finding), rule.name};
        }
    }
    return {std::move(scene), unknown(""), ""}; // the last rule has an answer to everything
}

// The first fault, of which others come; but one that is of this pattern by itself is none of these.
Judged judge_all(const CrashText& crash, const std::vector<RecordedFree>& ledger) {
    std::optional<Judged> first;
    for (const auto& report : crash.reports) {
        if (!is_fault(report.kind) && fault_on_stack(report) == nullptr && !is_odebug(report))
            continue;
        auto judged = judge(crash, &report, ledger);
        if (judged.finding.verdict == CrashVerdict::this_pattern)
            return judged;
        if (!first)
            first.emplace(std::move(judged));
    }
    return first ? std::move(*first) : judge(crash, gravest_of(crash), ledger);
}

// Of a report that came after the fault.
std::string_view what_followed(ReportKind kind) {
    switch (kind) {
    case ReportKind::panic:
        return "so the kernel panicked";
    case ReportKind::soft_lockup:
    case ReportKind::hard_lockup:
    case ReportKind::stall:
        return "a CPU was stuck after it: a consequence";
    case ReportKind::warning:
        return "a warning, after it";
    default:
        return "another fault, after it";
    }
}

void add_consequences(const CrashText& crash, const Scene& scene, CrashDiagnosis& diagnosis) {
    if (scene.report == nullptr || scene.met == nullptr)
        return;
    const auto& report = *scene.report;
    // What was still going on above the fault, on the same stack.
    const auto above =
        std::span(report.frames).first(std::min(scene.met->frames_above, report.frames.size()));
    const auto prints = std::ranges::find_if(above, [](const Frame& frame) {
        const auto symbol = bare_symbol(frame.place.symbol);
        return symbol == "printk" || symbol == "_printk" || symbol == "vprintk_emit";
    });
    const auto locks = std::ranges::find_if(
        above, [](const Frame& frame) { return bare_symbol(frame.place.symbol) == "lock_timer_base"; });
    if (locks != above.end() && prints != above.end())
        diagnosis.consequences.push_back({locks->line,
                                          "a lockup: printing the fault came back to the timers, through the "
                                          "console, and waited for the lock that "
                                          "the timer softirq held"});
    const auto panics = std::ranges::find_if(above, [](const Frame& frame) {
        return bare_symbol(frame.place.symbol) == "watchdog_overflow_callback";
    });
    if (panics != above.end())
        diagnosis.consequences.push_back(
            {panics->line, "a hard lockup, as the watchdog found that CPU stuck: it is not the cause"});
    for (const auto& other : crash.reports) {
        if (is_fault(other.kind) && other.boot == report.boot && other.last_line < report.first_line)
            diagnosis.evidence.push_back(
                {other.first_line, "another fault came before, which the host survived"});
        if (&other != &report && other.boot == report.boot && other.first_line > report.first_line)
            diagnosis.consequences.push_back({other.first_line, std::string(what_followed(other.kind))});
    }
}

std::string_view what_lies_at(const Scene& scene) {
    switch (scene.address_kind) {
    case AddressKind::null_page:
        return "that of a member, by a NULL pointer";
    case AddressKind::user:
        return "user space's: the pointer was wrong";
    case AddressKind::list_poison:
        return "list poison: what was taken off a list was used once more";
    case AddressKind::slab_poison:
        return "what freed memory is filled with";
    case AddressKind::non_canonical:
        return "none that can be: the pointer was overwritten";
    case AddressKind::module_space:
        return (scene.report->error_code.value_or(0) & page_was_there) != 0
                   ? "where modules are, and something is mapped there"
                   : "where modules are, and nothing is mapped there";
    case AddressKind::kernel:
        return "of the kernel's own memory, or was";
    case AddressKind::unknown:
        break;
    }
    return "not of a known place";
}

void add_evidence(const Scene& scene, CrashDiagnosis& diagnosis) {
    auto& evidence = diagnosis.evidence;
    if (scene.met != nullptr)
        evidence.push_back({scene.ip_line, fmt::format("the fault is at {}{}", text_of(scene.ip),
                                                       scene.fetched ? ": there is no code any more"
                                                       : scene.ip.symbol.empty() ? ", which has no name"
                                                                                 : "")});
    if (scene.instruction && !scene.fetched) {
        const auto& met = *scene.instruction;
        const auto base = scene.met->registers.find(met.base);
        const bool has_base = base != scene.met->registers.end();
        evidence.push_back(
            {scene.inferred ? scene.ip_line : scene.met->code_line,
             fmt::format("the instruction {} {}{}", scene.inferred ? "was" : "is", met.text,
                         scene.inferred ? ", by the registers, as the text has no code" : "")});
        if (has_base)
            evidence.push_back(
                {base->second.line,
                 fmt::format("{} is {}: it {} {}", printable(met.base), address_text(base->second.value),
                             met.writes ? "writes to" : "reads at",
                             met.address ? address_text(*met.address) : "what it points to")});
    }
    if (scene.address)
        evidence.push_back(
            {scene.address_line,
             fmt::format("the address {} is {}", address_text(*scene.address), what_lies_at(scene))});
    if (scene.context_frame != nullptr)
        evidence.push_back(
            {scene.context_frame->line,
             fmt::format("{} is on the stack: {}{}", printable(scene.context_frame->place.symbol),
                         name_of(scene.context),
                         scene.context_is_sure ? "" : " (perhaps: the frame is marked with \"?\")")});
    const auto& modules = scene.modules;
    if (!modules.last_unloaded.empty())
        evidence.push_back(
            {modules.last_unloaded_line,
             fmt::format("{} was unloaded last{}", printable(modules.last_unloaded),
                         is_listed(modules, modules.last_unloaded) ? ", and is loaded again" : "")});
    else if (scene.none_was_unloaded)
        diagnosis.against.push_back({modules.line, "no module had been unloaded since the boot"});
}

void add_suspects(const Scene& scene, CrashDiagnosis& diagnosis) {
    const auto& modules = scene.modules;
    if (diagnosis.verdict == CrashVerdict::not_this_pattern || modules.last_unloaded.empty() ||
        says_nothing(modules.last_unloaded))
        return;
    if (!diagnosis.closed || diagnosis.closed->free.module != modules.last_unloaded)
        diagnosis.suspects.push_back({modules.last_unloaded,
                                      "it was unloaded last, which is a hint and no proof",
                                      modules.last_unloaded_line});
}

} // namespace

std::string_view name_of(CrashVerdict verdict) {
    switch (verdict) {
    case CrashVerdict::this_pattern:
        return "this-pattern";
    case CrashVerdict::related:
        return "related";
    case CrashVerdict::not_this_pattern:
        return "not-this-pattern";
    case CrashVerdict::cant_tell:
        break;
    }
    return "cant-tell";
}

std::string_view name_of(Confidence confidence) {
    switch (confidence) {
    case Confidence::high:
        return "high";
    case Confidence::medium:
        return "medium";
    case Confidence::low:
        break;
    }
    return "low";
}

CrashDiagnosis diagnose(const CrashText& crash, const std::vector<RecordedFree>& ledger) {
    auto [scene, finding, rule] = judge_all(crash, ledger);
    CrashDiagnosis diagnosis;
    diagnosis.verdict = finding.verdict;
    diagnosis.confidence = finding.confidence;
    diagnosis.what = std::move(finding.what);
    diagnosis.rule = rule;
    diagnosis.primary = scene.report;
    diagnosis.met = scene.met;
    diagnosis.instruction = scene.instruction;
    diagnosis.instruction_inferred = scene.inferred;
    diagnosis.address = scene.address;
    diagnosis.address_kind = scene.address_kind;
    if (diagnosis.verdict != CrashVerdict::not_this_pattern)
        diagnosis.closed = scene.closed;
    add_evidence(scene, diagnosis);
    add_consequences(crash, scene, diagnosis);
    add_suspects(scene, diagnosis);
    std::set<std::size_t> boots;
    for (const auto& report : crash.reports) {
        if (scene.report != nullptr && report.boot != scene.report->boot &&
            report.kind != ReportKind::warning)
            boots.insert(report.boot);
    }
    diagnosis.other_crashes = boots.size();
    return diagnosis;
}

} // namespace disarmd
