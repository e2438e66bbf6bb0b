# shellcheck shell=bash disable=SC2154 # variables of run.sh
# Backups and the replica in an object store that others have written, with the API of S3: all that is right, wrong keys and
# names, a store that goes away in the middle. Sourced by run.sh.
if chosen objectstore; then
	install iproute2 openssl python3
	(cd "$here/objectstore" && CGO_ENABLED=0 go build -o "$work/versitygw" github.com/versity/versitygw/cmd/versitygw) || die "could not build the object store"
	(cd "$here/.." && CGO_ENABLED=0 go test -c -o "$work/backup.test" ./backup) || die "could not build the tests"
	isolated objectstore "$work/mox" "$work/versitygw" "$work/backup.test"
fi
