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

static __always_inline u32 add_range(struct memory_range *ranges, u32 count, u64 start, u32 size)
{
	if (!start || !size || count >= DISARMD_MODULE_RANGES)
		return count;
	ranges[count].start = start;
	ranges[count].size = size;
	return count + 1;
}

static __always_inline u32 add_range_at(struct memory_range *ranges, u32 count, u64 base_addr,
					u64 size_addr)
{
	u64 start = 0;
	u32 size = 0;

	if (read_u64(&start, base_addr) || read_u32(&size, size_addr))
		return count;
	return add_range(ranges, count, start, size);
}

/*
 * Fills ranges (all zero before) with the memory of the module at mod, and
 * returns how many there are: 0 if they can't be told. A range of init sections
 * is gone from here once the kernel has freed it.
 */
static __always_inline u32 read_module_ranges(u64 mod, struct memory_range *ranges)
{
	u32 count = 0;

	if (bpf_core_field_exists(struct module___v6_4, mem)) {
		u64 mem = mod + bpf_core_field_offset(struct module___v6_4, mem);
		u64 stride = bpf_core_type_size(struct module_memory___v6_4);
		u64 bytes = bpf_core_field_size(struct module___v6_4, mem);

		for (u32 i = 0; i < DISARMD_MODULE_RANGES && (i + 1) * stride <= bytes; i++) {
			u64 region = mem + i * stride;

			count = add_range_at(
				ranges, count,
				region + bpf_core_field_offset(struct module_memory___v6_4, base),
				region + bpf_core_field_offset(struct module_memory___v6_4, size));
		}
	} else {
		u64 base = bpf_core_field_offset(struct module_layout, base);
		u64 size = bpf_core_field_offset(struct module_layout, size);
		u64 core = mod + bpf_core_field_offset(struct module, core_layout);
		u64 init = mod + bpf_core_field_offset(struct module, init_layout);

		count = add_range_at(ranges, count, core + base, core + size);
		count = add_range_at(ranges, count, init + base, init + size);
	}
	return count;
}
