# shellcheck shell=bash
# lib.sh: what ./quickstart and tests/run share: Debian packages, and processes that end with the script.
# Needs bash, and nothing that is not essential in Debian until packages_install has run.

# die TEXT…: one line on stderr, and the end.
die() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

# ---- packages ----

# packages_list GROUP…: names of tests/packages.txt, one a line.
packages_list() {
	local group name _why
	while read -r group name _why; do
		[[ " $* " != *" $group "* ]] || printf '%s\n' "$name"
	done <"$ROOT/tests/packages.txt"
}

# packages_missing GROUP…: those that are not installed.
packages_missing() {
	local name state
	packages_list "$@" | while read -r name; do
		state=$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null || :)
		[ "$state" = installed ] || printf '%s\n' "$name"
	done
}

# packages_why NAME…: a line for each, with its reason.
packages_why() {
	local _group name why
	while read -r _group name why; do
		[[ " $* " != *" $name "* ]] || printf '  %-24s %s\n' "$name" "$why"
	done <"$ROOT/tests/packages.txt"
}

# packages_install GROUP…: says what is missing, installs it and nothing else, and sees to it that no service of a
# package starts now or at the next boot because of us. With nothing missing: no apt, no sudo, no word.
packages_install() {
	local missing sudo=()
	mapfile -t missing < <(packages_missing "$@")
	[ ${#missing[@]} -gt 0 ] || return 0
	command -v apt-get >/dev/null || die "needs Debian 12 (no apt-get here); missing: ${missing[*]}"
	if [ "$(id -u)" != 0 ]; then
		command -v sudo >/dev/null || die "installing packages needs root or sudo; missing: ${missing[*]}"
		sudo=(sudo --)
	fi
	printf 'To be installed from Debian (%s), with what they depend on; their services stay off:\n' "${sudo[0]:-as root}"
	packages_why "${missing[@]}"
	"${sudo[@]}" bash "$ROOT/tests/apt-quiet.sh" "${missing[@]}"
}

# ---- processes ----

# proc_stop PID [SIGNAL] [SECONDS]: ask, wait, then insist.
proc_stop() {
	local pid=$1 signal=${2:-TERM} left=$((${3:-10} * 10))
	kill -s "$signal" -- "$pid" 2>/dev/null || return 0
	while kill -0 "$pid" 2>/dev/null && [ "$left" -gt 0 ]; do
		sleep 0.1
		left=$((left - 1))
	done
	kill -KILL -- "$pid" 2>/dev/null || :
	wait "$pid" 2>/dev/null || :
}

# free_ports WISH…: for each wish a TCP port of 127.0.0.1 that nobody has: the one wished for if it is free.
free_ports() {
	/usr/bin/python3 - "$@" <<'END'
import socket, sys
taken = []
for wish in sys.argv[1:]:
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the servers do: TIME_WAIT is no owner
    try:
        s.bind(("127.0.0.1", int(wish)))
    except OSError:
        s.bind(("127.0.0.1", 0))
    taken.append(s)
print(*(s.getsockname()[1] for s in taken))
END
}
