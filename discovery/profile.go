package discovery

import (
	"bytes"
	"crypto/sha256"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"rsc.io/qr"

	"mox/clientconf"
)

// Bounds of profiles.
const (
	maxAddresses = 20
	maxName      = 200 // characters
	maxURL       = 2000
)

// profileRequest is what a profile is for: the addresses of one account, of which the first is
// to log in with, and the name of its user.
type profileRequest struct {
	settings  *clientconf.Settings
	addresses []string
	name      string
}

// withProfile answers a request about a profile by serve, if it is a good one.
func (d *Discovery) withProfile(serve func(w http.ResponseWriter, r *http.Request, p *profileRequest)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if allow(w, r, http.MethodGet, http.MethodHead) {
			return
		}
		p, err := d.parseProfile(r)
		if err != nil {
			bad(w, err.Error())
			return
		}
		serve(w, r, p)
	}
}

// profile serves a profile for Apple's mail programs.
func (d *Discovery) profile(w http.ResponseWriter, r *http.Request, p *profileRequest) {
	body, err := p.plist()
	if err != nil {
		bad(w, err.Error())
		return
	}
	d.Autoconf(p.settings.Domain.Name())
	w.Header().Set("Content-Disposition", `attachment; filename="email-account-`+fileName(p.settings.Username)+`.mobileconfig"`)
	send(w, "application/x-apple-aspen-config", http.StatusOK, d.signed(r, body))
}

// signed returns a profile signed with the certificate of the host, or as it is if there is
// none that can.
func (d *Discovery) signed(r *http.Request, body []byte) []byte {
	if d.Certificate == nil {
		return body
	}
	cert, err := d.Certificate(d.Snapshot().Hostname)
	if err == nil {
		var signed []byte
		if signed, err = signCMS(cert, body, d.Now()); err == nil {
			return signed
		}
	}
	d.Log.DebugContext(r.Context(), "profile is not signed", "err", err)
	return body
}

// profileQR serves a QR code with the URL of a profile.
func (d *Discovery) profileQR(w http.ResponseWriter, r *http.Request, p *profileRequest) {
	query := url.Values{"addresses": {strings.Join(p.addresses, ",")}}
	if p.name != "" {
		query.Set("name", p.name)
	}
	u := url.URL{Scheme: "https", Host: strings.ToLower(r.Host), Path: "/profile.mobileconfig", RawQuery: query.Encode()}
	if len(u.String()) > maxURL {
		bad(w, "the URL of the profile is too long for a QR code")
		return
	}
	png, err := QR(u.String())
	if err != nil {
		d.fail(r.Context(), w, "making QR code", err)
		return
	}
	send(w, "image/png", http.StatusOK, png)
}

// QR makes a QR code of a text, as PNG.
func QR(text string) ([]byte, error) {
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		return nil, err
	}
	return code.PNG(), nil
}

func (d *Discovery) parseProfile(r *http.Request) (*profileRequest, error) {
	query, err := parseQuery(r)
	if err != nil {
		return nil, errors.New("query is malformed")
	}
	p := &profileRequest{name: strings.TrimSpace(query.Get("name"))}
	if !utf8.ValidString(p.name) || utf8.RuneCountInString(p.name) > maxName || strings.ContainsFunc(p.name, func(c rune) bool { return c < ' ' || c == 0x7f }) {
		return nil, fmt.Errorf("name must be text of at most %d characters", maxName)
	}
	list := strings.Split(query.Get("addresses"), ",")
	if len(list) > maxAddresses {
		return nil, fmt.Errorf("more than %d addresses", maxAddresses)
	}
	for _, address := range list {
		if address = strings.TrimSpace(address); address == "" {
			return nil, errors.New("query parameter addresses must be a list of addresses with commas between")
		}
		s, err := d.settings(address)
		if err != nil {
			return nil, fmt.Errorf("no settings: %w", err)
		}
		if p.settings == nil {
			p.settings = s
		}
		p.addresses = append(p.addresses, s.Username)
	}
	return p, nil
}

// fileName is an address as part of the name of a file.
func fileName(address string) string {
	s := strings.ReplaceAll(strings.ToLower(address), "@", "-at-")
	return strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' {
			return c
		}
		return '-'
	}, s)
}

