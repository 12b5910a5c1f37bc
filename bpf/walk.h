/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/*
 * The walk over all of the kernel's armed timers, and what is done with those it
 * finds. It is a machine that advances by one small step at a time, with all of its
 * state in a map, so that one body serves every kernel: bpf_loop() drives it where
 * the kernel has that (5.17+), bounded loops where not.
 *
 * Wheels (kernel/time/timer.c) and trees (kernel/time/hrtimer.c) are read without
 * their locks. Every step checks that what it stands on still hangs together, and where:
 * a timer that stays where it is can't be missed. One that moves from where the walk
 * has not been to where it has been escapes it, and so does one that is armed after
 * its place was read: both leave a trace in the ring of recent arms, which is read last.
 */

#include "compat.h"
#include "maps.h"
#include "timers.h"

#define BUCKET_ATTEMPTS	 4
#define WHEEL_ATTEMPTS	 8
#define TREE_ATTEMPTS	 16
#define WORD_BITS	 64
#define SYMBOLS_PER_STEP 4
/* Elf64_Sym (include/uapi/linux/elf.h) */
#define ELF_SYMBOL_BYTES	24
#define ELF_SYMBOL_VALUE_OFFSET 8
/* kernel/time/timer.c: NR_BASES is 3 since 6.9 */
#define TIMER_BASES_MAX 3
/* include/linux/timer.h: what a timer's flags say of where it hangs. */
#define TIMER_CPUMASK	 0x0003ffff
#define TIMER_ARRAYSHIFT 22

enum walk_phase {
	/* of the survey */
	WALK_AREAS = 0,	  /* index: CPU */
	WALK_MODULES = 1, /* node: in the list of modules */
	/* of the survey and of every look */
	WALK_WHEEL = 2,	 /* index: wheel */
	WALK_WORD = 3,	 /* word: of the wheel's bitmap */
	WALK_BUCKET = 4, /* bits: of the word, not yet walked */
	WALK_LIST = 5,	 /* node, link: in the bucket's list */
	WALK_TREE = 6,	 /* index: tree */
	WALK_EDGE = 7,	 /* node, from: in the tree */
	/* of every look */
	WALK_RUNNING = 8,    /* index: wheel */
	WALK_RUNNING_HR = 9, /* index: tree */
	WALK_ORPHANS = 15,   /* word: how far back in their ring */
	WALK_RECENT = 10,    /* index: CPU, word: how far back in its ring */
	/* of a leak */
	WALK_SYMBOLS = 11,   /* index: in the module's symbol table */
	WALK_NAMES = 12,     /* index: in the record's pending timers */
	WALK_NAMES_END = 16, /* likewise */
	WALK_DONE = 13,
	/* All tracked timers are to be gone through, by the program itself. */
	WALK_TABLE = 14,
};

enum walk_stage {
	STAGE_SURVEY = 0,
	STAGE_FIRST = 1, /* when the module begins to be freed */
	STAGE_LATE = 2,	 /* what was armed since, when its memory goes */
	STAGE_AGAIN = 3, /* everything again then, as the first look was not whole */
	STAGE_NAMES = 4,
};

/* Lies in the scratch of an unload's record. */
struct walk {
	u64 loading_ns; /* the module's load began; 0: not seen */
	u64 again_ns;	/* the first look at the end of the memory; 0: not yet */
	u64 since_ns;	/* arms from here on are recent */
	u64 lost_arms;	/* until here */
	u64 base;	/* of the wheel or tree */
	u64 bits;
	u64 head;
	u64 link; /* address of the pointer that leads to node */
	u64 node;
	u64 from; /* the node of a tree that led to this one */
	u64 path; /* from the root to node: the lowest bit is the last step; 1: to the right */
	u64 symtab;
	u64 strtab;
	u32 symbols;
	u32 stage;
	u32 phase;
	u32 index;
	u32 word;
	u32 bucket;
	u32 steps;
	u32 gaps; /* of this look */
	u8 attempt;
	u8 list_attempt;
	u8 expiring;
	u8 descends;
	u8 asked_tracking;
	u8 repeats;
};
_Static_assert(sizeof(struct walk) <= DISARMD_SCRATCH_WORDS * 8, "a record's scratch holds it");

/* A timer that a step came across. */
struct find {
	u64 timer; /* 0: none */
	struct timer_facts facts;
	u8 sources;
	u8 state;
};

/* What a timer's entry starts as, to spare the stack a copy; never written. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct tracked_timer);
} blank_timer __weak SEC(".maps");

/* The timers that were reported last. Another owner of one may be freed as well. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct recent_arms);
} orphans __weak SEC(".maps");

/* Callbacks whose names are wanted, for the record of that id. */
struct callback_name {
	u64 record;
	char symbol[DISARMD_SYMBOL_LEN];
};

