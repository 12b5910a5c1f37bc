// SPDX-License-Identifier: GPL-2.0-only
#include "zoo.h"

#include <linux/list.h>
#include <linux/slab.h>

static unsigned int count = 1;
module_param(count, uint, 0444);
MODULE_PARM_DESC(count, "how many timers, each in an object of its own (default 1, at most 1000000)");

static bool hold_exit;
module_param(hold_exit, bool, 0600);
MODULE_PARM_DESC(hold_exit, "exit waits until this is N again, for two minutes at most");

struct zoo_object {
	struct list_head link;
	struct timer_list timer;
};

static LIST_HEAD(objects);
static atomic_t unfired;
static DECLARE_COMPLETION(all_fired);

static void zoo_timer_alloc_fn(struct timer_list *timer)
{
	if (!atomic_dec_and_test(&unfired))
		return;
	pr_info("fired %u\n", count);
	complete(&all_fired);
}

static void free_objects(void)
{
	struct zoo_object *object, *next;

	list_for_each_entry_safe(object, next, &objects, link)
		kfree(object);
}

static int __init zoo_timer_alloc_init(void)
{
	struct zoo_object *object;
	unsigned int i;
	int err;

	err = zoo_choose_end(BIT(ZOO_LEAK) | BIT(ZOO_DELETE) | BIT(ZOO_EXPIRE) | BIT(ZOO_NEVER) |
			     BIT(ZOO_SHUTDOWN));
	if (err)
		return err;
	if (count < 1 || count > 1000000) {
		pr_err("count=%u is not between 1 and 1000000\n", count);
		return -EINVAL;
	}
	for (i = 0; i < count; i++) {
		object = kzalloc(sizeof(*object), GFP_KERNEL);
		if (!object) {
			free_objects();
			return -ENOMEM;
		}
		timer_setup(&object->timer, zoo_timer_alloc_fn, 0);
		list_add_tail(&object->link, &objects);
	}

	atomic_set(&unfired, count);
	i = 0;
	list_for_each_entry(object, &objects, link) {
		if (zoo_end == ZOO_NEVER)
			break;
		/* Over a second, so that they fill many buckets of the wheel and not one. */
		mod_timer(&object->timer, zoo_expiry() + i++ % HZ);
		/* A million of them keep an emulated CPU for longer than the watchdog lets anybody. */
		if (i % 4096 == 0)
			cond_resched();
	}
	object = list_first_entry(&objects, struct zoo_object, link);
	pr_info("armed %u timer(s), the first at %px, delay_ms=%u\n", i, &object->timer, delay_ms);
	return 0;
}

static void __exit zoo_timer_alloc_exit(void)
{
	bool fired = zoo_end == ZOO_EXPIRE && zoo_wait_fired(&all_fired, delay_ms + MSEC_PER_SEC);
	struct zoo_object *object;
	unsigned long deadline = jiffies + 120 * HZ;
	unsigned int armed = 0;

	while (READ_ONCE(hold_exit) && time_before(jiffies, deadline))
		schedule_timeout_idle(1);
	list_for_each_entry(object, &objects, link) {
		if (zoo_end == ZOO_DELETE || (zoo_end == ZOO_EXPIRE && !fired))
			timer_delete_sync(&object->timer);
		if (zoo_end == ZOO_SHUTDOWN)
			timer_shutdown_sync(&object->timer);
		armed += timer_pending(&object->timer);
	}
	/* A leaked timer's object must outlive the module: only the callback's text is to be gone. */
	if (zoo_end != ZOO_LEAK)
		free_objects();
	zoo_log_exit(armed);
}

module_init(zoo_timer_alloc_init);
module_exit(zoo_timer_alloc_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("disarmd test: timers in allocated objects, armed at load and not deleted at unload");
