// SPDX-License-Identifier: Apache-2.0
#include "probe/probe.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <deque>
#include <elf.h>
#include <fstream>
#include <future>
#include <map>
#include <numeric>
#include <optional>
#include <set>
#include <span>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <linux/perf_event.h>
#include <spdlog/spdlog.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "base/unique_fd.h"
#include "disarmd.skel.h"
#include "kernel/host.h"
#include "kernel/symbol_table.h"
#include "probe/map_reader.h"
#include "probe/pins.h"
#include "verdict/decode.h"

namespace disarmd {

namespace {

// Each of a few by libbpf, for every program.
constexpr int load_attempts = 10;
// A timer softirq lasts microseconds; a survey that met one is simply run again.
constexpr int survey_attempts = 50;
// Reported timers that tracking has no room for, remembered while a verdict lasts.
constexpr std::uint32_t untracked_per_cpu = 256;
// bpf/survey.bpf.c
constexpr std::uint32_t survey_unfinished = 1U << 31U;
// With a module that is freed as the earlier programs are let go: a drain takes two seconds at most.
constexpr std::chrono::seconds unload_patience(5);
// Whether a module may be unloaded is asked by as many tasks at once, at most.
constexpr std::uint32_t questions_at_once = 16;
// Further ones are known without their history, orphans being the last of these: what they would take is
// kept for long.
constexpr std::size_t inherited_timers_max = 16384;
// Of both, that may come until these programs are attached.
constexpr std::size_t inherited_since = 1024;

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

// A module's symbol table, as far as it has arrived.
struct CopiedSymbols {
    std::size_t symbols = 0;
    std::vector<std::byte> table;
};
// Of modules that were freed without a verdict that names them.
constexpr std::size_t copied_symbols_kept = 64;

// Read until something else gets its turn.
constexpr std::size_t notes_at_once = 256;

// Tasks that are unloading a module, or did lately.
constexpr std::size_t unloaders_kept = 64;

// How often the kernel had not run a program that sees arms because one was running already.
struct MissedRuns {
    std::uint64_t at_ns = 0; // CLOCK_MONOTONIC, when that had been read
    std::uint64_t all = 0;
    // Without those of kprobes, which are taken as skipped anyway (GAP_TRACKING_UNSURE); and while a
    // module is being freed an event sees what they miss.
    std::uint64_t of_events = 0;
};
// Enough to hold one from before each free that is judged at once.
constexpr std::size_t missed_runs_kept = 64;

// Programs that know by themselves which function they are on.
const std::map<std::string, abi::deleting_function> deleting_programs{
    {"on_timer_delete_call", abi::DELETING_TIMER},
    {"on_timer_delete_sync_call", abi::DELETING_TIMER_SYNC},
    {"on_hrtimer_cancel_call", abi::DELETING_HRTIMER},
    {"on_hrtimer_try_to_cancel_call", abi::DELETING_HRTIMER_TRY},
    {"on_timer_try_delete_call", abi::DELETING_TIMER_TRY},
    {"on_timer_shutdown_call", abi::DELETING_TIMER_SHUTDOWN},
    {"on_timer_shutdown_sync_call", abi::DELETING_TIMER_SHUTDOWN_SYNC},
    {"on_work_cancel_call", abi::DELETING_WORK_CANCEL},
    {"on_work_cancel_sync_call", abi::DELETING_WORK_CANCEL_SYNC},
    {"on_work_disable_call", abi::DELETING_WORK_DISABLE},
    {"on_work_disable_sync_call", abi::DELETING_WORK_DISABLE_SYNC},
    {"on_kthread_work_cancel_call", abi::DELETING_KTHREAD_WORK}};

using Part = SymbolTable::Part;

// Without those that can't be read: addresses are told instead.
std::map<Part, SymbolTable> symbols_of(const std::set<Part>& parts) {
    auto tables = SymbolTable::read(parts);
    if (tables)
        return std::move(*tables);
    spdlog::warn("{}", tables.error().text());
    return {};
}

std::optional<Symbol> find_in(const std::map<Part, SymbolTable>& tables, Part part, std::uint64_t address) {
    const auto table = tables.find(part);
    return table == tables.end() ? std::nullopt : table->second.find(address);
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
    // What load() was given, for loading anew without a program that could not be attached.
    const KernelLayout layout;
    const ProbeSettings settings;
    const KernelOffer offer;
    Backend backend = Backend::tracepoint;
    std::string backend_reason;
    std::set<std::string> refused;

    std::unique_ptr<disarmd_bpf, FreeSkeleton> skeleton;
    struct OwnLink {
        std::unique_ptr<bpf_link, FreeLink> link;
        HookRole role;
    };
    std::vector<OwnLink> links;
    std::unique_ptr<ring_buffer, FreeRing> ring;         // of notifications
    std::unique_ptr<ring_buffer, FreeRing> symbol_ring;  // of pieces of symbol tables
    std::size_t notes = 0;                               // that were read at once
    std::map<std::uint64_t, CopiedSymbols> copied;       // by key, as of abi::symbol_piece
    std::map<std::uint64_t, SymbolTable> init_functions; // of modules that are loaded, by loaded_ns
    // But modules'; the programs' own frames are in most stacks. Being read, maybe.
    std::shared_future<std::map<Part, SymbolTable>> symbols;
    std::deque<std::pair<std::uint32_t, Task>> unloaders; // by pid, oldest first
    std::vector<HookChoice> choices;
    std::vector<Hook> hooks;                 // of the choices, in their order
    std::deque<MissedRuns> missed_runs;      // oldest first
    std::string proof_name;                  // of a module whose unload is always denied
    std::vector<std::string> loaded_modules; // notified, not yet handed out
    std::set<std::uint64_t> handed_out;      // records that are kept though, by id: oldest first
    std::vector<UnloadMark> taken_over;      // that are told, and that these programs may have seen, too
    std::uint64_t judging_ns = 0;            // since when these programs judge every free

    State(KernelLayout layout_in, ProbeSettings settings_in, KernelOffer offer_in)
        : layout(std::move(layout_in)), settings(settings_in), offer(std::move(offer_in)) {}

    [[nodiscard]] bpf_program* program(const std::string& name) const {
        return bpf_object__find_program_by_name(skeleton->obj, name.c_str());
    }

    static int on_notification(void* context, void* data, std::size_t size) {
        auto* state = static_cast<State*>(context);
        if (size < sizeof(abi::notification))
            return 0;
        const auto* note = static_cast<const abi::notification*>(data);
        if (note->kind == abi::NOTIFY_UNLOAD_BEGINS)
            state->keep_task(note->pid);
        if (note->kind == abi::NOTIFY_MODULE_LOADED)
            state->loaded_modules.emplace_back(note->module, ::strnlen(note->module, sizeof(note->module)));
        // Whoever begins unloads without end is not to keep this from everything else.
        return ++state->notes < notes_at_once ? 0 : -EAGAIN;
    }

    void keep_task(std::uint32_t pid) {
        std::erase_if(unloaders, [&](const auto& kept) { return kept.first == pid; });
        auto task = read_task(pid);
        if (!task)
            return;
        if (unloaders.size() >= unloaders_kept)
            unloaders.pop_front();
        unloaders.emplace_back(pid, std::move(*task));
    }

    // Of the task that freed the module. One that unloads was read when it began, so that nothing has to
    // wait for it now.
    std::vector<std::string> command_of(const abi::unload_record& record) {
        if (record.init_failed != 0)
            keep_task(record.pid);
        const auto task = std::ranges::find(unloaders, record.pid, &decltype(unloaders)::value_type::first);
        if (task == unloaders.end() || task->second.comm != text_of(record.comm))
            return {};
        return task->second.command;
    }

    // If the key is that of a load: of its table the functions of the init section are enough.
    void keep_init_functions(std::uint64_t loaded_ns) {
        // One that can't be read now is read again with the next: its table stays whole till then.
        (void)for_each_element<std::uint64_t, abi::module_instance>(
            bpf_map__fd(skeleton->maps.modules), "modules",
            [&](std::uint64_t, const abi::module_instance& instance) {
                if (instance.loaded_ns != loaded_ns || !copied.contains(loaded_ns))
                    return;
                const auto& whole = copied.at(loaded_ns);
                const auto& init = instance.memory.init_text;
                init_functions.insert_or_assign(
                    loaded_ns, SymbolTable::of_module(text_of(instance.name), whole.table, whole.symbols)
                                   .within(init.start, init.size));
                copied.erase(loaded_ns);
            });
        while (copied.size() > copied_symbols_kept)
            copied.erase(copied.begin());
    }

    static int on_symbol_piece(void* context, void* data, std::size_t size) {
        auto* state = static_cast<State*>(context);
        if (size < sizeof(abi::symbol_piece))
            return 0;
        const auto* piece = static_cast<const abi::symbol_piece*>(data);
        auto& copied = state->copied[piece->key];
        // One that was lost takes what comes behind it along.
        if (piece->at != copied.table.size() || piece->bytes > sizeof(piece->data))
            return 0;
        copied.symbols = piece->symbols;
        const auto bytes = std::as_bytes(std::span(piece->data).first(piece->bytes));
        copied.table.insert(copied.table.end(), bytes.begin(), bytes.end());
        if (piece->last != 0 && piece->at >= piece->symbols * sizeof(Elf64_Sym))
            state->keep_init_functions(piece->key);
        return 0;
    }

    [[nodiscard]] HookWish wish() const { return {backend, settings.tracks}; }

    void choose() {
        choices = choose_hooks(wish(), offer, refused);
        hooks.clear();
        for (const auto& choice : choices)
            hooks.push_back(choice.hook);

        bpf_program* each = nullptr;
        bpf_object__for_each_program(each, skeleton->obj) {
            bpf_program__set_autoattach(each, false);
            bpf_program__set_autoload(
                each, each == skeleton->progs.survey || each == skeleton->progs.hold ||
                          (settings.enforces &&
                           (each == denying_program() || each == skeleton->progs.drain_at_module_free)));
        }
        for (const auto& choice : choices) {
            for (const auto& chosen : choice.programs) {
                bpf_program__set_autoload(program(chosen.program), true);
                if (chosen.method == HookMethod::fentry || chosen.method == HookMethod::fexit)
                    bpf_program__set_attach_target(program(chosen.program), 0,
                                                   chosen.targets.front().c_str());
                if (const auto own = deleting_programs.find(chosen.program); own != deleting_programs.end())
                    skeleton->rodata->deleting_functions[own->second] =
                        layout.functions.at(chosen.targets.front());
            }
        }
    }

    [[nodiscard]] bpf_program* denying_program() const {
        return offer.has_bpf_lsm ? skeleton->progs.deny_unload_by_lsm : skeleton->progs.deny_unload;
    }

    // The map is there for others as well, and is the one that was there before.
    Result<void> share_permissions() const {
        if (auto prepared = prepare_pins(); !prepared)
            return prepared;
        if (const int err = bpf_map__set_pin_path(skeleton->maps.permissions, permissions_pin); err != 0)
            return fail(Error::from_libbpf(err, fmt::format("sharing {}", permissions_pin)));
        return {};
    }

    // For the survey.
    Result<void> inherit(Inheritance& known) const {
        const auto put = [](const bpf_map* map, std::uint64_t key, const auto& value) -> Result<void> {
            if (bpf_map_update_elem(bpf_map__fd(map), &key, &value, BPF_ANY) != 0)
                return fail(Error::from_errno(fmt::format("filling map {}", bpf_map__name(map))));
            return {};
        };
        Result<void> done;
        const auto& maps = skeleton->maps;
        std::partition(known.timers.begin(), known.timers.end(),
                       [](const ArmedTimer& timer) { return timer.state.orphaned != 0; });
        const auto fit = [](auto& elements, const bpf_map* map) {
            elements.resize(std::min<std::size_t>(elements.size(), bpf_map__max_entries(map)));
        };
        fit(known.timers, maps.inherited_timers);
        fit(known.modules, maps.inherited_modules);
        for (auto timer = known.timers.begin(); done && timer != known.timers.end(); ++timer)
            done = put(maps.inherited_timers, timer->timer, timer->state);
        for (auto module = known.modules.begin(); done && module != known.modules.end(); ++module)
            done = put(maps.inherited_modules, module->address, module->instance);
        for (auto each = known.evidence.begin(); done && each != known.evidence.end(); ++each)
            done = put(maps.evidence, each->first, each->second);
        return done;
    }

    // Whether an earlier daemon's programs saw it as well, and it is told.
    bool is_told(const UnloadMark& unload) {
        const auto same = std::ranges::find_if(
            taken_over, [&](const UnloadMark& told) { return is_same_unload(told, unload); });
        if (same == taken_over.end())
            return false;
        taken_over.erase(same);
        return true;
    }

    // One that is gone already was let go by another thread.
    [[nodiscard]] Result<void> take(std::uint64_t id) const {
        if (bpf_map_delete_elem(bpf_map__fd(skeleton->maps.unloads), &id) == 0)
            std::atomic_ref(skeleton->bss->unloads_kept).fetch_sub(1);
        else if (errno != ENOENT)
            return fail(Error::from_errno("taking an unload record"));
        return {};
    }

    // Opens and loads the skeleton for the backend. The kernel gives up on a program as soon as a signal is
    // pending, be it that the process is stopped and goes on: that says nothing of the program.
    Result<void> load() {
        for (int attempt = 1;; ++attempt) {
            auto loaded = load_once();
            if (loaded || loaded.error().code() != EAGAIN || attempt == load_attempts)
                return loaded;
        }
    }

    Result<void> load_once() {
        ring.reset();
        symbol_ring.reset();
        // As one that was named: else libbpf looks for the types that this kernel lacks in those of every
        // module, which takes CAP_SYS_ADMIN.
        bpf_object_open_opts options{};
        options.sz = sizeof(options);
        options.btf_custom_path = vmlinux_btf_path;
        skeleton.reset(disarmd_bpf::open(&options));
        if (!skeleton)
            return fail(Error::from_errno("opening the kernel programs"));
        auto& rodata = *skeleton->rodata;
        rodata.timer_bases_percpu = layout.timer_bases_percpu;
        rodata.timer_bases_per_cpu = layout.timer_bases_per_cpu;
        rodata.hrtimer_bases_percpu = layout.hrtimer_bases_percpu;
        rodata.per_cpu_offset = layout.per_cpu_offset;
        rodata.possible_cpus = layout.possible_cpus;
        rodata.preempt_count_percpu = layout.preempt_count_percpu;
        rodata.modules_list = layout.modules_list;
        rodata.jiffies_clocksource = layout.jiffies_clocksource;
        rodata.delayed_work_timer_fn_addr = layout.delayed_work_timer_fn;
        rodata.kthread_delayed_work_timer_fn_addr = layout.kthread_delayed_work_timer_fn;
        rodata.alarmtimer_fired_addr = layout.alarmtimer_fired;
        rodata.modules_floor = layout.modules_floor;
        rodata.ftrace_enabled_addr = layout.ftrace_enabled;
        rodata.kprobes_all_disarmed_addr = layout.kprobes_all_disarmed;
        rodata.scan_steps = settings.scan_steps;
        rodata.armed_timers_max = settings.armed_timers;
        // Another's program may be asked first, and would answer for this one.
        proof_name = fmt::format("{}{}", DISARMD_PROOF_NAME, monotonic_ns());
        copy_text(rodata.proof_name, proof_name);
        rodata.tracks = settings.tracks ? 1 : 0;
        rodata.tracked_by_kprobes = backend == Backend::kprobe ? 1 : 0;
        const auto& maps = skeleton->maps;
        bpf_map__set_max_entries(maps.armed_timers, settings.armed_timers);
        rodata.unloads_max = settings.unloads;
        bpf_map__set_max_entries(maps.unloads, settings.unloads + questions_at_once);
        for (bpf_map* const per_cpu : {maps.cpus, maps.recent_arms, maps.percpu_areas})
            bpf_map__set_max_entries(per_cpu, layout.possible_cpus);
        bpf_map__set_max_entries(maps.reported_untracked, layout.possible_cpus * untracked_per_cpu);
        if (settings.inherits) {
            skeleton->bss->others_judge = 1;
            bpf_map__set_max_entries(maps.inherited_timers,
                                     static_cast<std::uint32_t>(std::min(
                                         settings.inherits->timers + inherited_since, inherited_timers_max)));
            bpf_map__set_max_entries(
                maps.inherited_modules,
                static_cast<std::uint32_t>(settings.inherits->modules + inherited_since));
        }
        if (settings.shares_permissions) {
            if (auto shared = share_permissions(); !shared)
                spdlog::warn("disarmd allow-once can't work: {}", shared.error().text());
        }
        choose();

        if (const int err = disarmd_bpf::load(skeleton.get()); err != 0)
            return fail(Error::from_libbpf(err, fmt::format("loading the kernel programs of the {} backend "
                                                            "(--verbose shows why)",
                                                            name_of(backend))));
        ring.reset(ring_buffer__new(bpf_map__fd(maps.notifications), State::on_notification, this, nullptr));
        if (!ring)
            return fail(Error::from_errno("opening the notification ring buffer"));
        symbol_ring.reset(
            ring_buffer__new(bpf_map__fd(maps.symbol_pieces), State::on_symbol_piece, this, nullptr));
        if (!symbol_ring)
            return fail(Error::from_errno("opening the ring buffer of symbols"));
        return {};
    }

    // Attaches a hook's programs; the error is that of the first place that refused.
    Result<void> attach(const HookChoice& choice) {
        for (const auto& chosen : choice.programs) {
            bpf_program* const prog = program(chosen.program);
            for (const auto& target : chosen.targets) {
                bpf_link* link = nullptr;
                if (chosen.method == HookMethod::kprobe || chosen.method == HookMethod::kretprobe)
                    link = bpf_program__attach_kprobe(prog, chosen.method == HookMethod::kretprobe,
                                                      target.c_str());
                else
                    link = bpf_program__attach(prog);
                if (link == nullptr) {
                    refused.insert(chosen.program);
                    return fail(Error::from_errno(fmt::format("attaching to {}", target)));
                }
                links.push_back({std::unique_ptr<bpf_link, FreeLink>(link), choice.role});
            }
        }
        return {};
    }

    // Without any, until somebody began to read them.
    const std::map<Part, SymbolTable>& wait_for_symbols() const {
        static const std::map<Part, SymbolTable> none;
        return symbols.valid() ? symbols.get() : none;
    }

    // For as long as the record and this live. Other modules' symbols it reads when it is asked.
    CodeNames names_for(const abi::unload_record& record) {
        const auto module = text_of(record.module);
        const auto table_of = [&](std::uint64_t key) {
            const auto found = copied.find(key);
            return found == copied.end()
                       ? SymbolTable{}
                       : SymbolTable::of_module(module, found->second.table, found->second.symbols);
        };
        const auto own = std::make_shared<SymbolTable>(table_of(record.id));
        const auto kept = init_functions.find(record.loaded_ns);
        const auto init = std::make_shared<SymbolTable>(
            kept != init_functions.end() ? kept->second : table_of(record.loaded_ns));
        const auto others = std::make_shared<std::optional<std::map<Part, SymbolTable>>>();
        const auto twice = std::make_shared<bool>(false);
        const auto afterwards = [this, &record, own, others, twice](std::uint64_t address) {
            if (is_in_module(record, address))
                return own->find(address);
            if (address < layout.modules_floor)
                return find_in(wait_for_symbols(), Part::core, address);
            if (auto found = find_in(wait_for_symbols(), Part::programs, address))
                return found;
            if (!*others)
                *others = symbols_of({Part::modules});
            auto found = find_in(**others, Part::modules, address);
            if (found || *twice)
                return found;
            // A module that goes while the list is read takes some of the next one's functions along.
            *twice = true;
            *others = symbols_of({Part::modules});
            return find_in(**others, Part::modules, address);
        };
        return {[&record, init, afterwards](std::uint64_t address) {
                    return is_in_init(record, address) ? init->find(address) : afterwards(address);
                },
                afterwards};
    }

    // Distances between per-CPU areas are multiples of it; see in_percpu() in bpf/report.h.
    Result<std::uint64_t> percpu_stride() const {
        std::optional<std::uint64_t> first;
        std::uint64_t stride = 0;
        auto read = for_each_element<std::uint64_t, std::uint32_t>(
            bpf_map__fd(skeleton->maps.percpu_areas), "percpu_areas", [&](std::uint64_t area, std::uint32_t) {
                if (!first)
                    first = area;
                stride = std::gcd(stride, area > *first ? area - *first : *first - area);
            });
        if (!read)
            return fail(read.error());
        return stride;
    }
};

namespace {

// By trying: Debian's kernels want more than CAP_PERFMON for it (kernel.perf_event_paranoid = 3). What else
// may be in the way is seen when one is attached.
bool may_use_kprobes() {
    std::ifstream file("/sys/bus/event_source/devices/kprobe/type");
    perf_event_attr event{};
    if (!(file >> event.type))
        return true;
    event.size = sizeof(event);
    event.kprobe_func = reinterpret_cast<std::uint64_t>("free_module");
    const UniqueFd fd(static_cast<int>(
        ::syscall(SYS_perf_event_open, &event, /*pid=*/-1, /*cpu=*/0, /*group=*/-1, PERF_FLAG_FD_CLOEXEC)));
    return fd || (errno != EACCES && errno != EPERM);
}

} // namespace

Probe::Probe(std::shared_ptr<State> state) : state_(std::move(state)) {}
Probe::Probe(Probe&&) noexcept = default;
Probe& Probe::operator=(Probe&&) noexcept = default;
Probe::~Probe() = default;

Result<Probe> Probe::load(const KernelLayout& layout, const KernelBtf& btf, const ProbeSettings& settings) {
    libbpf_set_print(log_libbpf);
    std::set<std::string> functions;
    for (const auto& function : layout.functions)
        functions.insert(function.first);
    KernelOffer offer{btf.tracepoints_among(hook_tracepoints()),
                      btf.functions_among(hook_functions()),
                      std::move(functions),
                      libbpf_probe_bpf_helper(BPF_PROG_TYPE_KPROBE, BPF_FUNC_loop, nullptr) == 1,
                      has_active_lsm("bpf"),
                      may_use_kprobes()};
    auto state = std::make_shared<State>(layout, settings, std::move(offer));

    if (settings.backend != Backend::automatic) {
        state->backend = settings.backend;
        state->backend_reason = "it was asked for";
        if (auto loaded = state->load(); !loaded)
            return fail(loaded.error());
        return Probe(std::move(state));
    }
    const auto lacks = settings.tracks ? lacking_tracepoints(state->offer) : std::vector<std::string>();
    if (lacks.empty()) {
        state->backend = Backend::tracepoint;
        state->backend_reason = settings.tracks ? "this kernel has every timer event, with its type"
                                                : "no timer event is needed while tracking is off";
        auto loaded = state->load();
        if (loaded)
            return Probe(std::move(state));
        spdlog::debug("{}; trying kprobes", loaded.error().text());
        state->backend_reason = loaded.error().text();
    } else {
        state->backend_reason = fmt::format("this kernel has no typed event {}", fmt::join(lacks, ", "));
    }
    state->backend = Backend::kprobe;
    if (auto loaded = state->load(); !loaded)
        return fail(loaded.error());
    return Probe(std::move(state));
}

void Probe::detach() {
    state_->links.clear();
    for (auto& hook : state_->hooks)
        hook.attached = false;
}

Result<void> Probe::attach() {
    bool tracking_whole = true;
    bool deletes_whole = state_->settings.tracks;
    for (std::size_t i = 0; i < state_->choices.size(); ++i) {
        const auto& choice = state_->choices[i];
        auto& hook = state_->hooks[i];
        auto attached = choice.programs.empty()
                            ? Result<void>(fail({ENOENT, fmt::format("this kernel has no {}", hook.name)}))
                            : state_->attach(choice);
        if (attached) {
            hook.attached = true;
            if (hook.purpose == memory_hook_purpose)
                state_->skeleton->bss->memory_free_attached = 1;
            continue;
        }
        if (!choice.programs.empty()) {
            // Another way may be left: everything is loaded anew with it.
            const auto next = choose_hooks(state_->wish(), state_->offer, state_->refused);
            if (!next[i].programs.empty()) {
                spdlog::debug("{}: {}; another way is left", hook.purpose, attached.error().text());
                detach();
                if (auto loaded = state_->load(); !loaded)
                    return loaded;
                return attach();
            }
            for (auto& attempt : hook.attempts) {
                if (attempt.outcome == attempt_taken)
                    attempt.outcome = attached.error().text();
            }
        }
        if (choice.role == HookRole::verdict)
            return fail(
                {ENOTSUP, fmt::format("{} can't be watched: {}", hook.purpose, attached.error().text())});
        if (choice.role == HookRole::tracking)
            tracking_whole = false;
        if (choice.sees_deletes)
            deletes_whole = false;
    }
    state_->skeleton->bss->tracking_attached = tracking_whole ? 1 : 0;
    state_->skeleton->bss->deletes_attached = deletes_whole ? 1 : 0;
    state_->skeleton->bss->watching_ns = monotonic_ns();
    return {};
}

Result<void> Probe::watch(const std::function<Inheritance()>& ask_others) {
    if (auto attached = attach(); !attached)
        return attached;
    Inheritance known;
    if (state_->settings.inherits && ask_others) {
        state_->skeleton->bss->inheriting_ns = monotonic_ns();
        known = ask_others();
    }
    if (auto inherited = state_->inherit(known); !inherited)
        return inherited;
    if (auto surveyed = survey(); !surveyed)
        return fail(surveyed.error());
    std::atomic_ref(state_->skeleton->bss->others_judge).store(0);
    state_->judging_ns = monotonic_ns();
    if (auto missed = note_missed_runs(); !missed)
        return fail(missed.error());
    return {};
}

void Probe::begin_to_read_symbols() {
    state_->symbols = std::async(std::launch::async, [] { return symbols_of({Part::core, Part::programs}); });
}

void Probe::rehearse() const {
    auto record = std::make_unique<abi::unload_record>();
    record->memory.ranges[0] = {state_->layout.modules_floor, 1};
    record->pending_count = 1;
    auto& pending = record->pending[0];
    pending.armed_ns = pending.deleted_ns = 1;
    pending.evidence.arm_stack_ns = pending.evidence.deleted_ns = 1;
    pending.evidence.arm_frames = pending.evidence.delete_frames = 1;
    pending.evidence.arm_stack[0] = pending.evidence.delete_stack[0] = state_->layout.delayed_work_timer_fn;
    static_cast<void>(judge(*record, take_coverage(0), state_->names_for(*record)));
}

Result<std::uint32_t> Probe::survey() {
    const int fd = bpf_program__fd(state_->skeleton->progs.survey);
    std::uint32_t gaps = 0;
    for (int attempt = 0; attempt < survey_attempts; ++attempt) {
        state_->skeleton->bss->survey_begins = 1;
        do {
            LIBBPF_OPTS(bpf_test_run_opts, options);
            if (const int err = bpf_prog_test_run_opts(fd, &options); err != 0)
                return fail(Error::from_libbpf(err, "surveying the timers that are armed"));
            gaps = options.retval;
        } while (gaps == survey_unfinished);
        if (attempt == 0) {
            const auto stride = state_->percpu_stride();
            if (!stride)
                return fail(stride.error());
            state_->skeleton->bss->percpu_stride = *stride;
        }
        if ((gaps & ~static_cast<std::uint32_t>(abi::GAP_SCAN_ABSENT)) == 0)
            break;
        spdlog::debug("survey attempt {}: gaps {:#x}", attempt + 1, gaps);
    }
    return gaps;
}

bool Probe::survey_complete() const {
    return state_->skeleton->bss->survey_complete != 0;
}

const std::vector<Hook>& Probe::hooks() const {
    return state_->hooks;
}

std::string Probe::backend() const {
    return std::string(name_of(state_->backend));
}

std::string Probe::backend_reason() const {
    return state_->backend_reason;
}

int Probe::wake_fd() const {
    return ring_buffer__epoll_fd(state_->ring.get());
}

Result<std::uint64_t> Probe::note_missed_runs() {
    MissedRuns missed;
    std::set<std::string> asked;
    for (std::size_t i = 0; i < state_->choices.size(); ++i) {
        for (const auto& chosen : state_->choices[i].programs) {
            if (!state_->choices[i].sees_arms || !state_->hooks[i].attached ||
                !asked.insert(chosen.program).second)
                continue;
            bpf_prog_info info{};
            __u32 size = sizeof(info);
            if (bpf_obj_get_info_by_fd(bpf_program__fd(state_->program(chosen.program)), &info, &size) != 0)
                return fail(Error::from_errno("asking whether programs missed runs"));
            missed.all += info.recursion_misses;
            if (chosen.method != HookMethod::kprobe)
                missed.of_events += info.recursion_misses;
        }
    }
    missed.at_ns = monotonic_ns();
    state_->missed_runs.push_back(missed);
    if (state_->missed_runs.size() > missed_runs_kept)
        state_->missed_runs.pop_front();
    return missed.all;
}

bool Probe::missed_since(std::uint64_t time_ns) const {
    // The last count from before; without one, all that were ever missed.
    std::uint64_t before = 0;
    for (const auto& noted : state_->missed_runs) {
        if (noted.at_ns <= time_ns)
            before = noted.of_events;
    }
    return state_->missed_runs.back().of_events != before;
}

Coverage Probe::take_coverage(std::uint64_t missed) const {
    Coverage coverage;
    coverage.backend = backend();
    coverage.tick = tick();
    coverage.has_timer_shutdown_sync = state_->layout.has_timer_shutdown_sync;
    for (std::size_t i = 0; i < coverage.losses.size(); ++i)
        coverage.losses.at(i) = losses(static_cast<abi::loss>(i));
    coverage.missed_runs = missed;
    coverage.deleting_functions = deleting_functions();
    coverage.modules_floor = state_->layout.modules_floor;
    for (std::size_t i = 0; i < state_->choices.size(); ++i) {
        if (!state_->hooks[i].attached && state_->choices[i].role == HookRole::tracking)
            coverage.unattached_hooks.push_back(
                fmt::format("{} ({})", state_->hooks[i].purpose, state_->hooks[i].name));
    }
    return coverage;
}

Result<void> Probe::consume(const std::function<void(const std::string&)>& on_load,
                            const std::function<void(Unload)>& on_unload,
                            const std::function<void()>& on_leak) {
    state_->notes = 0;
    if (const int err = ring_buffer__consume(state_->ring.get()); err < 0 && err != -EAGAIN)
        return fail(Error::from_libbpf(err, "reading notifications"));
    const int map = bpf_map__fd(state_->skeleton->maps.unloads);
    std::vector<abi::unload_record> records;
    std::set<std::uint64_t> kept;
    auto read = for_each_element<std::uint64_t, abi::unload_record>(
        map, "unloads", [&](std::uint64_t id, const abi::unload_record& record) {
            if (state_->handed_out.contains(id))
                kept.insert(id);
            if (record.complete == 0 || state_->handed_out.contains(id))
                return;
            if (on_leak && record.verdict == abi::VERDICT_LEAK)
                on_leak();
            records.push_back(record);
        });
    if (!read)
        return fail(read.error());
    state_->handed_out = std::move(kept);
    // After the records were read: what was missed while they came about is counted. When nothing
    // is to be judged it is what the next verdicts compare with.
    const auto missed = note_missed_runs();
    if (!missed)
        return fail(missed.error());
    // A record is complete only after its module's symbols are in their ring.
    if (const int err = ring_buffer__consume(state_->symbol_ring.get()); err < 0)
        return fail(Error::from_libbpf(err, "reading symbols"));
    for (const auto& module : std::exchange(state_->loaded_modules, {}))
        on_load(module);
    if (records.empty())
        return {};
    std::ranges::sort(records, {}, &abi::unload_record::id);
    auto coverage = take_coverage(*missed);
    for (const auto& record : records) {
        const bool told = state_->is_told(mark_of(record));
        if (!told) {
            coverage.rule = read_rule(bpf_map__fd(state_->skeleton->maps.rules), record.rule);
            coverage.missed_since_load = missed_since(record.loaded_ns);
            coverage.missed_lately = missed_since(record.freed_ns);
            auto unload = judge(record, coverage, state_->names_for(record));
            unload.command = state_->command_of(record);
            unload.kept = keep(record.id);
            state_->handed_out.insert(record.id);
            on_unload(std::move(unload));
        }
        for (const auto key : {record.id, record.loaded_ns}) {
            state_->copied.erase(key);
            state_->init_functions.erase(key);
        }
        if (told) {
            if (auto taken = state_->take(record.id); !taken)
                return taken;
        }
    }
    // What comes needs room more than what waits for a slow disk.
    while (state_->handed_out.size() > state_->settings.unloads / 4) {
        const auto oldest = state_->handed_out.begin();
        if (auto taken = state_->take(*oldest); !taken)
            return taken;
        state_->handed_out.erase(oldest);
    }
    return {};
}

std::shared_ptr<const void> Probe::keep(std::uint64_t record) const {
    return {state_.get(), [kept_by = std::weak_ptr(state_), record](const void*) {
                const auto state = kept_by.lock();
                if (auto taken = state ? state->take(record) : Result<void>(); !taken)
                    spdlog::error("{}", taken.error().text());
            }};
}

// Records of what an earlier daemon's programs may have recorded as well.
struct Probe::Copies {
    std::vector<UnloadMark> unloads; // that are complete
    std::function<Result<void>(std::uint64_t id)> take;

