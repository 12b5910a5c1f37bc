// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>

#include "base/result.h"
#include "base/unique_fd.h"
#include "metrics/snapshot.h"

namespace disarmd {

// By which other threads ask the event loop's for what only that knows.
class FactsExchange {
public:
    static Result<std::unique_ptr<FactsExchange>> create();

    // The event loop's thread: readable while somebody waits for an answer.
    [[nodiscard]] int fd() const { return asked_.get(); }
    void answer(ServiceFacts facts);

    // Any other thread, several at once too. Nothing if there was no answer in time, or after close().
    std::optional<ServiceFacts> ask(std::chrono::milliseconds patience);

    // Nobody waits from here on. Any thread.
    void close();

private:
    explicit FactsExchange(UniqueFd asked) : asked_(std::move(asked)) {}

    const UniqueFd asked_; // an eventfd
    std::mutex mutex_;     // of everything below
    std::condition_variable answered_;
    std::uint64_t answers_ = 0;
    ServiceFacts facts_; // of the last one
    bool closed_ = false;
};

} // namespace disarmd
