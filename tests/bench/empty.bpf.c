// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause

/*
 * Programs that do nothing, on the hooks of the tracepoint backend: what any such backend costs at
 * least.
 */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define EMPTY(name, hook)                                                                          \
	SEC(hook)                                                                                  \
	int name(void *ctx)                                                                        \
	{                                                                                          \
		return 0;                                                                          \
	}

EMPTY(timer_start, "tp_btf/timer_start")
EMPTY(timer_cancel, "tp_btf/timer_cancel")
EMPTY(timer_expire_entry, "tp_btf/timer_expire_entry")
EMPTY(timer_expire_exit, "tp_btf/timer_expire_exit")
EMPTY(hrtimer_start, "tp_btf/hrtimer_start")
EMPTY(hrtimer_cancel, "tp_btf/hrtimer_cancel")
EMPTY(hrtimer_expire_entry, "tp_btf/hrtimer_expire_entry")
EMPTY(hrtimer_expire_exit, "tp_btf/hrtimer_expire_exit")
EMPTY(delete_call, "fentry/timer_delete")
EMPTY(delete_sync_call, "fentry/timer_delete_sync")
EMPTY(hrtimer_cancel_call, "fentry/hrtimer_cancel")
EMPTY(hrtimer_try_to_cancel_call, "fentry/hrtimer_try_to_cancel")

char LICENSE[] SEC("license") = "Dual BSD/GPL";
