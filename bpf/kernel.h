/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/*
 * The kernel's types, kept by hand: only the members that the programs read.
 * Offsets come from the running kernel's BTF (CO-RE), so order and padding here
 * mean nothing. What differs between kernels is in compat.h.
 */

#include <stdbool.h>
#include <linux/types.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

typedef __u8 u8;
typedef __u32 u32;
typedef __s32 s32;
typedef __u64 u64;
typedef __s64 s64;

#define NULL ((void *)0)

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct list_head {
	struct list_head *next, *prev;
};

#define CAP_SYS_MODULE 16

/* include/linux/capability.h: 64 bits, in two halves before 6.3 */
struct kernel_cap_struct {
};

/* include/linux/user_namespace.h */
struct user_namespace {
	int level; /* 0: the first one */
};

/* include/linux/cred.h */
struct cred {
	struct kernel_cap_struct cap_effective;
	struct user_namespace *user_ns;
};

/* arch/x86/include/asm/thread_info.h */
struct thread_info {
	u32 status;
};

/* include/linux/sched.h */
struct task_struct {
	struct thread_info thread_info;
	void *stack;
	unsigned int flags;
	const struct cred *cred;
	char comm[16];
};

struct hlist_node {
	struct hlist_node *next, **pprev;
};

struct hlist_head {
	struct hlist_node *first;
};

/* include/linux/timer.h (5.10-6.x), include/linux/timer_types.h (6.9+) */
struct timer_list {
	struct hlist_node entry;
	unsigned long expires;
	void (*function)(struct timer_list *);
	u32 flags;
};

/* include/linux/workqueue.h, workqueue_types.h (6.9+) */
struct work_struct {
	void (*func)(struct work_struct *work);
};

struct delayed_work {
	struct work_struct work;
	struct timer_list timer;
};

/* include/linux/kthread.h */
struct kthread_work {
	void (*func)(struct kthread_work *work);
};

struct kthread_delayed_work {
	struct kthread_work work;
	struct timer_list timer;
};

/* include/linux/rbtree_types.h */
struct rb_node {
	unsigned long __rb_parent_color;
	struct rb_node *rb_right;
	struct rb_node *rb_left;
};

struct timerqueue_node {
	struct rb_node node;
	s64 expires;
};

struct timerqueue_head {
	struct rb_node *root; /* by any name: the head of a tree begins with its root */
};

/* include/linux/hrtimer.h, hrtimer_types.h (6.9+); see compat.h */
struct hrtimer {
	struct timerqueue_node node;
	int (*function)(struct hrtimer *);
	struct hrtimer_clock_base *base;
	u8 state;
};

/* include/linux/alarmtimer.h */
struct alarm {
	struct hrtimer timer;
	int (*function)(struct alarm *);
};

/* include/linux/hrtimer_defs.h (6.9+) */
struct hrtimer_clock_base {
	struct hrtimer_cpu_base *cpu_base;
	struct hrtimer *running;
	struct timerqueue_head active;
	s64 offset;
};

/* kernel/time/timer.c: WHEEL_SIZE is 576 where HZ > 100 (LVL_DEPTH 9), else 512. */
struct raw_spinlock {
	u32 raw_lock; /* every arch_spinlock_t is a word that is 0 when free */
};

struct timer_base {
	struct raw_spinlock lock;
	struct timer_list *running_timer;
	unsigned long pending_map[1];
	struct hlist_head vectors[1];
};

struct hrtimer_cpu_base {
	struct raw_spinlock lock;
	struct hrtimer_clock_base clock_base[1];
};

struct module_layout {
	void *base;
	unsigned int size;
};

struct module {
	struct list_head list;
	char name[56];
	const char *version;
	const char *srcversion;
	unsigned long taints;
	/* up to 6.3; see compat.h for what came after */
	struct module_layout core_layout;
	struct module_layout init_layout;
	void *percpu;
	unsigned int percpu_size;
	struct mod_kallsyms *kallsyms;
};

/* include/linux/module.h, kernel/module/internal.h (5.19+); symtab is an array of Elf64_Sym */
struct mod_kallsyms {
	void *symtab;
	unsigned int num_symtab;
	char *strtab;
};

/* include/linux/clocksource.h */
struct clocksource {
	u32 mult;
	u32 shift;
};

#pragma clang attribute pop
