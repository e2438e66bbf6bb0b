#!/bin/bash
# container_inside.sh SOURCE DNSSERVER runs in network, mount and process namespaces of its own, in an
# empty directory: see container.sh.
set -euo pipefail
src=$1 dnsserver=$2
home=$PWD host=192.0.2.1 client=192.0.2.7
die() { echo "FAILED: $*"; exit 1; }

# What Podman needs where a machine has less than it expects: one kind of control groups, and no
# right to raise limits.
umount -R /sys/fs/cgroup 2>/dev/null || true
mount -t cgroup2 none /sys/fs/cgroup
cat >containers.conf <<-EOF
	[containers]
	cgroups = "disabled"
	default_ulimits = ["nofile=$(ulimit -Hn):$(ulimit -Hn)", "nproc=4096:4096"]
	[engine]
	cgroup_manager = "cgroupfs"
	events_logger = "file"
	image_parallel_copies = 1
	tmp_dir = "$home/tmp"
	[network]
	network_backend = "netavark"
	network_config_dir = "$home/networks"
EOF
cat >storage.conf <<-EOF
	[storage]
	driver = "overlay"
	graphroot = "$home/graph"
	runroot = "$home/run"
EOF
export CONTAINERS_CONF=$home/containers.conf CONTAINERS_STORAGE_CONF=$home/storage.conf DISABLE_HC_SYSTEMD=true

ip link set lo up
for addr in $host $client; do
	ip addr add "$addr/32" dev lo
done
hostname host.example.org

# base makes the image that the Dockerfile begins with, out of what this machine has: the Go release is
# mounted when it is used.
base() {
	mkdir -p base/bin base/etc/ssl/certs base/root base/tmp base/go
	cp /bin/busybox base/bin/
	for applet in $(busybox --list); do
		[ -e "base/bin/$applet" ] || ln -s busybox "base/bin/$applet"
	done
	cp /etc/ssl/certs/ca-certificates.crt base/etc/ssl/certs/
	tar -C base -c . | podman import -q -c 'ENV PATH=/usr/local/go/bin:/go/bin:/bin' -c 'ENV GOPATH=/go' -c 'ENV HOME=/root' -c 'ENV GOTOOLCHAIN=local' - golang:1.26
}

build() {
	base
	IMAGE_PLATFORMS="linux/$(go env GOARCH)" IMAGE_FLAGS="--isolation chroot --pull=never --layers=false -v $(go env GOROOT):/usr/local/go:ro -v $(go env GOMODCACHE):/go/pkg/mod -v $(go env GOCACHE):/root/.cache/go-build" \
		"$src/packaging/release.sh" -image v1.2.3 localhost/mox | tee tags
	[ "$(grep -o 'mox:.*' tags | tr '\n' ' ')" = "mox:1.2.3 mox:1.2 mox:1 mox:latest " ] || die "tags"
	podman image inspect mox >image.json
	grep -q '"org.opencontainers.image.version": "v1.2.3"' image.json || { cat image.json; die "no label"; }
	[ "$(podman run --rm --network none mox version | head -1 | cut -d ' ' -f 1)" = v1.2.3 ] || die "version: $(podman run --rm --network none mox version)"
	podman save -q mox -o image.tar
	echo "image: $(wc -c <image.tar) bytes"
}

# wait_for ADDRESS PORT
wait_for() {
	for _ in $(seq 600); do
		(exec 3<>"/dev/tcp/$1/$2") 2>/dev/null && return 0
		sleep 0.1
	done
	podman logs mox 2>&1 | tail -20
	die "nothing listens on $1 port $2"
}

