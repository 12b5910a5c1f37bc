/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/*
 * The operator's rules, as user space has put them here: which of them takes a module. They hold
 * without the daemon as well.
 */

#include "maps.h"

/* Twice as many as are in force: the others are written meanwhile. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2 * DISARMD_RULES_MAX);
	__type(key, u32);
	__type(value, struct policy_rule);
} rules __weak SEC(".maps");

/* Those in force: the index of the first, and how many (in the lower half). Set by user space. */
__u64 rules_in_force __weak = 0;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, struct module_key);
	__type(value, u32); /* bits of enum module_fact */
} module_facts __weak SEC(".maps");

/* Loaded modules by name, and the addresses of their struct module. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 2048);
	__type(key, char[DISARMD_MODULE_NAME_LEN]);
	__type(value, u64);
} module_names __weak SEC(".maps");

/*
 * What operators let through, once. By name, padded with NULs. User space pins it: whoever may
 * write it may unload modules.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, char[DISARMD_MODULE_NAME_LEN]);
	__type(value, struct permission);
} permissions __weak SEC(".maps");

/* Modules that tasks (pid_tgid) want the rule of. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__type(key, u64);
	__type(value, struct module_key);
} questions __weak SEC(".maps");

static __always_inline bool same_srcversion(const char *one, const char *other)
{
	const u64 *left = (const u64 *)one, *right = (const u64 *)other;
	u64 differ = 0;

#pragma unroll
	for (u32 i = 0; i < DISARMD_SRCVERSION_LEN / 8; i++)
		differ |= left[i] ^ right[i];
	return !differ;
}

/* A global function, as the verifier goes through these but once. */
__weak __noinline int takes_question(u32 index, u64 task)
{
	struct module_key *question = bpf_map_lookup_elem(&questions, &task);
	struct policy_rule *rule = bpf_map_lookup_elem(&rules, &index);

	if (!question || !rule || !takes_name(rule, question->name))
		return 0;
	return !rule->srcversion[0] || same_srcversion(rule->srcversion, question->srcversion);
}

/*
 * The first rule in force that takes what the task asks for: one more than its index in the map, as
 * others may be in force a moment later; 0: none does.
 */
static __always_inline u32 first_rule(u64 task)
{
	u64 in_force = rules_in_force;
	u32 first = in_force >> 32, count = in_force;

	for (u32 i = 0; i < DISARMD_RULES_MAX; i++) {
		if (i >= count)
			break;
		if (takes_question(first + i, task))
			return first + i + 1;
	}
	return 0;
}

static __always_inline struct policy_rule *rule_numbered(u32 number)
{
	u32 index = number - 1;

	return number ? bpf_map_lookup_elem(&rules, &index) : NULL;
}
