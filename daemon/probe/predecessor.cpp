// SPDX-License-Identifier: Apache-2.0
#include "probe/predecessor.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <thread>

#include <bpf/bpf.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "base/clock.h"
#include "base/unique_fd.h"
#include "probe/map_reader.h"
#include "probe/pins.h"
#include "verdict/decode.h"

namespace disarmd {

namespace {

namespace fs = std::filesystem;

constexpr std::chrono::milliseconds look_again(5);
// Of what two programs saw of an unload, where its begin is not known: a drain takes two seconds at most.
constexpr std::uint64_t unload_lasts_ns = 5'000'000'000;
// In the folder of one whose programs are being detached.
constexpr const char* detached_name = "detached";
// The map without which nothing is left to take.
constexpr const char* unloads_name = "unloads";

// The names of a folder, in order.
Result<std::vector<std::string>> names_in(const std::string& folder) {
    std::vector<std::string> names;
    std::error_code error;
    for (fs::directory_iterator entry(folder, error); !error && entry != fs::directory_iterator();
         entry.increment(error))
        names.push_back(entry->path().filename());
    if (error)
        return fail(Error::from_code(error.value(), fmt::format("reading {}", folder)));
    std::ranges::sort(names);
    return names;
}

__u32 value_size_of(int map) {
    bpf_map_info info{};
    __u32 size = sizeof(info);
    return bpf_obj_get_info_by_fd(map, &info, &size) == 0 ? info.value_size : 0;
}

} // namespace

std::optional<Coverage::Rule> read_rule(int rules, std::uint32_t number) {
    const std::uint32_t index = number - 1;
    auto rule = std::make_unique<abi::policy_rule>();
    if (number == 0 || bpf_map_lookup_elem(rules, &index, rule.get()) != 0)
        return std::nullopt;
    return Coverage::Rule{text_of(rule->text), rule->on_unload == abi::ON_UNLOAD_DENY};
}

struct Predecessor::Pinned {
    std::string folder;
    std::map<std::string, UniqueFd> maps;
    std::atomic<bool> spent = false; // nothing in it is of use any more

    Pinned() = default;
    Pinned(const Pinned&) = delete;
    Pinned& operator=(const Pinned&) = delete;
    ~Pinned() {
        if (auto removed = spent ? remove_pinned(folder) : Result<void>(); !removed)
            spdlog::warn("{}", removed.error().text());
    }

