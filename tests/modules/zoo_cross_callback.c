// SPDX-License-Identifier: GPL-2.0-only
#include "zoo.h"
#include "zoo_cross.h"

static bool object_gone;
static bool object_gone_armed;
static DECLARE_COMPLETION(fired);

static void zoo_cross_callback_fn(struct timer_list *timer)
{
	pr_info("fired\n");
	complete(&fired);
}

void zoo_cross_object_gone(bool armed)
{
	object_gone = true;
	object_gone_armed = armed;
}
EXPORT_SYMBOL_GPL(zoo_cross_object_gone);

static int __init zoo_cross_callback_init(void)
{
	struct timer_list *timer;
	int err;

	err = zoo_choose_end(BIT(ZOO_LEAK) | BIT(ZOO_DELETE) | BIT(ZOO_EXPIRE) | BIT(ZOO_NEVER) |
			     BIT(ZOO_SHUTDOWN));
	if (err)
		return err;
	timer = symbol_get(zoo_cross_timer);
	if (!timer) {
		pr_err("zoo_cross_object is not loaded\n");
		return -ENODEV;
	}
	timer_setup(timer, zoo_cross_callback_fn, 0);
	if (zoo_end != ZOO_NEVER)
		mod_timer(timer, zoo_expiry());
	pr_info("armed %d timer at %px, delay_ms=%u\n", timer_pending(timer), timer, delay_ms);
	symbol_put(zoo_cross_timer);
	return 0;
}

static void __exit zoo_cross_callback_exit(void)
{
	struct timer_list *timer = object_gone ? NULL : symbol_get(zoo_cross_timer);
	bool armed = object_gone_armed;

	/* Where the object is gone there is nothing left that could be deleted, or asked. */
	if (timer) {
		zoo_end_timer(timer, &fired);
		armed = timer_pending(timer);
		symbol_put(zoo_cross_timer);
	}
	zoo_log_exit(armed);
}

module_init(zoo_cross_callback_init);
module_exit(zoo_cross_callback_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("disarmd test: arms a timer that lies in another module, with a callback of its own");
