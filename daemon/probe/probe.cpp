// SPDX-License-Identifier: Apache-2.0
#include "probe/probe.h"

#include <algorithm>
#include <array>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "disarmd.skel.h"

namespace disarmd {

namespace {

constexpr std::string_view backend_name = "tracepoint";
// A timer softirq lasts microseconds; a survey that met one is simply run again.
constexpr int survey_attempts = 50;

enum class HookKind { tracepoint, function };
// What is impossible, or incomplete, without it; details are merely not told.
enum class HookRole { verdict, tracking, detail };

struct HookPlan {
    const char* program;
    HookKind kind;
    std::vector<std::string> targets; // names it had; the first that this kernel has is taken
    HookRole role;
    std::string purpose;
};

// In the order in which they are attached: what ends a state before what begins it,
// so that none is begun whose end nobody sees.
const std::vector<HookPlan>& hook_plans() {
    using enum HookKind;
    using enum HookRole;
    // arch/*/include/asm/syscall_wrapper.h
    static const std::vector<std::string> delete_module{"__x64_sys_delete_module",
                                                        "__arm64_sys_delete_module"};
    // 6.10 (12af2b83d0b1 "mm: introduce execmem_alloc() and execmem_free()")
    static const std::vector<std::string> memory_free{"module_memfree", "execmem_free"};
    static const std::vector<HookPlan> plans{
        {"on_timer_cancel", tracepoint, {"timer_cancel"}, tracking, "disarms"},
        {"on_timer_start", tracepoint, {"timer_start"}, tracking, "arms"},
        {"on_timer_expire_exit", tracepoint, {"timer_expire_exit"}, tracking, "callbacks having returned"},
        {"on_timer_expire_entry", tracepoint, {"timer_expire_entry"}, tracking, "callbacks being run"},
        {"on_module_memory_free", function, memory_free, tracking, "arms until the memory goes"},
        {"on_init_module_exit", function, {"do_init_module"}, verdict, "inits having returned"},
        {"on_init_module", function, {"do_init_module"}, verdict, "inits being begun"},
        {"on_delete_module_exit", function, delete_module, detail, "unloads having returned"},
        {"on_delete_module", function, delete_module, detail, "unloads being begun"},
        {"on_module_load", tracepoint, {"module_load"}, verdict, "modules being loaded"},
        {"on_module_free", tracepoint, {"module_free"}, verdict, "modules being freed: the verdict"},
    };
    return plans;
}

int log_libbpf(libbpf_print_level level, const char* format, va_list args) {
    const auto spdlog_level = level == LIBBPF_DEBUG ? spdlog::level::trace : spdlog::level::debug;
    if (!spdlog::should_log(spdlog_level))
        return 0;
    std::array<char, 4096> line{};
    const int length = std::vsnprintf(line.data(), line.size(), format, args);
    std::string_view text(line.data());
    while (!text.empty() && text.back() == '\n')
        text.remove_suffix(1);
    spdlog::log(spdlog_level, "{}", text);
    return length;
}

// Calls visit(key, value) for every element. Elements that come or go meanwhile
// may be visited or not.
template <typename Key, typename Value, typename Visit>
Result<void> for_each_element(const bpf_map* map, Visit&& visit) {
    const int fd = bpf_map__fd(map);
    Key key{};
    Key next{};
    const Key* position = nullptr;
    while (bpf_map_get_next_key(fd, position, &next) == 0) {
        Value value{};
        key = next;
        position = &key;
        if (bpf_map_lookup_elem(fd, &key, &value) == 0)
            visit(key, value);
        else if (errno != ENOENT)
            return fail(Error::from_errno(fmt::format("reading map {}", bpf_map__name(map))));
    }
    if (errno != ENOENT)
        return fail(Error::from_errno(fmt::format("walking map {}", bpf_map__name(map))));
    return {};
}

struct FreeSkeleton {
    void operator()(disarmd_bpf* skeleton) const { disarmd_bpf::destroy(skeleton); }
};
struct FreeLink {
    void operator()(bpf_link* link) const { bpf_link__destroy(link); }
};
struct FreeRing {
    void operator()(ring_buffer* ring) const { ring_buffer__free(ring); }
};

} // namespace

struct Probe::State {
    std::unique_ptr<disarmd_bpf, FreeSkeleton> skeleton;
    std::vector<std::unique_ptr<bpf_link, FreeLink>> links;
    std::unique_ptr<ring_buffer, FreeRing> ring;
    std::vector<Hook> hooks;       // in the order of hook_plans()
    std::uint64_t missed_runs = 0; // as of the last consume()
    bool has_timer_shutdown_sync = false;
    std::vector<std::string> loaded_modules; // notified, not yet handed out

