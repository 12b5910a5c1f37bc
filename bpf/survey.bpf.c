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

/*
 * What the programs of an earlier daemon knew when these were attached, put there by user space.
 * The survey takes of it what still holds.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1); /* user space sizes both */
	__type(key, u64);
	__type(value, struct tracked_timer);
} inherited_timers SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, u64);
	__type(value, struct module_instance);
} inherited_modules SEC(".maps");

/* It is armed as it was then, so that it has not been armed since. */
static __always_inline struct tracked_timer *known_timer(const struct find *find)
{
	struct tracked_timer *known = bpf_map_lookup_elem(&inherited_timers, &find->timer);

	if (!known || !known->armed || find->state != PENDING_ARMED ||
	    known->callback != find->facts.callback || known->expires != find->facts.expires ||
	    known->kind != find->facts.kind)
		return NULL;
	return known;
}

static __always_inline void inherit_timer(struct tracked_timer *entry,
					  const struct tracked_timer *known)
{
	entry->armed_pid = known->armed_pid;
	entry->armed_cpu = known->armed_cpu;
	__builtin_memcpy(entry->armed_comm, known->armed_comm, sizeof(entry->armed_comm));
	entry->armed_context = known->armed_context;
	entry->deleted_ns = known->deleted_ns;
	entry->reported = known->reported;
	entry->orphaned = known->orphaned;
	entry->rearmed = known->rearmed;
	entry->surveyed = known->surveyed;
	entry->armed_ns = known->armed_ns;
}

/* Of a load that was seen the memory of its init, given back since, is known as well. */
static __always_inline bool is_load_of(const struct module_memory *known,
				       const struct module_memory *now)
{
	u64 differ = 0;

#pragma unroll
	for (u32 i = 0; i < DISARMD_MODULE_RANGES; i++)
		if (now->ranges[i].size)
			differ |= (known->ranges[i].start ^ now->ranges[i].start) |
				  (known->ranges[i].size ^ now->ranges[i].size);
	return !differ;
}

static __always_inline void inherit_module(u64 mod, struct module_instance *instance)
{
	struct module_instance *known = bpf_map_lookup_elem(&inherited_modules, &mod);
	u64 differ = 0;

	if (!known)
		return;
#pragma unroll
	for (u32 i = 0; i < DISARMD_MODULE_NAME_LEN / 8; i++)
		differ |= ((u64 *)known->name)[i] ^ ((u64 *)instance->name)[i];
	if (differ || !is_load_of(&known->memory, &instance->memory))
		return;
	instance->loaded_ns = known->loaded_ns;
	instance->live_ns = known->live_ns;
	instance->begun_ns = known->begun_ns;
	instance->memory.init_text = known->memory.init_text;
}

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
	inherit_module(mod, instance);
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
	struct tracked_timer *entry, *known;
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
	if (!find.timer || !(in_module_space(find.facts.callback) || in_module_space(find.timer)))
		return;
	known = known_timer(&find);
	/* Nobody would see the end of others. */
	if (!tracks && !(known && known->orphaned))
		return;
	entry = find_or_track(&find);
	if (!entry)
		return;
	/*
	 * While these programs were being attached they may have taken for an arm what was none:
	 * the earlier ones saw that as well, and saw it whole.
	 */
	if (known && entry->armed_ns < inheriting_ns)
		inherit_timer(entry, known);
	if (!entry->armed_ns && !entry->reported) {
		entry->armed_ns = watching_ns;
		entry->surveyed = 1;
	}
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
