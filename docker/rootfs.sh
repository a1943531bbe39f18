#!/bin/sh
# rootfs.sh PROGRAM FOLDER: all that PROGRAM needs to run, with pg_dump and pg_restore for its backups, and nothing else, as a
# root file system in FOLDER.
# Debian's word on where each library is from (status.d, copyright) comes along, for scanners and licences.
set -eu
program=$1 root=$2
mkdir -p "$root/usr/bin" "$root/usr/lib" "$root/usr/lib64" "$root/etc/ssl/certs" "$root/etc/gridhub" "$root/usr/share" \
	"$root/var/lib/dpkg/status.d" "$root/var/lib/gridhub/spool" "$root/backup" "$root/keys" "$root/tmp"
for link in bin lib lib64; do ln -s "usr/$link" "$root/$link"; done
chmod 1777 "$root/tmp"
cp "$program" "$root/usr/bin/gridhub"
tools=/usr/lib/postgresql/15/bin
cp "$tools/pg_dump" "$tools/pg_restore" "$root/usr/bin/"

ldd "$program" "$tools/pg_dump" "$tools/pg_restore" | awk '$3 ~ /^\// { print $3 } $1 ~ /^\// && !/:$/ { print $1 }' | sort -u | while read -r lib; do
	real=$(realpath "$lib")
	to=$root/usr${lib#/usr}
	mkdir -p "${to%/*}"
	cp "$real" "$to"
	# dpkg knows a file by the path in its package, with or without /usr
	package=$(dpkg -S "$real" 2>/dev/null || dpkg -S "${real#/usr}")
	echo "${package%%:*}"
done >"$root/packages"
{ sort -u "$root/packages"; echo tzdata; echo ca-certificates; echo postgresql-client-15; } | while read -r package; do
	dpkg-query -s "$package" >"$root/var/lib/dpkg/status.d/$package"
	mkdir -p "$root/usr/share/doc/$package"
	cp -L "/usr/share/doc/$package/copyright" "$root/usr/share/doc/$package/"
done
rm "$root/packages"

cp -a /usr/share/zoneinfo "$root/usr/share/"
rm -rf "$root/usr/share/zoneinfo/posix" "$root/usr/share/zoneinfo/right"
cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
cp -r rules "$root/etc/gridhub/"
rm -f "$root/etc/gridhub/rules/README.md"
cp LICENSE "$root/usr/share/doc/"
echo 'gridhub:x:10001:10001::/var/lib/gridhub:/nonexistent' >"$root/etc/passwd"
echo 'gridhub:x:10001:' >"$root/etc/group"
echo 'hosts: files dns' >"$root/etc/nsswitch.conf"
chown -R 10001:10001 "$root/var/lib/gridhub" "$root/backup"
"$root/usr/bin/gridhub" --version
chroot "$root" /usr/bin/pg_dump --version
