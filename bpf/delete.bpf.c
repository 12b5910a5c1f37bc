// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause

/*
 * Calls of the functions that delete a timer, also of one that is not armed: what tracking
 * alone does not see, and a cause is told by. Each function has a program of its own on its
 * trampoline; where that can't be, they share those on kprobes.
 *
 * A delayed work is deleted by its own functions. What these call is not noted, as it is
 * also called to queue the work anew.
 */

#include <asm/ptrace.h>
#include "evidence.h"
#include "kernel.h"
#include "track.h"

static __always_inline bool has_work(u8 kind)
{
	return kind == TIMER_KIND_DELAYED_WORK || kind == TIMER_KIND_KTHREAD_DELAYED_WORK;
}

/* Functions of their own, as in track.bpf.c: most timers don't come so far. */
static __noinline int timer_deleted(void *ctx, u64 timer, u64 function, u64 by)
{
	struct timer_facts facts = {
		.callback = function,
		.kind = TIMER_KIND_TIMER,
	};

	if (!resolve_work(&facts, timer) && !has_work(facts.kind) &&
	    concerns_modules(timer, &facts))
		note_delete(ctx, timer, &facts, by);
	return 0;
}

static __noinline int hrtimer_deleted(void *ctx, u64 timer, u64 function, u64 by)
{
	struct timer_facts facts = {
		.callback = function,
		.kind = TIMER_KIND_HRTIMER,
	};

	resolve_alarm(&facts, timer);
	if (concerns_modules(timer, &facts))
		note_delete(ctx, timer, &facts, by);
	return 0;
}

#define ON_TIMER_DELETE(name, number)                                                              \
	SEC("fentry")                                                                              \
	int BPF_PROG(name, struct timer_list *timer)                                               \
	{                                                                                          \
		if (!may_concern_modules((u64)timer, (u64)timer->function))                        \
			return 0;                                                                  \
		return timer_deleted(ctx, (u64)timer, (u64)timer->function,                        \
				     deleting_functions[number]);                                  \
	}

ON_TIMER_DELETE(on_timer_delete_call, DELETING_TIMER)
ON_TIMER_DELETE(on_timer_delete_sync_call, DELETING_TIMER_SYNC)
ON_TIMER_DELETE(on_timer_try_delete_call, DELETING_TIMER_TRY)
ON_TIMER_DELETE(on_timer_shutdown_call, DELETING_TIMER_SHUTDOWN)
ON_TIMER_DELETE(on_timer_shutdown_sync_call, DELETING_TIMER_SHUTDOWN_SYNC)

#define ON_HRTIMER_DELETE(name, number)                                                            \
	SEC("fentry")                                                                              \
	int BPF_PROG(name, struct hrtimer *timer)                                                  \
	{                                                                                          \
		if (!hrtimer_may_concern_modules((u64)timer, (u64)timer->function))                \
			return 0;                                                                  \
		return hrtimer_deleted(ctx, (u64)timer, (u64)timer->function,                      \
				       deleting_functions[number]);                                \
	}

ON_HRTIMER_DELETE(on_hrtimer_cancel_call, DELETING_HRTIMER)
ON_HRTIMER_DELETE(on_hrtimer_try_to_cancel_call, DELETING_HRTIMER_TRY)

SEC("kprobe")
int BPF_KPROBE(kprobe_delete_timer, u64 timer)
{
	u64 function = 0;

	if (read_function(&function, timer) || !may_concern_modules(timer, function))
		return 0;
	timer_deleted(ctx, timer, function, PT_REGS_IP(ctx));
	/* Else an event tells. */
	if (tracked_by_kprobes)
		timer_disarmed(timer);
	return 0;
}

SEC("kprobe")
int BPF_KPROBE(kprobe_delete_hrtimer, u64 timer)
{
	u64 function = 0;

	if (!read_u64(&function, timer + bpf_core_field_offset(struct hrtimer, function)) &&
	    hrtimer_may_concern_modules(timer, function))
		hrtimer_deleted(ctx, timer, function, PT_REGS_IP(ctx));
	return 0;
}

static __always_inline void work_deleted(void *ctx, u64 timer, u64 func_at, u8 kind, u64 by)
{
	struct timer_facts facts = { .kind = kind };

	if (!read_u64(&facts.callback, func_at) && concerns_modules(timer, &facts))
		note_delete(ctx, timer, &facts, by);
}

static __always_inline void delayed_work_deleted(void *ctx, u64 work, u64 by)
{
	work_deleted(ctx, work + bpf_core_field_offset(struct delayed_work, timer),
		     work + bpf_core_field_offset(struct delayed_work, work) +
			     bpf_core_field_offset(struct work_struct, func),
		     TIMER_KIND_DELAYED_WORK, by);
}

static __always_inline void kthread_delayed_work_deleted(void *ctx, u64 work, u64 by)
{
	work_deleted(ctx, work + bpf_core_field_offset(struct kthread_delayed_work, timer),
		     work + bpf_core_field_offset(struct kthread_delayed_work, work) +
			     bpf_core_field_offset(struct kthread_work, func),
		     TIMER_KIND_KTHREAD_DELAYED_WORK, by);
}

/* The argument as a plain number, which offsets can be added to. */
#define ON_WORK_DELETE(name, deleted, number)                                                      \
	SEC("fentry")                                                                              \
	int name(u64 *ctx)                                                                         \
	{                                                                                          \
		u64 work = 0;                                                                      \
                                                                                                   \
		if (!bpf_probe_read_kernel(&work, sizeof(work), ctx))                              \
			deleted(ctx, work, deleting_functions[number]);                            \
		return 0;                                                                          \
	}

ON_WORK_DELETE(on_work_cancel_call, delayed_work_deleted, DELETING_WORK_CANCEL)
ON_WORK_DELETE(on_work_cancel_sync_call, delayed_work_deleted, DELETING_WORK_CANCEL_SYNC)
ON_WORK_DELETE(on_work_disable_call, delayed_work_deleted, DELETING_WORK_DISABLE)
ON_WORK_DELETE(on_work_disable_sync_call, delayed_work_deleted, DELETING_WORK_DISABLE_SYNC)
ON_WORK_DELETE(on_kthread_work_cancel_call, kthread_delayed_work_deleted, DELETING_KTHREAD_WORK)

SEC("kprobe")
int BPF_KPROBE(kprobe_delete_delayed_work, u64 work)
{
	delayed_work_deleted(ctx, work, PT_REGS_IP(ctx));
	return 0;
}

SEC("kprobe")
int BPF_KPROBE(kprobe_delete_kthread_delayed_work, u64 work)
{
	kthread_delayed_work_deleted(ctx, work, PT_REGS_IP(ctx));
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
