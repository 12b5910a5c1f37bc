// SPDX-License-Identifier: Apache-2.0
#include "probe/pins.h"

#include <filesystem>

#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <spdlog/spdlog.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/clock.h"

namespace disarmd {

namespace {

namespace fs = std::filesystem;

constexpr const char* bpf_fs = "/sys/fs/bpf";
constexpr const char* links_prefix = "links-";

Error failed(std::string_view doing, const std::error_code& error) {
    return {error.value(), fmt::format("{}: {}", doing, error.message())};
}

bool is_bpf_fs(const char* path) {
    struct statfs info {};
    return ::statfs(path, &info) == 0 && info.f_type == BPF_FS_MAGIC;
}

// Those of all daemons, the one given excepted.
Result<void> remove_links(const std::string& but) {
    std::error_code error;
    std::vector<fs::path> folders;
    for (fs::directory_iterator entry(pins_folder, error); !error && entry != fs::directory_iterator();
         entry.increment(error)) {
        if (entry->path().filename().string().starts_with(links_prefix) && entry->path() != but)
            folders.push_back(entry->path());
    }
    for (const auto& folder : folders) {
        fs::remove_all(folder, error);
        if (error)
            break;
    }
    if (error && error != std::errc::no_such_file_or_directory)
        return fail(failed(fmt::format("removing what an earlier disarmd left in {}", pins_folder), error));
    return {};
}

} // namespace

Result<void> prepare_pins() {
    if (!is_bpf_fs(bpf_fs) &&
        ::mount("bpf", bpf_fs, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=700") != 0)
        return fail(Error::from_errno(fmt::format("mounting the BPF file system at {}", bpf_fs)));
    for (const char* const folder : {pins_root, pins_folder}) {
        if (::mkdir(folder, S_IRWXU) != 0 && errno != EEXIST)
            return fail(Error::from_errno(fmt::format("creating {}", folder)));
    }
    return {};
}

Result<std::size_t> pin_links(const std::vector<bpf_link*>& links) {
    if (auto prepared = prepare_pins(); !prepared)
        return fail(prepared.error());
    const auto folder = fmt::format("{}/{}{}-{}", pins_folder, links_prefix, ::getpid(), monotonic_ns());
    if (::mkdir(folder.c_str(), S_IRWXU) != 0)
        return fail(Error::from_errno(fmt::format("creating {}", folder)));
    std::size_t unpinned = 0;
    for (std::size_t i = 0; i < links.size(); ++i) {
        // Pinned already, with an earlier policy.
        if (bpf_link__pin_path(links[i]) != nullptr)
            bpf_link__unpin(links[i]);
        if (const int err = bpf_link__pin(links[i], fmt::format("{}/{}", folder, i).c_str()); err != 0) {
            spdlog::debug("{}", Error::from_libbpf(err, "pinning a link").text());
            ++unpinned;
        }
    }
    if (auto removed = remove_links(folder); !removed)
        return fail(removed.error());
    return unpinned;
}

Result<void> unpin_links() {
    return remove_links("");
}

Result<bool> release_pins() {
    std::error_code error;
    const auto removed = fs::remove_all(pins_root, error);
    if (error)
        return fail(failed(fmt::format("removing {}", pins_root), error));
    return removed != 0;
}

} // namespace disarmd
