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
		usleep 50000
	done
}
