/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Something that a module does after its exit function has returned, just before free_module().
 *
 * Between exit and free_module() most kernels let a grace period pass (in ftrace_release_mod()),
 * which no callback outlasts. After that comes async_synchronize_full(): an asynchronous job can still
 * start one.
 */
#ifndef ZOO_AT_FREE_H
#define ZOO_AT_FREE_H

#include "zoo.h"

#include <linux/async.h>
#include <linux/sched.h>

static struct {
	void (*fn)(void);
	struct task_struct *unloader;
	unsigned long slept;
} zoo_job;

/*
 * Waits until the unloading task sleeps and it is not for a grace period, so it waits for this job:
 * whatever number of them it still had to wait for when this began is over.
 */
static bool zoo_wait_for_unloader(void)
{
	unsigned long slept;
	int tries;

	for (tries = 0; tries < 100; tries++) {
		slept = READ_ONCE(zoo_job.unloader->nvcsw);
		synchronize_rcu();
		synchronize_rcu();
		if (slept != zoo_job.slept && slept == READ_ONCE(zoo_job.unloader->nvcsw))
			return true;
	}
	pr_err("the unloading task does not wait: this unload proves nothing\n");
	return false;
}

static void zoo_run_job(void *unused, async_cookie_t cookie)
{
	int cpu;

	if (!zoo_wait_for_unloader())
		return;
	/* A CPU in a callback may look idle: keep the unloading task from being woken up there. */
	for (;;) {
		cpu = raw_smp_processor_id();
		set_cpus_allowed_ptr(zoo_job.unloader, cpumask_of(cpu));
		preempt_disable();
		if (smp_processor_id() == cpu)
			break;
		preempt_enable();
	}
	zoo_job.fn();
	preempt_enable();
}

/* To be called by exit: has @fn run just before free_module(), preemption off, on the CPU that unloads. */
static inline void zoo_at_free(void (*fn)(void))
{
	zoo_job.fn = fn;
	zoo_job.unloader = current;
	zoo_job.slept = current->nvcsw;
	async_schedule(zoo_run_job, NULL);
}

/* free_module() sets this state early on, and waits for RCU readers before it frees anything. */
static inline bool zoo_being_freed(void)
{
	return READ_ONCE(THIS_MODULE->state) == MODULE_STATE_UNFORMED;
}

#endif
