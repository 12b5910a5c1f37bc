// SPDX-License-Identifier: GPL-2.0-only
#include "zoo.h"

static DECLARE_COMPLETION(fired);

static void zoo_arm_param_fn(struct timer_list *timer)
{
	pr_info("fired\n");
	complete(&fired);
}

static DEFINE_TIMER(zoo_timer, zoo_arm_param_fn);

/* Called while the module is loaded, before it is announced as loaded and before its init runs. */
static int zoo_set_arm(const char *value, const struct kernel_param *parameter)
{
	mod_timer(&zoo_timer, zoo_expiry());
	return 0;
}

static const struct kernel_param_ops zoo_arm_ops = { .set = zoo_set_arm };

module_param_cb(arm, &zoo_arm_ops, NULL, 0200);
MODULE_PARM_DESC(arm, "set to anything, it arms the timer; to be given after delay_ms");

static int __init zoo_arm_param_init(void)
{
	int err;

	err = zoo_choose_end(BIT(ZOO_LEAK) | BIT(ZOO_DELETE) | BIT(ZOO_EXPIRE) | BIT(ZOO_SHUTDOWN));
	if (err) {
		timer_delete_sync(&zoo_timer);
		return err;
	}
	pr_info("armed %d timer at %px, delay_ms=%u\n", timer_pending(&zoo_timer), &zoo_timer, delay_ms);
	return 0;
}

static void __exit zoo_arm_param_exit(void)
{
	zoo_end_timer(&zoo_timer, &fired);
	zoo_log_exit(timer_pending(&zoo_timer));
}

module_init(zoo_arm_param_init);
module_exit(zoo_arm_param_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("disarmd test: a static timer armed by the setter of a parameter and not deleted at unload");
