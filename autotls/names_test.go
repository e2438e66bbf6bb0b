package autotls

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mox/config"
)

const namesStatic = `DataDir: ../data
LogLevel: info
Hostname: mail.d.example
ACME:
	a:
		DirectoryURL: https://a.example/dir
		ContactEmail: x@d.example
	b:
		DirectoryURL: https://b.example/dir
		ContactEmail: x@d.example
Listeners:
	public:
		IPs:
			- 192.0.2.1
		TLS:
			ACME: a
			HostPrivateKeyFiles:
				- host.pem
		SMTP:
			Enabled: true
		Submissions:
			Enabled: true
		AutoconfigHTTPS:
			Enabled: true
		MTASTSHTTPS:
			Enabled: true
		WebserverHTTPS:
			Enabled: true
	other:
		IPs:
			- 192.0.2.2
		Hostname: bücher.example
		TLS:
			ACME: b
		SMTP:
			Enabled: true
		AutoconfigHTTPS:
			Enabled: true
			NonTLS: true
	plain:
		IPs:
			- 127.0.0.1
		MTASTSHTTPS:
			Enabled: true
			NonTLS: true
Postmaster:
	Account: x
	Mailbox: Postmaster
`

const namesDynamic = `Domains:
	d.example:
		ClientSettingsDomain: settings.d.example
		MTASTS:
			PolicyID: 1
			Mode: enforce
			MaxAge: 24h
			MX:
				- mail.d.example
	e.example: nil
	gone.example:
		Disabled: true
		ClientSettingsDomain: settings.gone.example
	reports.example:
		DMARC:
			Localpart: dmarc
			Domain: d.example
			Account: x
			Mailbox: DMARC
		TLSRPT:
			Localpart: tls
			Domain: d.example
			Account: x
			Mailbox: TLSRPT
Accounts:
	x:
		Domain: d.example
		Destinations:
			x@d.example: nil
			x@e.example: nil
WebDomainRedirects:
	old.example: www.d.example
WebHandlers:
	-
		Domain: www.d.example
		PathRegexp: ^/
		WebRedirect:
			BaseURL: https://d.example
`

// TestNamesOf: dns reference, section 4.
func TestNamesOf(t *testing.T) {
	dir := t.TempDir()
	key, err := NewHostKey(ECDSA)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"mox.conf": namesStatic, "domains.conf": namesDynamic, "host.pem": string(key)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	snap, err := config.Load(filepath.Join(dir, "mox.conf"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, h := range NamesOf(snap) {
		got = append(got, fmt.Sprintf("%s %s %v %v", h.Name, h.Provider, h.AtStart, h.Keys.ECDSA != nil))
	}
	want := `autoconfig.d.example a true false
autoconfig.e.example a true false
mail.d.example a true true
mta-sts.d.example a false false
old.example a false false
settings.d.example a true false
www.d.example a false false
xn--bcher-kva.example b true false`
	if s := strings.Join(got, "\n"); s != want {
		t.Errorf("got\n%s\nwant\n%s", s, want)
	}
}
