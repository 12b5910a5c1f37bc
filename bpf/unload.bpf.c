// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause

/*
 * The life of a module: loaded, its unload begun, freed. The verdict is computed
 * here, while the module's memory still exists, and stored before anyone is told.
 */

#include <asm/ptrace.h>
#include "kernel.h"
#include "compat.h"
#include "judge.h"
#include "maps.h"
#include "policy.h"
#include "record.h"
#include "symbols.h"
#include "syscall.h"

/* A map of its own, and at its begin: later versions read it, too, which have other variables. */
__u64 losses[LOSS_MAX] SEC(".data.losses") = {};

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
	if (bpf_map_update_elem(&modules, &mod, &instance, BPF_ANY) ||
	    bpf_map_update_elem(&module_names, &instance.name, &mod, BPF_ANY))
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

/* That of 32-bit programs. */
SEC("fentry")
int on_delete_module_compat(void *ctx)
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
	} else if (doing && deleted && !doing->asked && denies_since_ns &&
		   doing->begun_ns > denies_since_ns) {
		count_loss(LOSS_DECISION);
	}
	if (doing && doing->doing == TASK_DELETES && deleted && doing->watched && !doing->freed) {
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

SEC("fexit")
int on_delete_module_compat_exit(u64 *ctx)
{
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

/* Which rule there is for a leak. An unload that an operator let through against one keeps that. */
static __noinline void take_rule(struct unload_record *record, const struct module_task *doing)
{
	u64 task = bpf_get_current_pid_tgid();
	struct module_key question = {};
	struct policy_rule *rule;

	if (!(u32)rules_in_force)
		return;
	__builtin_memcpy(question.name, record->module, sizeof(question.name));
	__builtin_memcpy(question.srcversion, record->srcversion, sizeof(question.srcversion));
	if (bpf_map_update_elem(&questions, &task, &question, BPF_ANY)) {
		count_loss(LOSS_DECISION);
		return;
	}
	record->rule = first_rule(task);
	bpf_map_delete_elem(&questions, &task);
	rule = rule_numbered(record->rule);
	if (rule)
		record->on_leak = rule->on_leak;
	if (doing && doing->allowed) {
		record->allowed = 1;
		bpf_map_delete_elem(&permissions, &question.name);
	}
}

static __always_inline void forget_module(u64 mod)
{
	struct module_instance *instance = bpf_map_lookup_elem(&modules, &mod);

	if (!instance)
		return;
	bpf_map_delete_elem(&module_names, &instance->name);
	bpf_map_delete_elem(&modules, &mod);
}

/* A record of the free that begins, ready for its first look; NULL if there is no room. */
static __always_inline struct unload_record *begin_unload(u64 mod)
{
	u64 task = bpf_get_current_pid_tgid();
	struct unload_record *record;
	struct module_task *doing;
	struct walk *walk;

	doing = bpf_map_lookup_elem(&module_tasks, &task);
	if (doing)
		doing->freed = 1;
	if (others_judge) {
		forget_module(mod);
		return NULL;
	}
	record = record_module(mod, 0);
	forget_module(mod);
	if (!record) {
		count_loss(LOSS_UNLOAD_MAP);
		notify(NOTIFY_UNLOAD, (char[DISARMD_MODULE_NAME_LEN]){});
		return NULL;
	}
	walk = (struct walk *)record->scratch;
	take_rule(record, doing);
	if (doing) {
		record->begun_ns = doing->begun_ns;
		record->init_failed = doing->doing == TASK_INITIALISES;
	}
	record->tracking_losses = lost_arms();
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
	/* The first look may not have been taken, or have been given up; a drain's is whole. */
	if (walk->phase != WALK_DONE || walk->purpose == FOR_DRAIN) {
		begin_look(walk, STAGE_AGAIN);
	} else {
		walk->stage = STAGE_LATE;
		walk->phase = WALK_RUNNING;
		walk->index = 0;
	}
	return record;
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

/*
 * Whether the program before was skipped for this task, as another one was preempted in it on this
 * CPU: it is still in there, and not in the next one.
 */
static __always_inline bool begin_was_skipped(void)
{
	u64 task = bpf_get_current_pid_tgid();
	struct module_task *doing = bpf_map_lookup_elem(&module_tasks, &task);

	return doing && !doing->freed;
}

SEC("raw_tp/module_free")
int look_at_module_free(struct bpf_raw_tracepoint_args *ctx)
{
	return loop(begin_was_skipped() ? begin_unload(argument(ctx)) : record_of_task());
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
