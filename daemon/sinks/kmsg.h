// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/unique_fd.h"
#include "sinks/sink.h"

namespace disarmd {

// One line per incident in the kernel's own log, which a crash dump preserves.
class KmsgSink : public Sink {
public:
    static Result<std::unique_ptr<KmsgSink>> open(const std::string& path = "/dev/kmsg");

    [[nodiscard]] std::string_view name() const override { return "kmsg"; }
    Result<void> write(const Unload& unload) override;

private:
    explicit KmsgSink(UniqueFd fd) : fd_(std::move(fd)) {}

    UniqueFd fd_;
};

} // namespace disarmd
