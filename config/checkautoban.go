package config

import (
	"net/netip"
	"path/filepath"
	"slices"
	"time"

	"mox/sconf"
)

// minBan is the shortest ban that makes sense.
const minBan = time.Minute

// checkAutoBan returns the networks that are never banned.
func (c *checker) checkAutoBan(p sconf.Path, b AutoBan) (allowed []netip.Prefix) {
	for i, s := range b.Allow {
		p := p.Key("Allow").Index(i)
		network, ok := c.network(p, s)
		switch {
		case !ok:
		case network.Bits() == 0:
			c.errorf(p, "network %s is everybody: set Disabled to ban nobody", s)
		case slices.Contains(allowed, network):
			c.errorf(p, "network %s is listed twice", s)
		default:
			allowed = append(allowed, network)
		}
	}
	if b.LoginFailures < 0 {
		c.errorf(p.Key("LoginFailures"), "must not be negative; set Disabled to ban nobody")
	} else if b.LoginFailures > 0 && b.LoginFailures < 5 {
		c.warnf(p.Key("LoginFailures"), "is so low that users will be banned who mistype their password")
	}
	for i, d := range b.Durations {
		if d < minBan {
			c.errorf(p.Key("Durations").Index(i), "must be at least a minute")
		}
	}
	if f := b.ExportFile; f != "" && (f != filepath.Base(f) || !slices.Contains([]string{".nft", ".ipset"}, filepath.Ext(f)) || f == filepath.Ext(f)) {
		c.errorf(p.Key("ExportFile"), "must be a name without directory that ends in .nft or .ipset, such as bans.nft: the file is in DataDir")
	}
	return allowed
}
