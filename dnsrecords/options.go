package dnsrecords

import (
	"context"
	"time"

	"mox/autotls"
	"mox/config"
	"mox/dns"
)

// dnssecTimeout bounds the lookup of whether a zone is signed.
const dnssecTimeout = 10 * time.Second

// SignedZone tells whether DNSSEC vouches for the records of a host, also for there being none: for
// Options.Authentic.
func SignedZone(ctx context.Context, r dns.Resolver, host dns.Domain) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, dnssecTimeout)
	defer cancel()
	_, res, err := r.LookupIP(ctx, "ip4", host.ASCII)
	if err != nil && !dns.IsNotFound(err) {
		return false, err
	}
	return res.Authentic, nil
}

// AccountURIs returns that of the account at the provider of certificates, if there is one, as its files have it: for
// Options.AccountURIs.
func AccountURIs(snap *config.Snapshot) ([]string, error) {
	name := Provider(snap)
	uri, err := autotls.StoredAccountURI(snap.DataPath("acme"), name, snap.Static.ACME[name].DirectoryURL)
	if uri == "" {
		return nil, err
	}
	return []string{uri}, err
}
