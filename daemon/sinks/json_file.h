// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "sinks/sink.h"

namespace disarmd {

// One JSON document per unload and line, appended. The file is opened anew each
// time, so that it may be rotated, and created if it is not there.
class JsonFileSink : public Sink {
public:
    enum class Content { incidents, every_unload };

    static Result<std::unique_ptr<JsonFileSink>> open(const std::string& path, Content content);

    // The key in the configuration that asked for it.
    [[nodiscard]] std::string_view name() const override {
        return content_ == Content::incidents ? "json_file" : "unloads_file";
    }
    [[nodiscard]] bool takes(const Incident& incident) const override {
        return content_ == Content::every_unload || Sink::takes(incident);
    }
    Result<void> write(const Incident& incident) override;

private:
    JsonFileSink(std::string path, Content content) : path_(std::move(path)), content_(content) {}

    std::string path_;
    Content content_;
};

} // namespace disarmd
