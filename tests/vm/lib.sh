# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What the scripts beside this file share. Sourced, never run.

# Every failure of the harness itself, bad usage included: apart from what a guest command may return.
readonly harness_failed=252

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }

die() {
	say "$@"
	exit "$harness_failed"
}

# Outside the source tree, so that it outlives a checkout and is shared by all of them.
cache_dir() {
	if [[ -n ${DISARMD_CACHE:-} ]]; then
		realpath -m -- "$DISARMD_CACHE"
	else
		printf '%s\n' "${XDG_CACHE_HOME:-${HOME:?}/.cache}/disarmd"
	fi
}

# usage_from SCRIPT: its leading comment is its manual, so that there is one text to keep true.
usage_from() {
	awk 'NR <= 2 { next } /^#/ { sub(/^# ?/, ""); print; next } { exit }' "$1"
}

# need COMMAND PACKAGE
need() {
	command -v "$1" >/dev/null || die "$1 is missing: apt-get install $2"
}

# false_breakpoint CONSOLE: whether the guest died of a breakpoint in the kernel's own code that isn't there. The
# kernel sets and removes breakpoints as it patches itself, and once in thousands of boots QEMU runs into
# one that has gone: of nothing that the guest has done.
false_breakpoint() {
	awk '
		/\[#1\]/ { trapped = /int3: 0000/ }
		trapped && rip == "" && sub(/.*RIP: 0010:/, "") { sub(/[ \r]*$/, ""); rip = $0 }
		trapped && code == "" && sub(/.*Code: /, "") { code = $0 }
		END { exit !(rip ~ /^[A-Za-z_][A-Za-z0-9_.]*\+0x[0-9a-f\/x]+$/ && code ~ / </ && code !~ /cc </) }' "$1"
}
