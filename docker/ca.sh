#!/bin/bash
# A private CA, and certificates of the parties: for Docker (setup.sh) as for a machine without it. See --help.
set -euo pipefail
umask 077

usage() {
	cat <<'END2'
usage: ca.sh [--force] FOLDER NAME[,ALTERNATIVE…] …

Makes FOLDER/ca/ca.key and ca.crt if they are missing, and for each NAME the files FOLDER/NAME/server.key, server.crt and
ca.crt. Alternatives are further host names or addresses under which the party is reached. What is there stays, unless it ends
within 30 days, is asked for under other names, or --force is given. Prints what it made.

FOLDER/ca/ca.key signs: keep it away from the parties (and offline, once all is made).
END2
}

DAYS_CA=3650 DAYS=397 RENEW_S=$((30 * 86400))

die() {
	printf 'ca.sh: %s\n' "$*" >&2
	exit 1
}

key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1" 2>/dev/null; }

make_ca() {
	local dir=$1
	[ ! -s "$dir/ca.crt" ] || [ ! -s "$dir/ca.key" ] || return 0
	mkdir -p "$dir"
	key "$dir/ca.key.new"
	openssl req -x509 -new -sha256 -key "$dir/ca.key.new" -days "$DAYS_CA" -subj "/O=gridhub/CN=gridhub private CA" \
		-addext basicConstraints=critical,CA:TRUE,pathlen:0 -addext keyUsage=critical,keyCertSign,cRLSign -out "$dir/ca.crt.new"
	mv "$dir/ca.key.new" "$dir/ca.key"
	mv "$dir/ca.crt.new" "$dir/ca.crt"
	echo "made ca: ends $(openssl x509 -noout -enddate -in "$dir/ca.crt" | cut -d= -f2)"
}

alternatives() { # NAME,… as subjectAltName
	local one list=()
	for one in ${1//,/ }; do
		if [[ $one =~ ^[0-9.]+$ || $one == *:* ]]; then list+=("IP:$one"); else list+=("DNS:$one"); fi
	done
	(IFS=, && echo "${list[*]}")
}

good() { # DIR NAMES: of this CA, for these names, and not ending soon
	[ -s "$1/server.crt" ] && [ -s "$1/server.key" ] && [ "$(cat "$1/names" 2>/dev/null)" = "$2" ] &&
		openssl x509 -checkend "$RENEW_S" -noout -in "$1/server.crt" >/dev/null &&
		openssl verify -CAfile "$folder/ca/ca.crt" "$1/server.crt" >/dev/null 2>&1
}

make_certificate() { # NAME,ALTERNATIVE…
	local name=${1%%,*} dir=$folder/${1%%,*}
	mkdir -p "$dir"
	cmp -s "$folder/ca/ca.crt" "$dir/ca.crt" || install -m 644 "$folder/ca/ca.crt" "$dir/ca.crt"
	[ "$force" = 1 ] || ! good "$dir" "$1" || return 0
	key "$dir/server.key.new"
	openssl req -new -key "$dir/server.key.new" -subj "/O=gridhub/CN=$name" |
		openssl x509 -req -sha256 -days "$DAYS" -CA "$folder/ca/ca.crt" -CAkey "$folder/ca/ca.key" -set_serial "0x$(openssl rand -hex 16)" \
			-extfile <(printf 'basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth,clientAuth\nsubjectAltName=%s\n' \
				"$(alternatives "$1")") -out "$dir/server.crt.new" 2>/dev/null
	mv "$dir/server.key.new" "$dir/server.key"
	mv "$dir/server.crt.new" "$dir/server.crt"
	printf '%s' "$1" >"$dir/names"
	echo "made $name: ends $(openssl x509 -noout -enddate -in "$dir/server.crt" | cut -d= -f2)"
}

force=0
while [[ ${1-} == -* ]]; do
	case $1 in
	--force) force=1 ;;
	--help | -h) usage && exit 0 ;;
	*) die "unknown option $1 (see --help)" ;;
	esac
	shift
done
[ $# -ge 2 ] || die "expected a FOLDER and a NAME (see --help)"
folder=$1
shift
make_ca "$folder/ca"
for names in "$@"; do
	[[ $names =~ ^[A-Za-z0-9][A-Za-z0-9.,:_-]*$ ]] || die "\"$names\" is no list of names"
	make_certificate "$names"
done
