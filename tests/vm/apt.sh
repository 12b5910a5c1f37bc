# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Packages of any Debian suite, from the mirrors that this machine is configured for, without installing
# them. Sourced after lib.sh, never run.

# Prints this machine's sources, those of its own Debian release only, with the suite replaced.
# $1: "sources" (deb822) or "list" (one line each), $2: the machine's release, $3: the suite wanted.
# Other archives that carry the same suite name come along: they lack the packages, or the suite, and
# neither does any harm.
rewrite_sources() {
	local format=$1
	shift
	awk -v format="$format" -v own="$1" -v wanted="$2" '
		# What to ask of an archive that offers the machine the suite s; nothing if it has no such thing.
		function replacement(s) {
			sub(/\/$/, "", s)
			if (s == own) return wanted
			if ((s == own "-security" || s == own "/updates") && wanted !~ /-|^sid$/) return wanted "-security"
			return ""
		}
		function flush(   i, n, suites, out, r) {
			n = split(stanza_suites, suites, /[ \t]+/)
			for (i = 1; i <= n; i++) {
				r = replacement(suites[i])
				if (r != "") out = out " " r
			}
			if (enabled && types ~ /(^|[ \t])deb([ \t]|$)/ && out != "")
				printf "Types: deb\nSuites:%s\nComponents: main\n%s\n", out, rest
			stanza_suites = types = rest = field = ""
			enabled = 1
		}
		BEGIN { enabled = 1 }
		/^[ \t]*#/ { next }
		format == "sources" && /^[ \t]*$/ { flush(); next }
		format == "sources" {
			if ($0 !~ /^[ \t]/) {
				field = tolower($0)
				sub(/[ \t]*:.*/, "", field)
			}
			value = $0
			sub(/^[^ \t][^:]*:/, "", value)
			if (field == "types") types = types " " value
			else if (field == "suites") stanza_suites = stanza_suites " " value
			else if (field == "enabled") enabled = value !~ /^[ \t]*(no|false|0|off|without|disable)[ \t]*$/
			else if (field != "components") rest = rest $0 "\n"
			next
		}
		$1 == "deb" {
			sub(/[ \t]*#.*/, "")
			options = ""
			if (match($0, /\[[^]]*\]/)) {
				options = substr($0, RSTART, RLENGTH) " "
				$0 = substr($0, 1, RSTART - 1) substr($0, RSTART + RLENGTH)
			}
			r = replacement($3)
			if (r != "") print "deb " options $2 " " r " main"
		}
		END { if (format == "sources") flush() }
	'
}

# apt with a state of its own in $1, knowing nothing but one suite: the newest version there is then
# simply the candidate, whatever this machine pins, has installed, or is doing with its own lists.
configure_apt() {
	local state=$1 suite=$2 own file parts list
	own=$(. /etc/os-release && printf '%s' "${VERSION_CODENAME:-sid}")
	mkdir -p "$state"/{sources,lists/partial,cache/archives/partial,empty}
	rm -f "$state"/sources/*
	eval "$(apt-config shell list Dir::Etc::sourcelist/f parts Dir::Etc::sourceparts/d)"
	for file in "$list" "$parts"/*.list; do
		[[ -f $file ]] || continue
		rewrite_sources list "$own" "$suite" <"$file"
	done >"$state/sources/machine.list"
	for file in "$parts"/*.sources; do
		[[ -f $file ]] || continue
		rewrite_sources sources "$own" "$suite" <"$file"
		echo
	done >"$state/sources/machine.sources"
	if ! grep -qs '^deb \|^Types' "$state"/sources/*; then
		die "found no apt source for Debian $own on this machine (in $list and $parts): add one"
	fi
	: >"$state/status"
	# shellcheck disable=SC2034 # for whoever sources this
	apt_options=(
		-o Dir::Etc::SourceList=/dev/null
		-o Dir::Etc::SourceParts="$state/sources"
		-o Dir::Etc::Preferences=/dev/null
		-o Dir::Etc::PreferencesParts="$state/empty"
		-o Dir::State="$state"
		-o Dir::State::Lists="$state/lists"
		-o Dir::State::Status="$state/status"
		-o Dir::Cache="$state/cache"
		-o Dir::Cache::pkgcache=pkgcache.bin
		-o Dir::Cache::srcpkgcache=srcpkgcache.bin
		-o Acquire::Languages=none
		-o Acquire::Check-Valid-Until=false
		-o APT::Architecture=amd64
		-o APT::Architectures::=amd64
		# The cache belongs to whoever runs this; apt's own user could not write there.
		-o APT::Sandbox::User=root
	)
}
