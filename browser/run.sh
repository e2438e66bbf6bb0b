#!/bin/bash
# Opens mox's pages in Debian's Chromium, and uses their forms: no error, nothing loaded from elsewhere, no
# accessibility violation (axe, WCAG 2.2 AA), no sideways scrolling on a phone. With
# SCREENSHOTS=DIR the pictures are kept there. Ends with a line "N passed, N failed".
set -euo pipefail
cd "$(dirname "$0")/.."
here=$PWD/browser
work=$(mktemp -d)
server= pages=
cleanup() {
	if [ -n "$server" ]; then
		kill "$server" 2>/dev/null
		wait "$server" 2>/dev/null || true # its status is the signal's number
	fi
	[ -z "$pages" ] || kill "$pages" 2>/dev/null || true
	rm -rf "$work"
}
trap cleanup EXIT

if ! command -v chromium >/dev/null; then
	apt-get update -qq >/dev/null
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >"$work/apt.log" 2>&1 || { tail -5 "$work/apt.log"; exit 1; }
fi
cp "$here"/package.json "$here"/package-lock.json "$here"/*.mjs "$work"
(cd "$work" && npm ci --no-audit --no-fund --silent)
CGO_ENABLED=0 go build -o "$work/mox" .
"$work/mox" -loglevel info localserve -dir "$work/data" -ip 127.0.0.1 >"$work/server.log" 2>&1 &
server=$!
# Its ports may be taken; what answers there is not what is to be tested.
until grep -q "mox is serving" "$work/server.log"; do
	kill -0 "$server" 2>/dev/null || { cat "$work/server.log"; server=; exit 1; }
	sleep 0.1
done
# Setup, which asks nobody: the resolver is a port on which nothing answers.
mkdir "$work/new"
(cd "$work/new" && exec ../mox setup -offline -hostname mail.example.org -resolver 127.0.0.1:1 >"$work/setup.log" 2>&1) &
pages=$!
for _ in $(seq 600); do
	link=$(grep -o 'http://localhost:.*' "$work/setup.log" || true)
	[ -n "$link" ] && break
	sleep 0.1
done
cd "$work"
export SCREENSHOTS=${SCREENSHOTS:-$work}
status=0
node pages.mjs | tee pages.log || status=1
node setup.mjs "$link" existing | tee setup-pages.log || status=1
invitation=$(./mox -config data/mox.conf user invite person@localhost | tail -1)
node invite.mjs "$invitation" | tee invite-pages.log || status=1
node admin.mjs http://127.0.0.1:1080/admin/ moxadmin localhost "$work/data/domains.conf" | tee admin-pages.log || status=1
node webmail.mjs http://127.0.0.1:1080/webmail/ mox@localhost moxmoxmox ./mox data/mox.conf | tee webmail-pages.log || status=1
node account.mjs http://127.0.0.1:1080/account/ mox@localhost moxmoxmox ./mox | tee account-pages.log || status=1
wait "$pages" || status=1
[ -e new/config/mox.conf ] || status=1
awk '/ passed, / { p += $1; f += $3 } END { print p " passed, " f " failed" }' pages.log setup-pages.log invite-pages.log admin-pages.log webmail-pages.log account-pages.log
exit $status
