// SPDX-License-Identifier: Apache-2.0
#include "metrics/exchange.h"

#include <sys/eventfd.h>

namespace disarmd {

Result<std::unique_ptr<FactsExchange>> FactsExchange::create() {
    UniqueFd asked(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!asked)
        return fail(Error::from_errno("creating an eventfd"));
    return std::unique_ptr<FactsExchange>(new FactsExchange(std::move(asked)));
}

void FactsExchange::answer(ServiceFacts facts) {
    const std::lock_guard lock(mutex_);
    // All that was asked before is answered by this. Nothing to read means that nobody has.
    eventfd_t asked = 0;
    static_cast<void>(::eventfd_read(asked_.get(), &asked));
    facts_ = std::move(facts);
    ++answers_;
    answered_.notify_all();
}

std::optional<ServiceFacts> FactsExchange::ask(std::chrono::milliseconds patience) {
    std::unique_lock lock(mutex_);
    const auto before = answers_;
    // That it can't count further means that the question is waiting there already.
    static_cast<void>(::eventfd_write(asked_.get(), 1));
    const bool ended = answered_.wait_for(lock, patience, [&] { return closed_ || answers_ != before; });
    if (!ended || closed_)
        return std::nullopt;
    return facts_;
}

void FactsExchange::close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    answered_.notify_all();
}

} // namespace disarmd
