/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/*
 * Whose a timer is that a step came across, and its place in the record.
 */

#include "maps.h"
#include "walk.h"

/* The timers that were reported last. Another owner of one may be freed as well. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct recent_arms);
} orphans __weak SEC(".maps");

/* A timer that nobody saw being armed becomes known as armed from here on. */
static __always_inline struct tracked_timer *find_or_track(const struct find *find)
{
	struct tracked_timer *entry = bpf_map_lookup_elem(&armed_timers, &find->timer);

	if (entry)
		return entry;
	entry = blank_entry(find->timer);
	if (!entry)
		count_lost_arm(LOSS_TIMER_MAP);
	/* Armed anew since: tracking knows better. */
	if (!entry || entry->armed_ns)
		return entry;
	entry->callback = find->facts.callback;
	entry->expires = find->facts.expires;
	entry->kind = find->facts.kind;
	entry->armed = find->state == PENDING_ARMED;
	return entry;
}

/* Whether addr is in a CPU's instance of the per-CPU data that begins at range->start. */
static __always_inline bool in_percpu(const struct memory_range *range, u64 addr)
{
	u64 offset = addr - range->start;
	u64 first = 0, within;

	if (!range->size || read_u64(&first, per_cpu_offset))
		return false;
	within = offset - first;
	/* The remainder by 0 is the dividend. */
	if ((s64)within < 0)
		within = (percpu_stride - (-within % percpu_stride)) % percpu_stride;
	else
		within %= percpu_stride;
	if (within >= range->size)
		return false;
	offset -= within;
	return bpf_map_lookup_elem(&percpu_areas, &offset) != NULL;
}

/*
 * Whether a timer's callback is that of the module's init, in memory that has been given back
 * since. When is known only of an init that was seen to end.
 */
static __always_inline bool calls_init(struct walk *walk, const struct unload_record *record,
				       u64 callback, const struct tracked_timer *entry)
{
	if (!in_range(&record->memory.init_text, callback) || !entry || !seen_armed_ns(entry) ||
	    entry->armed_ns < record->loaded_ns)
		return false;
	if (!record->live_ns)
		walk->gaps |= GAP_RANGES;
	return entry->armed_ns <= record->live_ns;
}

/*
 * What of a tracked timer's owners was there before the module that is being freed was loaded. Of
 * an arm that tracking has missed it knows no time: whose the timer was before may have deleted it,
 * and given its memory back.
 */
static __always_inline u8 earlier_owners(const struct walk *walk,
					 const struct unload_record *record,
					 const struct tracked_timer *entry)
{
	/* The survey's finds are older than every module that was seen being loaded since. */
	u64 since = entry->surveyed ? record->loaded_ns : walk->loading_ns;

	if (entry->armed && entry->armed_ns && entry->armed_ns < since)
		return ~0;
	return entry->orphaned;
}

/*
 * Whether a timer of which no arm is seen was armed again since: nobody tracks any, or it is in
 * per-CPU memory, and calling the core. One that is an orphan still has its expiry.
 */
static __always_inline bool armed_unseen(const struct find *find, u64 expires)
{
	if (tracks && (in_module_space(find->facts.callback) || in_module_space(find->timer)))
		return false;
	return find->facts.expires != expires;
}

/*
 * The owners of a timer, as bits of enum timer_owner, seen from the module that is
 * being freed: without what another instance of a module left there.
 */
static __always_inline u8 owners_of(struct walk *walk, const struct unload_record *record,
				    const struct find *find, const struct tracked_timer *entry)
{
	const struct module_memory *memory = &record->memory;
	u64 callback = find->facts.callback;
	u8 owners = 0, earlier;

	if (in_ranges(memory->ranges, callback) || calls_init(walk, record, callback, entry))
		owners |= find->facts.kind == TIMER_KIND_DELAYED_WORK ||
					  find->facts.kind == TIMER_KIND_KTHREAD_DELAYED_WORK
				  ? OWNED_BY_WORK
				  : OWNED_BY_CALLBACK;
	if (in_ranges(memory->ranges, find->timer) || in_percpu(&memory->percpu, find->timer))
		owners |= OWNED_BY_OBJECT;
	if (!owners || !entry)
		return owners;
	earlier = owners & earlier_owners(walk, record, entry);
	if (earlier && (entry->rearmed || armed_unseen(find, entry->expires)))
		walk->gaps |= GAP_ORPHANS;
	/* An arm that tracking has missed is not an earlier one. */
	if (earlier && !entry->armed && find->state == PENDING_ARMED)
		walk->gaps |= GAP_SCAN_DISPUTED;
	return owners & ~earlier;
}

static __always_inline void remember_orphan(u64 timer)
{
	struct recent_arms *ring;
	u32 zero = 0;

	ring = bpf_map_lookup_elem(&orphans, &zero);
	if (!ring)
		return;
	push_recent(ring, timer, bpf_ktime_get_ns());
}

