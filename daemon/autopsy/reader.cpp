// SPDX-License-Identifier: Apache-2.0
#include "autopsy/reader.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <memory>
#include <unordered_map>
#include <utility>

#include <re2/re2.h>

#include "autopsy/functions.h"
#include "autopsy/lines.h"

namespace disarmd {

namespace {

using re2::StringPiece;

// RE2 takes a time that grows with the text only, whatever the text is.
bool has(std::string_view text, const RE2& pattern) {
    return RE2::PartialMatch(StringPiece(text.data(), text.size()), pattern);
}

template <typename... Parts>
bool has(std::string_view text, const RE2& pattern, Parts*... parts) {
    return RE2::PartialMatch(StringPiece(text.data(), text.size()), pattern, parts...);
}

bool starts(std::string_view text, std::string_view with) {
    return text.starts_with(with);
}

bool contains(std::string_view text, std::string_view part) {
    return text.find(part) != std::string_view::npos;
}

std::optional<std::uint64_t> hex_of(std::string_view text) {
    std::uint64_t value = 0;
    const auto* const end = text.data() + text.size();
    const auto read = std::from_chars(text.data(), end, value, 16);
    return read.ec == std::errc() && read.ptr == end && !text.empty() ? std::optional(value) : std::nullopt;
}

std::optional<unsigned> number_of(std::string_view text) {
    unsigned value = 0;
    const auto* const end = text.data() + text.size();
    const auto read = std::from_chars(text.data(), end, value);
    return read.ec == std::errc() && read.ptr == end && !text.empty() ? std::optional(value) : std::nullopt;
}

std::string_view view_of(const StringPiece& piece) {
    return {piece.data(), piece.size()};
}

/* Places */

// "[<addr>]", several times; "<addr>{sym+dec}" (2.6.9 to 2.6.17); ":mod:sym+0x1/0x2" (to 2.6.24);
// "sym+0x1/0x2 [mod]"; "0xaddr"; "addr". What was taken is removed; false: that is no place.
bool take_place(std::string_view& text, CodePlace& place) {
    static const RE2 bracketed(R"(\s*\[<([0-9a-fA-F]{8,16})>\])");
    static const RE2 braced(R"(\s*<([0-9a-fA-F]{8,16})>\{(?::(\w+):)?([A-Za-z_.$][\w.$]*)\+(\d+)\})");
    static const RE2 named(
        R"(\s*\(?(?::([\w-]+):)?([A-Za-z_.$][\w.$]*)\+0x([0-9a-f]{1,16})(?:/0x[0-9a-f]{1,16})?\)?(?:\s+\[([\w-]+)[^\]]*\])?)");
    static const RE2 bare(R"(\s*(?:0x([0-9a-fA-F]{1,16})|([0-9a-fA-F]{8,16}))\b)");
    StringPiece rest(text.data(), text.size());
    StringPiece address;
    StringPiece module;
    StringPiece symbol;
    StringPiece offset;
    CodePlace found;
    bool any = false;
    while (RE2::Consume(&rest, bracketed, &address)) {
        found.address = hex_of(view_of(address));
        any = true;
    }
    if (RE2::Consume(&rest, braced, &address, &module, &symbol, &offset)) {
        found.address = hex_of(view_of(address));
        found.module = view_of(module);
        found.symbol = view_of(symbol);
        std::from_chars(offset.data(), offset.data() + offset.size(), found.offset);
        any = true;
    } else if (StringPiece in_front; RE2::Consume(&rest, named, &in_front, &symbol, &offset, &module)) {
        found.symbol = view_of(symbol);
        found.offset = hex_of(view_of(offset)).value_or(0);
        found.module = view_of(module.empty() ? in_front : module);
        any = true;
    } else if (StringPiece plain; RE2::Consume(&rest, bare, &address, &plain)) {
        // "[<addr>] 0xaddr": older kernels printed the second one a byte lower.
        if (!found.address)
            found.address = hex_of(view_of(address.empty() ? plain : address));
        any = true;
    }
    if (any) {
        place = std::move(found);
        text = view_of(rest);
    }
    return any;
}

/* What begins a report */

struct Beginning {
    ReportKind kind;
    const char* pattern; // its group, if it has one, is the address
    Access access = Access::unknown;
};

constexpr std::array beginnings{
    Beginning{
        ReportKind::page_fault,
        R"(^BUG: unable to handle (?:kernel )?(?:paging request|page fault|NULL pointer dereference)(?: at(?: virtual address)?| for address:)?:? *(?:0x)?([0-9a-f]{8,16})?)"},
    Beginning{ReportKind::page_fault,
              R"(^BUG: kernel NULL pointer dereference, address: (?:0x)?([0-9a-f]{8,16}))"},
    Beginning{
        ReportKind::page_fault,
        R"(^Unable to handle kernel (?:paging request|NULL pointer dereference|access to user memory[^0-9]*|execute from non-executable memory|read from unreadable memory|write to read-only memory)(?: at)?(?: virtual address)? *(?:0x)?([0-9a-f]{8,16})?)"},
    Beginning{
        ReportKind::protection_fault,
        R"(^general protection fault(?:,| in|:)(?: (?:probably|maybe) for (?:non-canonical )?address 0x([0-9a-f]{8,16}))?)"},
    // Whether code may be jumped to, as CONFIG_CFI_CLANG and CONFIG_X86_KERNEL_IBT look at it: BUG() follows.
    Beginning{ReportKind::bug, R"(^CFI failure at |^(?:traps: )?Missing ENDBR: )"},
    Beginning{ReportKind::bug, R"(^kernel BUG at \S+)"},
    Beginning{ReportKind::kasan, R"(^BUG: K(?:ASAN|FENCE): )"},
    Beginning{ReportKind::list_corruption, R"(^list_(?:add|del)(?: corruption|_valid))"},
    Beginning{ReportKind::soft_lockup, R"(^(?:\w+: )?BUG: soft lockup)"},
    Beginning{ReportKind::hard_lockup,
              R"(^(?:.{0,24}: )?Watchdog detected hard LOCKUP|^NMI Watchdog detected LOCKUP|[hH]ard LOCKUP)"},
    Beginning{ReportKind::stall,
              R"(INFO: rcu_\w+ (?:self-)?detected|rcu: INFO: |INFO: task .* blocked for more than)"},
    Beginning{ReportKind::panic, R"(^Kernel panic - not syncing)"},
    Beginning{ReportKind::warning, R"(^ODEBUG: free active )"},
    Beginning{ReportKind::warning, R"(^WARNING: (?:CPU: \d+ PID: \d+ )?at |^WARNING: [^ ]+:\d+ at )"},
    Beginning{
        ReportKind::oops,
        R"(^(?:Oops|divide error|invalid opcode|stack segment|double fault|Internal error)(?:: [\w -]+)?: [0-9a-f]{4,16} \[#\d+\])"},
};

const std::vector<std::unique_ptr<RE2>>& beginning_patterns() {
    static const auto all = [] {
        std::vector<std::unique_ptr<RE2>> patterns;
        patterns.reserve(beginnings.size());
        for (const auto& beginning : beginnings)
            patterns.push_back(std::make_unique<RE2>(beginning.pattern));
        return patterns;
    }();
    return all;
}

// One of the words that the reader knows: what has none of them is nothing to look at twice.
bool may_matter(std::string_view text) {
    static const RE2 words(
        R"(BUG|Oops|fault|pstate|CFI|ENDBR|ODEBUG|system clock|Unable to handle|IP:|IP is at |PC is at |RIP  |pc :|lr :|e[a-z]{2}: |Process |EFLAGS|COMMAND: | from |[A-Z][A-Z0-9]{1,2}: |x\d+ *: |Code:|Call [Tt]race|\+0x[0-9a-f]+|\+\d+\}|odules linked in|last unloaded|CPU: |Pid: |Comm: |comm: |Workqueue|panic|LOCKUP|lockup|detected|stall|blocked for|WARNING|corruption|#PF|by task|buggy address|related work|error_code|end trace|<IRQ>|<NMI>|<TASK>|<EO[EI]>|exception stack|IRQ stack|#\d+ +\[|exception RIP|RELEASE:|PANIC:|disarmd: |0x[0-9a-f]{8}|\[<[0-9a-f]|ys[rR]q|opcode|Internal error|Linux version|FAR_EL|divide error|Kernel Offset|at addr )");
    return has(text, words);
}

// Whether the line ends where a mail or a tracker has broken it.
bool is_broken_off(std::string_view text) {
    static const RE2 ends(
        R"((?:(?:BUG: u|U)nable to handle (?:kernel|page)(?: [a-z]+){0,4}(?: NULL pointer dereference)?(?: at| at virtual address| for address:)?|[CP]PU: .*Comm: .*(?:Kdump: loaded|Tainted:|Not tainted)|\b(?:[RE][A-Z0-9]{1,3}|R\d\d|CR\d|ORIG_RAX|x\d+ ?|pc |lr ):|[RE]IP: \d{4}:(?:\[<[0-9a-f]+>\])?|^(?:\? )?\[<[0-9a-f]+>\](?: \?)?|^#\d+ +\[[0-9a-f]+\](?: \S+(?: at)?)?)$)");
    return has(text, ends);
}

// Of more than are kept, the last one is overwritten.
Exception& add_exception(Report& report) {
    if (report.exceptions.size() == exceptions_max)
        report.exceptions.pop_back();
    return report.exceptions.emplace_back();
}

class Reader {
public:
    // Of a text that begins below the headline a report may begin with the instruction pointer. In others
    // that is one of a stack that is printed for information.
    explicit Reader(bool without_headlines) : without_headlines_(without_headlines) {}

