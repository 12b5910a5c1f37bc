// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <unistd.h>

#include <fmt/format.h>

#include "cli/commands.h"
#include "kernel/requirements.h"

namespace disarmd {

Result<void> meet_requirements() {
    for (const auto& requirement : check_requirements()) {
        if (!requirement.met)
            return fail({ENOTSUP, fmt::format("{}: {}; {}", requirement.name, requirement.detail,
                                              requirement.remedy)});
    }
    return {};
}

Result<Probe> open_probe(const ProbeSettings& settings) {
    if (auto met = meet_requirements(); !met)
        return fail(met.error());
    const auto btf = KernelBtf::load();
    if (!btf)
        return fail(btf.error());
    const auto layout = locate_running_kernel(*btf, hook_functions());
    if (!layout)
        return fail(layout.error());
    return Probe::load(*layout, *btf, settings);
}

LossCounts losses_of(const Probe& probe) {
    LossCounts counts{};
    for (std::size_t i = 0; i < counts.size(); ++i)
        counts.at(i) = probe.losses(static_cast<abi::loss>(i));
    return counts;
}

Colour colour_of_stdout() {
    const auto set = [](const char* name) {
        const char* const value = std::getenv(name); // NOLINT(concurrency-mt-unsafe): nobody sets any
        return std::string_view(value != nullptr ? value : "");
    };
    const bool wanted = ::isatty(STDOUT_FILENO) != 0 && set("NO_COLOR").empty() && set("TERM") != "dumb";
    return wanted ? Colour::ansi : Colour::never;
}

ExitCode print_result(const std::string& text, ExitCode code) {
    const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
    if (written && std::fflush(stdout) == 0)
        return code;
    complain(Error::from_errno("writing the result to stdout"), code);
    return code == ExitCode::clean ? ExitCode::inconclusive : code;
}

ExitCode complain(const Error& error, ExitCode code) {
    say("disarmd: {}\n", error.text());
    return code;
}

} // namespace disarmd
