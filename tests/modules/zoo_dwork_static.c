// SPDX-License-Identifier: GPL-2.0-only
#include "zoo.h"

static DECLARE_COMPLETION(ran);

static void zoo_dwork_static_fn(struct work_struct *work)
{
	pr_info("fired\n");
	complete(&ran);
}

static DECLARE_DELAYED_WORK(zoo_dwork, zoo_dwork_static_fn);

static int __init zoo_dwork_static_init(void)
{
	int err;

	err = zoo_choose_end(BIT(ZOO_LEAK) | BIT(ZOO_DELETE) | BIT(ZOO_EXPIRE) | BIT(ZOO_NEVER));
	if (err)
		return err;
	if (zoo_end != ZOO_NEVER)
		schedule_delayed_work(&zoo_dwork, msecs_to_jiffies(delay_ms));
	pr_info("armed %d delayed_work with timer at %px, delay_ms=%u\n", timer_pending(&zoo_dwork.timer),
		&zoo_dwork.timer, delay_ms);
	return 0;
}

static void __exit zoo_dwork_static_exit(void)
{
	zoo_end_dwork(&zoo_dwork, &ran);
	zoo_log_exit(timer_pending(&zoo_dwork.timer));
}

module_init(zoo_dwork_static_init);
module_exit(zoo_dwork_static_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("disarmd test: a static delayed_work queued at load and not cancelled at unload");
