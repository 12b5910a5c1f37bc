// SPDX-License-Identifier: GPL-2.0-only
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>

static int __init zoo_nothing_init(void)
{
	pr_info("armed nothing\n");
	return 0;
}

static void __exit zoo_nothing_exit(void)
{
	pr_info("exit, armed=0\n");
}

module_init(zoo_nothing_init);
module_exit(zoo_nothing_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("disarmd test: uses no timer at all");