# world has DNS and a certificate for the host.
world() {
	cat >zone <<-EOF
		host.example.org. A $host
		example.org. MX 10 host.example.org.
		1.2.0.192.in-addr.arpa. PTR host.example.org.
		sender.example. A $client
		sender.example. MX 10 sender.example.
		sender.example. TXT "v=spf1 ip4:$client -all"
		7.2.0.192.in-addr.arpa. PTR sender.example.
		_dmarc.sender.example. TXT "v=DMARC1; p=reject"
	EOF
	"$dnsserver" $host:53 zone &
	echo "nameserver $host" >resolv.conf
	mount --bind resolv.conf /etc/resolv.conf
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=test -keyout key.pem -out cert.pem \
		-addext subjectAltName=DNS:host.example.org,DNS:mail.example.org,DNS:mta-sts.example.org,DNS:autoconfig.example.org 2>/dev/null
}

# installed takes what quickstart has made for one that has a certificate without ACME.
installed() {
	password=$(sed -n '/^For you@example.org/{n;n;p}' quickstart.log | tr -d ' ')
	[ -n "$password" ] || { cat quickstart.log; die "no password"; }
	grep -q 'docker compose up -d' quickstart.log || die "quickstart does not know that it is in a container"
	[ ! -e mox.service ] || die "quickstart has written a unit"
	cp ../cert.pem ../key.pem config/
	python3 - <<-'EOF'
		import re
		conf = open("config/mox.conf").read()
		new = re.sub(r"\n\t\t\tACME: letsencrypt\n", "\n\t\t\tKeyCerts:\n\t\t\t\t-\n\t\t\t\t\tCertFile: cert.pem\n\t\t\t\t\tKeyFile: key.pem\n", conf)
		assert new != conf
		new = re.sub(r"\n\t\t\tHostPrivateKeyFiles:\n(\t\t\t\t.*\n)*", "\n", new)
		open("config/mox.conf", "w").write(new)
	EOF
}

# mail NAME has a message come in from elsewhere, and read by its user; both see the address of the other.
mail() {

	swaks --server $host --port 25 --local-interface $client --ehlo sender.example --from a@sender.example --to you@example.org \
		--tls --header "Subject: $1" --header "Message-Id: <$1@sender.example>" >swaks.log 2>&1 || { cat swaks.log; die "$1: not taken"; }
	for _ in $(seq 600); do
		ask "imaps://host.example.org/INBOX" -X 'UID SEARCH SUBJECT '"$1" >found
		grep -q 'SEARCH [0-9]' found && break
		sleep 0.1
	done
	ask "imaps://host.example.org/INBOX;UID=$(grep -o '[0-9]*' found | tail -1)" >message
	grep -q "^Subject: $1" message || { cat found message; die "$1: not there"; }
	grep -q "^Received: from sender.example (.*$client" message || { cat message; die "$1: the address of the sender was not seen"; }
	grep -Eq "spf=pass|Received-SPF: pass" message || { cat message; die "$1: SPF"; }
	# And by submission, with the password.
	swaks --server $host --port 465 --tls-on-connect --local-interface $client --auth PLAIN --auth-user you@example.org --auth-password "$password" \
		--from you@example.org --to you@example.org --header "Subject: $1 own" >swaks.log 2>&1 || { cat swaks.log; die "$1: submission"; }
}
ask() { curl -sS --max-time 10 --interface $client --cacert "$home/cert.pem" --resolve host.example.org:993:$host -u "you@example.org:$password" "$@"; }

# state CONTAINER FIELD of its worker, from the kernel.
state() {
	local worker
	worker=$(pgrep -P "$(podman inspect --format '{{.State.Pid}}' "$1")" | tail -1)
	awk -v f="$2:" '$1 == f {print $2}' "/proc/$worker/status"
}

# compose NAME FILE ARGUMENT ... is "podman run" as a compose file has it, with further flags in $more.
compose() {
	local args
	mapfile -t args < <(python3 "$src/interop/compose.py" "$2" mox)
	# shellcheck disable=SC2086 # words
	podman run --name "$1" ${more:-} "${args[@]}" "${@:3}"
}

