// SPDX-License-Identifier: GPL-2.0-only
#define ZOO_NO_DELAY
#include "zoo.h"

#include <linux/irq_work.h>

static unsigned int period_ms = 100;
module_param(period_ms, uint, 0444);
MODULE_PARM_DESC(period_ms, "fires every so many milliseconds, from load on (default 100, at least 50)");

static bool stop;
static DECLARE_COMPLETION(fired);
static DECLARE_COMPLETION(stopped);

static enum hrtimer_restart zoo_hrtimer_restart_fn(struct hrtimer *timer)
{
	if (READ_ONCE(stop)) {
		pr_info("fired for the last time\n");
		complete(&stopped);
		return HRTIMER_NORESTART;
	}
	hrtimer_forward_now(timer, ms_to_ktime(period_ms));
	complete(&fired);
	return HRTIMER_RESTART;
}

static struct hrtimer zoo_timer;

static void start_in_hardirq(struct irq_work *work)
{
	hrtimer_start(&zoo_timer, ms_to_ktime(period_ms), HRTIMER_MODE_REL);
}

static int __init zoo_hrtimer_restart_init(void)
{
	static struct irq_work work;
	int err;

	err = zoo_choose_end(BIT(ZOO_LEAK) | BIT(ZOO_DELETE) | BIT(ZOO_EXPIRE) | BIT(ZOO_NEVER));
	if (err)
		return err;
	if (period_ms < 50) {
		pr_err("period_ms=%u is less than 50\n", period_ms);
		return -EINVAL;
	}
	hrtimer_setup(&zoo_timer, zoo_hrtimer_restart_fn, CLOCK_MONOTONIC, HRTIMER_MODE_REL);
	if (zoo_end != ZOO_NEVER) {
		init_irq_work(&work, start_in_hardirq);
		irq_work_queue(&work);
		irq_work_sync(&work);
	}
	pr_info("armed %d hrtimer at %px, period_ms=%u\n", hrtimer_is_queued(&zoo_timer), &zoo_timer,
		period_ms);
	return 0;
}

static void __exit zoo_hrtimer_restart_exit(void)
{
	if (zoo_end == ZOO_LEAK) {
		/* Leave right after a shot, a whole period before the next: armed, and not running. */
		reinit_completion(&fired);
		zoo_wait_fired(&fired, period_ms);
	}
	if (zoo_end == ZOO_EXPIRE) {
		WRITE_ONCE(stop, true);
		if (!zoo_wait_fired(&stopped, period_ms))
			hrtimer_cancel(&zoo_timer);
	}
	if (zoo_end == ZOO_DELETE)
		hrtimer_cancel(&zoo_timer);
	zoo_log_exit(hrtimer_is_queued(&zoo_timer));
}

module_init(zoo_hrtimer_restart_init);
module_exit(zoo_hrtimer_restart_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("disarmd test: an hrtimer started in an interrupt, that restarts itself and is not cancelled at unload");
