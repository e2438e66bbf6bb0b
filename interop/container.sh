# shellcheck shell=bash disable=SC2154 # variables of run.sh
# The image of packaging/Dockerfile, built by Podman, as the compose files run it: quickstart in a
# container, serving, receiving and reading, on the network of the host and behind HAProxy without any
# right. Sourced by run.sh.

case_container() {
	install podman buildah crun busybox-static haproxy swaks curl openssl iproute2 python3-yaml
	(cd "$here/.." && go mod download && CGO_ENABLED=0 go build -o "$work/dnsserver" ./interop/dnsserver)
	timeout -k 5 400 unshare --net --mount --uts --pid --fork --kill-child --mount-proc bash "$here/container_inside.sh" "$here/.." "$work/dnsserver"
}

if [ "$(id -u)" = 0 ]; then
	run container case_container
fi
