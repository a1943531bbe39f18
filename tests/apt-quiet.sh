#!/bin/bash
# apt-quiet.sh PACKAGE…: install Debian packages as root without starting any service of theirs, now or at the
# next boot. What it changes meanwhile (policy-rc.d, PostgreSQL's createcluster.d) it puts back, also when it is
# interrupted, and when it was killed the next run puts it back first.
set -euo pipefail
[ "$(id -u)" = 0 ] || { echo "apt-quiet.sh: needs root" >&2; exit 1; }

policy=/usr/sbin/policy-rc.d
kept=/usr/sbin/policy-rc.d.before-gridhub # the machine's own; an empty file stands for none
cluster=/etc/postgresql-common/createcluster.d/gridhub-setup.conf
# Daemons that a package of ours brings along; those that were here before are the machine's own business.
services=()

restore() {
	rm -f "$cluster"
	rmdir --ignore-fail-on-non-empty "${cluster%/*}" 2>/dev/null || :
	[ -e "$kept" ] || return 0
	if [ -s "$kept" ]; then mv -f "$kept" "$policy"; else rm -f "$policy" "$kept"; fi
}

forbid() {
	if [ -e "$policy" ]; then cp -p "$policy" "$kept"; else : >"$kept"; fi
	printf '#!/bin/sh\nexit 101\n' >"$policy.new"
	chmod 755 "$policy.new"
	mv -f "$policy.new" "$policy"
}

installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null || :)" = installed ]; }

restore # what a killed run left
log=$(mktemp /tmp/apt-quiet.XXXXXX)
trap 'restore; rm -f "$log"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
forbid
installed mosquitto || services+=(mosquitto)
installed prometheus || services+=(prometheus)
installed nginx-common || services+=(nginx)
if ! installed postgresql-common; then
	services+=(postgresql)
	mkdir -p "${cluster%/*}"
	echo 'create_main_cluster = false' >"$cluster"
fi

apt=(apt-get -q -y -o DPkg::Lock::Timeout=300 -o APT::Color=0)
export DEBIAN_FRONTEND=noninteractive

quietly() { # WHAT COMMAND…: what it says is only shown if it fails
	local what=$1 began=$SECONDS
	shift
	printf '%s ... ' "$what"
	"$@" >"$log" 2>&1 </dev/null || { printf 'failed\n'; tail -n 40 "$log"; return 1; }
	printf 'done, %d s\n' $((SECONDS - began))
}

dpkg --configure -a </dev/null # what an interrupted install left
quietly 'apt-get update' "${apt[@]}" update
quietly 'apt-get install' "${apt[@]}" install --no-install-recommends --no-upgrade "$@"

for s in "${services[@]}"; do
	[ ! -e "/etc/init.d/$s" ] || update-rc.d "$s" disable >/dev/null 2>&1
done
