// SPDX-License-Identifier: GPL-2.0-only
#include "zoo.h"

#include <linux/kprobes.h>
#include <linux/smp.h>

static char *symbol = "bpf_get_current_pid_tgid";
module_param(symbol, charp, 0444);
MODULE_PARM_DESC(symbol, "the kernel function that is caught in the act (default bpf_get_current_pid_tgid)");

static void zoo_recurse_outer_fn(struct timer_list *timer)
{
	pr_err("the outer timer fired, which is too early\n");
}

static DECLARE_COMPLETION(fired);

static void zoo_recurse_fn(struct timer_list *timer)
{
	pr_info("fired\n");
	complete(&fired);
}

/* Pinned, so that the one is armed under the lock of this CPU's timer base and the other under another's. */
static struct timer_list outer;
static struct timer_list nested;

static struct task_struct *arming;	/* who arms the outer timer just now */
static int other_cpu;
static bool caught;
static DEFINE_MUTEX(arm_lock);

static int arm_nested(struct kprobe *probe, struct pt_regs *regs)
{
	/* Anywhere else it might be called with the very lock held that this needs. */
	if (READ_ONCE(arming) != current)
		return 0;
	WRITE_ONCE(arming, NULL);
	WRITE_ONCE(caught, true);
	if (zoo_end == ZOO_NEVER)
		return 0;
	nested.expires = zoo_expiry();
	add_timer_on(&nested, other_cpu);
	return 0;
}

static struct kprobe probe = {.pre_handler = arm_nested};

static void set_up_nested_here(void *unused)
{
	timer_setup(&nested, zoo_recurse_fn, TIMER_PINNED);
}

/* Arms the outer timer, so that a program which watches that calls @symbol and is entered once more. */
static void arm(void)
{
	unsigned long flags;

	mutex_lock(&arm_lock);
	timer_delete_sync(&nested);
	reinit_completion(&fired);
	caught = false;
	preempt_disable();
	other_cpu = cpumask_any_but(cpu_online_mask, smp_processor_id());
	/* Where it was set up tells which lock the first arm takes, before the other CPU's. */
	smp_call_function_single(other_cpu, set_up_nested_here, NULL, true);
	/* No interrupt may come in between, and be taken for this task. */
	local_irq_save(flags);
	WRITE_ONCE(arming, current);
	mod_timer(&outer, jiffies + msecs_to_jiffies(delay_ms) + 3600 * HZ);
	WRITE_ONCE(arming, NULL);
	local_irq_restore(flags);
	preempt_enable();
	timer_delete_sync(&outer);
	if (!caught)
		pr_info("%s was not called: nothing is nested\n", symbol);
	pr_info("armed %d timer at %px, delay_ms=%u\n", timer_pending(&nested), &nested, delay_ms);
	mutex_unlock(&arm_lock);
}

static bool ready;

static int set_arm(const char *value, const struct kernel_param *param)
{
	if (!ready)
		return -EBUSY;
	arm();
	return 0;
}

static const struct kernel_param_ops arm_ops = {.set = set_arm};
module_param_cb(arm, &arm_ops, NULL, 0200);
MODULE_PARM_DESC(arm, "written to, once it is loaded: arms once more");

static int __init zoo_recurse_init(void)
{
	int err;

	err = zoo_choose_end(BIT(ZOO_LEAK) | BIT(ZOO_DELETE) | BIT(ZOO_EXPIRE) | BIT(ZOO_NEVER) |
			     BIT(ZOO_SHUTDOWN));
	if (!err)
		err = zoo_need_two_cpus();
	if (err)
		return err;
	timer_setup(&outer, zoo_recurse_outer_fn, TIMER_PINNED);
	timer_setup(&nested, zoo_recurse_fn, TIMER_PINNED);
	probe.symbol_name = symbol;
	err = register_kprobe(&probe);
	if (err) {
		pr_err("no kprobe on %s: %d\n", symbol, err);
		return err;
	}
	arm();
	ready = true;
	return 0;
}

static void __exit zoo_recurse_exit(void)
{
	unregister_kprobe(&probe);
	/* Where nothing was nested nothing will fire. */
	if (caught || zoo_end != ZOO_EXPIRE)
		zoo_end_timer(&nested, &fired);
	zoo_log_exit(timer_pending(&nested));
}

module_init(zoo_recurse_init);
module_exit(zoo_recurse_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("disarmd test: arms a timer in the middle of the BPF program that watches another one being armed");