    [[nodiscard]] bpf_program* program(const char* name) const {
        return bpf_object__find_program_by_name(skeleton->obj, name);
    }

    static int on_notification(void* context, void* data, std::size_t size) {
        auto* state = static_cast<State*>(context);
        if (size < sizeof(abi::notification))
            return 0;
        const auto* note = static_cast<const abi::notification*>(data);
        if (note->kind == abi::NOTIFY_MODULE_LOADED)
            state->loaded_modules.emplace_back(note->module, ::strnlen(note->module, sizeof(note->module)));
        return 0;
    }

    void plan_hooks(const KernelBtf& btf) {
        for (const auto& plan : hook_plans()) {
            bpf_program* const prog = program(plan.program);
            bpf_program__set_autoattach(prog, false);
            const auto target = std::ranges::find_if(plan.targets, [&](const std::string& name) {
                return plan.kind == HookKind::tracepoint ? btf.has_tracepoint(name) : btf.has_function(name);
            });
            const bool exists = target != plan.targets.end();
            Hook hook{exists ? *target : plan.targets.front(), plan.purpose, false, ""};
            if (!exists) {
                hook.why_not = "this kernel has none of that name";
                bpf_program__set_autoload(prog, false);
            } else if (plan.kind == HookKind::function) {
                bpf_program__set_attach_target(prog, 0, target->c_str());
            }
            hooks.push_back(std::move(hook));
        }
    }
};

Probe::Probe(std::unique_ptr<State> state) : state_(std::move(state)) {}
Probe::Probe(Probe&&) noexcept = default;
Probe& Probe::operator=(Probe&&) noexcept = default;
Probe::~Probe() = default;

Result<Probe> Probe::load(const KernelLayout& layout, const KernelBtf& btf) {
    libbpf_set_print(log_libbpf);
    auto state = std::make_unique<State>();
    state->has_timer_shutdown_sync = layout.has_timer_shutdown_sync;
    state->skeleton.reset(disarmd_bpf::open());
    if (!state->skeleton)
        return fail(Error::from_errno("opening the kernel programs"));

    auto& rodata = *state->skeleton->rodata;
    rodata.timer_bases_percpu = layout.timer_bases_percpu;
    rodata.timer_bases_per_cpu = layout.timer_bases_per_cpu;
    rodata.per_cpu_offset = layout.per_cpu_offset;
    rodata.possible_cpus = layout.possible_cpus;
    rodata.preempt_count_percpu = layout.preempt_count_percpu;
    rodata.modules_list = layout.modules_list;
    rodata.jiffies_clocksource = layout.jiffies_clocksource;
    rodata.delayed_work_timer_fn_addr = layout.delayed_work_timer_fn;
    rodata.modules_floor = layout.modules_floor;
    bpf_map__set_max_entries(state->skeleton->maps.running_callbacks, layout.possible_cpus);
    state->plan_hooks(btf);

    if (const int err = disarmd_bpf::load(state->skeleton.get()); err != 0)
        return fail(Error::from_libbpf(err, "loading the kernel programs (--verbose shows why)"));
    state->ring.reset(ring_buffer__new(bpf_map__fd(state->skeleton->maps.notifications),
                                       State::on_notification, state.get(), nullptr));
    if (!state->ring)
        return fail(Error::from_errno("opening the notification ring buffer"));
    return Probe(std::move(state));
}

Result<void> Probe::attach() {
    bool tracking_whole = true;
    for (std::size_t i = 0; i < hook_plans().size(); ++i) {
        auto& hook = state_->hooks[i];
        bpf_program* const prog = state_->program(hook_plans()[i].program);
        if (hook.why_not.empty()) {
            bpf_link* const link = bpf_program__attach(prog);
            if (link == nullptr)
                hook.why_not = Error::from_errno("attaching").text();
            else
                state_->links.emplace_back(link);
            hook.attached = link != nullptr;
        }
        if (hook.attached)
            continue;
        if (hook_plans()[i].role == HookRole::verdict)
            return fail({ENOTSUP, fmt::format("{} can't be watched: {}", hook.name, hook.why_not)});
        if (hook_plans()[i].role == HookRole::tracking)
            tracking_whole = false;
    }
    state_->skeleton->bss->tracking_attached = tracking_whole ? 1 : 0;
    return {};
}

Result<void> Probe::watch() {
    if (auto attached = attach(); !attached)
        return attached;
    if (auto surveyed = survey(); !surveyed)
        return fail(surveyed.error());
    return {};
}

Result<bool> Probe::survey() {
    const int fd = bpf_program__fd(state_->skeleton->progs.survey);
    for (int attempt = 0; attempt < survey_attempts; ++attempt) {
        LIBBPF_OPTS(bpf_test_run_opts, options);
        if (const int err = bpf_prog_test_run_opts(fd, &options); err != 0)
            return fail(Error::from_libbpf(err, "surveying the timers that are armed"));
        if (options.retval == 0)
            return true;
        spdlog::debug("survey attempt {}: gaps {:#x}", attempt + 1, options.retval);
    }
    return false;
}

const std::vector<Hook>& Probe::hooks() const {
    return state_->hooks;
}

std::string Probe::backend() const {
    return std::string(backend_name);
}

int Probe::wake_fd() const {
    return ring_buffer__epoll_fd(state_->ring.get());
}

Result<std::uint64_t> Probe::missed_runs() const {
    std::uint64_t missed = 0;
    for (std::size_t i = 0; i < hook_plans().size(); ++i) {
        if (!state_->hooks[i].attached)
            continue;
        bpf_prog_info info{};
        __u32 size = sizeof(info);
        if (bpf_obj_get_info_by_fd(bpf_program__fd(state_->program(hook_plans()[i].program)), &info, &size) !=
            0)
            return fail(Error::from_errno("asking whether programs missed runs"));
        missed += info.recursion_misses;
    }
    return missed;
}

Result<Coverage> Probe::take_coverage() {
    const auto missed = missed_runs();
    if (!missed)
        return fail(missed.error());
    Coverage coverage;
    coverage.backend = backend();
    coverage.tick = tick();
    coverage.has_timer_shutdown_sync = state_->has_timer_shutdown_sync;
    coverage.missed_runs = *missed;
    coverage.missed_lately = *missed != std::exchange(state_->missed_runs, *missed);
    for (std::size_t i = 0; i < hook_plans().size(); ++i) {
        if (!state_->hooks[i].attached && hook_plans()[i].role == HookRole::tracking)
            coverage.unattached_hooks.push_back(state_->hooks[i].name);
    }
    return coverage;
}

Result<void> Probe::consume(const std::function<void(const std::string&)>& on_load,
                            const std::function<void(Unload)>& on_unload) {
    if (const int err = ring_buffer__consume(state_->ring.get()); err < 0)
        return fail(Error::from_libbpf(err, "reading notifications"));
    for (const auto& module : std::exchange(state_->loaded_modules, {}))
        on_load(module);

    const bpf_map* const map = state_->skeleton->maps.unloads;
    std::vector<abi::unload_record> records;
    auto read = for_each_element<std::uint64_t, abi::unload_record>(
        map, [&](std::uint64_t, const abi::unload_record& record) {
            if (record.complete != 0)
                records.push_back(record);
        });
    if (!read)
        return fail(read.error());
    if (records.empty())
        return {};
    std::ranges::sort(records, {}, &abi::unload_record::id);
    const auto coverage = take_coverage();
    if (!coverage)
        return fail(coverage.error());
    for (const auto& record : records) {
        on_unload(judge(record, *coverage));
        if (bpf_map_delete_elem(bpf_map__fd(map), &record.id) != 0)
            return fail(Error::from_errno("taking an unload record"));
    }
    return {};
}

Result<std::vector<ArmedTimer>> Probe::armed_timers() const {
    std::vector<ArmedTimer> timers;
    auto read = for_each_element<std::uint64_t, abi::tracked_timer>(
        state_->skeleton->maps.armed_timers, [&](std::uint64_t timer, const abi::tracked_timer& entry) {
            if (entry.armed != 0)
                timers.push_back({timer, entry});
        });
    if (!read)
        return fail(read.error());
    return timers;
}

Result<std::vector<LoadedModule>> Probe::modules() const {
    std::vector<LoadedModule> modules;
    auto read = for_each_element<std::uint64_t, abi::module_instance>(
        state_->skeleton->maps.modules, [&](std::uint64_t address, const abi::module_instance& instance) {
            modules.push_back({address, instance});
        });
    if (!read)
        return fail(read.error());
    return modules;
}

std::uint64_t Probe::losses(abi::loss what) const {
    return state_->skeleton->bss->losses[what];
}

std::chrono::nanoseconds Probe::tick() const {
    return std::chrono::nanoseconds(state_->skeleton->bss->tick_ns);
}

std::uint64_t Probe::survey_jiffies() const {
    return state_->skeleton->bss->survey_jiffies;
}

} // namespace disarmd
