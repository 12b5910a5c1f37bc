# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh disable=SC3028 # busybox's has RANDOM
#
# Runs in the guest, for $1 seconds and with the seed $2: modules that are loaded and unloaded, and everything that can
# befall the service meanwhile, each by a loop of its own. What happens goes to /dev/results, one JSON object a line,
# with times in milliseconds since the boot:
#
#   {"event":"unload","module":M,"pid":P,"from":T,"to":T}   rmmod P has unloaded M: what M left it has told the console
#   {"event":"denied","module":M,"pid":P,"at":T,"why":E}    rmmod P was refused
#   {"event":"record",...}                                  disarmd's word on one, as far as it matters here
#   {"event":"kill"|"stop"|"reload"|"hotplug","from":T,"to":T}
#                                                           what was done to the service, or the machine, and how long it lasted
#   {"event":"sample","at":T,"when":W,...}                  what there is of memory, pins, programs and so on
#   {"event":"incident","id":I,"verdict":V,"module":M,"left":N}  what the ledger has in the end
#   {"event":"end"}

seconds=$1 seed=$2
half=$((seconds / 2))
# Later than the run's end, so that what is left never fires.
far_s=$((2 * seconds + 3600))

now_ms() {
	read -r up _ </proc/uptime
	now=$((${up%.*} * 1000 + 1${up#*.}0 - 1000))
}

running() {
	now_ms
	[ "$now" -lt "$end_ms" ]
}

tell() {
	printf '%s\n' "$1" >/dev/results
}

# The same of what the service has to tell of, too.
owe() {
	tell "$1"
	echo >>/tmp/owed
}

# one_of N: sets $picked, 0 to N-1.
one_of() {
	picked=$((RANDOM % $1))
}

# nap MIN MAX: milliseconds
nap() {
	one_of $(($2 - $1 + 1))
	usleep $((($1 + picked) * 1000))
}

# await SECONDS COMMAND...
await() {
	tries=$(($1 * 10))
	shift
	until "$@"; do
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || return 1
		usleep 100000
	done
}

### The service

policy() {
	printf '[sinks]\nunloads_file = "/tmp/unloads"\n[limits]\nunloads = 1024\n[ledger]\nkeep_unloads = 1000000\n[[policy.rule]]\nmodule = "zoo_user"\non_unload = "deny"\n'
	case $1 in
	1) printf '[[policy.rule]]\nmodule = "zoo_dwork_*"\non_unload = "deny"\n' ;;
	2) printf '[[policy.rule]]\nmodule = "zoo_timer_*"\non_leak = "drain"\n[[policy.rule]]\nmodule = "zoo_hrtimer_*"\non_unload = "deny-if-armed"\n' ;;
	esac
}

set_policy() {
	policy "$1" >/tmp/disarmd.toml.new
	mv /tmp/disarmd.toml.new /tmp/disarmd.toml
}

is_watching() {
	grep -q ' watching ' /tmp/service.log
}

start_service() {
	: >/tmp/service.log
	disarmd run --config /tmp/disarmd.toml 2>>/tmp/service.log &
	service=$!
	echo "$service" >/tmp/service
}

# How the service is doing: killed and started anew in the first half, at any moment, also while it is starting. In the
# second half one lives on, of which can be seen whether it grows.
supervise() {
	start_service
	: >/tmp/services.log
	await 60 is_watching
	: >/tmp/began
	await 60 test -e /tmp/begin
	while now_ms && [ "$now" -lt "$half_ms" ]; do
		nap 500 25000
		now_ms
		from=$now
		kill -9 "$service"
		echo "$service" >>/tmp/kills
		wait "$service" 2>/dev/null
		cat /tmp/service.log >>/tmp/services.log
		nap 0 3000
		start_service
		if [ "$picked" -lt 1000 ]; then # it is killed before it is ready, perhaps
			nap 500 8000
		else
			await 60 is_watching || echo "the service did not begin to watch: $(cat /tmp/service.log)"
		fi
		now_ms
		tell '{"event":"kill","from":'"$from"',"to":'"$now"'}'
	done
	await 180 is_watching || echo "the service did not begin to watch: $(cat /tmp/service.log)"
	: >/tmp/lives_on
	wait "$service"
	tell '{"event":"service","status":'$?'}'
}

stop_it() {
	while running; do
		nap 4000 20000
		now_ms
		from=$now
		stopped=$(cat /tmp/service)
		kill -STOP "$stopped" 2>/dev/null || continue
		nap 500 5000
		kill -CONT "$stopped" 2>/dev/null
		now_ms
		tell '{"event":"stop","from":'"$from"',"to":'"$now"'}'
	done
}

# One that is not ready has read the policy, or will, and would die of the signal. The pid first: another is another's.
reload() {
	reloaded=$(cat /tmp/service)
	! is_watching || kill -HUP "$reloaded" 2>/dev/null
}

reload_it() {
	while running; do
		nap 2000 8000
		now_ms
		one_of 3
		set_policy "$picked"
		reload
		tell '{"event":"reload","from":'"$now"',"to":'"$now"'}'
	done
	set_policy 0
	reload
}

look_at_it() {
	while running; do
		nap 2000 10000
		timeout 20 disarmd list --json >/dev/null 2>&1
		timeout 20 wget -qO /dev/null http://127.0.0.1:9958/metrics 2>/dev/null
	done
}

### The machine

hotplug() {
	while running; do
		nap 200 4000
		now_ms
		from=$now
		one_of 3
		file=/sys/devices/system/cpu/cpu$((picked + 1))/online
		read -r online <"$file"
		echo $((1 - online)) >"$file"
		now_ms
		tell '{"event":"hotplug","from":'"$from"',"to":'"$now"'}'
	done
}

### Modules

load() {
	# shellcheck disable=SC2086 # one word for each
	insmod "/modules/$1.ko" $2 || echo "$1 $2 could not be loaded"
}

# unload MODULE: however often it is denied.
unload() {
	now_ms
	from=$now
	while :; do
		rmmod "$1" 2>"/tmp/rmmod.$1" &
		pid=$!
		wait "$pid" && break
		now_ms
		owe '{"event":"denied","module":"'"$1"'","pid":'"$pid"',"at":'"$now"',"why":"'"$(sed 's/.*: //; s/"//g' "/tmp/rmmod.$1")"'"}'
		usleep 500000
		now_ms
		if [ "$now" -gt $((end_ms + 60000)) ]; then
			tell '{"event":"stuck","module":"'"$1"'"}'
			return
		fi
	done
	now_ms
	owe '{"event":"unload","module":"'"$1"'","pid":'"$pid"',"from":'"$from"',"to":'"$now"'}'
}

# It confesses.
torture() {
	number=$seed
	while running; do
		number=$((number + 1))
		one_of 8
		# A kthread_delayed_work that is left leaves a thread as well.
		[ "$picked" = 0 ] && kinds=0x1f || kinds=0x17
		load zoo_torture "seed=$number pool=5 kinds=$kinds ops=3000 far_s=$far_s"
		nap 0 800
		unload zoo_torture
	done
}

# These tell how many they leave armed.
leaky() {
	while running; do
		one_of 3
		case $picked in
		0) end=leak ;;
		1) end=delete ;;
		2) end=never ;;
		esac
		load "zoo_$1" "delay_ms=$((far_s * 1000)) end=$end"
		nap 0 800
		unload "zoo_$1"
	done
}

