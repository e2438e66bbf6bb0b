package discovery

import (
	"bytes"
	"encoding/xml"
	"net/http"

	"mox/clientconf"
)

// clientConfig is a configuration as Mozilla's autoconfiguration has it, version 1.1.
type clientConfig struct {
	XMLName  xml.Name      `xml:"clientConfig"`
	Version  string        `xml:"version,attr"`
	Provider emailProvider `xml:"emailProvider"`
}

type emailProvider struct {
	ID               string       `xml:"id,attr"`
	Domain           string       `xml:"domain"`
	DisplayName      string       `xml:"displayName"`
	DisplayShortName string       `xml:"displayShortName"`
	Incoming         []mailServer `xml:"incomingServer"`
	Outgoing         []mailServer `xml:"outgoingServer"`
}

type mailServer struct {
	Type           string   `xml:"type,attr"`
	Hostname       string   `xml:"hostname"`
	Port           int      `xml:"port"`
	SocketType     string   `xml:"socketType"`
	Username       string   `xml:"username"`
	Authentication []string `xml:"authentication"`
}

// placeholder is what programs replace with the address of the user.
const placeholder = "%EMAILADDRESS%"

// autoconfig serves settings for Thunderbird and others.
func (d *Discovery) autoconfig(w http.ResponseWriter, r *http.Request) {
	if allow(w, r, http.MethodGet, http.MethodHead) {
		return
	}
	s, ok := d.requested(w, r)
	if !ok {
		return
	}
	d.Autoconf(s.Domain.Name())
	body, err := marshal(autoconfigOf(s))
	if err != nil {
		d.fail(r.Context(), w, "making settings", err)
		return
	}
	send(w, "text/xml; charset=utf-8", http.StatusOK, body)
}

// requested returns the settings for the address in the query, or without one for the domain
// of the host; otherwise it has answered.
func (d *Discovery) requested(w http.ResponseWriter, r *http.Request) (*clientconf.Settings, bool) {
	query, err := parseQuery(r)
	if err != nil {
		bad(w, "query is malformed")
		return nil, false
	}
	var s *clientconf.Settings
	// Some programs send their placeholder, to keep the address to themselves.
	if address := query.Get("emailaddress"); address != "" && address != placeholder {
		s, err = d.settings(address)
	} else {
		host := requestHost(r)
		if of, ok := hostDomain(host); ok {
			host = of.ASCII
		}
		s, err = clientconf.For(d.Snapshot(), host)
	}
	if err != nil {
		bad(w, "no settings: "+err.Error())
		return nil, false
	}
	return s, true
}

func autoconfigOf(s *clientconf.Settings) *clientConfig {
	p := emailProvider{ID: s.Domain.ASCII, Domain: s.Domain.ASCII, DisplayName: s.Name, DisplayShortName: s.Domain.Name()}
	username := s.Username
	if username == "" {
		username = placeholder
	}
	for _, e := range preferred(s, clientconf.IMAP) {
		p.Incoming = append(p.Incoming, mailServerOf(e, "imap", username))
	}
	for _, e := range preferred(s, clientconf.Submission) {
		p.Outgoing = append(p.Outgoing, mailServerOf(e, "smtp", username))
	}
	return &clientConfig{Version: "1.1", Provider: p}
}

// preferred returns the best entry of a protocol, and then those on ports of HTTPS.
func preferred(s *clientconf.Settings, p clientconf.Protocol) []clientconf.Entry {
	var l []clientconf.Entry
	for i, e := range s.Best(p) {
		if i == 0 || e.ALPN != "" {
			l = append(l, e)
		}
	}
	return l
}

func mailServerOf(e clientconf.Entry, kind, username string) mailServer {
	m := mailServer{Type: kind, Hostname: e.Host.ASCII, Port: e.Port, Username: username}
	switch e.TLS {
	case clientconf.ImplicitTLS:
		m.SocketType = "SSL"
	case clientconf.NoTLS:
		m.SocketType = "plain"
	default:
		m.SocketType = "STARTTLS"
	}
	// Programs take the first that they know.
	m.Authentication = []string{"password-encrypted"}
	if e.TLS != clientconf.NoTLS {
		m.Authentication = append(m.Authentication, "password-cleartext")
	}
	return m
}

// marshal returns a document of XML.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString(xml.Header)
	e := xml.NewEncoder(&b)
	e.Indent("", "  ")
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	b.WriteByte('\n')
	return b.Bytes(), nil
}
