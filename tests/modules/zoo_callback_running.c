// SPDX-License-Identifier: GPL-2.0-only
#include "zoo.h"
#include "zoo_at_free.h"

#include <linux/delay.h>

static unsigned int spin_ms = 300;
module_param(spin_ms, uint, 0444);
MODULE_PARM_DESC(spin_ms, "the callback goes on for so long after it was caught (default 300, at most 5000)");

static bool unloading;	/* the callback is about to be caught */
static bool running;	/* it is caught */
static bool let_go;	/* whoever caught it is done */
static DECLARE_COMPLETION(fired);

static void zoo_callback_running_fn(struct timer_list *timer)
{
	if (READ_ONCE(unloading)) {
		WRITE_ONCE(running, true);
		zoo_spin_until(&let_go);
		mdelay(spin_ms);
	}
	pr_info("fired, %s\n", zoo_being_freed() ? "and the module is being freed" : "before the module is freed");
	complete(&fired);
}

static DEFINE_TIMER(zoo_timer, zoo_callback_running_fn);

static int __init zoo_callback_running_init(void)
{
	int err;

	err = zoo_choose_end(BIT(ZOO_LEAK) | BIT(ZOO_DELETE) | BIT(ZOO_EXPIRE) | BIT(ZOO_NEVER) |
			     BIT(ZOO_SHUTDOWN));
	if (!err)
		err = zoo_need_two_cpus();
	if (err)
		return err;
	if (spin_ms > ZOO_SPIN_MS) {
		pr_err("spin_ms=%u is more than %u\n", spin_ms, ZOO_SPIN_MS);
		return -EINVAL;
	}
	if (zoo_end != ZOO_NEVER)
		mod_timer(&zoo_timer, zoo_expiry());
	pr_info("armed %d timer at %px, delay_ms=%u\n", timer_pending(&zoo_timer), &zoo_timer, delay_ms);
	return 0;
}

/* Preemption must be off. */
static void catch_callback(void)
{
	WRITE_ONCE(unloading, true);
	if (zoo_fire_elsewhere(&zoo_timer, &running) && zoo_end == ZOO_LEAK)
		timer_delete(&zoo_timer);
	WRITE_ONCE(let_go, true);
}

static void __exit zoo_callback_running_exit(void)
{
	switch (zoo_end) {
	case ZOO_LEAK:
		timer_delete_sync(&zoo_timer);
		zoo_at_free(catch_callback);
		break;
	case ZOO_DELETE:
	case ZOO_SHUTDOWN:
		timer_delete_sync(&zoo_timer);
		preempt_disable();
		catch_callback();
		preempt_enable();
		zoo_end_timer(&zoo_timer, &fired);
		break;
	case ZOO_EXPIRE:
	case ZOO_NEVER:
		zoo_end_timer(&zoo_timer, &fired);
		break;
	}
	zoo_log_exit(timer_pending(&zoo_timer));
}

module_init(zoo_callback_running_init);
module_exit(zoo_callback_running_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("disarmd test: a timer not armed any more, whose callback is executing when the module is freed");
