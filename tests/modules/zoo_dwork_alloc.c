// SPDX-License-Identifier: GPL-2.0-only
#include "zoo.h"

#include <linux/slab.h>

struct zoo_object {
	struct delayed_work dwork;
};

static struct zoo_object *object;
static DECLARE_COMPLETION(ran);

static void zoo_dwork_alloc_fn(struct work_struct *work)
{
	pr_info("fired\n");
	complete(&ran);
}

static int __init zoo_dwork_alloc_init(void)
{
	int err;

	err = zoo_choose_end(BIT(ZOO_LEAK) | BIT(ZOO_DELETE) | BIT(ZOO_EXPIRE) | BIT(ZOO_NEVER));
	if (err)
		return err;
	object = kzalloc(sizeof(*object), GFP_KERNEL);
	if (!object)
		return -ENOMEM;
	INIT_DELAYED_WORK(&object->dwork, zoo_dwork_alloc_fn);
	if (zoo_end != ZOO_NEVER)
		schedule_delayed_work(&object->dwork, msecs_to_jiffies(delay_ms));
	pr_info("armed %d delayed_work with timer at %px, delay_ms=%u\n",
		timer_pending(&object->dwork.timer), &object->dwork.timer, delay_ms);
	return 0;
}

static void __exit zoo_dwork_alloc_exit(void)
{
	unsigned int armed;

	zoo_end_dwork(&object->dwork, &ran);
	armed = timer_pending(&object->dwork.timer);
	/* A leaked one's object must outlive the module: only the work function's text is to be gone. */
	if (zoo_end != ZOO_LEAK)
		kfree(object);
	zoo_log_exit(armed);
}

module_init(zoo_dwork_alloc_init);
module_exit(zoo_dwork_alloc_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("disarmd test: an allocated delayed_work queued at load and not cancelled at unload");
