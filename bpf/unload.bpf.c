// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause

/*
 * The life of a module: loaded, its unload begun, freed. The verdict is computed
 * here, while the module's memory still exists, and stored before anyone is told.
 */

#include <asm/ptrace.h>
#include "kernel.h"
#include "compat.h"
#include "look.h"
#include "maps.h"
#include "symbols.h"

#define ID_ATTEMPTS 8
/* Of bpf_loop(): BPF_MAX_LOOPS (kernel/bpf/bpf_iter.c). */
#define LOOP_STEPS  (1U << 23)
#define PATIENCE_NS 10000000 /* 10 ms */
#define REPEATS_MIN 2
/* Of a loop whose every turn the verifier walks, in a time that grows faster than the turns. */
#define UNROLLED_TURNS 128

/* What a new record starts as: too large for a program's stack, and never written. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct unload_record);
} blank_unload SEC(".maps");

static __always_inline void notify(u32 kind, const char *module)
{
	struct notification *note = bpf_ringbuf_reserve(&notifications, sizeof(*note), 0);

	if (!note) {
		count_loss(LOSS_NOTIFY);
		return;
	}
	__builtin_memset(note, 0, sizeof(*note));
	note->kind = kind;
	note->pid = bpf_get_current_pid_tgid() >> 32;
	__builtin_memcpy(note->module, module, sizeof(note->module));
	bpf_ringbuf_submit(note, 0);
}

/* Raw tracepoints hand over their arguments as plain numbers. */
static __always_inline u64 argument(struct bpf_raw_tracepoint_args *ctx)
{
	return ctx->args[0];
}

SEC("raw_tp/module_load")
int on_module_load(struct bpf_raw_tracepoint_args *ctx)
{
	struct module_instance instance = {};
	u64 mod = argument(ctx);

	u64 task = bpf_get_current_pid_tgid();
	u64 *begun_ns = bpf_map_lookup_elem(&loading_tasks, &task);

	instance.loaded_ns = bpf_ktime_get_ns();
	last_load_ns = instance.loaded_ns;
	if (begun_ns) {
		instance.begun_ns = *begun_ns;
		bpf_map_delete_elem(&loading_tasks, &task);
	}
	if (read_kernel(&instance.name, sizeof(instance.name),
			mod + bpf_core_field_offset(struct module, name)))
		count_loss(LOSS_READ);
	read_module_memory(mod, &instance.memory);
	if (bpf_map_update_elem(&modules, &mod, &instance, BPF_ANY))
		count_loss(LOSS_MODULE_MAP);
	notify(NOTIFY_MODULE_LOADED, instance.name);
	return 0;
}

static __always_inline void enter_task(u32 doing, u64 mod)
{
	struct module_task entry = {
		.begun_ns = bpf_ktime_get_ns(),
		.module = mod,
		.doing = doing,
		.watched = watching_ns != 0,
	};
	u64 task = bpf_get_current_pid_tgid();

	last_module_task_ns = entry.begun_ns;

	if (bpf_map_update_elem(&module_tasks, &task, &entry, BPF_ANY))
		count_loss(LOSS_TASK_MAP);
}

/* As the system call is about to ask. Others come to nothing, and may come as often as they like.
 */
static __always_inline bool may_unload(void)
{
	u64 task = bpf_get_current_task(), cred = 0, caps = 0, ns = 0;
	u32 level = 0;

	if (read_u64(&cred, task + bpf_core_field_offset(struct task_struct, cred)) ||
	    read_u64(&caps, cred + bpf_core_field_offset(struct cred, cap_effective)) ||
	    read_u64(&ns, cred + bpf_core_field_offset(struct cred, user_ns)) ||
	    read_u32(&level, ns + bpf_core_field_offset(struct user_namespace, level)))
		return true; /* rather one too many */
	return caps & (1ULL << CAP_SYS_MODULE) && !level;
}

static __always_inline int unload_begins(void)
{
	if (!may_unload())
		return 0;
	enter_task(TASK_DELETES, 0);
	notify(NOTIFY_UNLOAD_BEGINS, (char[DISARMD_MODULE_NAME_LEN]){});
	return 0;
}

/* The delete_module system call. User space names the function of this and the next programs. */
SEC("fentry")
int on_delete_module(void *ctx)
{
	return unload_begins();
}

