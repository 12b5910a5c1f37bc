/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the zoo's modules share: their parameters, bounded waits, the line logged at exit, and the
 * kernel API as it is spelled today, on kernels that spell it otherwise or lack it.
 *
 * To be included first, and once per module: it defines the module's parameters.
 */
#ifndef ZOO_H
#define ZOO_H

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/bits.h>
#include <linux/completion.h>
#include <linux/cpumask.h>
#include <linux/hrtimer.h>
#include <linux/jiffies.h>
#include <linux/kernel.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/string.h>
#include <linux/timer.h>
#include <linux/workqueue.h>

/* With it goes a sum of the sources (srcversion). */
MODULE_VERSION("1.0");

/* Renamed in 6.16. */
#ifndef timer_container_of
#define timer_container_of(var, timer, field) from_timer(var, timer, field)
#endif

/* ZOO_HAS_* come from Kbuild, which looks into the kernel's own header. */
#ifndef ZOO_HAS_timer_delete /* 6.2, and stable kernels that took it */
#define timer_delete del_timer
#endif

#ifndef ZOO_HAS_timer_delete_sync_try /* Renamed in 6.16. */
#define timer_delete_sync_try try_to_del_timer_sync
#endif

#ifdef ZOO_HAS_timer_shutdown_sync /* 6.2, and stable kernels that took it */
#define ZOO_CAN_SHUTDOWN true
#else
#define ZOO_CAN_SHUTDOWN false
static inline int timer_shutdown_sync(struct timer_list *timer)
{
	WARN_ONCE(1, "zoo_choose_end() should have refused");
	return timer_delete_sync(timer);
}
#endif

#ifndef ZOO_HAS_hrtimer_setup /* 6.13 */
static inline void hrtimer_setup(struct hrtimer *timer, enum hrtimer_restart (*fn)(struct hrtimer *),
				 clockid_t clock, enum hrtimer_mode mode)
{
	hrtimer_init(timer, clock, mode);
	timer->function = fn;
}
#endif

#ifndef ZOO_HAS_system_percpu_wq /* Renamed in 6.17, and in stable kernels. */
#define system_percpu_wq system_wq
#endif

/* 6.14; before, the thread was woken up as it was created. */
#ifndef kthread_run_worker
#define kthread_run_worker kthread_create_worker
#endif

/* How long to wait for what should be immediate, on a slow emulator with few CPUs. */
#define ZOO_WAIT_MS 20000
/* The same where a CPU spins for it: well below what the watchdogs and RCU complain about. */
#define ZOO_SPIN_MS 5000

/*
 * The index of @value among the @count @names, which the parameter @what can have; -EINVAL if it is
 * none of them.
 */
static inline int zoo_choose(const char *what, const char *value, const char *const *names, int count)
{
	char all[192];
	int i, found, length = 0;

	found = match_string(names, count, value);
	if (found >= 0)
		return found;
	for (i = 0; i < count; i++)
		length += scnprintf(all + length, sizeof(all) - length, " %s", names[i]);
	pr_err("%s=%s is not one of:%s\n", what, value, all);
	return -EINVAL;
}

#ifdef ZOO_OBJECT /* what it arms can lie in an object of its own */
static char *zoo_object_name = "static";
module_param_named(object, zoo_object_name, charp, 0444);
MODULE_PARM_DESC(object, "where what it arms lies: static (default) or alloc");

/* 0: static; 1: to be allocated; -EINVAL. */
static inline int zoo_choose_object(void)
{
	static const char *const names[] = {"static", "alloc"};

	return zoo_choose("object", zoo_object_name, names, ARRAY_SIZE(names));
}
#endif

#ifndef ZOO_NO_END
enum zoo_end {
	ZOO_LEAK,
	ZOO_DELETE,
	ZOO_EXPIRE,
	ZOO_NEVER,
	ZOO_SHUTDOWN,
};

static const char *const zoo_end_names[] = {
	[ZOO_LEAK] = "leak",
	[ZOO_DELETE] = "delete",
	[ZOO_EXPIRE] = "expire",
	[ZOO_NEVER] = "never",
	[ZOO_SHUTDOWN] = "shutdown",
};

static char *zoo_end_name = "leak";
module_param_named(end, zoo_end_name, charp, 0444);
MODULE_PARM_DESC(end, "what becomes of what it arms: leak (default), or one of the clean ways");

static enum zoo_end zoo_end;

/*
 * Sets zoo_end from the parameter, if it is among those accepted (BIT(ZOO_...) of each).
 * Returns 0, -EINVAL, or -EOPNOTSUPP where the kernel lacks timer_shutdown_sync().
 */
static inline int zoo_choose_end(unsigned long accepted)
{
	char names[64];
	int i, found, length = 0;

	found = match_string(zoo_end_names, ARRAY_SIZE(zoo_end_names), zoo_end_name);
	if (found < 0 || !(accepted & BIT(found))) {
		for (i = 0; i < ARRAY_SIZE(zoo_end_names); i++) {
			if (accepted & BIT(i))
				length += scnprintf(names + length, sizeof(names) - length, " %s",
						    zoo_end_names[i]);
		}
		pr_err("end=%s is not one of:%s\n", zoo_end_name, names);
		return -EINVAL;
	}
	if (found == ZOO_SHUTDOWN && !ZOO_CAN_SHUTDOWN) {
		pr_err("end=shutdown: this kernel has no timer_shutdown_sync()\n");
		return -EOPNOTSUPP;
	}
	zoo_end = found;
	return 0;
}

