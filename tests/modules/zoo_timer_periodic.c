// SPDX-License-Identifier: GPL-2.0-only
#define ZOO_NO_DELAY
#include "zoo.h"

#include <linux/delay.h>

static unsigned int period_ms = 100;
module_param(period_ms, uint, 0444);
MODULE_PARM_DESC(period_ms, "fires every so many milliseconds, from load on (default 100, at least 50)");

static unsigned int spin_ms;
module_param(spin_ms, uint, 0444);
MODULE_PARM_DESC(spin_ms, "the callback takes so long (default 0, at most 200)");

static bool stop;
static DECLARE_COMPLETION(fired);
static DECLARE_COMPLETION(stopped);

static void zoo_timer_periodic_fn(struct timer_list *timer)
{
	if (READ_ONCE(stop)) {
		pr_info("fired for the last time\n");
		complete(&stopped);
		return;
	}
	mod_timer(timer, jiffies + msecs_to_jiffies(period_ms));
	mdelay(spin_ms);
	complete(&fired);
}

static DEFINE_TIMER(zoo_timer, zoo_timer_periodic_fn);

static int __init zoo_timer_periodic_init(void)
{
	int err;

	err = zoo_choose_end(BIT(ZOO_LEAK) | BIT(ZOO_DELETE) | BIT(ZOO_EXPIRE) | BIT(ZOO_NEVER) |
			     BIT(ZOO_SHUTDOWN));
	if (err)
		return err;
	if (period_ms < 50) {
		pr_err("period_ms=%u is less than 50\n", period_ms);
		return -EINVAL;
	}
	if (spin_ms > 200) {
		pr_err("spin_ms=%u is more than 200\n", spin_ms);
		return -EINVAL;
	}
	if (zoo_end != ZOO_NEVER)
		mod_timer(&zoo_timer, jiffies + msecs_to_jiffies(period_ms));
	pr_info("armed %d timer at %px, period_ms=%u\n", timer_pending(&zoo_timer), &zoo_timer, period_ms);
	return 0;
}

static void __exit zoo_timer_periodic_exit(void)
{
	if (zoo_end == ZOO_LEAK) {
		/* Leave right after a shot, a whole period before the next: armed, and not running. */
		reinit_completion(&fired);
		zoo_wait_fired(&fired, period_ms);
	}
	if (zoo_end == ZOO_EXPIRE) {
		WRITE_ONCE(stop, true);
		if (!zoo_wait_fired(&stopped, period_ms))
			timer_delete_sync(&zoo_timer);
	}
	if (zoo_end == ZOO_DELETE)
		timer_delete_sync(&zoo_timer);
	if (zoo_end == ZOO_SHUTDOWN)
		timer_shutdown_sync(&zoo_timer);
	zoo_log_exit(timer_pending(&zoo_timer));
}

module_init(zoo_timer_periodic_init);
module_exit(zoo_timer_periodic_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("disarmd test: a timer that re-arms itself and is not deleted at unload");
