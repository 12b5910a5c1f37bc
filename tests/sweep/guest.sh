# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
#
# Runs in the guest: loads and unloads, one after the other, the modules named in the file $1, with
# disarmd as a service beside them, or without it if $2 is "unwatched". A line of the file is a module's
# name, the kind of network interface that it makes (or "-"; one is then up while it is unloaded), and the
# files to load, below the kernel's folder of modules. What happens goes to /dev/results,
# one JSON object a line; a module's lines are sent when it is done with, and all carry its name as "step":
#
#   {"event":"alive"}                                       every five seconds, whatever happens
#   {"event":"begin"}                                       sent ahead: if no end follows, this was the last word
#   {"event":"rmmod","module":M,"error":E|null}             one try to unload M (the module or what came with it)
#   {"event":"free","module":M}                             the kernel's own word (trace event module_free)
#   {"event":"verdict","record":{..}}                       disarmd's, as in its unloads_file
#   {"event":"end","load":E|null,"stays":WHY|null,"armed":N}  E: why not; WHY it is still loaded;
#                                                           N times was a timer armed that is, or calls, a module's

names=$1 watched=${2:-watched}
tracing=/sys/kernel/tracing
module_space=0xffffffffc0000000 # to the end, on x86-64 with CONFIG_RANDOMIZE_BASE
busy='Resource temporarily unavailable' # the answer of rmmod for a module in use
newline='
'

# The text $1 as a JSON string.
quoted() {
	printf '%s' "$1" | tr -c ' -~' ' ' | sed 's/\\/\\\\/g; s/"/\\"/g; s/^/"/; s/$/"/'
}

# await COMMAND...: until it succeeds, some four minutes at most.
await() {
	tries=4000
	until "$@"; do
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || return 1
		usleep 50000
	done
}

### disarmd's verdicts

start_disarmd() {
	: >/tmp/unloads
	exec 3</tmp/unloads
	printf '[sinks]\nunloads_file = "/tmp/unloads"\n' >/tmp/disarmd.toml
	disarmd run --config /tmp/disarmd.toml 2>/tmp/disarmd.log &
	disarmd=$!
	# Where the kernel programs are checked slowly, it takes a while.
	if ! await sh -c "grep -q 'watching [0-9]* module' /tmp/disarmd.log || ! kill -0 $disarmd" ||
		! kill -0 "$disarmd"; then
		echo "disarmd did not begin to watch:"
		cat /tmp/disarmd.log
		exit 3
	fi
}

# Adds the verdicts that are new to $lines and counts them in $verdicts.
part=''
take_verdicts() {
	while IFS= read -r line <&3 || { part=$part$line && false; }; do
		verdicts=$((verdicts + 1))
		add '"event":"verdict","record":'"$part$line"
		part=''
	done
}

### The kernel's own word

# By cat, because the shell reads single bytes, which trace_pipe holds back.
start_tracing() {
	: >/tmp/trace
	exec 4</tmp/trace
	echo 1 >$tracing/events/module/module_free/enable
	for event in timer hrtimer; do
		echo "function >= $module_space || $event >= $module_space" >$tracing/events/timer/${event}_start/filter
		echo 1 >$tracing/events/timer/${event}_start/enable
	done
	cat $tracing/trace_pipe >>/tmp/trace &
}

take_trace() {
	while IFS= read -r line <&4; do
		case $line in
		*timer_start:*) armed=$((armed + 1)) ;;
		*module_free:*)
			frees=$((frees + 1))
			add '"event":"free","module":"'"${line##*module_free: }"'"'
			;;
		esac
	done
}

### A module

add() {
	lines="$lines{\"step\":\"$name\",$1}
"
}

send() {
	printf '%s' "$lines" >/dev/results
	lines=''
}

# Loads the files of module $name, in their order; those that are loaded already are passed over.
load_files() {
	for file in $files; do
		if ! error=$(insmod "$file" 2>&1) && [ "${error##*: }" != "File exists" ]; then
			[ "${files##* }" = "$file" ] && needed='' || needed='of a module that it needs: '
			load=$(quoted "$needed${error##*: }")
			return
		fi
	done
}

# Unloads all modules, the newest first and so before those it needs, as often as that moves anything.
unload_all() {
	moved=yes
	while [ -n "$moved" ]; do
		moved='' loaded=''
		while read -r module _ _ users _; do
			case $users in *permanent*) continue ;; esac
			# While others come and go the kernel may list one twice.
			case "$loaded " in *" $module "*) ;; *) loaded="$loaded $module" ;; esac
		done </proc/modules
		[ -n "$loaded" ] || return
		# shellcheck disable=SC2086 # one word for each
		refusals=$(rmmod $loaded 2>&1)
		for module in $loaded; do
			case $refusals in
			*"rmmod: $module: "*)
				why=${refusals#*"rmmod: $module: "}
				why=${why%%"$newline"*}
				[ "$why" = "$busy" ] ||
					add '"event":"rmmod","module":"'"$module"'","error":'"$(quoted "$why")"
				;;
			*)
				moved=yes unloads=$((unloads + 1))
				add '"event":"rmmod","module":"'"$module"'","error":null'
				;;
			esac
		done
	done
}

# Whether, and why, the module is still loaded.
reason_to_stay() {
	while read -r module _ references users _; do
		[ "$module" = "$name" ] || continue
		case $users in
		*permanent*) echo 'it has no exit function' ;;
		-) [ "$references" = 0 ] && echo 'rmmod failed' || echo 'it is in use' ;;
		*) echo 'another module uses it' ;;
		esac
		return
	done </proc/modules
}

# What the kernel and disarmd still owe for the unloads that succeeded. A failed init has no unload of
# ours to wait for; what is told of it may come in a later step.
records_are_missing() {
	take_trace
	[ "$watched" = unwatched ] || take_verdicts
	[ "$frees" -lt "$unloads" ] || { [ "$watched" = watched ] && [ "$verdicts" -lt "$frees" ]; }
}

collect_records() {
	tries=200
	while records_are_missing && [ "$tries" -gt 0 ]; do
		tries=$((tries - 1))
		usleep 20000
	done
}

sweep() {
	name=$1 kind=$2 files=$3 load=null frees=0 unloads=0 verdicts=0 armed=0
	add '"event":"begin"'
	send
	load_files
	[ "$kind" = - ] || { ip link add name sweep0 type "$kind" && ip link set sweep0 up; } >/dev/null 2>&1
	unload_all
	if [ -e /sys/class/net/sweep0 ]; then
		ip link del sweep0
		unload_all
	fi
	collect_records
	stays=$(reason_to_stay)
	add '"event":"end","load":'"$load"',"stays":'"$([ -n "$stays" ] && quoted "$stays" || echo null)"',"armed":'"$armed"
	send
}

# A shell of its own, as what hangs is likely to be this one.
(while sleep 5; do echo '{"event":"alive"}' >/dev/results; done) &
lines=''
start_tracing
[ "$watched" = unwatched ] || start_disarmd
cd "/lib/modules/$(uname -r)" || exit
while read -r name kind files <&5; do
	sweep "$name" "$kind" "$files"
done 5<"$names"
sleep 1
collect_records
send
[ "$watched" = unwatched ] || cat /tmp/disarmd.log
exit 0
