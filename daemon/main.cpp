// SPDX-License-Identifier: Apache-2.0
#include <csignal>
#include <memory>
#include <string>
#include <vector>

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include "cli/commands.h"
#include "cli/options.h"

namespace {

// The log is stderr's: stdout holds results alone.
void set_up_log(bool verbose) {
    auto log = spdlog::stderr_color_mt("disarmd");
    log->set_pattern("%Y-%m-%dT%H:%M:%S.%e %^%l%$ %v");
    log->set_level(verbose ? spdlog::level::debug : spdlog::level::info);
    spdlog::set_default_logger(std::move(log));
}

struct Dispatch {
    disarmd::ExitCode operator()(const disarmd::RunOptions& options) const { return disarmd::run(options); }
    disarmd::ExitCode operator()(const disarmd::WatchUnloadOptions& options) const {
        return disarmd::watch_unload(options);
    }
    disarmd::ExitCode operator()(const disarmd::ListOptions& options) const { return disarmd::list(options); }
    disarmd::ExitCode operator()(const disarmd::PreflightOptions& options) const {
        return disarmd::preflight(options);
    }
    disarmd::ExitCode operator()(const disarmd::AutopsyOptions& options) const {
        return disarmd::autopsy(options);
    }
    disarmd::ExitCode operator()(const disarmd::IncidentsOptions& options) const {
        return disarmd::incidents(options);
    }
    disarmd::ExitCode operator()(const disarmd::DoctorOptions& options) const {
        return disarmd::doctor(options);
    }
    disarmd::ExitCode operator()(const disarmd::CheckConfigOptions& options) const {
        return disarmd::check_config(options);
    }
    disarmd::ExitCode operator()(const disarmd::AllowOnceOptions& options) const {
        return disarmd::allow_once(options);
    }
    disarmd::ExitCode operator()(const disarmd::ReleaseOptions& options) const {
        return disarmd::release(options);
    }
    disarmd::ExitCode operator()(const disarmd::PrintOptions& options) const {
        return disarmd::print_result(options.text, disarmd::ExitCode::clean);
    }
};

} // namespace

// Nothing but exhausted memory throws here, and that may end the process as it likes.
int main(int argc, char** argv) { // NOLINT(bugprone-exception-escape)
    // A reader that has gone is an error of the write, not a death of the watch.
    std::signal(SIGPIPE, SIG_IGN);
    const auto options = disarmd::parse_options(std::vector<std::string>(argv + 1, argv + argc));
    if (!options)
        return static_cast<int>(disarmd::complain(options.error(), disarmd::ExitCode::usage));
    set_up_log(options->verbose);
    return static_cast<int>(std::visit(Dispatch{}, options->command));
}
