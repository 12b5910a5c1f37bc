// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause

/*
 * Holds a free whose module has left timers until they have fired: the module's memory is still
 * there, and a callback that runs in it does no harm. Not where nothing would come of it.
 */

#include "judge.h"

/* Looks are at least that far apart, and so many, or parts of one, are taken at most. */
#define DRAIN_STEP_NS 1000000 /* 1 ms */
#define DRAIN_TURNS   4096
/* Of loops within each other: the time ends them. */
#define WAIT_TURNS 128

__weak __noinline int wait_until(u64 until_ns)
{
	for (u32 i = 0; i < WAIT_TURNS; i++) {
		if (bpf_ktime_get_ns() >= until_ns)
			return 1;
	}
	return 0;
}

__weak __noinline int wait_longer(u64 until_ns)
{
	for (u32 i = 0; i < WAIT_TURNS; i++) {
		if (wait_until(until_ns))
			return 1;
	}
	return 0;
}

__weak __noinline int wait_long(u64 until_ns)
{
	for (u32 i = 0; i < WAIT_TURNS; i++) {
		if (wait_longer(until_ns))
			return 1;
	}
	return 0;
}

__weak __noinline int wait_longest(u64 until_ns)
{
	for (u32 i = 0; i < WAIT_TURNS; i++) {
		if (wait_long(until_ns))
			return 1;
	}
	return 0;
}

/*
 * After a part of a look: whether the drain has ended. A look that has is followed by a wait, and
 * the next one begins. The look is taken by the caller, as programs may not be nested as deep as it
 * takes.
 */
__weak __noinline int drain_ended(u64 id)
{
	struct unload_record *record = bpf_map_lookup_elem(&unloads, &id);
	struct walk *walk;
	bool whole;
	u64 now, next;

	if (!record)
		return 1;
	walk = (struct walk *)record->scratch;
	now = bpf_ktime_get_ns();
	if (walk->phase != WALK_DONE && now < walk->until_ns)
		return 0;
	whole = is_whole(walk);
	count_drained(walk, record);
	if (whole && !walk->found)
		record->drain_ns = now - id;
	if ((whole && walk->found == walk->hopeless) || now >= walk->until_ns)
		return 1;
	next = now + DRAIN_STEP_NS;
	if (whole && walk->next_ns > next)
		next = walk->next_ns;
	if (next > walk->until_ns)
		next = walk->until_ns;
	wait_longest(next);
	record->drain_ns = bpf_ktime_get_ns() - id;
	begin_look(walk, STAGE_FIRST);
	return 0;
}

/* Behind the program that looks for what is pending, on the same event. */
SEC("raw_tp/module_free")
int drain_at_module_free(void *ctx)
{
	struct unload_record *record = record_of_task();
	struct walk *walk;
	u64 id;

	if (!record || !record->pending_count)
		return 0;
	walk = (struct walk *)record->scratch;
	if (!to_be_drained(walk, record))
		return 0;
	id = record->id;
	walk->purpose = FOR_DRAIN;
	walk->until_ns = bpf_ktime_get_ns() + drain_limit_ns;
	begin_look(walk, STAGE_FIRST);
	for (u32 i = 0; i < DRAIN_TURNS; i++) {
		advance_most(id);
		if (drain_ended(id))
			break;
	}
	/*
	 * What is due and does not fire, this CPU keeps from firing: it has left its softirqs to a
	 * thread. That runs while free_module() waits for RCU, and the last look tells.
	 */
	if (!walk->found || walk->due != walk->found || !sees_memory_free())
		complete(record);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
