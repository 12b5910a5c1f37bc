// SPDX-License-Identifier: Apache-2.0
#include "sinks/json_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sys/stat.h>
#include <unistd.h>

#include "base/unique_fd.h"
#include "incident/json.h"

namespace disarmd {

namespace {

constexpr int file_mode = 0640;

Result<UniqueFd> open_for_append(const std::string& path) {
    UniqueFd fd(::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, file_mode));
    if (!fd)
        return fail(Error::from_errno(fmt::format("opening {}", path)));
    return fd;
}

// Whether the last line was cut off: the disk was full, or whoever wrote it was killed.
bool is_torn(const std::string& path) {
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
    struct stat file {};
    char last = '\n';
    return fd && ::fstat(fd.get(), &file) == 0 && S_ISREG(file.st_mode) && file.st_size != 0 &&
           ::pread(fd.get(), &last, 1, file.st_size - 1) == 1 && last != '\n';
}

} // namespace

Result<std::unique_ptr<JsonFileSink>> JsonFileSink::open(const std::string& path, Content content) {
    if (auto fd = open_for_append(path); !fd)
        return fail(fd.error());
    return std::unique_ptr<JsonFileSink>(new JsonFileSink(path, content));
}

Result<void> JsonFileSink::write(const Incident& incident) {
    auto fd = open_for_append(path_);
    if (!fd)
        return fail(fd.error());
    // One write: lines of several processes never mix (O_APPEND).
    const auto line = (is_torn(path_) ? "\n" : "") + to_line(to_json(incident)) + '\n';
    const auto written = ::write(fd->get(), line.data(), line.size());
    if (written < 0)
        return fail(Error::from_errno(fmt::format("writing to {}", path_)));
    if (static_cast<std::size_t>(written) != line.size())
        return fail({ENOSPC, fmt::format("writing to {}: only a part of the line was written", path_)});
    return {};
}

} // namespace disarmd
