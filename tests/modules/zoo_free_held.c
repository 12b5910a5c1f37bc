// SPDX-License-Identifier: GPL-2.0-only
#include "zoo.h"

#include <linux/delay.h>
#include <linux/tracepoint.h>

#define PATIENCE_MS 10000 /* longer, and the kernel would think that it hangs */

static bool hold;
module_param(hold, bool, 0600);
MODULE_PARM_DESC(hold, "hold up the next free of a module until this is N again, for 10 s at most");

static bool held;
module_param(held, bool, 0400);
MODULE_PARM_DESC(held, "a free is being held up");

static struct tracepoint *module_free;

static void hold_up(void *data, struct module *mod)
{
	unsigned int ms;

	WRITE_ONCE(held, true);
	for (ms = 0; READ_ONCE(hold) && ms < PATIENCE_MS; ms++)
		mdelay(1);
	WRITE_ONCE(held, false);
}

static void find_module_free(struct tracepoint *tp, void *data)
{
	if (!strcmp(tp->name, "module_free"))
		module_free = tp;
}

static int __init zoo_free_held_init(void)
{
	for_each_kernel_tracepoint(find_module_free, NULL);
	if (!module_free)
		return -ENOENT;
	/* Of the lowest priority: whoever else looks at a free has looked by then. */
	return tracepoint_probe_register_prio(module_free, hold_up, NULL, 0);
}

static void __exit zoo_free_held_exit(void)
{
	tracepoint_probe_unregister(module_free, hold_up, NULL);
	tracepoint_synchronize_unregister();
}

module_init(zoo_free_held_init);
module_exit(zoo_free_held_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("disarmd test: holds up the kernel in the middle of freeing a module");
