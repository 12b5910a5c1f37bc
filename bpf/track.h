/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/*
 * What becomes known of a timer as it is armed, disarmed and executed. The bodies of
 * the tracking programs, whatever hook calls them.
 */

#include "evidence.h"
#include "maps.h"
#include "timers.h"

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

/*
 * A copy costs less than the helper, which measures and pads. 5.11+; before, a program can't read
 * through the task.
 */
static __always_inline void copy_current_comm(char *comm)
{
	u64 *to = (u64 *)comm, *from;

	if (!bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_get_current_task_btf)) {
		bpf_get_current_comm(comm, DISARMD_COMM_LEN);
		return;
	}
	from = (u64 *)((struct task_struct *)bpf_get_current_task_btf())->comm;
	to[0] = from[0];
	to[1] = from[1];
}

/* What arms it: an hrtimer whose callback asked for that is armed again after it has returned. */
static __always_inline u8 arming_context(struct cpu_state *state, u64 timer,
					 const struct timer_facts *facts, u32 cpu)
{
	u8 context;

	if (is_running(state, timer))
		return ARM_CONTEXT_CALLBACK;
	context = current_context(state, cpu);
	if (is_hrtimer(facts->kind) && context != ARM_CONTEXT_TASK &&
	    is_executing(timer, facts->callback, facts->kind))
		return ARM_CONTEXT_CALLBACK;
	return context;
}

static __always_inline void fill_arm(void *ctx, struct tracked_timer *entry, u64 timer,
				     const struct timer_facts *facts, u32 cpu, u64 task, u64 now)
{
	struct cpu_state *state = bpf_map_lookup_elem(&cpus, &cpu);

	if (entry->orphaned)
		arm_orphan(entry, facts);
	/* Of another timer, which was in this place before. */
	if (entry->callback != facts->callback) {
		entry->deleted_ns = 0;
		entry->arms = 0;
	}
	entry->arms++;
	entry->callback = facts->callback;
	entry->expires = facts->expires;
	entry->armed_ns = now;
	entry->surveyed = 0;
	entry->armed_pid = task >> 32;
	entry->armed_cpu = cpu;
	copy_current_comm(entry->armed_comm);
	entry->kind = facts->kind;
	entry->armed_context = arming_context(state, timer, facts, cpu);
	entry->armed = 1;
	note_arm(ctx, timer, state, entry->armed_context, now);
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
static __always_inline void track_arm(void *ctx, u64 timer, const struct timer_facts *facts,
				      u32 cpu, u64 now)
{
	u64 task = bpf_get_current_pid_tgid();
	struct tracked_timer *entry;

	entry = bpf_map_lookup_elem(&armed_timers, &timer);
	if (entry && migrates(task) && entry->callback == facts->callback) {
		/* Off a dead CPU: it remains whose it was. */
		entry->armed = 1;
	} else if (entry) {
		fill_arm(ctx, entry, timer, facts, cpu, task, now);
	} else if (migrates(task)) {
		/* One that nobody knows yet the survey finds where it comes to. */
		if (survey_ns)
			count_lost_arm(LOSS_TIMER_MAP);
	} else {
		struct tracked_timer fresh = {};

		fill_arm(ctx, &fresh, timer, facts, cpu, task, now);
		if (track_new(timer, &fresh, BPF_NOEXIST) &&
		    !bpf_map_lookup_elem(&armed_timers, &timer)) {
			count_lost_arm(LOSS_TIMER_MAP);
			bpf_map_delete_elem(&reported_untracked, &timer);
		}
	}
}

/* An arm as its event tells it, under the lock of the timer's base. */
static __always_inline void timer_armed(void *ctx, u64 timer, const struct timer_facts *facts)
{
	u32 cpu = bpf_get_smp_processor_id();
	u64 now = bpf_ktime_get_ns();
	struct recent_arms *recent;

	track_arm(ctx, timer, facts, cpu, now);
	recent = bpf_map_lookup_elem(&recent_arms, &cpu);
	if (recent)
		push_recent(recent, timer, now);
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
	struct cpu_state *state = bpf_map_lookup_elem(&cpus, &cpu);

	if (!state)
		return;
	if (!state->running[0])
		state->running[0] = timer;
	else if (!state->running[1])
		state->running[1] = timer;
	else
		state->running[2] = timer;
}

/* The callback may have freed its timer: nothing behind the pointer may be trusted. */
static __always_inline void callback_ended(u64 timer)
{
	u32 cpu = bpf_get_smp_processor_id();
	struct cpu_state *state = bpf_map_lookup_elem(&cpus, &cpu);

	if (!state)
		return;
	if (state->running[0] == timer)
		state->running[0] = 0;
	if (state->running[1] == timer)
		state->running[1] = 0;
	if (state->running[2] == timer)
		state->running[2] = 0;
}
