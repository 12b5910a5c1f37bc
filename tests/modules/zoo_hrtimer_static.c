// SPDX-License-Identifier: GPL-2.0-only
#include "zoo.h"

static DECLARE_COMPLETION(fired);

static enum hrtimer_restart zoo_hrtimer_static_fn(struct hrtimer *timer)
{
	pr_info("fired\n");
	complete(&fired);
	return HRTIMER_NORESTART;
}

static struct hrtimer zoo_timer;

static int __init zoo_hrtimer_static_init(void)
{
	int err;

	err = zoo_choose_end(BIT(ZOO_LEAK) | BIT(ZOO_DELETE) | BIT(ZOO_EXPIRE) | BIT(ZOO_NEVER));
	if (err)
		return err;
	hrtimer_setup(&zoo_timer, zoo_hrtimer_static_fn, CLOCK_MONOTONIC, HRTIMER_MODE_REL);
	if (zoo_end != ZOO_NEVER)
		hrtimer_start(&zoo_timer, ms_to_ktime(delay_ms), HRTIMER_MODE_REL);
	pr_info("armed %d hrtimer at %px, delay_ms=%u\n", hrtimer_is_queued(&zoo_timer), &zoo_timer,
		delay_ms);
	return 0;
}

static void __exit zoo_hrtimer_static_exit(void)
{
	zoo_end_hrtimer(&zoo_timer, &fired);
	zoo_log_exit(hrtimer_is_queued(&zoo_timer));
}

module_init(zoo_hrtimer_static_init);
module_exit(zoo_hrtimer_static_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("disarmd test: a static hrtimer armed at load and not cancelled at unload");
