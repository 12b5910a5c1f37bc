// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause

/*
 * Tracking by tracepoints: every arm and disarm of a module's timer, as it happens.
 * Timers of the core kernel leave in the first few instructions.
 *
 * The start and cancel events fire under the lock of the timer's base, so the two
 * are serialised per timer and may update its entry in place. Expiry fires cancel,
 * then expire_entry, the callback and expire_exit, the latter three without the
 * lock. A mod_timer() that leaves the timer in its bucket fires nothing: who armed
 * it, when and for when are those of the last move.
 */

#include "kernel.h"
#include "track.h"

/*
 * What follows once a timer may be a module's is a function of its own each, so that the core's
 * leave before any register is saved for it.
 */
static __noinline int start_of_timer(void *ctx, struct timer_list *timer)
{
	struct timer_facts facts = {
		.callback = (u64)timer->function,
		.kind = TIMER_KIND_TIMER,
	};
	u64 key = (u64)timer;

	if (resolve_work(&facts, key))
		count_lost_arm(LOSS_TIMER_READ);
	if (!concerns_modules(key, &facts))
		return 0;
	facts.expires = timer->expires;
	timer_armed(ctx, key, &facts);
	return 0;
}

SEC("tp_btf/timer_start")
int BPF_PROG(on_timer_start, struct timer_list *timer)
{
	if (!may_concern_modules((u64)timer, (u64)timer->function))
		return 0;
	return start_of_timer(ctx, timer);
}

static __noinline int cancel_of_timer(struct timer_list *timer)
{
	struct timer_facts facts = { .callback = (u64)timer->function };
	u64 key = (u64)timer;

	resolve_work(&facts, key);
	if (concerns_modules(key, &facts))
		timer_disarmed(key);
	return 0;
}

SEC("tp_btf/timer_cancel")
int BPF_PROG(on_timer_cancel, struct timer_list *timer)
{
	/* timer_shutdown() clears the function only after the timer was detached. */
	if (!may_concern_modules((u64)timer, (u64)timer->function))
		return 0;
	return cancel_of_timer(timer);
}

static __noinline int expiry_of_timer(u64 timer)
{
	callback_begins(timer);
	return 0;
}

SEC("tp_btf/timer_expire_entry")
int BPF_PROG(on_timer_expire_entry, struct timer_list *timer)
{
	u64 function = (u64)timer->function;

	/* timer_shutdown() on another CPU may have cleared it; the callback is called all the same.
	 */
	if (function && !in_module_space(function) && !in_module_space((u64)timer))
		return 0;
	return expiry_of_timer((u64)timer);
}

SEC("tp_btf/timer_expire_exit")
int BPF_PROG(on_timer_expire_exit, struct timer_list *timer)
{
	callback_ended((u64)timer);
	return 0;
}

static __noinline int start_of_hrtimer(void *ctx, struct hrtimer *timer)
{
	struct timer_facts facts = {
		.callback = (u64)timer->function,
		.kind = TIMER_KIND_HRTIMER,
	};
	u64 key = (u64)timer;

	if (resolve_alarm(&facts, key))
		count_lost_arm(LOSS_TIMER_READ);
	if (!concerns_modules(key, &facts))
		return 0;
	facts.expires = timer->node.expires - timer->base->offset;
	timer_armed(ctx, key, &facts);
	return 0;
}

SEC("tp_btf/hrtimer_start")
int BPF_PROG(on_hrtimer_start, struct hrtimer *timer)
{
	if (!hrtimer_may_concern_modules((u64)timer, (u64)timer->function))
		return 0;
	return start_of_hrtimer(ctx, timer);
}

static __noinline int cancel_of_hrtimer(struct hrtimer *timer)
{
	struct timer_facts facts = { .callback = (u64)timer->function };
	u64 key = (u64)timer;

	resolve_alarm(&facts, key);
	if (concerns_modules(key, &facts))
		timer_disarmed(key);
	return 0;
}

SEC("tp_btf/hrtimer_cancel")
int BPF_PROG(on_hrtimer_cancel, struct hrtimer *timer)
{
	if (!hrtimer_may_concern_modules((u64)timer, (u64)timer->function))
		return 0;
	return cancel_of_hrtimer(timer);
}

static __noinline int expiry_of_hrtimer(struct hrtimer *timer)
{
	struct timer_facts facts = { .callback = (u64)timer->function };
	u64 key = (u64)timer;

	resolve_alarm(&facts, key);
	if (concerns_modules(key, &facts))
		callback_begins(key);
	return 0;
}

SEC("tp_btf/hrtimer_expire_entry")
int BPF_PROG(on_hrtimer_expire_entry, struct hrtimer *timer)
{
	if (!hrtimer_may_concern_modules((u64)timer, (u64)timer->function))
		return 0;
	return expiry_of_hrtimer(timer);
}

SEC("tp_btf/hrtimer_expire_exit")
int BPF_PROG(on_hrtimer_expire_exit, struct hrtimer *timer)
{
	callback_ended((u64)timer);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
