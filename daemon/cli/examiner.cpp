// SPDX-License-Identifier: Apache-2.0
#include "cli/examiner.h"

#include <csignal>
#include <filesystem>
#include <fstream>
#include <utility>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "base/text.h"
#include "preflight/module_file.h"
#include "preflight/preflight.h"

namespace disarmd {

std::string srcversion_of_loaded(const std::string& module) {
    std::ifstream file(fmt::format("/sys/module/{}/srcversion", module));
    std::string line;
    std::getline(file, line);
    return line;
}

std::optional<bool> examine_loaded(const std::string& module) {
    const auto srcversion = srcversion_of_loaded(module);
    const auto file = find_module_file(module);
    auto report = file ? preflight(*file) : Result<PreflightReport>(fail(file.error()));
    if (!report) {
        spdlog::warn("module {} can't be examined: {}", printable(module), report.error().text());
        return std::nullopt;
    }
    if (!std::filesystem::exists(fmt::format("/sys/module/{}", module)))
        return std::nullopt; // gone meanwhile
    if (report->srcversion != srcversion) {
        spdlog::warn("module {} can't be examined: {} is another build of it", printable(module), *file);
        return std::nullopt;
    }
    return fails(*report);
}

Examiner::Examiner(Examined examined) : examined_(std::move(examined)) {
    // Signals are for the threads that were there before.
    sigset_t all{};
    sigset_t before{};
    sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    thread_ = std::thread([this] { work(); });
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

Examiner::~Examiner() {
    {
        const std::lock_guard lock(mutex_);
        ending_ = true;
    }
    changed_.notify_all();
    thread_.join();
}

void Examiner::examine(const std::string& module) {
    const std::lock_guard lock(mutex_);
    queue_.push_back(module);
    changed_.notify_all();
}

void Examiner::work() {
    std::unique_lock lock(mutex_);
    while (true) {
        changed_.wait(lock, [this] { return ending_ || !queue_.empty(); });
        if (ending_)
            return;
        const auto module = std::move(queue_.front());
        queue_.pop_front();
        lock.unlock();
        const ModuleBuild build{module, srcversion_of_loaded(module)};
        if (const auto bad = examine_loaded(module))
            examined_(build, *bad);
        lock.lock();
    }
}

} // namespace disarmd
