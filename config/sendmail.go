package config

import (
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"mox/dns"
	"mox/sasl"
	"mox/sconf"
	"mox/smtp"
)

// SendmailPath is where "mox sendmail" reads its configuration.
const SendmailPath = "/etc/moxsubmit.conf"

// Sendmail is the configuration of "mox sendmail", moxsubmit.conf.
type Sendmail struct {
	LocalHostname                   string `sconf-doc:"Name of this machine: it is said in EHLO, and part of message ids."`
	Host                            string `sconf-doc:"Name of the submission server, or its IP address."`
	Port                            int    `sconf-doc:"Port of the submission server: 465 with TLS, 587 with STARTTLS."`
	TLS                             bool   `sconf-doc:"TLS from the start."`
	STARTTLS                        bool   `sconf-doc:"STARTTLS, without which nothing is sent. At most one of TLS and STARTTLS."`
	TLSInsecureSkipVerify           bool   `sconf:"optional" sconf-doc:"Believe any certificate. Only for tests: whoever is between can read messages and, depending on AuthMethod, the password."`
	Username                        string `sconf-doc:"Login name, usually an email address."`
	Password                        string `sconf:"optional" sconf-doc:"Password for Username. Exactly one of Password, ClientAuthEd25519PrivateKey and ClientAuthCertPrivateKeyPEMFile."`
	ClientAuthEd25519PrivateKey     string `sconf:"optional" sconf-doc:"Seed of an Ed25519 key with which TLS authenticates this machine, in base64url without padding, as made with \"mox config tlspubkey gen\"."`
	ClientAuthCertPrivateKeyPEMFile string `sconf:"optional" sconf-doc:"File with a certificate and its private key in PEM, with which TLS authenticates this machine. The file must be readable for all who send, or for the group of a setgid sendmail."`
	AuthMethod                      string `sconf-doc:"How to authenticate: EXTERNAL, SCRAM-SHA-256-PLUS, SCRAM-SHA-256, SCRAM-SHA-1-PLUS, SCRAM-SHA-1, CRAM-MD5, PLAIN. Empty: the best that the server offers; with a key, EXTERNAL. Without TLS, PLAIN has to be named to be used."`
	From                            string `sconf-doc:"Address that sends all messages: it takes the place of the one in the From header, and is where notifications of failure go."`
	DefaultDestination              string `sconf:"optional" sconf-doc:"Address for recipients without \"@\", such as local users. Without it, such recipients are refused."`
	RequireTLS                      string `sconf:"optional" sconf-doc:"With \"yes\", messages are only passed on over verified TLS, all the way (RFC 8689), or come back. With \"no\", they are delivered even if the policy of a recipient's domain for TLS cannot be met."`
}

// DescribeSendmail writes a documented example of moxsubmit.conf with every field.
func DescribeSendmail(w io.Writer) error {
	return describe(w, "moxsubmit.conf", "It is read for each message.", &Sendmail{
		LocalHostname: "web1.example.org", Host: "mail.example.org", Port: 465, TLS: true, Username: "web1@example.org", Password: "password of web1",
		ClientAuthEd25519PrivateKey: base64.RawURLEncoding.EncodeToString(make([]byte, ed25519.SeedSize)), ClientAuthCertPrivateKeyPEMFile: "/etc/moxsubmit.pem",
		AuthMethod: "SCRAM-SHA-256-PLUS", From: "web1@example.org", DefaultDestination: "root@example.org", RequireTLS: "yes",
	})
}

// ReadSendmail reads and checks moxsubmit.conf.
func ReadSendmail(path string) (*Sendmail, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading configuration: %w", err)
	}
	c := &Sendmail{}
	doc, err := sconf.Parse(b, path, c)
	if err != nil {
		return nil, err
	}
	if errs := c.check(doc); len(errs) > 0 {
		return nil, errs
	}
	return c, nil
}

// Secrets returns what must not be shown to who may not read the file.
func (c *Sendmail) Secrets() []string { return []string{c.Password, c.ClientAuthEd25519PrivateKey} }

func (c *Sendmail) check(doc *sconf.Doc) (errs sconf.Errors) {
	bad := func(field, format string, args ...any) {
		errs = append(errs, doc.Errorf(sconf.Path{field}, format, args...))
	}
	if _, err := dns.ParseDomain(c.LocalHostname); err != nil {
		bad("LocalHostname", "%v", err)
	}
	if c.Host == "" || strings.ContainsAny(c.Host, " /:") && !strings.Contains(c.Host, "::") {
		bad("Host", "not a name or IP address")
	}
	if c.Port < 1 || c.Port > 65535 {
		bad("Port", "not a port")
	}
	if c.TLS && c.STARTTLS {
		bad("STARTTLS", "at most one of TLS and STARTTLS")
	}
	if _, err := smtp.ParseAddress(c.From); err != nil {
		bad("From", "%v", err)
	}
	if _, err := smtp.ParseAddress(c.DefaultDestination); err != nil && c.DefaultDestination != "" {
		bad("DefaultDestination", "%v", err)
	}
	if !slices.Contains([]string{"", "yes", "no"}, c.RequireTLS) {
		bad("RequireTLS", "must be yes or no")
	}
	c.checkAuth(bad)
	return errs
}

func (c *Sendmail) checkAuth(bad func(field, format string, args ...any)) {
	n := 0
	for _, s := range []string{c.Password, c.ClientAuthEd25519PrivateKey, c.ClientAuthCertPrivateKeyPEMFile} {
		if s != "" {
			n++
		}
	}
	if n != 1 {
		bad("Password", "exactly one of Password, ClientAuthEd25519PrivateKey and ClientAuthCertPrivateKeyPEMFile is needed")
	}
	byKey := c.Password == ""
	if byKey && !c.TLS && !c.STARTTLS {
		bad("TLS", "a key needs TLS or STARTTLS")
	}
	known := []string{"", sasl.External, sasl.ScramSHA256Plus, sasl.ScramSHA256, sasl.ScramSHA1Plus, sasl.ScramSHA1, sasl.CRAMMD5, sasl.Plain}
	switch {
	case !slices.Contains(known, c.AuthMethod):
		bad("AuthMethod", "must be empty or one of %s", strings.Join(known[1:], ", "))
	case byKey && c.AuthMethod != "" && c.AuthMethod != sasl.External:
		bad("AuthMethod", "must be EXTERNAL or empty with a key")
	case !byKey && c.AuthMethod == sasl.External:
		bad("AuthMethod", "EXTERNAL needs a key")
	}
	if s := c.ClientAuthEd25519PrivateKey; s != "" {
		if seed, err := base64.RawURLEncoding.DecodeString(s); err != nil || len(seed) != ed25519.SeedSize {
			bad("ClientAuthEd25519PrivateKey", "must be %d bytes in base64url", ed25519.SeedSize)
		}
	}
}
