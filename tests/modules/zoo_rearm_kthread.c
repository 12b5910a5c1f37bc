// SPDX-License-Identifier: GPL-2.0-only
#include "zoo.h"

#include <linux/err.h>
#include <linux/kthread.h>
#include <linux/sched.h>

static DECLARE_COMPLETION(fired);
static struct task_struct *thread;

static void zoo_rearm_kthread_fn(struct timer_list *timer)
{
	pr_info("fired\n");
	complete(&fired);
}

static DEFINE_TIMER(zoo_timer, zoo_rearm_kthread_fn);

/* Does its work once more when told to stop, so that it can be made to do it at a chosen moment. */
static int zoo_rearm_kthread_thread(void *unused)
{
	set_current_state(TASK_INTERRUPTIBLE);
	while (!kthread_should_stop()) {
		schedule();
		set_current_state(TASK_INTERRUPTIBLE);
	}
	__set_current_state(TASK_RUNNING);
	if (zoo_end != ZOO_NEVER)
		mod_timer(&zoo_timer, zoo_expiry());
	return 0;
}

static int __init zoo_rearm_kthread_init(void)
{
	int err;

	err = zoo_choose_end(BIT(ZOO_LEAK) | BIT(ZOO_DELETE) | BIT(ZOO_EXPIRE) | BIT(ZOO_NEVER) |
			     BIT(ZOO_SHUTDOWN));
	if (err)
		return err;
	thread = kthread_run(zoo_rearm_kthread_thread, NULL, "zoo_rearm");
	if (IS_ERR(thread))
		return PTR_ERR(thread);
	if (zoo_end != ZOO_NEVER)
		mod_timer(&zoo_timer, zoo_expiry());
	pr_info("armed %d timer at %px, delay_ms=%u\n", timer_pending(&zoo_timer), &zoo_timer, delay_ms);
	return 0;
}

/* kthread_stop() returns when the thread has left this module for good. */
static void __exit zoo_rearm_kthread_exit(void)
{
	switch (zoo_end) {
	case ZOO_LEAK:
		timer_delete_sync(&zoo_timer);
		kthread_stop(thread);
		break;
	case ZOO_DELETE:
		kthread_stop(thread);
		timer_delete_sync(&zoo_timer);
		break;
	case ZOO_EXPIRE:
		timer_delete_sync(&zoo_timer);
		reinit_completion(&fired);
		kthread_stop(thread);
		if (!zoo_wait_fired(&fired, delay_ms))
			timer_delete_sync(&zoo_timer);
		break;
	case ZOO_NEVER:
		kthread_stop(thread);
		break;
	case ZOO_SHUTDOWN:
		timer_shutdown_sync(&zoo_timer);
		kthread_stop(thread);
		break;
	}
	zoo_log_exit(timer_pending(&zoo_timer));
}

module_init(zoo_rearm_kthread_init);
module_exit(zoo_rearm_kthread_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("disarmd test: a timer deleted at unload and then armed again by a kernel thread");
