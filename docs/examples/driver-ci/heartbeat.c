// SPDX-License-Identifier: GPL-2.0-only
/* A driver as they begin: work that schedules itself again, and an exit function that forgot it. */
#include <linux/module.h>
#include <linux/workqueue.h>

static void beat(struct work_struct *work);
static DECLARE_DELAYED_WORK(heart, beat);

static void beat(struct work_struct *work)
{
	schedule_delayed_work(&heart, 600 * HZ);
}

static int __init heartbeat_init(void)
{
	schedule_delayed_work(&heart, 600 * HZ);
	return 0;
}

static void __exit heartbeat_exit(void)
{
#ifdef MENDED
	cancel_delayed_work_sync(&heart);
#endif
}

module_init(heartbeat_init);
module_exit(heartbeat_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("disarmd's example of a driver under test");
/* With it the module gets a srcversion, by which its debug information is known to be its own. */
MODULE_VERSION("1.0");
