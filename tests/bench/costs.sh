# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh disable=SC2154 # after tests/kernel/prelude.sh
# What operations on timers cost with each of the things that may watch them, one after the other, where the
# clock counts instructions. Each figure is a line "NAME VALUE": cost.WHAT.OPERATION.

bench=/sys/module/bench_timers/parameters

# costs WHAT OPERATION...
costs() {
	what=$1
	shift
	for operation; do
		echo "$operation" >$bench/run && echo "cost.$what.$operation $(cat $bench/cost)" >/dev/results
	done
}

# costs_under PROCESS WHAT OPERATION...: what it attached. It is stopped before, as while it waits it has a timer of its
# own in the tree, and so has the kernel for who runs in real time: the way to another timer's place is longer then.
costs_under() {
	process=$1
	shift
	sleep 1
	kill -STOP "$process"
	# Every stack is taken for 10 seconds after a module came or went.
	sleep 12
	costs "$@"
	kill -CONT "$process"
}

end_service() {
	kill -TERM "$service"
	wait "$service"
	disarmd release
}

empty_programs() {
	/add/disarmd_attach /add/empty.bpf.o >/tmp/attached &
	attached=$!
	await grep -qs attached /tmp/attached
	costs_under "$attached" floor "$@"
	kill "$attached"
	wait "$attached"
}

are_attached() {
	[ "$(bpftool perf show | wc -l)" -ge "$1" ]
}

script() {
	bpftrace /add/filter.bt >/tmp/bpftrace.log 2>&1 &
	tracer=$!
	await are_attached 7 || cat /tmp/bpftrace.log
	costs_under "$tracer" script "$@"
	kill -INT "$tracer"
	wait "$tracer"
}

timers="core_rearm core_arm_delete core_hrtimer module_rearm module_arm_delete module_hrtimer module_periodic"
insmod /modules/bench_timers.ko
# shellcheck disable=SC2086 # words
{
	costs none $timers capable
	empty_programs $timers
	script $timers
	serve
	costs_under "$service" tracepoint $timers capable
	cat >>/tmp/disarmd.toml <<-'end'
		[[policy.rule]]
		module = "vendor_*"
		on_unload = "deny"
	end
	kill -HUP "$service"
	costs_under "$service" enforcement $timers capable
	end_service
	for settings in 'probe_backend = "kprobe"' 'tracking = "off"'; do
		serve
		what=${settings#*\"}
		costs_under "$service" "${what%\"}" $timers capable
		end_service
	done
}
# What is missing is missed by whoever reads the figures.
true
