// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause

/*
 * Scanning: the timer wheels themselves (kernel/time/timer.c), read without their
 * locks. A wheel is an array of buckets, each a list; a bitmap says which are in
 * use. Every step checks that the list still hangs together; a bucket that
 * changed under the reader is walked again. A timer that moves from a bucket not
 * yet read to one read before escapes all the same: tracking sees it move.
 */

#include "kernel.h"
#include "compat.h"
#include "scan.h"

#define BUCKET_ATTEMPTS 4
#define WHEEL_ATTEMPTS	2
#define BUCKET_BOUND	131072
#define BITS_PER_WORD	64

struct bucket_walk {
	struct wheel_scan *scan;
	u64 head;
	u64 link; /* address of the pointer that leads to node */
	u64 node;
	u32 moved; /* the list did not hang together */
};

struct word_walk {
	struct wheel_scan *scan;
	u64 base;
	u64 bits;
	u32 first_bucket;
	u32 expiring; /* timers were being expired while it was walked */
};

/* What a timer's entry starts as, to spare the deep stack a copy; never written. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct tracked_timer);
} blank_timer SEC(".maps");

/* A timer that nobody saw being armed becomes known as armed from here on. */
static __always_inline struct tracked_timer *find_or_track(u64 timer, u64 callback, u64 expires,
							   u8 kind)
{
	struct tracked_timer *entry = bpf_map_lookup_elem(&armed_timers, &timer);
	u32 zero = 0;

	if (entry)
		return entry;
	entry = bpf_map_lookup_elem(&blank_timer, &zero);
	if (!entry)
		return NULL;
	if (track_new(timer, entry, BPF_NOEXIST))
		count_lost_arm(LOSS_TIMER_MAP);
	entry = bpf_map_lookup_elem(&armed_timers, &timer);
	/* Armed anew since: tracking knows better. */
	if (!entry || entry->armed_ns)
		return entry;
	entry->callback = callback;
	entry->expires = expires;
	entry->kind = kind;
	entry->armed = 1;
	return entry;
}

static __always_inline void report_scanned(struct unload_record *record, u64 timer, u64 callback,
					   u64 expires, u8 kind)
{
	u8 owners = owners_of(record->ranges, timer, callback, kind);
	struct tracked_timer *entry;
	struct pending_timer *pending;
	u8 sources = SOURCE_SCAN;

	if (!owners)
		return;
	entry = bpf_map_lookup_elem(&armed_timers, &timer);
	if (entry && (is_orphan(entry, record) || entry->reported == record->id))
		return;
	if (entry && entry->armed)
		sources |= SOURCE_TRACKING;
	entry = find_or_track(timer, callback, expires, kind);
	if (entry)
		entry->reported = record->id;
	pending = next_pending(record);
	if (!pending)
		return;
	pending->timer = timer;
	pending->callback = callback;
	pending->expires = expires;
	pending->kind = kind;
	pending->owned_by = owners;
	pending->state = PENDING_ARMED;
	pending->sources = sources;
	if (entry)
		copy_arm(pending, entry);
	name_callback(pending);
}

static __always_inline int visit(struct wheel_scan *scan, u64 timer)
{
	const u64 expires_at = timer + bpf_core_field_offset(struct timer_list, expires);
	const u64 function_at = timer + bpf_core_field_offset(struct timer_list, function);
	u64 callback = 0, expires = 0;
	u8 kind = TIMER_KIND_TIMER;

	if (read_u64(&callback, function_at) || read_u64(&expires, expires_at))
		return -1;
	if (callback == delayed_work_timer_fn_addr) {
		if (read_work_function(&callback, timer))
			return -1;
		kind = TIMER_KIND_DELAYED_WORK;
	}
	if (!in_module_space(callback) && !in_module_space(timer))
		return 0;
	if (scan->record)
		report_scanned(scan->record, timer, callback, expires, kind);
	else
		find_or_track(timer, callback, expires, kind);
	return 0;
}

static long walk_node(u32 index, struct bucket_walk *walk)
{
	u64 pprev_at = walk->node + bpf_core_field_offset(struct hlist_node, pprev);
	u64 next = 0, before = 0, after = 0;

	if (!walk->node)
		return 1;
	/* Linked here both before and after its next was read, it did not move in between. */
	if (read_u64(&before, pprev_at) ||
	    read_u64(&next, walk->node + bpf_core_field_offset(struct hlist_node, next)) ||
	    visit(walk->scan, walk->node - bpf_core_field_offset(struct timer_list, entry)) ||
	    read_u64(&after, pprev_at) || before != walk->link || after != walk->link) {
		walk->moved = 1;
		return 1;
	}
	walk->link = walk->node + bpf_core_field_offset(struct hlist_node, next);
	walk->node = next;
	return 0;
}

