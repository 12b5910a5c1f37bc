/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/*
 * The maps and variables that all programs share. They are weak so that every
 * object can hold this header; the linker keeps one of each.
 */

#include <disarmd/abi.h>
#include "kernel.h"

/* What user space found out about this kernel before loading. Addresses come from kallsyms; 0: not
 * known. */
const volatile __u64 timer_bases_percpu __weak = 0;   /* "timer_bases": add a CPU's offset */
const volatile __u32 timer_bases_per_cpu __weak = 0;  /* NR_BASES */
const volatile __u64 hrtimer_bases_percpu __weak = 0; /* "hrtimer_bases": add a CPU's offset */
const volatile __u64 per_cpu_offset __weak = 0;	      /* "__per_cpu_offset", indexed by CPU */
const volatile __u32 possible_cpus __weak = 0;	      /* CPU numbers are below this */
const volatile __u64 preempt_count_percpu __weak = 0; /* 0: contexts are not told apart */
const volatile __u64 modules_list __weak = 0;	      /* "modules" */
const volatile __u64 jiffies_clocksource __weak = 0;  /* "clocksource_jiffies" */
const volatile __u64 delayed_work_timer_fn_addr __weak = 0;	    /* "delayed_work_timer_fn" */
const volatile __u64 kthread_delayed_work_timer_fn_addr __weak = 0; /* likewise */
const volatile __u64 alarmtimer_fired_addr __weak = 0;		    /* likewise */
/*
 * No module lies below it, and neither a core callback nor a core timer above:
 * on x86-64 modules are mapped above the kernel's image.
 */
const volatile __u64 modules_floor __weak = ~0ULL;
/* The switches of all hooks on functions; 0: this kernel has none. */
const volatile __u64 ftrace_enabled_addr __weak = 0;	   /* "ftrace_enabled", an int */
const volatile __u64 kprobes_all_disarmed_addr __weak = 0; /* "kprobes_all_disarmed", a bool */
/* Steps of one scan, see over_bound() in walk.h. */
const volatile __u32 scan_steps __weak = 0;
/* Records of unloads that may wait for user space: those of questions have room beyond. */
const volatile __u32 unloads_max __weak = 0;
/* Entries of armed_timers, as user space sized it. */
const volatile __u32 armed_timers_max __weak = 0;
/* By enum deleting_function. */
const volatile __u64 deleting_functions[DELETING_FUNCTION_MAX] __weak = {};
/*
 * Whether arms and disarms are seen. If not, an entry of armed_timers is one that was found armed
 * as its module was freed, and tells no more than that.
 */
const volatile __u8 tracks __weak = 1;
/* Whether they are seen by kprobes: not under the lock of the timer's base. */
const volatile __u8 tracked_by_kprobes __weak = 0;

/* Set by user space once every tracking program is attached; a gap of tracking until then. */
__u32 tracking_attached __weak = 0;
/* Set by user space once the program that sees module memory go is attached. */
__u32 memory_free_attached __weak = 0;
/* Set by user space once every program that sees deletes is attached. */
__u32 deletes_attached __weak = 0;
/*
 * When everything was attached that can be; set by user space. 0: not yet. Of modules that were
 * loaded before, and their timers, nothing is known but what the survey finds and inherits.
 */
__u64 watching_ns __weak = 0;
/*
 * Set by user space until the survey is done, where an earlier daemon's programs still watch: the
 * frees that begin are theirs to judge, as these don't know yet which timers are orphans.
 */
