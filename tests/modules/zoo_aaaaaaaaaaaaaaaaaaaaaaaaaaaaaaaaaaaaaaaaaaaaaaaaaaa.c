// SPDX-License-Identifier: GPL-2.0-only
#include "zoo.h"

static DECLARE_COMPLETION(fired);

static void zoo_longest_name_fn(struct timer_list *timer)
{
	pr_info("fired\n");
	complete(&fired);
}

static DEFINE_TIMER(zoo_timer, zoo_longest_name_fn);

static int __init zoo_longest_name_init(void)
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

static void __exit zoo_longest_name_exit(void)
{
	zoo_end_timer(&zoo_timer, &fired);
	zoo_log_exit(timer_pending(&zoo_timer));
}

module_init(zoo_longest_name_init);
module_exit(zoo_longest_name_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("disarmd test: the longest name that a module can have");
