/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/*
 * Wheels (kernel/time/timer.c) and trees (kernel/time/hrtimer.c) are read without
 * their locks. Every step checks that what it stands on still hangs together, and where:
 * a timer that stays where it is can't be missed. One that moves from where the walk
 * has not been to where it has been escapes it, and so does one that is armed after
 * its place was read: both leave a trace in the ring of recent arms, which is read last.
 */

#include "maps.h"
#include "timers.h"
#include "walk.h"

#define BUCKET_ATTEMPTS 4
#define WHEEL_ATTEMPTS	8
#define TREE_ATTEMPTS	16
#define WORD_BITS	64

/*
 * Timers that are being expired hang on a list local to the softirq. While there
 * are any, the base is locked or names the timer whose callback it runs.
 */
static __always_inline bool is_expiring(u64 base)
{
	u64 running = 0;
	u32 lock = 0;

	return read_u64(&running, base + bpf_core_field_offset(struct timer_base, running_timer)) ||
	       read_u32(&lock, base + bpf_core_field_offset(struct timer_base, lock)) || running ||
	       lock;
}

static __always_inline void begin_wheel(struct walk *walk)
{
	if (!timer_bases_percpu || walk->index >= possible_cpus * timer_bases_per_cpu) {
		walk->index = 0;
		walk->phase = WALK_TREE;
		return;
	}
	if (over_bound(walk)) {
		after_scan(walk);
		return;
	}
	if (wheel_base(&walk->base, walk->index)) {
		walk->gaps |= GAP_SCAN_UNREADABLE;
		walk->index++;
		return;
	}
	walk->expiring = is_expiring(walk->base);
	walk->word = 0;
	walk->phase = WALK_WORD;
}

static __always_inline void walk_word(struct walk *walk)
{
	u32 words = bpf_core_field_size(struct timer_base, pending_map) / sizeof(u64);
	u64 at = walk->base + bpf_core_field_offset(struct timer_base, pending_map);

	if (walk->word < words) {
		if (read_u64(&walk->bits, at + walk->word * sizeof(u64)))
			walk->gaps |= GAP_SCAN_UNREADABLE;
		else if (walk->bits)
			walk->phase = WALK_BUCKET;
		if (walk->phase != WALK_BUCKET)
			walk->word++;
		return;
	}
	walk->phase = WALK_WHEEL;
	walk->expiring |= is_expiring(walk->base);
	if (walk->expiring && ++walk->attempt < WHEEL_ATTEMPTS)
		return;
	if (walk->expiring)
		walk->gaps |= GAP_SCAN_EXPIRING;
	walk->attempt = 0;
	walk->index++;
}

/* The number of the lowest bit that is set, of bits that are not 0. */
static __always_inline u32 lowest_bit(u64 bits)
{
	u64 bit = bits & -bits;

	return !!(bit & 0xaaaaaaaaaaaaaaaaULL) | !!(bit & 0xccccccccccccccccULL) << 1 |
	       !!(bit & 0xf0f0f0f0f0f0f0f0ULL) << 2 | !!(bit & 0xff00ff00ff00ff00ULL) << 3 |
	       !!(bit & 0xffff0000ffff0000ULL) << 4 | !!(bit & 0xffffffff00000000ULL) << 5;
}

static __always_inline void next_bucket(struct walk *walk)
{
	if (walk->bits) {
		walk->phase = WALK_BUCKET;
	} else {
		walk->word++;
		walk->phase = WALK_WORD;
	}
}

static __always_inline void begin_list(struct walk *walk)
{
	walk->link = walk->head;
	walk->phase = WALK_LIST;
	if (!read_u64(&walk->node, walk->head))
		return;
	walk->gaps |= GAP_SCAN_UNREADABLE;
	walk->node = 0;
}

static __always_inline void walk_bucket(struct walk *walk)
{
	walk->bucket = walk->word * WORD_BITS + lowest_bit(walk->bits);
	walk->bits &= walk->bits - 1;
	walk->head = walk->base + bpf_core_field_offset(struct timer_base, vectors) +
		     walk->bucket * (u64)bpf_core_type_size(struct hlist_head);
	walk->list_attempt = 0;
	begin_list(walk);
}

static __always_inline void walk_list(struct walk *walk, struct find *find)
{
	u64 pprev_at = walk->node + bpf_core_field_offset(struct hlist_node, pprev);
	u64 next_at = walk->node + bpf_core_field_offset(struct hlist_node, next);
	u64 timer = walk->node - bpf_core_field_offset(struct timer_list, entry);
	u64 flags_at = timer + bpf_core_field_offset(struct timer_list, flags);
	u64 next = 0, before = 0, after = 0;
	u32 flags = 0;

	if (!walk->node) {
		next_bucket(walk);
		return;
	}
	if (over_bound(walk)) {
		after_scan(walk);
		return;
	}
	/*
	 * Linked here both before and after it was read, it did not move in between. Nor did the
	 * one before it take it along to another bucket: a timer knows its own.
	 */
	if (read_u64(&before, pprev_at) || read_u64(&next, next_at) ||
	    read_timer(&find->facts, timer) || read_u32(&flags, flags_at) ||
	    read_u64(&after, pprev_at) || before != walk->link || after != walk->link ||
	    flags >> TIMER_ARRAYSHIFT != walk->bucket ||
	    (flags & TIMER_CPUMASK) != walk->index / timer_bases_per_cpu) {
		if (++walk->list_attempt < BUCKET_ATTEMPTS) {
			begin_list(walk);
		} else {
			walk->gaps |= GAP_SCAN_MOVING;
			next_bucket(walk);
		}
		return;
	}
	find->timer = timer;
	walk->link = next_at;
	walk->node = next;
}

