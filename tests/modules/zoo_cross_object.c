// SPDX-License-Identifier: GPL-2.0-only
#define ZOO_NO_DELAY
#include "zoo.h"
#include "zoo_cross.h"

/* Set up and armed by zoo_cross_callback. */
struct timer_list zoo_cross_timer;
EXPORT_SYMBOL_GPL(zoo_cross_timer);

static int __init zoo_cross_object_init(void)
{
	int err;

	err = zoo_choose_end(BIT(ZOO_LEAK) | BIT(ZOO_DELETE) | BIT(ZOO_SHUTDOWN));
	if (err)
		return err;
	timer_setup(&zoo_cross_timer, NULL, 0);
	pr_info("armed 0, timer at %px\n", &zoo_cross_timer);
	return 0;
}

static void __exit zoo_cross_object_exit(void)
{
	void (*gone)(bool armed) = symbol_get(zoo_cross_object_gone);
	bool armed;

	if (zoo_end == ZOO_DELETE)
		timer_delete_sync(&zoo_cross_timer);
	if (zoo_end == ZOO_SHUTDOWN)
		timer_shutdown_sync(&zoo_cross_timer);
	armed = timer_pending(&zoo_cross_timer);
	if (gone) {
		gone(armed);
		symbol_put(zoo_cross_object_gone);
	}
	zoo_log_exit(armed);
}

module_init(zoo_cross_object_init);
module_exit(zoo_cross_object_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("disarmd test: a static timer that another module arms, with a callback of its own");
