// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "probe/settings.h"

namespace disarmd {

// How a program is attached to a place in the kernel.
enum class HookMethod { btf_tracepoint, raw_tracepoint, fentry, fexit, kprobe, kretprobe };
std::string_view name_of(HookMethod method);

// What is impossible, or incomplete, without a hook; details are merely not told.
enum class HookRole { verdict, tracking, detail };
std::string_view name_of(HookRole role);

// A place that was thought of, and what came of it.
struct HookAttempt {
    std::string name;   // of the kernel's tracepoint or function
    std::string method; // by name_of()
    std::string outcome;
};

inline constexpr std::string_view attempt_taken = "taken";

// One thing that disarmd wants to see, and where it sees it.
struct Hook {
    std::string purpose; // what is lost without it
    bool attached = false;
    std::string name; // of the tracepoint or functions taken, or of the first that was wanted
    std::string method;
    std::string loses; // by name_of(HookRole)
    std::vector<HookAttempt> attempts;
};

// One of disarmd's programs and the places that it is attached to.
struct ChosenProgram {
    std::string program;
    HookMethod method;
    std::vector<std::string> targets; // all of them are attached to
};

struct HookChoice {
    HookRole role;
    bool sees_arms = false;              // what it misses may hide a timer
    bool sees_deletes = false;           // what it misses may hide a cause
    std::vector<ChosenProgram> programs; // empty: this kernel has no place for it
    Hook hook;                           // attached is not decided yet
};

// Which hooks are wanted.
struct HookWish {
    Backend backend = Backend::tracepoint; // not automatic
    bool tracks = true;                    // else those that verdicts need, and none on timers
};

// What a kernel has of the places that hooks may want.
struct KernelOffer {
    std::set<std::string> tracepoints;
    std::set<std::string> typed_functions; // in BTF: what fentry needs
    std::set<std::string> functions;       // in kallsyms: what a kprobe needs
    bool has_loop = false;                 // the helper bpf_loop()
    bool has_bpf_lsm = false;              // programs as a security module are asked
    bool may_use_kprobes = true;           // this process may
};

// The hooks, in the order in which they are to be attached: what
// ends a state before what begins it, so that none is begun whose end nobody sees. Programs
// that were refused when they were attached are passed over. Pure.
std::vector<HookChoice> choose_hooks(const HookWish& wish, const KernelOffer& offer,
                                     const std::set<std::string>& refused);

// The functions that delete timers, of all kinds and kernels, for those who call them.
const std::set<std::string>& deleting_functions();

// Every function, and every tracepoint, that choose_hooks() may ask for.
std::set<std::string> hook_functions();
std::set<std::string> hook_tracepoints();

// Of the events that the tracepoint backend can't do without, those that a kernel lacks.
std::vector<std::string> lacking_tracepoints(const KernelOffer& offer);

// The hook on whose being attached it depends whether a verdict may wait for it.
inline constexpr std::string_view memory_hook_purpose = "module memory going";

} // namespace disarmd
