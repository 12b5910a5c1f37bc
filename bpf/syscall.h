/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/*
 * Whether a task unloads a module, by the registers that it entered the kernel with, and may.
 */

#include "maps.h"

#define PF_KTHREAD 0x00200000 /* include/linux/sched.h */

/* As the system call is about to ask. Others come to nothing, and may come as often as they like.
 */
static __always_inline bool may_unload(void)
{
	u64 task = bpf_get_current_task(), cred = 0, caps = 0, ns = 0;
	u32 level = 0;

	if (read_u64(&cred, task + bpf_core_field_offset(struct task_struct, cred)) ||
	    read_u64(&caps, cred + bpf_core_field_offset(struct cred, cap_effective)) ||
	    read_u64(&ns, cred + bpf_core_field_offset(struct cred, user_ns)) ||
	    read_u32(&level, ns + bpf_core_field_offset(struct user_namespace, level)))
		return true; /* rather one too many */
	return caps & (1ULL << CAP_SYS_MODULE) && !level;
}

#if defined(__TARGET_ARCH_x86)
#define DELETE_MODULE	     176 /* arch/x86/entry/syscalls/syscall_64.tbl */
#define DELETE_MODULE_COMPAT 129 /* syscall_32.tbl */
#define X32_SYSCALL_BIT	     0x40000000
#define TS_COMPAT	     2	   /* arch/x86/include/asm/thread_info.h */
#define THREAD_SIZE	     16384 /* arch/x86/include/asm/page_64_types.h, without KASAN */

struct pt_regs___x86 {
	unsigned long di, bx, orig_ax;
} __attribute__((preserve_access_index));

/* 5.15 (dd6e10fbd9fb) gave programs a helper that knows where the registers are. */
static __always_inline u64 user_registers(u64 task)
{
	u64 stack = 0;

	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_task_pt_regs))
		return (u64)bpf_task_pt_regs(bpf_get_current_task_btf());
	if (read_u64(&stack, task + bpf_core_field_offset(struct task_struct, stack)))
		return 0;
	return stack + THREAD_SIZE - bpf_core_type_size(struct pt_regs___x86);
}

/* Whether the current task is in delete_module, and where in its memory the module's name is. Not
 * inline, as record_module(). */
static __noinline __attribute__((unused)) bool in_delete_module(u64 *name_at)
{
	u64 task = bpf_get_current_task(), registers, number = 0;
	u32 flags = 0, status = 0;

	if (read_u32(&flags, task + bpf_core_field_offset(struct task_struct, flags)) ||
	    flags & PF_KTHREAD ||
	    read_u32(&status, task + bpf_core_field_offset(struct task_struct, thread_info) +
				      bpf_core_field_offset(struct thread_info, status)))
		return false;
	registers = user_registers(task);
	if (!registers ||
	    read_u64(&number, registers + bpf_core_field_offset(struct pt_regs___x86, orig_ax)))
		return false;
	if (status & TS_COMPAT) {
		if ((u32)number != DELETE_MODULE_COMPAT ||
		    read_u64(name_at, registers + bpf_core_field_offset(struct pt_regs___x86, bx)))
			return false;
		*name_at = (u32)*name_at;
		return true;
	}
	/* Of the register the kernel takes the lower half (since 5.14). */
	return ((u32)number & ~X32_SYSCALL_BIT) == DELETE_MODULE &&
	       !read_u64(name_at, registers + bpf_core_field_offset(struct pt_regs___x86, di));
}
#else
#error "which system call a task is in is not known of this architecture"
#endif
