// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <disarmd/abi.h>

#include "config/config.h"
#include "ledger/ledger.h"

namespace disarmd {

// What rules ask of modules beyond what the kernel programs see by themselves. Any thread.
class ModuleKnowledge {
public:
    explicit ModuleKnowledge(const Config& config) { look(config); }

    // Anew: what the ledger knows. One that can't be read is told in the log, and knows nothing.
    void look(const Config& config);
    // What the programs of an earlier daemon were told, or saw themselves.
    void inherit(const std::vector<std::pair<abi::module_key, std::uint32_t>>& facts);
    // Return whether that was news.
    bool add_leak(const ModuleBuild& build);
    bool add_preflight(const ModuleBuild& build, bool fails);
    [[nodiscard]] bool has_leaked(const ModuleBuild& build) const;

    // In the kernel programs' form.
    [[nodiscard]] std::vector<std::pair<abi::module_key, std::uint32_t>> facts() const;

private:
    mutable std::mutex mutex_; // of both
    std::set<ModuleBuild> leaked_;
    std::set<ModuleBuild> failed_; // their preflight
};

} // namespace disarmd
