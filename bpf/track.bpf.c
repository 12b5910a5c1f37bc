// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause

/*
 * Tracking: every arm and disarm of a module's timer, as it happens. Timers of
 * the core kernel leave in the first few instructions.
 *
 * timer_start and timer_cancel fire under the lock of the timer's base, so the
 * two are serialised per timer and may update its entry in place. Expiry fires
 * timer_cancel, then timer_expire_entry, the callback and timer_expire_exit, the
 * latter three without the lock. A mod_timer() that leaves the timer in its bucket
 * fires nothing: who armed it, when and for when are those of the last move.
 */

#include "kernel.h"
#include "maps.h"

#define NMI_MASK	0x00f00000
#define HARDIRQ_MASK	0x000f0000
#define SOFTIRQ_SERVING 0x00000100

static __always_inline struct running_callback *running_on(u32 cpu)
{
	return bpf_map_lookup_elem(&running_callbacks, &cpu);
}

/* From include/linux/preempt.h: what the CPU was doing, by its preempt count. */
static __always_inline u8 arm_context(u32 cpu, u64 timer)
{
	struct running_callback *running = running_on(cpu);
	u64 offset = 0;
	u32 count = 0;

	if (running && running->timer == timer)
		return ARM_CONTEXT_CALLBACK;
	if (!preempt_count_percpu || read_u64(&offset, per_cpu_offset + 8 * (u64)cpu) ||
	    read_u32(&count, preempt_count_percpu + offset))
		return ARM_CONTEXT_UNKNOWN;
	if (count & (NMI_MASK | HARDIRQ_MASK))
		return ARM_CONTEXT_HARDIRQ;
	if (count & SOFTIRQ_SERVING)
		return ARM_CONTEXT_SOFTIRQ;
	return ARM_CONTEXT_TASK;
}

static __always_inline void fill_arm(struct tracked_timer *entry, u64 timer, u64 callback,
				     u64 expires, u8 kind)
{
	u32 cpu = bpf_get_smp_processor_id();

	entry->callback = callback;
	entry->expires = expires;
	entry->armed_ns = bpf_ktime_get_ns();
	entry->reported = 0;
	entry->armed_pid = bpf_get_current_pid_tgid() >> 32;
	entry->armed_cpu = cpu;
	bpf_get_current_comm(entry->armed_comm, sizeof(entry->armed_comm));
	entry->kind = kind;
	entry->armed_context = arm_context(cpu, timer);
	entry->armed = 1;
}

SEC("tp_btf/timer_start")
int BPF_PROG(on_timer_start, struct timer_list *timer)
{
	u64 callback = (u64)timer->function;
	u64 key = (u64)timer;
	u8 kind = TIMER_KIND_TIMER;
	struct tracked_timer *entry;

	if (callback == delayed_work_timer_fn_addr) {
		if (read_work_function(&callback, key))
			count_lost_arm(LOSS_TIMER_READ);
		kind = TIMER_KIND_DELAYED_WORK;
	}
	if (!in_module_space(callback) && !in_module_space(key))
		return 0;

	entry = bpf_map_lookup_elem(&armed_timers, &key);
	if (entry) {
		fill_arm(entry, key, callback, timer->expires, kind);
	} else {
		struct tracked_timer fresh = {};

		fill_arm(&fresh, key, callback, timer->expires, kind);
		if (track_new(key, &fresh, BPF_ANY))
			count_lost_arm(LOSS_TIMER_MAP);
	}
	return 0;
}

SEC("tp_btf/timer_cancel")
int BPF_PROG(on_timer_cancel, struct timer_list *timer)
{
	u64 callback = (u64)timer->function;
	u64 key = (u64)timer;
	struct tracked_timer *entry;

	if (callback == delayed_work_timer_fn_addr)
		read_work_function(&callback, key);
	/* timer_shutdown() clears the function only after the timer was detached. */
	if (!in_module_space(callback) && !in_module_space(key))
		return 0;
	entry = bpf_map_lookup_elem(&armed_timers, &key);
	if (!entry)
		return 0;
	entry->armed = 0;
	/* Only here can an entry go without crossing an arm: the base is locked. */
	if (tracked_count > ARMED_TIMERS_MAX / 2)
		forget(key);
	return 0;
}

SEC("tp_btf/timer_expire_entry")
int BPF_PROG(on_timer_expire_entry, struct timer_list *timer)
{
	u64 callback = (u64)timer->function;
	u64 key = (u64)timer;
	struct running_callback *running;

	if (!callback) {
		/* timer_shutdown() on another CPU; the callback is called all the same. */
		struct tracked_timer *entry = bpf_map_lookup_elem(&armed_timers, &key);

		callback = entry ? entry->callback : 0;
	}
	if (!in_module_space(callback))
		return 0;
	running = running_on(bpf_get_smp_processor_id());
	if (running) {
		running->callback = callback;
		running->timer = key;
	}
	return 0;
}

/* The callback may have freed its timer: nothing behind the pointer may be trusted. */
SEC("tp_btf/timer_expire_exit")
int BPF_PROG(on_timer_expire_exit, struct timer_list *timer)
{
	struct running_callback *running = running_on(bpf_get_smp_processor_id());

	if (running && running->timer == (u64)timer)
		running->timer = 0;
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
