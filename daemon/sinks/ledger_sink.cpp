// SPDX-License-Identifier: Apache-2.0
#include "sinks/ledger_sink.h"

#include <spdlog/spdlog.h>

#include "base/text.h"

namespace disarmd {

namespace {

// After as many unloads; less than the ledger's log has room for, and rarely.
constexpr std::size_t tidy_every = 16;
constexpr std::size_t prune_every = 500;

} // namespace

Result<void> LedgerSink::ensure_open() {
    if (ledger_)
        return {};
    auto ledger = Ledger::open_for_writing(path_);
    if (!ledger)
        return fail(ledger.error());
    ledger_ = std::move(*ledger);
    return {};
}

Result<void> LedgerSink::recover(const Error& error) {
    ledger_.reset();
    if (uncommitted_ > 0)
        spdlog::error("{} not kept, as the ledger failed", count_text(uncommitted_, "clean unload"));
    uncommitted_ = 0;
    if (error.code() != Ledger::damaged)
        return fail(error);
    const auto aside = Ledger::set_aside(path_);
    if (!aside)
        return fail(aside.error());
    spdlog::error("{}; it is now {}, and a fresh one takes its place", error.text(), *aside);
    return ensure_open();
}

Result<void> LedgerSink::prepare() {
    if (auto opened = ensure_open(); !opened) {
        if (auto recovered = recover(opened.error()); !recovered)
            return recovered;
    }
    if (auto added = ledger_->add(specimen()); !added)
        return recover(added.error());
    ledger_->roll_back();
    const auto pruned = ledger_->prune(retention_, std::chrono::system_clock::now());
    return pruned ? pruned : recover(pruned.error());
}

Result<void> LedgerSink::write(const Incident& incident) {
    auto stored = store(incident);
    if (stored)
        return {};
    if (auto recovered = recover(stored.error()); !recovered)
        return recovered;
    return store(incident);
}

Result<void> LedgerSink::store(const Incident& incident) {
    if (auto opened = ensure_open(); !opened)
        return opened;
    ++added_;
    if (auto added = ledger_->add(incident); !added)
        return added;
    // Clean ones can wait for each other.
    if (!is_notable(incident.unload)) {
        ++uncommitted_;
        return {};
    }
    return commit();
}

Result<void> LedgerSink::commit() {
    auto committed = ledger_->commit();
    if (committed)
        uncommitted_ = 0;
    return committed;
}

Result<void> LedgerSink::keep_in_shape() {
    if (added_ - pruned_at_ >= prune_every) {
        pruned_at_ = added_;
        if (auto pruned = ledger_->prune(retention_, std::chrono::system_clock::now()); !pruned)
            return pruned;
    }
    if (added_ - tidied_at_ < tidy_every)
        return {};
    tidied_at_ = added_;
    return ledger_->tidy();
}

Result<void> LedgerSink::flush() {
    if (!ledger_)
        return {};
    auto flushed = commit();
    if (flushed)
        flushed = keep_in_shape();
    return flushed ? flushed : recover(flushed.error());
}

} // namespace disarmd
