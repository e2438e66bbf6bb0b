#!/bin/bash
# Inside a network namespace: bans of a server, told to the kernel. $1 is the program; the configuration of a
# localserve is in data. Addresses of clients are on the loopback interface.
set -euo pipefail
mox() { "$program" -config data/mox.conf "$@"; }
program=$1
bad=198.51.100.5 good=203.0.113.9 bad6=2001:db8:1::5
ip link set lo up
for address in $bad/32 $good/32 $bad6/128; do ip address add "$address" dev lo; done

# greeting PORT FROM TO prints the first line of a service, or "dropped" when there is no answer for 2 s.
greeting() {
	python3 - "$@" <<-'EOT'
		import socket, sys
		try:
		    with socket.create_connection((sys.argv[3], int(sys.argv[1])), 2, (sys.argv[2], 0)) as s:
		        print(s.recv(200).decode().splitlines()[0])
		except TimeoutError:
		    print("dropped")
	EOT
}

want() { # want PATTERN PORT FROM [TO]
	local got
	got=$(greeting "$2" "$3" "${4:-127.0.0.1}")
	echo "$2 from $3: $got"
	# shellcheck disable=SC2053 # a pattern
	[[ $got == $1 ]]
}

# written PATTERN waits until the file has, or with a second argument has not, a line.
written() {
	for _ in $(seq 600); do
		if grep -q "$1" "data/$file" 2>/dev/null; then [ $# = 1 ] && return; else [ $# = 2 ] && return; fi
		sleep 0.1
	done
	cat "data/$file"
	return 1
}

load_nft() {
	nft -c -f "data/$file"
	nft -f "data/$file"
}

load_ipset() {
	ipset restore <"data/$file"
	iptables -C INPUT -p tcp --dport 1143 -m set --match-set mox-logins4 src -j DROP 2>/dev/null ||
		iptables -A INPUT -p tcp --dport 1143 -m set --match-set mox-logins4 src -j DROP
}

cp data/mox.conf mox.conf
for filter in nft ipset; do
	file=bans.$filter
	{ cat mox.conf; printf 'AutoBan:\n\tExportFile: %s\n' "$file"; } >data/mox.conf
	"$program" localserve -dir data -ip 127.0.0.1 >"log.$filter" 2>&1 &
	server=$!
	for _ in $(seq 600); do [ -S data/ctl ] && break; sleep 0.1; done
	want '\* OK*' 1143 $bad
	mox ban add -for logins -duration 1h $bad
	mox ban add -for logins -duration 1h 198.51.100.0/24 # the one within is told once
	want '\* BYE \[CONTACTADMIN\]*' 1143 $bad            # by the server
	mox ban add $bad6
	written '^[^#]*198.51.100.0/24 timeout 3'
	written '2001:db8:1::/64'
	"load_$filter"
	want dropped 1143 $bad # by the kernel
	want '220 *' 1025 $bad
	want '\* OK*' 1143 $good
	want '\* OK*' 1143 127.0.0.1
	if [ $filter = nft ]; then
		nft list table inet mox >listed
		grep -q 'expires 5.*m' listed
		grep -q '2001:db8:1::/64' listed
		# Loaded again, nothing is there twice.
		"load_$filter"
		nft list table inet mox >listed
		[ "$(grep -c 'hook input' listed)" = 1 ]
	fi
	mox ban remove $bad
	written '198.51.100.0/24' not
	"load_$filter"
	want '\* OK*' 1143 $bad
	mox ban remove $bad6
	mox stop
	wait $server
done
