/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/*
 * Reading a timer in the kernel's memory: what it will call, when, whether it is armed,
 * and whether it is being executed. Addresses are plain numbers here: the verifier refuses
 * arithmetic on typed pointers.
 */

#include "compat.h"
#include "maps.h"

/* kernel/time/timer.c: NR_BASES is 3 since 6.9 */
#define TIMER_BASES_MAX 3
/* include/linux/timer.h: what a timer's flags say of where it hangs. */
#define TIMER_CPUMASK	 0x0003ffff
#define TIMER_ARRAYSHIFT 22

struct timer_facts {
	u64 callback; /* what the module has to do with: as in struct tracked_timer */
	u64 expires;  /* as in struct tracked_timer */
	u8 kind;
};

static __always_inline long read_function(u64 *function, u64 timer)
{
	return read_u64(function, timer + bpf_core_field_offset(struct timer_list, function));
}

/*
 * What most timers are sorted out by, the core's, before anything else is read of them: as few
 * instructions as can be. It may be a module's only behind a trampoline of the core's.
 */
static __always_inline bool may_concern_modules(u64 timer, u64 function)
{
	u64 floor = modules_floor;

	return function >= floor || timer >= floor || function == delayed_work_timer_fn_addr ||
	       function == kthread_delayed_work_timer_fn_addr;
}

static __always_inline bool hrtimer_may_concern_modules(u64 timer, u64 function)
{
	u64 floor = modules_floor;

	return function >= floor || timer >= floor || function == alarmtimer_fired_addr;
}

/* The work function behind a timer whose function is a trampoline of the core's. For timer_list. */
static __always_inline long resolve_work(struct timer_facts *facts, u64 timer)
{
	if (facts->callback == delayed_work_timer_fn_addr) {
		u64 work = timer - bpf_core_field_offset(struct delayed_work, timer) +
			   bpf_core_field_offset(struct delayed_work, work);

		facts->kind = TIMER_KIND_DELAYED_WORK;
		return read_u64(&facts->callback,
				work + bpf_core_field_offset(struct work_struct, func));
	}
	if (facts->callback == kthread_delayed_work_timer_fn_addr) {
		u64 work = timer - bpf_core_field_offset(struct kthread_delayed_work, timer) +
			   bpf_core_field_offset(struct kthread_delayed_work, work);

		facts->kind = TIMER_KIND_KTHREAD_DELAYED_WORK;
		return read_u64(&facts->callback,
				work + bpf_core_field_offset(struct kthread_work, func));
	}
	return 0;
}

/* The same for hrtimers. */
static __always_inline long resolve_alarm(struct timer_facts *facts, u64 timer)
{
	if (!bpf_core_type_exists(struct alarm) || facts->callback != alarmtimer_fired_addr)
		return 0;
	facts->kind = TIMER_KIND_ALARM;
	return read_u64(&facts->callback, timer - bpf_core_field_offset(struct alarm, timer) +
						  bpf_core_field_offset(struct alarm, function));
}

static __always_inline bool is_hrtimer(u8 kind)
{
	return kind == TIMER_KIND_HRTIMER || kind == TIMER_KIND_ALARM;
}

static __always_inline long read_timer(struct timer_facts *facts, u64 timer)
{
	facts->kind = TIMER_KIND_TIMER;
	if (read_function(&facts->callback, timer) ||
	    read_u64(&facts->expires, timer + bpf_core_field_offset(struct timer_list, expires)))
		return -1;
	return resolve_work(facts, timer);
}

static __always_inline long read_hrtimer_function(struct timer_facts *facts, u64 timer)
{
	facts->kind = TIMER_KIND_HRTIMER;
	if (read_u64(&facts->callback, timer + bpf_core_field_offset(struct hrtimer, function)))
		return -1;
	return resolve_alarm(facts, timer);
}

/* An hrtimer's expiry is in its own clock, whose offset its base knows. */
static __always_inline long read_hrtimer(struct timer_facts *facts, u64 timer)
{
	u64 base = 0, offset = 0;

	if (read_hrtimer_function(facts, timer) ||
	    read_u64(&facts->expires,
		     timer + bpf_core_field_offset(struct hrtimer, node.expires)) ||
	    read_u64(&base, timer + bpf_core_field_offset(struct hrtimer, base)) ||
	    read_u64(&offset, base + bpf_core_field_offset(struct hrtimer_clock_base, offset)))
		return -1;
	facts->expires -= offset;
	return 0;
}

enum linkage { LINKED, UNLINKED, IN_FLUX, EXECUTING };

#define LINKAGE_ATTEMPTS 4

static __always_inline bool calls(u64 timer, u64 callback)
{
	struct timer_facts facts = {};

	return !read_timer(&facts, timer) && facts.callback == callback;
}

/*
 * Whether a tracked timer hangs in a list, be it a wheel's bucket or the softirq's own. Where its
 * end was missed its memory may be gone, or anything else by now, another timer included.
 */
static __always_inline enum linkage read_timer_linkage(u64 timer, u64 expected_callback)
{
	u64 node = timer + bpf_core_field_offset(struct timer_list, entry);

#pragma unroll
	for (int attempt = 0; attempt < LINKAGE_ATTEMPTS; attempt++) {
		u64 pprev = 0, back = 0;

		if (!calls(timer, expected_callback) ||
		    read_u64(&pprev, node + bpf_core_field_offset(struct hlist_node, pprev)) ||
		    !pprev)
			return UNLINKED;
		if (!read_u64(&back, pprev) && back == node)
			return calls(timer, expected_callback) ? LINKED : UNLINKED;
	}
	return IN_FLUX;
}

/* The same of an hrtimer. It is traced as started right before it is queued, under its base's lock.
 */
static __always_inline enum linkage read_hrtimer_linkage(u64 timer, u64 expected_callback)
{
#pragma unroll
	for (int attempt = 0; attempt < LINKAGE_ATTEMPTS; attempt++) {
		struct timer_facts facts = {};
		u64 base = 0, cpu_base = 0;
		u32 lock = 0;
		u8 queued = 0;

		if (read_kernel(&queued, sizeof(queued), timer + hrtimer_state_offset()) ||
		    read_hrtimer_function(&facts, timer) || facts.callback != expected_callback)
			return UNLINKED;
		if (queued & 1)
			return LINKED;
		if (read_u64(&base, timer + bpf_core_field_offset(struct hrtimer, base)) ||
		    read_u64(&cpu_base,
			     base + bpf_core_field_offset(struct hrtimer_clock_base, cpu_base)) ||
		    read_u32(&lock,
			     cpu_base + bpf_core_field_offset(struct hrtimer_cpu_base, lock)))
			return UNLINKED;
		if (lock)
			continue;
		/* Queued since, before the lock was let go. */
		if (read_kernel(&queued, sizeof(queued), timer + hrtimer_state_offset()))
			return UNLINKED;
		return queued & 1 ? LINKED : UNLINKED;
	}
	return IN_FLUX;
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
