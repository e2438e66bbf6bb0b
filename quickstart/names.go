package quickstart

import (
	"strings"

	"mox/dns"
)

// localSuffixes are names that mean nothing to others (RFC 6761, 6762, 8375, and what
// systems and clouds make up).
var localSuffixes = []string{"local", "localhost", "localdomain", "internal", "intranet", "lan", "home", "home.arpa", "corp", "private", "invalid"}

// isPublicName tells whether a name may be one that the world can look up.
func isPublicName(d dns.Domain) bool {
	if !strings.Contains(d.ASCII, ".") || d.Numeric() {
		return false
	}
	for _, s := range localSuffixes {
		if strings.HasSuffix("."+d.ASCII, "."+s) {
			return false
		}
	}
	return true
}

func firstLabel(name string) string {
	label, _, _ := strings.Cut(name, ".")
	return label
}

// isVirtual tells whether an interface is one that containers and VPNs come with: it may be
// missing when the server starts, and the world is not behind it.
func isVirtual(name string) bool {
	for _, prefix := range []string{"docker", "br-", "veth", "virbr", "lxc", "lxdbr", "cni", "podman", "wg", "tailscale", "tun", "tap", "zt", "incusbr"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}
