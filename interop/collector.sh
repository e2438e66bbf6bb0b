# shellcheck shell=bash disable=SC2154 # variables of run.sh
# Spans are sent to a Collector of OpenTelemetry, built from its authors' parts, that is there, not there, and there
# again. Sourced by run.sh.
if chosen collector; then
	install iproute2 curl python3
	(cd "$here/collector" && CGO_ENABLED=0 go build -o "$work/collector" .) || die "could not build the collector"
	isolated collector "$work/mox" "$work/collector"
fi
