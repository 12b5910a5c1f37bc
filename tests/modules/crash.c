// SPDX-License-Identifier: GPL-2.0-only
/* Crashes a guest in ways that are not the zoo's: what autopsy has to tell from them. */
#define ZOO_NO_END
#include "zoo.h"

#include <linux/bug.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/interrupt.h>
#include <linux/irq_work.h>
#include <linux/list.h>
#include <linux/notifier.h>
#include <linux/slab.h>

static char *in_name = "init";
module_param_named(in, in_name, charp, 0444);
MODULE_PARM_DESC(in, "where: init (default), exit, timer, hrtimer, work, dwork, tasklet, kthread, rcu, irq_work, notifier, read, object");

static char *what_name = "null";
module_param_named(what, what_name, charp, 0444);
MODULE_PARM_DESC(what, "null (default), wild, core, list, bug, divide, panic, warn, spin, call_null, call_wild, call_data, arm");

static bool left;
module_param(left, bool, 0444);
MODULE_PARM_DESC(left, "nothing goes wrong as long as it is loaded: exit leaves what calls it behind");

static const char *const in_names[] = {"init", "exit", "timer", "hrtimer", "work", "dwork",
				       "tasklet", "kthread", "rcu", "irq_work", "notifier", "read",
				       "object"};
enum crash_in {
	IN_INIT,
	IN_EXIT,
	IN_TIMER,
	IN_HRTIMER,
	IN_WORK,
	IN_DWORK,
	IN_TASKLET,
	IN_KTHREAD,
	IN_RCU,
	IN_IRQ_WORK,
	IN_NOTIFIER,
	IN_READ,
	IN_OBJECT,
};

static const char *const what_names[] = {"null", "wild", "core", "list", "bug", "divide",
					 "panic", "warn", "spin", "call_null", "call_wild", "call_data", "arm"};
enum crash_what {
	WHAT_NULL,
	WHAT_WILD,
	WHAT_CORE,
	WHAT_LIST,
	WHAT_BUG,
	WHAT_DIVIDE,
	WHAT_PANIC,
	WHAT_WARN,
	WHAT_SPIN,
	WHAT_CALL_NULL,
	WHAT_CALL_WILD,
	WHAT_CALL_DATA,
	WHAT_ARM,
};

static struct timer_list timer;

static enum crash_in in;
static enum crash_what what;

/* Of which the compiler must not know what they are. */
static unsigned long wild = 0x6b6b6b6b6b6b6b6b;
static unsigned long data[4];
static int nothing;
static void *volatile pointer;

struct entry {
	struct list_head list;
	u64 filling[4];
};

static noinline void crash_list(void)
{
	static LIST_HEAD(entries);
	struct entry *entry = kzalloc(sizeof(*entry), GFP_ATOMIC);

	if (!entry)
		return;
	list_add(&entry->list, &entries);
	list_del(&entry->list);
	list_del(&entry->list);
}

static noinline void crash_here(void)
{
	void (*volatile fn)(void) = NULL;
	int value;

	switch (what) {
	case WHAT_NULL:
		pointer = NULL;
		WRITE_ONCE(((int *)pointer)[4], 1);
		break;
	case WHAT_WILD:
		pointer = (void *)READ_ONCE(wild);
		WRITE_ONCE(*(int *)pointer, 1);
		break;
	case WHAT_CORE:
		pointer = (void *)16;
		if (kstrtoint(pointer, 10, &value))
			pr_info("no number\n");
		break;
	case WHAT_LIST:
		crash_list();
		break;
	case WHAT_BUG:
		BUG();
		break;
	case WHAT_DIVIDE:
		WRITE_ONCE(nothing, 100 / READ_ONCE(nothing));
		break;
	case WHAT_PANIC:
		panic("crash: a module has had enough");
		break;
	case WHAT_WARN:
		WARN(1, "crash: a module is not amused\n");
		break;
	case WHAT_SPIN:
		for (;;)
			cpu_relax();
		break;
	case WHAT_CALL_NULL:
		fn();
		break;
	case WHAT_CALL_WILD:
		fn = (void (*)(void))READ_ONCE(wild);
		fn();
		break;
	case WHAT_CALL_DATA:
		fn = (void (*)(void))data;
		fn();
		break;
	case WHAT_ARM: /* beside what another module may have left */
		mod_timer(&timer, zoo_expiry());
		break;
	}
}

static void crash_timer_fn(struct timer_list *unused)
{
	crash_here();
}

static struct hrtimer hrtimer;
static struct work_struct work;
static struct delayed_work dwork;
static struct tasklet_struct tasklet;
static struct rcu_head rcu;
static struct irq_work irq_work;

