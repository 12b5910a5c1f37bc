// SPDX-License-Identifier: GPL-2.0-only
/*
 * An oracle. Threads, a tasklet and an interrupt do random things to timers of all kinds until the module
 * is unloaded. Exit then stops all of them, leaves some timers armed or none, counts by itself, and with
 * nothing going on any more, what is armed, and tells it.
 */
#define ZOO_NO_DELAY
#define ZOO_NO_END
#include "zoo.h"

#include <linux/cpu.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/interrupt.h>
#include <linux/percpu.h>
#include <linux/slab.h>

static unsigned long long seed = 1;
module_param(seed, ullong, 0444);
MODULE_PARM_DESC(seed, "what the random decisions follow from (default 1)");

static unsigned int ops = 2000;
module_param(ops, uint, 0444);
MODULE_PARM_DESC(ops, "how many things each thread does (default 2000; 0: goes on until the unload)");

static unsigned int pool = 24;
module_param(pool, uint, 0444);
MODULE_PARM_DESC(pool, "how many timers of each kind (default 24, 1 to 64)");

static unsigned int kinds = 0x1f;
module_param(kinds, uint, 0444);
MODULE_PARM_DESC(kinds, "mask: 1 timer, 2 hrtimer, 4 delayed_work, 8 kthread_delayed_work, 16 per-CPU timer");

static unsigned int contexts = 0xf;
module_param(contexts, uint, 0444);
MODULE_PARM_DESC(contexts, "mask of where things are done: 1 threads, 2 tasklet, 4 interrupt, 8 the callbacks");

static unsigned int actions = 0x3f;
module_param(actions, uint, 0444);
MODULE_PARM_DESC(actions,
		 "mask: 1 arm, 2 delete, 4 delete and wait, 8 shut down, 16 free and allocate anew, 32 short expiries");

static int leave = -1;
module_param(leave, int, 0444);
MODULE_PARM_DESC(leave, "leaves timers armed: 0 never, 1 always, -1 (default) as the seed says");

static bool static_left;
module_param(static_left, bool, 0444);
MODULE_PARM_DESC(static_left, "static and per-CPU ones can be among what is left: for one round per boot");

static unsigned int far_s = 1200;
module_param(far_s, uint, 0444);
MODULE_PARM_DESC(far_s, "what is left fires no sooner than after half of that (default 1200, at most 604800)");

static bool wait;
module_param(wait, bool, 0444);
MODULE_PARM_DESC(wait, "init returns when the threads have done all they have to");

static bool fail_init;
module_param(fail_init, bool, 0444);
MODULE_PARM_DESC(fail_init, "init waits for that, then does what exit would, and fails");

enum kind { TIMER, HRTIMER, DWORK, KDWORK, PERCPU, KINDS };
enum context { TASK = BIT(0), SOFTIRQ = BIT(1), HARDIRQ = BIT(2), CALLBACK = BIT(3) };
enum action {
	ARM = BIT(0),
	DELETE = BIT(1),
	SYNC = BIT(2),
	SHUTDOWN = BIT(3),
	RENEW = BIT(4),
	SHORT = BIT(5),
};

#define MAX_POOL 64
#define MAX_SLOTS (KINDS * MAX_POOL)
#define MAX_THREADS 64
#define PERCPU_PER_CPU 4

struct slot;

struct object {
	union {
		struct timer_list timer;
		struct hrtimer hrtimer;
		struct delayed_work dwork;
		struct kthread_delayed_work kdwork;
	};
	struct slot *slot;
};

/*
 * A timer. Those that are shared anyone may arm and delete at any time, which their API allows. What it
 * does not (shutting down, setting up, add_timer_on(), a callback that forwards its hrtimer) befalls the
 * others only, which belong to one thread each.
 */
struct slot {
	enum kind kind;
	bool allocated;
	bool rearms;			/* its callback arms it again, at times */
	bool down;			/* it has been shut down */
	bool kept;
	int owner;			/* index of the thread, -1: shared */
	int cpu;
	unsigned int flags;		/* of a timer_list */
	clockid_t clock;
	enum hrtimer_mode mode;
	struct workqueue_struct *wq;	/* NULL: the system's */
	u64 random;			/* for the callback */
	struct object *object;
};

