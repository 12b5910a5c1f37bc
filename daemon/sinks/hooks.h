// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "sinks/sink.h"

namespace disarmd {

// Runs every program in a folder, one after the other in the order of their names, with the record
// (to_json()) on its standard input. No shell is involved. What a program prints goes to standard
// error. One that takes longer than the limit is killed, with everything that it started in its
// process group. Files are looked up anew each time; hidden ones, backups and those that are not
// executable are passed over, and what others than root could change is not run, but told of.
class HooksSink : public Sink {
public:
    HooksSink(std::string folder, std::chrono::milliseconds limit)
        : folder_(std::move(folder)), limit_(limit) {}

    [[nodiscard]] std::string_view name() const override { return "hooks"; }
    Result<void> write(const Incident& incident) override;

private:
    std::string folder_;
    std::chrono::milliseconds limit_;
};

} // namespace disarmd
