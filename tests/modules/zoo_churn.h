/* SPDX-License-Identifier: GPL-2.0-only */
/* What zoo_churn finds in zoo_churn_target, by symbol_get(), and keeps no reference to. */
#ifndef ZOO_CHURN_H
#define ZOO_CHURN_H

#include <linux/hrtimer.h>
#include <linux/timer.h>

void zoo_churn_target_fn(struct timer_list *timer);
enum hrtimer_restart zoo_churn_target_hrfn(struct hrtimer *timer);

#endif
