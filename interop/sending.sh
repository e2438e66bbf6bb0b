# shellcheck shell=bash disable=SC2154 # variables of run.sh
# Sending: two mox, Postfix, Exim and OpenSMTPD, each on a host of its own, send each other mail
# over a network with a signed DNS, MTA-STS policies, and boxes in the middle that do harm.
# Sourced by run.sh.
#
#	interop/run.sh sending              all of it
#	interop/run.sh sending-mox-dane     rows of sending/matrix.txt whose names begin so
#	interop/run.sh sending-crash        only that mox is killed while it sends
#
# As with reception, everything runs in namespaces that go away with it, and Exim and
# OpenSMTPD are unpacked and not installed.

sending() {
	[[ -z $only || $only == sending* ]] || return 0
	local dir=$work/sending server line
	mkdir -p "$dir"
	if ! unshare --mount --net --uts --pid --fork true 2>/dev/null; then
		echo "FAIL  sending: needs root and namespaces"
		failed=$((failed + 1))
		return
	fi
	install postfix openssl iproute2 knot knot-dnsutils unbound mutt bsdutils
	for server in exim4-daemon-light opensmtpd; do
		# shellcheck disable=SC2046 # a word for each library
		install $(apt-cache depends "$server" | sed -n 's/^ *|\?Depends: \(lib[^<>]*\)$/\1/p')
		(cd "$dir" && { apt-get download -qq "$server" || { apt-get update -qq && apt-get download -qq "$server"; }; }) >"$dir/apt.log" 2>&1 || { cat "$dir/apt.log"; die "could not get $server"; }
		dpkg -x "$dir/$server"_*.deb "$dir/$server" || die "could not unpack $server"
	done
	cp "$work/mox" "$dir/mox"
	CGO_ENABLED=0 go build -o "$dir/sink" ./interop/sink || die "build failed"
	while IFS= read -r line; do
		case $line in
		"ok "*) passed=$((passed + 1)) ;;
		"FAIL "*) failed=$((failed + 1)) ;;
		esac
		echo "$line"
	done < <(timeout -k 10 480 unshare --mount --net --uts --ipc --pid --fork --kill-child --mount-proc \
		python3 "$here/sending/main.py" "$dir" "$only" 2>&1 || echo "FAIL  sending: exit status $?")
}

sending
