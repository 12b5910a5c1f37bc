// SPDX-License-Identifier: GPL-2.0-only
#include "zoo.h"

#include <linux/jump_label_ratelimit.h>

static char *kind = "both";
module_param(kind, charp, 0444);
MODULE_PARM_DESC(kind, "what it arms: timer, dwork or both (default)");

static const char *const kind_names[] = {"both", "timer", "dwork"};

static struct timer_list zoo_timer;
/* What a driver with a rate limited static key has: a delayed_work whose work function is the kernel's. */
static struct static_key_deferred zoo_key;

static bool timer_armed(void)
{
	return timer_pending(&zoo_timer);
}

static bool dwork_armed(void)
{
	return timer_pending(&zoo_key.work.timer);
}

static int __init zoo_object_core_init(void)
{
	int err, which;

	err = zoo_choose_end(BIT(ZOO_LEAK) | BIT(ZOO_DELETE) | BIT(ZOO_EXPIRE) | BIT(ZOO_NEVER));
	if (err)
		return err;
	which = zoo_choose("kind", kind, kind_names, ARRAY_SIZE(kind_names));
	if (which < 0)
		return which;
	/* When it fires it deletes itself, once more: an exported function that can be a callback. */
	timer_setup(&zoo_timer, (void *)timer_delete, 0);
	jump_label_rate_limit(&zoo_key, msecs_to_jiffies(delay_ms));
	if (zoo_end != ZOO_NEVER && which != 2)
		mod_timer(&zoo_timer, zoo_expiry());
	if (zoo_end != ZOO_NEVER && which != 1) {
		static_key_slow_inc(&zoo_key.key);
		static_key_slow_dec_deferred(&zoo_key);
	}
	pr_info("armed %d: timer at %px, delayed_work with timer at %px, delay_ms=%u\n",
		timer_armed() + dwork_armed(), &zoo_timer, &zoo_key.work.timer, delay_ms);
	return 0;
}

static void __exit zoo_object_core_exit(void)
{
	bool fired = zoo_end == ZOO_EXPIRE && zoo_wait_not_pending(timer_armed, delay_ms) &&
		     zoo_wait_not_pending(dwork_armed, delay_ms);

	if (fired) {
		flush_work(&zoo_key.work.work);
	} else if (zoo_end == ZOO_DELETE || zoo_end == ZOO_EXPIRE) {
		timer_delete_sync(&zoo_timer);
		cancel_delayed_work_sync(&zoo_key.work);
	}
	zoo_log_exit(timer_armed() + dwork_armed());
}

module_init(zoo_object_core_init);
module_exit(zoo_object_core_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("disarmd test: static timers whose callbacks are the kernel's, armed at load and not deleted at unload");
