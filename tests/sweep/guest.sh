# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
#
# Runs in the guest: loads and unloads, one after the other, the modules named in the file $1, with
# disarmd as a service beside them, or without it if $2 is "unwatched". What happens goes to /dev/results,
# one JSON object a line; a module's lines are sent when it is done with, and all carry its name as "step":
#
#   {"event":"begin"}                                       sent ahead: if no end follows, this was the last word
#   {"event":"rmmod","module":M,"error":E|null}             one try to unload M (the module or what came with it)
#   {"event":"free","module":M}                             the kernel's own word (trace event module_free)
#   {"event":"verdict","module":M,"outcome":..,"verdict":..,"record":{..}}  disarmd's
#   {"event":"end","load":E|null,"stays":WHY|null}          E: what modprobe said; WHY it is still loaded

names=$1 watched=${2:-watched}
tracing=/sys/kernel/tracing
limit="timeout -s KILL 20"

# The text $1 as a JSON string.
quoted() {
	printf '%s' "$1" | tr -c ' -~' ' ' | sed 's/\\/\\\\/g; s/"/\\"/g; s/^/"/; s/$/"/'
}

# await COMMAND...: until it succeeds, 30 seconds at most.
await() {
	tries=600
	until "$@"; do
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || return 1
		usleep 50000
	done
}

### disarmd's verdicts

start_disarmd() {
	: >/tmp/disarmd.log
	: >/tmp/empty.toml
	disarmd --verbose run --config /tmp/empty.toml 2>/tmp/disarmd.log &
	exec 3</tmp/disarmd.log
	if ! await grep -q 'watching [0-9]* module' /tmp/disarmd.log; then
		echo "disarmd did not begin to watch:"
		cat /tmp/disarmd.log
		exit 3
	fi
}

# Adds the verdicts that are new to $lines and counts them in $verdicts.
verdict_line=''
take_verdicts() {
	while IFS= read -r line <&3 || { verdict_line=$verdict_line$line && false; }; do
		line=$verdict_line$line verdict_line='' outcome=freed
		case $line in
		*' LEAK: module '*) verdict=leak ;;
		*' CLEAN: module '*) verdict=clean ;;
		*' INCONCLUSIVE: module '*) verdict=inconclusive record=$line ;;
		*) continue ;;
		esac
		module=${line#*": module "}
		case $line in *"its init failed"*) outcome=init-failed ;; esac
		record=null
		[ "$verdict" = clean ] || record=$(quoted "$line")
		verdicts=$((verdicts + 1))
		add '"event":"verdict","module":"'"${module%% *}"'","outcome":"'$outcome'","verdict":"'"$verdict"'","record":'"$record"
	done
}

### The kernel's own word

# By cat, because the shell reads single bytes, which trace_pipe holds back.
start_tracing() {
	: >/tmp/trace
	exec 4</tmp/trace
	echo 1 >$tracing/events/module/module_free/enable
	cat $tracing/trace_pipe >>/tmp/trace &
}

take_frees() {
	while IFS= read -r line <&4; do
		case $line in *module_free:*) ;; *) continue ;; esac
		frees=$((frees + 1))
		add '"event":"free","module":"'"${line##*module_free: }"'"'
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

# Unloads whatever is not in use, until nothing moves any more.
unload_all() {
	refused=' ' moved=yes
	while [ -n "$moved" ]; do
		moved=''
		while read -r module _ references users _; do
			[ "$references" = 0 ] || continue
			case $users in *permanent*) continue ;; esac
			case $refused in *" $module "*) continue ;; esac
			if $limit rmmod "$module" 2>/tmp/error; then
				moved=yes unloads=$((unloads + 1))
				add '"event":"rmmod","module":"'"$module"'","error":null'
			else
				refused="$refused$module "
				add '"event":"rmmod","module":"'"$module"'","error":'"$(quoted "$(said "$?")")"
			fi
		done </proc/modules
	done
}

# What a module tool that returned $1 has said last, without its own name and the module's.
said() {
	if [ "$1" = 137 ]; then
		echo 'hung and was killed'
	else
		sed -n '$s/.*: //p' /tmp/error
	fi
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
	take_frees
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
	name=$1 load=null frees=0 unloads=0 verdicts=0
	add '"event":"begin"'
	send
	$limit modprobe "$name" 2>/tmp/error || load=$(quoted "$(said "$?")")
	unload_all
	collect_records
	stays=$(reason_to_stay)
	add '"event":"end","load":'"$load"',"stays":'"$([ -n "$stays" ] && quoted "$stays" || echo null)"
	send
}

lines=''
start_tracing
[ "$watched" = unwatched ] || start_disarmd
while read -r name <&5; do
	sweep "$name"
done 5<"$names"
sleep 1
collect_records
send
[ "$watched" = unwatched ] || grep -v '^[^ ]* debug ' /tmp/disarmd.log
exit 0
