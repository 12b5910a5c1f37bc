// SPDX-License-Identifier: GPL-2.0-only
#include "zoo.h"

#include <linux/slab.h>

static char *clock = "monotonic";
module_param(clock, charp, 0444);
MODULE_PARM_DESC(clock, "monotonic (default), realtime, boottime or tai");

static char *mode = "hard";
module_param(mode, charp, 0444);
MODULE_PARM_DESC(mode, "expires in hard (default) or soft interrupt context");

static const char *const clock_names[] = {"monotonic", "realtime", "boottime", "tai"};
static const clockid_t clocks[] = {CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_BOOTTIME, CLOCK_TAI};
static const char *const mode_names[] = {"hard", "soft"};
static const enum hrtimer_mode modes[] = {HRTIMER_MODE_REL, HRTIMER_MODE_REL_SOFT};

static struct hrtimer *zoo_timer;
static DECLARE_COMPLETION(fired);

static enum hrtimer_restart zoo_hrtimer_alloc_fn(struct hrtimer *timer)
{
	pr_info("fired\n");
	complete(&fired);
	return HRTIMER_NORESTART;
}

static int __init zoo_hrtimer_alloc_init(void)
{
	int err, which_clock, which_mode;

	err = zoo_choose_end(BIT(ZOO_LEAK) | BIT(ZOO_DELETE) | BIT(ZOO_EXPIRE) | BIT(ZOO_NEVER));
	if (err)
		return err;
	which_clock = zoo_choose("clock", clock, clock_names, ARRAY_SIZE(clock_names));
	if (which_clock < 0)
		return which_clock;
	which_mode = zoo_choose("mode", mode, mode_names, ARRAY_SIZE(mode_names));
	if (which_mode < 0)
		return which_mode;
	zoo_timer = kzalloc(sizeof(*zoo_timer), GFP_KERNEL);
	if (!zoo_timer)
		return -ENOMEM;
	hrtimer_setup(zoo_timer, zoo_hrtimer_alloc_fn, clocks[which_clock], modes[which_mode]);
	if (zoo_end != ZOO_NEVER)
		hrtimer_start(zoo_timer, ms_to_ktime(delay_ms), modes[which_mode]);
	pr_info("armed %d hrtimer at %px, delay_ms=%u, clock=%s mode=%s\n", hrtimer_is_queued(zoo_timer),
		zoo_timer, delay_ms, clock, mode);
	return 0;
}

static void __exit zoo_hrtimer_alloc_exit(void)
{
	unsigned int armed;

	zoo_end_hrtimer(zoo_timer, &fired);
	armed = hrtimer_is_queued(zoo_timer);
	/* A leaked timer's object must outlive the module: only the callback's text is to be gone. */
	if (zoo_end != ZOO_LEAK)
		kfree(zoo_timer);
	zoo_log_exit(armed);
}

module_init(zoo_hrtimer_alloc_init);
module_exit(zoo_hrtimer_alloc_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("disarmd test: an allocated hrtimer armed at load and not cancelled at unload");
