#!/bin/bash
# Run by sftp.sh in namespaces of its own: mount, network, processes.
# usage: sftp_inside.sh MOX DIRECTORY-OF-OPENSSH
set -euxo pipefail
mox=$1 openssh=$2
ip link set lo up
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/sshd /run/keys /run/box /run/small

# Users of the server, for this namespace alone: one that writes, one that may only read the same, one with a small disk.
cp /etc/passwd /run/passwd
cp /etc/group /run/group
grep -q '^sshd:' /run/passwd || echo 'sshd:*:64021:65534::/run/sshd:/usr/sbin/nologin' >>/run/passwd
printf '%s\n' 'moxwrite:*:64022:64022::/:/usr/sbin/nologin' 'moxread:*:64022:64022::/:/usr/sbin/nologin' 'moxsmall:*:64024:64022::/:/usr/sbin/nologin' >>/run/passwd
echo 'moxsftp:*:64022:' >>/run/group
mount --bind /run/passwd /etc/passwd
mount --bind /run/group /etc/group
mount -t tmpfs -o mode=755,size=1m tmpfs /run/small
install -d -o moxwrite -g moxsftp -m 750 /run/box/backups
install -d -o moxsmall -g moxsftp -m 750 /run/small/backups

hostkey() { rm -f /run/keys/host*; ssh-keygen -q -t "$1" -N '' -f /run/keys/host; }
cat >/run/sshd_config <<EOF
Port 2222
ListenAddress 127.0.0.1
HostKey /run/keys/host
PidFile /run/sshd.pid
UsePAM no
PasswordAuthentication no
AuthorizedKeysFile /run/keys/authorized
Subsystem sftp internal-sftp -u 0027
ChrootDirectory /run/box
ForceCommand internal-sftp -u 0027
Match User moxread
	ForceCommand internal-sftp -R
Match User moxsmall
	ChrootDirectory /run/small
EOF
# Releases from 9.8 on have a program for each connection.
if [ -e "$openssh/usr/lib/openssh/sshd-session" ]; then
	echo "SshdSessionPath $openssh/usr/lib/openssh/sshd-session" | cat - /run/sshd_config >/run/sshd_config.new
	mv /run/sshd_config.new /run/sshd_config
	[ ! -e "$openssh/usr/lib/openssh/sshd-auth" ] || sed -i "1i SshdAuthPath $openssh/usr/lib/openssh/sshd-auth" /run/sshd_config
fi
begin() {
	"$openssh/usr/sbin/sshd" -f /run/sshd_config -E "$PWD/sshd.log"
	for _ in $(seq 600); do (exec 3<>/dev/tcp/127.0.0.1/2222) 2>/dev/null && return; sleep 0.1; done
	return 1
}
# end ends the server and all its connections.
end() {
	local pid
	kill "$(cat /run/sshd.pid)"
	for pid in /proc/[0-9]*; do
		if [ "$(cut -c 1-5 "$pid/comm" 2>/dev/null)" = sshd ] || grep -q '^sshd' "$pid/comm" 2>/dev/null; then kill "${pid#/proc/}" 2>/dev/null || true; fi
	done
	rm -f /run/sshd.pid
	sleep 0.5
}
trap 'tail -30 sshd.log server.log 2>/dev/null' ERR
hostkey ed25519
touch /run/keys/authorized
begin

"$mox" localserve -dir data -ip 127.0.0.1 -initonly >/dev/null
"$mox" backup key data/backup.key
"$mox" backup hostkeys 127.0.0.1:2222 >shown
host=$(cut -d' ' -f1,2 shown)
# What is shown is what ssh-keygen says there.
[ "$(cut -d' ' -f3 shown)" = "$(ssh-keygen -lf /run/keys/host.pub | cut -d' ' -f2)" ]
fingerprint=$(cut -d' ' -f3 shown)
url=sftp://moxwrite@127.0.0.1:2222/backups/mox
public=$("$mox" backup sshkey data/sshkey)
place() { local at=$1; shift; echo -repository "$at" -sshkeyfile data/sshkey -keyfile data/backup.key "$@"; }

