// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "sinks/sink.h"

namespace disarmd {

// One JSON document per incident and line, appended. The file is opened anew each
// time, so that it may be rotated, and created if it is not there.
class JsonFileSink : public Sink {
public:
    static Result<std::unique_ptr<JsonFileSink>> open(const std::string& path);

    [[nodiscard]] std::string_view name() const override { return "json_file"; }
    Result<void> write(const Unload& unload) override;

private:
    explicit JsonFileSink(std::string path) : path_(std::move(path)) {}

    std::string path_;
};

} // namespace disarmd