static __always_inline u32 trees_per_cpu(void)
{
	return bpf_core_field_size(struct hrtimer_cpu_base, clock_base) /
	       bpf_core_type_size(struct hrtimer_clock_base);
}

static __always_inline long tree_base(u64 *base, u32 index)
{
	u64 offset = 0;

	if (read_u64(&offset, per_cpu_offset + 8 * (u64)(index / trees_per_cpu())))
		return -1;
	*base = hrtimer_bases_percpu + offset +
		bpf_core_field_offset(struct hrtimer_cpu_base, clock_base) +
		(index % trees_per_cpu()) * (u64)bpf_core_type_size(struct hrtimer_clock_base);
	return 0;
}

static __always_inline void next_tree(struct walk *walk)
{
	walk->attempt = 0;
	walk->index++;
	walk->phase = WALK_TREE;
}

static __always_inline void begin_tree(struct walk *walk)
{
	if (!hrtimer_bases_percpu || walk->index >= possible_cpus * trees_per_cpu() ||
	    over_bound(walk)) {
		after_scan(walk);
		return;
	}
	/* The head of a tree begins with the pointer to its root. */
	if (tree_base(&walk->base, walk->index) ||
	    read_u64(&walk->node,
		     walk->base + bpf_core_field_offset(struct hrtimer_clock_base, active))) {
		walk->gaps |= GAP_SCAN_UNREADABLE;
		walk->node = 0;
	}
	if (!walk->node) {
		next_tree(walk);
		return;
	}
	walk->from = 0;
	walk->path = 0;
	walk->descends = 1;
	walk->phase = WALK_EDGE;
}

/*
 * In order, by parent pointers: the order of a tree is not changed by rotations. An edge is
 * taken only if both of its ends know it, and upwards on the side on which it was taken
 * downwards: a node that was moved to its parent's other side has passed what lies between.
 */
static __always_inline void walk_edge(struct walk *walk, struct find *find)
{
	u64 node = walk->node, from = walk->from;
	u64 timer = node - bpf_core_field_offset(struct hrtimer, node);
	u64 parent_at = node + bpf_core_field_offset(struct rb_node, __rb_parent_color);
	u64 parent = 0, left = 0, right = 0, parent_after = 0;
	bool visits, whole, from_right = walk->path & 1;

	if (over_bound(walk)) {
		after_scan(walk);
		return;
	}
	/* Where it was before and after its children were read they are those of that place. */
	whole = !read_u64(&parent, parent_at) &&
		!read_u64(&left, node + bpf_core_field_offset(struct rb_node, rb_left)) &&
		!read_u64(&right, node + bpf_core_field_offset(struct rb_node, rb_right)) &&
		!read_u64(&parent_after, parent_at);
	parent &= ~3ULL; /* the colour */
	whole &= (parent_after & ~3ULL) == parent;
	if (walk->descends)
		whole &= from == parent;
	else
		whole &= from == (from_right ? right : left);
	visits = walk->descends ? !left : !from_right;
	if (whole && visits)
		whole = !read_hrtimer(&find->facts, timer);
	if (!whole) {
		walk->phase = WALK_TREE;
		if (++walk->attempt >= TREE_ATTEMPTS) {
			walk->gaps |= GAP_SCAN_MOVING;
			next_tree(walk);
		}
		return;
	}
	if (visits)
		find->timer = timer;
	walk->from = node;
	if (!walk->descends)
		walk->path >>= 1;
	if (!visits && walk->descends) {
		walk->path <<= 1;
		walk->node = left;
	} else if (visits && right) {
		walk->path = walk->path << 1 | 1;
		walk->node = right;
		walk->descends = 1;
	} else {
		walk->node = parent;
		walk->descends = 0;
		if (!parent)
			next_tree(walk);
	}
}

static __always_inline void begin_scan(struct walk *walk)
{
	walk->index = 0;
	walk->steps = 0;
	walk->attempt = 0;
	walk->phase = WALK_WHEEL;
	if (!timer_bases_percpu || !hrtimer_bases_percpu || !per_cpu_offset)
		walk->gaps |= GAP_SCAN_ABSENT;
}

/* One step through the wheels and the trees, if the walk is in one. */
static __always_inline void scan_step(struct walk *walk, struct find *find)
{
	switch (walk->phase) {
	case WALK_WHEEL:
		begin_wheel(walk);
		break;
	case WALK_WORD:
		walk_word(walk);
		break;
	case WALK_BUCKET:
		walk_bucket(walk);
		break;
	case WALK_LIST:
		walk_list(walk, find);
		break;
	case WALK_TREE:
		begin_tree(walk);
		break;
	case WALK_EDGE:
		walk_edge(walk, find);
		break;
	}
}
