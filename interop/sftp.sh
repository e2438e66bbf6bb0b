# shellcheck shell=bash disable=SC2154 # variables of run.sh
# Backups to the SFTP server of OpenSSH, on a port of the loopback in a network namespace of its own.
# Sourced by run.sh.
if [[ sftp == *"$only"* ]]; then
	# shellcheck disable=SC2046 # a word for each library
	install openssh-client iproute2 $(apt-cache depends openssh-server | sed -n 's/^ *|\?Depends: \(lib[^<>]*\)$/\1/p')
	# Not installed: the package would start a service.
	mkdir -p "$work/openssh"
	(cd "$work/openssh" && { apt-get download -qq openssh-server || { apt-get update -qq && apt-get download -qq openssh-server; }; } && dpkg -x openssh-server_*.deb .) >"$work/openssh.log" 2>&1 || { cat "$work/openssh.log"; die "could not get openssh-server"; }
fi

case_sftp() {
	unshare --mount --net --pid --fork --kill-child --mount-proc bash "$here/sftp_inside.sh" "$work/mox" "$work/openssh"
}
run sftp case_sftp
