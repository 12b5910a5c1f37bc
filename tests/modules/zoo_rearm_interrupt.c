// SPDX-License-Identifier: GPL-2.0-only
#include "zoo.h"

#include <linux/interrupt.h>
#include <linux/irq_work.h>

static char *context = "softirq";
module_param(context, charp, 0444);
MODULE_PARM_DESC(context, "from where it is armed again: softirq (default) or hardirq");
static bool hard;

static DECLARE_COMPLETION(fired);

static void zoo_rearm_interrupt_fn(struct timer_list *timer)
{
	pr_info("fired\n");
	complete(&fired);
}

static DEFINE_TIMER(zoo_timer, zoo_rearm_interrupt_fn);

static void zoo_rearm_interrupt_softirq(struct tasklet_struct *tasklet)
{
	mod_timer(&zoo_timer, zoo_expiry());
}

static DECLARE_TASKLET(zoo_tasklet, zoo_rearm_interrupt_softirq);

static void zoo_rearm_interrupt_hardirq(struct irq_work *work)
{
	mod_timer(&zoo_timer, zoo_expiry());
}

static struct irq_work zoo_irq_work;

static int __init zoo_rearm_interrupt_init(void)
{
	static const char *const contexts[] = {"softirq", "hardirq"};
	int err;

	err = zoo_choose_end(BIT(ZOO_LEAK) | BIT(ZOO_DELETE) | BIT(ZOO_EXPIRE) | BIT(ZOO_NEVER) |
			     BIT(ZOO_SHUTDOWN));
	if (err)
		return err;
	err = zoo_choose("context", context, contexts, ARRAY_SIZE(contexts));
	if (err < 0)
		return err;
	hard = err;
	init_irq_work(&zoo_irq_work, zoo_rearm_interrupt_hardirq);
	if (zoo_end != ZOO_NEVER)
		mod_timer(&zoo_timer, zoo_expiry());
	pr_info("armed %d timer at %px, delay_ms=%u\n", timer_pending(&zoo_timer), &zoo_timer, delay_ms);
	return 0;
}

/* An interrupt at that moment. Returns when it, and what it has brought about, is over. */
static void be_interrupted(void)
{
	if (hard) {
		irq_work_queue(&zoo_irq_work);
		irq_work_sync(&zoo_irq_work);
		return;
	}
	tasklet_schedule(&zoo_tasklet);
	tasklet_kill(&zoo_tasklet);
}

static void __exit zoo_rearm_interrupt_exit(void)
{
	switch (zoo_end) {
	case ZOO_LEAK:
		timer_delete_sync(&zoo_timer);
		be_interrupted();
		break;
	case ZOO_DELETE:
		be_interrupted();
		timer_delete_sync(&zoo_timer);
		break;
	case ZOO_EXPIRE:
		timer_delete_sync(&zoo_timer);
		reinit_completion(&fired);
		be_interrupted();
		if (!zoo_wait_fired(&fired, delay_ms))
			timer_delete_sync(&zoo_timer);
		break;
	case ZOO_NEVER:
		break;
	case ZOO_SHUTDOWN:
		timer_shutdown_sync(&zoo_timer);
		be_interrupted();
		break;
	}
	zoo_log_exit(timer_pending(&zoo_timer));
}

module_init(zoo_rearm_interrupt_init);
module_exit(zoo_rearm_interrupt_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("disarmd test: a timer deleted at unload and then armed again by an interrupt");