/* Not an LRU: with few elements it forgets what was put there just now. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, u64);
	__type(value, struct callback_name);
} callback_names __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct callback_name);
} blank_name __weak SEC(".maps");

/* A timer that nobody saw being armed becomes known as armed from here on. */
static __always_inline struct tracked_timer *find_or_track(const struct find *find)
{
	struct tracked_timer *entry;
	u64 timer = find->timer;
	u32 zero = 0;

	entry = bpf_map_lookup_elem(&armed_timers, &timer);
	if (entry)
		return entry;
	entry = bpf_map_lookup_elem(&blank_timer, &zero);
	if (!entry)
		return NULL;
	track_new(timer, entry, BPF_NOEXIST);
	entry = bpf_map_lookup_elem(&armed_timers, &timer);
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
	if (!in_range(&record->memory.init_text, callback) || !entry || !entry->armed_ns ||
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
	/* The survey's finds are older than every module that was loaded since. */
	bool surveyed = !entry->armed_ns && !entry->reported;

	if (entry->armed && (surveyed ? record->loaded_ns != 0
				      : entry->armed_ns && entry->armed_ns < walk->loading_ns))
		return ~0;
	return entry->orphaned;
}

/*
 * Whether a timer of which no arm is seen was armed again since: in per-CPU memory, and calling the
 * core. One that is an orphan still has its expiry.
 */
static __always_inline bool armed_unseen(const struct find *find, u64 expires)
{
	return !in_module_space(find->facts.callback) && !in_module_space(find->timer) &&
	       find->facts.expires != expires;
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
	push_recent(ring, timer);
}

static __always_inline void want_name(u64 callback, u64 record)
{
	struct callback_name *name = bpf_map_lookup_elem(&callback_names, &callback);
	u32 zero = 0;

	if (name && name->record == record)
		return;
	name = bpf_map_lookup_elem(&blank_name, &zero);
	if (!name)
		return;
	/* Without a name it is reported by address. */
	bpf_map_update_elem(&callback_names, &callback, name, BPF_ANY);
	name = bpf_map_lookup_elem(&callback_names, &callback);
	if (name)
		name->record = record;
}

static __always_inline void describe(struct pending_timer *pending, const struct find *find,
				     u8 owners, const struct tracked_timer *entry)
{
	pending->timer = find->timer;
	pending->callback = find->facts.callback;
	pending->expires = find->facts.expires;
	pending->kind = find->facts.kind;
	pending->owned_by = owners;
	pending->state = find->state;
	pending->sources = find->sources;
	if (!entry)
		return;
	pending->armed_ns = entry->armed_ns;
	pending->armed_pid = entry->armed_pid;
	pending->armed_cpu = entry->armed_cpu;
	pending->armed_context = entry->armed_context;
	__builtin_memcpy(pending->armed_comm, entry->armed_comm, sizeof(pending->armed_comm));
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
	owners = owners_of(walk, record, find, entry);
	if (!owners)
		return;
	if (entry) {
		if (entry->reported == id)
			return;
		if (entry->armed)
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
		entry->orphaned |= owners;
		remember_orphan(timer);
	}
	slot = record->pending_count;
	record->pending_count = slot + 1;
	if (slot >= DISARMD_PENDING_MAX)
		return;
	describe(&record->pending[slot], find, owners, entry);
	if (in_ranges(record->memory.ranges, find->facts.callback))
		want_name(find->facts.callback, id);
}

/* Beyond the bound nothing more is scanned; what is running or was armed lately is. */
static __always_inline bool over_bound(struct walk *walk)
{
	if (walk->steps++ < scan_steps)
		return false;
	walk->gaps |= GAP_SCAN_BOUND;
	return true;
}

static __always_inline void after_scan(struct walk *walk)
{
	walk->index = 0;
	walk->phase = walk->stage == STAGE_SURVEY ? WALK_DONE : WALK_RUNNING;
}

static __always_inline long wheel_base(u64 *base, u32 index)
{
	u64 offset = 0;

	if (read_u64(&offset, per_cpu_offset + 8 * (u64)(index / timer_bases_per_cpu)))
		return -1;
	*base = timer_bases_percpu + offset +
		(index % timer_bases_per_cpu) * (u64)bpf_core_type_size(struct timer_base);
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

/*
 * The callback that a CPU executes. Its timer may have been freed by it, and what was there before
 * another timer: what tells is whether that CPU was seen to begin. (Since 6.9 another CPU may
 * expire a global base for it: then its memory tells.)
 */
static __always_inline void find_running(struct find *find, u64 timer, u32 cpu)
{
	struct tracked_timer *entry = NULL;

	if (is_running(bpf_map_lookup_elem(&running_callbacks, &cpu), timer))
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

/* Whether a CPU executes a timer's callback: its own, or since 6.9 any for one in a global base. */
static __always_inline bool is_executing(u64 timer, u64 callback, u32 kind)
{
	u64 base = 0, running = 0;
	u32 flags = 0;

	if (is_hrtimer(kind)) {
		struct timer_facts facts = {};

		return !read_hrtimer_function(&facts, timer) && facts.callback == callback &&
		       !read_u64(&base, timer + bpf_core_field_offset(struct hrtimer, base)) &&
		       !read_u64(&running, base + bpf_core_field_offset(struct hrtimer_clock_base,
									running)) &&
		       running == timer;
	}
	if (!calls(timer, callback) ||
	    read_u32(&flags, timer + bpf_core_field_offset(struct timer_list, flags)))
		return false;
#pragma unroll
	for (u32 i = 0; i < TIMER_BASES_MAX; i++) {
		if (i < timer_bases_per_cpu &&
		    !wheel_base(&base, (flags & TIMER_CPUMASK) * timer_bases_per_cpu + i) &&
		    !read_u64(&running,
			      base + bpf_core_field_offset(struct timer_base, running_timer)) &&
		    running == timer)
			return true;
	}
	return false;
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

/* A tracked timer counts if that confirms it. */
static __always_inline void confirm(struct walk *walk, const struct unload_record *record,
				    struct find *find, u64 timer, const struct tracked_timer *entry)
{
	int linkage;

	find->facts.callback = entry->callback;
	find->facts.expires = entry->expires;
	find->facts.kind = entry->kind;
	find->sources = SOURCE_TRACKING;
	/* Its memory is gone: nobody but tracking knows of it any more. */
	if (entry->orphaned & OWNED_BY_OBJECT) {
		find->timer = entry->armed ? timer : 0;
		return;
	}
	linkage =
		linkage_of(timer, entry->callback, entry->kind, entry->armed || tracked_by_kprobes);
	if (linkage == UNLINKED)
		return;
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

static __always_inline void walk_symbols(struct walk *walk, const struct unload_record *record)
{
#pragma unroll
	for (u32 i = 0; i < SYMBOLS_PER_STEP; i++) {
		u64 symbol = walk->symtab + (u64)walk->index * ELF_SYMBOL_BYTES;
		struct callback_name *name;
		u64 value = 0;
		u32 at = 0;

		if (walk->index >= walk->symbols ||
		    read_u64(&value, symbol + ELF_SYMBOL_VALUE_OFFSET)) {
			walk->index = 0;
			walk->phase = WALK_NAMES;
			return;
		}
		walk->index++;
		name = bpf_map_lookup_elem(&callback_names, &value);
		if (name && name->record == record->id && !name->symbol[0] &&
		    !read_u32(&at, symbol))
			bpf_probe_read_kernel_str(name->symbol, sizeof(name->symbol),
						  (const void *)(walk->strtab + at));
	}
}

static __always_inline void walk_names(struct walk *walk, struct unload_record *record)
{
	struct callback_name *name;
	u32 index = walk->index;
	u64 callback;

	if (index >= record->pending_count || index >= DISARMD_PENDING_MAX) {
		walk->index = 0;
		walk->phase = walk->phase == WALK_NAMES ? WALK_NAMES_END : WALK_DONE;
		return;
	}
	walk->index = index + 1;
	callback = record->pending[index].callback;
	name = bpf_map_lookup_elem(&callback_names, &callback);
	if (!name || name->record != record->id)
		return;
	if (walk->phase == WALK_NAMES_END)
		bpf_map_delete_elem(&callback_names, &callback);
	else
		__builtin_memcpy(record->pending[index].symbol, name->symbol, sizeof(name->symbol));
}

/* One step of a look at all timers for a module that is being freed. */
static __always_inline void walk_step(struct walk *walk, struct unload_record *record)
{
	struct find find = { .sources = SOURCE_SCAN };

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
		walk_list(walk, &find);
		break;
	case WALK_TREE:
		begin_tree(walk);
		break;
	case WALK_EDGE:
		walk_edge(walk, &find);
		break;
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
	case WALK_SYMBOLS:
		walk_symbols(walk, record);
		break;
	case WALK_NAMES:
	case WALK_NAMES_END:
		walk_names(walk, record);
		break;
	}
	if (find.timer)
		report(walk, record, &find);
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
