/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/*
 * The walk over all of the kernel's armed timers. It is a machine that advances by one
 * small step at a time, with all of its state in a map, so that one body serves every
 * kernel: bpf_loop() drives it where the kernel has that (5.17+), bounded loops where not.
 * Here is its state; scan.h holds the steps through wheels and trees, look.h those that
 * only the look for a module that is being freed takes.
 */

#include "maps.h"
#include "timers.h"

enum walk_phase {
	/* of the survey */
	WALK_AREAS,   /* index: CPU */
	WALK_MODULES, /* node: in the list of modules */
	/* of the survey and of every look */
	WALK_WHEEL,  /* index: wheel */
	WALK_WORD,   /* word: of the wheel's bitmap */
	WALK_BUCKET, /* bits: of the word, not yet walked */
	WALK_LIST,   /* node, link: in the bucket's list */
	WALK_TREE,   /* index: tree */
	WALK_EDGE,   /* node, from: in the tree */
	/* of every look */
	WALK_RUNNING,	 /* index: wheel */
	WALK_RUNNING_HR, /* index: tree */
	WALK_ORPHANS,	 /* word: how far back in their ring */
	WALK_RECENT,	 /* index: CPU, word: how far back in its ring */
	WALK_DONE,
	/* All tracked timers are to be gone through, by the program itself. */
	WALK_TABLE,
};

enum walk_stage {
	STAGE_SURVEY,
	STAGE_FIRST, /* when the module begins to be freed */
	STAGE_LATE,  /* what was armed since, when its memory goes */
	STAGE_AGAIN, /* everything again then, as the first look was not whole */
};

/* What a walk for a module is to find out. */
enum walk_purpose {
	FOR_VERDICT,  /* what is pending as it is freed */
	FOR_QUESTION, /* the same, were it freed now: nothing becomes an orphan by it */
	FOR_DRAIN,    /* how many are left, and whether they will go soon */
};

/* Lies in the scratch of an unload's record. */
struct walk {
	u64 loading_ns; /* the module's load began; 0: not seen */
	u64 again_ns;	/* the first look at the end of the memory; 0: not yet */
	u64 since_ns;	/* arms from here on are recent */
	u64 lost_arms;	/* until here */
	u64 base;	/* of the wheel or tree */
	u64 bits;
	u64 head;
	u64 link; /* address of the pointer that leads to node */
	u64 node;
	u64 from;   /* the node of a tree that led to this one */
	u64 path;   /* from the root to node: the lowest bit is the last step; 1: to the right */
	u64 module; /* address of its struct module */
	/* of a drain */
	u64 until_ns; /* it ends then, at the latest */
	u64 next_ns;  /* the first of what was found is due; 0: none is before the end */
	u32 found;
	u32 hopeless; /* of these: not gone by the end, whatever happens */
	u32 due;      /* of these: its time has come */
	u32 stage;
	u32 phase;
	u32 index;
	u32 word;
	u32 bucket;
	u32 steps;
	u32 gaps; /* of this look */
	u8 attempt;
	u8 list_attempt;
	u8 expiring;
	u8 descends;
	u8 asked_tracking;
	u8 repeats;
	u8 purpose; /* enum walk_purpose */
};
_Static_assert(sizeof(struct walk) <= DISARMD_SCRATCH_WORDS * 8, "a record's scratch holds it");

/* A timer that a step came across. */
struct find {
	u64 timer; /* 0: none */
	struct timer_facts facts;
	u8 sources;
	u8 state;
};

/* Beyond the bound nothing more is scanned; what is running or was armed lately is. */
static __always_inline bool over_bound(struct walk *walk)
{
	if (walk->steps++ < scan_steps)
		return false;
	walk->gaps |= GAP_SCAN_BOUND;
	return true;
}

static __always_inline void after_scan(struct walk *walk)
{
	walk->index = 0;
	walk->phase = walk->stage == STAGE_SURVEY ? WALK_DONE : WALK_RUNNING;
}
