// SPDX-License-Identifier: GPL-2.0-only
#include "zoo.h"

#include <linux/interrupt.h>

static DECLARE_COMPLETION(fired);

static void zoo_rearm_tasklet_fn(struct timer_list *timer)
{
	pr_info("fired\n");
	complete(&fired);
}

static DEFINE_TIMER(zoo_timer, zoo_rearm_tasklet_fn);

static void zoo_rearm_tasklet_softirq(struct tasklet_struct *tasklet)
{
	mod_timer(&zoo_timer, zoo_expiry());
}

static DECLARE_TASKLET(zoo_tasklet, zoo_rearm_tasklet_softirq);

static int __init zoo_rearm_tasklet_init(void)
{
	int err;

	err = zoo_choose_end(BIT(ZOO_LEAK) | BIT(ZOO_DELETE) | BIT(ZOO_EXPIRE) | BIT(ZOO_NEVER) |
			     BIT(ZOO_SHUTDOWN));
	if (err)
		return err;
	if (zoo_end != ZOO_NEVER)
		mod_timer(&zoo_timer, zoo_expiry());
	pr_info("armed %d timer at %px, delay_ms=%u\n", timer_pending(&zoo_timer), &zoo_timer, delay_ms);
	return 0;
}

/* What an interrupt at that moment would bring about. tasklet_kill() waits until it has run. */
static void run_tasklet(void)
{
	tasklet_schedule(&zoo_tasklet);
	tasklet_kill(&zoo_tasklet);
}

static void __exit zoo_rearm_tasklet_exit(void)
{
	switch (zoo_end) {
	case ZOO_LEAK:
		timer_delete_sync(&zoo_timer);
		run_tasklet();
		break;
	case ZOO_DELETE:
		run_tasklet();
		timer_delete_sync(&zoo_timer);
		break;
	case ZOO_EXPIRE:
		timer_delete_sync(&zoo_timer);
		reinit_completion(&fired);
		run_tasklet();
		if (!zoo_wait_fired(&fired, delay_ms))
			timer_delete_sync(&zoo_timer);
		break;
	case ZOO_NEVER:
		break;
	case ZOO_SHUTDOWN:
		timer_shutdown_sync(&zoo_timer);
		run_tasklet();
		break;
	}
	zoo_log_exit(timer_pending(&zoo_timer));
}

module_init(zoo_rearm_tasklet_init);
module_exit(zoo_rearm_tasklet_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("disarmd test: a timer deleted at unload and then armed again by a tasklet");
