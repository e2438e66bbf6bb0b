#!/bin/bash
# packages_inside.sh KIND OLD NEW runs in namespaces of its own, in an empty directory: see packages.sh.
set -euo pipefail
kind=$1 old=$(realpath "$2") new=$(realpath "$3")
die() { echo "FAILED: $kind: $*"; exit 1; }

# A copy of this system: what is written to it is in memory.
root=$PWD/root-$kind
mkdir -p "$root"
mount -t tmpfs none "$root"
mkdir "$root/upper" "$root/work" "$root/all"
mount -t overlay overlay -o "lowerdir=/,upperdir=$root/upper,workdir=$root/work" "$root/all"
root=$root/all
mount -t proc none "$root/proc"
mount --rbind /dev "$root/dev"
mount -t tmpfs none "$root/run"
cp "$old" "$root/tmp/old.$kind"
cp "$new" "$root/tmp/new.$kind"
in_root() { chroot "$root" env PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"; }
in_root userdel mox 2>/dev/null || true
in_root groupdel mox 2>/dev/null || true
rm -rf "$root/var/lib/mox"
ip link set lo up
ip addr add 192.0.2.1/32 dev lo

# What the two kinds call things. RPM knows nothing of what Debian has installed.
case $kind in
deb)
	put() { in_root dpkg -i "/tmp/$1.deb"; }
	remove() { in_root dpkg -r mox; }
	purge() { in_root dpkg -P mox; }
	;;
rpm)
	rpm() { in_root rpm --dbpath /var/lib/mox-rpmdb --force-debian --nodeps "$@"; }
	in_root rpm --dbpath /var/lib/mox-rpmdb --initdb
	put() { rpm -U "/tmp/$1.rpm"; }
	remove() { rpm -e mox; }
	purge() { :; }
	;;
esac

put old >out 2>&1 || { cat out; die "install"; }
cat out
grep -q 'mox quickstart you@example.org' out || die "installing does not say how to go on"
[ "$(in_root mox version | head -1 | cut -d ' ' -f 1)" = v1.2.3 ] || die "version"
in_root getent passwd mox | grep -q ':/var/lib/mox:/usr/sbin/nologin$' || die "no user mox"
for f in usr/lib/systemd/system/mox.service usr/share/man/man1/mox-serve.1.gz usr/share/man/man5/mox.conf.5.gz usr/share/doc/mox/copyright \
	usr/share/bash-completion/completions/mox usr/share/doc/mox/prometheus.rules; do
	[ -s "$root/$f" ] || die "no $f"
done
in_root systemd-analyze verify /usr/lib/systemd/system/mox.service >out 2>&1 || { cat out; die "unit"; }

# It is set up where the unit expects it, and served as that says.
in_root sh -c 'cd /var/lib/mox && mox quickstart -offline -hostname host.example.org -publicip 192.0.2.1 you@example.org' >/dev/null
in_root systemctl enable mox 2>out || { cat out; die "enable"; }
[ "$(in_root systemctl is-enabled mox)" = enabled ] || die "not enabled"
start=$(sed -n 's/^ExecStart=//p' "$root/usr/lib/systemd/system/mox.service")
serve() {
	# shellcheck disable=SC2086 # words
	in_root sh -c "cd /var/lib/mox && exec $start" 2>"served-$kind.log" &
	for _ in $(seq 600); do
		in_root mox -config /var/lib/mox/config/mox.conf health >/dev/null 2>&1 && break
		sleep 0.1
	done
	in_root mox -config /var/lib/mox/config/mox.conf health || { cat "served-$kind.log"; die "does not serve"; }
	pgrep -u "$(in_root id -u mox)" -f 'mox.* serve$' >/dev/null || die "no worker as user mox"
	in_root mox -config /var/lib/mox/config/mox.conf stop
	wait
}
serve
sums() { (cd "$root/var/lib/mox" && sha256sum config/*.conf config/dkim/*); }
sums >before

put new >out 2>&1 || { cat out; die "upgrade"; }
[ "$(in_root mox version | head -1 | cut -d ' ' -f 1)" = v1.2.4 ] || die "not upgraded: $(cat out)"
sums | cmp - before || die "the upgrade changes the configuration"
[ "$(in_root systemctl is-enabled mox)" = enabled ] || die "not enabled after the upgrade"
serve

remove >out 2>&1 || { cat out; die "remove"; }
cat out
grep -q 'still in /var/lib/mox' out || die "removing does not say what stays"
[ ! -e "$root/usr/bin/mox" ] || die "not removed"
[ ! -e "$root/etc/systemd/system/multi-user.target.wants/mox.service" ] || die "enabled without being there"
purge >out 2>&1 || { cat out; die "purge"; }
sums | cmp - before || die "removing takes the configuration along"
[ -s "$root/var/lib/mox/data/accounts/you/account.db" ] || die "removing takes mail along"
in_root getent passwd mox >/dev/null || die "the owner of the files is gone"
put new >out 2>&1 || { cat out; die "install again"; }
if grep -q quickstart out; then die "takes what is there for nothing"; fi
serve
echo "$kind: installed, upgraded, removed"
