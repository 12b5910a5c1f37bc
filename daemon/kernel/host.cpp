// SPDX-License-Identifier: Apache-2.0
#include "kernel/host.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <sstream>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/unique_fd.h"

namespace disarmd {

namespace {

// The first bytes of a file that tells its size as 0; empty if it can't be read.
std::string begin_of(const std::string& path) {
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    std::array<char, 4096> bytes{};
    const auto size = fd ? ::read(fd.get(), bytes.data(), bytes.size()) : 0;
    return size > 0 ? std::string(bytes.data(), static_cast<std::size_t>(size)) : "";
}

std::string first_line_of(const std::string& path) {
    const auto text = begin_of(path);
    return text.substr(0, text.find('\n'));
}

} // namespace

Host read_host() {
    Host host;
    utsname names{};
    if (::uname(&names) == 0) { // which fails for a bad pointer only
        host.name = names.nodename;
        host.kernel = names.release;
    }
    // No thread sets one.
    if (const char* const told = std::getenv(host_name_variable); // NOLINT(concurrency-mt-unsafe)
        told != nullptr && *told != '\0')
        host.name = told;
    host.boot_id = first_line_of("/proc/sys/kernel/random/boot_id");
    return host;
}

bool has_active_lsm(std::string_view name) {
    std::istringstream active(first_line_of("/sys/kernel/security/lsm"));
    for (std::string each; std::getline(active, each, ',');) {
        if (each == name)
            return true;
    }
    return false;
}

std::optional<Task> read_task(std::uint32_t pid) {
    const auto folder = fmt::format("/proc/{}", pid);
    Task task;
    task.comm = begin_of(folder + "/comm");
    if (task.comm.empty())
        return std::nullopt;
    task.comm.pop_back(); // The newline; the name may hold another.
    const auto text = begin_of(folder + "/cmdline");
    for (std::size_t start = 0; start < text.size();) {
        const auto end = std::min(text.find('\0', start), text.size());
        task.command.push_back(text.substr(start, end - start));
        start = end + 1;
    }
    return task;
}

} // namespace disarmd
