// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "ledger/ledger.h"

namespace disarmd {

// Whether what the file of a loaded module says is bad (preflight.h). Nothing, and a word in the log, if the
// file can't be read or is another build's.
std::optional<bool> examine_loaded(const std::string& module);

// The sources' sum of a loaded module; empty if it has none, or is not loaded.
std::string srcversion_of_loaded(const std::string& module);

// Examines modules one after the other in a thread of its own, as that may take a while.
class Examiner {
public:
    // Is called from the thread, with each that could be examined.
    using Examined = std::function<void(const ModuleBuild& build, bool fails)>;

    explicit Examiner(Examined examined);
    Examiner(const Examiner&) = delete;
    Examiner& operator=(const Examiner&) = delete;
    // Waits for the one that is being examined.
    ~Examiner();

    void examine(const std::string& module);

private:
    void work();

    Examined examined_;
    std::mutex mutex_; // of what follows
    std::condition_variable changed_;
    std::deque<std::string> queue_;
    bool ending_ = false;
    std::thread thread_;
};

} // namespace disarmd
