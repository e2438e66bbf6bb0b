#!/bin/bash
# "go test" with the same arguments, in the current directory. Packages of which a test fails have a second try, which is
# said loudly: on a machine that does much else, time passes where tests do not expect it. Those that fail twice fail.
set -uo pipefail
log=$(mktemp)
trap 'rm -f "$log"' EXIT
go test "$@" 2>&1 | tee "$log" && exit
# A line for each package that failed; those that could not be built have no second try.
mapfile -t failed < <(sed -n 's/^FAIL\t\([^ \t]*\).*/\1/p' "$log" | sort -u)
if [ ${#failed[@]} = 0 ] || grep -q '\[build failed\]\|\[setup failed\]' "$log"; then
	exit 1
fi
echo "=== failed, tested once more: ${failed[*]}"
go test -count=1 "${failed[@]}"
