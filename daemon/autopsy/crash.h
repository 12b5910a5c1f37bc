// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "autopsy/record.h"

namespace disarmd {

// What kernel text says of a crash, in the order in which it says it. Lines count from 1; 0 is none.

enum class Arch { unknown, x86_64, arm64, other };

// A place in code, as the kernel or the crash utility prints it.
struct CodePlace {
    std::optional<std::uint64_t> address;
    std::string symbol;       // empty: there was no name for the address
    std::uint64_t offset = 0; // from the symbol
    std::string module;       // empty: the core kernel, or not told
};

enum class Stack { task, interrupt, nmi };

struct Frame {
    CodePlace place;
    bool reliable = true; // false: "?", an address that was merely found on the stack
    Stack stack = Stack::task;
    std::size_t line = 0;
};

struct Register {
    std::uint64_t value = 0;
    std::size_t line = 0;
};

// The state in which a fault, an interrupt or an NMI found a CPU.
struct Exception {
    std::size_t line = 0; // of the instruction pointer
    CodePlace ip;
    CodePlace caller;                          // by ARM's link register
    std::map<std::string, Register> registers; // "rax", "x0"
    std::vector<std::uint8_t> code;            // bytes around the instruction
    std::optional<std::size_t> code_at;        // the first one of the instruction in it
    bool code_is_marked = false;               // which one is the first was printed
    std::size_t code_line = 0;
    bool code_unreadable = false; // the kernel could not read what it was to execute
    bool user = false;            // it was user space
    // How many of the report's frames were entered after it: the frame at that index is the one that it
    // interrupted.
    std::size_t frames_above = 0;
};

enum class ReportKind {
    page_fault,       // of any address
    protection_fault, // a non-canonical address, mostly
    bug,              // BUG(), or another invalid opcode
    list_corruption,
    kasan,
    warning,
    soft_lockup,
    hard_lockup,
    stall, // of RCU, or a hung task
    panic,
    oops, // another one
};

// Code met what it could not go on from. Not so the others: but a hard lockup may have a fault on its stack.
bool is_fault(ReportKind kind);

enum class Access { unknown, read, write, execute };

// Of the modules that are linked in, as a report, or what stands outside of any, has it.
struct LinkedModules {
    std::size_t line = 0;
    std::vector<std::string> names;
    bool is_cut = false;       // somebody left some out
    std::string last_unloaded; // empty: not told
    std::size_t last_unloaded_line = 0;
};

// One report: an oops, a warning, a panic, a backtrace of the crash utility.
struct Report {
    ReportKind kind = ReportKind::oops;
    std::size_t first_line = 0;
    std::size_t last_line = 0;
    std::size_t boot = 0;              // of those that the text begins within: a journal can have several
    std::optional<double> booted_at_s; // when that boot began, since 1970, by the clock on the board
    std::string headline;
    std::optional<double> time; // seconds, as printk stamped it
    std::optional<std::uint64_t> fault_address;
    std::size_t fault_address_line = 0;
    Access access = Access::unknown;
    std::optional<unsigned> error_code; // of x86's page faults
    std::size_t error_code_line = 0;
    std::optional<unsigned> cpu;
    std::string comm;
    std::string workqueue; // "events"
    std::optional<CodePlace> work;
    std::size_t work_line = 0;
    std::optional<CodePlace> call_target; // what was called, where the kernel checks that (CFI, IBT)
    LinkedModules modules;
    std::string release;
    std::vector<Exception> exceptions; // innermost first
    std::vector<Frame> frames;         // innermost first
    bool by_hand = false;              // sysrq, or a test of it
    bool by_crash = false;             // the crash utility's backtrace
};

struct CrashText {
    Arch arch = Arch::unknown;
    std::string release;          // of its first boot
    bool several_kernels = false; // it has boots of others, too
    std::string taint;
    std::optional<std::uint64_t> image_start; // where the kernel's code was loaded to, by its own word
    std::vector<Report> reports;
    std::size_t reports_left_out = 0; // there were more than are kept
    LinkedModules modules;
    std::vector<RecordedFree> told; // what disarmd itself said into that log
    std::size_t lines = 0;
    std::size_t kernel_lines = 0; // of these, what a kernel or the crash utility prints in a report
};

} // namespace disarmd
