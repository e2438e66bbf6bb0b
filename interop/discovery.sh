# shellcheck shell=bash disable=SC2154 # variables of run.sh
# DNS as mox prints it, and mail programs that find their settings: discovery/main.py, in
# namespaces that go away with it. Sourced by run.sh.
if chosen discovery; then
	install knot knot-dnsutils knot-dnssecutils bind9-utils unbound thunderbird zbar-tools iproute2 curl openssl
	mkdir -p "$work/discovery"
	isolated discovery "$work/mox" "$work/discovery"
	if [ -n "${INTEROP_LOGS:-}" ]; then
		mkdir -p "$INTEROP_LOGS"
		cp "$work/discovery"/*.log "$INTEROP_LOGS/" || true
	fi
fi
