// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause

/*
 * Keeps the memory of modules that are being freed for a bounded moment. free_module() waits for an
 * RCU grace period before the memory goes (kernel/module/main.c), and a program runs in a read-side
 * critical section: no grace period that began meanwhile ends before it returns. The task that
 * unloads sleeps; it is the CPU of whoever runs this that is kept busy.
 */

#include "maps.h"

/* Of loops within each other: the time ends them. */
#define TURNS 128

__u64 hold_until_ns = 0; /* user space sets it, also while this runs */

__noinline int hold_on(void)
{
	for (u32 i = 0; i < TURNS; i++) {
		if (bpf_ktime_get_ns() >= *(volatile u64 *)&hold_until_ns)
			return 1;
	}
	return 0;
}

__noinline int hold_longer(void)
{
	for (u32 i = 0; i < TURNS; i++) {
		if (hold_on())
			return 1;
	}
	return 0;
}

__noinline int hold_even_longer(void)
{
	for (u32 i = 0; i < TURNS; i++) {
		if (hold_longer())
			return 1;
	}
	return 0;
}

/* User space runs it. */
SEC("raw_tp")
int hold(void *ctx)
{
	for (u32 i = 0; i < TURNS; i++) {
		if (hold_even_longer())
			break;
	}
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
