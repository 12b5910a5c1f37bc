// SPDX-License-Identifier: GPL-2.0-only
#define ZOO_NO_DELAY
#define ZOO_NO_END
#include "zoo.h"
#include "zoo_churn.h"

#include <linux/err.h>
#include <linux/ftrace.h>
#include <linux/kprobes.h>
#include <linux/slab.h>
#include <linux/tracepoint.h>

static char *race = "tree";
module_param(race, charp, 0444);
MODULE_PARM_DESC(race, "tree (default), list, inside, queue or page");

static bool met;
module_param(met, bool, 0444);
MODULE_PARM_DESC(met, "it was run: the next unload of zoo_churn_target met the reader of timers where it had to");

enum { TREE, LIST, INSIDE, QUEUE, PAGE };
static const char *const race_names[] = {"tree", "list", "inside", "queue", "page"};
static int which;

/* Nothing expires before that, so that a guest survives what it leaves. */
#define FAR_S 3600
/* Into a bucket of its own, and a later one, of the same level of the wheel. */
#define LATER_S 600
/* Where timers are moved, and unloads read timers: bound so by this module, and by the test. */
#define MOVING_CPU 1
#define READING_CPU 0

/* Never given back: the next load's are to be others. */
static struct {
	struct timer_list target; /* its callback is in zoo_churn_target */
	struct hrtimer hrtarget;
	struct timer_list neighbours[2]; /* their callbacks are the kernel's: nobody tracks them */
	struct hrtimer hrneighbour;
} *timers;
static ktime_t far;
static unsigned long far_jiffies;
static struct task_struct *mover;
static struct module *freed;
static bool freeing, moves, moved, stalls, stalled, looked;
/* What the reader is stopped at. */
static unsigned long trap;

static void set_hrneighbour(int seconds)
{
	hrtimer_start(&timers->hrneighbour, ktime_add_ms(far, seconds * MSEC_PER_SEC), HRTIMER_MODE_ABS_PINNED);
}

static void set_neighbours(unsigned int seconds)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(timers->neighbours); i++)
		mod_timer(&timers->neighbours[i], far_jiffies + seconds * HZ);
}

static void arm_target(void)
{
	timers->target.expires = far_jiffies;
	add_timer_on(&timers->target, READING_CPU);
}

/* How everything lies when the target's module is freed. */
static void prepare(void)
{
	switch (which) {
	case TREE: /* the neighbour to the left of the target */
		hrtimer_start(&timers->hrtarget, far, HRTIMER_MODE_ABS_PINNED);
		set_hrneighbour(-1);
		trap = (unsigned long)&timers->hrneighbour;
		break;
	case LIST: /* the neighbours in front of the target, in one bucket */
		mod_timer(&timers->target, far_jiffies);
		set_neighbours(0);
		trap = (unsigned long)&timers->neighbours[0].entry.pprev;
		break;
	case INSIDE: /* a neighbour where the target will have been missed already */
		timers->neighbours[0].expires = far_jiffies + LATER_S * HZ;
		add_timer_on(&timers->neighbours[0], READING_CPU);
		trap = (unsigned long)&timers->neighbours[0].entry.pprev;
		break;
	case QUEUE:
	case PAGE:
		break;
	}
}

/* What the thread does while the reader is held up. */
static void move(void)
{
	switch (which) {
	case TREE: /* to the right of the target, from where the way up passes it */
		set_hrneighbour(1);
		break;
	case LIST: /* into another bucket, whose list goes on from there */
		set_neighbours(LATER_S);
		break;
	case INSIDE:
	case PAGE:
		break;
	case QUEUE:
		WRITE_ONCE(stalls, true);
		hrtimer_start(&timers->hrtarget, far, HRTIMER_MODE_ABS_PINNED);
		break;
	}
}

static DECLARE_COMPLETION(prepared);

