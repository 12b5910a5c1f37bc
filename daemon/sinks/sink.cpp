// SPDX-License-Identifier: Apache-2.0
#include "sinks/sink.h"

#include <unistd.h>

#include "sinks/hooks.h"
#include "sinks/journal.h"
#include "sinks/json_file.h"
#include "sinks/kmsg.h"
#include "sinks/ledger_sink.h"
#include "sinks/pmsg.h"

namespace disarmd {

Result<std::vector<std::unique_ptr<Sink>>> open_sinks(const Config::Sinks& config) {
    std::vector<std::unique_ptr<Sink>> sinks;
    if (config.kmsg) {
        auto sink = KmsgSink::open();
        if (!sink)
            return fail(sink.error());
        sinks.push_back(std::move(*sink));
    }
    if (config.journal && JournalSink::is_there())
        sinks.push_back(std::make_unique<JournalSink>());
    if (config.ledger)
        sinks.push_back(std::make_unique<LedgerSink>(config.ledger_path, config.ledger_retention));
    if (config.pmsg && ::access(PmsgSink::default_path, F_OK) == 0)
        sinks.push_back(std::make_unique<PmsgSink>());
    if (!config.hooks_folder.empty())
        sinks.push_back(std::make_unique<HooksSink>(config.hooks_folder, config.hook_timeout));
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
