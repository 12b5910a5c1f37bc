// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "ledger/ledger.h"
#include "sinks/sink.h"

namespace disarmd {

// Every unload, in the ledger. A ledger that can't be opened is tried again with the next unload; a
// damaged one is set aside, which goes to the log, and a fresh one takes its place.
class LedgerSink : public Sink {
public:
    LedgerSink(std::string path, Retention retention) : path_(std::move(path)), retention_(retention) {}

    [[nodiscard]] std::string_view name() const override { return "ledger"; }
    [[nodiscard]] bool takes(const Incident& incident) const override { return !incident.id.empty(); }
    [[nodiscard]] bool is_urgent() const override { return true; }
    [[nodiscard]] bool needs_flush() const override { return true; } // clean unloads wait for each other
    Result<void> write(const Incident& incident) override;
    Result<void> flush() override;
    Result<void> prepare() override;

private:
    Result<void> ensure_open();
    Result<void> store(const Incident& incident);
    Result<void> commit();
    Result<void> keep_in_shape();
    // After what failed. A damaged ledger is set aside, and there is a fresh one; any other error is
    // returned.
    Result<void> recover(const Error& error);

    std::string path_;
    Retention retention_;
    std::optional<Ledger> ledger_; // nothing: not open
    std::size_t uncommitted_ = 0;  // clean ones
    std::size_t added_ = 0;
    std::size_t tidied_at_ = 0; // so many were added then; so with the next
    std::size_t pruned_at_ = 0;
};

} // namespace disarmd
