// SPDX-License-Identifier: Apache-2.0
#include "sinks/dispatcher.h"

#include <condition_variable>
#include <mutex>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "builders.h"

namespace disarmd {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::ElementsAreArray;
using testing::IsEmpty;
using testing::SizeIs;

constexpr auto long_enough = 20s;

// What a sink was asked to do, and how it is to go. Outlives the sink.
struct Script {
    std::mutex mutex;
    std::condition_variable changed;
    std::vector<std::string> calls;
    std::vector<std::thread::id> threads;
    bool hangs = false;   // in its writes, as long as this holds
    std::string hangs_at; // the module; empty: any
    bool fails = false;
    bool prepare_fails = false;
    bool immediate = false;
    bool takes_clean = false;
    bool needs_flush = false;
    int gone = 0; // sinks that ended

    void add(const std::string& call) {
        std::unique_lock lock(mutex);
        calls.push_back(call);
        threads.push_back(std::this_thread::get_id());
        changed.notify_all();
        if (call.starts_with("write"))
            changed.wait(lock, [&] { return !hangs || (!hangs_at.empty() && call != "write " + hangs_at); });
    }
    void let_go_until(const std::string& module) {
        const std::lock_guard lock(mutex);
        hangs_at = module;
        changed.notify_all();
    }
    void let_go() {
        const std::lock_guard lock(mutex);
        hangs = false;
        changed.notify_all();
    }
    bool called(std::size_t times) {
        std::unique_lock lock(mutex);
        return changed.wait_for(lock, long_enough, [&] { return calls.size() >= times; });
    }
    bool ended() {
        std::unique_lock lock(mutex);
        return changed.wait_for(lock, long_enough, [&] { return gone != 0; });
    }
    std::vector<std::string> all_calls() {
        const std::lock_guard lock(mutex);
        return calls;
    }
};

class ScriptedSink : public Sink {
public:
    ScriptedSink(std::string name, std::shared_ptr<Script> script)
        : name_(std::move(name)), script_(std::move(script)) {}
    ScriptedSink(const ScriptedSink&) = delete;
    ScriptedSink& operator=(const ScriptedSink&) = delete;
    ~ScriptedSink() override {
        const std::lock_guard lock(script_->mutex);
        ++script_->gone;
        script_->changed.notify_all();
    }

