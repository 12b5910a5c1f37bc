// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <optional>
#include <ostream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <disarmd/abi.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/unique_fd.h"
#include "incident/incident.h"
#include "state/inventory.h"
#include "verdict/judge.h"
#include "verdict/unload.h"

namespace disarmd {

// For the messages of failed expectations.
inline void PrintTo(TimerKind word, std::ostream* out) {
    *out << name_of(word);
}
inline void PrintTo(ArmContext word, std::ostream* out) {
    *out << name_of(word);
}
inline void PrintTo(Owner word, std::ostream* out) {
    *out << name_of(word);
}
inline void PrintTo(Source word, std::ostream* out) {
    *out << name_of(word);
}
inline void PrintTo(Verdict word, std::ostream* out) {
    *out << name_of(word);
}
inline void PrintTo(Outcome word, std::ostream* out) {
    *out << name_of(word);
}
inline void PrintTo(Cause word, std::ostream* out) {
    *out << name_of(word);
}
inline void PrintTo(Rearmer word, std::ostream* out) {
    *out << name_of(word);
}
inline void PrintTo(DeleteFound word, std::ostream* out) {
    *out << name_of(word);
}

} // namespace disarmd

// Plain, whole facts that a test changes in the one place that it is about.
namespace disarmd::test {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

inline constexpr std::uint64_t module_base = 0xffffffffc0a00000;
inline constexpr std::uint64_t timer_address = 0xffffffffc0a03040;
inline constexpr std::uint64_t callback_address = 0xffffffffc0a01000;
inline constexpr std::uint64_t heap_address = 0xffff888001234560;

// Functions by their begins, each 0x100 bytes long.
inline SymbolLookup lookup_in(const std::map<std::uint64_t, Symbol>& functions) {
    return [functions](std::uint64_t address) -> std::optional<Symbol> {
        const auto after = functions.upper_bound(address);
        if (after == functions.begin() || address - std::prev(after)->first >= 0x100)
            return std::nullopt;
        auto symbol = std::prev(after)->second;
        symbol.offset = address - std::prev(after)->first;
        return symbol;
    };
}

// Those of module m.
inline std::map<std::uint64_t, Symbol> own_functions() {
    return {{callback_address, {"m_cb", "m", 0}}};
}

// Text that fills the field leaves no room for a NUL, and then there is none.
template <std::size_t size>
void set_text(char (&field)[size], std::string_view text) { // NOLINT(modernize-avoid-c-arrays): the ABI's
    std::fill_n(field, size, '\0');
    std::copy_n(text.data(), std::min(text.size(), size), field);
}

// An armed timer_list of module m, 1234 jiffies before it fires, armed 2 s before the free.
inline abi::pending_timer pending_in_kernel() {
    abi::pending_timer pending{};
    pending.timer = timer_address;
    pending.callback = callback_address;
    pending.expires = 101'234;
    pending.armed_ns = 8'000'000'000;
    pending.armed_pid = 321;
    pending.armed_cpu = 3;
    set_text(pending.armed_comm, "insmod");
    pending.kind = abi::TIMER_KIND_TIMER;
    pending.armed_context = abi::ARM_CONTEXT_TASK;
    pending.owned_by = abi::OWNED_BY_CALLBACK | abi::OWNED_BY_OBJECT;
    pending.state = abi::PENDING_ARMED;
    pending.sources = abi::SOURCE_TRACKING;
    return pending;
}

// An hrtimer of module m, 1.5 ms before it fires.
inline abi::pending_timer pending_hrtimer_in_kernel() {
    auto pending = pending_in_kernel();
    pending.kind = abi::TIMER_KIND_HRTIMER;
    pending.expires = 10'001'500'000;
    return pending;
}

// Module m, deleted by rmmod, with nothing pending and no gap.
inline abi::unload_record unload_in_kernel() {
    abi::unload_record record{};
    record.id = 10'000'000'000;
    record.freed_ns = 10'000'000'000;
    record.begun_ns = 9'998'500'000;
    record.loaded_ns = 1'000'000'000;
    record.jiffies = 100'000;
    record.pid = 42;
    record.complete = 1;
    record.deletes_whole = 1;
    record.verdict = abi::VERDICT_CLEAN;
    record.live_ns = 1'001'000'000;
    record.memory.ranges[0] = {module_base, 0x4000};
    set_text(record.comm, "rmmod");
    set_text(record.module, "m");
    return record;
}

// As the kernel's next_pending() does: what does not fit is only counted.
inline void add_pending(abi::unload_record& record, const abi::pending_timer& pending) {
    if (record.pending_count < DISARMD_PENDING_MAX)
        record.pending[record.pending_count] = pending;
    ++record.pending_count;
    record.verdict = abi::VERDICT_LEAK;
}

inline abi::unload_record leak_in_kernel() {
    auto record = unload_in_kernel();
    add_pending(record, pending_in_kernel());
    return record;
}

// Everything attached, nothing missed, 1000 jiffies a second.
inline Coverage whole_coverage() {
    Coverage coverage;
    coverage.backend = "tracepoint";
    coverage.tick = milliseconds(1);
    coverage.has_timer_shutdown_sync = true;
    coverage.deleting_functions = {"timer_delete", "timer_delete_sync", "hrtimer_cancel",
                                   "hrtimer_try_to_cancel"};
    coverage.modules_floor = 0xffffffff83000000;
    return coverage;
}

inline PendingTimer pending_timer() {
    PendingTimer timer;
    timer.kind = TimerKind::timer;
    timer.timer = timer_address;
    timer.callback = callback_address;
    timer.symbol = "m_cb [m]";
    timer.owned_by = {Owner::callback, Owner::object};
    timer.cause = Cause::never_deleted;
    timer.expires_in = microseconds(1'234'500);
    timer.armed = Arm{seconds(2), 321, "insmod", 3, ArmContext::task, {}, std::nullopt};
    return timer;
}

inline Unload clean_unload() {
    Unload unload;
    unload.module = "m";
    unload.outcome = Outcome::freed;
    unload.verdict = Verdict::clean;
    unload.backend = "tracepoint";
    unload.sources = {Source::tracking, Source::scan};
    unload.pid = 42;
    unload.comm = "rmmod";
    unload.duration = microseconds(1500);
    unload.freed_ns = 10'000'000'000;
    return unload;
}

inline Unload leaking_unload() {
    auto unload = clean_unload();
    unload.verdict = Verdict::leak;
    unload.pending = {pending_timer()};
    unload.pending_count = 1;
    unload.advice = "call timer_shutdown_sync() for m_cb [m] in the exit function";
    return unload;
}

inline Unload inconclusive_unload() {
    auto unload = clean_unload();
    unload.verdict = Verdict::inconclusive;
    unload.sources = {Source::scan};
    unload.lost_events = 7;
    unload.why_inconclusive = {"tracking: events were lost", "scan: a timer wheel could not be read"};
    return unload;
}

inline Unload denied_unload() {
    auto unload = leaking_unload();
    unload.outcome = Outcome::denied;
    unload.verdict = Verdict::inconclusive;
    unload.policy.action = Action::denied;
    unload.policy.rule = R"(c.toml:1: module = "m", on_unload = "deny-if-armed")";
    unload.advice = "to let this one unload through: disarmd allow-once m";
    return unload;
}

inline Unload not_unloaded() {
    Unload unload;
    unload.module = "m";
    unload.backend = "tracepoint";
    return unload;
}

// Of a module with a version, loaded an hour before; unloaded by a command that is known; a timer that
// was deleted and armed again, with stacks of both.
inline Unload detailed_unload() {
    auto unload = leaking_unload();
    unload.identity.version = "1.2";
    unload.identity.srcversion = "0123456789ABCDEF01234567";
    unload.identity.taints = "OE";
    unload.identity.ranges = {{module_base, 0x2000}, {module_base + 0x4000, 0x1000}};
    unload.identity.init_section = MemoryRange{module_base + 0x8000, 0x1000};
    unload.identity.loaded_age = std::chrono::hours(1);
    unload.command = {"rmmod", "-v", "m"};
    unload.losses = {{"timer_map", 3}, {"symbols", 1}};
    unload.lost_events = 4;
    auto& timer = unload.pending.front();
    timer.cause = Cause::rearmed_after_delete;
    timer.rearmer = Rearmer::thread;
    timer.armed = Arm{microseconds(400), 77,
                      "kworker/3:1",     3,
                      ArmContext::task,  {"mod_timer+0x10", "m_poll+0x2c [m]", "process_one_work+0x174"},
                      std::nullopt};
    timer.deleted = Delete{microseconds(900),
                           "timer_delete_sync",
                           42,
                           "rmmod",
                           1,
                           ArmContext::task,
                           DeleteFound::armed,
                           {"m_exit+0x1d [m]", "__do_sys_delete_module+0xd9"}};
    unload.advice = "stop what arms m_cb [m] again (m_poll+0x2c [m]) before the exit function deletes it";
    return unload;
}

// Unloaded at that time, on that host.
inline constexpr const char* incident_time = "2026-11-23T18:41:48.123Z";
inline constexpr std::chrono::system_clock::time_point incident_at{milliseconds(1'795'459'308'123)};

inline Host host() {
    return {"web1", "6.12.0-1-amd64", "11111111-2222-3333-4444-555555555555"};
}

// With the id that is fixed for all of them but for those that were not unloaded.
inline Incident incident_of(Unload unload) {
    Incident incident;
    if (unload.outcome != Outcome::not_unloaded)
        incident.id = "0123456789ab";
    incident.at = incident_at;
    incident.host = host();
    incident.unload = std::move(unload);
    return incident;
}

// With an id of its own, that many seconds after the first.
inline Incident incident_number(std::uint64_t number, Unload unload) {
    auto incident = incident_of(std::move(unload));
    incident.at += seconds(number);
    incident.id = incident_id(incident.host.boot_id, number);
    return incident;
}

// Bytes that end lines, steer terminals, or are no ASCII; and what is shown of them.
inline const std::string hostile = "a\nb\r\x1b[2J\x07\x9b\xff\\";
inline const std::string escaped = "a\\x0ab\\x0d\\x1b[2J\\x07\\x9b\\xff\\x5c";

inline bool is_printable_but_for_newlines(const std::string& text) {
    return std::ranges::all_of(text, [](char c) { return c == '\n' || (c >= 0x20 && c < 0x7f); });
}

// With every byte that the kernel, or who named something in it, has a say in.
inline Unload hostile_unload() {
    auto unload = detailed_unload();
    unload.module = hostile;
    unload.comm = hostile;
    unload.command = {hostile, "", hostile};
    unload.identity.version = hostile;
    unload.identity.srcversion = hostile;
    unload.why_inconclusive = {hostile};
    auto& timer = unload.pending.front();
    timer.symbol = hostile;
    timer.armed->comm = hostile;
    timer.armed->stack = {hostile, hostile};
    timer.deleted->comm = hostile;
    timer.deleted->api = hostile;
    timer.deleted->stack = {hostile};
    return unload;
}

// A module that was loaded before anyone watched, with one range.
inline LoadedModule loaded_module(std::string_view name, std::uint64_t start, std::uint64_t size) {
    LoadedModule module{start, {}};
    module.instance.memory.ranges[0] = {start, size};
    set_text(module.instance.name, name);
    return module;
}

// A timer_list that the start-up scan found armed.
inline ArmedTimer armed_timer(std::uint64_t timer, std::uint64_t callback, std::uint64_t expires = 0) {
    ArmedTimer armed{timer, {}};
    armed.state.callback = callback;
    armed.state.expires = expires;
    armed.state.kind = abi::TIMER_KIND_TIMER;
    armed.state.armed = 1;
    return armed;
}

// An empty folder, removed with everything in it.
class TemporaryFolder {
public:
    TemporaryFolder() {
        std::string name = std::filesystem::temp_directory_path() / "disarmd-test-XXXXXX";
        if (::mkdtemp(name.data()) == nullptr)
            throw std::runtime_error("mkdtemp: " + name);
        path_ = name;
    }
    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;
    ~TemporaryFolder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }

