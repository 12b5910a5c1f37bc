// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "metrics/exchange.h"
#include "metrics/snapshot.h"

namespace prometheus {
class Exposer;
}

namespace disarmd {

class Collector;

// The HTTP server that Prometheus scrapes, at /metrics, with threads of its own. It does nothing by itself:
// each scrape looks at what is there then.
class Exporter {
public:
    // Listens on "ADDRESS:PORT". ask_kernel is called by the server's threads, until stop().
    static Result<std::unique_ptr<Exporter>> start(const std::string& listen,
                                                   std::function<Result<KernelFacts>()> ask_kernel);
    Exporter(const Exporter&) = delete;
    Exporter& operator=(const Exporter&) = delete;
    ~Exporter();

    // Where the event loop's thread answers.
    [[nodiscard]] FactsExchange& exchange() const { return *exchange_; }
    // That is in fact listened on.
    [[nodiscard]] int port() const;

    // No scrape is answered from here on, and those that were being answered are through.
    void stop();

    // For the event loop's thread, until a scrape is answered with what it said last.
    static constexpr std::chrono::milliseconds patience{2000};

private:
    Exporter(std::unique_ptr<FactsExchange> exchange, std::shared_ptr<Collector> collector,
             std::unique_ptr<prometheus::Exposer> server);

    std::unique_ptr<FactsExchange> exchange_;
    std::shared_ptr<Collector> collector_;
    std::unique_ptr<prometheus::Exposer> server_; // null: stopped
};

} // namespace disarmd