// uuid returns one that is always the same for the same account, so that a new profile takes
// the place of the old one. RFC 9562 5.8: a version for our own kind of names.
func uuid(kind, name string) string {
	h := sha256.Sum256([]byte("mox profile\n" + kind + "\n" + name))
	h[6] = h[6]&0x0f | 0x80
	h[8] = h[8]&0x3f | 0x80
	return strings.ToUpper(fmt.Sprintf("%x-%x-%x-%x-%x", h[:4], h[4:6], h[6:8], h[8:10], h[10:16]))
}

// plist returns the profile, as property list.
func (p *profileRequest) plist() ([]byte, error) {
	in, out := p.settings.Best(clientconf.IMAP), p.settings.Best(clientconf.Submission)
	if len(in) == 0 || len(out) == 0 {
		return nil, errors.New("the server does not offer both IMAP and submission")
	}
	login, domain := p.addresses[0], p.settings.Domain
	account := dict{
		{"EmailAccountDescription", p.settings.Name},
		{"EmailAccountName", p.name},
		{"EmailAccountType", "EmailTypeIMAP"},
		{"EmailAddress", strings.Join(p.addresses, ",")},
	}
	account = append(account, server("Incoming", in[0], login)...)
	account = append(account, server("Outgoing", out[0], login)...)
	account = append(account, dict{
		{"OutgoingPasswordSameAsIncomingPassword", true},
		{"PayloadDescription", "Email account for " + p.settings.Name},
		{"PayloadDisplayName", p.settings.Name},
		{"PayloadIdentifier", reversed(domain.ASCII) + ".email." + fileName(login) + ".account"},
		{"PayloadType", "com.apple.mail.managed"},
		{"PayloadUUID", uuid("account", login)},
		{"PayloadVersion", 1},
	}...)
	if p.name == "" {
		account = append(account[:1], account[2:]...) // it is asked for
	}
	return property(dict{
		{"PayloadContent", []dict{account}},
		{"PayloadDescription", "Email account for " + p.settings.Name},
		{"PayloadDisplayName", "Email " + p.settings.Name},
		{"PayloadIdentifier", reversed(domain.ASCII) + ".email." + fileName(login)},
		{"PayloadOrganization", domain.Name()},
		{"PayloadRemovalDisallowed", false},
		{"PayloadType", "Configuration"},
		{"PayloadUUID", uuid("profile", login)},
		{"PayloadVersion", 1},
	})
}

func server(direction string, e clientconf.Entry, login string) dict {
	p := direction + "MailServer"
	return dict{
		{p + "Authentication", "EmailAuthCRAMMD5"},
		{p + "HostName", e.Host.ASCII},
		{p + "PortNumber", e.Port},
		{p + "UseSSL", e.TLS != clientconf.NoTLS},
		{p + "Username", login},
	}
}

// reversed returns a domain as identifiers have it: org.example.
func reversed(domain string) string {
	l := strings.Split(domain, ".")
	for i, j := 0, len(l)-1; i < j; i, j = i+1, j-1 {
		l[i], l[j] = l[j], l[i]
	}
	return strings.Join(l, ".")
}

// dict is a dictionary of a property list, with the order kept.
type dict []struct {
	key   string
	value any // string, int, bool, []dict
}

// property returns a property list, XML of Apple's.
func property(root dict) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString(xml.Header + `<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">` + "\n" + `<plist version="1.0">` + "\n")
	if err := root.write(&b); err != nil {
		return nil, err
	}
	b.WriteString("</plist>\n")
	return b.Bytes(), nil
}

func (d dict) write(b *bytes.Buffer) error {
	text := func(tag, s string) error {
		b.WriteString("<" + tag + ">")
		if err := xml.EscapeText(b, []byte(s)); err != nil {
			return err
		}
		b.WriteString("</" + tag + ">\n")
		return nil
	}
	b.WriteString("<dict>\n")
	for _, e := range d {
		if err := text("key", e.key); err != nil {
			return err
		}
		var err error
		switch v := e.value.(type) {
		case string:
			err = text("string", v)
		case int:
			err = text("integer", fmt.Sprint(v))
		case bool:
			fmt.Fprintf(b, "<%v/>\n", v)
		case []dict:
			b.WriteString("<array>\n")
			for _, item := range v {
				if err = item.write(b); err != nil {
					break
				}
			}
			b.WriteString("</array>\n")
		}
		if err != nil {
			return err
		}
	}
	b.WriteString("</dict>\n")
	return nil
}
