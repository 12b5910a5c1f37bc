// SPDX-License-Identifier: GPL-2.0-only
#include "zoo.h"

#include <linux/async.h>
#include <linux/delay.h>
#include <linux/sched.h>

static unsigned int spin_ms = 300;
module_param(spin_ms, uint, 0444);
MODULE_PARM_DESC(spin_ms, "the callback goes on for so long after it was caught (default 300, at most 5000)");

static bool unloading;	/* the callback is about to be caught */
static bool running;	/* it is caught */
static bool let_go;	/* whoever caught it is done */
static struct task_struct *unloader;
static unsigned long unloader_slept;
static DECLARE_COMPLETION(fired);

static void zoo_callback_running_fn(struct timer_list *timer)
{
	if (READ_ONCE(unloading)) {
		WRITE_ONCE(running, true);
		zoo_spin_until(&let_go);
		mdelay(spin_ms);
	}
	/* free_module() sets this state early on, and waits for RCU readers before it frees anything. */
	pr_info("fired, %s\n", READ_ONCE(THIS_MODULE->state) == MODULE_STATE_UNFORMED ?
		"and the module is being freed" : "before the module is freed");
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

/*
 * Waits until the unloading task sleeps and it is not for a grace period, so it waits for
 * catch_at_free(): whatever number of them it still had to wait for when this began is over.
 */
static bool wait_for_unloader(void)
{
	unsigned long slept;
	int tries;

	for (tries = 0; tries < 100; tries++) {
		slept = READ_ONCE(unloader->nvcsw);
		synchronize_rcu();
		synchronize_rcu();
		if (slept != unloader_slept && slept == READ_ONCE(unloader->nvcsw))
			return true;
	}
	pr_err("the unloading task does not wait: this unload proves nothing\n");
	return false;
}

/*
 * Between exit and free_module() most kernels let a grace period pass (in ftrace_release_mod()),
 * which no callback outlasts. After that comes async_synchronize_full(), so this can still start one.
 */
static void catch_at_free(void *unused, async_cookie_t cookie)
{
	int cpu;

	if (!wait_for_unloader())
		return;
	/* A CPU in a callback may look idle: keep the unloading task from being woken up there. */
	for (;;) {
		cpu = raw_smp_processor_id();
		set_cpus_allowed_ptr(unloader, cpumask_of(cpu));
		preempt_disable();
		if (smp_processor_id() == cpu)
			break;
		preempt_enable();
	}
	catch_callback();
	preempt_enable();
}

static void __exit zoo_callback_running_exit(void)
{
	switch (zoo_end) {
	case ZOO_LEAK:
		timer_delete_sync(&zoo_timer);
		unloader = current;
		unloader_slept = current->nvcsw;
		async_schedule(catch_at_free, NULL);
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
