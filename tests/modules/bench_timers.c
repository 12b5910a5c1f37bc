// SPDX-License-Identifier: GPL-2.0-only
/*
 * Does one operation on timers often, and tells what it costs by the time stamp counter, which in a
 * guest whose clock counts instructions is their number:
 *
 *	echo OPERATION >/sys/module/bench_timers/parameters/run
 *	cat /sys/module/bench_timers/parameters/cost
 *
 * A timer of the core is an object from the heap that calls a function of the core; it never fires.
 */
#define ZOO_NO_END
#include "zoo.h"

#include <linux/capability.h>
#include <linux/delay.h>
#include <linux/irqflags.h>
#include <linux/math64.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/timex.h>

#define ROUNDS 2000
/* Of arms from task context at a high rate: long enough that what is rare weighs what it does. */
#define MANY_ROUNDS 100000
/* That arm themselves again for the next jiffy, and of how many of their callbacks the time is taken. */
#define PERIODIC 64
#define CYCLES	 2000

struct subject {
	struct timer_list timer;
	struct hrtimer hrtimer;
};

static struct subject *core, *own;
static struct timer_list periodic[PERIODIC];
static bool periodic_ends;
static u32 cycles[CYCLES];
static unsigned int cycles_count;
static u64 last_cycles;
static unsigned long last_jiffies;

static void bench_timer_fn(struct timer_list *timer)
{
}

static enum hrtimer_restart bench_hrtimer_fn(struct hrtimer *timer)
{
	return HRTIMER_NORESTART;
}

static void bench_periodic_fn(struct timer_list *timer)
{
	u64 now = get_cycles();

	/* All of them expire one after the other, so that from one callback to the next is the whole way of one timer. */
	if (jiffies == last_jiffies && cycles_count < CYCLES)
		cycles[cycles_count++] = now - last_cycles;
	last_jiffies = jiffies;
	last_cycles = now;
	if (!READ_ONCE(periodic_ends))
		mod_timer(timer, jiffies + 1);
}

/* In another bucket than the one before, and far away. */
static unsigned long expiry(unsigned int round)
{
	return jiffies + (round % 2 ? 20 : 100) * HZ;
}

static void rearm(struct subject *subject, unsigned int round)
{
	mod_timer(&subject->timer, expiry(round));
}

static void arm_and_delete(struct subject *subject, unsigned int round)
{
	mod_timer(&subject->timer, expiry(round));
	timer_delete(&subject->timer);
}

static void start_and_cancel(struct subject *subject, unsigned int round)
{
	hrtimer_start(&subject->hrtimer, ms_to_ktime(100000 + round % 8), HRTIMER_MODE_REL);
	hrtimer_cancel(&subject->hrtimer);
}

static void ask_capable(struct subject *subject, unsigned int round)
{
	capable(CAP_SYS_ADMIN);
}

static void do_nothing(struct subject *subject, unsigned int round)
{
}

/* Nothing else runs meanwhile; the round is not among what is measured. */
static u64 time_of(void (*operation)(struct subject *, unsigned int), struct subject *subject, unsigned int rounds)
{
	unsigned long flags;
	unsigned int round;
	u64 sum = 0, begin;

	for (round = 0; round < rounds; round++) {
		local_irq_save(flags);
		begin = get_cycles();
		operation(subject, round);
		sum += get_cycles() - begin;
		local_irq_restore(flags);
		if (round % 256 == 0)
			cond_resched();
	}
	return sum;
}

static int compare_cycles(const void *a, const void *b)
{
	return *(const u32 *)a < *(const u32 *)b ? -1 : *(const u32 *)a > *(const u32 *)b;
}

