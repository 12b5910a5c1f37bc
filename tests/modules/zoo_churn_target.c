// SPDX-License-Identifier: GPL-2.0-only
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include "zoo_churn.h"

#include <linux/module.h>

void zoo_churn_target_fn(struct timer_list *timer)
{
	pr_info("fired\n");
}
EXPORT_SYMBOL_GPL(zoo_churn_target_fn);

enum hrtimer_restart zoo_churn_target_hrfn(struct hrtimer *timer)
{
	pr_info("fired\n");
	return HRTIMER_NORESTART;
}
EXPORT_SYMBOL_GPL(zoo_churn_target_hrfn);

static int __init zoo_churn_target_init(void)
{
	pr_info("armed nothing\n");
	return 0;
}

static void __exit zoo_churn_target_exit(void)
{
	pr_info("exit\n");
}

module_init(zoo_churn_target_init);
module_exit(zoo_churn_target_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("disarmd test: callbacks for the timers that zoo_churn keeps in motion");
