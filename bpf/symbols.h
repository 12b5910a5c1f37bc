/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/*
 * A module's own symbol table, for user space to name callbacks and stacks by. That of its init
 * functions vanishes when the init has returned, the rest with the module.
 */

#include "compat.h"
#include "maps.h"

/* Elf64_Sym (include/uapi/linux/elf.h) */
#define ELF_SYMBOL_BYTES 24
/* Of a module's symbols, and of their names: both together fit into the room for all. */
#define SYMBOL_PIECES_MAX 192

/* Of bytes from there on, the first ones. Nobody is woken: the record that follows does that. */
__weak __noinline int copy_piece(u64 key, u64 from, u32 at, u32 bytes, u32 symbols)
{
	struct symbol_piece *piece = bpf_ringbuf_reserve(&symbol_pieces, sizeof(*piece), 0);

	if (!piece) {
		count_loss(LOSS_SYMBOLS);
		return -1;
	}
	piece->key = key;
	piece->symbols = symbols;
	piece->at = at;
	piece->last = bytes <= DISARMD_SYMBOL_PIECE;
	if (bytes > DISARMD_SYMBOL_PIECE)
		bytes = DISARMD_SYMBOL_PIECE;
	piece->bytes = bytes;
	if (read_kernel(piece->data, bytes, from)) {
		count_loss(LOSS_SYMBOLS);
		bpf_ringbuf_discard(piece, BPF_RB_NO_WAKEUP);
		return -1;
	}
	bpf_ringbuf_submit(piece, BPF_RB_NO_WAKEUP);
	return 0;
}

/* All of it from there on, which is followed by more. Returns 0, or -1 where that failed. */
__weak __noinline int copy_pieces(u64 key, u64 from, u32 at, u32 bytes, u32 symbols)
{
	for (u32 i = 0; i < SYMBOL_PIECES_MAX; i++) {
		u32 done = i * DISARMD_SYMBOL_PIECE;

		if (done >= bytes)
			return 0;
		if (copy_piece(key, from + done, at + done, bytes - done, symbols))
			return -1;
	}
	count_loss(LOSS_SYMBOLS);
	return -1;
}

/* Under the key, where the module's memory is still there. */
static __always_inline void copy_symbols_of(u64 mod, const struct module_memory *memory, u64 key)
{
	u64 kallsyms = 0, symtab = 0, strtab = 0;
	u32 symbols = 0, name_bytes = 0;

	if (read_u64(&kallsyms, mod + bpf_core_field_offset(struct module, kallsyms)) ||
	    read_u64(&symtab, kallsyms + bpf_core_field_offset(struct mod_kallsyms, symtab)) ||
	    read_u64(&strtab, kallsyms + bpf_core_field_offset(struct mod_kallsyms, strtab)) ||
	    read_u32(&symbols, kallsyms + bpf_core_field_offset(struct mod_kallsyms, num_symtab))) {
		count_loss(LOSS_SYMBOLS);
		return;
	}
	/* How long the names are is not kept: they end with the memory that they lie in, or before.
	 */
#pragma unroll
	for (u32 i = 0; i < DISARMD_MODULE_RANGES; i++) {
		if (in_range(&memory->ranges[i], strtab))
			name_bytes = memory->ranges[i].size - (strtab - memory->ranges[i].start);
	}
	if (!copy_pieces(key, symtab, 0, symbols * ELF_SYMBOL_BYTES, symbols))
		copy_pieces(key, strtab, symbols * ELF_SYMBOL_BYTES, name_bytes, symbols);
}