# Many timers in motion on all CPUs, for short, as nothing else gets on meanwhile.
churn() {
	while running; do
		load zoo_churn 'timers=200 hr=1'
		nap 500 2500
		unload zoo_churn
		nap 3000 12000
	done
}

# A module that no rule ever lets go.
deny() {
	while running; do
		nap 1000 5000
		rmmod zoo_user 2>/tmp/rmmod.zoo_user &
		pid=$!
		if wait "$pid"; then
			owe '{"event":"passed","module":"zoo_user","pid":'"$pid"'}'
			return
		fi
		now_ms
		owe '{"event":"denied","module":"zoo_user","pid":'"$pid"',"at":'"$now"',"why":"'"$(sed 's/.*: //; s/"//g' /tmp/rmmod.zoo_user)"'"}'
	done
}

### What there is of everything

count() {
	bpftool "$1" show 2>/dev/null | grep -c '^[0-9]'
}

# Without what the kernel would give back if it were asked.
sample() {
	now_ms
	at=$now
	echo 3 >/proc/sys/vm/drop_caches
	pid=$(cat /tmp/service)
	rss=$(awk '/^VmRSS/ { print $2 }' "/proc/$pid/status" 2>/dev/null)
	kernel=$(awk '/^(SUnreclaim|Percpu|KernelStack):/ { sum += $2 } END { print sum }' /proc/meminfo)
	maps=$(bpftool map show --json | tr , '\n' | awk -F: '/bytes_memlock/ { gsub(/[^0-9]/, "", $2); sum += $2 } END { print int(sum / 1024) }')
	tell '{"event":"sample","when":"'"$1"'","at":'"$at"',"pid":'"$pid"',"rss_kib":'"${rss:-0}"',"kernel_kib":'"$kernel"',"map_kib":'"$maps"',"fds":'"$(find "/proc/$pid/fd" -type l 2>/dev/null | wc -l)"',"pins":'"$(find /sys/fs/bpf -mindepth 3 -maxdepth 3 -type d | wc -l)"',"programs":'"$(count prog)"',"links":'"$(count link)"',"maps":'"$(count map)"'}'
}

