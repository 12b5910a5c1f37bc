// SPDX-License-Identifier: GPL-2.0-only
#define ZOO_OBJECT
#include "zoo.h"

#include <linux/alarmtimer.h>
#include <linux/slab.h>

#ifndef ZOO_HAS_alarm_start_timer /* 7.2 */
#define alarm_start_timer(alarm, expires, relative) alarm_start_relative(alarm, expires)
#endif

static struct alarm zoo_static_alarm;
static struct alarm *zoo_alarm = &zoo_static_alarm;
static DECLARE_COMPLETION(fired);

#ifdef ZOO_HAS_alarmtimer_restart /* until 6.13 */
static enum alarmtimer_restart zoo_alarm_fn(struct alarm *alarm, ktime_t now)
#else
static void zoo_alarm_fn(struct alarm *alarm, ktime_t now)
#endif
{
	pr_info("fired\n");
	complete(&fired);
#ifdef ZOO_HAS_alarmtimer_restart
	return ALARMTIMER_NORESTART;
#endif
}

static int __init zoo_alarm_init(void)
{
	int err, which;

	err = zoo_choose_end(BIT(ZOO_LEAK) | BIT(ZOO_DELETE) | BIT(ZOO_EXPIRE) | BIT(ZOO_NEVER));
	if (err)
		return err;
	which = zoo_choose_object();
	if (which < 0)
		return which;
	if (which)
		zoo_alarm = kzalloc(sizeof(*zoo_alarm), GFP_KERNEL);
	if (!zoo_alarm)
		return -ENOMEM;
	alarm_init(zoo_alarm, ALARM_BOOTTIME, zoo_alarm_fn);
	if (zoo_end != ZOO_NEVER)
		alarm_start_timer(zoo_alarm, ms_to_ktime(delay_ms), true);
	pr_info("armed %d alarm at %px, delay_ms=%u, object=%s\n", hrtimer_is_queued(&zoo_alarm->timer),
		zoo_alarm, delay_ms, zoo_object_name);
	return 0;
}

static void __exit zoo_alarm_exit(void)
{
	unsigned int armed;

	if (zoo_end == ZOO_DELETE || (zoo_end == ZOO_EXPIRE && !zoo_wait_fired(&fired, delay_ms)))
		alarm_cancel(zoo_alarm);
	armed = hrtimer_is_queued(&zoo_alarm->timer);
	/* A leaked alarm's object must outlive the module: only the callback's text is to be gone. */
	if (zoo_alarm != &zoo_static_alarm && zoo_end != ZOO_LEAK)
		kfree(zoo_alarm);
	zoo_log_exit(armed);
}

module_init(zoo_alarm_init);
module_exit(zoo_alarm_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("disarmd test: an alarm set at load and not cancelled at unload");
