// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause

/*
 * The life of a module: loaded, its unload begun, freed. The verdict is computed
 * here, while the module's memory still exists, and stored before anyone is told.
 */

#include "kernel.h"
#include "compat.h"
#include "maps.h"
#include "scan.h"

#define ID_ATTEMPTS	 8
#define LINKAGE_ATTEMPTS 4

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

	instance.loaded_ns = bpf_ktime_get_ns();
	read_kernel(&instance.name, sizeof(instance.name),
		    mod + bpf_core_field_offset(struct module, name));
	read_module_ranges(mod, instance.ranges);
	if (bpf_map_update_elem(&modules, &mod, &instance, BPF_ANY))
		count_loss(LOSS_MODULE_MAP);
	notify(NOTIFY_MODULE_LOADED, instance.name);
	return 0;
}

static __always_inline void enter_task(u32 doing)
{
	struct module_task entry = { .begun_ns = bpf_ktime_get_ns(), .doing = doing };
	u64 task = bpf_get_current_pid_tgid();

	if (bpf_map_update_elem(&module_tasks, &task, &entry, BPF_ANY))
		count_loss(LOSS_TASK_MAP);
}

static __always_inline void leave_task(void)
{
	u64 task = bpf_get_current_pid_tgid();

	bpf_map_delete_elem(&module_tasks, &task);
}

/* The system call. User space names the function of this and the next programs. */
SEC("fentry")
int on_delete_module(void *ctx)
{
	enter_task(TASK_DELETES);
	return 0;
}

SEC("fexit")
int on_delete_module_exit(void *ctx)
{
	leave_task();
	return 0;
}

/* Runs the init function, and frees the module if that fails. */
SEC("fentry")
int on_init_module(void *ctx)
{
	enter_task(TASK_INITIALISES);
	return 0;
}

SEC("fexit")
int on_init_module_exit(void *ctx)
{
	leave_task();
	return 0;
}

struct callback_name {
	char symbol[DISARMD_SYMBOL_LEN];
};

/* Names of callbacks that may be armed again when the kernel no longer knows them. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 256);
	__type(key, u64);
	__type(value, struct callback_name);
} callback_names SEC(".maps");

static __always_inline void remember_name(u64 callback)
{
	struct callback_name name = {};

	BPF_SNPRINTF(name.symbol, sizeof(name.symbol), "%ps", callback);
	/* Without it a late arm is reported by address. */
	bpf_map_update_elem(&callback_names, &callback, &name, BPF_ANY);
}

static __always_inline void recall_name(struct pending_timer *pending)
{
	u64 callback = pending->callback;
	struct callback_name *name = bpf_map_lookup_elem(&callback_names, &callback);

	if (name)
		__builtin_memcpy(pending->symbol, name->symbol, sizeof(pending->symbol));
}

enum linkage { LINKED, UNLINKED, IN_FLUX };

/* Whether a tracked timer hangs in a list, be it a wheel's bucket or the softirq's own. */
static __always_inline enum linkage read_linkage(u64 timer, const struct tracked_timer *entry)
{
	u64 node = timer + bpf_core_field_offset(struct timer_list, entry);
	u64 function = 0, callback = 0;

#pragma unroll
	for (int attempt = 0; attempt < LINKAGE_ATTEMPTS; attempt++) {
		u64 pprev = 0, back = 0;

		if (read_u64(&pprev, node + bpf_core_field_offset(struct hlist_node, pprev)))
			return IN_FLUX;
		if (!pprev)
			return UNLINKED;
		if (read_u64(&back, pprev) || back != node)
			continue;
		/* An entry that missed its timer's end may meet another timer in its memory. */
		if (read_u64(&function, timer + bpf_core_field_offset(struct timer_list, function)))
			return IN_FLUX;
		callback = function;
		if (function == delayed_work_timer_fn_addr && read_work_function(&callback, timer))
			return IN_FLUX;
		return callback == entry->callback ? LINKED : UNLINKED;
	}
	return IN_FLUX;
}

static __always_inline struct pending_timer *report_entry(struct unload_record *record, u64 timer,
							  struct tracked_timer *entry, u8 owners)
{
	struct pending_timer *pending;

	entry->reported = record->id;
	pending = next_pending(record);
	if (pending) {
		pending->timer = timer;
		pending->callback = entry->callback;
		pending->expires = entry->expires;
		pending->kind = entry->kind;
		pending->owned_by = owners;
		pending->state = PENDING_ARMED;
		pending->sources = SOURCE_TRACKING;
		copy_arm(pending, entry);
	}
	return pending;
}

static long report_tracked(void *map, u64 *key, struct tracked_timer *entry,
			   struct wheel_scan *scan)
{
	struct unload_record *record = scan->record;
	struct pending_timer *pending;
	u8 owners;

	if (!record || entry->reported == record->id || is_orphan(entry, record))
		return 0;
	owners = owners_of(record->ranges, *key, entry->callback, entry->kind);
	if (!owners)
		return 0;
	if (!entry->armed) {
		remember_name(entry->callback);
		return 0;
	}
	switch (read_linkage(*key, entry)) {
	case LINKED:
		pending = report_entry(record, *key, entry, owners);
		if (pending)
			name_callback(pending);
		break;
	case UNLINKED:
		break;
	case IN_FLUX:
		scan->gaps |= GAP_UNCONFIRMED;
		break;
	}
	return 0;
}

/* What was armed after the exit function had returned, by whatever the module left running. */
static long report_armed_late(void *map, u64 *key, struct tracked_timer *entry,
			      struct wheel_scan *scan)
{
	struct unload_record *record = scan->record;
	struct pending_timer *pending;
	u8 owners;

