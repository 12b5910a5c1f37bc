// SPDX-License-Identifier: Apache-2.0
#include "sinks/sink.h"

#include "sinks/json_file.h"
#include "sinks/kmsg.h"

namespace disarmd {

Result<std::vector<std::unique_ptr<Sink>>> open_sinks(const Config::Sinks& config) {
    std::vector<std::unique_ptr<Sink>> sinks;
    if (config.kmsg) {
        auto sink = KmsgSink::open();
        if (!sink)
            return fail(sink.error());
        sinks.push_back(std::move(*sink));
    }
    if (config.json_file) {
        auto sink = JsonFileSink::open(*config.json_file, JsonFileSink::Content::incidents);
        if (!sink)
            return fail(sink.error());
        sinks.push_back(std::move(*sink));
    }
    if (config.unloads_file) {
        auto sink = JsonFileSink::open(*config.unloads_file, JsonFileSink::Content::every_unload);
        if (!sink)
            return fail(sink.error());
        sinks.push_back(std::move(*sink));
    }
    return sinks;
}

} // namespace disarmd