    [[nodiscard]] std::string_view name() const override { return name_; }
    [[nodiscard]] bool takes(const Incident& incident) const override {
        return script_->takes_clean || Sink::takes(incident);
    }
    [[nodiscard]] bool is_immediate() const override { return script_->immediate; }
    [[nodiscard]] bool needs_flush() const override { return script_->needs_flush; }
    Result<void> prepare() override {
        script_->add("prepare");
        return script_->prepare_fails ? Result<void>(fail({EIO, "not ready"})) : Result<void>();
    }
    Result<void> write(const Incident& incident) override {
        script_->add("write " + incident.unload.module);
        return script_->fails ? Result<void>(fail({EIO, "broken"})) : Result<void>();
    }
    Result<void> flush() override {
        script_->add("flush");
        return {};
    }

private:
    std::string name_;
    std::shared_ptr<Script> script_;
};

using Scripts = std::vector<std::shared_ptr<Script>>;

Scripts scripts(std::size_t count) {
    Scripts all;
    for (std::size_t i = 0; i < count; ++i)
        all.push_back(std::make_shared<Script>());
    return all;
}

// Named "0", "1" and so on.
std::unique_ptr<Dispatcher> dispatcher_to(const Scripts& all) {
    std::vector<std::unique_ptr<Sink>> sinks;
    for (const auto& script : all)
        sinks.push_back(std::make_unique<ScriptedSink>(std::to_string(sinks.size()), script));
    return std::make_unique<Dispatcher>(std::move(sinks), nullptr);
}

Incident named(const std::string& module, Unload unload = test::leaking_unload()) {
    unload.module = module;
    return test::incident_of(std::move(unload));
}

std::vector<std::string> without_flushes(std::vector<std::string> calls) {
    std::erase(calls, "flush");
    return calls;
}

TEST(Dispatcher, without_sinks_does_nothing) {
    Dispatcher dispatcher({}, nullptr);
    dispatcher.dispatch(named("a"));
    EXPECT_THAT(dispatcher.health(), IsEmpty());
    EXPECT_TRUE(dispatcher.close(0ms));
}

TEST(Dispatcher, drops_nothing_of_a_backlog_and_nothing_for_it) {
    const auto sinks = scripts(1);
    sinks[0]->takes_clean = true;
    sinks[0]->hangs = true;
    const auto dispatcher = dispatcher_to(sinks);
    std::vector<std::string> written{"prepare"};
    const auto dispatch = [&](std::size_t count, auto how) {
        for (std::size_t i = 0; i < count; ++i) {
            (dispatcher.get()->*how)(named("clean", test::clean_unload()));
            written.emplace_back("write clean");
        }
    };
    dispatch(3 * Dispatcher::queue_limit, &Dispatcher::dispatch_backlog);
    dispatch(Dispatcher::queue_limit / 2, &Dispatcher::dispatch);
    EXPECT_EQ(dispatcher->health()[0].dropped, 0U);
    dispatcher->dispatch(named("clean", test::clean_unload()));
    EXPECT_EQ(dispatcher->health()[0].dropped, 1U);
    sinks[0]->let_go();
    EXPECT_TRUE(dispatcher->close(long_enough));
    EXPECT_EQ(without_flushes(sinks[0]->all_calls()), written);
}

TEST(Dispatcher, gives_each_sink_what_it_takes_in_order_after_it_was_prepared) {
    const auto sinks = scripts(2);
    sinks[1]->takes_clean = true;
    const auto dispatcher = dispatcher_to(sinks);
    dispatcher->dispatch(named("a"));
    dispatcher->dispatch(named("b", test::clean_unload()));
    dispatcher->dispatch(named("c", test::inconclusive_unload()));
    EXPECT_TRUE(dispatcher->close(long_enough));
    EXPECT_THAT(without_flushes(sinks[0]->calls), ElementsAre("prepare", "write a", "write c"));
    EXPECT_THAT(without_flushes(sinks[1]->calls), ElementsAre("prepare", "write a", "write b", "write c"));
    for (const auto& script : sinks) {
        EXPECT_EQ(script->calls.back(), "flush");
        EXPECT_EQ(script->gone, 1);
    }
}

TEST(Dispatcher, writes_every_sink_from_one_thread_of_its_own) {
    const auto sinks = scripts(3);
    const auto dispatcher = dispatcher_to(sinks);
    for (int i = 0; i < 20; ++i)
        dispatcher->dispatch(named("a"));
    EXPECT_TRUE(dispatcher->close(long_enough));
    std::vector<std::thread::id> threads{std::this_thread::get_id()};
    for (const auto& script : sinks) {
        EXPECT_THAT(script->threads, testing::Each(script->threads.front()));
        EXPECT_EQ(std::ranges::count(threads, script->threads.front()), 0);
        threads.push_back(script->threads.front());
    }
}

TEST(Dispatcher, writes_an_immediate_sink_before_it_returns_and_in_the_callers_thread) {
    const auto sinks = scripts(1);
    sinks[0]->immediate = true;
    const auto dispatcher = dispatcher_to(sinks);
    dispatcher->dispatch(named("a"));
    EXPECT_THAT(sinks[0]->calls, ElementsAre("prepare", "write a"));
    EXPECT_THAT(sinks[0]->threads, testing::Each(std::this_thread::get_id()));
    dispatcher->dispatch(named("b", test::clean_unload()));
    EXPECT_THAT(sinks[0]->calls, SizeIs(2)) << "which it does not take";
    sinks[0]->fails = true;
    dispatcher->dispatch(named("c"));
    const auto health = dispatcher->health();
    ASSERT_THAT(health, SizeIs(1));
    EXPECT_EQ(health[0].name, "0");
    EXPECT_EQ(health[0].written, 1U);
    EXPECT_EQ(health[0].failed, 1U);
    EXPECT_EQ(health[0].busy_for, 0ns);
    EXPECT_GT(health[0].slowest, 0ns);
    EXPECT_TRUE(dispatcher->close(0ms));
}

TEST(Dispatcher, flushes_once_the_queue_is_empty) {
    const auto sinks = scripts(1);
    sinks[0]->hangs = true;
    const auto dispatcher = dispatcher_to(sinks);
    dispatcher->dispatch(named("a"));
    ASSERT_TRUE(sinks[0]->called(2));
    dispatcher->dispatch(named("b"));
    dispatcher->dispatch(named("c"));
    sinks[0]->let_go();
    ASSERT_TRUE(sinks[0]->called(5));
    EXPECT_THAT(sinks[0]->all_calls(), ElementsAre("prepare", "write a", "write b", "write c", "flush"));
    dispatcher->dispatch(named("d"));
    ASSERT_TRUE(sinks[0]->called(7));
    EXPECT_TRUE(dispatcher->close(long_enough));
    EXPECT_THAT(sinks[0]->calls,
                ElementsAre("prepare", "write a", "write b", "write c", "flush", "write d", "flush"));
}

// By what nobody has any more when it may go.
class Kept {
public:
    Unload keep(Unload unload) {
        const auto keeper = std::make_shared<int>(0);
        kept_ = keeper;
        unload.kept = keeper;
        return unload;
    }
    [[nodiscard]] bool is_gone() const { return kept_.expired(); }

private:
    std::weak_ptr<const void> kept_;
};

TEST(Dispatcher, keeps_an_incident_until_the_last_sink_has_it_for_good) {
    for (const bool needs_flush : {false, true}) {
        const auto sinks = scripts(2);
        sinks[1]->hangs = true;
        sinks[1]->needs_flush = needs_flush;
        const auto dispatcher = dispatcher_to(sinks);
        Kept clean;
        Kept a;
        Kept b;
        dispatcher->dispatch(named("clean", clean.keep(test::clean_unload())));
        EXPECT_TRUE(clean.is_gone()) << "which no sink takes";
        dispatcher->dispatch(named("first"));
        ASSERT_TRUE(sinks[1]->called(2));
        dispatcher->dispatch(named("a", a.keep(test::leaking_unload())));
        dispatcher->dispatch(named("b", b.keep(test::leaking_unload())));
        sinks[1]->let_go_until("b");
        ASSERT_TRUE(sinks[1]->called(4));
        EXPECT_EQ(a.is_gone(), !needs_flush);
        EXPECT_FALSE(b.is_gone());
        sinks[1]->let_go();
        EXPECT_TRUE(dispatcher->close(long_enough));
        EXPECT_TRUE(a.is_gone());
        EXPECT_TRUE(b.is_gone());
    }
}

TEST(Dispatcher, a_sink_that_fails_is_counted_and_the_others_get_theirs) {
    const auto sinks = scripts(3);
    sinks[0]->immediate = true;
    sinks[0]->fails = true;
    sinks[1]->fails = true;
    const auto dispatcher = dispatcher_to(sinks);
    for (const std::string module : {"a", "b"})
        dispatcher->dispatch(named(module));
    ASSERT_TRUE(test::within(long_enough, [&] {
        const auto health = dispatcher->health();
        return health[1].failed == 2 && health[2].written == 2;
    }));
    const auto health = dispatcher->health();
    EXPECT_EQ(health[0].failed, 2U);
    EXPECT_EQ(health[0].written, 0U);
    EXPECT_EQ(health[1].written, 0U);
    EXPECT_EQ(health[2].failed, 0U);
    EXPECT_TRUE(dispatcher->close(long_enough));
    EXPECT_THAT(without_flushes(sinks[1]->calls), ElementsAre("prepare", "write a", "write b"));
    EXPECT_THAT(without_flushes(sinks[2]->calls), ElementsAre("prepare", "write a", "write b"));
}

TEST(Dispatcher, writes_to_a_sink_that_could_not_be_prepared) {
    const auto sinks = scripts(1);
    sinks[0]->prepare_fails = true;
    const auto dispatcher = dispatcher_to(sinks);
    dispatcher->dispatch(named("a"));
    EXPECT_TRUE(dispatcher->close(long_enough));
    EXPECT_THAT(without_flushes(sinks[0]->calls), ElementsAre("prepare", "write a"));
}

TEST(Dispatcher, a_sink_that_hangs_delays_no_other_and_is_left_alone_in_the_end) {
    const auto sinks = scripts(3);
    sinks[0]->hangs = true;
    sinks[2]->immediate = true;
    auto dispatcher = dispatcher_to(sinks);
    dispatcher->dispatch(named("a"));
    ASSERT_TRUE(sinks[0]->called(2));
    dispatcher->dispatch(named("b"));
    ASSERT_TRUE(test::within(long_enough, [&] { return dispatcher->health()[2].written == 2; }))
        << "health tells of the immediate ones first";
    EXPECT_THAT(sinks[2]->all_calls(), ElementsAre("prepare", "write a", "write b"));
    const auto begun = std::chrono::steady_clock::now();
    EXPECT_FALSE(dispatcher->close(50ms));
    EXPECT_LT(std::chrono::steady_clock::now() - begun, long_enough / 2);
    const auto health = dispatcher->health();
    ASSERT_THAT(health, SizeIs(2)) << "those that ended are gone, but for the immediate ones";
    EXPECT_EQ(health[0].name, "2");
    EXPECT_EQ(health[1].name, "0");
    EXPECT_GE(health[1].busy_for, 50ms);
    EXPECT_EQ(health[1].written, 0U);
    EXPECT_EQ(sinks[1]->gone, 1);
    EXPECT_EQ(sinks[0]->gone, 0);
    dispatcher.reset();
    EXPECT_EQ(sinks[0]->gone, 0) << "it still writes";
    EXPECT_EQ(sinks[2]->gone, 1);
    // What it comes back to is all still there.
    sinks[0]->let_go();
    ASSERT_TRUE(sinks[0]->ended());
    EXPECT_THAT(without_flushes(sinks[0]->calls), ElementsAre("prepare", "write a", "write b"));
}

TEST(Dispatcher, closes_once_more_after_a_hang_is_over) {
    const auto sinks = scripts(1);
    sinks[0]->hangs = true;
    const auto dispatcher = dispatcher_to(sinks);
    dispatcher->dispatch(named("a"));
    ASSERT_TRUE(sinks[0]->called(2));
    EXPECT_FALSE(dispatcher->close(0ms));
    sinks[0]->let_go();
    EXPECT_TRUE(dispatcher->close(long_enough));
    EXPECT_TRUE(dispatcher->close(0ms)) << "of what is closed";
    EXPECT_EQ(sinks[0]->gone, 1);
}

TEST(Dispatcher, writes_what_is_queued_before_it_closes) {
    const auto sinks = scripts(1);
    sinks[0]->hangs = true;
    const auto dispatcher = dispatcher_to(sinks);
    std::vector<std::string> expected{"prepare"};
    for (std::size_t i = 0; i < Dispatcher::queue_limit; ++i) {
        dispatcher->dispatch(named(std::to_string(i)));
        expected.push_back("write " + std::to_string(i));
    }
    std::thread later([&] {
        sinks[0]->called(2);
        sinks[0]->let_go();
    });
    EXPECT_TRUE(dispatcher->close(long_enough));
    later.join();
    EXPECT_THAT(without_flushes(sinks[0]->calls), ElementsAreArray(expected));
}

TEST(Dispatcher, queues_no_more_than_its_bound_and_clean_ones_up_to_the_half_of_it) {
    const auto sinks = scripts(1);
    sinks[0]->hangs = true;
    sinks[0]->takes_clean = true;
    const auto dispatcher = dispatcher_to(sinks);
    dispatcher->dispatch(named("first"));
    ASSERT_TRUE(sinks[0]->called(2)) << "it hangs with that one, and the queue is empty";
    for (std::size_t i = 0; i < Dispatcher::queue_limit; ++i)
        dispatcher->dispatch(named("clean", test::clean_unload()));
    EXPECT_EQ(dispatcher->health()[0].dropped, Dispatcher::queue_limit / 2);
    for (std::size_t i = 0; i < Dispatcher::queue_limit; ++i)
        dispatcher->dispatch(named("leak"));
    EXPECT_EQ(dispatcher->health()[0].dropped, Dispatcher::queue_limit);
    dispatcher->dispatch(named("clean", test::clean_unload()));
    EXPECT_EQ(dispatcher->health()[0].dropped, Dispatcher::queue_limit + 1);
    sinks[0]->let_go();
    ASSERT_TRUE(test::within(long_enough,
                             [&] { return dispatcher->health()[0].written == Dispatcher::queue_limit + 1; }));
    dispatcher->dispatch(named("last"));
    EXPECT_TRUE(dispatcher->close(long_enough));
    const auto calls = without_flushes(sinks[0]->calls);
    ASSERT_EQ(calls.size(), Dispatcher::queue_limit + 3);
    EXPECT_EQ(std::ranges::count(calls, "write clean"), Dispatcher::queue_limit / 2);
    EXPECT_EQ(std::ranges::count(calls, "write leak"), Dispatcher::queue_limit / 2);
    EXPECT_EQ(calls.back(), "write last");
}

TEST(Dispatcher, tells_how_long_the_slowest_write_took) {
    const auto sinks = scripts(1);
    sinks[0]->hangs = true;
    const auto dispatcher = dispatcher_to(sinks);
    dispatcher->dispatch(named("a"));
    ASSERT_TRUE(sinks[0]->called(2));
    ASSERT_TRUE(test::within(long_enough, [&] { return dispatcher->health()[0].busy_for > 20ms; }));
    sinks[0]->let_go();
    ASSERT_TRUE(test::within(long_enough, [&] { return dispatcher->health()[0].written == 1; }));
    EXPECT_GE(dispatcher->health()[0].slowest, 20ms);
    ASSERT_TRUE(test::within(long_enough, [&] { return dispatcher->health()[0].busy_for == 0ns; }));
    EXPECT_TRUE(dispatcher->close(long_enough));
}

TEST(Dispatcher, that_is_not_closed_waits_for_nobody) {
    const auto sinks = scripts(2);
    sinks[0]->hangs = true;
    {
        const auto dispatcher = dispatcher_to(sinks);
        dispatcher->dispatch(named("a"));
        ASSERT_TRUE(sinks[0]->called(2));
    }
    sinks[0]->let_go();
    for (const auto& script : sinks)
        EXPECT_TRUE(script->ended());
}

TEST(Dispatcher, keeps_its_counts_whoever_asks_meanwhile) {
    const auto sinks = scripts(4);
    const auto dispatcher = dispatcher_to(sinks);
    constexpr std::uint64_t count = 300;
    for (std::uint64_t i = 0; i < count; ++i) {
        dispatcher->dispatch(named("a"));
        for (const auto& health : dispatcher->health())
            ASSERT_LE(health.written + health.dropped, i + 1);
    }
    ASSERT_TRUE(test::within(long_enough, [&] {
        return std::ranges::all_of(dispatcher->health(), [](const SinkHealth& health) {
            return health.written + health.dropped == count && health.failed == 0;
        });
    }));
    EXPECT_TRUE(dispatcher->close(long_enough));
}

TEST(Dispatcher, leaves_signals_to_the_threads_that_were_there_before) {
    struct Masked : Sink {
        explicit Masked(sigset_t& seen) : mask(seen) {}
        [[nodiscard]] std::string_view name() const override { return "masked"; }
        Result<void> write(const Incident& /*incident*/) override {
            ::pthread_sigmask(SIG_SETMASK, nullptr, &mask);
            return {};
        }
        sigset_t& mask;
    };
    sigset_t before{};
    ::pthread_sigmask(SIG_SETMASK, nullptr, &before);
    sigset_t seen{};
    std::vector<std::unique_ptr<Sink>> sinks;
    sinks.push_back(std::make_unique<Masked>(seen));
    Dispatcher dispatcher(std::move(sinks), nullptr);
    dispatcher.dispatch(named("a"));
    EXPECT_TRUE(dispatcher.close(long_enough));
    sigset_t after{};
    ::pthread_sigmask(SIG_SETMASK, nullptr, &after);
    for (const int signal : {SIGINT, SIGTERM, SIGCHLD, SIGPIPE, SIGHUP}) {
        EXPECT_EQ(sigismember(&seen, signal), 1) << signal;
        EXPECT_EQ(sigismember(&after, signal), sigismember(&before, signal)) << signal;
    }
}

} // namespace
} // namespace disarmd