static enum hrtimer_restart crash_hrtimer_fn(struct hrtimer *unused)
{
	crash_here();
	return HRTIMER_NORESTART;
}

/* What is left is still at it when the module is gone. */
static noinline void crash_linger(void)
{
	msleep(delay_ms);
}

static void crash_work_fn(struct work_struct *unused)
{
	if (left)
		crash_linger();
	else
		crash_here();
}

static void crash_tasklet_fn(unsigned long unused)
{
	if (left)
		tasklet_schedule(&tasklet);
	else
		crash_here();
}

static int crash_kthread_fn(void *unused)
{
	if (left)
		crash_linger();
	else
		crash_here();
	return 0;
}

static void crash_rcu_fn(struct rcu_head *head)
{
	if (left)
		call_rcu(head, crash_rcu_fn);
	else
		crash_here();
}

static void crash_irq_work_fn(struct irq_work *unused)
{
	crash_here();
}

static int crash_notifier_fn(struct notifier_block *block, unsigned long event, void *of)
{
	if (of != THIS_MODULE)
		crash_here();
	return NOTIFY_DONE;
}

static struct notifier_block notifier = {.notifier_call = crash_notifier_fn};

static int crash_get(char *buffer, const struct kernel_param *param)
{
	crash_here();
	return scnprintf(buffer, PAGE_SIZE, "nothing\n");
}

static const struct kernel_param_ops read_ops = {.get = crash_get};
module_param_cb(read, &read_ops, NULL, 0444);

/* A timer in an object that is freed and filled anew, while the module is still there; or no more. */
struct object {
	u64 before[2];
	struct timer_list timer;
	u64 behind[4];
};

static struct object *object;

static int crash_make_object(void)
{
	object = kzalloc(sizeof(*object), GFP_KERNEL);
	if (!object)
		return -ENOMEM;
	timer_setup(&object->timer, crash_timer_fn, 0);
	mod_timer(&object->timer, zoo_expiry());
	return 0;
}

static void crash_free_object(void)
{
	memset(object, 0x6b, sizeof(*object));
	kfree(object);
}

static int crash_start(void)
{
	struct task_struct *task;

	timer_setup(&timer, crash_timer_fn, 0);
	switch (in) {
	case IN_INIT:
		crash_here();
		break;
	case IN_EXIT:
	case IN_READ:
		break;
	case IN_TIMER:
		mod_timer(&timer, zoo_expiry());
		break;
	case IN_HRTIMER:
		hrtimer_setup(&hrtimer, crash_hrtimer_fn, CLOCK_MONOTONIC, HRTIMER_MODE_REL);
		hrtimer_start(&hrtimer, ms_to_ktime(delay_ms), HRTIMER_MODE_REL);
		break;
	case IN_WORK:
		INIT_WORK(&work, crash_work_fn);
		queue_work(system_percpu_wq, &work);
		break;
	case IN_DWORK:
		INIT_DELAYED_WORK(&dwork, crash_work_fn);
		queue_delayed_work(system_percpu_wq, &dwork, msecs_to_jiffies(delay_ms));
		break;
	case IN_TASKLET:
		tasklet_init(&tasklet, crash_tasklet_fn, 0);
		tasklet_schedule(&tasklet);
		break;
	case IN_KTHREAD:
		task = kthread_run(crash_kthread_fn, NULL, "crash");
		return PTR_ERR_OR_ZERO(task);
	case IN_RCU:
		call_rcu(&rcu, crash_rcu_fn);
		break;
	case IN_IRQ_WORK:
		init_irq_work(&irq_work, crash_irq_work_fn);
		irq_work_queue(&irq_work);
		break;
	case IN_NOTIFIER:
		return register_module_notifier(&notifier);
	case IN_OBJECT:
		if (crash_make_object())
			return -ENOMEM;
		if (!left)
			crash_free_object();
		break;
	}
	return 0;
}

static int __init crash_init(void)
{
	int found;

	found = zoo_choose("in", in_name, in_names, ARRAY_SIZE(in_names));
	if (found < 0)
		return found;
	in = found;
	found = zoo_choose("what", what_name, what_names, ARRAY_SIZE(what_names));
	if (found < 0)
		return found;
	what = found;
	pr_info("in=%s what=%s left=%d\n", in_name, what_name, left);
	return crash_start();
}

static void __exit crash_exit(void)
{
	if (in == IN_EXIT)
		crash_here();
	if (in == IN_NOTIFIER && !left)
		unregister_module_notifier(&notifier);
	if (in == IN_OBJECT && left)
		crash_free_object();
	pr_info("exit\n");
}

module_init(crash_init);
module_exit(crash_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("disarmd test: crashes that are not of a timer that was left armed");