static int run_mover(void *unused)
{
	prepare();
	complete(&prepared);
	while (!kthread_should_stop()) {
		if (READ_ONCE(moves) && !moved) {
			move();
			smp_store_release(&moved, true);
		}
		cond_resched();
	}
	return 0;
}

/* As a virtual CPU is held up that is not being run: before it reads what lies at the trap. */
static void reads(unsigned long from)
{
	if (!READ_ONCE(freeing) || met || !trap || from != trap)
		return;
	if (which == INSIDE) {
		met = true;
		arm_target();
		return;
	}
	WRITE_ONCE(moves, true);
	met = zoo_spin_until(&moved);
}

/* Not a kprobe, which is skipped inside another one; nor must it be skipped inside any other hook. */
#ifdef ZOO_HAS_ftrace_get_regs /* 5.11 */
static void on_read(unsigned long ip, unsigned long parent, struct ftrace_ops *ops, struct ftrace_regs *regs)
{
	reads(regs_get_kernel_argument(ftrace_get_regs(regs), 1));
}
#define WITHIN_OTHERS 0
#else
static void on_read(unsigned long ip, unsigned long parent, struct ftrace_ops *ops, struct pt_regs *regs)
{
	reads(regs_get_kernel_argument(regs, 1));
}
#define WITHIN_OTHERS FTRACE_OPS_FL_RECURSION_SAFE
#endif

static unsigned char reader_name[] = "copy_from_kernel_nofault";
static struct ftrace_ops reader = {.func = on_read, .flags = FTRACE_OPS_FL_SAVE_REGS | WITHIN_OTHERS};

/* Between the trace of an arm and its queueing. */
static void traced(void *data, struct hrtimer *timer, enum hrtimer_mode mode)
{
	if (timer != &timers->hrtarget || !READ_ONCE(stalls) || stalled)
		return;
	smp_store_release(&stalled, true);
	met = zoo_spin_until(&looked);
}

/* After its exit, before anything reads timers for its sake. */
static int is_going(struct notifier_block *nb, unsigned long state, void *data)
{
	struct module *mod = data;

	if (state == MODULE_STATE_GOING && !strcmp(mod->name, "zoo_churn_target")) {
		freed = mod;
		WRITE_ONCE(freeing, true);
	}
	return NOTIFY_DONE;
}

static struct notifier_block going = {.notifier_call = is_going};

/* Before any other program that sees this start of a free, and behind them all. */
static void free_begins(void *data, struct module *mod)
{
	if (mod != freed || which != QUEUE)
		return;
	WRITE_ONCE(moves, true);
	zoo_spin_until(&stalled);
}

/* As an architecture does that keeps code for a module beside it, long before the module's own memory goes. */
static void *page;
static void *(*alloc_text)(unsigned long size);
static void *(*alloc_execmem)(unsigned int type, size_t size);
static void (*free_text)(void *text);

static void *address_of(const char *name)
{
	struct kprobe probe = {.symbol_name = name};
	void *address;

	if (register_kprobe(&probe))
		return NULL;
	address = probe.addr;
	unregister_kprobe(&probe);
	return address;
}

static int alloc_beside(void)
{
	alloc_execmem = address_of("execmem_alloc"); /* 6.10 */
	alloc_text = address_of("module_alloc");
	free_text = address_of(alloc_execmem ? "execmem_free" : "module_memfree");
	if (!free_text || (!alloc_execmem && !alloc_text))
		return -ENOENT;
	page = alloc_execmem ? alloc_execmem(0, PAGE_SIZE) : alloc_text(PAGE_SIZE);
	return page ? 0 : -ENOMEM;
}

static void free_begun(void *data, struct module *mod)
{
	if (mod != freed)
		return;
	smp_store_release(&looked, true);
	if (!page)
		return;
	free_text(page);
	page = NULL;
	arm_target();
	met = true;
}

static struct {
	const char *name;
	void *probe;
	int prio;
	struct tracepoint *tp;
} traces[] = {
	{"hrtimer_start", traced, 0},
	{"module_free", free_begins, INT_MAX},
	{"module_free", free_begun, 0},
};

