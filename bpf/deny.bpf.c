// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause

/*
 * Whether a module may be unloaded: the delete_module system call asks for CAP_SYS_MODULE first,
 * and is told that the task has not got it where a rule says so. The module is not touched.
 */

#include "judge.h"
#include "policy.h"
#include "syscall.h"

#define EPERM 1
/* Looks, until one is whole. */
#define QUESTION_ATTEMPTS 4

/* Set by user space, padded with NULs. One that is denied shows that denying works. */
#define PROOF_BYTES 32
const volatile char proof_name[PROOF_BYTES] __weak = DISARMD_PROOF_NAME;
__u64 proofs __weak = 0; /* how often it was denied */

static __always_inline bool is_proof(const char *name)
{
	u32 differ = 0;

	for (u32 i = 0; i < PROOF_BYTES; i++)
		differ |= name[i] ^ proof_name[i];
	return !differ;
}

/* As is a module's own, while it lives. */
static __noinline void read_srcversion(struct module_key *key, u64 mod)
{
	read_string(key->srcversion, sizeof(key->srcversion),
		    mod + bpf_core_field_offset(struct module, srcversion));
}

/* Nobody is told of it, and nobody counts it. */
static __always_inline void forget_record(struct unload_record *record)
{
	u64 id = record->id;

	bpf_map_delete_elem(&unloads, &id);
}

/* Whether any timer of the module is armed now, which the record then tells. */
static __always_inline bool is_armed(struct unload_record *record)
{
	struct walk *walk = (struct walk *)record->scratch;
	u64 id = record->id;

	for (u32 i = 0; i < QUESTION_ATTEMPTS; i++) {
		begin_look(walk, STAGE_FIRST);
		for (u32 turn = 0; turn < UNROLLED_TURNS; turn++) {
			if (advance_most(id))
				break;
		}
		if (record->pending_count)
			return true;
		if (walk->phase == WALK_DONE && !(walk->gaps & (SCAN_GAPS | PASSING_GAPS)))
			return false;
	}
	/* It can't be told. */
	count_loss(LOSS_DECISION);
	return false;
}

/* Whether an operator has allowed this one. It is used up once the module is being freed. */
static __noinline bool is_permitted(const char *name)
{
	struct permission *permission = bpf_map_lookup_elem(&permissions, name);

	return permission && permission->until_ns > bpf_ktime_get_ns();
}

static __noinline void tell_denied(struct unload_record *record, u64 mod, u64 reason)
{
	if (unloads_kept >= unloads_max) {
		count_loss(LOSS_UNLOAD_MAP);
		forget_record(record);
		return;
	}
	__sync_fetch_and_add(&unloads_kept, 1);
	record->denied = reason;
	if (record->pending_count)
		copy_symbols_of(mod, &record->memory, record->id);
	record->complete = 1;
	notify(NOTIFY_UNLOAD, record->module);
}

/* The answer to one question: 0, or why not (enum on_unload). */
static __always_inline u64 decide(struct module_key *question, u64 mod, u32 number,
				  struct module_task *doing)
{
	struct policy_rule *rule = rule_numbered(number);
	struct unload_record *record;
	/*
	 * Not 32 bits: of such a one, once it is kept on the stack, 5.10's verifier takes a value
	 * that it has on one path for what it has on every one, and removes what it takes for dead
	 * code.
	 */
	u64 reason;
	u32 *facts;

	if (!rule || rule->on_unload == ON_UNLOAD_ALLOW)
		return 0;
	reason = rule->on_unload;
	facts = bpf_map_lookup_elem(&module_facts, question);
	if (reason == ON_UNLOAD_DENY_IF_LEAKED_BEFORE && !(facts && *facts & FACT_LEAKED_BEFORE))
		return 0;
	if (reason == ON_UNLOAD_DENY_IF_PREFLIGHT_FAILS &&
	    !(facts && *facts & FACT_PREFLIGHT_FAILS))
		return 0;
	record = record_module(mod, 1);
	if (!record) {
		/* It is denied and not told, but for what only a look can say. */
		count_loss(reason == ON_UNLOAD_DENY_IF_ARMED ? LOSS_DECISION : LOSS_UNLOAD_MAP);
		return reason == ON_UNLOAD_DENY_IF_ARMED ? 0 : reason;
	}
	((struct walk *)record->scratch)->purpose = FOR_QUESTION;
	if (reason == ON_UNLOAD_DENY_IF_ARMED && !is_armed(record)) {
		forget_record(record);
		return 0;
	}
	if (doing && is_permitted(question->name)) {
		doing->allowed = 1;
		forget_record(record);
		return 0;
	}
	record->rule = number;
	tell_denied(record, mod, reason);
	return reason;
}

/* Not inline, as record_module(). */
static __noinline struct module_key *new_question(u64 task)
{
	struct module_key blank = {};

	bpf_map_update_elem(&questions, &task, &blank, BPF_ANY);
	return bpf_map_lookup_elem(&questions, &task);
}

static __noinline int read_name(struct module_key *question, u64 name_at)
{
	long length = bpf_probe_read_user_str(question->name, sizeof(question->name),
					      (const void *)name_at);

	/* It is a key, and compared whole: nothing may be behind its end. */
	for (u32 i = 0; i < sizeof(question->name); i++) {
		if (i >= length)
			question->name[i] = 0;
	}
	return length < 0;
}

static __always_inline int answer(u64 name_at)
{
	struct module_key *question;
	u64 task = bpf_get_current_pid_tgid();
	struct module_task *doing;
	u64 reason = 0;
	u64 *mod;

	/* A module's exit function may ask for the capability as well, for whatever else. */
	doing = bpf_map_lookup_elem(&module_tasks, &task);
	if (doing && doing->asked)
		return 0;
	if (doing)
		doing->asked = 1;
	question = new_question(task);
	if (!question) {
		count_loss(LOSS_DECISION);
		return 0;
	}
	if (read_name(question, name_at)) {
		/* It is in memory that is still to be fetched: the kernel will, and this can't. */
		count_loss(LOSS_DECISION);
	} else if (is_proof(question->name)) {
		__sync_fetch_and_add(&proofs, 1);
		reason = ON_UNLOAD_DENY;
	} else {
		/* What is not loaded the kernel says itself. */
		mod = bpf_map_lookup_elem(&module_names, question->name);
		if (mod) {
			read_srcversion(question, *mod);
			reason = decide(question, *mod, first_rule(task), doing);
		}
	}
	bpf_map_delete_elem(&questions, &task);
	return reason ? -EPERM : 0;
}

/*
 * The arguments of security_capable(): cred, user namespace, capability, options. What either
 * program is handed besides is another program's answer.
 */
static __always_inline int deny(const u64 *ctx)
{
	u64 name_at = 0;
	/* Of an argument that is narrower than its register the rest is anything. */
	u32 capability = ctx[2];
	int before = ctx[4];

	if (capability != CAP_SYS_MODULE || before || !in_delete_module(&name_at) || !may_unload())
		return before;
	return answer(name_at);
}

/* Where the kernel has programs as a security module: after all others that may have denied it. */
SEC("lsm/capable")
int deny_unload_by_lsm(u64 *ctx)
{
	return deny(ctx);
}

/*
 * Where not, before them. A task in this one, if it is preempted (7.0+, or preempt=full), keeps
 * others on that CPU from being asked.
 */
SEC("fmod_ret/security_capable")
int deny_unload(u64 *ctx)
{
	return deny(ctx);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
