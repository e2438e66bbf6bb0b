# shellcheck shell=bash disable=SC2154 # variables of run.sh
# Reception: a mox that serves as on the internet, in a network of its own, gets mail from
# Postfix, Exim and OpenSMTPD, and from clients that mean harm. Sourced by run.sh.
#
# Everything runs in namespaces that go away with it: addresses, ports, processes, and what
# is written to /etc, /usr, /var and /run. Exim and OpenSMTPD are unpacked and not
# installed, since Debian has one mail server at a time.

reception() {
	[[ -z $only || $only == reception* ]] || return 0
	local dir=$work/reception server line
	mkdir -p "$dir"
	if ! unshare --mount --net --uts --pid --fork true 2>/dev/null; then
		echo "FAIL  reception: needs root and namespaces"
		failed=$((failed + 1))
		return
	fi
	install postfix openssl iproute2 swaks libnet-ssleay-perl
	for server in exim4-daemon-light opensmtpd; do
		# shellcheck disable=SC2046 # a word for each library
		install $(apt-cache depends "$server" | sed -n 's/^ *|\?Depends: \(lib[^<>]*\)$/\1/p')
		(cd "$dir" && { apt-get download -qq "$server" || { apt-get update -qq && apt-get download -qq "$server"; }; }) >"$dir/apt.log" 2>&1 || { cat "$dir/apt.log"; die "could not get $server"; }
		dpkg -x "$dir/$server"_*.deb "$dir/$server" || die "could not unpack $server"
	done
	CGO_ENABLED=0 go build -o "$dir/dnsserver" ./interop/dnsserver || die "build failed"
	while IFS= read -r line; do
		case $line in
		"ok "*) passed=$((passed + 1)) ;;
		"FAIL "*) failed=$((failed + 1)) ;;
		esac
		echo "$line"
	done < <(unshare --mount --net --uts --ipc --pid --fork --kill-child --mount-proc \
		python3 "$here/reception/main.py" "$work/mox" "$dir" "$only" 2>&1 || echo "FAIL  reception: exit status $?")
}

reception
