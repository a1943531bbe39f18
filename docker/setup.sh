#!/bin/bash
# shellcheck disable=SC2016  # the $ of formats and topics is meant
# setup.sh: what the services of compose.yaml need to trust one another: certificates, passwords, who may do what at the broker.
# Runs before them at each `up`; what is there stays. Each service sees its own folder (a volume), only this one sees all.
#
#   setup.sh                 make what is missing; renew certificates that end within 30 days
#   setup.sh --force         new certificates for all (then: docker compose restart)
#   setup.sh rotate ROLE     a new password of the database's role hub, owner or report (then: ALTER ROLE; see README.md)
#   setup.sh rotate mqtt     … of the hub at the broker (then: docker compose restart mosquitto)
#   setup.sh acl  <FILE      take over the broker's list of `gridhub device export --acl`
#   setup.sh users <FILE     … and that of `gridhub device export --passwords` (then: docker compose kill -s HUP mosquitto)
set -euo pipefail
umask 077
KEYS=${KEYS:-/keys}
here=$(dirname "$(realpath "$0")")

# Users of the images: hub and demo are ours, the others are those of the official images.
HUB=10001 POSTGRES=999 MOSQUITTO=1883

random() { openssl rand -hex 24; }
secret() { # PATH [PREFIX]
	[ -s "$1" ] || printf '%s%s\n' "${2-}" "$(random)" >"$1"
}
copy() { # FROM TO: only if it changed, and at once
	cmp -s "$1" "$2" || { cp "$1" "$2.new" && mv "$2.new" "$2"; }
}

# USER PASSWORD-FILE as mosquitto_passwd writes it ($7$: PBKDF2 with SHA-512).
broker_user() {
	local salt hash rounds=20000
	openssl rand -out "/tmp/salt" 12
	salt=$(od -An -v -tx1 <"/tmp/salt" | tr -d ' \n')
	hash=$(openssl kdf -keylen 64 -kdfopt digest:SHA512 -kdfopt "pass:$(<"$2")" -kdfopt "hexsalt:$salt" -kdfopt "iter:$rounds" -binary PBKDF2 |
		openssl base64 -A)
	printf '%s:$7$%s$%s$%s\n' "$1" "$rounds" "$(openssl base64 -A <"/tmp/salt")" "$hash"
}

broker_files() {
	local dir=$KEYS/mosquitto
	touch "$dir/devices.acl" "$dir/devices.users"
	# Own users first: what was handed in cannot stand for them, for a device of such a name is refused by the export.
	{
		broker_user hub "$KEYS/hub/mqtt"
		broker_user street "$KEYS/demo/mqtt"
		broker_user health "$dir/health"
		cat "$dir/devices.users"
	} >"$dir/users.new"
	if [ -s "$dir/devices.acl" ]; then
		cat "$dir/devices.acl"
	else # nothing was handed in yet: the hub alone
		printf 'user hub\ntopic read city/v1/#\ntopic read zigbee2mqtt/#\ntopic read frigate/#\ntopic read $SYS/#\n'
	fi >"$dir/acl.new"
	printf '\nuser health\ntopic read $SYS/broker/uptime\n' >>"$dir/acl.new"
	# The simulated street speaks for all its devices. Its password is in the volume of the demo only.
	printf '\nuser street\ntopic write city/v1/#\ntopic write zigbee2mqtt/#\ntopic write frigate/#\n' >>"$dir/acl.new"
	mv "$dir/users.new" "$dir/users"
	mv "$dir/acl.new" "$dir/acl"
}

# Two hubs that share what comes in: the same configuration, with a name of its own and shared subscriptions for each.
shared() { # NUMBER
	sed -e "s/client_id: gridhub-1/client_id: gridhub-$1/" -e 's|topic: "|topic: "$share/gridhub/|' /etc/gridhub/gridhub.yaml \
		>"$KEYS/hub/shared-$1.yaml"
}

all() {
	bash "$here/ca.sh" "$@" "$KEYS" postgres,localhost "mosquitto,localhost${GRIDHUB_NAMES:+,$GRIDHUB_NAMES}" demo,receiver,localhost
	mkdir -p "$KEYS"/{hub,owner}
	for to in hub owner; do copy "$KEYS/ca/ca.crt" "$KEYS/$to/ca.crt"; done
	for role in superuser owner hub report; do secret "$KEYS/postgres/$role"; done
	copy "$KEYS/postgres/hub" "$KEYS/hub/database"
	copy "$KEYS/postgres/owner" "$KEYS/owner/database"
	secret "$KEYS/hub/mqtt"
	secret "$KEYS/hub/devices"
	secret "$KEYS/mosquitto/health"
	secret "$KEYS/demo/mqtt"
	sed -n '/^endpoints:/,$s/^  - name: \([a-z0-9_-]*\)$/\1/p' /etc/gridhub/gridhub.yaml | while read -r name; do
		secret "$KEYS/hub/webhook-$name" whsec_
		copy "$KEYS/hub/webhook-$name" "$KEYS/demo/webhook-$name"
	done
	shared 1
	shared 2
}

case ${1-} in
rotate)
	case ${2-} in
	hub | owner | report) file=$KEYS/postgres/$2 ;;
	mqtt) file=$KEYS/hub/mqtt ;;
	*) echo "setup.sh: rotate hub, owner, report or mqtt" >&2 && exit 2 ;;
	esac
	random >"$file.new"
	mv "$file.new" "$file"
	all
	;;
acl | users)
	cat >"$KEYS/mosquitto/devices.$1.new"
	[ -s "$KEYS/mosquitto/devices.$1.new" ] || { echo "setup.sh: nothing on stdin" >&2 && exit 1; }
	mv "$KEYS/mosquitto/devices.$1.new" "$KEYS/mosquitto/devices.$1"
	;;
'' | --force) all "$@" ;;
*) sed -n '3,/^set /{/^#/s/^# \{0,1\}//p}' "$0" >&2 && exit 2 ;;
esac
broker_files
chown -R "$HUB:$HUB" "$KEYS/hub" "$KEYS/owner" "$KEYS/demo"
chown -R "$POSTGRES:$POSTGRES" "$KEYS/postgres"
chown -R "$MOSQUITTO:$MOSQUITTO" "$KEYS/mosquitto"
