// SPDX-License-Identifier: GPL-2.0-only
#define ZOO_OBJECT
#include "zoo.h"

#include <linux/err.h>
#include <linux/slab.h>

static struct kthread_delayed_work static_dwork;
static struct kthread_delayed_work *dwork = &static_dwork;
static struct kthread_worker *worker;
static DECLARE_COMPLETION(ran);

static void zoo_kthread_dwork_fn(struct kthread_work *work)
{
	pr_info("fired\n");
	complete(&ran);
}

static int __init zoo_kthread_dwork_init(void)
{
	int err, which;

	err = zoo_choose_end(BIT(ZOO_LEAK) | BIT(ZOO_DELETE) | BIT(ZOO_EXPIRE) | BIT(ZOO_NEVER));
	if (err)
		return err;
	which = zoo_choose_object();
	if (which < 0)
		return which;
	if (which) {
		dwork = kzalloc(sizeof(*dwork), GFP_KERNEL);
		if (!dwork)
			return -ENOMEM;
	}
	worker = kthread_run_worker(0, "zoo_worker");
	if (IS_ERR(worker)) {
		if (dwork != &static_dwork)
			kfree(dwork);
		return PTR_ERR(worker);
	}
	kthread_init_delayed_work(dwork, zoo_kthread_dwork_fn);
	if (zoo_end != ZOO_NEVER)
		kthread_queue_delayed_work(worker, dwork, msecs_to_jiffies(delay_ms));
	pr_info("armed %d kthread_delayed_work with timer at %px, delay_ms=%u\n",
		timer_pending(&dwork->timer), &dwork->timer, delay_ms);
	return 0;
}

static void __exit zoo_kthread_dwork_exit(void)
{
	unsigned int armed;

	if (zoo_end == ZOO_EXPIRE && zoo_wait_fired(&ran, delay_ms))
		kthread_flush_work(&dwork->work);
	else if (zoo_end == ZOO_DELETE || zoo_end == ZOO_EXPIRE)
		kthread_cancel_delayed_work_sync(dwork);
	armed = timer_pending(&dwork->timer);
	/*
	 * A leak leaves the worker, too: it outlives the module, as somebody else's would (its thread runs
	 * core code), and destroying it with a delayed work left is another bug, of which the kernel warns.
	 */
	if (zoo_end != ZOO_LEAK) {
		kthread_destroy_worker(worker);
		if (dwork != &static_dwork)
			kfree(dwork);
	}
	zoo_log_exit(armed);
}

module_init(zoo_kthread_dwork_init);
module_exit(zoo_kthread_dwork_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("disarmd test: a kthread_delayed_work queued at load and not cancelled at unload");
