# shellcheck shell=bash disable=SC2154 # variables of run.sh
# What "mox quickstart -existing-webserver" prints for other web servers, in the servers of Debian: each
# takes it, and with it in front of mox the names of the domain work, with the addresses of clients.
# Sourced by run.sh.

case_quickstart() {
	chmod 755 "$work" # the user of the server has to come to its files
	install nginx-light apache2 haproxy caddy openssl
	timeout -k 5 240 unshare --net --mount --pid --fork --kill-child --mount-proc bash "$here/quickstart_inside.sh" "$work/mox"
}
