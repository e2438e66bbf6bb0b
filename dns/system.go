package dns

import (
	"runtime"
)

// System returns the resolver for this system: a [Client], or on systems without
// resolv.conf and when no servers are given a [StdResolver]. An error is about an
// address in o.Servers.
func System(o Options) (Resolver, error) {
	if runtime.GOOS == "windows" && len(o.Servers) == 0 && o.ResolvConf == "" {
		return StdResolver{Timeout: o.Timeout}, nil
	}
	return NewClient(o)
}