# refused WORDS COMMAND ... fails, and says why.
refused() {
	local words=$1
	shift
	if "$@" >refused 2>&1; then return 1; fi
	grep -F -- "$words" refused
}

# Our key is not known there yet.
# shellcheck disable=SC2046 # words
refused 'does not let moxwrite in with the key SHA256:' "$mox" backup list $(place $url -hostkey "$fingerprint")
echo "$public" >/run/keys/authorized
# shellcheck disable=SC2046
refused 'no repository there' "$mox" backup list $(place $url -hostkey "$fingerprint")
# shellcheck disable=SC2046
refused 'permission denied' "$mox" -config data/mox.conf backup run $(place sftp://moxwrite@127.0.0.1:2222/elsewhere/mox -hostkey "$fingerprint")

cat >>data/mox.conf <<EOF
Backup:
	Repository: $url
	SSHKeyFile: sshkey
	HostKeys:
		- $host
	KeyFile: backup.key
	Replicate: true
EOF
"$mox" -config data/mox.conf config test
m() { "$mox" -config data/mox.conf "$@"; }
python3 - <<'EOF'
import os, base64
with open("in.mbox", "w") as f:
    for i in range(300):
        f.write(f"From a@b Sat Jan  3 01:05:34 2026\nFrom: a@b\nSubject: number {i}\nMessage-ID: <{i}@b>\n\n{base64.encodebytes(os.urandom(20000)).decode()}\n")
EOF
"$mox" localserve -dir data -ip 127.0.0.1 >server.log 2>&1 &
server=$!
for _ in $(seq 600); do [ -S data/ctl ] && break; sleep 0.1; done
m import mbox mox Work in.mbox >/dev/null
# A backup while mail comes in, and the connection breaks.
m import mbox mox Second in.mbox >/dev/null &
importing=$!
(sleep 0.3; end; begin) &
cutting=$!
m backup run
wait $importing
wait $cutting
m backup run
m import mbox mox Third in.mbox >/dev/null
m backup run
[ "$(m backup list | wc -l)" -ge 3 ]
m backup prune -keep-last 1 | grep ' 1 kept'
m backup check | grep '^OK: 1 backups'
m backup drill | grep '^OK: '
m restore message -to Again mox Work 7
m restore list mox | grep '^Third: 300 messages'
m import mbox mox Late in.mbox >/dev/null
m stop
wait $server
if grep panic server.log; then exit 1; fi

# All of it, on another machine with a key that may only read; what was replicated is there too.
export HOME=/nowhere
# shellcheck disable=SC2046
"$mox" restore list $(place sftp://moxread@127.0.0.1:2222/backups/mox -hostkey "$fingerprint") mox | tee listed
grep '^Late: 300 messages' listed
# shellcheck disable=SC2046
"$mox" restore all $(place "$url" -hostkey "$fingerprint") restored
"$mox" verifydata restored/data | grep OK
# shellcheck disable=SC2046
refused 'may not write there, or may only read' m backup run $(place sftp://moxread@127.0.0.1:2222/backups/mox -hostkey "$fingerprint")
# shellcheck disable=SC2046
refused 'disk full' m backup run $(place sftp://moxsmall@127.0.0.1:2222/backups/mox -hostkey "$fingerprint")
# Nothing unfinished is left, and nobody else can read it.
[ -z "$(find /run/box /run/small -name '*.tmp')" ]
[ "$(stat -c %a /run/box/backups/mox)" = 700 ]

# Another key of the same account, and another host key.
"$mox" backup sshkey other >/dev/null
# shellcheck disable=SC2046
refused 'does not let moxwrite in' "$mox" backup list -repository "$url" -sshkeyfile other -keyfile data/backup.key -hostkey "$fingerprint"
end
hostkey ed25519
begin
refused 'shows another host key than HostKeys has' m backup list
end
hostkey ecdsa
begin
refused 'has no host key of a kind that HostKeys has' m backup list
# shellcheck disable=SC2046
refused 'shows another host key' "$mox" backup list $(place "$url" -hostkey "$fingerprint")
end