SEC("kprobe")
int kprobe_delete_module(void *ctx)
{
	return unload_begins();
}

static __always_inline int load_begins(void)
{
	u64 task = bpf_get_current_pid_tgid();
	u64 now = bpf_ktime_get_ns();

	last_load_ns = now;
	last_module_task_ns = now;
	bpf_map_update_elem(&loading_tasks, &task, &now, BPF_ANY);
	return 0;
}

/* load_module(): the module has no memory yet. */
SEC("fentry")
int on_load_module(void *ctx)
{
	return load_begins();
}

SEC("kprobe")
int kprobe_load_module(void *ctx)
{
	return load_begins();
}

/*
 * do_init_module(), which runs the init function, and frees the module if that fails. The kernel
 * forgets the names of init functions before it returns.
 */
static __always_inline void init_begins(u64 mod)
{
	struct module_instance *instance = bpf_map_lookup_elem(&modules, &mod);

	enter_task(TASK_INITIALISES, mod);
	if (instance && instance->memory.init_text.size)
		copy_symbols_of(mod, &instance->memory, instance->loaded_ns);
}

SEC("fentry")
int on_init_module(u64 *ctx)
{
	u64 mod = 0;

	if (bpf_probe_read_kernel(&mod, sizeof(mod), ctx))
		count_loss(LOSS_READ);
	init_begins(mod);
	return 0;
}

SEC("kprobe")
int BPF_KPROBE(kprobe_init_module, u64 mod)
{
	init_begins(mod);
	return 0;
}

/* The functions that move the timers of a CPU that goes offline: they arm nothing. */
SEC("fentry")
int on_timers_migrate(void *ctx)
{
	migrating_task = bpf_get_current_pid_tgid();
	return 0;
}

SEC("fexit")
int on_timers_migrate_exit(void *ctx)
{
	migrating_task = 0;
	return 0;
}

SEC("kprobe")
int kprobe_migrate(void *ctx)
{
	migrating_task = bpf_get_current_pid_tgid();
	return 0;
}

SEC("kretprobe")
int kprobe_migrate_exit(void *ctx)
{
	migrating_task = 0;
	return 0;
}

SEC("fentry")
int on_hrtimers_migrate(void *ctx)
{
	migrating_task = bpf_get_current_pid_tgid();
	return 0;
}

SEC("fexit")
int on_hrtimers_migrate_exit(void *ctx)
{
	migrating_task = 0;
	return 0;
}

/*
 * Whether programs on functions run. A switch that is off turns them off without a word, and
 * programs on tracepoints go on.
 */
static __always_inline bool hooks_are_on(void)
{
	u32 enabled = 1;
	u8 disarmed = 0;

	if (ftrace_enabled_addr && (read_u32(&enabled, ftrace_enabled_addr) || !enabled))
		return false;
	return !kprobes_all_disarmed_addr ||
	       !(read_kernel(&disarmed, sizeof(disarmed), kprobes_all_disarmed_addr) || disarmed);
}

/* Whether a program will see the end of the module's memory. */
static __always_inline bool sees_memory_free(void)
{
	return memory_free_attached && hooks_are_on();
}

static __always_inline u32 tracking_gaps(const struct unload_record *record)
{
	u32 gaps = 0;

	if (!tracking_attached || !memory_free_attached)
		gaps |= GAP_HOOKS;
	if (!hooks_are_on())
		gaps |= GAP_HOOKS_OFF;
	if (tracked_by_kprobes)
		gaps |= GAP_TRACKING_UNSURE;
	if (last_lost_arm_ns && last_lost_arm_ns >= record->loaded_ns)
		gaps |= GAP_TRACKING_LOST;
	if (!survey_complete && !record->loaded_ns)
		gaps |= GAP_TRACKING_LATE;
	return gaps;
}

/* In the task that frees the module. */
static __always_inline void complete(struct unload_record *record)
{
	u64 task = bpf_get_current_pid_tgid();

	bpf_map_delete_elem(&freeing_tasks, &task);
	__sync_fetch_and_sub(&frees_in_progress, 1);
	record->verdict = verdict_of(record->pending_count, record->gaps);
	record->deletes_whole = deletes_attached && hooks_are_on() &&
				record->begun_ns > watching_ns &&
				last_lost_delete_ns < record->begun_ns;
	record->complete = 1;
	notify(NOTIFY_UNLOAD, record->module);
}