    void take(const TextLine& line);
    CrashText end() &&;

private:
    // One for each CPU or task that prints, where the kernel says which one does.
    struct Printer {
        std::optional<std::size_t> report; // where what it prints belongs
        bool in_trace = false;
        Stack stack = Stack::task;
        std::size_t stack_since = 0; // the frame at which the crash utility's stack began
        enum class Continues { nothing, modules, code } continues = Continues::nothing;
        TextLine broken_off;
    };

    void read(const TextLine& line, Printer& printer);
    bool begin(const TextLine& line, Printer& printer);
    Report* add_report(const TextLine& line, ReportKind kind, Printer& printer);
    bool merges(const Report& open, ReportKind kind) const;
    Report* open_report(const Printer& printer);
    bool continue_line(const TextLine& line, Printer& printer);
    void read_crash_utility(const TextLine& line, Printer& printer);
    bool read_frame(const TextLine& line, Printer& printer, Report& report);
    void read_instruction_pointer(const TextLine& line, Printer& printer, Report& report);
    void read_registers(const TextLine& line, Report& report) const;
    void read_code(const TextLine& line, std::string_view bytes, Report& report) const;
    LinkedModules& modules_of(const Printer& printer);
    static void read_modules(const TextLine& line, std::string_view names, LinkedModules& modules);
    void read_task(const TextLine& line, Report& report);
    static void read_kasan(const TextLine& line, Report& report);
    void read_told(const TextLine& line);
    bool read_header(const TextLine& line);

