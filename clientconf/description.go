package clientconf

// Description is Settings as the APIs of the pages have it.
type Description struct {
	Domain     string             `doc:"Domain of the addresses, with U-labels."`
	Username   string             `doc:"What to log in with, an address; empty for a domain, where it is the address of the user."`
	Name       string             `doc:"What to call the account in a mail program: address or domain."`
	Mechanisms []string           `doc:"SASL mechanisms for passwords, best first. PLAIN is only offered with TLS, unless the listener does without."`
	IMAP       []EntryDescription `doc:"Ways to connect for reading mail, best first; those of internal networks, which are not public, last."`
	Submission []EntryDescription `doc:"Ways to connect for sending mail (SMTP submission), likewise."`
}

// EntryDescription is an Entry in it.
type EntryDescription struct {
	Host   string  `doc:"Name of the server, with U-labels."`
	Port   int     `doc:"TCP port."`
	TLS    TLSMode `doc:"TLS: from the start. STARTTLS: and nothing before it. optional: STARTTLS, but the server works without. none: no TLS." enum:"TLS STARTTLS optional none"`
	ALPN   string  `doc:"What the client has to ask for in TLS, on a port that is shared with HTTPS; otherwise empty."`
	Public bool    `doc:"It is for users anywhere. The others are for this machine and internal networks."`
	Note   string  `doc:"In a few words how to connect."`
}

// Describe returns the settings in that form.
func (s *Settings) Describe() Description {
	d := Description{Domain: s.Domain.Name(), Username: s.Username, Name: s.Name, Mechanisms: s.Mechanisms}
	for _, e := range s.Entries {
		to := &d.IMAP
		if e.Protocol == Submission {
			to = &d.Submission
		}
		*to = append(*to, EntryDescription{Host: e.Host.Name(), Port: e.Port, TLS: e.TLS, ALPN: e.ALPN, Public: e.Public, Note: e.Note})
	}
	return d
}