/* Why the look that ends now, and the tracking behind it, may have missed a timer. */
static __always_inline u32 gaps_of_look(const struct walk *walk, const struct unload_record *record)
{
	u32 gaps = walk->gaps | tracking_gaps(record);

	if (!record->memory_bytes)
		gaps |= GAP_RANGES;
	if (lost_arms() != walk->lost_arms)
		gaps |= GAP_LOST_MEANWHILE;
	/* Neither callback nor object tell tracking that a per-CPU timer of core code is a
	 * module's. */
	if ((gaps & SCAN_GAPS) && record->memory.percpu.size)
		gaps |= GAP_TRACKING_UNREAD;
	return gaps;
}

/*
 * The end of a delete_module or an init. A kernel may not run a program where another task on that
 * CPU was preempted in it: what was missed so is told here.
 */
static __always_inline void leave_task(bool deleted)
{
	u64 task = bpf_get_current_pid_tgid();
	struct module_task *doing = bpf_map_lookup_elem(&module_tasks, &task);
	u64 *id = bpf_map_lookup_elem(&freeing_tasks, &task);
	struct unload_record *record = id ? bpf_map_lookup_elem(&unloads, id) : NULL;

	if (record && !record->complete) {
		record->gaps =
			gaps_of_look((struct walk *)record->scratch, record) | GAP_END_UNSEEN;
		complete(record);
	}
	if (doing && doing->doing == TASK_INITIALISES) {
		struct module_instance *instance;
		u64 mod = doing->module;

		/* Gone, if the init failed. */
		instance = bpf_map_lookup_elem(&modules, &mod);
		if (instance)
			instance->live_ns = bpf_ktime_get_ns();
	} else if (doing && deleted && doing->watched && !doing->freed) {
		count_loss(LOSS_UNLOAD_MAP);
		notify(NOTIFY_UNLOAD, (char[DISARMD_MODULE_NAME_LEN]){});
	}
	bpf_map_delete_elem(&module_tasks, &task);
}

SEC("fexit")
int on_delete_module_exit(u64 *ctx)
{
	/* The function's only argument, and what it returned. */
	leave_task(ctx[1] == 0);
	return 0;
}

SEC("kretprobe")
int kprobe_delete_module_exit(struct pt_regs *ctx)
{
	leave_task(PT_REGS_RC(ctx) == 0);
	return 0;
}

SEC("fexit")
int on_init_module_exit(void *ctx)
{
	leave_task(false);
	return 0;
}

SEC("kretprobe")
int kprobe_init_module_exit(void *ctx)
{
	leave_task(false);
	return 0;
}

static __always_inline void begin_look(struct walk *walk, u32 stage)
{
	walk->repeats += walk->stage == STAGE_AGAIN;
	walk->stage = stage;
	walk->gaps = 0;
	walk->asked_tracking = 0;
	walk->since_ns = bpf_ktime_get_ns();
	if (stage == STAGE_AGAIN && !walk->again_ns)
		walk->again_ns = walk->since_ns;
	walk->lost_arms = lost_arms();
	begin_scan(walk);
}

/*
 * What a look met, and the next one need not meet: timers on the move, or being expired, maybe by
 * a virtual CPU that does not run just now.
 */
#define PASSING_GAPS                                                                               \
	(GAP_SCAN_MOVING | GAP_SCAN_EXPIRING | GAP_SCAN_DISPUTED | GAP_UNCONFIRMED |               \
	 GAP_LOST_MEANWHILE | GAP_OVERRUN)

/* Whether to wait for that, at the end of the memory: for whoever unloads it, it is not long. */
static __always_inline bool looks_again(const struct walk *walk, u32 gaps)
{
	if (walk->stage != STAGE_AGAIN || walk->asked_tracking || !(gaps & PASSING_GAPS) ||
	    verdict_of(0, gaps & ~PASSING_GAPS) != VERDICT_CLEAN)
		return false;
	return walk->repeats < REPEATS_MIN || bpf_ktime_get_ns() - walk->again_ns < PATIENCE_NS;
}

static long report_tracked(void *map, u64 *key, struct tracked_timer *entry,
			   struct unload_record **record_ptr)
{
	struct unload_record *record = *record_ptr;
	struct find find = {};

