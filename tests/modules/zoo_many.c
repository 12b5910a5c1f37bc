// SPDX-License-Identifier: GPL-2.0-only
#include "zoo.h"

#include <linux/slab.h>

static DECLARE_COMPLETION(static_fired);
static DECLARE_COMPLETION(alloc_fired);
static DECLARE_COMPLETION(dwork_ran);

static void zoo_many_static_fn(struct timer_list *timer)
{
	pr_info("static timer fired\n");
	complete(&static_fired);
}

static void zoo_many_alloc_fn(struct timer_list *timer)
{
	pr_info("allocated timer fired\n");
	complete(&alloc_fired);
}

static void zoo_many_dwork_fn(struct work_struct *work)
{
	pr_info("delayed_work fired\n");
	complete(&dwork_ran);
}

static DEFINE_TIMER(static_timer, zoo_many_static_fn);
static struct timer_list *alloc_timer;
static DECLARE_DELAYED_WORK(dwork, zoo_many_dwork_fn);

static unsigned int armed(void)
{
	return timer_pending(&static_timer) + timer_pending(alloc_timer) + timer_pending(&dwork.timer);
}

static int __init zoo_many_init(void)
{
	int err;

	err = zoo_choose_end(BIT(ZOO_LEAK) | BIT(ZOO_DELETE) | BIT(ZOO_EXPIRE) | BIT(ZOO_NEVER));
	if (err)
		return err;
	alloc_timer = kzalloc(sizeof(*alloc_timer), GFP_KERNEL);
	if (!alloc_timer)
		return -ENOMEM;
	timer_setup(alloc_timer, zoo_many_alloc_fn, 0);
	if (zoo_end != ZOO_NEVER) {
		mod_timer(&static_timer, zoo_expiry());
		mod_timer(alloc_timer, zoo_expiry());
		schedule_delayed_work(&dwork, msecs_to_jiffies(delay_ms));
	}
	pr_info("armed %u: timers at %px and %px, delayed_work with timer at %px, delay_ms=%u\n", armed(),
		&static_timer, alloc_timer, &dwork.timer, delay_ms);
	return 0;
}

static void __exit zoo_many_exit(void)
{
	unsigned int left;

	zoo_end_timer(&static_timer, &static_fired);
	zoo_end_timer(alloc_timer, &alloc_fired);
	zoo_end_dwork(&dwork, &dwork_ran);
	left = armed();
	/* A leaked one's object must outlive the module: only the callback's text is to be gone. */
	if (zoo_end != ZOO_LEAK)
		kfree(alloc_timer);
	zoo_log_exit(left);
}

module_init(zoo_many_init);
module_exit(zoo_many_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("disarmd test: timers of several kinds armed at load and not deleted at unload");
