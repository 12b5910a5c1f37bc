// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <disarmd/abi.h>

#include "base/result.h"
#include "kernel/btf.h"
#include "kernel/layout.h"
#include "probe/enforcer.h"
#include "probe/hooks.h"
#include "probe/pins.h"
#include "probe/predecessor.h"
#include "probe/program_runs.h"
#include "probe/settings.h"
#include "state/inventory.h"
#include "verdict/judge.h"

namespace disarmd {

// Owns the kernel programs and their maps; all of it is detached and freed with
// this object, whatever way the process ends. One thread.
class Probe {
public:
    // Chooses a backend, and loads every program that this kernel has a place for. A
    // failure means that disarmd can't work on this machine, or not as it was asked to.
    static Result<Probe> load(const KernelLayout& layout, const KernelBtf& btf,
                              const ProbeSettings& settings);

    Probe(Probe&&) noexcept;
    Probe& operator=(Probe&&) noexcept;
    Probe(const Probe&) = delete;
    Probe& operator=(const Probe&) = delete;
    ~Probe();

    // Attaches what verdicts and tracking need, then surveys what was armed before. What another
    // daemon's programs know by then, whom these succeed, is asked for between the two: until these know
    // it as well they leave verdicts to the others. Fails if verdicts are impossible; a tracking hook that
    // can't be attached, or a survey that stayed incomplete, is told by every verdict that it could have
    // spoiled.
    Result<void> watch(const std::function<Inheritance()>& ask_others = {});

    // After watch(): reads, in a thread of its own, how code is called that is in no module. What is
    // judged without that tells addresses; what is judged meanwhile waits for it.
    void begin_to_read_symbols();
    // Waits for that, and judges an unload that never was: the first real one is then not the first.
    void rehearse() const;

    // Makes the modules that are loaded and the timers that are armed known to
    // modules() and armed_timers(); attaches nothing. Returns why some timers may have
    // escaped at every attempt, as bits of abi::verdict_gap; 0: none has.
    Result<std::uint32_t> survey();
    // Whether the last survey saw everything.
    [[nodiscard]] bool survey_complete() const;

    [[nodiscard]] const std::vector<Hook>& hooks() const;
    [[nodiscard]] std::string backend() const; // name_of(Backend), never automatic
    [[nodiscard]] std::string backend_reason() const;

    // Readable when consume() has something to do.
    [[nodiscard]] int wake_fd() const;
    // Calls on_load with the name of each module that was loaded since, then on_unload
    // with each unload that was judged since, oldest first; each is handed out once. While anybody has it
    // (Unload::kept) the kernel keeps the record, unless there are too many: should this process end before,
    // the next one finds it. For each of these that is a leak on_leak is called before anything else is done,
    // as the module's memory may be about to go.
    Result<void> consume(const std::function<void(const std::string& module)>& on_load,
                         const std::function<void(Unload)>& on_unload,
                         const std::function<void()>& on_leak = {});

    // Lets an earlier daemon's programs go, now that these watch, and hands out what they recorded, oldest
    // first; each is kept as consume() has it, and with the last one what they pinned goes. What later ones
    // recorded as well, or these did, goes before: nobody tells it again, should this process end amid that.
    Result<void> take_over(const Predecessor& before, std::span<const Predecessor> later,
                           const std::function<void(Unload)>& on_unload);

    // A free can't end before this does, unless it was close to its end when this began: not before the
    // time (CLOCK_MONOTONIC) that keep_holding() was given last, 0 for at once. Keeps the calling thread's
    // CPU busy. Any thread may call these two.
    Result<void> hold_frees();
    void keep_holding(std::uint64_t until_ns);

    // For an Enforcer, which must not outlive this object; if the settings said that there is one. After
    // watch(), which loads the programs anew where a kernel refuses to attach one.
    [[nodiscard]] PolicyPorts policy_ports() const;
    // Of all programs that are attached.
    [[nodiscard]] std::vector<LinkToPin> links() const;
    // What of theirs a Predecessor is to find, by the names that it looks for.
    [[nodiscard]] std::map<std::string, int> maps_to_keep() const;

    // After watch() any thread may call these four: they ask the kernel alone.
    Result<std::vector<ArmedTimer>> armed_timers() const;
    // Those too that are not armed now, as long as they are remembered.
    Result<std::vector<ArmedTimer>> tracked_timers() const;
    Result<std::vector<LoadedModule>> modules() const;
    // Of all programs that are loaded.
    Result<std::vector<ProgramRuns>> program_runs() const;
    // How many are tracked, armed or not long disarmed: without looking at each.
    [[nodiscard]] std::uint64_t known_timers() const;
    // Where CPUs' per-CPU areas are: what is added to an address in per-CPU data.
    Result<std::vector<std::uint64_t>> percpu_areas() const;

    // Counters since load(), by enum loss.
    [[nodiscard]] std::uint64_t losses(abi::loss what) const;
    [[nodiscard]] std::chrono::nanoseconds tick() const;
    // The kernel's clocks now, as counted on from the last survey.
    [[nodiscard]] KernelClocks clocks() const;

private:
    struct State;
    struct Copies;
    explicit Probe(std::shared_ptr<State> state);

    Result<void> attach();
    void detach();
    Result<std::uint64_t> note_missed_runs();                     // how many there ever were
    [[nodiscard]] bool missed_since(std::uint64_t time_ns) const; // until the last noted
    [[nodiscard]] Coverage take_coverage(std::uint64_t missed) const;
    // Lets the record go with the last who has this.
    [[nodiscard]] std::shared_ptr<const void> keep(std::uint64_t record) const;
    Result<std::vector<Copies>> copies(std::span<const Predecessor> later) const; // and of its own

    std::shared_ptr<State> state_; // shared with nobody but records that are kept
};

} // namespace disarmd