    [[nodiscard]] bool has(const UnloadMark& unload) const {
        return std::ranges::any_of(unloads,
                                   [&](const UnloadMark& own) { return is_same_unload(own, unload); });
    }
    Result<void> drop(const UnloadMark& unload) {
        Result<void> done;
        std::erase_if(unloads, [&](const UnloadMark& own) {
            const bool same = is_same_unload(own, unload);
            if (done && same)
                done = take(own.id);
            return same;
        });
        return done;
    }
};

Result<std::vector<Probe::Copies>> Probe::copies(std::span<const Predecessor> later) const {
    std::vector<Copies> all;
    for (const auto& each : later) {
        const auto records = each.records(std::chrono::milliseconds(0));
        if (!records)
            continue; // told when it is its turn
        auto& copies = all.emplace_back();
        for (const auto& record : *records) {
            if (record.complete != 0)
                copies.unloads.push_back(mark_of(record));
        }
        copies.take = [&each](std::uint64_t id) { return each.take(id); };
    }
    auto& own = all.emplace_back();
    auto read = for_each_element<std::uint64_t, abi::unload_record>(
        bpf_map__fd(state_->skeleton->maps.unloads), "unloads",
        [&](std::uint64_t, const abi::unload_record& record) {
            if (record.complete != 0)
                own.unloads.push_back(mark_of(record));
        });
    if (!read)
        return fail(read.error());
    own.take = [this](std::uint64_t id) { return state_->take(id); };
    return all;
}

Result<void> Probe::take_over(const Predecessor& before, std::span<const Predecessor> later,
                              const std::function<void(Unload)>& on_unload) {
    // One that is being freed is theirs, whose record has its begin.
    if (auto written = before.records(unload_patience); !written)
        return fail(written.error());
    if (auto detached = before.detach(); !detached)
        return detached;
    auto records = before.records(std::chrono::milliseconds(0));
    if (!records)
        return fail(records.error());
    if (const int pieces = before.symbol_pieces(); pieces >= 0) {
        const std::unique_ptr<ring_buffer, FreeRing> ring(
            ring_buffer__new(pieces, State::on_symbol_piece, state_.get(), nullptr));
        if (!ring || ring_buffer__consume(ring.get()) < 0)
            spdlog::warn("{}", Error::from_errno("reading the symbols of modules that are gone").text());
    }
    auto copies_of_them = copies(later);
    if (!copies_of_them)
        return fail(copies_of_them.error());
    auto coverage = take_coverage(0);
    for (std::size_t i = 0; i < coverage.losses.size(); ++i)
        coverage.losses.at(i) = before.losses(static_cast<abi::loss>(i));
    std::vector<UnloadMark> told_now;
    for (auto& record : *records) {
        if (record.denied == 0) {
            if (!before.kept_watching())
                record.gaps |= abi::GAP_HOOKS;
            if (!before.is_whole())
                record.deletes_whole = 0;
            record.verdict = abi::verdict_of(record.pending_count, record.gaps);
        }
        const auto mark = mark_of(record);
        const bool told = state_->is_told(mark);
        // These programs see the end that was kept from those, or someone has seen more of it.
        const bool others_know =
            (record.complete == 0 && record.freed_ns > state_->judging_ns) ||
            (record.verdict == abi::VERDICT_INCONCLUSIVE &&
             std::ranges::any_of(*copies_of_them, [&](const Copies& copies) { return copies.has(mark); }));
        if (!told && !others_know) {
            for (auto& copies : *copies_of_them) {
                if (auto dropped = copies.drop(mark); !dropped)
                    return dropped;
            }
            told_now.push_back(mark);
            coverage.rule = before.rule(record.rule);
            auto unload = judge(record, coverage, state_->names_for(record));
            if (!before.is_of_this_schema()) {
                // Of which nothing is known.
                unload.pending.clear();
                unload.advice.clear();
            }
            unload.kept = before.keep(record.id);
            on_unload(std::move(unload));
            state_->copied.erase(record.id);
        } else if (auto taken = before.take(record.id); !taken) {
            return taken;
        }
    }
    state_->taken_over.insert(state_->taken_over.end(), told_now.begin(), told_now.end());
    before.remove_when_taken();
    return {};
}

Result<void> Probe::hold_frees() {
    LIBBPF_OPTS(bpf_test_run_opts, options);
    if (const int err = bpf_prog_test_run_opts(bpf_program__fd(state_->skeleton->progs.hold), &options);
        err != 0)
        return fail(Error::from_libbpf(err, "holding the free of a module"));
    return {};
}

void Probe::keep_holding(std::uint64_t until_ns) {
    std::atomic_ref(state_->skeleton->bss->hold_until_ns).store(until_ns);
}

PolicyPorts Probe::policy_ports() const {
    auto& skeleton = *state_->skeleton;
    PolicyPorts ports;
    ports.rules = bpf_map__fd(skeleton.maps.rules);
    ports.module_facts = bpf_map__fd(skeleton.maps.module_facts);
    ports.deny = state_->denying_program();
    ports.proof_name = state_->proof_name;
    ports.drain = skeleton.progs.drain_at_module_free;
    ports.rules_in_force = &skeleton.bss->rules_in_force;
    ports.drain_attached = &skeleton.bss->drain_attached;
    ports.drain_limit_ns = &skeleton.bss->drain_limit_ns;
    ports.proofs = &skeleton.bss->proofs;
    ports.denies_since_ns = &skeleton.bss->denies_since_ns;
    return ports;
}

std::vector<LinkToPin> Probe::links() const {
    std::vector<LinkToPin> links;
    links.reserve(state_->links.size());
    for (const auto& own : state_->links)
        links.push_back({own.link.get(), own.role == HookRole::detail});
    return links;
}

std::map<std::string, int> Probe::maps_to_keep() const {
    const auto& maps = state_->skeleton->maps;
    return {{"armed_timers", bpf_map__fd(maps.armed_timers)},
            {"evidence", bpf_map__fd(maps.evidence)},
            {"modules", bpf_map__fd(maps.modules)},
            {"unloads", bpf_map__fd(maps.unloads)},
            {"symbol_pieces", bpf_map__fd(maps.symbol_pieces)},
            {"losses", bpf_map__fd(maps.data_losses)},
            {"rules", bpf_map__fd(maps.rules)},
            {"module_facts", bpf_map__fd(maps.module_facts)}};
}

Result<std::vector<ArmedTimer>> Probe::armed_timers() const {
    auto timers = tracked_timers();
    if (timers)
        std::erase_if(*timers, [](const ArmedTimer& timer) { return timer.state.armed == 0; });
    return timers;
}

Result<std::vector<ArmedTimer>> Probe::tracked_timers() const {
    std::vector<ArmedTimer> timers;
    auto read = for_each_element<std::uint64_t, abi::tracked_timer>(
        bpf_map__fd(state_->skeleton->maps.armed_timers), "armed_timers",
        [&](std::uint64_t timer, const abi::tracked_timer& entry) {
            timers.push_back({timer, entry});
        });
    if (!read)
        return fail(read.error());
    return timers;
}

Result<std::vector<LoadedModule>> Probe::modules() const {
    std::vector<LoadedModule> modules;
    auto read = for_each_element<std::uint64_t, abi::module_instance>(
        bpf_map__fd(state_->skeleton->maps.modules), "modules",
        [&](std::uint64_t address, const abi::module_instance& instance) {
            modules.push_back({address, instance});
        });
    if (!read)
        return fail(read.error());
    return modules;
}

Result<std::vector<ProgramRuns>> Probe::program_runs() const {
    std::vector<ProgramRuns> all;
    bpf_program* each = nullptr;
    bpf_object__for_each_program(each, state_->skeleton->obj) {
        const int fd = bpf_program__fd(each);
        if (fd < 0)
            continue;
        bpf_prog_info info{};
        __u32 size = sizeof(info);
        if (bpf_obj_get_info_by_fd(fd, &info, &size) != 0)
            return fail(Error::from_errno("asking how often programs ran"));
        all.push_back({bpf_program__name(each), info.run_cnt, std::chrono::nanoseconds(info.run_time_ns)});
    }
    return all;
}

Result<std::vector<std::uint64_t>> Probe::percpu_areas() const {
    std::vector<std::uint64_t> areas;
    auto read = for_each_element<std::uint64_t, std::uint32_t>(
        bpf_map__fd(state_->skeleton->maps.percpu_areas), "percpu_areas",
        [&](std::uint64_t area, std::uint32_t) { areas.push_back(area); });
    if (!read)
        return fail(read.error());
    return areas;
}

std::uint64_t Probe::losses(abi::loss what) const {
    return state_->skeleton->data_losses->losses[what];
}

std::uint64_t Probe::known_timers() const {
    return state_->skeleton->bss->tracked_count;
}

std::chrono::nanoseconds Probe::tick() const {
    return std::chrono::nanoseconds(state_->skeleton->bss->tick_ns);
}

KernelClocks Probe::clocks() const {
    const auto& survey = *state_->skeleton->bss;
    const auto now = monotonic_ns();
    const auto ticks = survey.tick_ns != 0 ? (now - survey.survey_ns) / survey.tick_ns : 0;
    return {survey.survey_jiffies + ticks, tick(), now};
}

} // namespace disarmd
