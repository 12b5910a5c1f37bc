/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/*
 * Where kernels differ. Each flavour (struct foo___x) names the change and the
 * version that made it; it may go when no supported kernel is on its far side.
 */

#include <disarmd/abi.h>
#include "kernel.h"
#include "maps.h"

/*
 * 6.4 (ac3b43283923 "module: replace module_layout with module_memory") gave a
 * module one memory region per kind of section in place of two layouts.
 */
struct module_memory___v6_4 {
	void *base;
	unsigned int size;
} __attribute__((preserve_access_index));

struct module___v6_4 {
	struct module_memory___v6_4 mem[1];
} __attribute__((preserve_access_index));

enum mod_mem_type___v6_4 {
	MOD_INIT_TEXT___v6_4 = 4,
};

/* 7.0 replaced the state of an hrtimer, whose lowest bit said that it is queued, by a bool. */
struct hrtimer___v7_0 {
	bool is_queued;
} __attribute__((preserve_access_index));

static __always_inline u64 hrtimer_state_offset(void)
{
	if (bpf_core_field_exists(struct hrtimer___v7_0, is_queued))
		return bpf_core_field_offset(struct hrtimer___v7_0, is_queued);
	return bpf_core_field_offset(struct hrtimer, state);
}

static __always_inline void read_range(struct memory_range *range, u64 base_addr, u64 size_addr)
{
	u32 size = 0;

	range->start = 0;
	range->size = 0;
	if (read_u64(&range->start, base_addr) || read_u32(&size, size_addr) || !range->start)
		return;
	range->size = size;
}

/*
 * Fills memory with that of the module at mod, and returns how many bytes of code
 * and data there are: 0 if they can't be told. The init sections are gone from here
 * once the kernel has freed them.
 */
static __always_inline u64 read_module_memory(u64 mod, struct module_memory *memory)
{
	u64 bytes = 0;

	if (bpf_core_field_exists(struct module___v6_4, mem)) {
		u64 mem = mod + bpf_core_field_offset(struct module___v6_4, mem);
		u64 stride = bpf_core_type_size(struct module_memory___v6_4);
		u64 size = bpf_core_field_size(struct module___v6_4, mem);
		u64 init = bpf_core_enum_value(enum mod_mem_type___v6_4, MOD_INIT_TEXT___v6_4);

#pragma unroll
		for (u32 i = 0; i < DISARMD_MODULE_RANGES; i++) {
			u64 region = mem + i * stride;

			if ((i + 1) * stride > size)
				break;
			read_range(
				&memory->ranges[i],
				region + bpf_core_field_offset(struct module_memory___v6_4, base),
				region + bpf_core_field_offset(struct module_memory___v6_4, size));
			bytes += memory->ranges[i].size;
			if (i == init)
				memory->init_text = memory->ranges[i];
		}
	} else {
		u64 base = bpf_core_field_offset(struct module_layout, base);
		u64 size = bpf_core_field_offset(struct module_layout, size);
		u64 core = mod + bpf_core_field_offset(struct module, core_layout);
		u64 init = mod + bpf_core_field_offset(struct module, init_layout);

		read_range(&memory->ranges[0], core + base, core + size);
		read_range(&memory->ranges[1], init + base, init + size);
		memory->init_text = memory->ranges[1];
		bytes = memory->ranges[0].size + memory->ranges[1].size;
	}
	/* A kernel for one CPU has none. */
	if (bpf_core_field_exists(struct module, percpu))
		read_range(&memory->percpu, mod + bpf_core_field_offset(struct module, percpu),
			   mod + bpf_core_field_offset(struct module, percpu_size));
	return bytes;
}
