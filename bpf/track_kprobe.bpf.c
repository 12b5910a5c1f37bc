// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause

/*
 * Tracking by kprobes on the timer functions, for kernels without typed tracepoints
 * and trampolines. They see a call, before the lock of the timer's base is taken:
 * whether it armed or disarmed the timer, and in which order with a call on another
 * CPU, shows only in the timer itself. So these entries say where to look, and a
 * verdict asks the timer (see confirm() in look.h). A kernel may skip a kprobe's
 * program where another one runs on that CPU, and up to 6.6 does not count that.
 *
 * Expiry and hrtimers have events everywhere; only their types are not needed. The event
 * of an arm is needed while a module is being freed: see raw_timer_start().
 */

#include <asm/ptrace.h>
#include "kernel.h"
#include "track.h"

static __always_inline bool call_may_concern_modules(u64 timer)
{
	u64 function = 0;

	if (!read_function(&function, timer))
		return may_concern_modules(timer, function);
	count_lost_arm(LOSS_TIMER_READ);
	return false;
}

/* Functions of their own, as in track.bpf.c: most timers don't come so far. */
static __noinline int timer_call_arms(void *ctx, u64 timer, const u64 *expires)
{
	struct timer_facts facts = {};

	if (read_timer(&facts, timer)) {
		count_lost_arm(LOSS_TIMER_READ);
		return 0;
	}
	if (!concerns_modules(timer, &facts))
		return 0;
	if (expires)
		facts.expires = *expires;
	track_arm(ctx, timer, &facts, bpf_get_smp_processor_id(), bpf_ktime_get_ns());
	return 0;
}

/* add_timer() and its like: the timer holds its expiry. User space names the functions. */
SEC("kprobe")
int BPF_KPROBE(kprobe_add_timer, u64 timer)
{
	return call_may_concern_modules(timer) ? timer_call_arms(ctx, timer, NULL) : 0;
}

/* mod_timer() and its like. */
SEC("kprobe")
int BPF_KPROBE(kprobe_mod_timer, u64 timer, u64 expires)
{
	return call_may_concern_modules(timer) ? timer_call_arms(ctx, timer, &expires) : 0;
}

static __noinline int timer_starts(void *ctx, u64 timer)
{
	struct timer_facts facts = {};

	if (read_timer(&facts, timer))
		count_lost_arm(LOSS_TIMER_READ);
	else if (concerns_modules(timer, &facts))
		timer_armed(ctx, timer, &facts);
	return 0;
}

/*
 * While a module is being freed every arm counts, also one whose kprobe was skipped, or is over
 * though the timer is not queued yet, or that moves a timer off a dead CPU.
 */
SEC("raw_tp/timer_start")
int raw_timer_start(struct bpf_raw_tracepoint_args *ctx)
{
	return frees_in_progress ? timer_starts(ctx, ctx->args[0]) : 0;
}

SEC("raw_tp/timer_expire_entry")
int raw_timer_expire_entry(struct bpf_raw_tracepoint_args *ctx)
{
	u64 timer = ctx->args[0];
	struct timer_facts facts = {};

	if (read_timer(&facts, timer) || !facts.callback || concerns_modules(timer, &facts)) {
		timer_disarmed(timer);
		callback_begins(timer);
	}
	return 0;
}

SEC("raw_tp/timer_expire_exit")
int raw_timer_expire_exit(struct bpf_raw_tracepoint_args *ctx)
{
	callback_ended(ctx->args[0]);
	return 0;
}

static __always_inline bool hrtimer_concerns_modules(u64 timer)
{
	struct timer_facts facts = {};

	read_hrtimer_function(&facts, timer);
	return concerns_modules(timer, &facts);
}

SEC("raw_tp/hrtimer_start")
int raw_hrtimer_start(struct bpf_raw_tracepoint_args *ctx)
{
	u64 timer = ctx->args[0];
	struct timer_facts facts = {};

	if (!hrtimer_concerns_modules(timer))
		return 0;
	if (read_hrtimer(&facts, timer))
		count_lost_arm(LOSS_TIMER_READ);
	else
		timer_armed(ctx, timer, &facts);
	return 0;
}

SEC("raw_tp/hrtimer_cancel")
int raw_hrtimer_cancel(struct bpf_raw_tracepoint_args *ctx)
{
	u64 timer = ctx->args[0];

	if (hrtimer_concerns_modules(timer))
		timer_disarmed(timer);
	return 0;
}

SEC("raw_tp/hrtimer_expire_entry")
int raw_hrtimer_expire_entry(struct bpf_raw_tracepoint_args *ctx)
{
	u64 timer = ctx->args[0];

	if (hrtimer_concerns_modules(timer))
		callback_begins(timer);
	return 0;
}

SEC("raw_tp/hrtimer_expire_exit")
int raw_hrtimer_expire_exit(struct bpf_raw_tracepoint_args *ctx)
{
	callback_ended(ctx->args[0]);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
