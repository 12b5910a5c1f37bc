/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/*
 * Who armed a timer, and who deleted it: the stacks, and whatever else why a timer was left
 * can be told by. A stack costs more than all the rest of an arm.
 */

#include "maps.h"
#include "timers.h"

#define NMI_MASK	0x00f00000
#define HARDIRQ_MASK	0x000f0000
#define SOFTIRQ_SERVING 0x00000100

/* As often as that a timer's stack is taken anew, and not of an arm by its own callback. */
#define STACK_FRESH_NS 1000000000 /* 1 s */
/* A CPU takes one in that time, and that many at once after it has taken none. */
#define STACK_PERIOD_NS 1000000 /* 1 ms */
#define STACKS_AT_ONCE	256
/* While modules come and go every stack is taken. */
#define MODULE_TASK_NS 10000000000 /* 10 s */

/* What a new one starts as, to spare the stack a copy; never written. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct timer_evidence);
} blank_evidence __weak SEC(".maps");

/* From include/linux/preempt.h: what the CPU is doing, by its preempt count. */
static __always_inline u8 current_context(struct cpu_state *state, u32 cpu)
{
	u64 offset = 0;
	u32 count = 0;

	if (!preempt_count_percpu || !state)
		return ARM_CONTEXT_UNKNOWN;
	if (!state->preempt_count && !read_u64(&offset, per_cpu_offset + 8 * (u64)cpu))
		state->preempt_count = preempt_count_percpu + offset;
	if (read_u32(&count, state->preempt_count)) {
		count_loss(LOSS_READ);
		return ARM_CONTEXT_UNKNOWN;
	}
	if (count & (NMI_MASK | HARDIRQ_MASK))
		return ARM_CONTEXT_HARDIRQ;
	if (count & SOFTIRQ_SERVING)
		return ARM_CONTEXT_SOFTIRQ;
	return ARM_CONTEXT_TASK;
}

static __always_inline bool modules_come_or_go(u64 now)
{
	return last_module_task_ns && now - last_module_task_ns < MODULE_TASK_NS;
}

static __always_inline bool may_take_stack(struct cpu_state *cpu, u64 now)
{
	u64 periods;

	if (!cpu)
		return false;
	periods = (now - cpu->stacks_ns) / STACK_PERIOD_NS;
	if (periods) {
		cpu->stacks_ns = now;
		cpu->stacks += periods;
		if (cpu->stacks > STACKS_AT_ONCE)
			cpu->stacks = STACKS_AT_ONCE;
	}
	if (!cpu->stacks)
		return false;
	cpu->stacks--;
	return true;
}

static __always_inline struct timer_evidence *evidence_of(u64 timer)
{
	struct timer_evidence *found = bpf_map_lookup_elem(&evidence, &timer);
	u32 zero = 0;

	if (found)
		return found;
	found = bpf_map_lookup_elem(&blank_evidence, &zero);
	if (!found)
		return NULL;
	bpf_map_update_elem(&evidence, &timer, found, BPF_NOEXIST);
	return bpf_map_lookup_elem(&evidence, &timer);
}

/* Returns how many frames it has; 0: it can't be told. */
static __always_inline u8 take_stack(void *ctx, u64 *stack)
{
	long bytes = bpf_get_stack(ctx, stack, sizeof(u64) * DISARMD_STACK_DEPTH, 0);

	return bytes > 0 ? bytes / sizeof(u64) : 0;
}

static __always_inline void note_arm(void *ctx, u64 timer, struct cpu_state *cpu, u8 context,
				     u64 now)
{
	struct timer_evidence *known;

	if (!modules_come_or_go(now)) {
		if (context == ARM_CONTEXT_CALLBACK)
			return;
		known = bpf_map_lookup_elem(&evidence, &timer);
		if (known && known->arm_stack_ns && now - known->arm_stack_ns < STACK_FRESH_NS)
			return;
		if (!may_take_stack(cpu, now))
			return;
	}
	known = evidence_of(timer);
	if (!known)
		return;
	known->arm_stack_ns = now;
	known->arm_frames = take_stack(ctx, known->arm_stack);
}

/* A call of a function, in which the address by lies, that deletes the timer. */
static __always_inline void note_delete(void *ctx, u64 timer, const struct timer_facts *facts,
					u64 by)
{
	struct tracked_timer *entry = bpf_map_lookup_elem(&armed_timers, &timer);
	u64 now = bpf_ktime_get_ns();
	u32 cpu = bpf_get_smp_processor_id();
	struct timer_evidence *known;

	/* One that is not armed yet may be, after its module has deleted it for good. */
	if (!entry && modules_come_or_go(now)) {
		/* The other half is for what is armed. */
		if (tracked_count <= armed_timers_max / 2)
			entry = blank_entry(timer);
		if (entry) {
			entry->callback = facts->callback;
			entry->kind = facts->kind;
		} else {
			count_loss(LOSS_DELETE);
		}
	}
	if (!entry) {
		last_lost_delete_ns = now;
		return;
	}
	entry->deleted_ns = now;
	known = evidence_of(timer);
	if (!known)
		return;
	known->deleted_ns = now;
	known->deleted_by = by;
	known->deleted_pid = bpf_get_current_pid_tgid() >> 32;
	known->deleted_cpu = cpu;
	bpf_get_current_comm(known->deleted_comm, sizeof(known->deleted_comm));
	known->deleted_context = current_context(bpf_map_lookup_elem(&cpus, &cpu), cpu);
	known->deleted_found = DELETE_FOUND_UNKNOWN;
	known->delete_frames = 0;
	if (!modules_come_or_go(now))
		return;
	if (entry->armed)
		known->deleted_found = DELETE_FOUND_ARMED;
	else if (is_executing(timer, facts->callback, facts->kind))
		known->deleted_found = DELETE_FOUND_RUNNING;
	else
		known->deleted_found = DELETE_FOUND_NOT_ARMED;
	known->delete_frames = take_stack(ctx, known->delete_stack);
}
