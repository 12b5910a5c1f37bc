// SPDX-License-Identifier: Apache-2.0
//
// The zoo of test modules on every kernel, by both backends, with one CPU and with several:
// every leak is found and described rightly, every clean twin is called clean. A boot
// and a start of disarmd take longer than a dozen unloads, so one guest meets them all.
#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include "guest.h"

namespace disarmd::tests {

namespace {

using Json = nlohmann::json;

constexpr const char* longest_name = "zoo_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

// Kprobes, which these kernels don't need, are seen on each of them in the long run only.
bool is_in_short_run(const Setup& setup) {
    const auto kernels = test_kernels();
    if (setup.backend == "kprobe")
        return setup.kernel == (setup.cpus == 1 ? kernels.front() : kernels.back());
    return setup.cpus == 4 || setup.kernel == kernels.front() || setup.kernel == kernels.back();
}

std::vector<Setup> setups(bool in_short_run) {
    std::vector<Setup> chosen;
    for (const auto& kernel : test_kernels()) {
        for (const auto* backend : {"tracepoint", "kprobe"}) {
            for (const int cpus : {1, 4}) {
                if (const Setup setup{kernel, backend, cpus}; is_in_short_run(setup) == in_short_run)
                    chosen.push_back(setup);
            }
        }
    }
    return chosen;
}

// A module that is loaded and unloaded, and leaves nothing behind.
struct Twin {
    std::string module;
    std::string ends; // by spaces
    std::string parameters = "delay_ms=60";
    int cpus = 1; // that it needs
};

std::vector<Twin> clean_twins() {
    return {
        {"zoo_timer_static", "delete expire never shutdown"},
        {"zoo_timer_alloc", "delete expire never shutdown"},
        {"zoo_timer_periodic", "delete shutdown", ""},
        {"zoo_dwork_static", "delete expire never"},
        {"zoo_dwork_alloc", "delete expire never"},
        {"zoo_kthread_dwork", "delete expire never"},
        {"zoo_kthread_dwork", "delete", "delay_ms=60 object=alloc"},
        {"zoo_hrtimer_static", "delete expire never"},
        {"zoo_hrtimer_alloc", "delete expire never"},
        {"zoo_hrtimer_alloc", "delete expire", "delay_ms=60 clock=realtime mode=soft"},
        {"zoo_hrtimer_alloc", "delete", "delay_ms=60 clock=boottime"},
        {"zoo_hrtimer_alloc", "delete", "delay_ms=60 clock=tai mode=soft"},
        {"zoo_hrtimer_restart", "delete expire never", ""},
        {"zoo_alarm", "delete expire never"},
        {"zoo_alarm", "delete", "delay_ms=60 object=alloc"},
        {"zoo_object_core", "delete never", "delay_ms=60000"},
        {"zoo_percpu", "delete expire never"},
        {"zoo_percpu", "delete", "delay_ms=60 kind=hrtimer"},
        {"zoo_percpu", "delete", "delay_ms=60000 core=1"},
        {"zoo_init_callback", "delete never", "delay_ms=60000"},
        {"zoo_rearm_interrupt", "delete expire never shutdown"},
        {"zoo_rearm_kthread", "delete expire never shutdown"},
        {"zoo_rearm_self", "delete expire never shutdown", "delay_ms=60", 2},
        {"zoo_callback_running", "delete expire never shutdown", "delay_ms=60", 2},
        {"zoo_hrtimer_running", "delete expire never", "delay_ms=60", 2},
        {"zoo_arm_late", "delete expire never", "delay_ms=60", 2},
        {"zoo_many", "delete expire never"},
        {"zoo_user", "delete expire never shutdown"},
        {longest_name, "delete expire never shutdown"},
        {"zoo_nothing", "", ""},
    };
}

struct ExpectedTimer {
    std::string kind;
    std::string symbol; // as reported; "" where the callback has no name any more
    std::vector<std::string> owned_by;
    int count = 1;
};

const std::vector<std::string> both{"callback", "object"};
constexpr int each_cpu = -1; // as many as there are CPUs

struct Leak {
    std::string module;
    std::string parameters = "";
    std::vector<ExpectedTimer> timers = {};
    // Of the last arm, for whoever watched it.
    std::string context = "task";
    std::string comm = "insmod";
    int cpus = 1; // that it needs
    // Of a timer that the exit function deletes, and something arms again: what that is, and the
    // functions of the module that are seen to arm and to delete it.
    std::string rearmed_by = "";
    std::string armer = "";
    std::string deleter = "";
    std::string cause = "never-deleted"; // of one that nothing arms again
    bool tracked = true;                 // or only the scan knows whose it is
};

// Unloaded in this order. Those whose timer lies in memory that is freed come last, and of these
// the ones in trees, which the kernel rebalances through its neighbours.
std::vector<Leak> leaks() {
    return {
        {"zoo_timer_alloc", "", {{"timer", "zoo_timer_alloc_fn [zoo_timer_alloc]", {"callback"}}}},
        {"zoo_dwork_alloc", "", {{"delayed_work", "zoo_dwork_alloc_fn [zoo_dwork_alloc]", {"work"}}}},
        {"zoo_hrtimer_alloc",
         "clock=tai mode=soft",
         {{"hrtimer", "zoo_hrtimer_alloc_fn [zoo_hrtimer_alloc]", {"callback"}}}},
        {"zoo_kthread_dwork",
         "object=alloc",
         {{"kthread_delayed_work", "zoo_kthread_dwork_fn [zoo_kthread_dwork]", {"work"}}}},
        {"zoo_alarm", "object=alloc", {{"alarm", "zoo_alarm_fn [zoo_alarm]", {"callback"}}}},
        {"zoo_percpu", "", {{"timer", "zoo_percpu_fn [zoo_percpu]", both, each_cpu}}},
        {"zoo_timer_static", "", {{"timer", "zoo_timer_static_fn [zoo_timer_static]", both}}},
        {"zoo_dwork_static",
         "",
         {{"delayed_work", "zoo_dwork_static_fn [zoo_dwork_static]", {"object", "work"}}}},
        {"zoo_object_core", "", {{"timer", "", {"object"}}, {"delayed_work", "", {"object"}}}},
        {"zoo_rearm_interrupt",
         "",
         {{"timer", "zoo_rearm_interrupt_fn [zoo_rearm_interrupt]", both}},
         "softirq",
         "",
         1,
         "softirq",
         "zoo_rearm_interrupt_softirq",
         "zoo_rearm_interrupt_exit"},
        {"zoo_rearm_kthread",
         "",
         {{"timer", "zoo_rearm_kthread_fn [zoo_rearm_kthread]", both}},
         "task",
         "zoo_rearm",
         1,
         "thread",
         "zoo_rearm_kthread_thread",
         "zoo_rearm_kthread_exit"},
        {"zoo_rearm_self",
         "",
         {{"timer", "zoo_rearm_self_fn [zoo_rearm_self]", both}},
         "callback",
         "",
         2,
         "callback",
         "zoo_rearm_self_fn",
         "zoo_rearm_self_exit"},
        {"zoo_many",
         "",
         {{"timer", "zoo_many_static_fn [zoo_many]", both},
          {"timer", "zoo_many_alloc_fn [zoo_many]", {"callback"}},
          {"delayed_work", "zoo_many_dwork_fn [zoo_many]", {"object", "work"}}}},
        {"zoo_arm_param", "arm=1", {{"timer", "zoo_arm_param_fn [zoo_arm_param]", both}}},
        {longest_name, "", {{"timer", fmt::format("zoo_timer_static_fn [{}]", longest_name), both}}},
        {"zoo_arm_late",
         "",
         {{"timer", "zoo_arm_late_fn [zoo_arm_late]", both}},
         "task",
         "",
         2,
         "thread",
         "",
         "zoo_arm_late_exit"},
    };
}

// Buckets of the wheel, at these distances, are 16 s wide (HZ=250), and a timer in freed memory is
// a danger to every other in its bucket. Those that are armed by the exit have buckets of their own,
// if a guest takes no more than 80 s from their first arm, by the init, to that.
constexpr int first_delay_ms = 600'000;
constexpr int delay_step_ms = 17'000;
constexpr int first_delay_at_exit_ms = 150'000;
constexpr int delay_step_at_exit_ms = 100'000;

bool is_armed_by_exit(const std::string& module) {
    return module.starts_with("zoo_rearm_") || module == "zoo_arm_late";
}

// Kernel addresses of statics are in the module mapping space.
void expect_address(const Json& address) {
    const auto text = address.get<std::string>();
    ASSERT_EQ(text.size(), 18U) << text;
    EXPECT_EQ(text.substr(0, 4), "0xff") << text;
}

// A kernel may skip a kprobe's program where another one runs; later ones count that.
void expect_nothing_lost(const Json& unload) {
    EXPECT_TRUE(unload["lost_events"] == 0 || unload["backend"] == "kprobe") << unload;
}

void expect_clean(const Json& unload) {
    EXPECT_EQ(unload["verdict"], "clean") << unload;
    EXPECT_EQ(unload["pending"], Json::array()) << unload;
    EXPECT_EQ(unload["why_inconclusive"], Json::array()) << unload;
    expect_nothing_lost(unload);
    EXPECT_EQ(unload["advice"], "") << unload;
}

void expect_report(const Json& unload, const Setup& setup) {
    EXPECT_EQ(unload["schema"], 1);
    EXPECT_EQ(unload["backend"], setup.backend);
    EXPECT_EQ(unload["action"], "none");
    EXPECT_GT(unload["unload"]["pid"], 1);
}

void expect_freed_by_rmmod(const Json& unload) {
    EXPECT_EQ(unload["outcome"], "freed") << unload;
    EXPECT_EQ(unload["unload"]["comm"], "rmmod") << unload;
    ASSERT_TRUE(unload["unload"]["duration_ms"].is_number()) << unload;
    EXPECT_GT(unload["unload"]["duration_ms"], 0);
    EXPECT_LT(unload["unload"]["duration_ms"], 60000);
}

// Each expected timer is there as often as expected, and no other.
void expect_pending(const Json& unload, const std::vector<ExpectedTimer>& expected, const Setup& setup) {
    std::size_t total = 0;
    std::set<std::string> addresses;
    for (const auto& timer : expected) {
        const int wanted = timer.count == each_cpu ? setup.cpus : timer.count;
        int found = 0;
        for (const auto& pending : unload["pending"]) {
            const auto symbol = pending["symbol"].get<std::string>();
            const bool named = timer.symbol.empty() || symbol == timer.symbol;
            if (pending["kind"] == timer.kind && named && pending["owned_by"] == Json(timer.owned_by))
                ++found;
        }
        EXPECT_EQ(found, wanted) << timer.kind << ' ' << timer.symbol << " in " << unload;
        total += static_cast<std::size_t>(wanted);
    }
    EXPECT_EQ(unload["pending"].size(), total) << unload;
    EXPECT_FALSE(unload.contains("pending_left_out")) << unload;
    for (const auto& pending : unload["pending"]) {
        expect_address(pending["timer"]);
        expect_address(pending["callback"]);
        EXPECT_FALSE(pending["symbol"].get<std::string>().empty());
        EXPECT_TRUE(addresses.insert(pending["timer"]).second) << "twice in " << unload;
    }
}

// The call that mends it, as the kernel has it.
std::string mend_of(const std::string& kind, const Setup& setup) {
    static const std::map<std::string, std::string> mends{
        {"delayed_work", "cancel_delayed_work_sync()"},
        {"kthread_delayed_work", "kthread_cancel_delayed_work_sync()"},
        {"hrtimer", "hrtimer_cancel()"},
        {"alarm", "alarm_cancel()"}};
    const auto mend = mends.find(kind);
    if (mend != mends.end())
        return mend->second;
    return setup.kernel == "5.10" ? "timer_delete_sync()" : "timer_shutdown_sync()";
}

void expect_advice(const Json& unload, const Setup& setup) {
    const auto advice = unload["advice"].get<std::string>();
    for (const auto& pending : unload["pending"]) {
        static const std::map<std::string, std::string> places{
            {"never-deleted", " in the exit function"},
            {"unknown", " in the exit function"},
            {"rearmed-after-delete", " again"},
            {"failed-rollback", " on the error path of the init function"},
            {"callback-running", " to return: "}};
        std::vector<std::string> wanted{places.at(pending["cause"])};
        // Where it was deleted rightly, and nothing can be shut down, no other call mends it.
        if (pending["cause"] != "rearmed-after-delete" || pending["rearmed_by"] == "callback" ||
            setup.kernel != "5.10")
            wanted.push_back(mend_of(pending["kind"], setup));
        for (const auto& words : wanted)
            EXPECT_NE(advice.find(words), std::string::npos) << words << " is not in: " << advice;
    }
}

void expect_leak(const Json& unload, const std::vector<ExpectedTimer>& expected, const Setup& setup) {
    EXPECT_EQ(unload["verdict"], "leak") << unload;
    EXPECT_EQ(unload["why_inconclusive"], Json::array()) << unload;
    expect_advice(unload, setup);
    expect_report(unload, setup);
    expect_pending(unload, expected, setup);
}

void expect_expiry(const Json& unload, int armed_with_ms) {
    for (const auto& pending : unload["pending"]) {
        ASSERT_TRUE(pending["expires_in_ms"].is_number()) << pending;
        EXPECT_LE(pending["expires_in_ms"].get<double>(), armed_with_ms + 1000.0) << pending;
        // What a slow guest may have used up.
        EXPECT_GT(pending["expires_in_ms"].get<double>(), armed_with_ms - 200'000.0) << pending;
    }
}

// Of the module; of any of its functions if none is named.
bool has_frame(const Json& stack, const std::string& function, const std::string& module) {
    return std::ranges::any_of(stack, [&](const Json& frame) {
        const auto text = frame.get<std::string>();
        return text.ends_with(fmt::format(" [{}]", module)) && !text.starts_with("0x") &&
               (function.empty() || text.starts_with(function + "+"));
    });
}

void expect_seen_arms(const Json& unload, const Leak& leak, const Setup& setup) {
    for (const auto& pending : unload["pending"]) {
        const Json& armed = pending["armed"];
        EXPECT_EQ(armed.is_object(), leak.tracked) << pending;
        if (!leak.tracked)
            continue;
        ASSERT_TRUE(armed.is_object()) << pending;
        EXPECT_EQ(armed["context"], leak.context) << pending;
        if (!leak.comm.empty()) {
            EXPECT_EQ(armed["comm"], leak.comm) << pending;
            EXPECT_GT(armed["pid"], 1);
        }
        EXPECT_LT(armed["cpu"], setup.cpus);
        EXPECT_GE(armed["age_ms"], 0);
        // Of a module whose memory is about to go the kernel has forgotten how to unwind its code.
        if (leak.module == "zoo_arm_late")
            EXPECT_FALSE(armed["stack"].empty()) << pending;
        else
            EXPECT_TRUE(has_frame(armed["stack"], leak.armer, leak.module)) << pending;
    }
}

void expect_cause(const Json& unload, const Leak& leak) {
    for (const auto& pending : unload["pending"]) {
        if (leak.rearmed_by.empty()) {
            EXPECT_EQ(pending["cause"], leak.cause) << pending;
            EXPECT_FALSE(pending.contains("rearmed_by")) << pending;
            EXPECT_EQ(pending["deleted"].is_null(), leak.cause != "callback-running") << pending;
            continue;
        }
        EXPECT_EQ(pending["cause"], "rearmed-after-delete") << pending;
        EXPECT_EQ(pending["rearmed_by"], leak.rearmed_by) << pending;
        const Json& deleted = pending["deleted"];
        ASSERT_TRUE(deleted.is_object()) << pending;
        const bool waits = leak.rearmed_by != "callback";
        const auto api = deleted["api"].get<std::string>();
        EXPECT_TRUE(waits ? api == "timer_delete_sync" || api == "del_timer_sync"
                          : api == "timer_delete" || api == "del_timer")
            << pending;
        EXPECT_EQ(deleted["found"], waits ? "armed" : "callback-running") << pending;
        EXPECT_EQ(deleted["comm"], "rmmod") << pending;
        EXPECT_EQ(deleted["pid"], unload["unload"]["pid"]) << pending;
        EXPECT_EQ(deleted["context"], "task") << pending;
        EXPECT_LE(deleted["age_ms"], unload["unload"]["duration_ms"]) << pending;
        EXPECT_GE(deleted["age_ms"], pending["armed"]["age_ms"]) << pending;
        EXPECT_TRUE(has_frame(deleted["stack"], leak.deleter, leak.module)) << pending;
    }
}

class Zoo : public testing::TestWithParam<Setup> {
protected:
    static std::string serve() { return fmt::format("serve --probe-backend {}\n", GetParam().backend); }

    static GuestResult run(const std::string& commands) {
        return run_guest({GetParam().kernel, GetParam().cpus, 400}, commands);
    }

    // Those that this machine has CPUs for, with their delays.
    static std::vector<std::pair<Leak, int>> possible_leaks() {
        std::vector<std::pair<Leak, int>> possible;
        int delay_ms = first_delay_ms;
        int delay_at_exit_ms = first_delay_at_exit_ms;
        for (const auto& leak : leaks()) {
            const bool by_exit = is_armed_by_exit(leak.module);
            int& delay = by_exit ? delay_at_exit_ms : delay_ms;
            if (leak.cpus <= GetParam().cpus)
                possible.emplace_back(leak, delay);
            delay += by_exit ? delay_step_at_exit_ms : delay_step_ms;
        }
        return possible;
    }
};

TEST_P(Zoo, clean_twins_are_clean) {
    const auto& setup = GetParam();
    // One machine of each kernel meets every end, the others the first of each twin.
    const bool meets_all_ends = setup.backend == "tracepoint" && setup.cpus > 1;
    std::string commands = serve();
    for (const auto& twin : clean_twins()) {
        if (twin.cpus > setup.cpus)
            continue;
        if (twin.ends.empty())
            commands += fmt::format("twin {}\n", twin.module);
        else
            commands += fmt::format("for end in {1}; do twin {0} end=$end {2}; done\n", twin.module,
                                    meets_all_ends ? twin.ends : twin.ends.substr(0, twin.ends.find(' ')),
                                    twin.parameters);
    }
    // The deletes and the shutdowns of one module under the timer of another.
    for (const auto* end : {"delete", "shutdown"})
        commands += fmt::format("has_shutdown {0} && {{ insmod /modules/zoo_cross_object.ko; "
                                "insmod /modules/zoo_cross_callback.ko end={0} delay_ms=60000; "
                                "unload zoo_cross_callback; unload zoo_cross_object; }}\n",
                                end);
    // An init that fails having deleted its timer is no leak either.
    commands += "for end in delete never; do\n"
                "    insmod /modules/zoo_init_fail.ko end=$end; echo zoo_init_fail >>/tmp/unloaded\n"
                "done\n"
                "judged\n";
    const auto guest = run(commands);
    EXPECT_EQ(guest.status, 0) << guest.console;
    EXPECT_EQ(guest.console.find("proves nothing"), std::string::npos) << guest.console;
    ASSERT_GT(guest.results.size(), 25U) << guest.console;
    for (const auto& unload : guest.results) {
        expect_clean(unload);
        expect_report(unload, setup);
        if (unload["module"] != "zoo_init_fail") {
            expect_freed_by_rmmod(unload);
            continue;
        }
        EXPECT_EQ(unload["outcome"], "init-failed");
    }
}

// With one CPU they are armed before disarmd starts, with several while it watches. A timer that
// lies in one module and calls another is a leak of either, whichever goes first.
TEST_P(Zoo, leaks_are_reported) {
    const auto& setup = GetParam();
    const bool watched = setup.cpus > 1;
    const std::string first = watched ? "zoo_cross_object" : "zoo_cross_callback";
    const std::string second = watched ? "zoo_cross_callback" : "zoo_cross_object";
    const auto possible = possible_leaks();
    std::string commands = watched ? serve() : "";
    for (const auto& [leak, delay] : possible)
        commands +=
            fmt::format("insmod /modules/{}.ko delay_ms={} {}\n", leak.module, delay, leak.parameters);
    commands +=
        "insmod /modules/zoo_cross_object.ko; insmod /modules/zoo_cross_callback.ko delay_ms=950000\n";
    if (!watched)
        commands += serve();
    for (const auto& [leak, delay] : possible)
        commands += fmt::format("unload {}\n", leak.module);
    commands += fmt::format("unload {}; await_judged; unload {}; judged\n", first, second);
    const auto guest = run(commands);
    EXPECT_EQ(guest.status, 0) << guest.console;
    EXPECT_EQ(guest.console.find("proves nothing"), std::string::npos) << guest.console;
    ASSERT_EQ(guest.results.size(), possible.size() + 2) << guest.console;
    std::size_t i = 0;
    for (const auto& [leak, delay] : possible) {
        const Json& unload = guest.results[i++];
        ASSERT_EQ(unload["module"], leak.module) << guest.console;
        expect_leak(unload, leak.timers, setup);
        expect_freed_by_rmmod(unload);
        expect_expiry(unload, delay);
        if (watched)
            expect_seen_arms(unload, leak, setup);
        expect_cause(unload, leak);
        // That one is armed when the scan is over.
        const auto by_scan = std::ranges::count(unload["sources"], Json("scan"));
        EXPECT_TRUE(by_scan == 1 || leak.module == "zoo_arm_late") << unload;
        expect_nothing_lost(unload);
    }
    for (const auto& module : {first, second}) {
        const Json& unload = guest.results[i++];
        EXPECT_EQ(unload["module"], module);
        const bool object = module == "zoo_cross_object";
        // The name of what is gone is not known any more.
        const std::string name =
            object && module == second ? "" : "zoo_cross_callback_fn [zoo_cross_callback]";
        expect_leak(unload, {{"timer", name, {object ? "object" : "callback"}}}, setup);
    }
}

// Each of these leaves the kernel little time, or none that could be relied on.
TEST_P(Zoo, dangerous_leaks_are_reported) {
    const auto& setup = GetParam();
    struct Danger {
        std::string commands;
        Leak leak;
        std::string outcome = "freed";
    };
    const std::vector<Danger> dangers{
        // As free_module() begins, in a task of the kernel's own.
        {"insmod /modules/zoo_callback_running.ko spin_ms=2000; unload zoo_callback_running",
         {.module = "zoo_callback_running",
          .timers = {{"timer", "zoo_callback_running_fn [zoo_callback_running]", both}},
          .comm = "",
          .cpus = 2,
          .cause = "callback-running"}},
        {"insmod /modules/zoo_hrtimer_running.ko spin_ms=2000; unload zoo_hrtimer_running",
         {.module = "zoo_hrtimer_running",
          .timers = {{"hrtimer", "zoo_hrtimer_running_fn [zoo_hrtimer_running]", both}},
          .context = "hardirq",
          .comm = "",
          .cpus = 2,
          .cause = "callback-running"}},
        {"insmod /modules/zoo_init_fail.ko kind=dwork delay_ms=600000; echo zoo_init_fail >>/tmp/unloaded",
         {.module = "zoo_init_fail",
          .timers = {{"delayed_work", "zoo_init_fail_dwork_fn [zoo_init_fail]", {"work"}}},
          .cause = "failed-rollback"},
         "init-failed"},
        {"insmod /modules/zoo_init_fail.ko delay_ms=700000; echo zoo_init_fail >>/tmp/unloaded",
         {.module = "zoo_init_fail",
          .timers = {{"timer", "zoo_init_fail_timer_fn [zoo_init_fail]", both}},
          .cause = "failed-rollback"},
         "init-failed"},
        // That its memory was the module's when the timer was armed knows only who saw it.
        {"insmod /modules/zoo_init_callback.ko object=alloc delay_ms=800000; unload zoo_init_callback",
         {.module = "zoo_init_callback",
          .timers = {{"timer", "zoo_init_callback_fn [zoo_init_callback]", {"callback"}}}}},
        {"insmod /modules/zoo_init_callback.ko delay_ms=850000; unload zoo_init_callback",
         {.module = "zoo_init_callback",
          .timers = {{"timer", "zoo_init_callback_fn [zoo_init_callback]", both}}}},
        {"insmod /modules/zoo_percpu.ko core=1 delay_ms=900000; unload zoo_percpu",
         {.module = "zoo_percpu", .timers = {{"timer", "", {"object"}, each_cpu}}, .tracked = false}},
        {"insmod /modules/zoo_rearm_interrupt.ko context=hardirq delay_ms=950000; unload zoo_rearm_interrupt",
         {.module = "zoo_rearm_interrupt",
          .timers = {{"timer", "zoo_rearm_interrupt_fn [zoo_rearm_interrupt]", both}},
          .context = "hardirq",
          .comm = "",
          .rearmed_by = "hardirq",
          .armer = "zoo_rearm_interrupt_hardirq",
          .deleter = "zoo_rearm_interrupt_exit"}},
        {"insmod /modules/zoo_timer_periodic.ko period_ms=4000; unload zoo_timer_periodic",
         {.module = "zoo_timer_periodic",
          .timers = {{"timer", "zoo_timer_periodic_fn [zoo_timer_periodic]", both}},
          .context = "callback",
          .comm = "",
          .armer = "zoo_timer_periodic_fn"}},
    };
    // An unload that is under way as disarmd starts: what its exit has done before is not known.
    std::string commands = "held=/sys/module/zoo_timer_alloc/parameters/hold_exit\n"
                           "insmod /modules/zoo_timer_alloc.ko hold_exit=1 delay_ms=1000000\n"
                           "unload zoo_timer_alloc & unloading=$!\n"
                           "await grep -q going /sys/module/zoo_timer_alloc/initstate\n" +
                           serve() + "echo 0 >$held; wait $unloading; await_judged\n";
    std::vector<Danger> met;
    for (const auto& danger : dangers) {
        if (danger.leak.cpus > setup.cpus)
            continue;
        commands += danger.commands + "; await_judged\n";
        met.push_back(danger);
    }
    // The kernel's next step through a tree with a node in freed memory may be its last.
    const auto guest = run(commands + "judged\n"
                                      "insmod /modules/zoo_hrtimer_static.ko delay_ms=600000\n"
                                      "unload zoo_hrtimer_static; await_judged\n");
    EXPECT_NE(guest.console.find("LEAK: zoo_hrtimer_static 1/1: hrtimer zoo_hrtimer_static_fn "
                                 "[zoo_hrtimer_static] at 0x"),
              std::string::npos)
        << guest.console;
    ASSERT_EQ(guest.results.size(), met.size() + 1) << guest.console;
    const Leak under_way{.module = "zoo_timer_alloc",
                         .timers = {{"timer", "zoo_timer_alloc_fn [zoo_timer_alloc]", {"callback"}}},
                         .cause = "unknown"};
    expect_leak(guest.results[0], under_way.timers, setup);
    expect_cause(guest.results[0], under_way);
    EXPECT_TRUE(guest.results[0]["unload"]["duration_ms"].is_null()) << guest.results[0];
    for (std::size_t i = 0; i < met.size(); ++i) {
        const Json& unload = guest.results[i + 1];
        const auto& leak = met[i].leak;
        EXPECT_EQ(unload["module"], leak.module);
        EXPECT_EQ(unload["outcome"], met[i].outcome);
        expect_leak(unload, leak.timers, setup);
        expect_seen_arms(unload, leak, setup);
        expect_cause(unload, leak);
        for (const auto& pending : unload["pending"])
            EXPECT_EQ(pending["expires_in_ms"].is_null(), leak.cause == "callback-running");
    }
}

constexpr auto name_setup = [](const auto& test) { return setup_test_name(test.param); };
INSTANTIATE_TEST_SUITE_P(Machines, Zoo, testing::ValuesIn(setups(true)), name_setup);
INSTANTIATE_TEST_SUITE_P(Long, Zoo, testing::ValuesIn(setups(false)), name_setup);

} // namespace

} // namespace disarmd::tests
