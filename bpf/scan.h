/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

#include "maps.h"

/*
 * A walk over every CPU's timer wheels. With a record, the timers that belong to
 * its module are added to it; without, every module's timers become known to
 * tracking. gaps collects why the walk may have missed some.
 */
struct wheel_scan {
	struct unload_record *record;
	u32 gaps;
};

int scan_wheels(struct wheel_scan *scan);

/* The owners of a timer, as bits of enum timer_owner, seen from the module with these ranges. */
static __always_inline u8 owners_of(const struct memory_range *ranges, u64 timer, u64 callback,
				    u8 kind)
{
	u8 owners = 0;

	if (in_ranges(ranges, callback))
		owners |= kind == TIMER_KIND_DELAYED_WORK ? OWNED_BY_WORK : OWNED_BY_CALLBACK;
	if (in_ranges(ranges, timer))
		owners |= OWNED_BY_OBJECT;
	return owners;
}

/*
 * A timer in the module's ranges that another instance left there. The survey's
 * finds are older than every module that was loaded since.
 */
static __always_inline bool is_orphan(const struct tracked_timer *entry,
				      const struct unload_record *record)
{
	if (entry->reported)
		return entry->reported != record->id;
	return !entry->armed_ns && record->loaded_ns;
}

/* Where to describe one more pending timer; NULL once the record is full, which still counts it. */
static __always_inline struct pending_timer *next_pending(struct unload_record *record)
{
	u32 slot = record->pending_count;

	record->pending_count = slot + 1;
	if (slot >= DISARMD_PENDING_MAX)
		return NULL;
	return &record->pending[slot];
}

static __always_inline void name_callback(struct pending_timer *pending)
{
	BPF_SNPRINTF(pending->symbol, sizeof(pending->symbol), "%ps", pending->callback);
}

static __always_inline void copy_arm(struct pending_timer *pending,
				     const struct tracked_timer *entry)
{
	pending->armed_ns = entry->armed_ns;
	pending->armed_pid = entry->armed_pid;
	pending->armed_cpu = entry->armed_cpu;
	pending->armed_context = entry->armed_context;
	__builtin_memcpy(pending->armed_comm, entry->armed_comm, sizeof(pending->armed_comm));
}
