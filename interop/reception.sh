# shellcheck shell=bash disable=SC2154 # variables of run.sh
# Reception: a mox that serves as on the internet, in a network of its own, gets mail from
# Postfix, Exim and OpenSMTPD, and from clients that mean harm. Sourced by run.sh.

prepare_reception() {
	install postfix openssl iproute2 swaks libnet-ssleay-perl
	CGO_ENABLED=0 go build -o "$1/dnsserver" ./interop/dnsserver || die "build failed"
}

trial reception "$work/mox" "$work/reception"
