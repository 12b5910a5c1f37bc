/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/*
 * The record of an unload, from its begin to the verdict: what of a module is gone with it,
 * how well could be seen meanwhile, and that it is told.
 */

#include "compat.h"
#include "maps.h"
#include "policy.h"
#include "walk.h"

#define ID_ATTEMPTS 8

/* What a new record starts as: too large for a program's stack, and never written. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct unload_record);
} blank_unload __weak SEC(".maps");

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

/* Of a question nobody may ever hear: there is room for some always. */
static __always_inline struct unload_record *new_record(bool question)
{
	struct unload_record *record;
	u64 id = bpf_ktime_get_ns();
	u32 zero = 0;

	if (!question && unloads_kept >= unloads_max)
		return NULL;
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
		if (record && !question)
			__sync_fetch_and_add(&unloads_kept, 1);
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

/* A new record of what the current task does to a module, with what is known of that; NULL: there
 * is no room. Not
 * inline, so that its stack is not there any more when others are called.
 */
static __noinline __attribute__((unused)) struct unload_record *record_module(u64 mod, u32 question)
{
	u64 task = bpf_get_current_pid_tgid();
	struct unload_record *record = new_record(question);
	struct module_instance *instance;
	struct walk *walk;

	if (!record)
		return NULL;
	walk = (struct walk *)record->scratch;
	walk->module = mod;
	record->freed_ns = record->id;
	record->jiffies = bpf_jiffies64();
	record->pid = task >> 32;
	bpf_get_current_comm(record->comm, sizeof(record->comm));
	read_identity(record, mod);
	record->memory_bytes = read_module_memory(mod, &record->memory);
	instance = bpf_map_lookup_elem(&modules, &mod);
	if (!instance)
		return record;
	record->loaded_ns = instance->loaded_ns;
	record->live_ns = instance->live_ns;
	walk->loading_ns = instance->begun_ns;
	if (!record->memory.init_text.size)
		record->memory.init_text = instance->memory.init_text;
	return record;
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
	if (!tracks)
		return gaps | GAP_TRACKING_OFF;
	if (tracked_by_kprobes)
		gaps |= GAP_TRACKING_UNSURE;
	if (last_lost_arm_ns && last_lost_arm_ns >= record->loaded_ns)
		gaps |= GAP_TRACKING_LOST;
	if (!survey_complete && record->loaded_ns <= watching_ns)
		gaps |= GAP_TRACKING_LATE;
	return gaps;
}

/* For the rule that asks for it; user space does the same, and keeps it beyond a boot. */
static __always_inline void remember_leak(u64 id)
{
	/* Before 6.3 a key may not lie in what a global function was handed. */
	const struct unload_record *record = bpf_map_lookup_elem(&unloads, &id);
	const struct module_key *key;
	u32 facts = FACT_LEAKED_BEFORE;
	u32 *known;

	if (!record)
		return;
	key = (const struct module_key *)record->module;
	known = bpf_map_lookup_elem(&module_facts, key);
	if (known)
		facts |= *known;
	bpf_map_update_elem(&module_facts, key, &facts, BPF_ANY);
}

/* In the task that frees the module. */
static __always_inline void complete(struct unload_record *record)
{
	u64 task = bpf_get_current_pid_tgid();

	bpf_map_delete_elem(&freeing_tasks, &task);
	__sync_fetch_and_sub(&frees_in_progress, 1);
	record->verdict = verdict_of(record->pending_count, record->gaps);
	if (record->pending_count && (u32)rules_in_force)
		remember_leak(record->id);
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