	if (!record)
		return 1;
	if (!in_ranges(record->memory.ranges, entry->callback) &&
	    !in_ranges(record->memory.ranges, *key) &&
	    !in_range(&record->memory.init_text, entry->callback))
		return 0;
	confirm((struct walk *)record->scratch, record, &find, *key, entry);
	if (find.timer)
		report((struct walk *)record->scratch, record, &find);
	return 0;
}

enum progress { GOES_ON, AT_TABLE, AT_END };

/*
 * What follows a look. In the end the record is complete, or waits for the
 * module's memory to go.
 */
static __always_inline enum progress conclude(struct walk *walk, struct unload_record *record,
					      const bool iterates)
{
	record->gaps = gaps_of_look(walk, record);
	if (!record->pending_count && looks_again(walk, record->gaps)) {
		begin_look(walk, STAGE_AGAIN);
		return GOES_ON;
	}
	/* What a scan with gaps may have missed, tracking still knows. */
	if (walk->stage != STAGE_LATE && (walk->gaps & SCAN_GAPS) && !walk->asked_tracking) {
		walk->asked_tracking = 1;
		if (iterates) {
			walk->phase = WALK_TABLE;
			return AT_TABLE;
		}
		walk->gaps |= GAP_TRACKING_UNREAD;
		record->gaps |= GAP_TRACKING_UNREAD;
	}
	if (record->pending_count) {
		/* A leak is told at once. */
		copy_symbols_of(walk->module, &record->memory, record->id);
		complete(record);
		return AT_END;
	}
	if (walk->stage == STAGE_FIRST && sees_memory_free())
		return AT_END;
	/*
	 * Per-CPU timers of core code that were armed since are to be found nowhere but in their
	 * wheels and trees.
	 */
	if (walk->stage == STAGE_LATE &&
	    (record->memory.percpu.size || verdict_of(0, record->gaps) != VERDICT_CLEAN)) {
		begin_look(walk, STAGE_AGAIN);
		return GOES_ON;
	}
	complete(record);
	return AT_END;
}

static __always_inline struct unload_record *new_record(void)
{
	struct unload_record *record;
	u64 id = bpf_ktime_get_ns();
	u32 zero = 0;

	record = bpf_map_lookup_elem(&blank_unload, &zero);
	if (!record)
		return NULL;
#pragma unroll
	for (int attempt = 0; attempt < ID_ATTEMPTS; attempt++, id++) {
		if (bpf_map_update_elem(&unloads, &id, record, BPF_NOEXIST))
			continue;
		record = bpf_map_lookup_elem(&unloads, &id);
		if (record)
			record->id = id;
		return record;
	}
	return NULL;
}

/* Of a string that a module may lack. */
static __always_inline void read_string(char *to, u32 size, u64 pointer_at)
{
	u64 string = 0;

	if (read_u64(&string, pointer_at))
		count_loss(LOSS_READ);
	else if (string)
		bpf_probe_read_kernel_str(to, size, (const void *)string);
}

static __always_inline void read_identity(struct unload_record *record, u64 mod)
{
	if (read_kernel(&record->module, sizeof(record->module),
			mod + bpf_core_field_offset(struct module, name)) ||
	    read_u64(&record->taints, mod + bpf_core_field_offset(struct module, taints)))
		count_loss(LOSS_READ);
	read_string(record->version, sizeof(record->version),
		    mod + bpf_core_field_offset(struct module, version));
	read_string(record->srcversion, sizeof(record->srcversion),
		    mod + bpf_core_field_offset(struct module, srcversion));
}

