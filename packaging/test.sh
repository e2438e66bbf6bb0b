#!/bin/bash
# "go test" with the same arguments, in the current directory; flags have their value after "=". Packages of which a test
# fails have a second try, with the same flags, which is said loudly: on a machine that does much else, time passes where
# tests do not expect it. What the first try of those said begins with "first try: ". Those that fail twice fail.
# The profile of -coverprofile has what both tries ran.
set -uo pipefail
log=$(mktemp)
again=$(mktemp)
trap 'rm -f "$log" "$again"' EXIT

# first passes on the output of "go test", that of packages of which a test failed marked. A package ends with its result.
first() {
	awk '
		function out(mark, i) { for (i = 0; i < n; i++) print mark line[i]; n = 0; fflush() }
		{ line[n++] = $0 }
		/^FAIL\t.*\[(build|setup) failed\]$/ { out(""); next }
		/^FAIL(\t|$)/ { out("first try: "); next }
		/^(ok  |\?   )\t|^\t[^ \t]+\t\tcoverage: / { out("") }
		END { out("") }'
}

go test "$@" 2>&1 | tee "$log" | first
[ "${PIPESTATUS[0]}" = 0 ] && exit
# A line for each package that failed; those that could not be built have no second try.
mapfile -t failed < <(sed -n 's/^FAIL\t\([^ \t]*\).*/\1/p' "$log" | sort -u)
if [ ${#failed[@]} = 0 ] || grep -q '\[build failed\]\|\[setup failed\]' "$log"; then
	echo "=== failed"
	grep -v '^ok  \|^?   \|coverage: 0.0% of statements$' "$log"
	exit 1
fi
echo "=== failed, tested once more: ${failed[*]}"
flags=() profile=
for arg in "$@"; do
	case $arg in
	-coverprofile=*) profile=${arg#*=} flags+=("-coverprofile=$again") ;;
	-*) flags+=("$arg") ;;
	esac
done
go test -count=1 "${flags[@]}" "${failed[@]}"
status=$?
if [ -n "$profile" ]; then # blocks may be in a profile more than once; its first line is the mode
	[ -s "$profile" ] || head -n 1 "$again" >"$profile"
	tail -n +2 "$again" >>"$profile"
fi
exit $status