static __always_inline void describe(struct pending_timer *pending, const struct find *find,
				     u8 owners, const struct tracked_timer *entry)
{
	const struct timer_evidence *known = bpf_map_lookup_elem(&evidence, &find->timer);

	pending->timer = find->timer;
	pending->callback = find->facts.callback;
	pending->expires = find->facts.expires;
	pending->kind = find->facts.kind;
	pending->owned_by = owners;
	pending->state = find->state;
	pending->sources = find->sources;
	if (known)
		pending->evidence = *known;
	if (!entry)
		return;
	pending->deleted_ns = entry->deleted_ns;
	pending->armed_ns = seen_armed_ns(entry);
	pending->armed_pid = entry->armed_pid;
	pending->armed_cpu = entry->armed_cpu;
	pending->armed_context = entry->armed_context;
	__builtin_memcpy(pending->armed_comm, entry->armed_comm, sizeof(pending->armed_comm));
}

/* Later than that a timer that is due does not fire, but for something that this CPU keeps from
 * running. */
#define OVERDUE_NS 100000000 /* 100 ms */

/* When it is due, on CLOCK_MONOTONIC; now, where the length of a jiffy is not known. */
static __always_inline u64 due_ns(const struct timer_facts *facts, u64 now)
{
	if (is_hrtimer(facts->kind))
		return facts->expires;
	return now + (facts->expires - bpf_jiffies64()) * tick_ns;
}

/*
 * Counts what is left of a module that drains, once in each look. What the record names remains
 * the module's, though it counts as an orphan by now.
 */
static __always_inline void count_left(struct walk *walk, const struct unload_record *record,
				       const struct find *find, struct tracked_timer *entry)
{
	u64 now = bpf_ktime_get_ns(), due;
	/* Marks are times: that of the record, then of each look. */
	bool named = entry && entry->reported >= record->id;

	if (named ? entry->reported == walk->since_ns : !owners_of(walk, record, find, entry))
		return;
	if (entry)
		entry->reported = walk->since_ns;
	walk->found++;
	if (find->state != PENDING_ARMED)
		return;
	due = due_ns(&find->facts, now);
	walk->due += due <= now;
	if (due > walk->until_ns || due + OVERDUE_NS < now ||
	    /* It would be armed again by its callback, or has been since the free began. */
	    (entry && (entry->armed_context == ARM_CONTEXT_CALLBACK ||
		       (entry->armed_ns > record->id && entry->armed_context != ARM_CONTEXT_TASK))))
		walk->hopeless++;
	else if (!walk->next_ns || due < walk->next_ns)
		walk->next_ns = due;
}

/* Adds a timer to the record if it is of the module that is being freed, once. */
static __always_inline void report(struct walk *walk, struct unload_record *record,
				   struct find *find)
{
	u64 timer = find->timer, id = record->id;
	struct tracked_timer *entry;
	u8 owners;
	u32 slot;

	entry = bpf_map_lookup_elem(&armed_timers, &timer);
	if (walk->purpose == FOR_DRAIN) {
		count_left(walk, record, find, entry);
		return;
	}
	owners = owners_of(walk, record, find, entry);
	if (!owners)
		return;
	if (walk->purpose == FOR_QUESTION) {
		/* Without room for it, it may be told twice. */
		if (!entry)
			entry = find_or_track(find);
		if (entry && entry->reported == id)
			return;
	} else if (entry) {
		if (entry->reported == id)
			return;
		if (entry->armed && tracks)
			find->sources |= SOURCE_TRACKING;
	} else {
		struct untracked_report *before = bpf_map_lookup_elem(&reported_untracked, &timer);
		struct untracked_report now = {
			.record = id,
			.orphaned = owners,
			.expires = find->facts.expires,
		};

		if (before && before->record == id)
			return;
		if (before) {
			if ((owners & before->orphaned) && armed_unseen(find, before->expires))
				walk->gaps |= GAP_ORPHANS;
			owners &= ~before->orphaned;
			now.orphaned |= before->orphaned;
		} else if (untracked_reports >= UNTRACKED_REPORTS && walk->loading_ns) {
			/* It may be one of those that were reported and forgotten. */
			walk->gaps |= GAP_ORPHANS;
			return;
		} else {
			__sync_fetch_and_add(&untracked_reports, 1);
		}
		if (!owners)
			return;
		bpf_map_update_elem(&reported_untracked, &timer, &now, BPF_ANY);
		entry = find_or_track(find);
	}
	if (entry) {
		/* Its arm may have been missed, or by kprobes taken for earlier than a delete. */
		if (find->state == PENDING_ARMED)
			entry->armed = 1;
		entry->reported = id;
		if (walk->purpose == FOR_VERDICT) {
			entry->orphaned |= owners;
			remember_orphan(timer);
		}
	}
	slot = record->pending_count;
	record->pending_count = slot + 1;
	if (slot >= DISARMD_PENDING_MAX)
		return;
	describe(&record->pending[slot], find, owners, entry);
}
