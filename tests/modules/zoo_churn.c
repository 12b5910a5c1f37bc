// SPDX-License-Identifier: GPL-2.0-only
#define ZOO_NO_DELAY
#define ZOO_NO_END
#include "zoo.h"
#include "zoo_churn.h"

#include <linux/err.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/slab.h>

static unsigned int threads;
module_param(threads, uint, 0444);
MODULE_PARM_DESC(threads, "how many kernel threads (default: one for every CPU online, at most 64)");

static unsigned int timers = 64;
module_param(timers, uint, 0444);
MODULE_PARM_DESC(timers, "how many timers each of them keeps in motion (default 64, 1 to 10000)");

static bool hr;
module_param(hr, bool, 0444);
MODULE_PARM_DESC(hr, "as many hrtimers, too");

static bool foreign;
module_param(foreign, bool, 0444);
MODULE_PARM_DESC(foreign, "their callbacks are in zoo_churn_target, which can be unloaded meanwhile");

static bool pause;
module_param(pause, bool, 0600);
MODULE_PARM_DESC(pause, "the threads let their timers be until it is N");

static unsigned int pausing;
module_param(pausing, uint, 0400);
MODULE_PARM_DESC(pausing, "how many threads do so");

#define MAX_THREADS 64
#define MAX_TIMERS 10000
/* Nothing expires before that, so that a guest survives what zoo_churn_target leaves. */
#define FAR_S 1200

struct zoo_churner {
	struct task_struct *task;
	u64 random;
	struct timer_list *timers;
	struct hrtimer *hrtimers;
};

static struct zoo_churner churners[MAX_THREADS];

static void zoo_churn_fn(struct timer_list *timer)
{
	pr_err("fired, which is too early\n");
}

static enum hrtimer_restart zoo_churn_hrfn(struct hrtimer *timer)
{
	pr_err("fired, which is too early\n");
	return HRTIMER_NORESTART;
}