__u32 others_judge __weak = 0;
/* Set by user space: since when it read what those know. What they saw before counts. */
__u64 inheriting_ns __weak = 0;
/* Set by the survey once it has seen every timer that was armed before. */
__u32 survey_complete __weak = 0;
__u64 tick_ns __weak = 0;	 /* length of a jiffy */
__u64 survey_jiffies __weak = 0; /* when it ran */
__u64 survey_ns __weak = 0;	 /* likewise */
extern __u64 losses[LOSS_MAX] SEC(".data.losses");
__u64 last_lost_arm_ns __weak = 0;
__u64 tracked_count __weak = 0;	  /* entries of armed_timers */
__u64 forgotten_count __weak = 0; /* those that were or are being removed from it */
/* Modules that are being freed and have no verdict yet. */
__u64 frees_in_progress __weak = 0;
__u64 last_load_ns __weak = 0; /* a module was given memory, at the latest */
/* A load, an init or an unload was begun. */
__u64 last_module_task_ns __weak = 0;
__u64 last_lost_delete_ns __weak = 0;
/* Records that wait for user space, which counts those off that it has taken. */
__u64 unloads_kept __weak = 0;
/* Set by user space: since when it is known that unloads can be denied; 0: they can't. */
__u64 denies_since_ns __weak = 0;
/* Set by user space: whether the program is attached that drains a module, and for how long it may.
 */
__u32 drain_attached __weak = 0;
__u64 drain_limit_ns __weak = 0;
/* The task (pid_tgid) that moves the timers of a CPU that went offline to another; 0: none. */
__u64 migrating_task __weak = 0;
/*
 * Of the distances between CPUs' per-CPU areas, the greatest common divisor; 0: there is
 * but one. User space computes it from percpu_areas.
 */
__u64 percpu_stride __weak = 0;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536); /* user space sizes it */
	__type(key, u64);
	__type(value, struct tracked_timer);
} armed_timers __weak SEC(".maps");

/* What a timer's entry starts as, to spare the stack a copy; never written. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct tracked_timer);
} blank_timer __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, u64);
	__type(value, struct timer_evidence);
} evidence __weak SEC(".maps");

/* Timers that were reported though tracking has no room for them, until they are armed again. */
struct untracked_report {
	u64 record;   /* id */
	u64 orphaned; /* as in struct tracked_timer */
	u64 expires;  /* likewise */
};

#define UNTRACKED_REPORTS 256
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(map_flags, BPF_F_NO_COMMON_LRU);
	__uint(max_entries, UNTRACKED_REPORTS); /* for each CPU; user space sizes it */
	__type(key, u64);
	__type(value, struct untracked_report);
} reported_untracked __weak SEC(".maps");
/* How many were ever put there: beyond its size some are forgotten. */
__u64 untracked_reports __weak = 0;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 2048);
	__type(key, u64);
	__type(value, struct module_instance);
} modules __weak SEC(".maps");

/* Where CPUs' per-CPU areas are: the elements of __per_cpu_offset. User space sizes it. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, u64);
	__type(value, u32);
} percpu_areas __weak SEC(".maps");

#define CALLBACKS_NESTED 3
struct cpu_state {
	/* Timers of modules whose callback it executes: a softirq's can be interrupted by a
	 * hardirq's. 0: none */
	u64 running[CALLBACKS_NESTED];
	/* How many stacks it may still take, as of then. */
	u64 stacks;
	u64 stacks_ns;
	u64 preempt_count; /* its address; 0: not looked up yet */
};

/* One slot per CPU number, here and in the next; user space sizes them. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct cpu_state);
} cpus __weak SEC(".maps");

/* Whether it executes the timer's callback. */
static __always_inline bool is_running(const struct cpu_state *cpu, u64 timer)
{
	return cpu &&
	       (cpu->running[0] == timer || cpu->running[1] == timer || cpu->running[2] == timer);
}

/* Timers and when that was: a ring, count being how many there ever were. */
#define RECENT_ARMS 512
struct recent_arms {
	u32 count;
	u32 reserved;
	struct {
		u64 timer;
		u64 at_ns;
	} arm[RECENT_ARMS];
};

/* For one writer at a time. */
static __always_inline void push_recent(struct recent_arms *ring, u64 timer, u64 now)
{
	u32 at = ring->count & (RECENT_ARMS - 1);

	ring->arm[at].timer = timer;
	ring->arm[at].at_ns = now;
	ring->count++;
}

