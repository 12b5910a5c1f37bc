// SPDX-License-Identifier: Apache-2.0
#include "metrics/exporter.h"

#include <exception>
#include <vector>

#include <fmt/format.h>
#include <prometheus/exposer.h>

#include "metrics/collector.h"

namespace disarmd {

namespace {

// Of civetweb, the server in prometheus-cpp. Who connects and says nothing, or does not read, is let go after
// a second: it takes many of them to keep others from asking.
std::vector<std::string> server_options(const std::string& listen) {
    return {"listening_ports", listen, "num_threads", "8", "request_timeout_ms", "1000"};
}

} // namespace

Exporter::Exporter(std::unique_ptr<FactsExchange> exchange, std::shared_ptr<Collector> collector,
                   std::unique_ptr<prometheus::Exposer> server)
    : exchange_(std::move(exchange)), collector_(std::move(collector)), server_(std::move(server)) {}

Result<std::unique_ptr<Exporter>> Exporter::start(const std::string& listen,
                                                  std::function<Result<KernelFacts>()> ask_kernel) {
    auto exchange = FactsExchange::create();
    if (!exchange)
        return fail(exchange.error());
    auto collector = std::make_shared<Collector>(
        Collector::Sources{[desk = exchange->get()] { return desk->ask(patience); }, std::move(ask_kernel)});
    std::unique_ptr<prometheus::Exposer> server;
    try {
        server = std::make_unique<prometheus::Exposer>(server_options(listen));
    } catch (const std::exception& error) {
        // It does not say why; next to always another process listens there.
        return fail({EADDRINUSE,
                     fmt::format("listening on {} for scrapes: {}; is the address one of this host, and does "
                                 "nothing else listen there (ss -ltnp)? [metrics] listen names another, and "
                                 "enabled = false does without",
                                 listen, error.what())});
    }
    server->RegisterCollectable(collector);
    return std::unique_ptr<Exporter>(
        new Exporter(std::move(*exchange), std::move(collector), std::move(server)));
}

Exporter::~Exporter() {
    stop();
}

int Exporter::port() const {
    return server_->GetListeningPorts().front();
}

void Exporter::stop() {
    exchange_->close();
    server_.reset();
}

} // namespace disarmd
