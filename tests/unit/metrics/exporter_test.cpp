// SPDX-License-Identifier: Apache-2.0
#include "metrics/exporter.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <future>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include "builders.h"
#include "metrics/collector.h"
#include "whole_snapshot.h"

namespace disarmd {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

bool is_readable(int fd, std::chrono::milliseconds patience) {
    pollfd each{fd, POLLIN, 0};
    return ::poll(&each, 1, static_cast<int>(patience.count())) == 1;
}

/* The exchange */

TEST(FactsExchange, answers_who_asks_with_what_is_said_after) {
    const auto exchange = FactsExchange::create();
    ASSERT_TRUE(exchange) << exchange.error().text();
    EXPECT_FALSE(is_readable((*exchange)->fd(), 0ms));
    auto first = std::async(std::launch::async, [&] { return (*exchange)->ask(1min); });
    auto second = std::async(std::launch::async, [&] { return (*exchange)->ask(1min); });
    const auto is_answered = [](const auto& question) {
        return question.wait_for(0s) == std::future_status::ready;
    };
    ASSERT_TRUE(test::within(10s, [&] {
        if (is_readable((*exchange)->fd(), 0ms))
            (*exchange)->answer(*test::whole_snapshot().service);
        return is_answered(first) && is_answered(second);
    }));
    EXPECT_EQ(first.get()->backend, "tracepoint");
    EXPECT_EQ(second.get()->backend, "tracepoint");
    EXPECT_FALSE(is_readable((*exchange)->fd(), 0ms)) << "it is answered";
}

TEST(FactsExchange, keeps_nobody_waiting_for_longer_than_they_said) {
    const auto exchange = FactsExchange::create();
    ASSERT_TRUE(exchange);
    EXPECT_EQ((*exchange)->ask(1ms), std::nullopt);
    (*exchange)->answer({});
    EXPECT_EQ((*exchange)->ask(1ms), std::nullopt) << "an answer from before is none";
}

TEST(FactsExchange, lets_everybody_go_when_it_closes) {
    const auto exchange = FactsExchange::create();
    ASSERT_TRUE(exchange);
    auto asking = std::async(std::launch::async, [&] { return (*exchange)->ask(1h); });
    ASSERT_TRUE(is_readable((*exchange)->fd(), 10s));
    (*exchange)->close();
    EXPECT_EQ(asking.get(), std::nullopt);
    EXPECT_EQ((*exchange)->ask(1h), std::nullopt);
}

/* The collector */

double value_of(const Collector& collector, std::string_view name) {
    for (const auto& family : collector.Collect()) {
        if (family.name == name)
            return family.metric.front().gauge.value;
    }
    ADD_FAILURE() << name << " is missing";
    return -1;
}

TEST(Collector, looks_once_for_scrapes_that_come_together) {
    int looks = 0;
    const auto look = [&]() -> Result<KernelFacts> {
        ++looks;
        return *test::whole_snapshot().kernel;
    };
    const Collector patient({[] { return test::whole_snapshot().service; }, look}, 1h);
    EXPECT_EQ(value_of(patient, "disarmd_modules"), 3);
    EXPECT_EQ(value_of(patient, "disarmd_modules"), 3);
    EXPECT_EQ(looks, 1);
    const Collector eager({[] { return test::whole_snapshot().service; }, look}, 0ms);
    EXPECT_EQ(value_of(eager, "disarmd_modules"), 3);
    EXPECT_EQ(value_of(eager, "disarmd_modules"), 3);
    EXPECT_EQ(looks, 3);
}

TEST(Collector, shows_what_it_had_and_says_so_where_there_is_no_answer) {
    bool answers = true;
    const Collector collector({[&] { return answers ? test::whole_snapshot().service : std::nullopt; },
                               [&]() -> Result<KernelFacts> {
                                   if (!answers)
                                       return fail({EIO, "no"});
                                   return *test::whole_snapshot().kernel;
                               }},
                              0ms);
    EXPECT_EQ(value_of(collector, "disarmd_scrape_fresh"), 1);
    answers = false;
    EXPECT_EQ(value_of(collector, "disarmd_scrape_fresh"), 0);
    EXPECT_EQ(value_of(collector, "disarmd_modules"), 3);
    answers = true;
    EXPECT_EQ(value_of(collector, "disarmd_scrape_fresh"), 1);
}

/* The server */

// What it answers, whole; it closes.
std::string get(int port, const std::string& request) {
    const UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0)
        return "";
    EXPECT_EQ(::send(socket.get(), request.data(), request.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(request.size()));
    std::string answer;
    for (std::array<char, 4096> part{};;) {
        const auto got = ::recv(socket.get(), part.data(), part.size(), 0);
        if (got <= 0)
            return answer;
        answer.append(part.data(), static_cast<std::size_t>(got));
    }
}

std::string scrape(int port) {
    return get(port, "GET /metrics HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
}

std::unique_ptr<Exporter> exporter_at(const std::string& listen) {
    auto exporter =
        Exporter::start(listen, []() -> Result<KernelFacts> { return *test::whole_snapshot().kernel; });
    if (!exporter) {
        ADD_FAILURE() << exporter.error().text();
        return nullptr;
    }
    return std::move(*exporter);
}

TEST(Exporter, answers_scrapes_with_what_the_loop_says) {
    const auto exporter = exporter_at("127.0.0.1:0");
    ASSERT_NE(exporter, nullptr);
    auto scraped = std::async(std::launch::async, [&] { return scrape(exporter->port()); });
    ASSERT_TRUE(is_readable(exporter->exchange().fd(), 10s));
    exporter->exchange().answer(*test::whole_snapshot().service);
    const auto answer = scraped.get();
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 200"));
    EXPECT_THAT(answer, HasSubstr("\ndisarmd_armed_timers{module=\"m\",kind=\"timer\"} 5\n"));
    EXPECT_THAT(answer, HasSubstr("\ndisarmd_scrape_fresh 1\n"));
}

TEST(Exporter, answers_though_the_loop_says_nothing) {
    const auto exporter = exporter_at("127.0.0.1:0");
    ASSERT_NE(exporter, nullptr);
    const auto answer = scrape(exporter->port());
    EXPECT_THAT(answer, HasSubstr("\ndisarmd_scrape_fresh 0\n"));
    EXPECT_THAT(answer, Not(HasSubstr("disarmd_unloads_total")));
}

TEST(Exporter, says_that_its_port_is_taken) {
    const auto first = exporter_at("127.0.0.1:0");
    ASSERT_NE(first, nullptr);
    const auto listen = fmt::format("127.0.0.1:{}", first->port());
    const auto second = Exporter::start(listen, []() -> Result<KernelFacts> { return KernelFacts{}; });
    ASSERT_FALSE(second);
    EXPECT_THAT(second.error().text(), HasSubstr("listening on " + listen));
    EXPECT_THAT(second.error().text(), HasSubstr("[metrics] listen"));
}

TEST(Exporter, is_not_kept_from_answering_by_who_says_nothing) {
    const auto exporter = exporter_at("127.0.0.1:0");
    ASSERT_NE(exporter, nullptr);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<std::uint16_t>(exporter->port()));
    std::vector<UniqueFd> silent;
    for (int i = 0; i < 20; ++i) {
        silent.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        ASSERT_EQ(
            ::connect(silent.back().get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
    }
    // Prometheus waits for 10 seconds, if nobody says otherwise.
    const auto asked = std::chrono::steady_clock::now();
    EXPECT_THAT(scrape(exporter->port()), StartsWith("HTTP/1.1 200"));
    EXPECT_LT(std::chrono::steady_clock::now() - asked, 9s);
}

TEST(Exporter, stops_while_somebody_waits) {
    auto exporter = exporter_at("127.0.0.1:0");
    ASSERT_NE(exporter, nullptr);
    auto scraped = std::async(std::launch::async, [port = exporter->port()] { return scrape(port); });
    ASSERT_TRUE(is_readable(exporter->exchange().fd(), 10s));
    exporter->stop();
    exporter->stop(); // once more does no harm
    scraped.get();
}

} // namespace
} // namespace disarmd