    [[nodiscard]] std::string path() const { return path_.string(); }
    [[nodiscard]] std::string file(std::string_view name) const { return (path_ / name).string(); }

private:
    std::filesystem::path path_;
};

inline std::string content_of(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
}

inline void write_file(const std::string& path, std::string_view text) {
    std::ofstream(path) << text;
}

// A device that is written to, as a FIFO.
class Fifo {
public:
    Fifo()
        : fd_((::mkfifo(path().c_str(), 0600), ::open(path().c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC))) {
        if (!fd_)
            throw std::runtime_error("mkfifo: " + path());
    }
    [[nodiscard]] std::string path() const { return folder_.file("device"); }
    // What was written since it was last read.
    [[nodiscard]] std::string read() const {
        std::string text(65'536, '\0');
        const auto size = ::read(fd_.get(), text.data(), text.size());
        text.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
        return text;
    }

private:
    TemporaryFolder folder_;
    UniqueFd fd_;
};

// Whether it comes to hold before that time is over.
inline bool within(milliseconds time, const std::function<bool()>& holds) {
    const auto end = std::chrono::steady_clock::now() + time;
    while (!holds()) {
        if (std::chrono::steady_clock::now() > end)
            return false;
        std::this_thread::sleep_for(milliseconds(5));
    }
    return true;
}

inline bool is_alive(pid_t pid) {
    // A zombie whose parent does not care is no process any more.
    const auto stat = content_of("/proc/" + std::to_string(pid) + "/stat");
    const auto name_end = stat.rfind(')');
    return name_end != std::string::npos && stat.substr(name_end + 2, 1) != "Z";
}

inline std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    for (std::size_t start = 0; start < text.size();) {
        const auto end = std::min(text.find('\n', start), text.size());
        lines.push_back(text.substr(start, end - start));
        start = end + 1;
    }
    return lines;
}

} // namespace disarmd::test
