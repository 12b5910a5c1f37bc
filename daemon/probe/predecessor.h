// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <disarmd/abi.h>

#include "base/result.h"
#include "state/inventory.h"
#include "verdict/judge.h"

namespace disarmd {

// Of a map of rules, the one of that number: one more than its index. Nothing if there is none.
std::optional<Coverage::Rule> read_rule(int rules, std::uint32_t number);

// What programs know of the timers and modules that are there now, for others to know it as well.
struct Inheritance {
    std::vector<ArmedTimer> timers;
    std::vector<std::pair<std::uint64_t, abi::timer_evidence>> evidence; // of these, by timer
    std::vector<LoadedModule> modules;
    std::vector<std::pair<abi::module_key, std::uint32_t>> facts; // bits of abi::module_fact
};

// What tells an unload, or a refusal of one, from others, whoever's programs recorded it.
struct UnloadMark {
    std::uint64_t id = 0; // of the record
    std::uint32_t pid = 0;
    std::string module;
    std::uint64_t begun_ns = 0; // 0: not seen
    std::uint64_t freed_ns = 0;
    bool denied = false;
};
UnloadMark mark_of(const abi::unload_record& record);
// Whether both are of the same, as programs of two daemons saw it: each has read the clock for itself. Pure.
bool is_same_unload(const UnloadMark& one, const UnloadMark& other);

// The programs of a daemon that has ended, by what it pinned: they go on to watch and to record until
// they are let go. One thread, but where it says otherwise.
class Predecessor {
public:
    // Of every version, oldest first. One that can't be read is told and left out.
    static Result<std::vector<Predecessor>> find();

    // What it knows; nothing where that is not whole, or looks otherwise than this version's.
    [[nodiscard]] Result<Inheritance> knowledge() const;

    // Every record that nobody has taken, oldest first, once none of them is being written any more, but
    // after the patience in any case: then as one whose end was not seen. Of another version's only what all
    // versions have is filled in.
    [[nodiscard]] Result<std::vector<abi::unload_record>> records(std::chrono::milliseconds patience) const;
    // By any thread; one that is gone is no error.
    Result<void> take(std::uint64_t id) const;
    // Takes it with the last who has this, which may outlive this object. By any thread.
    [[nodiscard]] std::shared_ptr<const void> keep(std::uint64_t id) const;
    // The ring of its copies of symbol tables; -1 if it is not to be read.
    [[nodiscard]] int symbol_pieces() const;
    // Which a record names by its number, one more than the index; nothing if it can't be read.
    [[nodiscard]] std::optional<Coverage::Rule> rule(std::uint32_t number) const;
    // By enum loss, as far as it is known.
    [[nodiscard]] std::uint64_t losses(abi::loss what) const;

    // Detaches its programs; what they have recorded stays. Whoever does not come to the end of that leaves
    // one that is no longer watching.
    Result<void> detach() const;
    // What it pinned goes with this object, or with the last of its records that is kept.
    void remove_when_taken() const;

    [[nodiscard]] const std::string& folder() const;
    // Whether its programs stayed attached without it: those that verdicts build on, and all.
    [[nodiscard]] bool kept_watching() const { return kept_watching_; }
    [[nodiscard]] bool is_whole() const { return whole_; }
    // Whether they are attached still.
    [[nodiscard]] bool is_watching() const { return is_watching_; }
    // Whether its maps look as this version's do.
    [[nodiscard]] bool is_of_this_schema() const { return this_schema_; }

private:
    Predecessor();
    [[nodiscard]] int map(const std::string& name) const;
    [[nodiscard]] Result<std::vector<abi::unload_record>> read_records() const;

    struct Pinned;
    std::shared_ptr<Pinned> pinned_;
    bool kept_watching_ = false;
    bool whole_ = false;
    bool is_watching_ = false;
    bool this_schema_ = false;
};

} // namespace disarmd
