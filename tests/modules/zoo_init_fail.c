// SPDX-License-Identifier: GPL-2.0-only
#include "zoo.h"

#include <linux/slab.h>

static char *kind = "timer";
module_param(kind, charp, 0444);
MODULE_PARM_DESC(kind, "what it arms: timer (default; static) or dwork (allocated)");

static void zoo_init_fail_timer_fn(struct timer_list *timer)
{
	pr_info("fired\n");
}

static DEFINE_TIMER(zoo_timer, zoo_init_fail_timer_fn);

static void zoo_init_fail_dwork_fn(struct work_struct *work)
{
	pr_info("fired\n");
}

static int __init fail_with_timer(void)
{
	if (zoo_end != ZOO_NEVER)
		mod_timer(&zoo_timer, zoo_expiry());
	pr_info("armed %d timer at %px, delay_ms=%u\n", timer_pending(&zoo_timer), &zoo_timer, delay_ms);
	if (zoo_end == ZOO_DELETE)
		timer_delete_sync(&zoo_timer);
	zoo_log_exit(timer_pending(&zoo_timer));
	return -EINVAL;
}

static int __init fail_with_dwork(void)
{
	struct delayed_work *dwork;

	dwork = kzalloc(sizeof(*dwork), GFP_KERNEL);
	if (!dwork)
		return -ENOMEM;
	INIT_DELAYED_WORK(dwork, zoo_init_fail_dwork_fn);
	if (zoo_end != ZOO_NEVER)
		schedule_delayed_work(dwork, msecs_to_jiffies(delay_ms));
	pr_info("armed %d delayed_work with timer at %px, delay_ms=%u\n", timer_pending(&dwork->timer),
		&dwork->timer, delay_ms);
	if (zoo_end == ZOO_DELETE)
		cancel_delayed_work_sync(dwork);
	zoo_log_exit(timer_pending(&dwork->timer));
	/* A leaked one's object must outlive the module: only the work function's text is to be gone. */
	if (zoo_end != ZOO_LEAK)
		kfree(dwork);
	return -EINVAL;
}

static int __init zoo_init_fail_init(void)
{
	int err;

	err = zoo_choose_end(BIT(ZOO_LEAK) | BIT(ZOO_DELETE) | BIT(ZOO_NEVER));
	if (err)
		return err;
	if (!strcmp(kind, "timer"))
		return fail_with_timer();
	if (!strcmp(kind, "dwork"))
		return fail_with_dwork();
	pr_err("kind=%s is not one of: timer dwork\n", kind);
	return -EINVAL;
}

module_init(zoo_init_fail_init);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("disarmd test: init arms a timer, then fails and does not delete it");