	if (!record || entry->armed_ns < record->freed_ns || entry->reported)
		return 0;
	owners = owners_of(record->ranges, *key, entry->callback, entry->kind);
	if (!owners)
		return 0;
	if (!entry->armed) {
		scan->gaps |= GAP_UNCONFIRMED;
		return 0;
	}
	pending = report_entry(record, *key, entry, owners);
	if (pending)
		recall_name(pending);
	return 0;
}

/* The entries of timers in the freed memory that are not armed are of no more use. */
static long forget_freed(void *map, u64 *key, struct tracked_timer *entry, struct wheel_scan *scan)
{
	if (scan->record && !entry->armed && in_ranges(scan->record->ranges, *key))
		forget(*key);
	return 0;
}

static long report_running(u32 cpu, struct wheel_scan *scan)
{
	struct running_callback *running = bpf_map_lookup_elem(&running_callbacks, &cpu);
	struct unload_record *record = scan->record;
	struct pending_timer *pending;
	struct tracked_timer *entry;
	u64 timer;

	if (!running || !record)
		return 0;
	timer = running->timer;
	if (!timer || !in_ranges(record->ranges, running->callback))
		return 0;
	entry = bpf_map_lookup_elem(&armed_timers, &timer);
	/* Its callback has armed it again already: reported as armed. */
	if (entry && entry->reported == record->id)
		return 0;
	pending = next_pending(record);
	if (pending) {
		pending->timer = timer;
		pending->callback = running->callback;
		pending->kind = TIMER_KIND_TIMER;
		pending->owned_by =
			owners_of(record->ranges, timer, running->callback, TIMER_KIND_TIMER);
		pending->state = PENDING_CALLBACK_RUNNING;
		pending->sources = SOURCE_TRACKING;
		if (entry)
			copy_arm(pending, entry);
		name_callback(pending);
	}
	return 0;
}

static __always_inline u32 tracking_gaps(const struct unload_record *record)
{
	u32 gaps = 0;

	if (!tracking_attached)
		gaps |= GAP_HOOKS;
	if (last_lost_arm_ns && last_lost_arm_ns >= record->loaded_ns)
		gaps |= GAP_TRACKING_LOST;
	if (!survey_complete && !record->loaded_ns)
		gaps |= GAP_TRACKING_LATE;
	return gaps;
}

static __always_inline void complete(struct unload_record *record)
{
	record->verdict = verdict_of(record->pending_count, record->gaps);
	record->complete = 1;
	notify(NOTIFY_UNLOAD, record->module);
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

/* First thing in free_module(): the exit function has run, the memory is still mapped. */
SEC("raw_tp/module_free")
int on_module_free(struct bpf_raw_tracepoint_args *ctx)
{
	u64 task = bpf_get_current_pid_tgid();
	u64 mod = argument(ctx);
	struct module_instance *instance;
	struct unload_record *record;
	struct wheel_scan scan = {};
	struct module_task *doing;

	record = new_record();
	if (!record) {
		count_loss(LOSS_UNLOAD_MAP);
		notify(NOTIFY_UNLOAD, (char[DISARMD_MODULE_NAME_LEN]){});
		return 0;
	}
	record->freed_ns = record->id;
	record->jiffies = bpf_jiffies64();
	record->pid = task >> 32;
	bpf_get_current_comm(record->comm, sizeof(record->comm));
	read_kernel(&record->module, sizeof(record->module),
		    mod + bpf_core_field_offset(struct module, name));
	if (!read_module_ranges(mod, record->ranges))
		record->gaps |= GAP_RANGES;
	instance = bpf_map_lookup_elem(&modules, &mod);
	if (instance) {
		record->loaded_ns = instance->loaded_ns;
		bpf_map_delete_elem(&modules, &mod);
	}
	doing = bpf_map_lookup_elem(&module_tasks, &task);
	if (doing && doing->doing == TASK_INITIALISES)
		record->init_failed = 1;
	else if (doing)
		record->begun_ns = doing->begun_ns;

	record->tracking_losses = lost_arms();

	scan.record = record;
	scan_wheels(&scan);
	bpf_for_each_map_elem(&armed_timers, report_tracked, &scan, 0);
	bpf_loop(possible_cpus, report_running, &scan, 0);
	record->gaps |= scan.gaps | tracking_gaps(record);

	/* A leak is told at once. Whether it is clean shows when the memory goes. */
	if (!record->pending_count && tracking_attached) {
		if (!bpf_map_update_elem(&freeing_tasks, &task, &record->id, BPF_ANY))
			return 0;
		count_loss(LOSS_TASK_MAP);
		record->gaps |= GAP_LOST_MEANWHILE;
	}
	complete(record);
	return 0;
}

/*
 * Gives back a module's memory; the first call that free_module() makes of it, after
 * the grace period that lets callbacks end. User space names the function.
 */
SEC("fentry")
int on_module_memory_free(void *ctx)
{
	u64 task = bpf_get_current_pid_tgid();
	u64 *id = bpf_map_lookup_elem(&freeing_tasks, &task);
	struct unload_record *record;
	struct wheel_scan scan = {};

	if (!id)
		return 0;
	record = bpf_map_lookup_elem(&unloads, id);
	bpf_map_delete_elem(&freeing_tasks, &task);
	if (!record)
		return 0;

	scan.record = record;
	bpf_for_each_map_elem(&armed_timers, report_armed_late, &scan, 0);
	bpf_loop(possible_cpus, report_running, &scan, 0);
	if (lost_arms() != record->tracking_losses)
		scan.gaps |= GAP_LOST_MEANWHILE;
	record->gaps |= scan.gaps;
	complete(record);
	if (tracked_count > ARMED_TIMERS_MAX / 4)
		bpf_for_each_map_elem(&armed_timers, forget_freed, &scan, 0);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
