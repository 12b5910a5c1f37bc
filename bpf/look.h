/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/*
 * The look at all timers for a module that is being freed: after the scan of what is
 * queued, what is being executed, what an earlier module left, and what was armed
 * meanwhile.
 */

#include "maps.h"
#include "report.h"
#include "scan.h"
#include "walk.h"

/*
 * The callback that a CPU executes. Its timer may have been freed by it, and what was there before
 * another timer: what tells is whether that CPU was seen to begin. (Since 6.9 another CPU may
 * expire a global base for it: then its memory tells.)
 */
static __always_inline void find_running(struct find *find, u64 timer, u32 cpu)
{
	struct tracked_timer *entry = NULL;

	if (is_running(bpf_map_lookup_elem(&cpus, &cpu), timer))
		entry = bpf_map_lookup_elem(&armed_timers, &timer);
	find->timer = timer;
	find->state = PENDING_CALLBACK_RUNNING;
	if (entry) {
		find->facts.callback = entry->callback;
		find->facts.expires = entry->expires;
		find->facts.kind = entry->kind;
	}
}

static __always_inline void walk_running(struct walk *walk, struct find *find)
{
	u32 cpu = walk->index / timer_bases_per_cpu;
	u64 base = 0, running = 0;

	if (!timer_bases_percpu || walk->index >= possible_cpus * timer_bases_per_cpu) {
		walk->index = 0;
		walk->phase = WALK_RUNNING_HR;
		return;
	}
	if (wheel_base(&base, walk->index++) ||
	    read_u64(&running, base + bpf_core_field_offset(struct timer_base, running_timer))) {
		walk->gaps |= GAP_SCAN_UNREADABLE;
		return;
	}
	if (!running)
		return;
	if (read_timer(&find->facts, running))
		find->facts.callback = 0;
	find_running(find, running, cpu);
}

static __always_inline void walk_running_hr(struct walk *walk, struct find *find)
{
	u32 cpu = walk->index / trees_per_cpu();
	u64 base = 0, running = 0;

	if (!hrtimer_bases_percpu || walk->index >= possible_cpus * trees_per_cpu()) {
		walk->word = 0;
		walk->phase = WALK_ORPHANS;
		return;
	}
	if (tree_base(&base, walk->index++) ||
	    read_u64(&running, base + bpf_core_field_offset(struct hrtimer_clock_base, running))) {
		walk->gaps |= GAP_SCAN_UNREADABLE;
		return;
	}
	if (!running)
		return;
	if (read_hrtimer(&find->facts, running))
		find->facts.callback = 0;
	find_running(find, running, cpu);
}

/*
 * The kernel's own word on a tracked timer, as one of enum linkage. A global function, as the
 * verifier goes through these but once.
 */
__weak __noinline int linkage_of(u64 timer, u64 callback, u32 kind, u32 can_be_linked)
{
	enum linkage linkage = UNLINKED;

	if (can_be_linked)
		linkage = is_hrtimer(kind) ? read_hrtimer_linkage(timer, callback)
					   : read_timer_linkage(timer, callback);
	if (linkage == UNLINKED && is_executing(timer, callback, kind))
		return EXECUTING;
	return linkage;
}

/*
 * Events, of which none was lost, say that a timer is armed, and its memory that it is none: it was
 * given away without a delete. The scan has then met what is there now, and says nothing of it. An
 * hrtimer is queued after its start was traced; not so one that was before this look began.
 */
static __always_inline bool was_given_away(struct walk *walk, const struct unload_record *record,
					   struct find *find, u64 timer,
					   const struct tracked_timer *entry)
{
	bool owned;

	if (!walk->asked_tracking || tracked_by_kprobes || !seen_armed_ns(entry) ||
	    entry->armed_ns >= walk->since_ns)
		return false;
	find->timer = timer;
	owned = owners_of(walk, record, find, entry) != 0;
	find->timer = 0;
	/* Deleted meanwhile: that is traced before it is done. */
	return owned && *(volatile const __u8 *)&entry->armed;
}

