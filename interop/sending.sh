# shellcheck shell=bash disable=SC2154 # variables of run.sh
# Sending: two mox, Postfix, Exim and OpenSMTPD, each on a host of its own, send each other mail
# over a network with a signed DNS, MTA-STS policies, and boxes in the middle that do harm.
# Sourced by run.sh.
#
#	interop/run.sh sending              all of it
#	interop/run.sh sending-mox-dane     rows of sending/matrix.txt whose names begin so
#	interop/run.sh sending-crash        only that mox is killed while it sends

prepare_sending() {
	install postfix openssl iproute2 knot knot-dnsutils unbound mutt bsdutils
	cp "$work/mox" "$1/mox"
	CGO_ENABLED=0 go build -o "$1/sink" ./interop/sink || die "build failed"
}

trial sending "$work/sending"
