// SPDX-License-Identifier: GPL-2.0-only
#include "zoo.h"

static bool deleting;	/* exit wants to delete it under the callback's feet */
static bool running;	/* the callback knows, and is executing */
static bool deleted;	/* exit has done it: go on and re-arm */
static bool stop;	/* do not re-arm */
static DECLARE_COMPLETION(stopped);

static void zoo_rearm_self_fn(struct timer_list *timer)
{
	if (READ_ONCE(stop)) {
		pr_info("fired for the last time\n");
		complete(&stopped);
		return;
	}
	if (READ_ONCE(deleting)) {
		WRITE_ONCE(running, true);
		zoo_spin_until(&deleted);
	}
	mod_timer(timer, zoo_expiry());
}

static DEFINE_TIMER(zoo_timer, zoo_rearm_self_fn);

static int __init zoo_rearm_self_init(void)
{
	int err;

	err = zoo_choose_end(BIT(ZOO_LEAK) | BIT(ZOO_DELETE) | BIT(ZOO_EXPIRE) | BIT(ZOO_NEVER) |
			     BIT(ZOO_SHUTDOWN));
	if (!err)
		err = zoo_need_two_cpus();
	if (err)
		return err;
	if (zoo_end != ZOO_NEVER)
		mod_timer(&zoo_timer, zoo_expiry());
	pr_info("armed %d timer at %px, delay_ms=%u\n", timer_pending(&zoo_timer), &zoo_timer, delay_ms);
	return 0;
}

static void delete_while_running(void)
{
	timer_delete_sync(&zoo_timer);
	WRITE_ONCE(deleting, true);
	preempt_disable();
	if (zoo_fire_elsewhere(&zoo_timer, &running))
		timer_delete(&zoo_timer);
	WRITE_ONCE(deleted, true);
	preempt_enable();
	zoo_wait_for_callbacks();
}

static void __exit zoo_rearm_self_exit(void)
{
	if (zoo_end == ZOO_LEAK) {
		delete_while_running();
	} else {
		/* timer_shutdown_sync() prevails over a callback that re-arms; the others need its help. */
		WRITE_ONCE(stop, zoo_end != ZOO_SHUTDOWN);
		zoo_end_timer(&zoo_timer, &stopped);
	}
	zoo_log_exit(timer_pending(&zoo_timer));
}

module_init(zoo_rearm_self_init);
module_exit(zoo_rearm_self_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("disarmd test: a timer deleted while its callback runs, which then re-arms it");