/* A tracked timer counts if that confirms it. */
static __always_inline void confirm(struct walk *walk, const struct unload_record *record,
				    struct find *find, u64 timer, const struct tracked_timer *entry)
{
	int linkage;

	find->facts.callback = entry->callback;
	find->facts.expires = entry->expires;
	find->facts.kind = entry->kind;
	find->sources = SOURCE_TRACKING;
	/* Its memory is gone, but for a drain's: nobody but tracking knows of it any more. */
	if ((entry->orphaned & OWNED_BY_OBJECT) &&
	    !(walk->purpose == FOR_DRAIN && entry->reported >= record->id)) {
		find->timer = entry->armed ? timer : 0;
		if (tracks)
			return;
		if (owners_of(walk, record, find, entry))
			walk->gaps |= GAP_ORPHANS;
		find->timer = 0;
		return;
	}
	linkage =
		linkage_of(timer, entry->callback, entry->kind, entry->armed || tracked_by_kprobes);
	if (linkage == UNLINKED) {
		if (was_given_away(walk, record, find, timer, entry))
			walk->gaps |= GAP_OVERWRITTEN;
		return;
	}
	find->timer = timer;
	/* It was still pending when those that execute were looked at. */
	if (linkage == EXECUTING)
		find->state = PENDING_CALLBACK_RUNNING;
	if (linkage != IN_FLUX)
		return;
	if (owners_of(walk, record, find, entry))
		walk->gaps |= GAP_UNCONFIRMED;
	find->timer = 0;
}

static __always_inline void walk_orphans(struct walk *walk, const struct unload_record *record,
					 struct find *find)
{
	struct tracked_timer *entry;
	struct recent_arms *ring;
	u32 back = walk->word++;
	u32 zero = 0;
	u64 timer;

	ring = bpf_map_lookup_elem(&orphans, &zero);
	if (!ring || back >= ring->count || back >= RECENT_ARMS) {
		walk->index = 0;
		walk->word = 0;
		walk->phase = WALK_RECENT;
		return;
	}
	timer = ring->arm[(ring->count - 1 - back) & (RECENT_ARMS - 1)].timer;
	entry = bpf_map_lookup_elem(&armed_timers, &timer);
	if (entry && entry->orphaned)
		confirm(walk, record, find, timer, entry);
}

static __always_inline void walk_recent(struct walk *walk, const struct unload_record *record,
					struct find *find)
{
	struct tracked_timer *entry;
	struct recent_arms *recent;
	u32 cpu = walk->index;
	u32 back = walk->word;
	u32 at;
	u64 timer;

	recent = bpf_map_lookup_elem(&recent_arms, &cpu);
	if (!recent) {
		walk->phase = WALK_DONE; /* that was the last CPU */
		return;
	}
	if (back < recent->count && back < RECENT_ARMS) {
		at = (recent->count - 1 - back) & (RECENT_ARMS - 1);
		timer = recent->arm[at].timer;
		entry = bpf_map_lookup_elem(&armed_timers, &timer);
		/* Forgotten: it is not armed. */
		if (entry)
			confirm(walk, record, find, timer, entry);
		/*
		 * The last one before as well: an hrtimer is queued after it was traced, and that
		 * may have been after its tree was read. By the late look it has been.
		 */
		if (recent->arm[at].at_ns >= walk->since_ns) {
			walk->word = back + 1;
			return;
		}
	} else if (back == RECENT_ARMS) {
		walk->gaps |= GAP_OVERRUN;
	}
	walk->index = cpu + 1;
	walk->word = 0;
}

/* One step of a look at all timers for a module that is being freed. */
static __always_inline void walk_step(struct walk *walk, struct unload_record *record)
{
	struct find find = { .sources = SOURCE_SCAN };

	switch (walk->phase) {
	case WALK_RUNNING:
		walk_running(walk, &find);
		break;
	case WALK_RUNNING_HR:
		walk_running_hr(walk, &find);
		break;
	case WALK_ORPHANS:
		walk_orphans(walk, record, &find);
		break;
	case WALK_RECENT:
		walk_recent(walk, record, &find);
		break;
	default:
		scan_step(walk, &find);
		break;
	}
	if (find.timer)
		report(walk, record, &find);
}
