// SPDX-License-Identifier: GPL-2.0-only
#define ZOO_OBJECT
#include "zoo.h"

#include <linux/slab.h>

static bool fail;
module_param(fail, bool, 0444);
MODULE_PARM_DESC(fail, "init fails once the timer is armed (default: it succeeds)");

static struct timer_list static_timer;
static struct timer_list *timer = &static_timer;
static DECLARE_COMPLETION(fired);

/* Freed when init has succeeded: a timer that is armed then has a callback that is no more. */
static void __init zoo_init_callback_fn(struct timer_list *unused)
{
	pr_info("fired\n");
	complete(&fired);
}

static void finish(void)
{
	unsigned int armed = timer_pending(timer);

	/* A leaked timer's object must outlive the module: only the callback's text is to be gone. */
	if (zoo_end != ZOO_LEAK && timer != &static_timer)
		kfree(timer);
	zoo_log_exit(armed);
}

static int __init zoo_init_callback_init(void)
{
	int err, which;

	err = zoo_choose_end(BIT(ZOO_LEAK) | BIT(ZOO_DELETE) | BIT(ZOO_EXPIRE) | BIT(ZOO_NEVER) |
			     BIT(ZOO_SHUTDOWN));
	if (err)
		return err;
	which = zoo_choose_object();
	if (which < 0)
		return which;
	if (which) {
		timer = kzalloc(sizeof(*timer), GFP_KERNEL);
		if (!timer)
			return -ENOMEM;
	}
	timer_setup(timer, zoo_init_callback_fn, 0);
	if (zoo_end != ZOO_NEVER)
		mod_timer(timer, zoo_expiry());
	pr_info("armed %d timer at %px, delay_ms=%u\n", timer_pending(timer), timer, delay_ms);
	/* By the time of exit the callback would be gone. */
	if (fail || zoo_end == ZOO_EXPIRE)
		zoo_end_timer(timer, &fired);
	if (fail) {
		finish();
		return -EINVAL;
	}
	return 0;
}

static void __exit zoo_init_callback_exit(void)
{
	if (zoo_end != ZOO_EXPIRE)
		zoo_end_timer(timer, &fired);
	finish();
}

module_init(zoo_init_callback_init);
module_exit(zoo_init_callback_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("disarmd test: a timer armed at load whose callback is in the init section");