/* What was armed on a CPU, as events tell it: under a base's lock, no interrupt between. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct recent_arms);
} recent_arms __weak SEC(".maps");

/* Tasks (pid_tgid) inside delete_module or do_init_module. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, u64);
	__type(value, struct module_task);
} module_tasks __weak SEC(".maps");

/* Tasks (pid_tgid) inside load_module, and since when; those whose load fails are left. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, u64);
	__type(value, u64);
} loading_tasks __weak SEC(".maps");

/* Tasks (pid_tgid) inside free_module, and the id of their unload's record. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, u64);
	__type(value, u64);
} freeing_tasks __weak SEC(".maps");

/* Verdicts, until user space has taken them. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 32); /* user space sizes it */
	__type(key, u64);
	__type(value, struct unload_record);
} unloads __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 65536);
} notifications __weak SEC(".maps");

/* Of struct symbol_piece. Nobody is woken for them: they come before the record's notification. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 2 * 1024 * 1024);
} symbol_pieces __weak SEC(".maps");

static __always_inline void count_loss(enum loss what)
{
	__sync_fetch_and_add(&losses[what], 1);
}

/* Arms that tracking does not know of. */
static __always_inline void count_lost_arm(enum loss what)
{
	last_lost_arm_ns = bpf_ktime_get_ns();
	count_loss(what);
}

static __always_inline u64 lost_arms(void)
{
	return losses[LOSS_TIMER_MAP] + losses[LOSS_TIMER_READ];
}

static __always_inline long track_new(u64 timer, const struct tracked_timer *entry, u64 flags)
{
	long err = bpf_map_update_elem(&armed_timers, &timer, entry, flags);

	if (!err)
		__sync_fetch_and_add(&tracked_count, 1);
	return err;
}

/* When it was armed, as these programs or earlier ones saw it; 0: they did not. */
static __always_inline u64 seen_armed_ns(const struct tracked_timer *entry)
{
	return entry->surveyed ? 0 : entry->armed_ns;
}

/* The entry of a timer that had none, or the one that it was given meanwhile; NULL: there is no
 * room. */
static __always_inline struct tracked_timer *blank_entry(u64 timer)
{
	struct tracked_timer *entry;
	u32 zero = 0;

	entry = bpf_map_lookup_elem(&blank_timer, &zero);
	if (entry)
		track_new(timer, entry, BPF_NOEXIST);
	return bpf_map_lookup_elem(&armed_timers, &timer);
}

static __always_inline void forget(u64 timer)
{
	__sync_fetch_and_add(&forgotten_count, 1);
	if (!bpf_map_delete_elem(&armed_timers, &timer))
		__sync_fetch_and_sub(&tracked_count, 1);
}

/* A failure is the caller's to count. */
static __always_inline long read_kernel(void *to, u32 size, u64 addr)
{
	return bpf_probe_read_kernel(to, size, (const void *)addr);
}

static __always_inline long read_u64(u64 *to, u64 addr)
{
	return read_kernel(to, sizeof(*to), addr);
}

static __always_inline long read_u32(u32 *to, u64 addr)
{
	return read_kernel(to, sizeof(*to), addr);
}

static __always_inline u64 range_hits(const struct memory_range *range, u64 addr)
{
	u64 distance = addr - range->start;

	return (distance - range->size) & ~distance;
}

/*
 * Without branches, which would multiply the paths that the verifier walks: the
 * top bit is set where addr - start is below size, both being less than 2^63.
 */
static __always_inline bool in_range(const struct memory_range *range, u64 addr)
{
	return range_hits(range, addr) >> 63;
}

static __always_inline bool in_ranges(const struct memory_range *ranges, u64 addr)
{
	u64 hits = 0;

#pragma unroll
	for (u32 i = 0; i < DISARMD_MODULE_RANGES; i++)
		hits |= range_hits(&ranges[i], addr);
	return hits >> 63;
}

static __always_inline bool in_module_space(u64 addr)
{
	return addr >= modules_floor;
}
