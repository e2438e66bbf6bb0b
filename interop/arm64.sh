# shellcheck shell=bash disable=SC2154 # variables of run.sh
# The program for the other processor, run by QEMU: mail in and out, killed while mail comes in, its data verified.
# Sourced by run.sh.

case_arm64() {
	install qemu-user-static
	local arch=arm64 emulator=qemu-aarch64-static
	[ "$(go env GOARCH)" = amd64 ] || arch=amd64 emulator=qemu-x86_64-static
	(cd "$here/.." && CGO_ENABLED=0 GOARCH=$arch go build -trimpath -o "$OLDPWD/mox-other" .)
	"$emulator" ./mox-other version | grep -q "linux/$arch"
	timeout -k 5 240 unshare --net --pid --fork --kill-child --mount-proc python3 "$here/arm64.py" "$emulator" "$PWD/mox-other"
}

if [ "$(id -u)" = 0 ]; then
	run arm64 case_arm64
fi
