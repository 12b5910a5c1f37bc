# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# Functions for the guest's shell, before a scenario's own commands.

# The last line of $1, as a JSON string.
json_last_line() {
	sed -n '$p' "$1" | tr -c '\n -~' '?' | sed 's/\\/\\\\/g; s/"/\\"/g; s/^/"/; s/$/"/' | grep . || echo '""'
}

# report NAME COMMAND...: runs it and sends {"name", "exit", "out", "error"}: its one-line JSON
# output (null if there is none) and the last line that it wrote to standard error.
report() {
	name=$1
	shift
	"$@" >/tmp/report.out 2>/tmp/report.err
	send_report "$name" $?
}

# send_report NAME STATUS: the same for a command that has ended, with its output in the files.
send_report() {
	cat /tmp/report.err
	printf '{"name":"%s","exit":%d,"out":%s,"error":%s}\n' "$1" "$2" \
		"$(sed -n '1p' /tmp/report.out | grep '^{' || echo null)" \
		"$(json_last_line /tmp/report.err)" >/dev/results
}

# watch MODULE SHELL_COMMANDS: its unload by these commands, reported under its name.
watch() {
	report "$1" disarmd --watch-unload "$1" --json -- sh -c "$2"
}

# start_watch MODULE OPTION...: in the background; returns once it is READY. $watch_pid is its pid.
start_watch() {
	# The last one's READY would be taken for this one's.
	rm -f /tmp/report.out /tmp/report.err
	disarmd --watch-unload "$@" --json >/tmp/report.out 2>/tmp/report.err &
	watch_pid=$!
	await grep -qs ^READY /tmp/report.err
}

# end_watch NAME: waits for it to end, and reports.
end_watch() {
	wait "$watch_pid"
	send_report "$1" $?
}

# await COMMAND...: until it succeeds, 30 seconds at most.
await() {
	tries=600
	until "$@"; do
		tries=$((tries - 1))
		if [ "$tries" = 0 ]; then
			echo "gave up waiting for: $*"
			return 1
		fi
		sleep 0.05
	done
}

# serve OPTION...: the service, in the background, with a line for every unload in /tmp/unloads.
# Returns once it watches.
serve() {
	printf '%s\n[sinks]\nunloads_file = "/tmp/unloads"\n%s\n' "$settings" "$limits" >/tmp/disarmd.toml
	: >/tmp/unloads
	: >/tmp/unloaded
	: >/tmp/service.log # what an earlier one said is not this one
	disarmd --verbose run --config /tmp/disarmd.toml "$@" 2>/tmp/service.log &
	service=$!
	await grep -qs ' watching ' /tmp/service.log || cat /tmp/service.log
}
# Of the service's configuration: what is in no table, and further tables.
settings=''
limits=''

# has_shutdown END: whether this kernel can end so.
has_shutdown() {
	[ "$1" != shutdown ] || grep -q ' timer_shutdown_sync$' /proc/kallsyms
}

# is_silent LOG LEVELS: whether it says something, and nothing at these levels ("warning|error"). That a write took
# long is a busy machine's fault.
is_silent() {
	[ -s "$1" ] && ! grep -E " ($2) " "$1" | grep -v ' sink [a-z]*: a write took ' >&2
}

# unload MODULE
unload() {
	rmmod "$1" && echo "$1" >>/tmp/unloaded
}

# twin MODULE [end=END] PARAMETER...
twin() {
	has_shutdown "${2#end=}" || return 0
	module=$1
	shift
	insmod "/modules/$module.ko" "$@" && unload "$module"
}

all_judged() {
	[ "$(wc -l </tmp/unloads)" -ge "$(wc -l </tmp/unloaded)" ]
}

# Until the service has judged everything that was unloaded.
await_judged() {
	await all_judged || cat /tmp/service.log
}

# judged [NAME]: sends every judgement, under a name {"as": NAME, "unload": ...} if there is one.
judged() {
	await_judged
	if [ "$#" = 0 ]; then
		cat /tmp/unloads >/dev/results
	else
		sed "s/^/{\"as\":\"$1\",\"unload\":/; s/\$/}/" /tmp/unloads >/dev/results
	fi
}

# end_service NAME: judged NAME, and the service is ended.
end_service() {
	judged "$1"
	kill -TERM "$service"
	wait "$service"
}
