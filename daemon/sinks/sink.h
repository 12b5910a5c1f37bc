// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/config.h"
#include "verdict/unload.h"

namespace disarmd {

// A place where unloads are written. write() is called once for each unload that the
// sink takes, in their order; a failure is the caller's to report and keeps no other
// sink from being written.
class Sink {
public:
    Sink() = default;
    Sink(const Sink&) = delete;
    Sink& operator=(const Sink&) = delete;
    virtual ~Sink() = default;

    [[nodiscard]] virtual std::string_view name() const = 0;
    // Incidents only, unless the sink says otherwise: what was clean concerns nobody.
    [[nodiscard]] virtual bool takes(const Unload& unload) const { return unload.verdict != Verdict::clean; }
    virtual Result<void> write(const Unload& unload) = 0;
};

// The sinks that the configuration asks for, each tried, in the order in which an
// incident must reach them: the kernel's log first, as a crash dump holds it.
Result<std::vector<std::unique_ptr<Sink>>> open_sinks(const Config::Sinks& config);

} // namespace disarmd
