// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause

/*
 * Calls of the functions that delete a timer, also of one that is not armed: what tracking
 * alone does not see, and a cause is told by. The functions that the core kernel calls all
 * the time have a cheap program each; the others share those on kprobes.
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

static __always_inline void timer_deleted(void *ctx, u64 timer, u64 function, u64 by)
{
	struct timer_facts facts = {
		.callback = function,
		.kind = TIMER_KIND_TIMER,
	};

	if (!in_module_space(timer) && !in_module_space(function) &&
	    function != delayed_work_timer_fn_addr &&
	    function != kthread_delayed_work_timer_fn_addr)
		return;
	if (!resolve_work(&facts, timer) && !has_work(facts.kind) &&
	    concerns_modules(timer, &facts))
		note_delete(ctx, timer, &facts, by);
}

static __always_inline void hrtimer_deleted(void *ctx, u64 timer, u64 function, u64 by)
{
	struct timer_facts facts = {
		.callback = function,
		.kind = TIMER_KIND_HRTIMER,
	};

	resolve_alarm(&facts, timer);
	if (concerns_modules(timer, &facts))
		note_delete(ctx, timer, &facts, by);
}

SEC("fentry")
int BPF_PROG(on_timer_delete_call, struct timer_list *timer)
{
	timer_deleted(ctx, (u64)timer, (u64)timer->function, deleting_functions[DELETING_TIMER]);
	return 0;
}

SEC("fentry")
int BPF_PROG(on_timer_delete_sync_call, struct timer_list *timer)
{
	timer_deleted(ctx, (u64)timer, (u64)timer->function,
		      deleting_functions[DELETING_TIMER_SYNC]);
	return 0;
}

SEC("fentry")
int BPF_PROG(on_hrtimer_cancel_call, struct hrtimer *timer)
{
	hrtimer_deleted(ctx, (u64)timer, (u64)timer->function,
			deleting_functions[DELETING_HRTIMER]);
	return 0;
}

SEC("fentry")
int BPF_PROG(on_hrtimer_try_to_cancel_call, struct hrtimer *timer)
{
	hrtimer_deleted(ctx, (u64)timer, (u64)timer->function,
			deleting_functions[DELETING_HRTIMER_TRY]);
	return 0;
}

SEC("kprobe")
int BPF_KPROBE(kprobe_delete_timer, u64 timer)
{
	u64 function = 0;

	if (!read_function(&function, timer))
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

	if (!read_u64(&function, timer + bpf_core_field_offset(struct hrtimer, function)))
		hrtimer_deleted(ctx, timer, function, PT_REGS_IP(ctx));
	return 0;
}

static __always_inline void work_deleted(void *ctx, u64 timer, u64 func_at, u8 kind)
{
	struct timer_facts facts = { .kind = kind };

	if (!read_u64(&facts.callback, func_at) && concerns_modules(timer, &facts))
		note_delete(ctx, timer, &facts, PT_REGS_IP((struct pt_regs *)ctx));
}

SEC("kprobe")
int BPF_KPROBE(kprobe_delete_delayed_work, u64 work)
{
	work_deleted(ctx, work + bpf_core_field_offset(struct delayed_work, timer),
		     work + bpf_core_field_offset(struct delayed_work, work) +
			     bpf_core_field_offset(struct work_struct, func),
		     TIMER_KIND_DELAYED_WORK);
	return 0;
}

SEC("kprobe")
int BPF_KPROBE(kprobe_delete_kthread_delayed_work, u64 work)
{
	work_deleted(ctx, work + bpf_core_field_offset(struct kthread_delayed_work, timer),
		     work + bpf_core_field_offset(struct kthread_delayed_work, work) +
			     bpf_core_field_offset(struct kthread_work, func),
		     TIMER_KIND_KTHREAD_DELAYED_WORK);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
