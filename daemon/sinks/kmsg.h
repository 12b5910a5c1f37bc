// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "sinks/sink.h"

namespace disarmd {

// The lines of to_log() in the kernel's own log, which a crash dump preserves. The device is opened
// anew for each: the kernel limits the rate of each open file (printk.devkmsg,
// include/linux/printk.h) and drops what exceeds it without a word.
class KmsgSink : public Sink {
public:
    static Result<std::unique_ptr<KmsgSink>> open(const std::string& path = "/dev/kmsg");

    [[nodiscard]] std::string_view name() const override { return "kmsg"; }
    [[nodiscard]] bool is_immediate() const override { return true; }
    Result<void> prepare() override;
    Result<void> write(const Incident& incident) override;

private:
    explicit KmsgSink(std::string path) : path_(std::move(path)) {}

    std::string path_;
};

} // namespace disarmd
