// SPDX-License-Identifier: Apache-2.0
#include "sinks/pmsg.h"

#include <fcntl.h>
#include <fmt/format.h>

#include "base/unique_fd.h"
#include "incident/text.h"

namespace disarmd {

Result<void> PmsgSink::write(const Incident& incident) {
    const UniqueFd fd(::open(path_.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY));
    if (!fd)
        return fail(Error::from_errno(fmt::format("opening {}", path_)));
    std::string text;
    for (const auto& line : to_log(incident))
        text += fmt::format("{} disarmd: {}\n", time_text(incident.at), line);
    if (::write(fd.get(), text.data(), text.size()) < 0)
        return fail(Error::from_errno(fmt::format("writing to {}", path_)));
    return {};
}

} // namespace disarmd
