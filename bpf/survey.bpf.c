// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause

/*
 * Run by user space after every other program is attached: makes known what was
 * there before, the modules that are loaded and their armed timers.
 */

#include "kernel.h"
#include "compat.h"
#include "policy.h"
#include "report.h"
#include "scan.h"

/* One run takes this many, squared, steps; user space runs it again until it is done. */
#define TURNS		  64
#define SURVEY_UNFINISHED (1U << 31)

/* Set by user space to begin anew. */
__u32 survey_begins __weak = 0;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct walk);
} survey_walk SEC(".maps");

/* An unload record's worth of module, too large for the stack; only this program's. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct module_instance);
} survey_module SEC(".maps");

static __always_inline void walk_areas(struct walk *walk)
{
	u32 cpu = walk->index++;
	u64 area = 0;

	if (cpu >= possible_cpus || !per_cpu_offset) {
		walk->phase = WALK_MODULES;
		walk->node = 0;
		return;
	}
	if (read_u64(&area, per_cpu_offset + 8 * (u64)cpu))
		walk->gaps |= GAP_SCAN_UNREADABLE;
	else
		bpf_map_update_elem(&percpu_areas, &area, &cpu, BPF_ANY);
}

static __always_inline void walk_modules(struct walk *walk)
{
	struct module_instance *instance;
	u32 zero = 0;
	u64 mod;

	if (!walk->node && (!modules_list || read_u64(&walk->node, modules_list))) {
		walk->gaps |= GAP_SCAN_UNREADABLE;
		begin_scan(walk);
		return;
	}
	if (walk->node == modules_list) {
		begin_scan(walk);
		return;
	}
	instance = bpf_map_lookup_elem(&survey_module, &zero);
	if (!instance)
		return;
	__builtin_memset(instance, 0, sizeof(*instance));
	mod = walk->node - bpf_core_field_offset(struct module, list);
	if (read_kernel(&instance->name, sizeof(instance->name),
			mod + bpf_core_field_offset(struct module, name)) ||
	    read_u64(&walk->node, walk->node)) {
		/* It was unloaded under the reader. */
		walk->gaps |= GAP_SCAN_MOVING;
		begin_scan(walk);
		return;
	}
	read_module_memory(mod, &instance->memory);
	/* A load that on_module_load has seen meanwhile knows more. */
	bpf_map_update_elem(&modules, &mod, instance, BPF_NOEXIST);
	bpf_map_update_elem(&module_names, &instance->name, &mod, BPF_NOEXIST);
}

static __always_inline void survey_begin(struct walk *walk)
{
	u32 mult = 0, shift = 0;

	if (jiffies_clocksource &&
	    !read_u32(&mult,
		      jiffies_clocksource + bpf_core_field_offset(struct clocksource, mult)) &&
	    !read_u32(&shift,
		      jiffies_clocksource + bpf_core_field_offset(struct clocksource, shift)))
		tick_ns = mult >> (shift & 31);
	survey_jiffies = bpf_jiffies64();
	survey_ns = bpf_ktime_get_ns();
	__builtin_memset(walk, 0, sizeof(*walk));
	walk->stage = STAGE_SURVEY;
	walk->phase = WALK_AREAS;
	survey_begins = 0;
}

static __always_inline void survey_step(struct walk *walk)
{
	struct find find = {};

	switch (walk->phase) {
	case WALK_AREAS:
		walk_areas(walk);
		break;
	case WALK_MODULES:
		walk_modules(walk);
		break;
	default:
		scan_step(walk, &find);
		break;
	}
	if (find.timer && (in_module_space(find.facts.callback) || in_module_space(find.timer)))
		find_or_track(&find);
}

/* Verified once, for itself. Returns whether it is done. */
__noinline int survey_once(void)
{
	u32 zero = 0;
	struct walk *walk = bpf_map_lookup_elem(&survey_walk, &zero);

	if (!walk)
		return 1;
	if (survey_begins)
		survey_begin(walk);
	if (walk->phase == WALK_DONE)
		return 1;
	survey_step(walk);
	return 0;
}

__noinline int survey_some(void)
{
	for (u32 i = 0; i < TURNS; i++) {
		if (survey_once())
			return 1;
	}
	return 0;
}

/* Returns the gaps (enum verdict_gap), or that there is more to do. */
SEC("raw_tp")
int survey(void *ctx)
{
	u32 zero = 0;
	struct walk *walk;

	for (u32 i = 0; i < TURNS; i++) {
		if (!survey_some())
			continue;
		walk = bpf_map_lookup_elem(&survey_walk, &zero);
		if (!walk)
			return GAP_SCAN_UNREADABLE;
		if (!walk->gaps)
			survey_complete = 1;
		return walk->gaps;
	}
	return SURVEY_UNFINISHED;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
