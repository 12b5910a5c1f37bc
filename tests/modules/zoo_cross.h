/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Between zoo_cross_object and zoo_cross_callback. Either finds the other's symbol when it needs it, by
 * symbol_get(), and holds no reference afterwards: both can be unloaded in either order.
 */
#ifndef ZOO_CROSS_H
#define ZOO_CROSS_H

#include <linux/timer.h>

/* In zoo_cross_object. */
extern struct timer_list zoo_cross_timer;

/* In zoo_cross_callback: the object goes away, and was @armed or not. */
void zoo_cross_object_gone(bool armed);

#endif
