// SPDX-License-Identifier: GPL-2.0-only
#include "zoo.h"

static DECLARE_COMPLETION(fired);

static void zoo_user_fn(struct timer_list *timer)
{
	pr_info("fired\n");
	complete(&fired);
}

static DEFINE_TIMER(zoo_timer, zoo_user_fn);

static bool hold;

/* Called at load, before init, and on each write to the parameter, one at a time. */
static int set_hold(const char *value, const struct kernel_param *param)
{
	bool held = hold;
	int err;

	err = param_set_bool(value, param);
	if (err)
		return err;
	if (hold && !held)
		__module_get(THIS_MODULE);
	if (!hold && held)
		module_put(THIS_MODULE);
	return 0;
}

static const struct kernel_param_ops hold_ops = {
	.flags = KERNEL_PARAM_OPS_FL_NOARG,
	.set = set_hold,
	.get = param_get_bool,
};

module_param_cb(hold, &hold_ops, &hold, 0644);
MODULE_PARM_DESC(hold, "whether the module is in use (default 0), also to be written at run time");

static int __init zoo_user_init(void)
{
	int err;

	err = zoo_choose_end(BIT(ZOO_LEAK) | BIT(ZOO_DELETE) | BIT(ZOO_EXPIRE) | BIT(ZOO_NEVER) |
			     BIT(ZOO_SHUTDOWN));
	if (err)
		return err;
	if (zoo_end != ZOO_NEVER)
		mod_timer(&zoo_timer, zoo_expiry());
	pr_info("armed %d timer at %px, delay_ms=%u hold=%d\n", timer_pending(&zoo_timer), &zoo_timer,
		delay_ms, hold);
	return 0;
}

static void __exit zoo_user_exit(void)
{
	zoo_end_timer(&zoo_timer, &fired);
	zoo_log_exit(timer_pending(&zoo_timer));
}

module_init(zoo_user_init);
module_exit(zoo_user_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("disarmd test: a module that is in use while its timer is armed");
