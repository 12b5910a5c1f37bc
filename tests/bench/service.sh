# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh disable=SC2034,SC2154 # after tests/kernel/prelude.sh
# What the service takes of a machine, and how soon it knows of a leak, where the clock counts instructions: it goes on
# by a nanosecond with each. Each figure is a line "NAME VALUE".

tell() {
	echo "$1 $2" >/dev/results
}

milliseconds() {
	awk '{ print int($1 * 1000) }' /proc/uptime
}

# Of the service, from its exec until it watches.
start_up() {
	printf '[sinks]\nunloads_file = "/tmp/unloads"\n' >/tmp/disarmd.toml
	mkfifo /tmp/said
	begin=$(milliseconds)
	disarmd --verbose run --config /tmp/disarmd.toml 2>/tmp/said &
	service=$!
	exec 3</tmp/said
	while read -r line <&3; do
		case $line in *' watching '*) break ;; esac
	done
	tell service.start_ms $(($(milliseconds) - begin))
	cat <&3 >/tmp/service.log &
}

end_service() {
	kill -TERM "$service"
	wait "$service"
	disarmd release
}

# Of all its threads: nanoseconds on a CPU, and how often it was woken.
cpu_ns() {
	cat /proc/"$service"/task/*/schedstat | awk '{ sum += $1 } END { printf "%.0f", sum }'
}

wake_ups() {
	cat /proc/"$service"/task/*/status | awk '/^voluntary_ctxt_switches/ { sum += $2 } END { print sum + 0 }'
}

at_rest() {
	sleep 15
	cpu=$(cpu_ns) woken=$(wake_ups)
	sleep 100
	tell service.cpu_ppm "$(awk "BEGIN { print ($(cpu_ns) - $cpu) / 100000 }")"
	tell service.wake_ups_per_s "$(awk "BEGIN { print ($(wake_ups) - $woken) / 100 }")"
}

# rss NAME: also after somebody has looked at its metrics.
rss() {
	wget -qO /dev/null http://127.0.0.1:9958/metrics
	sleep 1
	tell "$1" "$(awk '/^VmRSS/ { print $2 }' "/proc/$service/status")"
}

maps() {
	tell "$1" "$(bpftool map show --json | tr ',' '\n' |
		awk -F: '/bytes_memlock/ { gsub(/[^0-9]/, "", $2); sum += $2 } END { print int(sum / 1024) }')"
}

# Of the programs that give the verdict as a module is freed.
verdicts_ns() {
	bpftool prog show | awk '/name (on|look_at)_module_free/ {
		for (i = 1; i < NF; i++) if ($i == "run_time_ns") sum += $(i + 1) } END { printf "%.0f", sum }'
}

median() {
	sort -n | awk '{ value[NR] = $1 } END { print value[int((NR + 1) / 2)] }'
}

# verdicts NAME: what a clean one takes.
verdicts() {
	for _ in 1 2 3 4 5; do
		insmod /modules/zoo_nothing.ko
		begin=$(verdicts_ns)
		rmmod zoo_nothing
		echo $(($(verdicts_ns) - begin))
	done >/tmp/took
	tell "$1" "$(median </tmp/took)"
}

# From the begin of free_module() until the line is in the kernel's log.
kernel_log() {
	trace=/sys/kernel/tracing
	echo mono >$trace/trace_clock
	echo "p:free free_module" >$trace/kprobe_events
	echo "r:kmsg vprintk_store" >>$trace/kprobe_events
	echo 'comm == "disarmd"' >$trace/events/kprobes/kmsg/filter
	echo 1 >$trace/events/kprobes/enable
	for _ in 1 2 3 4 5; do
		insmod /modules/zoo_timer_alloc.ko delay_ms=36000000
		sleep 1
		rmmod zoo_timer_alloc
		sleep 1
	done
	echo 0 >$trace/events/kprobes/enable
	awk '{ at = 0; for (i = 1; i <= NF; i++) if ($i ~ /^[0-9]+\.[0-9]+:$/) { at = $i * 1000000; what = $(i + 1) } }
		what == "free:" { begin = at }
		what == "kmsg:" && begin { printf "%d\n", at - begin; begin = 0 }' $trace/trace >/tmp/took
	[ "$(wc -l </tmp/took)" = 5 ] && tell service.kernel_log_us "$(median </tmp/took)"
	: >$trace/kprobe_events
}

cpus=$(sed 's/.*-//' /sys/devices/system/cpu/possible)
cpus=$((cpus + 1))
echo 1 >/proc/sys/kernel/bpf_stats_enabled
if [ "$cpus" = 2 ]; then
	start_up
	at_rest
	maps service.maps_kib
	rss service.rss_kib
	verdicts verdict.2_cpus.0_timers
	kernel_log
	end_service
	limits='[limits]
armed_timers = 131072'
	serve
	for timers in 1000 10000 100000; do
		insmod /modules/zoo_timer_alloc.ko count=$timers delay_ms=36000000 end=delete
		verdicts verdict.2_cpus.${timers}_timers
		[ $timers = 100000 ] || rmmod zoo_timer_alloc
	done
	rss service.rss_kib.100000_timers
else
	serve
	maps "service.maps_kib.${cpus}_cpus"
	verdicts "verdict.${cpus}_cpus.0_timers"
fi
# What is missing is missed by whoever reads the figures.
true
