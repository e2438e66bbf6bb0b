#!/bin/bash
# Opens mox's pages in Debian's Chromium, and uses their forms: no error, nothing loaded from elsewhere, no
# accessibility violation (axe, WCAG 2.2 AA), no sideways scrolling on a phone. With
# SCREENSHOTS=DIR the pictures are kept there. Ends with a line "N passed, N failed".
set -euo pipefail
cd "$(dirname "$0")/.."
here=$PWD/browser
work=$(mktemp -d)
server=
cleanup() {
	if [ -n "$server" ]; then
		kill "$server" 2>/dev/null
		wait "$server" 2>/dev/null || true # its status is the signal's number
	fi
	rm -rf "$work"
}
trap cleanup EXIT

if ! command -v chromium >/dev/null; then
	apt-get update -qq >/dev/null
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >"$work/apt.log" 2>&1 || { tail -5 "$work/apt.log"; exit 1; }
fi
cp "$here"/package.json "$here"/package-lock.json "$here"/pages.mjs "$work"
(cd "$work" && npm ci --no-audit --no-fund --silent)
CGO_ENABLED=0 go build -o "$work/mox" .
"$work/mox" -loglevel info localserve -dir "$work/data" -ip 127.0.0.1 >"$work/server.log" 2>&1 &
server=$!
for _ in $(seq 200); do
	(exec 3<>/dev/tcp/127.0.0.1/1080) 2>/dev/null && break
	sleep 0.1
done
cd "$work" && SCREENSHOTS=${SCREENSHOTS:-$work} node pages.mjs
