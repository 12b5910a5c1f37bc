// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "sinks/sink.h"

namespace disarmd {

// The lines of to_log() in the persistent store that a host may have for its users' messages
// (fs/pstore/pmsg.c): what is there outlives a crash, without a disk and without a dump.
class PmsgSink : public Sink {
public:
    static constexpr const char* default_path = "/dev/pmsg0";

    explicit PmsgSink(std::string path = default_path) : path_(std::move(path)) {}

    [[nodiscard]] std::string_view name() const override { return "pmsg"; }
    [[nodiscard]] bool is_immediate() const override { return true; }
    Result<void> write(const Incident& incident) override;

private:
    std::string path_;
};

} // namespace disarmd
