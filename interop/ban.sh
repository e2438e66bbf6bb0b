# shellcheck shell=bash disable=SC2154 # variables of run.sh
# What the server writes for packet filters is loaded into the kernel by nft and by ipset, in a network
# namespace of its own. Sourced by run.sh.
if [[ ban == *"$only"* ]]; then
	install nftables ipset iptables iproute2 python3
fi

case_ban() {
	"$work/mox" localserve -dir data -ip 127.0.0.1 -initonly >/dev/null
	unshare --mount --net --pid --fork --kill-child bash "$here/ban_inside.sh" "$work/mox"
}
