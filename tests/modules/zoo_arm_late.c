// SPDX-License-Identifier: GPL-2.0-only
#include "zoo.h"

#include <linux/delay.h>

static DECLARE_COMPLETION(fired);

static void zoo_arm_late_fn(struct timer_list *timer)
{
	pr_info("fired\n");
	complete(&fired);
}

static DEFINE_TIMER(zoo_timer, zoo_arm_late_fn);

/*
 * Exit has returned and free_module() has begun once the module is unformed; its memory is there until
 * an RCU grace period later.
 */
static void zoo_arm_late_work(struct work_struct *work)
{
	ktime_t deadline = ktime_add_ms(ktime_get(), ZOO_WAIT_MS);

	if (zoo_end != ZOO_LEAK)
		return;
	while (READ_ONCE(THIS_MODULE->state) != MODULE_STATE_UNFORMED) {
		if (ktime_after(ktime_get(), deadline)) {
			pr_err("free_module() did not begin: this unload proves nothing\n");
			return;
		}
		cpu_relax();
		cond_resched();
	}
	rcu_read_lock(); /* the memory stays until this is left */
	mod_timer(&zoo_timer, zoo_expiry());
	pr_info("armed %d timer at %px while it is being freed\n", timer_pending(&zoo_timer), &zoo_timer);
	rcu_read_unlock();
}

static DECLARE_WORK(zoo_work, zoo_arm_late_work);

static int __init zoo_arm_late_init(void)
{
	int err;

	err = zoo_choose_end(BIT(ZOO_LEAK) | BIT(ZOO_DELETE) | BIT(ZOO_EXPIRE) | BIT(ZOO_NEVER));
	if (err)
		return err;
	if (zoo_end != ZOO_NEVER)
		mod_timer(&zoo_timer, zoo_expiry());
	pr_info("armed %d timer at %px, delay_ms=%u\n", timer_pending(&zoo_timer), &zoo_timer, delay_ms);
	return 0;
}

static void __exit zoo_arm_late_exit(void)
{
	if (zoo_end == ZOO_LEAK) {
		schedule_work_on(cpumask_any_but(cpu_online_mask, get_cpu()), &zoo_work);
		put_cpu();
		timer_delete_sync(&zoo_timer);
	} else {
		schedule_work(&zoo_work);
		flush_work(&zoo_work);
		zoo_end_timer(&zoo_timer, &fired);
	}
	zoo_log_exit(timer_pending(&zoo_timer));
}

module_init(zoo_arm_late_init);
module_exit(zoo_arm_late_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("disarmd test: a timer deleted in exit, and armed by a left-over work item while the module is freed");
