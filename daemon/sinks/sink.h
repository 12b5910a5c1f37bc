// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/config.h"
#include "incident/incident.h"

namespace disarmd {

// A place where unloads are written. write() is called once for each unload that the sink takes, in
// their order, from one thread at a time, which it may keep for as long as it takes.
class Sink {
public:
    Sink() = default;
    Sink(const Sink&) = delete;
    Sink& operator=(const Sink&) = delete;
    virtual ~Sink() = default;

    [[nodiscard]] virtual std::string_view name() const = 0;
    // Those that anybody should hear of, unless the sink says otherwise.
    [[nodiscard]] virtual bool takes(const Incident& incident) const { return is_notable(incident.unload); }
    // Whether a write takes but microseconds, and needs no thread of its own. Such a sink is not flushed.
    [[nodiscard]] virtual bool is_immediate() const { return false; }
    // Whether a record should be there before the module's memory is gone, milliseconds later.
    [[nodiscard]] virtual bool is_urgent() const { return false; }
    // Once, before the first write: whatever that should not wait for. It leaves nothing.
    virtual Result<void> prepare() { return {}; }
    virtual Result<void> write(const Incident& incident) = 0;
    // Whether what was written may be lost with this process until it is flushed.
    [[nodiscard]] virtual bool needs_flush() const { return false; }
    // Nothing more is to be written for now: what was written must last from here on.
    virtual Result<void> flush() { return {}; }
};

// The sinks that the configuration asks for, in the order in which an incident should reach them: the
// kernel's log first, as a crash dump holds it. What can only be wrong by configuration is tried;
// what may come and go (a disk) is not. A host that has no journal or no pmsg now is taken not to have them.
Result<std::vector<std::unique_ptr<Sink>>> open_sinks(const Config::Sinks& config);

} // namespace disarmd