    [[nodiscard]] int map(const std::string& name) const {
        const auto found = maps.find(name);
        return found == maps.end() ? -1 : found->second.get();
    }
    [[nodiscard]] Result<void> take(std::uint64_t id) const {
        if (bpf_map_delete_elem(map(unloads_name), &id) != 0 && errno != ENOENT)
            return fail(Error::from_errno("taking a record of an earlier disarmd"));
        return {};
    }
};

Predecessor::Predecessor() : pinned_(std::make_shared<Pinned>()) {}

UnloadMark mark_of(const abi::unload_record& record) {
    return {record.id,       record.pid,      text_of(record.module),
            record.begun_ns, record.freed_ns, record.denied != 0};
}

bool is_same_unload(const UnloadMark& one, const UnloadMark& other) {
    if (one.pid != other.pid || one.module != other.module || one.denied != other.denied)
        return false;
    // A task is in one at a time: it begins after what it did before has ended.
    const auto [freed, freed_later] = std::minmax(one.freed_ns, other.freed_ns);
    if (std::max(one.begun_ns, other.begun_ns) > freed)
        return false;
    return (one.begun_ns != 0 && other.begun_ns != 0) || freed_later - freed < unload_lasts_ns;
}

Result<std::vector<Predecessor>> Predecessor::find() {
    std::vector<Predecessor> found;
    const auto schemas = names_in(pins_root);
    if (!schemas)
        return fail(schemas.error());
    for (const auto& schema : *schemas) {
        const auto of_schema = fmt::format("{}/{}", pins_root, schema);
        const auto folders = names_in(of_schema);
        if (!folders)
            return fail(folders.error());
        for (const auto& name : *folders) {
            Predecessor one;
            one.pinned_->folder = fmt::format("{}/{}", of_schema, name);
            one.whole_ = name.starts_with(whole_prefix);
            one.this_schema_ = of_schema == pins_folder;
            one.kept_watching_ = one.whole_ || name.starts_with(lean_prefix);
            if (!one.kept_watching_ && !name.starts_with(partial_prefix))
                continue;
            const auto maps_folder = fmt::format("{}/{}", one.pinned_->folder, maps_name);
            std::error_code error;
            // Whoever let it go did not come to the end of that.
            if (!fs::exists(fmt::format("{}/{}", maps_folder, unloads_name), error) && !error) {
                one.remove_when_taken();
                continue;
            }
            one.is_watching_ = one.kept_watching_ &&
                               fs::exists(fmt::format("{}/{}", one.pinned_->folder, links_name), error);
            const auto maps = names_in(maps_folder);
            if (!maps) {
                spdlog::warn("what an earlier disarmd has left is not read: {}", maps.error().text());
                continue;
            }
            for (const auto& map : *maps) {
                UniqueFd fd(bpf_obj_get(fmt::format("{}/{}", maps_folder, map).c_str()));
                if (fd)
                    one.pinned_->maps.emplace(map, std::move(fd));
            }
            found.push_back(std::move(one));
        }
    }
    // Names begin with the time; what is before that is no longer than the other.
    std::ranges::sort(found, {}, [](const Predecessor& one) {
        return one.folder().substr(one.folder().find('-', std::strlen(pins_root)));
    });
    return found;
}

int Predecessor::map(const std::string& name) const {
    return pinned_->map(name);
}

Result<Inheritance> Predecessor::knowledge() const {
    Inheritance known;
    if (!this_schema_ || !kept_watching_)
        return known;
    auto read = for_each_element<std::uint64_t, abi::tracked_timer>(
        map("armed_timers"), "armed_timers", [&](std::uint64_t timer, const abi::tracked_timer& entry) {
            if (entry.armed != 0)
                known.timers.push_back({timer, entry});
        });
    if (read)
        read = for_each_element<std::uint64_t, abi::module_instance>(
            map("modules"), "modules", [&](std::uint64_t address, const abi::module_instance& instance) {
                known.modules.push_back({address, instance});
            });
    if (read)
        read = for_each_element<std::uint64_t, abi::timer_evidence>(
            map("evidence"), "evidence", [&](std::uint64_t timer, const abi::timer_evidence& evidence) {
                known.evidence.emplace_back(timer, evidence);
            });
    if (read)
        read = for_each_element<abi::module_key, std::uint32_t>(
            map("module_facts"), "module_facts", [&](const abi::module_key& module, std::uint32_t facts) {
                known.facts.emplace_back(module, facts);
            });
    if (!read)
        return fail(read.error());
    return known;
}

Result<std::vector<abi::unload_record>> Predecessor::read_records() const {
    std::vector<abi::unload_record> records;
    const int unloads = map(unloads_name);
    const std::size_t size = value_size_of(unloads);
    if (size < offsetof(abi::unload_record, pending))
        return fail({EINVAL, fmt::format("{}: its records can't be read", pinned_->folder)});
    const auto kept = this_schema_ ? sizeof(abi::unload_record) : offsetof(abi::unload_record, pending);
    if (this_schema_ && size != kept)
        return fail({EINVAL, fmt::format("{}: its records are not this version's", pinned_->folder)});
    std::vector<std::byte> value(size);
    std::uint64_t id = 0;
    std::uint64_t next = 0;
    for (const std::uint64_t* position = nullptr; bpf_map_get_next_key(unloads, position, &next) == 0;
         position = &id) {
        id = next;
        if (bpf_map_lookup_elem(unloads, &id, value.data()) != 0)
            continue;
        std::memcpy(&records.emplace_back(), value.data(), kept);
    }
    std::ranges::sort(records, {}, &abi::unload_record::id);
    return records;
}

Result<std::vector<abi::unload_record>> Predecessor::records(std::chrono::milliseconds patience) const {
    const auto until = std::chrono::steady_clock::now() + patience;
    for (;;) {
        auto records = read_records();
        if (!records)
            return records;
        if (std::ranges::all_of(*records, [](const auto& record) { return record.complete != 0; }))
            return records;
        if (std::chrono::steady_clock::now() >= until) {
            for (auto& record : *records) {
                if (record.complete == 0)
                    record.gaps |= abi::GAP_END_UNSEEN;
            }
            return records;
        }
        std::this_thread::sleep_for(look_again);
    }
}

Result<void> Predecessor::take(std::uint64_t id) const {
    return pinned_->take(id);
}

std::shared_ptr<const void> Predecessor::keep(std::uint64_t id) const {
    return {pinned_.get(), [pinned = pinned_, id](const void*) {
                if (auto taken = pinned->take(id); !taken)
                    spdlog::error("{}", taken.error().text());
            }};
}

int Predecessor::symbol_pieces() const {
    return this_schema_ ? map("symbol_pieces") : -1;
}

std::uint64_t Predecessor::losses(abi::loss what) const {
    const int counters = map("losses");
    std::vector<std::uint64_t> counts(value_size_of(counters) / sizeof(std::uint64_t));
    const __u32 first = 0;
    if (what >= counts.size() || bpf_map_lookup_elem(counters, &first, counts.data()) != 0)
        return 0;
    return counts[what];
}

std::optional<Coverage::Rule> Predecessor::rule(std::uint32_t number) const {
    return this_schema_ ? read_rule(map("rules"), number) : std::nullopt;
}

Result<void> Predecessor::detach() const {
    const auto detached = fmt::format("{}/{}", pinned_->folder, detached_name);
    std::error_code error;
    fs::rename(fmt::format("{}/{}", pinned_->folder, links_name), detached, error);
    if (error && error != std::errc::no_such_file_or_directory)
        return fail(Error::from_code(error.value(), fmt::format("detaching {}", pinned_->folder)));
    return remove_pinned(detached);
}

const std::string& Predecessor::folder() const {
    return pinned_->folder;
}

void Predecessor::remove_when_taken() const {
    pinned_->spent = true;
}

} // namespace disarmd