static struct slot slots[MAX_SLOTS];
static unsigned int slot_count;
static struct object static_objects[MAX_SLOTS];
static DEFINE_PER_CPU(struct object, percpu_objects[PERCPU_PER_CPU]);

static struct workqueue_struct *own_wq;
static struct kthread_worker *worker;

static struct {
	struct task_struct *task;
	u64 random;
} threads[MAX_THREADS];
static unsigned int thread_count;
static atomic_t threads_busy;
static DECLARE_COMPLETION(threads_done);

static bool stopping;

/* splitmix64 */
static u64 next_random(u64 *state)
{
	u64 z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static unsigned int below(u64 *random, unsigned int bound)
{
	return (u32)next_random(random) % bound;
}

static bool one_in(u64 *random, unsigned int n)
{
	return !below(random, n);
}

/* A sequence of its own for everything that makes decisions. */
static u64 random_stream(u64 number)
{
	u64 state = seed ^ number << 40;

	return next_random(&state);
}

static unsigned int long_ms(u64 *random)
{
	return far_s * MSEC_PER_SEC + below(random, 24 * 3600 * MSEC_PER_SEC);
}

static unsigned int some_ms(u64 *random)
{
	if (!(actions & SHORT) || one_in(random, 2))
		return long_ms(random);
	return below(random, one_in(random, 4) ? 300 : 15);
}

/* No two slots have the same expiry, if it is far enough away to be left. */
static unsigned long expiry(struct slot *slot, unsigned int ms)
{
	unsigned long expires = jiffies + msecs_to_jiffies(ms);

	if (ms < far_s * MSEC_PER_SEC)
		return expires;
	return expires - expires % MAX_SLOTS + (slot - slots);
}

static unsigned long delay(struct slot *slot, unsigned int ms)
{
	return expiry(slot, ms) - jiffies;
}

/* The callbacks. */

static void zoo_torture_timer_fn(struct timer_list *timer)
{
	struct slot *slot = container_of(timer, struct object, timer)->slot;

	if (READ_ONCE(stopping) || !slot->rearms || one_in(&slot->random, 3))
		return;
	mod_timer(timer, expiry(slot, some_ms(&slot->random)));
}

static enum hrtimer_restart zoo_torture_hrtimer_fn(struct hrtimer *timer)
{
	struct slot *slot = container_of(timer, struct object, hrtimer)->slot;

	if (READ_ONCE(stopping) || !slot->rearms || one_in(&slot->random, 3))
		return HRTIMER_NORESTART;
	if (slot->owner < 0) {
		hrtimer_start(timer, ms_to_ktime(some_ms(&slot->random)), slot->mode);
		return HRTIMER_NORESTART;
	}
	hrtimer_forward_now(timer, ms_to_ktime(1 + some_ms(&slot->random)));
	return HRTIMER_RESTART;
}

static struct workqueue_struct *workqueue(struct slot *slot)
{
	return slot->wq ?: system_percpu_wq;
}

static void zoo_torture_dwork_fn(struct work_struct *work)
{
	struct delayed_work *dwork = to_delayed_work(work);
	struct slot *slot = container_of(dwork, struct object, dwork)->slot;

	if (READ_ONCE(stopping) || !slot->rearms || one_in(&slot->random, 3))
		return;
	queue_delayed_work(workqueue(slot), dwork, delay(slot, some_ms(&slot->random)));
}

static void zoo_torture_kdwork_fn(struct kthread_work *work)
{
	struct kthread_delayed_work *kdwork = container_of(work, struct kthread_delayed_work, work);
	struct slot *slot = container_of(kdwork, struct object, kdwork)->slot;

	if (READ_ONCE(stopping) || !slot->rearms || one_in(&slot->random, 3))
		return;
	kthread_queue_delayed_work(worker, kdwork, delay(slot, some_ms(&slot->random)));
}

/* What can be done to a timer, and asked of it. */

static void set_up(struct slot *slot)
{
	struct object *object = slot->object;

	object->slot = slot;
	slot->down = false;
	switch (slot->kind) {
	case TIMER:
	case PERCPU:
		timer_setup(&object->timer, zoo_torture_timer_fn, slot->flags);
		break;
	case HRTIMER:
		hrtimer_setup(&object->hrtimer, zoo_torture_hrtimer_fn, slot->clock, slot->mode);
		break;
	case DWORK:
		INIT_DELAYED_WORK(&object->dwork, zoo_torture_dwork_fn);
		break;
	case KDWORK:
		kthread_init_delayed_work(&object->kdwork, zoo_torture_kdwork_fn);
		break;
	case KINDS:
		break;
	}
}

static struct timer_list *timer_of(struct slot *slot)
{
	switch (slot->kind) {
	case DWORK:
		return &slot->object->dwork.timer;
	case KDWORK:
		return &slot->object->kdwork.timer;
	default:
		return &slot->object->timer;
	}
}

static bool pending(struct slot *slot)
{
	if (slot->kind == HRTIMER)
		return hrtimer_is_queued(&slot->object->hrtimer);
	return timer_pending(timer_of(slot));
}

static bool far_away(struct slot *slot)
{
	if (slot->kind == HRTIMER)
		return ktime_to_ms(hrtimer_get_remaining(&slot->object->hrtimer)) >= far_s / 2 * MSEC_PER_SEC;
	return time_after(timer_of(slot)->expires, jiffies + far_s / 2 * HZ);
}

static void arm(struct slot *slot, unsigned int ms, u64 *random)
{
	struct object *object = slot->object;

	switch (slot->kind) {
	case TIMER:
	case PERCPU:
		/* Its own thread is the only one to arm it: no other can make it pending in between. */
		if (slot->owner >= 0 && !slot->rearms && one_in(random, 2)) {
			timer_delete_sync(&object->timer);
			object->timer.expires = expiry(slot, ms);
			if (slot->kind == PERCPU || one_in(random, 2))
				add_timer_on(&object->timer, slot->cpu);
			else
				add_timer(&object->timer);
			break;
		}
		switch (below(random, 6)) {
		case 0:
			timer_reduce(&object->timer, expiry(slot, ms));
			break;
		case 1:
			mod_timer_pending(&object->timer, expiry(slot, ms));
			break;
		default:
			mod_timer(&object->timer, expiry(slot, ms));
			break;
		}
		break;
	case HRTIMER:
		/* Its callback may be about to forward it. */
		if (slot->owner >= 0)
			hrtimer_cancel(&object->hrtimer);
		hrtimer_start(&object->hrtimer, ns_to_ktime((u64)ms * NSEC_PER_MSEC + below(random, NSEC_PER_MSEC)),
			      slot->mode);
		break;
	case DWORK:
		if (one_in(random, 2))
			mod_delayed_work(workqueue(slot), &object->dwork, delay(slot, ms));
		else
			queue_delayed_work(workqueue(slot), &object->dwork, delay(slot, ms));
		break;
	case KDWORK:
		if (one_in(random, 2))
			kthread_mod_delayed_work(worker, &object->kdwork, delay(slot, ms));
		else
			kthread_queue_delayed_work(worker, &object->kdwork, delay(slot, ms));
		break;
	case KINDS:
		break;
	}
}

static void delete(struct slot *slot, u64 *random)
{
	switch (slot->kind) {
	case TIMER:
	case PERCPU:
		if (one_in(random, 3))
			timer_delete_sync_try(&slot->object->timer);
		else
			timer_delete(&slot->object->timer);
		break;
	case HRTIMER:
		hrtimer_try_to_cancel(&slot->object->hrtimer);
		break;
	case DWORK:
		cancel_delayed_work(&slot->object->dwork);
		break;
	case KDWORK: /* has no such thing */
	case KINDS:
		break;
	}
}

static void delete_sync(struct slot *slot)
{
	switch (slot->kind) {
	case TIMER:
	case PERCPU:
		timer_delete_sync(&slot->object->timer);
		break;
	case HRTIMER:
		hrtimer_cancel(&slot->object->hrtimer);
		break;
	case DWORK:
		cancel_delayed_work_sync(&slot->object->dwork);
		break;
	case KDWORK:
		kthread_cancel_delayed_work_sync(&slot->object->kdwork);
		break;
	case KINDS:
		break;
	}
}

/* Of the timer of the thread that does it. */
static void renew(struct slot *slot)
{
	struct object *object = kzalloc(sizeof(*object), GFP_KERNEL);

	if (!object)
		return;
	delete_sync(slot);
	kfree(slot->object);
	slot->object = object;
	set_up(slot);
}

static void operate(struct slot *slot, u64 *random, enum context context)
{
	bool owned = slot->owner >= 0;
	unsigned int die = below(random, 16);

	if (slot->down)
		set_up(slot);
	if (die < 9) {
		if (actions & ARM)
			arm(slot, some_ms(random), random);
	} else if (die < 12 || context != TASK) {
		if (actions & DELETE)
			delete(slot, random);
	} else if (die < 14) {
		if (actions & SYNC)
			delete_sync(slot);
	} else if (die == 14) {
		if ((actions & SHUTDOWN) && ZOO_CAN_SHUTDOWN && owned &&
		    (slot->kind == TIMER || slot->kind == PERCPU)) {
			timer_shutdown_sync(&slot->object->timer);
			slot->down = true;
		}
	} else if ((actions & RENEW) && owned && slot->allocated) {
		renew(slot);
	}
}

/* Who does it. */

static void operate_on_shared(u64 *random, enum context context)
{
	struct slot *slot = &slots[below(random, slot_count)];

	if (slot->owner < 0)
		operate(slot, random, context);
}

static u64 tasklet_random;

static void run_tasklet(struct tasklet_struct *unused)
{
	unsigned int i;

	for (i = 0; i < 4 && !READ_ONCE(stopping); i++)
		operate_on_shared(&tasklet_random, SOFTIRQ);
}

static DECLARE_TASKLET(tasklet, run_tasklet);

static u64 interrupt_random;
static struct hrtimer interrupt;

static enum hrtimer_restart zoo_torture_interrupt_fn(struct hrtimer *timer)
{
	if (READ_ONCE(stopping))
		return HRTIMER_NORESTART;
	operate_on_shared(&interrupt_random, HARDIRQ);
	operate_on_shared(&interrupt_random, HARDIRQ);
	if ((contexts & SOFTIRQ) && one_in(&interrupt_random, 2))
		tasklet_schedule(&tasklet);
	hrtimer_forward_now(timer, ms_to_ktime(2));
	return HRTIMER_RESTART;
}

static int torture(void *data)
{
	int me = (long)data;
	u64 *random = &threads[me].random;
	struct slot *slot;
	unsigned int i;

	for (i = 0; !READ_ONCE(stopping) && (i < ops || !ops); i++) {
		slot = &slots[below(random, slot_count)];
		if (slot->owner < 0 || slot->owner == me)
			operate(slot, random, TASK);
		if ((contexts & SOFTIRQ) && one_in(random, 8))
			tasklet_schedule(&tasklet);
		if (one_in(random, 32))
			usleep_range(200, 400);
		else
			cond_resched();
	}
	if (atomic_dec_and_test(&threads_busy))
		complete_all(&threads_done);
	while (!kthread_should_stop()) {
		set_current_state(TASK_INTERRUPTIBLE);
		if (!kthread_should_stop())
			schedule();
		__set_current_state(TASK_RUNNING);
	}
	return 0;
}

/* From the start to the end. */

static int fill_slot(struct slot *slot, enum kind kind, unsigned int nth)
{
	static const clockid_t clocks[] = {CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_BOOTTIME, CLOCK_TAI};
	static const enum hrtimer_mode modes[] = {HRTIMER_MODE_REL, HRTIMER_MODE_REL_SOFT,
						  HRTIMER_MODE_REL_PINNED, HRTIMER_MODE_REL_PINNED_SOFT};
	u64 random = random_stream(1000 + (slot - slots));

	slot->kind = kind;
	slot->owner = one_in(&random, 3) || kind == PERCPU ? below(&random, thread_count) : -1;
	slot->rearms = (contexts & CALLBACK) && one_in(&random, 2);
	slot->allocated = kind != PERCPU && !one_in(&random, 4);
	slot->cpu = cpumask_first(cpu_online_mask);
	if (below(&random, thread_count))
		slot->cpu = cpumask_next(slot->cpu, cpu_online_mask);
	slot->clock = clocks[below(&random, ARRAY_SIZE(clocks))];
	slot->mode = modes[below(&random, ARRAY_SIZE(modes))];
	slot->wq = one_in(&random, 2) ? own_wq : NULL;
	slot->flags = (one_in(&random, 4) ? TIMER_DEFERRABLE : 0) | (one_in(&random, 4) ? TIMER_PINNED : 0) |
		      (one_in(&random, 8) ? TIMER_IRQSAFE : 0);
	slot->random = random;
	slot->object = &static_objects[slot - slots];
	if (kind == PERCPU) {
		slot->flags = TIMER_PINNED;
		slot->cpu = nth / PERCPU_PER_CPU;
		slot->object = per_cpu_ptr(&percpu_objects[nth % PERCPU_PER_CPU], slot->cpu);
	}
	if (slot->allocated)
		slot->object = kzalloc(sizeof(*slot->object), GFP_KERNEL);
	if (!slot->object)
		return -ENOMEM;
	set_up(slot);
	return 0;
}

static int fill_slots(void)
{
	enum kind kind;
	unsigned int i;
	int err;

	for (kind = TIMER; kind < KINDS; kind++) {
		for (i = 0; i < (kind == PERCPU ? MAX_POOL : pool); i++) {
			if (!(kinds & BIT(kind)))
				break;
			/* As many as there are CPUs for. */
			if (kind == PERCPU &&
			    (i / PERCPU_PER_CPU >= nr_cpu_ids || !cpu_online(i / PERCPU_PER_CPU)))
				continue;
			err = fill_slot(&slots[slot_count], kind, i);
			if (err)
				return err;
			slot_count++;
		}
	}
	return slot_count ? 0 : -EINVAL;
}

static int start_threads(void)
{
	struct task_struct *task;
	unsigned int i;
	int cpu = -1;

	for (i = 0; i < thread_count; i++) {
		cpu = cpumask_next(cpu, cpu_online_mask);
		threads[i].random = random_stream(i);
		task = kthread_create(torture, (void *)(long)i, "zoo_torture/%d", cpu);
		if (IS_ERR(task))
			return PTR_ERR(task);
		kthread_bind(task, cpu);
		threads[i].task = task;
	}
	atomic_set(&threads_busy, thread_count);
	for (i = 0; i < thread_count; i++) {
		if (contexts & TASK)
			wake_up_process(threads[i].task);
	}
	return 0;
}

/* Afterwards nothing of this module arms or deletes anything, but what is armed can still expire. */
static void stop(void)
{
	unsigned int i;

	WRITE_ONCE(stopping, true);
	for (i = 0; i < thread_count; i++) {
		if (threads[i].task)
			kthread_stop(threads[i].task);
	}
	hrtimer_cancel(&interrupt);
	tasklet_kill(&tasklet);
	zoo_wait_for_callbacks();
	for (i = 0; i < slot_count; i++) {
		if (slots[i].kind == DWORK)
			flush_work(&slots[i].object->dwork.work);
	}
	/* Not kthread_flush_work(), which never returns where the timer of the work is pending. */
	if (!IS_ERR_OR_NULL(worker))
		kthread_flush_worker(worker);
}

/* Deletes what is not to be left. */
static void clear(void)
{
	u64 random = random_stream(2000);
	bool leaving = one_in(&random, 2);
	unsigned int kept = 0, i;
	struct slot *slot;

	if (leave >= 0)
		leaving = leave;
	for (i = 0; i < slot_count; i++) {
		slot = &slots[i];
		slot->kept = leaving && (slot->allocated || static_left) && pending(slot) && far_away(slot) &&
			     one_in(&random, 2);
		if (!slot->kept)
			delete_sync(slot);
		kept += slot->kept;
	}
	/* One in a few is armed once more, after it was deleted; and if nothing is left yet, the first. */
	for (i = 0; i < slot_count; i++) {
		slot = &slots[i];
		if (!leaving || slot->kept || !(slot->allocated || static_left) ||
		    (kept && !one_in(&random, 16)))
			continue;
		if (slot->down)
			set_up(slot);
		/* Not by arm(), which may choose to arm only what is pending. */
		if (slot->kind == TIMER || slot->kind == PERCPU)
			mod_timer(&slot->object->timer, expiry(slot, long_ms(&random)));
		else
			arm(slot, long_ms(&random), &random);
		slot->kept = true;
		kept++;
	}
}

/* What is left stays allocated: of that only the callback's text is to be gone. */
static void finish(void)
{
	unsigned int left[KINDS] = {}, total = 0, i;
	ktime_t begin = ktime_get();

	stop();
	clear();
	for (i = 0; i < slot_count; i++) {
		left[slots[i].kind] += pending(&slots[i]);
		total += pending(&slots[i]);
	}
	for (i = 0; i < slot_count; i++) {
		if (slots[i].allocated && !slots[i].kept)
			kfree(slots[i].object);
	}
	if (own_wq)
		destroy_workqueue(own_wq);
	/* One that has delayed works left is left, too: destroying it is another bug. */
	if (!IS_ERR_OR_NULL(worker) && !left[KDWORK])
		kthread_destroy_worker(worker);
	pr_info("came to an end in %lld ms\n", ktime_ms_delta(ktime_get(), begin));
	pr_info("seed=%llu left=%u timer=%u hrtimer=%u delayed_work=%u kthread_delayed_work=%u\n", seed, total,
		left[TIMER] + left[PERCPU], left[HRTIMER], left[DWORK], left[KDWORK]);
}

static bool wait_for_threads(void)
{
	if (wait_for_completion_timeout(&threads_done, msecs_to_jiffies(3 * ZOO_WAIT_MS)))
		return true;
	pr_err("the threads are too slow: this load proves nothing\n");
	return false;
}

static int start(void)
{
	int err;

	own_wq = alloc_workqueue("zoo_torture", WQ_UNBOUND, 0);
	if (!own_wq)
		return -ENOMEM;
	worker = kthread_run_worker(0, "zoo_torture/w");
	if (IS_ERR(worker))
		return PTR_ERR(worker);
	/* Each thread has a CPU of its own, which must not go before that is said. */
	cpus_read_lock();
	thread_count = min_t(unsigned int, num_online_cpus(), MAX_THREADS);
	err = fill_slots();
	if (!err)
		err = start_threads();
	cpus_read_unlock();
	if (err)
		return err;
	tasklet_random = random_stream(3000);
	interrupt_random = random_stream(3001);
	if (contexts & HARDIRQ)
		hrtimer_start(&interrupt, ms_to_ktime(2), HRTIMER_MODE_REL);
	return 0;
}

static int __init zoo_torture_init(void)
{
	int err;

	if (pool < 1 || pool > MAX_POOL) {
		pr_err("pool=%u is not between 1 and %u\n", pool, MAX_POOL);
		return -EINVAL;
	}
	if (far_s > 604800) {
		pr_err("far_s=%u is more than 604800\n", far_s);
		return -EINVAL;
	}
	if ((wait || fail_init) && (!ops || !(contexts & TASK))) {
		pr_err("ops=%u contexts=%u: the threads would never end\n", ops, contexts);
		return -EINVAL;
	}
	hrtimer_setup(&interrupt, zoo_torture_interrupt_fn, CLOCK_MONOTONIC, HRTIMER_MODE_REL);
	err = start();
	if (err) {
		leave = 0;
		finish();
		return err;
	}
	pr_info("started, seed=%llu slots=%u threads=%u\n", seed, slot_count, thread_count);
	if (wait || fail_init)
		wait_for_threads();
	if (fail_init) {
		finish();
		return -EINVAL;
	}
	return 0;
}

static void __exit zoo_torture_exit(void)
{
	finish();
}

module_init(zoo_torture_init);
module_exit(zoo_torture_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("disarmd test: random things done to timers of all kinds, and what is armed in the end");