take_samples() {
	while running; do
		usleep 10000000
		[ ! -e /tmp/lives_on ] || sample running
	done
}

# What the service tells, as it comes: records of hours would fill the memory. A line that was cut off, as its writer
# was killed, tells nothing.
take() {
	if [ -e /tmp/taken ]; then
		jq -cRM 'fromjson? | { event: "record", id, module: .module, outcome, verdict, action, pid: .unload.pid, why: .why_inconclusive, losses,
			left: ((.pending // [] | length) + (.pending_left_out // 0)) }' /tmp/taken >/tmp/records
		# By lines: what is longer than a write of others goes amid them.
		while read -r line; do
			tell "$line"
		done </tmp/records
		told=$((told + $(wc -l </tmp/records)))
		echo "$told" >/tmp/told
	fi
	mv /tmp/unloads /tmp/taken 2>/dev/null || rm -f /tmp/taken
}

take_records() {
	told=0
	until [ -e /tmp/enough ]; do
		take
		# Who was stopped while it wrote has done with the file by then.
		usleep 6000000
	done
	take
	take
}

# To the console, for whoever waits.
progress() {
	while running; do
		usleep 30000000
		now_ms
		echo "$(((now - begin_ms) / 1000)) s of $seconds: $(wc -l </tmp/owed) unloads or refusals, $(cat /tmp/told) of them told, $(grep -c . /tmp/kills) kills"
	done
}

### The run

echo 4194304 >/proc/sys/kernel/pid_max # a pid names one rmmod
for module in zoo_torture zoo_timer_alloc zoo_dwork_alloc zoo_hrtimer_alloc zoo_churn; do
	case $module in
	zoo_torture) insmod /modules/$module.ko leave=0 seed=0 ;;
	zoo_churn) insmod /modules/$module.ko ;;
	*) insmod /modules/$module.ko end=never ;;
	esac
	rmmod $module
done
echo 'endurance: begins' >/dev/kmsg # what was confessed before does not count
echo 0 >/tmp/service
sample before

: >/tmp/owed
echo 0 >/tmp/told
: >/tmp/kills
now_ms
begin_ms=$now half_ms=$((now + half * 1000)) end_ms=$((now + seconds * 1000))
set_policy 0
stream=0 loops=''
# loop COMMAND...: with random numbers of its own.
loop() {
	stream=$((stream + 1))
	(
		RANDOM=$((seed * 100 + stream))
		"$@"
	) &
	loops="$loops $!"
}
loop supervise
supervisor=$loops loops=''
await 60 test -e /tmp/began || { cat /tmp/service.log; exit 1; }
insmod /modules/zoo_user.ko end=never
sample began
: >/tmp/begin
take_records &
taker=$!
loop torture
loop leaky timer_alloc
loop leaky dwork_alloc
loop leaky hrtimer_alloc
loop churn
loop deny
loop hotplug
loop stop_it
loop reload_it
loop look_at_it
loop take_samples
loop progress
# shellcheck disable=SC2086 # one for each
wait $loops

### The end: everything is to be as it was, and what is owed to be told.

for cpu in 1 2 3; do
	echo 1 >/sys/devices/system/cpu/cpu$cpu/online
done 2>/dev/null
all_told() {
	[ "$(cat /tmp/told)" -ge "$(wc -l </tmp/owed)" ]
}
await 120 all_told
usleep 3000000 # for what nobody owes
sample ended
kill -TERM "$(cat /tmp/service)"
# shellcheck disable=SC2086 # one
wait $supervisor
tail -n 300 /tmp/service.log
: >/tmp/enough
wait "$taker"
disarmd incidents --json | jq -cM '.incidents[] | { event: "incident", id, verdict, module: .module, left: .pending_count }' >/dev/results
disarmd release
rmmod zoo_user
usleep 5000000 # for what the kernel frees later
sample after
tell '{"event":"end"}'