static unsigned int attached;

static void find_trace(struct tracepoint *tp, void *data)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(traces); i++) {
		if (!strcmp(tp->name, traces[i].name))
			traces[i].tp = tp;
	}
}

static int attach(unsigned int i)
{
	if (!traces[i].tp)
		return -ENOENT;
	return tracepoint_probe_register_prio(traces[i].tp, traces[i].probe, NULL, traces[i].prio);
}

static void stop(void)
{
	if (!IS_ERR_OR_NULL(mover))
		kthread_stop(mover);
	while (attached--)
		tracepoint_probe_unregister(traces[attached].tp, traces[attached].probe, NULL);
	tracepoint_synchronize_unregister();
	unregister_module_notifier(&going);
	unregister_ftrace_function(&reader);
	hrtimer_cancel(&timers->hrtarget);
	hrtimer_cancel(&timers->hrneighbour);
	timer_delete_sync(&timers->target);
	timer_delete_sync(&timers->neighbours[0]);
	timer_delete_sync(&timers->neighbours[1]);
}

static int __init zoo_race_init(void)
{
	void (*fn)(struct timer_list *);
	enum hrtimer_restart (*hrfn)(struct hrtimer *);
	int err;

	which = zoo_choose("race", race, race_names, ARRAY_SIZE(race_names));
	if (which < 0)
		return which;
	err = zoo_need_two_cpus();
	if (err)
		return err;
	timers = kzalloc(sizeof(*timers), GFP_KERNEL);
	if (!timers)
		return -ENOMEM;
	fn = symbol_get(zoo_churn_target_fn);
	if (!fn) {
		pr_err("zoo_churn_target is not loaded\n");
		return -ENODEV;
	}
	hrfn = symbol_get(zoo_churn_target_hrfn);
	if (!hrfn) {
		symbol_put(zoo_churn_target_fn);
		return -ENODEV;
	}
	timer_setup(&timers->target, fn, TIMER_PINNED);
	hrtimer_setup(&timers->hrtarget, hrfn, CLOCK_TAI, HRTIMER_MODE_ABS_PINNED);
	symbol_put(zoo_churn_target_fn);
	symbol_put(zoo_churn_target_hrfn);
	/* Never called. */
	timer_setup(&timers->neighbours[0], (void (*)(struct timer_list *))(void *)timer_delete, TIMER_PINNED);
	timer_setup(&timers->neighbours[1], (void (*)(struct timer_list *))(void *)timer_delete, TIMER_PINNED);
	hrtimer_setup(&timers->hrneighbour, (enum hrtimer_restart(*)(struct hrtimer *))(void *)hrtimer_cancel, CLOCK_TAI,
		      HRTIMER_MODE_ABS_PINNED);
	far = ktime_add_ms(ktime_get_clocktai(), FAR_S * MSEC_PER_SEC);
	far_jiffies = jiffies + FAR_S * HZ;

	err = which == PAGE ? alloc_beside() : 0;
	if (err)
		return err;
	err = ftrace_set_filter(&reader, reader_name, strlen(reader_name), 1);
	if (!err)
		err = register_ftrace_function(&reader);
	if (err)
		return err;
	register_module_notifier(&going);
	for_each_kernel_tracepoint(find_trace, NULL);
	for (; attached < ARRAY_SIZE(traces) && !err; attached += !err)
		err = attach(attached);
	if (!err) {
		mover = kthread_create(run_mover, NULL, "zoo_race");
		err = PTR_ERR_OR_ZERO(mover);
	}
	if (err) {
		stop();
		return err;
	}
	kthread_bind(mover, MOVING_CPU);
	wake_up_process(mover);
	wait_for_completion(&prepared);
	return 0;
}

static void __exit zoo_race_exit(void)
{
	stop();
	pr_info("exit, armed=0\n");
}

module_init(zoo_race_init);
module_exit(zoo_race_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("disarmd test: timers that move from where they have not been looked for to where they have");
