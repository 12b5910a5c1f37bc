// SPDX-License-Identifier: Apache-2.0
#include "sinks/kmsg.h"

#include <fcntl.h>
#include <fmt/format.h>

#include "base/unique_fd.h"
#include "incident/text.h"

namespace disarmd {

namespace {

// KERN_CRIT for what is about to crash the host, KERN_WARNING for what may.
int priority_of(const Unload& unload) {
    constexpr int critical = 2;
    constexpr int warning = 4;
    return unload.verdict == Verdict::leak ? critical : warning;
}

Result<UniqueFd> open_log(const std::string& path) {
    UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY));
    if (!fd)
        return fail(Error::from_errno(fmt::format("opening {}", path)));
    return fd;
}

} // namespace

Result<std::unique_ptr<KmsgSink>> KmsgSink::open(const std::string& path) {
    if (auto fd = open_log(path); !fd)
        return fail(fd.error());
    return std::unique_ptr<KmsgSink>(new KmsgSink(path));
}

Result<void> KmsgSink::prepare() {
    static_cast<void>(to_log(specimen()));
    return {};
}

Result<void> KmsgSink::write(const Incident& incident) {
    for (const auto& text : to_log(incident)) {
        auto fd = open_log(path_);
        if (!fd)
            return fail(fd.error());
        const auto line = fmt::format("<{}>disarmd: {}\n", priority_of(incident.unload), text);
        if (::write(fd->get(), line.data(), line.size()) < 0)
            return fail(Error::from_errno("writing to the kernel's log"));
    }
    return {};
}

} // namespace disarmd