static long try_bucket(u32 attempt, struct bucket_walk *walk)
{
	walk->link = walk->head;
	walk->moved = 0;
	if (read_u64(&walk->node, walk->head)) {
		walk->scan->gaps |= GAP_SCAN_UNREADABLE;
		return 1;
	}
	bpf_loop(BUCKET_BOUND, walk_node, walk, 0);
	if (!walk->moved && walk->node)
		walk->scan->gaps |= GAP_SCAN_BOUND;
	return walk->moved == 0;
}

static __always_inline void walk_bucket(struct wheel_scan *scan, u64 head)
{
	struct bucket_walk walk = { .scan = scan, .head = head };

	bpf_loop(BUCKET_ATTEMPTS, try_bucket, &walk, 0);
	if (walk.moved)
		scan->gaps |= GAP_SCAN_MOVING;
}

static long walk_bit(u32 bit, struct word_walk *word)
{
	if (word->bits & (1ULL << (bit & (BITS_PER_WORD - 1)))) {
		u64 bucket = word->first_bucket + bit;

		walk_bucket(word->scan, word->base +
						bpf_core_field_offset(struct timer_base, vectors) +
						bucket * bpf_core_type_size(struct hlist_head));
	}
	return 0;
}

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

static long walk_word(u32 index, struct word_walk *word)
{
	u64 at = word->base + bpf_core_field_offset(struct timer_base, pending_map) +
		 index * sizeof(word->bits);

	word->first_bucket = index * BITS_PER_WORD;
	if (read_u64(&word->bits, at)) {
		word->scan->gaps |= GAP_SCAN_UNREADABLE;
		return 0;
	}
	if (word->bits)
		bpf_loop(BITS_PER_WORD, walk_bit, word, 0);
	return 0;
}

static long try_wheel(u32 attempt, struct word_walk *word)
{
	u32 words = bpf_core_field_size(struct timer_base, pending_map) / sizeof(u64);

	word->expiring = is_expiring(word->base);
	bpf_loop(words, walk_word, word, 0);
	word->expiring |= is_expiring(word->base);
	return word->expiring == 0;
}

static long walk_wheel(u32 index, struct wheel_scan *scan)
{
	struct word_walk word = { .scan = scan };
	u32 cpu = index / timer_bases_per_cpu;
	u64 offset = 0;

	if (read_u64(&offset, per_cpu_offset + 8 * (u64)cpu)) {
		scan->gaps |= GAP_SCAN_UNREADABLE;
		return 0;
	}
	word.base = timer_bases_percpu + offset +
		    (index % timer_bases_per_cpu) * (u64)bpf_core_type_size(struct timer_base);
	bpf_loop(WHEEL_ATTEMPTS, try_wheel, &word, 0);
	if (word.expiring)
		scan->gaps |= GAP_SCAN_EXPIRING;
	return 0;
}

__hidden int scan_wheels(struct wheel_scan *scan)
{
	if (!timer_bases_percpu || !timer_bases_per_cpu || !per_cpu_offset)
		scan->gaps |= GAP_SCAN_UNREADABLE;
	else
		bpf_loop(possible_cpus * timer_bases_per_cpu, walk_wheel, scan, 0);
	return 0;
}

struct module_walk {
	u64 node;
	u32 gaps;
};

static long walk_module(u32 index, struct module_walk *walk)
{
	struct module_instance instance = {};
	u64 next = 0;
	u64 mod;

	if (walk->node == modules_list)
		return 1;
	mod = walk->node - bpf_core_field_offset(struct module, list);
	if (read_u64(&next, walk->node) ||
	    read_kernel(&instance.name, sizeof(instance.name),
			mod + bpf_core_field_offset(struct module, name))) {
		walk->gaps |= GAP_SCAN_UNREADABLE;
		return 1;
	}
	read_module_ranges(mod, instance.ranges);
	/* A load that on_module_load has seen meanwhile knows more. */
	bpf_map_update_elem(&modules, &mod, &instance, BPF_NOEXIST);
	walk->node = next;
	return 0;
}

/*
 * Run once by user space, after every other program is attached: makes known what
 * was there before. Returns the gaps (enum verdict_gap).
 */
SEC("raw_tp")
int survey(void *ctx)
{
	struct wheel_scan scan = {};
	struct module_walk walk = {};
	u32 mult = 0, shift = 0;

	if (jiffies_clocksource &&
	    !read_u32(&mult,
		      jiffies_clocksource + bpf_core_field_offset(struct clocksource, mult)) &&
	    !read_u32(&shift,
		      jiffies_clocksource + bpf_core_field_offset(struct clocksource, shift)))
		tick_ns = mult >> (shift & 31);

	survey_jiffies = bpf_jiffies64();
	if (modules_list && !read_u64(&walk.node, modules_list))
		bpf_loop(65536, walk_module, &walk, 0);
	else
		walk.gaps |= GAP_SCAN_UNREADABLE;

	scan_wheels(&scan);
	if (!scan.gaps)
		survey_complete = 1;
	return scan.gaps | walk.gaps;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
