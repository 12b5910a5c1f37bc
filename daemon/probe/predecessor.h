// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <disarmd/abi.h>

#include "base/result.h"
#include "base/unique_fd.h"
#include "state/inventory.h"

namespace disarmd {

// What programs know of the timers and modules that are there now, for others to know it as well.
struct Inheritance {
    std::uint64_t until_ns = 0; // CLOCK_MONOTONIC: nothing in it is younger
    std::vector<ArmedTimer> timers;
    std::vector<std::pair<std::uint64_t, abi::timer_evidence>> evidence; // of these, by timer
    std::vector<LoadedModule> modules;
};

// The programs of a daemon that has ended, by what it pinned: they go on to watch and to record until
// they are let go. One thread.
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
    Result<void> take(const abi::unload_record& record) const;
    // The ring of its copies of symbol tables; -1 if it is not to be read.
    [[nodiscard]] int symbol_pieces() const;
    // By enum loss, as far as it is known.
    [[nodiscard]] std::uint64_t losses(abi::loss what) const;

    // Detaches its programs; what they have recorded stays.
    Result<void> detach() const;
    // Lets go the rest.
    Result<void> remove() const;

    [[nodiscard]] const std::string& folder() const { return folder_; }
    // Whether its programs stayed attached without it, all of them.
    [[nodiscard]] bool is_whole() const { return whole_; }
    // Whether its maps look as this version's do.
    [[nodiscard]] bool is_of_this_schema() const { return this_schema_; }

private:
    Predecessor() = default;
    [[nodiscard]] int map(const std::string& name) const;
    [[nodiscard]] Result<std::vector<abi::unload_record>> read_records() const;

    std::string folder_;
    bool whole_ = false;
    bool this_schema_ = false;
    std::map<std::string, UniqueFd> maps_;
};

} // namespace disarmd
