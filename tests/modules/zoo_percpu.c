// SPDX-License-Identifier: GPL-2.0-only
#include "zoo.h"

#include <linux/percpu.h>
#include <linux/smp.h>

static char *kind = "timer";
module_param(kind, charp, 0444);
MODULE_PARM_DESC(kind, "what it arms: timer (default) or hrtimer");

static bool core;
module_param(core, bool, 0444);
MODULE_PARM_DESC(core, "with kind=timer, the callback is a function of the kernel");

static int cpu = -1;
module_param(cpu, int, 0444);
MODULE_PARM_DESC(cpu, "arms only that of this CPU (default: of all that are online)");

static const char *const kind_names[] = {"timer", "hrtimer"};

static DEFINE_PER_CPU(struct timer_list, zoo_timers);
static DEFINE_PER_CPU(struct hrtimer, zoo_hrtimers);
static cpumask_t cpus;

static void zoo_percpu_fn(struct timer_list *timer)
{
	pr_info("fired on CPU %d\n", smp_processor_id());
}

static enum hrtimer_restart zoo_percpu_hrfn(struct hrtimer *timer)
{
	pr_info("fired on CPU %d\n", smp_processor_id());
	return HRTIMER_NORESTART;
}

static unsigned int count_armed(void)
{
	unsigned int i, armed = 0;

	for_each_possible_cpu(i)
		armed += timer_pending(per_cpu_ptr(&zoo_timers, i)) +
			 hrtimer_is_queued(per_cpu_ptr(&zoo_hrtimers, i));
	return armed;
}

static bool any_armed(void)
{
	return count_armed() > 0;
}

static void start_here(void *unused)
{
	hrtimer_start(this_cpu_ptr(&zoo_hrtimers), ms_to_ktime(delay_ms), HRTIMER_MODE_REL_PINNED);
}

static int __init zoo_percpu_init(void)
{
	unsigned int i, first;
	int err, which;

	err = zoo_choose_end(BIT(ZOO_LEAK) | BIT(ZOO_DELETE) | BIT(ZOO_EXPIRE) | BIT(ZOO_NEVER) |
			     BIT(ZOO_SHUTDOWN));
	if (err)
		return err;
	which = zoo_choose("kind", kind, kind_names, ARRAY_SIZE(kind_names));
	if (which < 0)
		return which;
	if (which && (core || zoo_end == ZOO_SHUTDOWN)) {
		pr_err("core=1 and end=shutdown are for kind=timer\n");
		return -EINVAL;
	}
	if (cpu >= 0 && (cpu >= nr_cpu_ids || !cpu_online(cpu))) {
		pr_err("cpu=%d is not online\n", cpu);
		return -EINVAL;
	}
	for_each_possible_cpu(i) {
		/* One that, when it fires, deletes itself once more: an exported function that can be a callback. */
		timer_setup(per_cpu_ptr(&zoo_timers, i), core ? (void *)timer_delete : zoo_percpu_fn,
			    TIMER_PINNED);
		hrtimer_setup(per_cpu_ptr(&zoo_hrtimers, i), zoo_percpu_hrfn, CLOCK_MONOTONIC,
			      HRTIMER_MODE_REL_PINNED);
	}

	cpumask_copy(&cpus, cpu_online_mask);
	if (cpu >= 0)
		cpumask_copy(&cpus, cpumask_of(cpu));
	for_each_cpu(i, &cpus) {
		if (zoo_end == ZOO_NEVER)
			break;
		if (which) {
			smp_call_function_single(i, start_here, NULL, true);
		} else {
			per_cpu_ptr(&zoo_timers, i)->expires = zoo_expiry();
			add_timer_on(per_cpu_ptr(&zoo_timers, i), i);
		}
	}
	first = cpumask_first(&cpus);
	pr_info("armed %u %s(s), the first at %px on CPU %u, delay_ms=%u\n", count_armed(), kind,
		which ? (void *)per_cpu_ptr(&zoo_hrtimers, first) : per_cpu_ptr(&zoo_timers, first), first,
		delay_ms);
	return 0;
}

static void __exit zoo_percpu_exit(void)
{
	bool fired = zoo_end == ZOO_EXPIRE && zoo_wait_not_pending(any_armed, delay_ms);
	unsigned int i;

	for_each_possible_cpu(i) {
		if (zoo_end == ZOO_DELETE || (zoo_end == ZOO_EXPIRE && !fired)) {
			timer_delete_sync(per_cpu_ptr(&zoo_timers, i));
			hrtimer_cancel(per_cpu_ptr(&zoo_hrtimers, i));
		}
		if (zoo_end == ZOO_SHUTDOWN)
			timer_shutdown_sync(per_cpu_ptr(&zoo_timers, i));
	}
	zoo_log_exit(count_armed());
}

module_init(zoo_percpu_init);
module_exit(zoo_percpu_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("disarmd test: per-CPU timers armed at load and not deleted at unload");
