package config

import (
	"io"
	"time"

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
