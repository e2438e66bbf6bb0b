package config

import (
	"fmt"
	"io"
	"path"
	"time"

	"mox/dns"
	"mox/sconf"
)

// WriteStatic writes mox.conf with the documentation of each field that is set.
func WriteStatic(w io.Writer, s *Static) error {
	return sconf.WriteDocs(w, s)
}

// WriteDynamic writes domains.conf with the documentation of each field that is set.
func WriteDynamic(w io.Writer, d *Dynamic) error {
	return sconf.WriteDocs(w, d)
}

// NewAccount returns the settings of a new account with one address, or with none if
// address is empty.
func NewAccount(domain, address string) Account {
	a := Account{
		Domain:         domain,
		Destinations:   map[string]Destination{},
		SubjectPass:    SubjectPass{Period: 12 * time.Hour},
		RejectsMailbox: "Rejects",
		AutomaticJunkFlags: AutomaticJunkFlags{
			Enabled:              true,
			JunkMailboxRegexp:    "^(junk|spam)",
			NeutralMailboxRegexp: "^(inbox|introbox|neutral|postmaster|dmarc|tlsrpt|rejects)",
		},
		JunkFilter: &JunkFilter{
			Threshold: 0.95,
			Params:    JunkParams{Onegrams: true, Twograms: true, MaxPower: 0.01, TopWords: 100, IgnoreWords: 0.1, RareWords: 1},
		},
		NoCustomPassword: true,
	}
	if address != "" {
		a.Destinations[address] = Destination{}
	}
	return a
}

// NewDomainOptions say what a new domain is made from.
type NewDomainOptions struct {
	Domain   dns.Domain
	Account  string     // gets the reports about the domain
	Hostname dns.Domain // of the server
	MTASTS   bool       // a listener serves MTA-STS policies
	Now      time.Time
}

// NewKey is a private key that a new configuration refers to and that is to be generated.
type NewKey struct {
	Algorithm string // "rsa2048", "ed25519" or "ecdsap256", as in the name of the file
	Path      string // relative to the configuration directory, with slashes
}

// NewDomain returns the settings of a new domain, and its DKIM keys. Mail is signed twice: by
// RSA, which everybody verifies, and by Ed25519, whose short key cannot be factored. The
// third, RSA, is in DNS without being used: should the first have to go, it is put into Sign in
// its place, and counts at once, without waiting for DNS.
func NewDomain(o NewDomainOptions) (Domain, []NewKey) {
	now := o.Now.UTC()
	conf := Domain{
		ClientSettingsDomain:       "mail." + o.Domain.Name(),
		LocalpartCatchallSeparator: "+",
		DKIM:                       DKIM{Selectors: map[string]Selector{}},
		DMARC:                      &DMARC{Localpart: "dmarcreports", Account: o.Account, Mailbox: "DMARC"},
		TLSRPT:                     &TLSRPT{Localpart: "tlsreports", Account: o.Account, Mailbox: "TLSRPT"},
	}
	if o.MTASTS {
		conf.MTASTS = &MTASTS{PolicyID: now.Format("20060102T150405"), Mode: "enforce", MaxAge: 24 * time.Hour, MX: []string{o.Hostname.Name()}}
	}
	var keys []NewKey
	for _, s := range []struct {
		suffix, algorithm string
		sign              bool
	}{{"a", "rsa2048", true}, {"b", "ed25519", true}, {"c", "rsa2048", false}} {
		name := now.Format("2006") + s.suffix
		key := NewKey{s.algorithm, path.Join("dkim", fmt.Sprintf("%s._domainkey.%s.%s.%s.privatekey.pkcs8.pem", name, o.Domain.ASCII, now.Format("20060102T150405"), s.algorithm))}
		keys = append(keys, key)
		conf.DKIM.Selectors[name] = Selector{Expiration: "72h", PrivateKeyFile: key.Path}
		if s.sign {
			conf.DKIM.Sign = append(conf.DKIM.Sign, name)
		}
	}
	return conf, keys
}

// HostKeys returns the keys for certificates of a host name, which stay the same for DANE
// when certificates are renewed: ECDSA is what most use, RSA is for the others.
func HostKeys(hostname dns.Domain, now time.Time) []NewKey {
	var keys []NewKey
	for _, algorithm := range []string{"rsa2048", "ecdsap256"} {
		keys = append(keys, NewKey{algorithm, path.Join("hostkeys", fmt.Sprintf("%s.%s.%s.privatekey.pkcs8.pem", hostname.ASCII, now.UTC().Format("20060102T150405"), algorithm))})
	}
	return keys
}
