# shellcheck shell=bash disable=SC2154 # variables of run.sh
# From an empty machine to trusted mail: quickstart on a host of a network of its own, its records
# in a signed zone, certificates from Pebble in place of Let's Encrypt, mail to and from Postfix.
# Sourced by run.sh.
if chosen e2e; then
	install postfix opendkim opendmarc pebble nginx-light knot knot-dnsutils knot-dnssecutils unbound openssl iproute2 curl python3
	mkdir -p "$work/e2e"
	cp "$work/mox" "$work/e2e/mox"
	isolated e2e "$work/e2e"
fi
