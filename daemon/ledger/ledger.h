// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "incident/incident.h"

namespace disarmd {

inline constexpr const char* default_ledger_path = "/var/lib/disarmd/ledger.db";

// How much of the past is kept. Clean unloads go before incidents, old ones before new ones.
struct Retention {
    std::chrono::days age{365};
    std::size_t unloads = 10'000;
};

// What a list shows of an incident.
struct IncidentSummary {
    std::string id;
    std::chrono::system_clock::time_point at;
    std::string module; // the kernel's bytes
    std::string outcome;
    std::string verdict;
    std::size_t pending_count = 0;
    std::string causes; // by commas
    std::string kernel;
};

// A module's end, clean or not, and where the module had been.
struct StoredFree {
    std::string id;
    std::chrono::system_clock::time_point at;
    std::string module; // the kernel's bytes
    std::string verdict;
    std::string causes;              // by commas
    std::vector<MemoryRange> ranges; // as far as they were known
    bool has_record = false;         // find() has more of it
};

// A module by its name and its srcversion, which is empty for one that has none.
using ModuleBuild = std::pair<std::string, std::string>;

// Every unload that this host has seen, and the whole record of each that was not clean, in an
// SQLite database: any tool may read it. Written by one process, read by any number at the same
// time. One thread. An error of code EUCLEAN means that the file is damaged, or no database at all.
class Ledger {
public:
    // The error of a damaged file.
    static constexpr int damaged = EUCLEAN;

    // Creates the file, and its folder, if they are not there.
    static Result<Ledger> open_for_writing(const std::string& path);
    static Result<Ledger> open_for_reading(const std::string& path);
    // Renames the file, to what is returned, so that another one can take its place.
    static Result<std::string> set_aside(const std::string& path);

    Ledger(Ledger&&) noexcept;
    Ledger& operator=(Ledger&&) noexcept;
    Ledger(const Ledger&) = delete;
    Ledger& operator=(const Ledger&) = delete;
    ~Ledger();

    // What is added is there for others, and outlives a crash, once it was committed. One that is
    // there already is left as it is.
    Result<void> add(const Incident& incident);
    Result<void> commit();
    // What was added since the last commit is forgotten.
    void roll_back();
    // Worth its while after a commit, when there is time: makes the next one quicker.
    Result<void> tidy();
    // Commits, too.
    Result<void> prune(const Retention& retention, std::chrono::system_clock::time_point now);

    // Those that were not clean, oldest first; of one module, if one is named.
    Result<std::vector<IncidentSummary>> incidents(const std::optional<std::string>& module);
    // Of that kernel's, by its release, or of all kernels', the last one first.
    Result<std::vector<StoredFree>> frees(const std::optional<std::string>& kernel);
    // The record (JSON) of an incident, by its whole id; nothing where there is none.
    Result<std::optional<std::string>> record(const std::string& id);
    // The records (JSON) of all incidents whose id begins so, two at most.
    Result<std::vector<std::string>> find(const std::string& id_prefix);

    // The modules that ever left a timer, by what is still kept.
    Result<std::set<ModuleBuild>> leaked();

private:
    struct State;
    explicit Ledger(std::unique_ptr<State> state);

    std::unique_ptr<State> state_;
};

} // namespace disarmd
