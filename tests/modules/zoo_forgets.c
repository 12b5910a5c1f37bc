// SPDX-License-Identifier: GPL-2.0-only
#include "zoo.h"

static void zoo_forgets_fn(struct timer_list *timer)
{
	pr_info("fired\n");
}

static DEFINE_TIMER(zoo_timer, zoo_forgets_fn);

static int __init zoo_forgets_init(void)
{
	mod_timer(&zoo_timer, zoo_expiry());
	pr_info("armed %d timer at %px, delay_ms=%u\n", timer_pending(&zoo_timer), &zoo_timer, delay_ms);
	return 0;
}

static void __exit zoo_forgets_exit(void)
{
	zoo_log_exit(timer_pending(&zoo_timer));
}

module_init(zoo_forgets_init);
module_exit(zoo_forgets_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("disarmd test: a timer that nothing in the module deletes, whatever the parameters: what a look at its code finds");