/* The last thing in every exit: what a verdict on this unload has to agree with. */
static inline void zoo_log_exit(unsigned int armed)
{
	pr_info("exit, end=%s armed=%u\n", zoo_end_names[zoo_end], armed);
}
#endif

/*
 * Timer callbacks run with bottom halves off, which to RCU is a reader: afterwards, whichever was
 * executing has left this module's text. Unlike timer_delete_sync() it touches no timer.
 */
static inline void zoo_wait_for_callbacks(void)
{
	synchronize_rcu_expedited();
}

/* Waits until what is due within @ms from now is not @pending any more; for callbacks that cannot tell. */
static inline bool zoo_wait_not_pending(bool (*pending)(void), unsigned int ms)
{
	unsigned long deadline = jiffies + msecs_to_jiffies(ms) + msecs_to_jiffies(ZOO_WAIT_MS);

	while (pending()) {
		if (time_after(jiffies, deadline)) {
			pr_err("did not fire: this unload proves nothing\n");
			return false;
		}
		schedule_timeout_idle(1);
	}
	zoo_wait_for_callbacks();
	return true;
}

/* Waits until the callback that completes @fired, due within @ms from now, has done so and returned. */
static inline bool zoo_wait_fired(struct completion *fired, unsigned int ms)
{
	if (!wait_for_completion_timeout(fired, msecs_to_jiffies(ms) + msecs_to_jiffies(ZOO_WAIT_MS))) {
		pr_err("did not fire: this unload proves nothing\n");
		return false;
	}
	zoo_wait_for_callbacks();
	return true;
}

#ifndef ZOO_NO_DELAY
static unsigned int delay_ms = 60000;
module_param(delay_ms, uint, 0444);
MODULE_PARM_DESC(delay_ms, "what it arms expires after so many milliseconds (default 60000)");

static inline unsigned long zoo_expiry(void)
{
	return jiffies + msecs_to_jiffies(delay_ms);
}

#ifndef ZOO_NO_END
/* Does to @timer, armed by zoo_expiry(), what was chosen; its callback completes @fired. */
static inline void zoo_end_timer(struct timer_list *timer, struct completion *fired)
{
	switch (zoo_end) {
	case ZOO_LEAK:
	case ZOO_NEVER:
		break;
	case ZOO_DELETE:
		timer_delete_sync(timer);
		break;
	case ZOO_EXPIRE:
		if (!zoo_wait_fired(fired, delay_ms))
			timer_delete_sync(timer);
		break;
	case ZOO_SHUTDOWN:
		timer_shutdown_sync(timer);
		break;
	}
}

/* The same to @dwork; its work function completes @ran. */
static inline void zoo_end_dwork(struct delayed_work *dwork, struct completion *ran)
{
	if (zoo_end == ZOO_EXPIRE && zoo_wait_fired(ran, delay_ms))
		/* Not flush_delayed_work(), which would delete the timer if it were pending. */
		flush_work(&dwork->work);
	else if (zoo_end == ZOO_DELETE || zoo_end == ZOO_EXPIRE)
		cancel_delayed_work_sync(dwork);
}

/* The same to @timer, started with delay_ms; there is no shutdown of an hrtimer. */
static inline void zoo_end_hrtimer(struct hrtimer *timer, struct completion *fired)
{
	if (zoo_end == ZOO_EXPIRE && zoo_wait_fired(fired, delay_ms))
		return;
	if (zoo_end == ZOO_DELETE || zoo_end == ZOO_EXPIRE)
		hrtimer_cancel(timer);
}
#endif
#endif

/* Spins until another CPU sets @flag. */
static inline bool zoo_spin_until(const bool *flag)
{
	ktime_t deadline = ktime_add_ms(ktime_get(), ZOO_SPIN_MS);

	while (!READ_ONCE(*flag)) {
		if (ktime_after(ktime_get(), deadline)) {
			pr_err("the other CPU did not come: this unload proves nothing\n");
			return false;
		}
		cpu_relax();
	}
	return true;
}

/*
 * Makes @timer, which must not be pending, expire at once on another CPU, and waits until its
 * callback has set @running. Preemption must be off: this task could otherwise be put behind the
 * callback that it waits for, on that CPU. On failure the timer is left deleted.
 */
static inline bool zoo_fire_elsewhere(struct timer_list *timer, const bool *running)
{
	unsigned int cpu = cpumask_any_but(cpu_online_mask, smp_processor_id());

	if (cpu >= nr_cpu_ids) {
		pr_err("no other CPU is online: this unload proves nothing\n");
		return false;
	}
	timer->expires = jiffies;
	add_timer_on(timer, cpu);
	if (zoo_spin_until(running))
		return true;
	timer_delete_sync(timer);
	return false;
}

static inline int zoo_need_two_cpus(void)
{
	if (num_online_cpus() >= 2)
		return 0;
	pr_err("needs two CPUs online: its callback must run on one while the other unloads it\n");
	return -ENODEV;
}

#endif
