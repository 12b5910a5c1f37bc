/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/*
 * What becomes known of a timer as it is armed, disarmed and executed. The bodies of
 * the tracking programs, whatever hook calls them.
 */

#include "maps.h"
#include "timers.h"

#define NMI_MASK	0x00f00000
#define HARDIRQ_MASK	0x000f0000
#define SOFTIRQ_SERVING 0x00000100

/* From include/linux/preempt.h: what the CPU was doing, by its preempt count. */
static __always_inline u8 arm_context(u32 cpu, u64 timer)
{
	u64 offset = 0;
	u32 count = 0;

	if (is_running(bpf_map_lookup_elem(&running_callbacks, &cpu), timer))
		return ARM_CONTEXT_CALLBACK;
	if (!preempt_count_percpu)
		return ARM_CONTEXT_UNKNOWN;
	if (read_u64(&offset, per_cpu_offset + 8 * (u64)cpu) ||
	    read_u32(&count, preempt_count_percpu + offset)) {
		count_loss(LOSS_READ);
		return ARM_CONTEXT_UNKNOWN;
	}
	if (count & (NMI_MASK | HARDIRQ_MASK))
		return ARM_CONTEXT_HARDIRQ;
	if (count & SOFTIRQ_SERVING)
		return ARM_CONTEXT_SOFTIRQ;
	return ARM_CONTEXT_TASK;
}

/*
 * What a freed module left may be armed again by whoever still knows of it. Or its memory has
 * been given back and is another timer's now: that is certain where it calls something else, or
 * where the timer itself lay in the module and its memory may have come to another one since.
 */
static __always_inline void arm_orphan(struct tracked_timer *entry, const struct timer_facts *facts)
{
	bool in_module = entry->orphaned & OWNED_BY_OBJECT;

	if (in_module && entry->callback == facts->callback && last_load_ns < entry->reported)
		return;
	if (in_module || entry->callback != facts->callback) {
		entry->orphaned = 0;
		entry->rearmed = 0;
	} else {
		entry->rearmed = 1;
	}
}

static __always_inline void fill_arm(struct tracked_timer *entry, u64 timer,
				     const struct timer_facts *facts, u32 cpu, u64 task)
{
	if (entry->orphaned)
		arm_orphan(entry, facts);
	entry->callback = facts->callback;
	entry->expires = facts->expires;
	entry->armed_ns = bpf_ktime_get_ns();
	entry->armed_pid = task >> 32;
	entry->armed_cpu = cpu;
	bpf_get_current_comm(entry->armed_comm, sizeof(entry->armed_comm));
	entry->kind = facts->kind;
	entry->armed_context = arm_context(cpu, timer);
	entry->armed = 1;
}

static __always_inline bool concerns_modules(u64 timer, const struct timer_facts *facts)
{
	return in_module_space(facts->callback) || in_module_space(timer);
}

static __always_inline bool migrates(u64 task)
{
	return migrating_task && migrating_task == task;
}

/* An arm as a hook tells it, whatever that knows of locks. */
static __always_inline void track_arm(u64 timer, const struct timer_facts *facts, u32 cpu)
{
	u64 task = bpf_get_current_pid_tgid();
	struct tracked_timer *entry;

	entry = bpf_map_lookup_elem(&armed_timers, &timer);
	if (entry && migrates(task) && entry->callback == facts->callback) {
		/* Off a dead CPU: it remains whose it was. */
		entry->armed = 1;
	} else if (entry) {
		fill_arm(entry, timer, facts, cpu, task);
	} else if (migrates(task)) {
		count_lost_arm(LOSS_TIMER_MAP);
	} else {
		struct tracked_timer fresh = {};

		fill_arm(&fresh, timer, facts, cpu, task);
		if (track_new(timer, &fresh, BPF_NOEXIST) &&
		    !bpf_map_lookup_elem(&armed_timers, &timer)) {
			count_lost_arm(LOSS_TIMER_MAP);
			bpf_map_delete_elem(&reported_untracked, &timer);
		}
	}
}

/* An arm as its event tells it, under the lock of the timer's base. */
static __always_inline void timer_armed(u64 timer, const struct timer_facts *facts)
{
	u32 cpu = bpf_get_smp_processor_id();
	struct recent_arms *recent;

	track_arm(timer, facts, cpu);
	recent = bpf_map_lookup_elem(&recent_arms, &cpu);
	if (recent)
		push_recent(recent, timer);
}

static __always_inline void timer_disarmed(u64 timer)
{
	struct tracked_timer *entry = bpf_map_lookup_elem(&armed_timers, &timer);

	if (!entry)
		return;
	entry->armed = 0;
	if (tracked_count <= armed_timers_max / 2 || entry->orphaned ||
	    migrates(bpf_get_current_pid_tgid()))
		return;
	/*
	 * Under the lock of the timer's base an entry goes without crossing an arm. A kprobe does
	 * not have that: what it forgets wrongly the scan finds, if the module is freed.
	 */
	if (!tracked_by_kprobes || !frees_in_progress)
		forget(timer);
}

static __always_inline void callback_begins(u64 timer)
{
	u32 cpu = bpf_get_smp_processor_id();
	struct running_callbacks *running = bpf_map_lookup_elem(&running_callbacks, &cpu);

	if (!running)
		return;
	if (!running->timer[0])
		running->timer[0] = timer;
	else if (!running->timer[1])
		running->timer[1] = timer;
	else
		running->timer[2] = timer;
}

/* The callback may have freed its timer: nothing behind the pointer may be trusted. */
static __always_inline void callback_ended(u64 timer)
{
	u32 cpu = bpf_get_smp_processor_id();
	struct running_callbacks *running = bpf_map_lookup_elem(&running_callbacks, &cpu);

	if (!running)
		return;
	if (running->timer[0] == timer)
		running->timer[0] = 0;
	if (running->timer[1] == timer)
		running->timer[1] = 0;
	if (running->timer[2] == timer)
		running->timer[2] = 0;
}
