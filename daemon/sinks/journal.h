// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "sinks/sink.h"

namespace disarmd {

// Message IDs of the journal's entries; systemd/disarmd.catalog explains them.
inline constexpr const char* leak_message_id = "acb6994e084c416bbb7ecfa6059a06dd";
inline constexpr const char* inconclusive_message_id = "b4629d14721b4b0f81b7d23247ee1935";
inline constexpr const char* denied_message_id = "4a1a16f33b8e4bc79f1e724f6a556a60";
inline constexpr const char* allowed_message_id = "07b599967a214c04a90fc7b90efd4823";

// "FIELD=value", as sd_journal_sendv(3) takes them. A field that has several values is there several
// times. Names are escaped. Pure.
std::vector<std::string> to_journal_fields(const Incident& incident);

// Waits until what was sent to the journal is on its disk, by the call io.systemd.Journal.Synchronize of
// its Varlink socket (systemd 242; varlink.org): as journalctl --sync. Nothing is done where there is no
// such socket.
Result<void> synchronize_journal(const std::string& socket, std::chrono::milliseconds patience);

// One entry per incident in systemd's journal, which is written when it outlives a crash.
class JournalSink : public Sink {
public:
    // Whether this host has a journal.
    static bool is_there();

    [[nodiscard]] std::string_view name() const override { return "journal"; }
    [[nodiscard]] bool is_urgent() const override { return true; }
    Result<void> prepare() override;
    Result<void> write(const Incident& incident) override;
};

} // namespace disarmd