    bool without_headlines_;
    CrashText crash_;
    std::unordered_map<std::string, Printer> printers_;
    std::size_t boot_ = 0;
    std::optional<double> booted_at_s_; // of that one, since 1970
    std::string release_;               // of that one
    std::string task_cpu_;              // of the crash utility's next backtrace
    std::string task_comm_;
    std::string panic_; // its header's
};

Report* Reader::open_report(const Printer& printer) {
    return printer.report ? &crash_.reports[*printer.report] : nullptr;
}

// What comes within a report, and opens none of its own.
bool Reader::merges(const Report& open, ReportKind kind) const {
    // "Oops: 0002 [#1]" below the line that tells the address, and to 4.19 one that tells where it was;
    // "invalid opcode" below "kernel BUG at".
    if (kind == ReportKind::oops)
        return open.frames.empty() && open.comm.empty() && is_fault(open.kind);
    // list_debug.c says what it found, and then does BUG().
    // Or it warns, and says then what it found.
    const bool bare = open.exceptions.empty() && open.frames.empty();
    return bare && ((open.kind == kind && (kind == ReportKind::bug || kind == ReportKind::warning)) ||
                    (open.kind == ReportKind::list_corruption &&
                     (kind == ReportKind::bug || kind == ReportKind::warning)) ||
                    (open.kind == ReportKind::warning && kind == ReportKind::list_corruption));
}

// Where there are too many, the first ones stay, and the place of the last one that was no fault is for a
// fault.
Report* Reader::add_report(const TextLine& line, ReportKind kind, Printer& printer) {
    printer = {};
    auto& reports = crash_.reports;
    if (reports.size() == reports_max) {
        ++crash_.reports_left_out;
        const auto last = std::ranges::find_if(reports.rbegin(), reports.rend(),
                                               [](const Report& report) { return !is_fault(report.kind); });
        if (!is_fault(kind) || last == reports.rend())
            return nullptr;
        const auto place = static_cast<std::size_t>(reports.rend() - last) - 1;
        reports.erase(reports.begin() + static_cast<std::ptrdiff_t>(place));
        for (auto& [caller, other] : printers_) {
            if (other.report == place)
                other = {};
            else if (other.report > place)
                --*other.report;
        }
    }
    printer.report = reports.size();
    auto& report = reports.emplace_back();
    report.kind = kind;
    report.first_line = line.number;
    report.last_line = line.number;
    report.boot = boot_;
    report.booted_at_s = booted_at_s_;
    report.release = release_;
    report.headline = line.text;
    report.time = line.time;
    return &report;
}

bool Reader::begin(const TextLine& line, Printer& printer) {
    const std::string_view text = line.text;
    if (contains(text, "disarmd:"))
        return false;
    for (std::size_t i = 0; i < beginnings.size(); ++i) {
        StringPiece address;
        const auto& pattern = *beginning_patterns()[i];
        const bool is_it =
            pattern.NumberOfCapturingGroups() == 0 ? has(text, pattern) : has(text, pattern, &address);
        if (!is_it)
            continue;
        const auto kind = beginnings.at(i).kind;
        auto* open = open_report(printer);
        if (open == nullptr || !merges(*open, kind))
            open = add_report(line, kind, printer);
        if (open == nullptr)
            return true;
        if (const auto at = hex_of(view_of(address))) {
            open->fault_address = at;
            open->fault_address_line = line.number;
        }
        open->last_line = line.number;
        if (kind == ReportKind::kasan)
            read_kasan(line, *open);
        // "CFI failure at sym+0x1/0x2 (target: 0xaddr; ...", "Missing ENDBR: 0xaddr"
        static const RE2 target(R"((?:^CFI failure at .*\(target: |Missing ENDBR: )([^;)]*))");
        if (StringPiece place; has(text, target, &place)) {
            auto rest = view_of(place);
            if (CodePlace found; take_place(rest, found))
                open->call_target = found;
        }
        static const RE2 by_hand(R"(sysrq triggered|sysrq_handle_crash|Trigger a crash)");
        open->by_hand = open->by_hand || has(text, by_hand);
        static const RE2 oops_code(R"(Oops: ([0-9a-f]{4}) \[#)");
        StringPiece code;
        if (!open->error_code && has(text, oops_code, &code)) {
            open->error_code = static_cast<unsigned>(hex_of(view_of(code)).value_or(0));
            open->error_code_line = line.number;
        }
        return true;
    }
    return false;
}

// "BUG: KASAN: use-after-free in sym+0x1/0x2", then "Read of size 8 at addr ffff... by task t/1".
void Reader::read_kasan(const TextLine& line, Report& report) {
    static const RE2 access(R"(^(Read|Write) of size \d+ at addr ([0-9a-f]{8,16}))");
    StringPiece what;
    StringPiece address;
    if (has(line.text, access, &what, &address)) {
        report.access = what == "Read" ? Access::read : Access::write;
        report.fault_address = hex_of(view_of(address));
        report.fault_address_line = line.number;
        return;
    }
    const std::string_view text = line.text;
    const auto in = text.find(" in ");
    if (in == std::string_view::npos)
        return;
    auto rest = text.substr(in + 4);
    CodePlace place;
    if (take_place(rest, place)) {
        auto& exception = add_exception(report);
        exception.line = line.number;
        exception.ip = place;
    }
}

// "#PF: supervisor write access in kernel mode", "CPU: 1 PID: 0 Comm: swapper/1 Tainted: G  OE  5.10.0 #1".
void Reader::read_task(const TextLine& line, Report& report) {
    const std::string_view text = line.text;
    StringPiece what;
    if (starts(text, "pstate"))
        crash_.arch = Arch::arm64;
    static const RE2 access(R"(#PF: supervisor (read|write|instruction fetch))");
    if (has(text, access, &what)) {
        report.access = what == "read" ? Access::read : what == "write" ? Access::write : Access::execute;
        return;
    }
    static const RE2 error_code(R"(error_code\(0x([0-9a-f]{1,8})\))");
    if (has(text, error_code, &what)) {
        report.error_code = static_cast<unsigned>(hex_of(view_of(what)).value_or(0));
        report.error_code_line = line.number;
        return;
    }
    static const RE2 task(
        R"((?:^|[ ,])(?:CPU: ?(\d+) )?(?:UID: \d+ )?P[Ii][Dd]: ?\d+,? [Cc]omm: ?(.{1,64}?) (?:Kdump: \w+ )?(Not tainted|Tainted: [A-Z ]+?)(?: \[[^\]]*\])?[ -]+\(?([0-9][^\s)]*))");
    StringPiece cpu;
    StringPiece comm;
    StringPiece taint;
    StringPiece release;
    if (has(text, task, &cpu, &comm, &taint, &release)) {
        report.cpu = number_of(view_of(cpu));
        report.comm = view_of(comm);
        report.release = view_of(release);
        if (crash_.release.empty())
            crash_.release = report.release;
        if (starts(view_of(taint), "Tainted"))
            crash_.taint = view_of(taint).substr(9);
        return;
    }
    static const RE2 process(R"(^Process (.{1,64}?) \(pid: \d+)");
    if (has(text, process, &comm)) {
        if (report.comm.empty())
            report.comm = view_of(comm);
        return;
    }
    static const RE2 flags(R"(EFLAGS: [0-9a-f]{8} +\(([0-9]\.[^\s)]+))");
    if (has(text, flags, &release) && crash_.release.empty())
        crash_.release = view_of(release);
    static const RE2 work(R"(^Workqueue: (\S+) (.+)$)");
    StringPiece queue;
    StringPiece function;
    if (has(text, work, &queue, &function)) {
        report.workqueue = view_of(queue);
        report.work_line = line.number;
        CodePlace place;
        auto rest = view_of(function);
        // It is printed without an offset, if it has a name.
        static const RE2 name(R"(^([A-Za-z_.$][\w.$]*)(?: \[([\w-]+)[^\]]*\])?$)");
        StringPiece symbol;
        StringPiece module;
        if (has(rest, name, &symbol, &module)) {
            place.symbol = view_of(symbol);
            place.module = view_of(module);
            report.work = place;
        } else if (take_place(rest, place)) {
            report.work = place;
        }
    }
}

void Reader::read_instruction_pointer(const TextLine& line, Printer& printer, Report& report) {
    static const RE2 with_segment(R"(^[RE]?IP:\s*([0-9a-f]{4}):(.*)$)");
    static const RE2 others(R"(^(?:EIP is at |PC is at |[RE]?IP:? |pc : ?)(.*)$)");
    StringPiece segment;
    StringPiece place_text;
    const bool full = has(line.text, with_segment, &segment, &place_text);
    if (!full && !has(line.text, others, &place_text))
        return;
    // Without it, in a trace, it is the summary behind it.
    const bool summary = !full && printer.in_trace;
    if (summary && !report.exceptions.empty())
        return;
    CodePlace place;
    auto rest = view_of(place_text);
    if (!take_place(rest, place))
        return;
    const bool again = !printer.in_trace && !report.exceptions.empty();
    auto& exception = again ? report.exceptions.back() : add_exception(report);
    if (!again) {
        exception.line = line.number;
        exception.frames_above = summary ? 0 : report.frames.size();
    }
    // Some kernels tell the address on one line and the name on another.
    if (!place.address)
        place.address = exception.ip.address;
    if (place.symbol.empty() && (!exception.ip.address || place.address == exception.ip.address)) {
        place.symbol = exception.ip.symbol;
        place.offset = exception.ip.offset;
        place.module = exception.ip.module;
    }
    exception.ip = place;
    exception.user = segment == "0033" || segment == "0023" || segment == "002b";
    // "pc : [<c003c65c>]    lr : [<c003c650>]    psr: 60000193" is 32 bits wide.
    if (starts(line.text, "RIP"))
        crash_.arch = Arch::x86_64;
    else if (starts(line.text, "EIP") || contains(line.text, "psr:"))
        crash_.arch = Arch::other;
    else if (starts(line.text, "pc") && crash_.arch == Arch::unknown)
        crash_.arch = Arch::arm64;
}

void Reader::read_registers(const TextLine& line, Report& report) const {
    static const RE2 each(
        R"(\b([RE][A-Z][A-Z0-9]|R\d{1,2}|CR2|ORIG_RAX|e[a-ds][a-z]|[xr]\d{1,2}|sp|lr|FAR_EL1)\s*:\s*(?:[0-9a-f]{4}:)?(?:0x)?([0-9a-f]{8,16})\b)");
    StringPiece rest(line.text);
    StringPiece name;
    StringPiece digits;
    while (RE2::FindAndConsume(&rest, each, &name, &digits)) {
        const auto value = hex_of(view_of(digits));
        if (!value)
            continue;
        if (name == "CR2" || name == "FAR_EL1") {
            // Of what was no page fault it is an old one's.
            const bool tells = report.kind == ReportKind::page_fault || report.error_code ||
                               without_headlines_ || crash_.arch == Arch::arm64;
            if (!report.fault_address && tells) {
                report.fault_address = value;
                report.fault_address_line = line.number;
            }
            continue;
        }
        if (report.exceptions.empty())
            continue;
        std::string lower(view_of(name));
        std::ranges::transform(lower, lower.begin(),
                               [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
        if (lower.size() == 3 && lower[0] == 'r' && lower[1] == '0')
            lower.erase(1, 1); // "R08"
        report.exceptions.back().registers.emplace(std::move(lower), Register{*value, line.number});
    }
}

// "48 89 <48> 89 71 08", or of arm64 words: "f9000020 (f9000020)".
void Reader::read_code(const TextLine& line, std::string_view bytes, Report& report) const {
    if (report.exceptions.empty())
        return;
    // Of old kernels it follows the trace, and is of the report's own exception.
    auto& exception = report.exceptions.back().frames_above == report.frames.size()
                          ? report.exceptions.back()
                          : report.exceptions.front();
    exception.code_line = line.number;
    if (contains(bytes, "Bad RIP value") || contains(bytes, "Bad EIP value") ||
        contains(bytes, "bad PC value") || contains(bytes, "Unable to access")) {
        exception.code_unreadable = true;
        return;
    }
    static const RE2 each(R"(\s*([<(]?)([0-9a-f]{8}|[0-9a-f]{2}|\?{8}|XXXXXXXX)[>)]?)");
    StringPiece rest(bytes.data(), bytes.size());
    StringPiece mark;
    StringPiece digits;
    while (exception.code.size() < 256 && RE2::Consume(&rest, each, &mark, &digits)) {
        if (!mark.empty() && !exception.code_is_marked) {
            exception.code_at = exception.code.size();
            exception.code_is_marked = true;
        }
        const auto value = hex_of(view_of(digits));
        if (!value) {
            exception.code_unreadable = true;
            return;
        }
        const auto size = digits.size() / 2;
        for (std::size_t i = 0; i < size; ++i) // arm64's words are little endian
            exception.code.push_back(static_cast<std::uint8_t>(*value >> (8 * i)));
    }
    // Before 2.6.25 or so, x86-64 began with the instruction, and marked none.
    constexpr std::size_t unmarked_max = 20;
    if (!exception.code_at && !exception.code.empty() && exception.code.size() <= unmarked_max &&
        crash_.arch == Arch::x86_64)
        exception.code_at = 0;
}

// Those of the report that is being read, or of none.
LinkedModules& Reader::modules_of(const Printer& printer) {
    return printer.report ? crash_.reports[*printer.report].modules : crash_.modules;
}

void Reader::read_modules(const TextLine& line, std::string_view names, LinkedModules& modules) {
    modules.is_cut = modules.is_cut || contains(names, "...");
    static const RE2 last(R"(\[last unloaded:\s*([\w-]+))");
    StringPiece unloaded;
    if (has(names, last, &unloaded)) {
        modules.last_unloaded = view_of(unloaded);
        modules.last_unloaded_line = line.number;
        names = names.substr(0, names.find("[last unloaded"));
    }
    static const RE2 each(R"(\s*([\w-]+)(?:\([\w+-]*\))?(?:\s|$))");
    StringPiece rest(names.data(), names.size());
    StringPiece name;
    while (modules.names.size() < modules_max && RE2::Consume(&rest, each, &name))
        modules.names.emplace_back(view_of(name));
}

bool Reader::continue_line(const TextLine& line, Printer& printer) {
    const auto continues = std::exchange(printer.continues, Printer::Continues::nothing);
    if (continues == Printer::Continues::modules) {
        // Names, and nothing but: or the end of the list.
        static const RE2 names(R"(^(?:[\w-]+(?:\([\w+-]*\))?\s*)*(?:\[?last unloaded: .*)?$)");
        if (!line.text.empty() && !contains(line.text, ": ") && has(line.text, names)) {
            read_modules(line, line.text, modules_of(printer));
            printer.continues = Printer::Continues::modules;
            return true;
        }
        if (starts(line.text, "[last unloaded:")) {
            read_modules(line, line.text, modules_of(printer));
            return true;
        }
    }
    if (continues == Printer::Continues::code) {
        static const RE2 bytes(R"(^(?:<?[0-9a-f]{2}>?\s*)+$)");
        auto* const report = open_report(printer);
        if (report != nullptr && has(line.text, bytes)) {
            read_code(line, line.text, *report);
            printer.continues = Printer::Continues::code;
            return true;
        }
    }
    return false;
}

bool Reader::read_frame(const TextLine& line, Printer& printer, Report& report) {
    std::string_view text = line.text;
    StringPiece rest(text.data(), text.size());
    StringPiece mark;
    static const RE2 marks(R"(\s*<{1,2}(/?\w+|#\w+)>{1,2})");
    bool marked = false;
    while (RE2::Consume(&rest, marks, &mark)) {
        if (hex_of(view_of(mark)) && mark.size() >= 8) // "<addr>{sym+1}"
            break;
        marked = true;
        const auto word = view_of(mark);
        if (word == "IRQ" || word == "SOFTIRQ" || word == "HARDIRQ" || word == "EOE" || word == "/NMI")
            printer.stack = Stack::interrupt;
        else if (word == "NMI" || starts(word, "#"))
            printer.stack = Stack::nmi;
        else if (word == "TASK" || word == "EOI" || word == "/IRQ")
            printer.stack = Stack::task;
        // From 4.9 to 4.12 a line could go on with a stamp of its own.
        static const RE2 stamp(R"(\s*\[\s*\d+\.\d+\])");
        RE2::Consume(&rest, stamp);
        text = view_of(rest);
    }
    Frame frame;
    frame.line = line.number;
    frame.stack = printer.stack;
    static const RE2 frame_head(R"(^\s*(?:\((\d+)\)\s*)?(\? ?)?)");
    rest = StringPiece(text.data(), text.size());
    StringPiece question;
    if (RE2::Consume(&rest, frame_head, static_cast<void*>(nullptr), &question))
        text = view_of(rest);
    frame.reliable = question.empty();
    // "[<addr>] ? sym+0x1/0x2"
    static const RE2 between(R"(^\s*(\[<[0-9a-fA-F]{8,16}>\])\s*\?\s*)");
    StringPiece address;
    rest = StringPiece(text.data(), text.size());
    std::optional<std::uint64_t> at;
    if (RE2::Consume(&rest, between, &address)) {
        frame.reliable = false;
        at = hex_of(view_of(address).substr(2, address.size() - 4));
        text = view_of(rest);
    }
    // 32-bit ARM: "[<addr>] (sym) from [<addr>] (sym+0x1/0x2)", "sym from sym+0x1/0x2"
    static const RE2 from(
        R"(^\s*(?:\[<([0-9a-f]{8})>\] \()?([A-Za-z_.$][\w.$]*)(?:\+0x[0-9a-f]+(?:/0x[0-9a-f]+)?)?\)? (?:\[([\w-]+)\] )?from )");
    if (StringPiece symbol, module; has(text, from, &address, &symbol, &module)) {
        frame.place = {hex_of(view_of(address)), std::string(view_of(symbol)), 0,
                       std::string(view_of(module))};
        printer.in_trace = true;
        if (report.frames.size() < frames_max)
            report.frames.push_back(std::move(frame));
        return true;
    }
    const bool took = take_place(text, frame.place);
    if (!frame.place.address)
        frame.place.address = at;
    // 2.6.9 to 2.6.17 have several on a line.
    const bool braced = starts(text, " <") && frame.place.address;
    static const RE2 tail(R"(^\s*(?:\(\w+\)|\[[^\]]*\]|from .*|[A-Z]+)?\s*$)");
    if (!took || (frame.place.symbol.empty() && !printer.in_trace) || (!braced && !has(text, tail)))
        return marked;
    while (report.frames.size() < frames_max) {
        report.frames.push_back(frame);
        if (!braced || !take_place(text, frame.place))
            break;
    }
    return true;
}

// "#30 [ffff88007f283db0] page_fault at ffffffff8168f208 [mod]", and what stands between them.
void Reader::read_crash_utility(const TextLine& line, Printer& printer) {
    static const RE2 frame_line(
        R"(^#(\d+) +\[([0-9a-f]{8,16})\] (\S+)(?: \(via [^)]*\))? at ([0-9a-f]{8,16})(?: \[([\w-]+)\])?)");
    static const RE2 exception_line(R"(\[exception RIP: (?:([A-Za-z_.$][\w.$]*)(?:\+(\d+))?|(.*))\])");
    static const RE2 stack_line(R"(--- <(\w+)(?: exception)? stack> ---)");
    StringPiece number;
    StringPiece symbol;
    StringPiece address;
    StringPiece module;
    if (has(line.text, frame_line, &number, static_cast<void*>(nullptr), &symbol, &address, &module)) {
        auto* report = open_report(printer);
        if (report == nullptr || !report->by_crash || number == "0") {
            report = add_report(line, ReportKind::oops, printer);
            if (report == nullptr)
                return;
            report->by_crash = true;
            report->comm = std::exchange(task_comm_, {});
            report->cpu = number_of(std::exchange(task_cpu_, {}));
            crash_.arch = Arch::x86_64;
        }
        report->last_line = line.number;
        Frame frame;
        frame.line = line.number;
        frame.place.symbol = view_of(symbol);
        frame.place.address = hex_of(view_of(address));
        frame.place.module = view_of(module);
        if (report->frames.size() < frames_max)
            report->frames.push_back(std::move(frame));
        ++crash_.kernel_lines;
        return;
    }
    auto* const report = open_report(printer);
    if (report == nullptr || !report->by_crash)
        return;
    StringPiece offset;
    StringPiece otherwise;
    StringPiece stack;
    if (has(line.text, exception_line, &symbol, &offset, &otherwise)) {
        auto& exception = add_exception(*report);
        exception.line = line.number;
        exception.frames_above = report->frames.size();
        exception.ip.symbol = view_of(symbol);
        std::from_chars(offset.data(), offset.data() + offset.size(), exception.ip.offset);
        exception.code_unreadable = symbol.empty();
    } else if (has(line.text, stack_line, &stack)) {
        const auto kind = stack == "IRQ" ? Stack::interrupt : Stack::nmi;
        for (auto i = printer.stack_since; i < report->frames.size(); ++i)
            report->frames[i].stack = kind;
        printer.stack_since = report->frames.size();
    } else {
        static const RE2 pointer(R"(^RIP: ([0-9a-f]{8,16}) )");
        if (has(line.text, pointer, &address) && !report->exceptions.empty())
            report->exceptions.back().ip.address = hex_of(view_of(address));
        read_registers(line, *report);
    }
    report->last_line = line.number;
}

// Of a backtrace without a header.
ReportKind kind_by_stack(const Report& report) {
    for (const auto& frame : report.frames) {
        const auto symbol = bare_symbol(frame.place.symbol);
        if (symbol == "watchdog_overflow_callback" || symbol == "watchdog_hardlockup_check")
            return ReportKind::hard_lockup;
        if (symbol == "watchdog_timer_fn")
            return ReportKind::soft_lockup;
        if (symbol == "sysrq_handle_crash")
            return ReportKind::panic;
    }
    return report.kind;
}

// Of the crash utility's header, and of a kernel's first line.
bool Reader::read_header(const TextLine& line) {
    static const RE2 release(R"(^(?:RELEASE: |Linux version )(\S+))");
    static const RE2 panic(R"x(^PANIC: "?(.*?)"?$)x");
    StringPiece what;
    if (has(line.text, release, &what)) {
        const bool boots = starts(line.text, "Linux");
        boot_ += boots ? 1 : 0;
        if (boots)
            booted_at_s_.reset();
        release_ = view_of(what);
        if (crash_.release.empty())
            crash_.release = release_;
        crash_.several_kernels = crash_.several_kernels || crash_.release != release_;
        return true;
    }
    if (has(line.text, panic, &what)) {
        panic_ = view_of(what);
        return true;
    }
    return false;
}

// "fires in 1.2 s", of what duration_text() (base/text.h) makes.
std::optional<double> seconds_of(std::string_view text) {
    static const RE2 short_one(R"(^fires in ([\d.]{1,8}) (us|ms|s)$)");
    static const RE2 long_one(R"(^fires in (?:(\d{1,6}) h ?)?(?:(\d{1,4}) min ?)?(?:(\d{1,2}) s)?$)");
    double value = 0;
    StringPiece unit;
    if (has(text, short_one, &value, &unit))
        return value * (unit == "s" ? 1 : unit == "ms" ? 1e-3 : 1e-6);
    StringPiece hours;
    StringPiece minutes;
    StringPiece seconds;
    if (!has(text, long_one, &hours, &minutes, &seconds))
        return std::nullopt;
    constexpr double minute = 60;
    return number_of(view_of(hours)).value_or(0) * minute * minute +
           number_of(view_of(minutes)).value_or(0) * minute + number_of(view_of(seconds)).value_or(0);
}

// What disarmd's kmsg sink wrote (to_log(), incident/text.h): a line for the free, and one for each timer.
void Reader::read_told(const TextLine& line) {
    static const RE2 leak(
        R"(^disarmd: LEAK: module ([^ ]+) was freed with \d+ timers?[^(]*\(([^)]*)\)(.*); incident ([0-9a-f]+))");
    static const RE2 timer(
        R"(^disarmd: LEAK: ([^ ]+) \d+/\d+: (\w+) (.+?) at 0x([0-9a-f]{8,16})(?:, callback 0x([0-9a-f]{8,16}))?, ([^,]+), ([^,]+)(?:, armed [^,]* before by (.*))?)");
    StringPiece module;
    StringPiece causes;
    StringPiece rest;
    StringPiece incident;
    if (has(line.text, leak, &module, &causes, &rest, &incident)) {
        // Of more than are kept the last one is overwritten.
        if (crash_.told.size() == told_max)
            crash_.told.pop_back();
        auto& told = crash_.told.emplace_back();
        told.line = line.number;
        told.boot = boot_;
        told.time_s = line.time;
        told.incident = view_of(incident);
        told.module = view_of(module);
        told.leak = true;
        told.drained = contains(view_of(rest), "until nothing was pending");
        told.panics = contains(view_of(rest), "a panic follows");
        told.causes = view_of(causes);
        return;
    }
    StringPiece kind;
    StringPiece callback;
    StringPiece address;
    StringPiece callback_address;
    StringPiece expiry;
    StringPiece cause;
    StringPiece by;
    if (!has(line.text, timer, &module, &kind, &callback, &address, &callback_address, &expiry, &cause, &by))
        return;
    // Of several at once the lines may be mixed.
    const auto whose =
        std::ranges::find(crash_.told.rbegin(), crash_.told.rend(), view_of(module), &RecordedFree::module);
    if (whose == crash_.told.rend() || whose->timers.size() == told_max)
        return;
    auto& told = whose->timers.emplace_back();
    told.line = line.number;
    told.kind = view_of(kind);
    told.callback = view_of(callback);
    told.timer = hex_of(view_of(address)).value_or(0);
    told.callback_address = hex_of(view_of(callback_address)).value_or(0);
    told.fires_in_s = seconds_of(view_of(expiry));
    told.cause = view_of(cause);
    told.armed_by = view_of(by);
}

const RE2& pointer_pattern() {
    static const RE2 pattern(R"(^(?:[RE]?IP:? |[RE]IP:\s|pc :|PC is at |EIP is at ))");
    return pattern;
}

const RE2& link_pattern() {
    static const RE2 pattern(R"(^(?:lr : ?|LR is at )(.*)$)");
    return pattern;
}

void Reader::read(const TextLine& line, Printer& printer) {
    const std::string_view text = line.text;
    if (continue_line(line, printer) || !may_matter(text))
        return;
    if (contains(text, "disarmd: ")) {
        read_told(line);
        return;
    }
    if (read_header(line))
        return;
    // Of the clock on the board: "rtc_cmos 00:07: setting system clock to 2026-11-28T04:54:36 UTC
    // (1795841676)"
    static const RE2 clock(R"(setting (?:the )?system clock to .*\((\d{9,11})\))");
    if (double epoch = 0; line.time && has(text, clock, &epoch)) {
        booted_at_s_ = epoch - *line.time;
        return;
    }
    // "Kernel Offset: 0x1600000 from 0xffffffff81000000"
    static const RE2 image(R"(Kernel Offset: 0x([0-9a-f]+) from 0x([0-9a-f]+))");
    StringPiece offset;
    StringPiece base;
    if (has(text, image, &offset, &base)) {
        crash_.image_start = hex_of(view_of(offset)).value_or(0) + hex_of(view_of(base)).value_or(0);
        return;
    }
    static const RE2 by_crash(R"(^#\d+ +\[|\[exception RIP|^--- <)");
    const auto* const open = open_report(printer);
    static const RE2 of_task(R"x(PID: \d+ +TASK: [0-9a-f]+ +CPU: (\d+) +COMMAND: "(.{1,64})")x");
    StringPiece cpu;
    if (StringPiece comm; has(text, of_task, &cpu, &comm)) {
        task_cpu_ = view_of(cpu);
        task_comm_ = view_of(comm);
        return;
    }
    if (has(text, by_crash) || (open != nullptr && open->by_crash && !starts(text, "BUG"))) {
        read_crash_utility(line, printer);
        return;
    }
    if (begin(line, printer)) {
        ++crash_.kernel_lines;
        return;
    }
    if (const auto linked = text.find("odules linked in:"); linked != std::string_view::npos) {
        auto& modules = modules_of(printer);
        modules = {};
        modules.line = line.number;
        read_modules(line, text.substr(linked + 17), modules);
        printer.continues = Printer::Continues::modules;
        ++crash_.kernel_lines;
        return;
    }
    auto* report = open_report(printer);
    static const RE2 kernel_pointer(
        R"(^(?:RIP: 00[01]0:|EIP:|EIP is at |PC is at |pc : |CS: +0010 |Call [Tt]race:))");
    if (report == nullptr && without_headlines_ && has(text, kernel_pointer))
        report = add_report(line, ReportKind::oops, printer);
    if (report == nullptr)
        return;
    if (contains(text, "---[ end ")) {
        printer = {};
        return;
    }
    report->last_line = line.number;
    ++crash_.kernel_lines;
    if (starts(text, "Code:")) {
        read_code(line, text.substr(5), *report);
        printer.continues = Printer::Continues::code;
        return;
    }
    if (contains(text, "Unable to access opcode bytes")) {
        read_code(line, text, *report);
        return;
    }
    static const RE2 trace(R"(Call [Tt]race:|Backtrace:)");
    if (has(text, trace)) {
        printer.in_trace = true;
        printer.stack = Stack::task;
        // 2.6's first frames are on that line.
        TextLine behind = line;
        behind.text = text.substr(text.find(':') + 1);
        if (!behind.text.empty())
            read_frame(behind, printer, *report);
        return;
    }
    if (StringPiece link; has(text, link_pattern(), &link)) {
        CodePlace place;
        auto rest = view_of(link);
        if (!report->exceptions.empty() && take_place(rest, place))
            report->exceptions.back().caller = place;
    }
    if (has(text, pointer_pattern())) {
        read_instruction_pointer(line, printer, *report);
        read_registers(line, *report);
        return;
    }
    // Other stacks follow, of long ago.
    static const RE2 history(
        R"(^(?:Allocated|Freed) by task|^Last potentially related work|^The buggy address)");
    if (report->kind == ReportKind::kasan && has(text, history)) {
        printer = {};
        return;
    }
    if ((printer.in_trace || contains(text, " from ")) && read_frame(line, printer, *report))
        return;
    if (report->kind == ReportKind::kasan && !report->fault_address)
        read_kasan(line, *report);
    read_task(line, *report);
    read_registers(line, *report);
}

void Reader::take(const TextLine& line) {
    crash_.lines = line.number;
    // Who prints is in the text, and so may be anybody.
    constexpr std::size_t printers_max = 4096;
    const auto& caller = printers_.size() < printers_max ? line.caller : std::string();
    auto& printer = printers_[caller];
    if (!printer.broken_off.text.empty()) {
        auto whole = std::exchange(printer.broken_off, {});
        // Was it, and does the rest follow?
        if (!line.text.empty() && !starts(line.text, "[<") && !starts(line.text, "#") &&
            !starts(line.text, "---") && !starts(line.text, "[exception")) {
            whole.text += ' ';
            whole.text += line.text;
            if (is_broken_off(whole.text) && whole.text.size() < line_length_max) {
                printer.broken_off = std::move(whole);
                return;
            }
            return read(whole, printer);
        }
        read(whole, printer);
    }
    if (is_broken_off(line.text)) {
        printer.broken_off = line;
        return;
    }
    read(line, printer);
}

CrashText Reader::end() && {
    for (auto& [caller, printer] : printers_) {
        if (!printer.broken_off.text.empty())
            read(std::exchange(printer.broken_off, {}), printer);
    }
    for (auto& report : crash_.reports) {
        if (report.by_crash)
            report.kind = kind_by_stack(report);
    }
    // What the header says of the panic is the headline of the backtrace.
    for (auto& report : crash_.reports) {
        if (!report.by_crash || panic_.empty())
            continue;
        report.headline = panic_;
        if (contains(panic_, "unable to handle"))
            report.kind = ReportKind::page_fault;
        else if (contains(panic_, "LOCKUP"))
            report.kind = ReportKind::hard_lockup;
        else if (contains(panic_, "general protection"))
            report.kind = ReportKind::protection_fault;
        else if (contains(panic_, "kernel BUG"))
            report.kind = ReportKind::bug;
        else if (contains(panic_, "Kernel panic"))
            report.kind = ReportKind::panic;
        report.by_hand = contains(panic_, "sysrq") || contains(panic_, "SysRq");
        break;
    }
    return std::move(crash_);
}

// Nothing, or what follows a fault only.
bool lacks_its_fault(const CrashText& crash) {
    return std::ranges::all_of(crash.reports, [](const Report& report) {
        return report.kind == ReportKind::panic && contains(report.headline, "Fatal exception");
    });
}

} // namespace

CrashText read_crash(std::string_view bytes) {
    for (const bool without_headlines : {false, true}) {
        Reader reader(without_headlines);
        LineReader lines(bytes);
        TextLine line;
        while (lines.next(line))
            reader.take(line);
        auto crash = std::move(reader).end();
        if (without_headlines || !lacks_its_fault(crash))
            return crash;
    }
    return {};
}

} // namespace disarmd