/* A record of the free that begins, ready for its first look; NULL if there is no room. */
static __always_inline struct unload_record *begin_unload(u64 mod)
{
	u64 task = bpf_get_current_pid_tgid();
	struct module_instance *instance;
	struct unload_record *record;
	struct module_task *doing;
	struct walk *walk;

	doing = bpf_map_lookup_elem(&module_tasks, &task);
	if (doing)
		doing->freed = 1;
	record = new_record();
	if (!record) {
		count_loss(LOSS_UNLOAD_MAP);
		notify(NOTIFY_UNLOAD, (char[DISARMD_MODULE_NAME_LEN]){});
		return NULL;
	}
	walk = (struct walk *)record->scratch;
	record->freed_ns = record->id;
	record->jiffies = bpf_jiffies64();
	record->pid = task >> 32;
	bpf_get_current_comm(record->comm, sizeof(record->comm));
	read_identity(record, mod);
	record->memory_bytes = read_module_memory(mod, &record->memory);
	instance = bpf_map_lookup_elem(&modules, &mod);
	if (instance) {
		record->loaded_ns = instance->loaded_ns;
		record->live_ns = instance->live_ns;
		walk->loading_ns = instance->begun_ns;
		if (!record->memory.init_text.size)
			record->memory.init_text = instance->memory.init_text;
		bpf_map_delete_elem(&modules, &mod);
	}
	if (doing) {
		record->begun_ns = doing->begun_ns;
		record->init_failed = doing->doing == TASK_INITIALISES;
	}
	record->tracking_losses = lost_arms();
	walk->module = mod;
	__sync_fetch_and_add(&frees_in_progress, 1);
	begin_look(walk, STAGE_FIRST);
	/* The next programs find the record by it. */
	if (bpf_map_update_elem(&freeing_tasks, &task, &record->id, BPF_ANY)) {
		count_loss(LOSS_TASK_MAP);
		record->gaps = gaps_of_look(walk, record) | GAP_END_UNSEEN;
		complete(record);
		return NULL;
	}
	return record;
}

/* The record of the module that the task frees, before the module's memory has gone; else NULL. */
static __always_inline struct unload_record *record_of_task(void)
{
	u64 task = bpf_get_current_pid_tgid();
	u64 *id = bpf_map_lookup_elem(&freeing_tasks, &task);
	struct unload_record *record;
	struct walk *walk;

	if (!id)
		return NULL;
	record = bpf_map_lookup_elem(&unloads, id);
	if (!record || record->complete)
		return NULL;
	walk = (struct walk *)record->scratch;
	return walk->stage == STAGE_FIRST ? record : NULL;
}

/* Whether a pointer that is given back is to memory of the module itself, of which NULL is its
 * init's. */
static __always_inline bool gives_back(const struct module_memory *memory, u64 pointer)
{
	bool hits = !pointer;

#pragma unroll
	for (int i = 0; i < DISARMD_MODULE_RANGES; i++)
		hits |= pointer == memory->ranges[i].start;
	return hits;
}

/*
 * The same, ready for its last look. The first call that free_module() makes of the function for
 * the module's own memory is meant, after the grace period that lets callbacks end. What an
 * architecture keeps beside it goes before that (its_free_mod(), arch/x86/kernel/alternative.c).
 */
static __always_inline struct unload_record *resume_unload(u64 pointer)
{
	struct unload_record *record = record_of_task();
	struct walk *walk;

	if (!record || !gives_back(&record->memory, pointer))
		return NULL;
	walk = (struct walk *)record->scratch;
	/* The first look may not have been taken, or have been given up. */
	if (walk->phase != WALK_DONE) {
		begin_look(walk, STAGE_AGAIN);
	} else {
		walk->stage = STAGE_LATE;
		walk->phase = WALK_RUNNING;
		walk->index = 0;
	}
	return record;
}

/* What was not walked is a gap. */
static __always_inline void give_up(u64 id)
{
	struct unload_record *record = bpf_map_lookup_elem(&unloads, &id);
	struct walk *walk;

	if (!record)
		return;
	walk = (struct walk *)record->scratch;
	record->gaps = gaps_of_look(walk, record) | GAP_SCAN_BOUND | GAP_TRACKING_UNREAD;
	if (record->pending_count || walk->stage != STAGE_FIRST || !sees_memory_free())
		complete(record);
}

static __always_inline enum progress advance(struct unload_record *record, const bool iterates)
{
	struct walk *walk = (struct walk *)record->scratch;

	if (walk->phase == WALK_DONE)
		return conclude(walk, record, iterates);
	walk_step(walk, record);
	return GOES_ON;
}

/*
 * A global function is verified once, for itself, and not with all that a loop around it may
 * have done before; from 5.12 on it takes a pointer to what is in a map.
 */
__noinline int advance_loop(struct unload_record *record)
{
	return record ? advance(record, true) : AT_END;
}

/* Where the kernel has bpf_loop() (5.17+), and bpf_for_each_map_elem() (5.13+) with it. */
struct loop {
	struct unload_record *record;
	u32 progress;
};

