/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/*
 * What the kernel programs and the daemon say to each other: the values of the
 * maps, in fixed-width fields, compiled by both sides. Addresses are kernel
 * virtual addresses; times are CLOCK_MONOTONIC nanoseconds. Expiries are jiffies,
 * but of an hrtimer CLOCK_MONOTONIC nanoseconds, whatever its own clock. Strings are
 * NUL-terminated and hold whatever bytes the kernel held.
 */

#include <linux/types.h>

#ifdef __cplusplus
#define DISARMD_ASSERT_SIZE(type, bytes) static_assert(sizeof(type) == (bytes), #type " is shared")
namespace disarmd::abi
{
#else
#define DISARMD_ASSERT_SIZE(type, bytes) _Static_assert(sizeof(type) == (bytes), #type " is shared")
#endif

/*
 * Of what this file says. Programs that are pinned may be an earlier version's. What they have
 * recorded is read by a later one if their schema is the same; else only what all schemas have in
 * common: the fields of an unload_record before its pending timers, which stay where they are.
 */
#ifndef DISARMD_SCHEMA
#define DISARMD_SCHEMA 2
#endif
#define DISARMD_TEXT_OF(number) #number
#define DISARMD_AS_TEXT(macro)	DISARMD_TEXT_OF(macro)
#define DISARMD_SCHEMA_TEXT	DISARMD_AS_TEXT(DISARMD_SCHEMA)

/* MODULE_NAME_LEN (include/linux/module.h): 64 - sizeof(unsigned long), the NUL included. */
#define DISARMD_MODULE_NAME_LEN 56
#define DISARMD_COMM_LEN	16
/* What MODULE_VERSION() and modpost give a module, cut to that, the NUL included. */
#define DISARMD_VERSION_LEN    64
#define DISARMD_SRCVERSION_LEN 32
/* Frames of one stack that are kept. */
#define DISARMD_STACK_DEPTH 20
/* What one verdict keeps of its progress in its record, in words. */
#define DISARMD_SCRATCH_WORDS 24
/* Two layouts up to 6.3, MOD_MEM_NUM_TYPES (7) from 6.4. */
#define DISARMD_MODULE_RANGES 8
/* Timers described in one unload record; further ones are counted only. */
#define DISARMD_PENDING_MAX 64

enum timer_kind {
	TIMER_KIND_TIMER = 0,
	TIMER_KIND_HRTIMER = 1,
	TIMER_KIND_DELAYED_WORK = 2,
	TIMER_KIND_KTHREAD_DELAYED_WORK = 3,
	TIMER_KIND_ALARM = 4, /* an alarmtimer's hrtimer */
};

/* The context that armed a timer. UNKNOWN: it was armed before anyone watched. */
enum arm_context {
	ARM_CONTEXT_UNKNOWN = 0,
	ARM_CONTEXT_TASK = 1,
	ARM_CONTEXT_SOFTIRQ = 2,
	ARM_CONTEXT_HARDIRQ = 3,
	ARM_CONTEXT_CALLBACK = 4,
};

/* What a task is about to do that may end in a module being freed. */
enum module_task_doing {
	TASK_DELETES = 0,
	TASK_INITIALISES = 1,
};

struct module_task {
	__u64 begun_ns;
	__u64 module;  /* address of its struct module; 0: not known */
	__u32 doing;   /* enum module_task_doing */
	__u16 watched; /* everything was attached when it began */
	__u16 freed;   /* the program that sees a module being freed has run */
	__u16 asked;   /* whether the module may be unloaded has been decided */
	__u16 allowed; /* a rule would deny it, and an operator has said otherwise, once */
	__u32 reserved;
};
DISARMD_ASSERT_SIZE(struct module_task, 32);

/* What a rule does about a module's unload, and about a leak of it. */
enum on_unload {
	ON_UNLOAD_ALLOW = 0,
	ON_UNLOAD_DENY = 1,
	ON_UNLOAD_DENY_IF_ARMED = 2,
	ON_UNLOAD_DENY_IF_LEAKED_BEFORE = 3,
	ON_UNLOAD_DENY_IF_PREFLIGHT_FAILS = 4,
};
enum on_leak {
	ON_LEAK_ALERT = 0,
	ON_LEAK_DRAIN = 1,
	ON_LEAK_PANIC = 2,
};

/*
 * A rule as the kernel programs match it. The pattern of names consists of elements, each of which
 * takes one byte, with any bytes between some of them: bit i of a word stands for element i.
 */
#define DISARMD_RULES_MAX     64
#define DISARMD_RULE_TEXT_LEN 192
struct policy_rule {
	__u64 accepts[256];			 /* by a byte: the elements that take it */
	__u64 skips;				 /* the elements before which any bytes may be */
	__u64 end;				 /* the bit behind the last element */
	char srcversion[DISARMD_SRCVERSION_LEN]; /* padded with NULs; empty: of any */
	__u32 on_unload;			 /* enum on_unload */
	__u32 on_leak;				 /* enum on_leak */
	char text[DISARMD_RULE_TEXT_LEN];	 /* in words, for who reads records that name it */
};
DISARMD_ASSERT_SIZE(struct policy_rule,
		    8 * 258 + DISARMD_SRCVERSION_LEN + 8 + DISARMD_RULE_TEXT_LEN);

/* Whether the rule's pattern takes the whole name, of DISARMD_MODULE_NAME_LEN bytes. */
static inline __u32 takes_name(const struct policy_rule *rule, const char *name)
{
	__u64 at = 1;
	__u32 i;

	for (i = 0; i < DISARMD_MODULE_NAME_LEN - 1; i++) {
		if (!name[i])
			break;
		at = (at & rule->accepts[name[i] & 0xff]) << 1 | (at & rule->skips);
	}
	return (at & rule->end) != 0;
}

/* A module by name and sources, in the map of what user space knows of modules. */
struct module_key {
	char name[DISARMD_MODULE_NAME_LEN]; /* both are padded with NULs */
	char srcversion[DISARMD_SRCVERSION_LEN];
};
DISARMD_ASSERT_SIZE(struct module_key, 88);

/* What is known of one. */
enum module_fact {
	FACT_LEAKED_BEFORE = 1,
	FACT_PREFLIGHT_FAILS = 2,
};

/*
 * One unload that an operator lets through whatever the rules say. Key in its map: the module's
 * name, padded with NULs.
 */
struct permission {
	__u64 until_ns; /* no longer than that */
};
DISARMD_ASSERT_SIZE(struct permission, 8);

/*
 * What no module's name begins with, as no file of one can have it. Behind it is a number of each
 * daemon's own; the unload of that is always denied while denying works.
 */
#define DISARMD_PROOF_NAME "disarmd/"

/* Why a timer belongs to a module; more than one may hold. */
enum timer_owner {
	OWNED_BY_CALLBACK = 1, /* its callback is in the module's text */
	OWNED_BY_OBJECT =
		2,	   /* the timer itself lies in the module's memory, per-CPU data included */
	OWNED_BY_WORK = 4, /* the callback is a core trampoline, the work function the module's */
};

enum pending_state {
	PENDING_ARMED = 0,
	PENDING_CALLBACK_RUNNING = 1,
};

enum evidence_source {
	SOURCE_TRACKING = 1,
	SOURCE_SCAN = 2,
};

enum unload_verdict {
	VERDICT_CLEAN = 0,
	VERDICT_LEAK = 1,
	VERDICT_INCONCLUSIVE = 2,
};

/* What kept a verdict, or one of its two sources, from being whole. */
enum verdict_gap {
	GAP_SCAN_MOVING = 1,	    /* a list or tree changed under the scan at every attempt */
	GAP_SCAN_BOUND = 2,	    /* there was more to scan than the scan's bound */
	GAP_SCAN_EXPIRING = 4,	    /* timers were being expired: some hang in no bucket */
	GAP_SCAN_UNREADABLE = 8,    /* a wheel, a tree or a timer could not be read */
	GAP_TRACKING_LOST = 16,	    /* arms were lost since the module was loaded; see enum loss */
	GAP_TRACKING_LATE = 32,	    /* the start-up scan had not seen every timer armed before */
	GAP_HOOKS = 64,		    /* not every tracking program was attached */
	GAP_LOST_MEANWHILE = 128,   /* arms were lost while the module was being freed */
	GAP_UNCONFIRMED = 256,	    /* a tracked timer was in motion until the end */
	GAP_RANGES = 512,	    /* the module's memory could not be told */
	GAP_SCAN_ABSENT = 1024,	    /* where this kernel keeps its timers is not known */
	GAP_TRACKING_UNSURE = 2048, /* tracked by kprobes, which a kernel may skip and not say so */
	GAP_TRACKING_UNREAD = 4096, /* this kernel's programs can't go through all tracked timers */
	GAP_OVERRUN =
		8192, /* more timers were armed while it was being freed than are remembered */
	GAP_HOOKS_OFF = 16384,	/* the hooks on functions are switched off on the whole machine */
	GAP_END_UNSEEN = 32768, /* the program that sees the module's memory go was not run */
	GAP_SCAN_DISPUTED =
		65536, /* a timer was found that is an earlier module's, if tracking is right */
	GAP_ORPHANS = 131072, /* an earlier module's timers can't be told from this one's */
	GAP_OVERWRITTEN =
		262144, /* a tracked timer is armed, and its memory holds something else */
	GAP_TRACKING_OFF = 524288, /* nobody tracks timers, as was asked for */
	GAP_END = 1048576,	   /* none: above all of them */
};

#define SCAN_GAPS                                                                                  \
	(GAP_SCAN_MOVING | GAP_SCAN_BOUND | GAP_SCAN_EXPIRING | GAP_SCAN_UNREADABLE |              \
	 GAP_SCAN_ABSENT | GAP_SCAN_DISPUTED)
#define TRACKING_GAPS                                                                              \
	(GAP_TRACKING_LOST | GAP_TRACKING_LATE | GAP_TRACKING_UNSURE | GAP_TRACKING_UNREAD |       \
	 GAP_TRACKING_OFF)
/*
 * The rule of every verdict. What was armed before the last look at the kernel's
 * timers began is known to a whole scan or to whole tracking, either alone. What
 * moves during that look, or is armed after it, is known to tracking alone: every
 * other gap spoils a verdict whatever the scan saw.
 */
static inline __u32 verdict_of(__u32 pending_count, __u32 gaps)
{
	if (pending_count)
		return VERDICT_LEAK;
	if ((gaps & ~(SCAN_GAPS | TRACKING_GAPS)) || ((gaps & SCAN_GAPS) && (gaps & TRACKING_GAPS)))
		return VERDICT_INCONCLUSIVE;
	return VERDICT_CLEAN;
}

/* Counted failures of the kernel programs, since they were loaded. */
enum loss {
	LOSS_TIMER_MAP = 0,  /* an arm could not be stored: the map was full or its lock taken */
	LOSS_MODULE_MAP = 1, /* a module load could not be stored */
	LOSS_UNLOAD_MAP = 2, /* an unload could not be stored: its verdict is lost */
	LOSS_NOTIFY = 3,     /* a notification was dropped; the map still holds the record */
	LOSS_TIMER_READ =
		4,	   /* a timer, or what is behind it, could not be read while it was armed */
	LOSS_READ = 5,	   /* other kernel memory could not be read; the verdict's gaps tell */
	LOSS_TASK_MAP = 6, /* the begin of an unload or of an init could not be stored */
	LOSS_DELETE = 7,   /* a delete could not be stored: causes can't be told */
	LOSS_SYMBOLS = 8,  /* there was no room for a freed module's symbol table */
	LOSS_DECISION =
		9, /* whether a module may be unloaded could not be decided: it was let through */
	LOSS_MAX = 10,
};

struct memory_range {
	__u64 start;
	__u64 size; /* bytes; 0: nothing */
};

/* Where a module's code and data are. */
struct module_memory {
	struct memory_range ranges[DISARMD_MODULE_RANGES];
	struct memory_range percpu;    /* add a CPU's offset to its start */
	struct memory_range init_text; /* as it was loaded; given back once its init has run */
};
DISARMD_ASSERT_SIZE(struct module_memory, 160);

/* One load of a module. Key in the map of modules: the address of its struct module. */
struct module_instance {
	__u64 loaded_ns; /* 0: it was loaded before anyone watched */
	__u64 live_ns;	 /* its init had succeeded; 0: not seen */
	__u64 begun_ns;	 /* its load began: no timer of it was armed before; 0: not seen */
	struct module_memory memory;
	char name[DISARMD_MODULE_NAME_LEN];
};
DISARMD_ASSERT_SIZE(struct module_instance, 240);

/*
 * What is known of a timer since it was last armed. Key in the map of armed
 * timers: the address of the timer. Entries outlive a disarm, so that a timer
 * that is armed again and again costs no allocation.
 */
struct tracked_timer {
	__u64 callback; /* of a delayed_work: its work function; of an alarm: the alarm's */
	__u64 expires;
	__u64 armed_ns;	  /* 0: not known; see surveyed */
	__u64 deleted_ns; /* the last call of a function that deletes it; 0: none was seen */
	__u64 reported; /* id of the last unload record that names it; 0: none since the last arm */
	__u32 armed_pid;
	__u32 armed_cpu;
	char armed_comm[DISARMD_COMM_LEN];
	__u8 kind;	    /* enum timer_kind */
	__u8 armed_context; /* enum arm_context */
	__u8 armed;	    /* 0 or 1 */
	__u8 orphaned;	    /* bits of enum timer_owner: those owners are gone */
	__u8 rearmed;	    /* 1: armed since, as before: whose it is can't be told */
	__u8 surveyed; /* 1: found armed by a start-up scan, and armed_ns is when it was armed at
			  the latest */
	__u8 reserved[2];
	__u64 arms; /* that these programs saw while it had that callback */
};
DISARMD_ASSERT_SIZE(struct tracked_timer, 80);

/* Functions that delete timers and have a program of their own each. */
enum deleting_function {
	DELETING_TIMER = 0,	  /* timer_delete() */
	DELETING_TIMER_SYNC = 1,  /* timer_delete_sync() */
	DELETING_HRTIMER = 2,	  /* hrtimer_cancel() */
	DELETING_HRTIMER_TRY = 3, /* hrtimer_try_to_cancel() */
	DELETING_TIMER_TRY = 4,	  /* timer_delete_sync_try() */
	DELETING_TIMER_SHUTDOWN = 5,
	DELETING_TIMER_SHUTDOWN_SYNC = 6,
	DELETING_WORK_CANCEL = 7, /* cancel_delayed_work() */
	DELETING_WORK_CANCEL_SYNC = 8,
	DELETING_WORK_DISABLE = 9,
	DELETING_WORK_DISABLE_SYNC = 10,
	DELETING_KTHREAD_WORK = 11, /* kthread_cancel_delayed_work_sync() */
	DELETING_FUNCTION_MAX = 12,
};

/* What a call that deletes a timer finds. */
enum delete_found {
	DELETE_FOUND_UNKNOWN = 0, /* nobody looked */
	DELETE_FOUND_ARMED = 1,
	DELETE_FOUND_NOT_ARMED = 2,
	DELETE_FOUND_RUNNING = 3, /* not armed, as its callback was being executed */
};

/*
 * Who armed a timer, and who deleted it, at more length than can be kept of every one.
 * Stacks are addresses in code, innermost first; the first ones may be those of whoever took them.
 */
struct timer_evidence {
	__u64 arm_stack_ns; /* of the arm that the stack is of; 0: none was taken */
	__u64 arm_stack[DISARMD_STACK_DEPTH];
	__u64 deleted_ns; /* as in struct tracked_timer; another value there: it is older */
	__u64 deleted_by; /* an address in the function that was called to delete it */
	__u32 deleted_pid;
	__u32 deleted_cpu;
	char deleted_comm[DISARMD_COMM_LEN];
	__u8 deleted_context; /* enum arm_context */
	__u8 deleted_found;   /* enum delete_found */
	__u8 arm_frames;
	__u8 delete_frames; /* 0: none was taken */
	__u8 reserved[4];
	__u64 delete_stack[DISARMD_STACK_DEPTH];
};
DISARMD_ASSERT_SIZE(struct timer_evidence, 56 + 2 * 8 * DISARMD_STACK_DEPTH);

/* A timer that was pending when its module was freed. */
struct pending_timer {
	__u64 timer;
	__u64 callback;
	__u64 expires;	/* meaningless while state is PENDING_CALLBACK_RUNNING */
	__u64 armed_ns; /* 0: not seen being armed */
	__u32 armed_pid;
	__u32 armed_cpu;
	char armed_comm[DISARMD_COMM_LEN];
	__u8 kind;
	__u8 armed_context;
	__u8 owned_by; /* bits of enum timer_owner */
	__u8 state;    /* enum pending_state */
	__u8 sources;  /* bits of enum evidence_source */
	__u8 reserved[3];
	__u64 deleted_ns; /* as in struct tracked_timer */
	struct timer_evidence evidence;
};
DISARMD_ASSERT_SIZE(struct pending_timer, 72 + sizeof(struct timer_evidence));

/* One module being freed. Key in the map of unloads: id. */
struct unload_record {
	__u64 id; /* freed_ns, made unique */
	__u64 freed_ns;
	__u64 begun_ns; /* delete_module, or the init that failed, was entered; 0: not seen */
	__u64 loaded_ns;
	__u64 live_ns;
	__u64 jiffies;	       /* at freed_ns */
	__u64 tracking_losses; /* lost arms since the programs were loaded, at freed_ns */
	__u64 memory_bytes;    /* of code and data; 0: its memory could not be told */
	__u32 pid;
	__u32 complete;	     /* 1 once every other field is final */
	__u32 verdict;	     /* enum unload_verdict */
	__u32 gaps;	     /* bits of enum verdict_gap */
	__u32 pending_count; /* may exceed DISARMD_PENDING_MAX */
	__u16 init_failed;   /* 1: freed because its init function failed */
	__u16 deletes_whole; /* 1: no delete since begun_ns was missed */
	__u32 rule; /* the rule that took the module: one more than its index in the map; 0: none */
	__u16 denied;	  /* enum on_unload, for its reason: it was not freed; 0: it was */
	__u16 allowed;	  /* 1: as in struct module_task */
	__u32 on_leak;	  /* enum on_leak, of that rule */
	__u32 drain_left; /* timers that were pending when the drain ended */
	__u64 drain_ns;	  /* how long the free was held so that they fire; 0: it was not */
	__u64 taints;	  /* bits by number as in /proc/sys/kernel/tainted */
	struct module_memory memory;
	char comm[DISARMD_COMM_LEN];
	char module[DISARMD_MODULE_NAME_LEN];
	char srcversion[DISARMD_SRCVERSION_LEN]; /* these two are a struct module_key; empty: none
						  */
	char version[DISARMD_VERSION_LEN];	 /* likewise */
	struct pending_timer pending[DISARMD_PENDING_MAX];
	__u64 scratch[DISARMD_SCRATCH_WORDS]; /* the kernel programs' own */
};
DISARMD_ASSERT_SIZE(struct unload_record, 448 + sizeof(struct pending_timer) * DISARMD_PENDING_MAX +
						  8 * DISARMD_SCRATCH_WORDS);

/*
 * A piece of a module's symbol table, in a ring of their own and in their order: the
 * symbols (Elf64_Sym), then their names, and maybe something behind them.
 */
#define DISARMD_SYMBOL_PIECE 4096
struct symbol_piece {
	__u64 key;     /* freed with timers pending: id of its record; being loaded: loaded_ns */
	__u32 symbols; /* that the table has */
	__u32 at;    /* of the first byte, from the table's begin; names begin behind all symbols */
	__u32 bytes; /* that are valid */
	__u32 last;  /* 1: nothing follows */
	__u8 data[DISARMD_SYMBOL_PIECE];
};
DISARMD_ASSERT_SIZE(struct symbol_piece, 24 + DISARMD_SYMBOL_PIECE);

enum notification_kind {
	NOTIFY_MODULE_LOADED = 0,
	NOTIFY_UNLOAD = 1,
	NOTIFY_UNLOAD_BEGINS = 2, /* by the task pid; of which module is not known yet */
};

/* A wake-up. It says that a map holds something new, and repeats none of it. */
struct notification {
	__u32 kind;
	__u32 pid; /* whose doing it is */
	char module[DISARMD_MODULE_NAME_LEN];
};
DISARMD_ASSERT_SIZE(struct notification, 64);

#ifdef __cplusplus
} // namespace disarmd::abi
#endif
