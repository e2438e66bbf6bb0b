# shellcheck shell=bash disable=SC2154 # variables of run.sh
# ACME: a mox that serves as on the internet, in a network of its own, gets certificates from
# Pebble, the test server of Let's Encrypt's authors, with every challenge, and uses certificates
# from files that are renewed. Names are in Knot DNS, which takes dynamic updates.
# Sourced by run.sh.
if chosen acme; then
	install pebble knot knot-dnsutils openssl iproute2 curl python3
	isolated acme "$work/mox"
fi
