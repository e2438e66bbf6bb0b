# shellcheck shell=bash disable=SC2154 # variables of run.sh
# Service files: what "mox config printservice" prints is given to the programs that read it, or
# to those that check it. Sourced by run.sh.

# The unit that begins as root is "OK" to systemd, below 4.0; the one that never has root is below 2.0.
case_service() {
	local kind home
	for home in "$PWD/plain" "$PWD/with space"; do
		mkdir -p "$home/config" "$home/data"
		cp "$work/mox" "$home/mox"
		cp "$data"/*.conf "$data"/localhost.* "$data"/dkim.* "$home/config/"
		sed -i "s,^DataDir:.*,DataDir: $home/data," "$home/config/mox.conf"
		for kind in systemd systemd-socket; do
			"$home/mox" -config "$home/config/mox.conf" config printservice -kind "$kind" -out "$home/$kind"
			systemd-analyze verify "$home/$kind"/* >verify 2>&1 || { cat verify; return 1; }
			cat verify
			[ ! -s verify ] # warnings too
		done
		systemd-analyze security --offline=true --threshold=39 "$home/systemd/mox.service" | tail -1
		systemd-analyze security --offline=true --threshold=19 "$home/systemd-socket/mox.service" | tail -1
	done
	# The threshold is one: it fails what is above it.
	if systemd-analyze security --offline=true --threshold=5 "$home/systemd/mox.service" >/dev/null; then
		return 1
	fi
	grep -qx 'ListenStream=127.0.0.1:1143' plain/systemd-socket/mox.socket
	for kind in openrc freebsd launchd; do
		"$work/mox" -config "$PWD/plain/config/mox.conf" config printservice -kind "$kind" -out "$kind"
	done
	for kind in openrc freebsd; do
		sh -n "$kind/mox"
		shellcheck -s sh "$kind/mox"
		[ -x "$kind/mox" ]
	done
	service_openrc
	python3 - launchd/mox.plist "$PWD/plain" <<-'EOF'
		import plistlib, sys
		p = plistlib.load(open(sys.argv[1], "rb"))
		home = sys.argv[2]
		assert p["ProgramArguments"] == [home + "/mox", "-config", home + "/config/mox.conf", "serve"], p
		assert p["Label"] == "mox" and p["KeepAlive"] is True and p["RunAtLoad"] is True, p
		assert p["WorkingDirectory"] == home and p["Umask"] == 0o007, p
	EOF
}

# service_openrc runs parts of the script of OpenRC with stand-ins for what openrc-run gives it.
service_openrc() {
	mkdir bin
	printf '#!/bin/sh\necho "supervise-daemon $*"\n' >bin/supervise-daemon
	chmod +x bin/supervise-daemon
	cat >rc <<-'EOF'
		ebegin() { echo "begin: $*"; }
		eend() { return "$1"; }
		need() { echo "need $*"; }
		use() { :; }
		after() { :; }
		provide() { echo "provide $*"; }
		RC_SVCNAME=mox
		. ./openrc/mox
		depend
		start_pre || exit 1
		reload || exit 1
		echo "run $command $command_args"
	EOF
	PATH=$PWD/bin:$PATH sh rc >out
	cat out
	grep -qx 'provide mta' out
	grep -qx 'supervise-daemon mox --signal HUP' out
	grep -qx "run $PWD/plain/mox -config $PWD/plain/config/mox.conf serve" out
	echo nonsense >>plain/config/mox.conf
	! sh rc >out
}

if [[ service == *"$only"* ]] && [ "$(id -u)" = 0 ]; then
	install systemd shellcheck
fi
run service case_service