/* splitmix64 */
static u64 next_random(u64 *state)
{
	u64 z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

/* In any level of the timer wheel that is far enough away, and any bucket of it. */
static unsigned long random_delay(u64 *random)
{
	return FAR_S * HZ + (next_random(random) & GENMASK(next_random(random) % 24, 0));
}

static int random_cpu(u64 *random)
{
	int cpu, skip = next_random(random) % num_online_cpus();

	for_each_online_cpu(cpu) {
		if (!skip--)
			return cpu;
	}
	return raw_smp_processor_id();
}

static void churn_timer(struct zoo_churner *churner)
{
	struct timer_list *timer = &churner->timers[next_random(&churner->random) % timers];
	unsigned long expires = jiffies + random_delay(&churner->random);

	if (next_random(&churner->random) % 4) {
		mod_timer(timer, expires);
		return;
	}
	timer_delete(timer);
	timer->expires = expires;
	add_timer_on(timer, random_cpu(&churner->random));
}

static void churn_hrtimer(struct zoo_churner *churner)
{
	struct hrtimer *timer = &churner->hrtimers[next_random(&churner->random) % timers];

	hrtimer_start(timer, ns_to_ktime(jiffies64_to_nsecs(random_delay(&churner->random))),
		      HRTIMER_MODE_REL);
}

static DEFINE_SPINLOCK(pausing_lock);

static void count_pausing(int change)
{
	spin_lock(&pausing_lock);
	pausing += change;
	spin_unlock(&pausing_lock);
}

static void keep_pause(void)
{
	if (!READ_ONCE(pause))
		return;
	count_pausing(1);
	while (READ_ONCE(pause) && !kthread_should_stop())
		schedule_timeout_idle(1);
	count_pausing(-1);
}

static int churn(void *data)
{
	struct zoo_churner *churner = data;
	unsigned int n = 0;

	set_user_nice(current, MAX_NICE);
	while (!kthread_should_stop()) {
		keep_pause();
		churn_timer(churner);
		if (hr)
			churn_hrtimer(churner);
		/* Timers that are not put on a certain CPU come along. */
		if (!(++n % 128))
			set_cpus_allowed_ptr(current, cpumask_of(random_cpu(&churner->random)));
		cond_resched_tasks_rcu_qs();
	}
	return 0;
}

static void stop(void)
{
	unsigned int i, j;

	for (i = 0; i < threads; i++) {
		if (!IS_ERR_OR_NULL(churners[i].task))
			kthread_stop(churners[i].task);
	}
	for (i = 0; i < threads; i++) {
		for (j = 0; churners[i].timers && j < timers; j++)
			timer_delete_sync(&churners[i].timers[j]);
		for (j = 0; churners[i].hrtimers && j < timers; j++)
			hrtimer_cancel(&churners[i].hrtimers[j]);
		kvfree(churners[i].timers);
		kvfree(churners[i].hrtimers);
	}
}

static int start(struct zoo_churner *churner, void (*fn)(struct timer_list *),
		 enum hrtimer_restart (*hrfn)(struct hrtimer *))
{
	unsigned int i;

	churner->random = churner - churners;
	churner->timers = kvcalloc(timers, sizeof(*churner->timers), GFP_KERNEL);
	if (!churner->timers)
		return -ENOMEM;
	for (i = 0; i < timers; i++) {
		timer_setup(&churner->timers[i], fn, 0);
		mod_timer(&churner->timers[i], jiffies + random_delay(&churner->random));
	}
	if (hr) {
		churner->hrtimers = kvcalloc(timers, sizeof(*churner->hrtimers), GFP_KERNEL);
		if (!churner->hrtimers)
			return -ENOMEM;
		for (i = 0; i < timers; i++) {
			hrtimer_setup(&churner->hrtimers[i], hrfn, CLOCK_MONOTONIC, HRTIMER_MODE_REL);
			hrtimer_start(&churner->hrtimers[i], ktime_set(FAR_S, 0), HRTIMER_MODE_REL);
		}
	}
	churner->task = kthread_run(churn, churner, "zoo_churn/%u", (unsigned int)(churner - churners));
	return PTR_ERR_OR_ZERO(churner->task);
}

static int __init zoo_churn_init(void)
{
	void (*fn)(struct timer_list *) = zoo_churn_fn;
	enum hrtimer_restart (*hrfn)(struct hrtimer *) = zoo_churn_hrfn;
	unsigned int i;
	int err;

	if (!threads)
		threads = min_t(unsigned int, num_online_cpus(), MAX_THREADS);
	if (threads > MAX_THREADS || timers < 1 || timers > MAX_TIMERS) {
		pr_err("threads=%u is more than %u, or timers=%u not between 1 and %u\n", threads,
		       MAX_THREADS, timers, MAX_TIMERS);
		return -EINVAL;
	}
	if (foreign) {
		fn = symbol_get(zoo_churn_target_fn);
		if (!fn) {
			pr_err("zoo_churn_target is not loaded\n");
			return -ENODEV;
		}
		hrfn = symbol_get(zoo_churn_target_hrfn);
	}
	for (i = 0, err = 0; i < threads && !err; i++)
		err = start(&churners[i], fn, hrfn);
	if (err)
		stop();
	if (foreign) {
		symbol_put(zoo_churn_target_fn);
		if (hrfn)
			symbol_put(zoo_churn_target_hrfn);
	}
	if (err)
		return err;
	pr_info("armed %u timers and %u hrtimers, foreign=%d\n", threads * timers, hr ? threads * timers : 0,
		foreign);
	return 0;
}

static void __exit zoo_churn_exit(void)
{
	stop();
	pr_info("exit, armed=0\n");
}

module_init(zoo_churn_init);
module_exit(zoo_churn_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("disarmd test: threads that re-arm many timers all the time, their own or another module's");
