/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/*
 * Looks at all timers for a module, one step after the other until they are whole: for the
 * verdict when it is freed, for the question whether it may be, and while it drains.
 */

#include "look.h"
#include "maps.h"
#include "record.h"
#include "symbols.h"

/* Of bpf_loop(): BPF_MAX_LOOPS (kernel/bpf/bpf_iter.c). */
#define LOOP_STEPS  (1U << 23)
#define PATIENCE_NS 10000000 /* 10 ms */
#define REPEATS_MIN 2
/* Of a loop whose every turn the verifier walks, in a time that grows faster than the turns. */
#define UNROLLED_TURNS 128

static __always_inline void begin_look(struct walk *walk, u32 stage)
{
	walk->found = 0;
	walk->hopeless = 0;
	walk->due = 0;
	walk->next_ns = 0;
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

/* Whether what follows in free_module() drains the module, and completes the record. */
static __always_inline bool to_be_drained(const struct walk *walk,
					  const struct unload_record *record)
{
	return record->on_leak != ON_LEAK_ALERT && drain_attached && drain_limit_ns &&
	       walk->stage == STAGE_FIRST;
}

/* What a drain's look, or the part of it that was taken, leaves: it need not be whole. */
static __always_inline bool is_whole(const struct walk *walk)
{
	return walk->phase == WALK_DONE && !(walk->gaps & (SCAN_GAPS | PASSING_GAPS));
}

static __always_inline void count_drained(const struct walk *walk, struct unload_record *record)
{
	/* That a look which is not whole found nothing says nothing. */
	record->drain_left = is_whole(walk) || walk->found ? walk->found : record->pending_count;
}

enum progress { GOES_ON, AT_TABLE, AT_END };

/*
 * What follows a look. In the end the record is complete, or waits for the
 * module's memory to go.
 */
static __always_inline enum progress conclude(struct walk *walk, struct unload_record *record,
					      const bool iterates)
{
	/* What was due as the drain ended has had its chance. */
	if (walk->purpose == FOR_DRAIN && walk->stage == STAGE_AGAIN) {
		count_drained(walk, record);
		if (record->drain_left && looks_again(walk, walk->gaps)) {
			begin_look(walk, STAGE_AGAIN);
			return GOES_ON;
		}
		complete(record);
		return AT_END;
	}
	if (walk->purpose != FOR_VERDICT)
		return AT_END;
	record->gaps = gaps_of_look(walk, record);
	if (!record->pending_count && looks_again(walk, record->gaps)) {
		begin_look(walk, STAGE_AGAIN);
		return GOES_ON;
	}
	/* What a scan with gaps may have missed, tracking still knows. */
	if (walk->stage != STAGE_LATE && (walk->gaps & SCAN_GAPS) && tracks &&
	    !walk->asked_tracking) {
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
		/* But not before it has been drained: nothing can happen meanwhile. */
		if (!to_be_drained(walk, record))
			complete(record);
		return AT_END;
	}
	if (walk->stage == STAGE_FIRST && sees_memory_free())
		return AT_END;
	/*
	 * What was armed since nobody has tracked, or it is a per-CPU timer of core code: it is to
	 * be found nowhere but in the wheels and trees.
	 */
	if (walk->stage == STAGE_LATE && (!tracks || record->memory.percpu.size ||
					  verdict_of(0, record->gaps) != VERDICT_CLEAN)) {
		begin_look(walk, STAGE_AGAIN);
		return GOES_ON;
	}
	complete(record);
	return AT_END;
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
	if (to_be_drained(walk, record) && record->pending_count)
		return;
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
__weak __noinline int advance_loop(struct unload_record *record)
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
 * Where not, the verifier walks through every turn of a loop, and a global function (5.6+) takes
 * numbers only.
 */
__weak __noinline int advance_once(u64 id)
{
	struct unload_record *record = bpf_map_lookup_elem(&unloads, &id);

	return !record || advance(record, false) != GOES_ON;
}

__weak __noinline int advance_often(u64 id)
{
	for (u32 i = 0; i < UNROLLED_TURNS; i++) {
		if (advance_once(id))
			return 1;
	}
	return 0;
}

__weak __noinline int advance_most(u64 id)
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