/* Of most of those that arm themselves again: some are interrupted. 0: there were fewer than there have to be. */
static u64 periodic_cost(void)
{
	int i;

	cycles_count = 0;
	WRITE_ONCE(periodic_ends, false);
	for (i = 0; i < PERIODIC; i++)
		mod_timer(&periodic[i], jiffies + 1);
	msleep(1000);
	WRITE_ONCE(periodic_ends, true);
	for (i = 0; i < PERIODIC; i++)
		timer_delete_sync(&periodic[i]);
	if (cycles_count < CYCLES)
		return 0;
	sort(cycles, CYCLES, sizeof(*cycles), compare_cycles, NULL);
	return 10 * (u64)cycles[CYCLES / 2];
}

static const struct operation {
	const char *name;
	void (*operation)(struct subject *subject, unsigned int round);
	struct subject **subject;
	unsigned int rounds;
} operations[] = {
	{ "core_rearm", rearm, &core, ROUNDS },
	{ "core_arm_delete", arm_and_delete, &core, ROUNDS },
	{ "core_hrtimer", start_and_cancel, &core, ROUNDS },
	{ "module_rearm", rearm, &own, MANY_ROUNDS },
	{ "module_arm_delete", arm_and_delete, &own, ROUNDS },
	{ "module_hrtimer", start_and_cancel, &own, ROUNDS },
	{ "module_periodic" },
	{ "capable", ask_capable, &core, ROUNDS },
};

static unsigned long long cost; /* in tenths of an instruction, for one operation */

static int bench_run(const char *value, const struct kernel_param *kp)
{
	const struct operation *each;
	u64 all, none;

	for (each = operations; each < operations + ARRAY_SIZE(operations); each++) {
		if (!sysfs_streq(value, each->name))
			continue;
		if (!each->operation) {
			cost = periodic_cost();
			return cost ? 0 : -EAGAIN;
		}
		/* The first rounds are others than the rest, as maps and caches have no entry yet. */
		time_of(each->operation, *each->subject, 16);
		all = time_of(each->operation, *each->subject, each->rounds);
		none = time_of(do_nothing, *each->subject, each->rounds);
		cost = div_u64(10 * (all - none), each->rounds);
		timer_delete_sync(&core->timer);
		timer_delete_sync(&own->timer);
		return 0;
	}
	pr_err("run=%s is no operation\n", value);
	return -EINVAL;
}

static int bench_tell(char *buffer, const struct kernel_param *kp)
{
	return scnprintf(buffer, PAGE_SIZE, "%llu.%llu\n", cost / 10, cost % 10);
}

static const struct kernel_param_ops run_ops = { .set = bench_run };
static const struct kernel_param_ops cost_ops = { .get = bench_tell };

module_param_cb(run, &run_ops, NULL, 0200);
MODULE_PARM_DESC(run, "an operation to be done: see the source");
module_param_cb(cost, &cost_ops, NULL, 0400);
MODULE_PARM_DESC(cost, "of one of those that were done last, by the time stamp counter");

static int __init bench_init(void)
{
	int i;

	core = kzalloc(sizeof(*core), GFP_KERNEL);
	own = kzalloc(sizeof(*own), GFP_KERNEL);
	if (!core || !own) {
		kfree(core);
		kfree(own);
		return -ENOMEM;
	}
	timer_setup(&core->timer, (void (*)(struct timer_list *))(void *)kfree, 0);
	hrtimer_setup(&core->hrtimer, (enum hrtimer_restart(*)(struct hrtimer *))(void *)kfree, CLOCK_MONOTONIC,
		      HRTIMER_MODE_REL);
	timer_setup(&own->timer, bench_timer_fn, 0);
	hrtimer_setup(&own->hrtimer, bench_hrtimer_fn, CLOCK_MONOTONIC, HRTIMER_MODE_REL);
	for (i = 0; i < PERIODIC; i++)
		timer_setup(&periodic[i], bench_periodic_fn, 0);
	return 0;
}

static void __exit bench_exit(void)
{
	kfree(core);
	kfree(own);
}

module_init(bench_init);
module_exit(bench_exit);
MODULE_DESCRIPTION("what operations on timers cost");
MODULE_LICENSE("GPL");
