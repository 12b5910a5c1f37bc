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
