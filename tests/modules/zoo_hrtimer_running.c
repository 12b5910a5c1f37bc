// SPDX-License-Identifier: GPL-2.0-only
#include "zoo.h"
#include "zoo_at_free.h"

#include <linux/delay.h>
#include <linux/smp.h>

static char *mode = "soft";
module_param(mode, charp, 0444);
MODULE_PARM_DESC(mode, "expires in soft (default) or hard interrupt context");

static unsigned int spin_ms = 300;
module_param(spin_ms, uint, 0444);
MODULE_PARM_DESC(spin_ms, "the callback goes on for so long after it was caught (default 300, at most 5000)");

static const char *const mode_names[] = {"soft", "hard"};
static const enum hrtimer_mode modes[] = {HRTIMER_MODE_REL_PINNED_SOFT, HRTIMER_MODE_REL_PINNED};
static int which_mode;

static bool unloading;	/* the callback is about to be caught */
static bool running;	/* it is caught */
static bool let_go;	/* whoever caught it is done */
static DECLARE_COMPLETION(fired);

static enum hrtimer_restart zoo_hrtimer_running_fn(struct hrtimer *timer)
{
	if (READ_ONCE(unloading)) {
		WRITE_ONCE(running, true);
		zoo_spin_until(&let_go);
		mdelay(spin_ms);
	}
	pr_info("fired, %s\n", zoo_being_freed() ? "and the module is being freed" : "before the module is freed");
	complete(&fired);
	return HRTIMER_NORESTART;
}

static struct hrtimer zoo_timer;

static int __init zoo_hrtimer_running_init(void)
{
	int err;

	err = zoo_choose_end(BIT(ZOO_LEAK) | BIT(ZOO_DELETE) | BIT(ZOO_EXPIRE) | BIT(ZOO_NEVER));
	if (!err)
		err = zoo_need_two_cpus();
	if (err)
		return err;
	which_mode = zoo_choose("mode", mode, mode_names, ARRAY_SIZE(mode_names));
	if (which_mode < 0)
		return which_mode;
	if (spin_ms > ZOO_SPIN_MS) {
		pr_err("spin_ms=%u is more than %u\n", spin_ms, ZOO_SPIN_MS);
		return -EINVAL;
	}
	hrtimer_setup(&zoo_timer, zoo_hrtimer_running_fn, CLOCK_MONOTONIC, modes[which_mode]);
	if (zoo_end != ZOO_NEVER)
		hrtimer_start(&zoo_timer, ms_to_ktime(delay_ms), modes[which_mode]);
	pr_info("armed %d hrtimer at %px, delay_ms=%u, mode=%s\n", hrtimer_is_queued(&zoo_timer), &zoo_timer,
		delay_ms, mode);
	return 0;
}

static void start_here(void *unused)
{
	hrtimer_start(&zoo_timer, 0, modes[which_mode]);
}

/* Preemption must be off: see zoo_fire_elsewhere(), which this is for an hrtimer. */
static void catch_callback(void)
{
	unsigned int cpu = cpumask_any_but(cpu_online_mask, smp_processor_id());

	WRITE_ONCE(unloading, true);
	if (cpu >= nr_cpu_ids) {
		pr_err("no other CPU is online: this unload proves nothing\n");
	} else {
		smp_call_function_single(cpu, start_here, NULL, true);
		/* Tells that the callback is executing, and does not wait for it. */
		if (zoo_spin_until(&running) && zoo_end == ZOO_LEAK)
			hrtimer_try_to_cancel(&zoo_timer);
	}
	WRITE_ONCE(let_go, true);
}

static void __exit zoo_hrtimer_running_exit(void)
{
	switch (zoo_end) {
	case ZOO_LEAK:
		hrtimer_cancel(&zoo_timer);
		zoo_at_free(catch_callback);
		break;
	case ZOO_DELETE:
		hrtimer_cancel(&zoo_timer);
		preempt_disable();
		catch_callback();
		preempt_enable();
		hrtimer_cancel(&zoo_timer);
		break;
	default:
		zoo_end_hrtimer(&zoo_timer, &fired);
		break;
	}
	zoo_log_exit(hrtimer_is_queued(&zoo_timer));
}

module_init(zoo_hrtimer_running_init);
module_exit(zoo_hrtimer_running_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("disarmd test: an hrtimer not armed any more, whose callback is executing when the module is freed");
