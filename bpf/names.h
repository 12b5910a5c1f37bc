/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/*
 * The names of callbacks, which vanish with the module that is being freed.
 */

#include "maps.h"
#include "walk.h"

#define SYMBOLS_PER_STEP 4
/* Elf64_Sym (include/uapi/linux/elf.h) */
#define ELF_SYMBOL_BYTES	24
#define ELF_SYMBOL_VALUE_OFFSET 8

/* Callbacks whose names are wanted, for the record of that id. */
struct callback_name {
	u64 record;
	char symbol[DISARMD_SYMBOL_LEN];
};

/* Not an LRU: with few elements it forgets what was put there just now. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, u64);
	__type(value, struct callback_name);
} callback_names __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct callback_name);
} blank_name __weak SEC(".maps");

static __always_inline void want_name(u64 callback, u64 record)
{
	struct callback_name *name = bpf_map_lookup_elem(&callback_names, &callback);
	u32 zero = 0;

	if (name && name->record == record)
		return;
	name = bpf_map_lookup_elem(&blank_name, &zero);
	if (!name)
		return;
	/* Without a name it is reported by address. */
	bpf_map_update_elem(&callback_names, &callback, name, BPF_ANY);
	name = bpf_map_lookup_elem(&callback_names, &callback);
	if (name)
		name->record = record;
}

static __always_inline void walk_symbols(struct walk *walk, const struct unload_record *record)
{
#pragma unroll
	for (u32 i = 0; i < SYMBOLS_PER_STEP; i++) {
		u64 symbol = walk->symtab + (u64)walk->index * ELF_SYMBOL_BYTES;
		struct callback_name *name;
		u64 value = 0;
		u32 at = 0;

		if (walk->index >= walk->symbols ||
		    read_u64(&value, symbol + ELF_SYMBOL_VALUE_OFFSET)) {
			walk->index = 0;
			walk->phase = WALK_NAMES;
			return;
		}
		walk->index++;
		name = bpf_map_lookup_elem(&callback_names, &value);
		if (name && name->record == record->id && !name->symbol[0] &&
		    !read_u32(&at, symbol))
			bpf_probe_read_kernel_str(name->symbol, sizeof(name->symbol),
						  (const void *)(walk->strtab + at));
	}
}

static __always_inline void walk_names(struct walk *walk, struct unload_record *record)
{
	struct callback_name *name;
	u32 index = walk->index;
	u64 callback;

	if (index >= record->pending_count || index >= DISARMD_PENDING_MAX) {
		walk->index = 0;
		walk->phase = walk->phase == WALK_NAMES ? WALK_NAMES_END : WALK_DONE;
		return;
	}
	walk->index = index + 1;
	callback = record->pending[index].callback;
	name = bpf_map_lookup_elem(&callback_names, &callback);
	if (!name || name->record != record->id)
		return;
	if (walk->phase == WALK_NAMES_END)
		bpf_map_delete_elem(&callback_names, &callback);
	else
		__builtin_memcpy(record->pending[index].symbol, name->symbol, sizeof(name->symbol));
}