static long loop_step(u32 index, struct loop *loop)
{
	loop->progress = advance_loop(loop->record);
	return loop->progress != GOES_ON;
}

static __always_inline int loop(struct unload_record *record)
{
	struct loop turns = { .record = record };
	struct walk *walk;
	u64 forgotten, id;

	if (!record)
		return 0;
	walk = (struct walk *)record->scratch;
	id = record->id;
	bpf_loop(LOOP_STEPS, loop_step, &turns, 0);
	if (turns.progress == AT_TABLE) {
		forgotten = forgotten_count;
		bpf_for_each_map_elem(&armed_timers, report_tracked, &record, 0);
		/* An element that was removed may have taken the way to others with it. */
		if (forgotten_count != forgotten)
			walk->gaps |= GAP_TRACKING_UNREAD;
		walk->phase = WALK_DONE;
		bpf_loop(LOOP_STEPS, loop_step, &turns, 0);
	}
	if (turns.progress != AT_END)
		give_up(id);
	return 0;
}

/*
 * First thing in free_module(): the exit function has run, the memory is still mapped. Two
 * programs, as where tracepoints are preemptible (7.0+) a task may be preempted in the long one,
 * and another task's run of it on that CPU would be skipped.
 */
SEC("raw_tp/module_free")
int on_module_free(struct bpf_raw_tracepoint_args *ctx)
{
	begin_unload(argument(ctx));
	return 0;
}

SEC("raw_tp/module_free")
int look_at_module_free(void *ctx)
{
	return loop(record_of_task());
}

SEC("kprobe")
int BPF_KPROBE(kprobe_free_module, u64 mod)
{
	return loop(begin_unload(mod));
}

/*
 * The entries of timers in the freed memory that are not armed are of no more use. Nor are, should
 * the record be another free's by now, those of that.
 */
static long forget_freed(void *map, u64 *key, struct tracked_timer *entry,
			 struct unload_record **record_ptr)
{
	struct unload_record *record = *record_ptr;

	if (record && !entry->armed && in_ranges(record->memory.ranges, *key))
		forget(*key);
	return 0;
}

static __always_inline int memory_goes(u64 pointer)
{
	struct unload_record *record = resume_unload(pointer);

	loop(record);
	if (record && tracked_count > armed_timers_max / 4)
		bpf_for_each_map_elem(&armed_timers, forget_freed, &record, 0);
	return 0;
}

SEC("fentry")
int on_module_memory_free(u64 *ctx)
{
	return memory_goes(ctx[0]);
}

SEC("kprobe")
int BPF_KPROBE(kprobe_module_memory_free, u64 pointer)
{
	return memory_goes(pointer);
}

/*
 * Where not, the verifier walks through every turn of a loop, and a global function (5.6+) takes
 * numbers only.
 */
__noinline int advance_once(u64 id)
{
	struct unload_record *record = bpf_map_lookup_elem(&unloads, &id);

	return !record || advance(record, false) != GOES_ON;
}

__noinline int advance_often(u64 id)
{
	for (u32 i = 0; i < UNROLLED_TURNS; i++) {
		if (advance_once(id))
			return 1;
	}
	return 0;
}

__noinline int advance_most(u64 id)
{
	for (u32 i = 0; i < UNROLLED_TURNS; i++) {
		if (advance_often(id))
			return 1;
	}
	return 0;
}

static __always_inline int unrolled(struct unload_record *record)
{
	u64 id;

	if (!record)
		return 0;
	id = record->id;
	for (u32 i = 0; i < UNROLLED_TURNS; i++) {
		if (advance_most(id))
			return 0;
	}
	give_up(id);
	return 0;
}

SEC("raw_tp/module_free")
int look_at_module_free_unrolled(void *ctx)
{
	return unrolled(record_of_task());
}

SEC("kprobe")
int BPF_KPROBE(kprobe_free_module_unrolled, u64 mod)
{
	return unrolled(begin_unload(mod));
}

SEC("fentry")
int on_module_memory_free_unrolled(u64 *ctx)
{
	return unrolled(resume_unload(ctx[0]));
}

SEC("kprobe")
int BPF_KPROBE(kprobe_module_memory_free_unrolled, u64 pointer)
{
	return unrolled(resume_unload(pointer));
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
