// SPDX-License-Identifier: Apache-2.0
#include "probe/pins.h"

#include <algorithm>
#include <filesystem>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <spdlog/spdlog.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/clock.h"

namespace disarmd {

namespace {

namespace fs = std::filesystem;

constexpr const char* bpf_fs = "/sys/fs/bpf";
// Of a daemon that did not come to its end.
constexpr const char* building_prefix = "building-";

bool is_bpf_fs(const char* path) {
    struct statfs info {};
    return ::statfs(path, &info) == 0 && info.f_type == BPF_FS_MAGIC;
}

Result<void> make_folder(const std::string& path) {
    if (::mkdir(path.c_str(), S_IRWXU) == 0)
        return {};
    if (errno != EEXIST)
        return fail(Error::from_errno(fmt::format("creating {}", path)));
    // Where everybody may write to the file system, as some mount it, somebody may have been there first.
    struct stat status {};
    if (::lstat(path.c_str(), &status) != 0)
        return fail(Error::from_errno(fmt::format("looking at {}", path)));
    if (!S_ISDIR(status.st_mode) || (status.st_uid != 0 && status.st_uid != ::geteuid()) ||
        (status.st_mode & (S_IWGRP | S_IWOTH)) != 0)
        return fail({EPERM, fmt::format("{} is not root's alone: remove it", path)});
    return {};
}

Result<void> pin_maps(const std::string& folder, const std::map<std::string, int>& maps) {
    for (const auto& [name, fd] : maps) {
        const auto path = fmt::format("{}/{}", folder, name);
        if (bpf_obj_pin(fd, path.c_str()) != 0)
            return fail(Error::from_errno(fmt::format("pinning {}", path)));
    }
    return {};
}

struct Unpinned {
    std::size_t details = 0;
    std::size_t others = 0;
};

Unpinned pin_links(const std::string& folder, const std::vector<LinkToPin>& links) {
    Unpinned unpinned;
    for (std::size_t i = 0; i < links.size(); ++i) {
        if (bpf_obj_pin(bpf_link__fd(links[i].link), fmt::format("{}/{}", folder, i).c_str()) != 0) {
            spdlog::debug("{}", Error::from_errno("pinning a link").text());
            ++(links[i].is_detail ? unpinned.details : unpinned.others);
        }
    }
    return unpinned;
}

const char* prefix_of(const Unpinned& unpinned) {
    if (unpinned.others != 0)
        return partial_prefix;
    return unpinned.details != 0 ? lean_prefix : whole_prefix;
}

Result<Pinned> fill(const std::string& building, const std::string& id, const std::vector<LinkToPin>& links,
                    const std::map<std::string, int>& maps) {
    const auto maps_folder = fmt::format("{}/{}", building, maps_name);
    const auto links_folder = fmt::format("{}/{}", building, links_name);
    for (const auto& folder : {building, maps_folder, links_folder}) {
        if (auto made = make_folder(folder); !made)
            return fail(made.error());
    }
    if (auto pinned = pin_maps(maps_folder, maps); !pinned)
        return fail(pinned.error());
    const auto unpinned = pin_links(links_folder, links);
    const Pinned pinned{fmt::format("{}/{}{}", pins_folder, prefix_of(unpinned), id), unpinned.others};
    if (::rename(building.c_str(), pinned.folder.c_str()) != 0)
        return fail(Error::from_errno(fmt::format("naming {}", pinned.folder)));
    return pinned;
}

// Nobody else makes any while the lock is held.
Result<void> remove_unfinished() {
    std::error_code error;
    for (fs::directory_iterator entry(pins_folder, error); !error && entry != fs::directory_iterator();
         entry.increment(error)) {
        if (!entry->path().filename().string().starts_with(building_prefix))
            continue;
        if (auto removed = remove_pinned(entry->path()); !removed)
            return removed;
    }
    if (error)
        return fail(Error::from_code(error.value(), fmt::format("reading {}", pins_folder)));
    return {};
}

} // namespace

Result<void> prepare_pins() {
    if (!is_bpf_fs(bpf_fs) &&
        ::mount("bpf", bpf_fs, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=700") != 0)
        return fail(Error::from_errno(fmt::format("mounting the BPF file system at {}", bpf_fs)));
    for (const char* const folder : {pins_root, pins_folder}) {
        if (auto made = make_folder(folder); !made)
            return made;
    }
    return {};
}

Result<UniqueFd> lock_pins() {
    if (auto prepared = prepare_pins(); !prepared)
        return fail(prepared.error());
    UniqueFd folder(::open(pins_root, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!folder)
        return fail(Error::from_errno(fmt::format("opening {}", pins_root)));
    if (::flock(folder.get(), LOCK_EX | LOCK_NB) != 0)
        return fail(errno == EWOULDBLOCK
                        ? Error(EBUSY, "another disarmd watches this host already (systemctl status disarmd)")
                        : Error::from_errno(fmt::format("locking {}", pins_root)));
    return folder;
}

Result<Pinned> pin_programs(const std::vector<LinkToPin>& links, const std::map<std::string, int>& maps) {
    if (auto removed = remove_unfinished(); !removed)
        return fail(removed.error());
    // In the order of their making by name as well.
    const auto id = fmt::format("{:020}-{}", monotonic_ns(), ::getpid());
    const auto building = fmt::format("{}/{}{}", pins_folder, building_prefix, id);
    auto pinned = fill(building, id, links, maps);
    if (!pinned) {
        if (auto removed = remove_pinned(building); !removed)
            spdlog::debug("{}", removed.error().text());
    }
    return pinned;
}

bool is_anything_pinned() {
    std::error_code ignored;
    const fs::directory_iterator folders(pins_folder, ignored);
    return std::any_of(begin(folders), end(folders), [](const fs::directory_entry& entry) {
        const auto name = entry.path().filename().string();
        return name.starts_with(whole_prefix) || name.starts_with(lean_prefix) ||
               name.starts_with(partial_prefix);
    });
}

Result<void> remove_pinned(const std::string& folder) {
    std::error_code error;
    fs::remove_all(folder, error);
    if (error)
        return fail(Error::from_code(error.value(), fmt::format("removing {}", folder)));
    return {};
}

Result<bool> release_pins() {
    std::error_code error;
    const auto removed = fs::remove_all(pins_root, error);
    if (error)
        return fail(Error::from_code(error.value(), fmt::format("removing {}", pins_root)));
    return removed != 0;
}

} // namespace disarmd