# on_host is compose.yaml.
on_host() {
	mkdir mox
	cd mox
	cp "$src/packaging/compose.yaml" .
	more=--rm compose quickstart compose.yaml quickstart -skipdial -hostname host.example.org you@example.org >out 2>&1 || { cat out; die "quickstart"; }
	installed
	more=--rm compose test compose.yaml config test
	more=--detach compose mox compose.yaml >/dev/null
	wait_for $host 993
	mail on-host
	podman healthcheck run mox || die "not healthy"
	[ "$(state mox Uid)" = 65532 ] || die "the worker is user $(state mox Uid)"
	[ "$(state mox CapEff)$(state mox CapBnd)" = 00000000000000000000000000000000 ] || die "the worker has $(state mox CapBnd)"
	podman exec mox mox status || true
	podman stop -t 10 mox >/dev/null
	podman logs mox >log 2>&1
	if grep -E 'l=error|panic' log; then die "errors in the log"; fi
	podman rm mox >/dev/null
	cd ..
	echo "on the network of the host"
}

# bridged is compose.bridge.yaml: a network of its own, which here is made by hand, with HAProxy outside.
bridged() {
	mkdir -p /run/netns
	mount -t tmpfs none /run/netns
	ip netns add mail
	ip link add bridge type veth peer name eth0 netns mail
	ip addr add 172.30.25.1/24 dev bridge
	ip link set bridge up
	ip -n mail addr add 172.30.25.2/24 dev eth0
	ip -n mail link set eth0 up
	ip -n mail link set lo up
	ip -n mail route add default via 172.30.25.1
	mkdir bridge
	cd bridge
	chown 65532:65532 .
	cp "$src/packaging/compose.bridge.yaml" "$src/packaging/haproxy.cfg" .
	export PUBLIC_IPS=$host
	more="--rm --network ns:/run/netns/mail" compose quickstart compose.bridge.yaml quickstart -skipdial -hostname host.example.org -publicip $host you@example.org >out 2>&1 || { cat out; die "quickstart"; }
	installed
	chown 65532:65532 config/*
	haproxy -c -q -f haproxy.cfg
	haproxy -db -f haproxy.cfg >haproxy.log 2>&1 &
	more="--detach --network ns:/run/netns/mail" compose bridged compose.bridge.yaml >/dev/null
	wait_for 172.30.25.2 993
	mail bridged
	podman healthcheck run bridged || die "not healthy"
	[ "$(state bridged Uid)" = 65532 ] || die "the worker is user $(state bridged Uid)"
	podman stop -t 10 bridged >/dev/null
	podman logs bridged >log 2>&1
	if grep -E 'l=error|panic' log; then die "errors in the log"; fi
	cd ..
	echo "behind HAProxy, without root"
}

# local is compose.localserve.yaml.
local_serve() {
	more="--detach --network host" compose local "$src/packaging/compose.localserve.yaml" localserve -dir /tmp/mox -ip 0.0.0.0 >/dev/null
	wait_for 127.0.0.1 1143
	podman healthcheck run local || die "localserve is not healthy"
	swaks --server 127.0.0.1 --port 1025 --from a@b.example --to mox@localhost --header "Subject: local" >swaks.log 2>&1 || { cat swaks.log; die "localserve"; }
	curl -sS -u mox@localhost:moxmoxmox "imap://127.0.0.1:1143/INBOX" -X 'SEARCH SUBJECT local' | grep -q 'SEARCH 1' || die "localserve: not there"
	podman stop -t 10 local >/dev/null
	echo "localserve"
}

# unready says plainly what is missing.
unready() {
	mkdir empty
	cd empty
	if more="--rm" compose empty "$src/packaging/compose.yaml" >out 2>&1; then die "serves nothing"; fi
	cat out
	grep -q 'mox quickstart' out || die "does not say how to begin"
	cd ..
}

build
world
unready
on_host
bridged
local_serve
