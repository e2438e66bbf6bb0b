package serve

import (
	"maps"
	"slices"

	"mox/config"
)

// readablePaths are the files that fields name for the worker to read, wherever they are. Those
// named by a change of domains.conf can be read after the next start.
func readablePaths(snap *config.Snapshot) []string {
	var paths []string
	add := func(path string) {
		if path != "" && !slices.Contains(paths, path) {
			paths = append(paths, path)
		}
	}
	file := func(path string) {
		if path != "" {
			add(snap.ConfigPath(path))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(snap.Dynamic.Domains)) {
		for _, sel := range snap.Dynamic.Domains[name].DKIM.Selectors {
			file(sel.PrivateKeyFile)
		}
	}
	file(snap.Static.AdminPasswordFile)
	if b := snap.Static.Backup; b != nil {
		file(b.AccessKeyFile)
		file(b.SSHKeyFile)
		file(b.KeyFile)
	}
	if ca := snap.Static.TLS.CA; ca != nil {
		for _, path := range ca.CertFiles {
			file(path)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(snap.Static.Transports)) {
		t := snap.Static.Transports[name]
		for _, smart := range []*config.TransportSMTP{t.Submissions, t.Submission, t.SMTP} {
			if smart == nil || smart.Auth == nil || smart.Auth.OAuth == nil {
				continue
			}
			for _, path := range []string{smart.Auth.OAuth.TokenFile, smart.Auth.OAuth.ClientSecretFile, smart.Auth.OAuth.RefreshTokenFile} {
				file(path)
			}
		}
	}
	return paths
}
