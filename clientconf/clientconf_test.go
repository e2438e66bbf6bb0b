package clientconf

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mox/config"
)

// load makes a snapshot with listeners.
func load(t *testing.T, listeners string) *config.Snapshot {
	t.Helper()
	dir := t.TempDir()
	files := map[string]string{
		"mox.conf": "DataDir: data\nLogLevel: info\nHostname: mail.example.org\nACME:\n\tca:\n\t\tDirectoryURL: https://ca.example/\n\t\tContactEmail: x@example.org\n" +
			"Postmaster:\n\tAccount: a\n\tMailbox: Inbox\nListeners:\n" + listeners,
		"domains.conf": "Domains:\n\texample.org:\n\t\tClientSettingsDomain: imap.example.org\n\tbücher.example: nil\n\treports.example:\n\t\tTLSRPT:\n\t\t\tLocalpart: x\n\t\t\tDomain: example.org\n\t\t\tAccount: a\n\t\t\tMailbox: Inbox\n" +
			"Accounts:\n\ta:\n\t\tDomain: example.org\n\t\tDestinations:\n\t\t\ta@example.org: nil\n\t\t\ta@bücher.example: nil\n",
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	snap, err := config.Load(filepath.Join(dir, "mox.conf"))
	if err != nil {
		t.Fatal(err)
	}
	return snap
}

const full = `	internal:
		IPs:
			- 127.0.0.1
		Hostname: inside.example.org
		IMAP:
			Enabled: true
			Port: 1143
			NoRequireSTARTTLS: true
		Submission:
			Enabled: true
			NoRequireSTARTTLS: true
	other:
		IPs:
			- 192.0.2.11
		TLS:
			ACME: ca
		IMAP:
			Enabled: true
			NoRequireSTARTTLS: true
	public:
		IPs:
			- 192.0.2.10
		TLS:
			ACME: ca
		SMTP:
			Enabled: true
		Submission:
			Enabled: true
		Submissions:
			Enabled: true
			EnabledOnHTTPS: true
		IMAP:
			Enabled: true
		IMAPS:
			Enabled: true
			EnabledOnHTTPS: true
		WebmailHTTPS:
			Enabled: true
		MTASTSHTTPS:
			Enabled: true
`

func lines(l []Entry) string {
	var b strings.Builder
	for _, e := range l {
		fmt.Fprintln(&b, e.Protocol, e.Host.ASCII, e.Port, e.TLS, e.ALPN, e.Listener, e.Public)
	}
	return b.String()
}

func TestFor(t *testing.T) {
	snap := load(t, full)
	s, err := For(snap, "A+x@EXAMPLE.org")
	if err != nil {
		t.Fatal(err)
	}
	if s.Username != "A+x@example.org" || s.Domain.ASCII != "example.org" || s.Name != "A+x@example.org" {
		t.Errorf("got %+v", s)
	}
	if d := cmp.Diff(`IMAP imap.example.org 993 TLS  public true
IMAP imap.example.org 143 STARTTLS  public true
IMAP imap.example.org 443 TLS imap public true
Submission imap.example.org 465 TLS  public true
Submission imap.example.org 587 STARTTLS  public true
Submission imap.example.org 443 TLS smtp public true
IMAP inside.example.org 1143 none  internal false
IMAP mail.example.org 143 optional  other false
Submission inside.example.org 587 none  internal false
`, lines(s.Entries)); d != "" {
		t.Error(d)
	}
	if got := s.Best(IMAP); len(got) != 3 || got[0].Port != 993 {
		t.Errorf("best: %v", got)
	}

	// Without a name of its own, that of the host; Unicode only where it is needed.
	s, err = For(snap, "a@bücher.example")
	if err != nil {
		t.Fatal(err)
	}
	if s.Username != "a@xn--bcher-kva.example" || s.Name != "a@bücher.example" || s.Entries[0].Host.ASCII != "mail.example.org" {
		t.Errorf("got %+v", s)
	}
	s, err = For(snap, "ü@xn--bcher-kva.example")
	if err != nil || s.Username != "ü@bücher.example" {
		t.Errorf("got %+v, %v", s, err)
	}
	s, err = For(snap, "xn--bcher-kva.example.")
	if err != nil || s.Username != "" || s.Name != "bücher.example" {
		t.Errorf("got %+v, %v", s, err)
	}
}

func TestErrors(t *testing.T) {
	snap := load(t, full)
	for s, want := range map[string]error{
		"other.example": ErrNoDomain, "a@other.example": ErrNoDomain, "reports.example": ErrNoDomain, "": ErrAddress, "a@": ErrAddress, "a b": ErrAddress,
		"@example.org": ErrAddress, "a@example.org>": ErrAddress, strings.Repeat("a", 5000) + "@example.org": ErrAddress,
	} {
		if _, err := For(snap, s); !errors.Is(err, want) {
			t.Errorf("%.50q: got %v, want %v", s, err, want)
		}
	}
}

// TestInternalOnly: where nothing is public, what there is counts.
func TestInternalOnly(t *testing.T) {
	s, err := For(load(t, "\tlocal:\n\t\tIPs:\n\t\t\t- 127.0.0.1\n\t\tIMAP:\n\t\t\tEnabled: true\n\t\t\tNoRequireSTARTTLS: true\n"), "example.org")
	if err != nil {
		t.Fatal(err)
	}
	if got := lines(s.Best(IMAP)); got != "IMAP mail.example.org 143 none  local false\n" {
		t.Errorf("got %q", got)
	}
	if got := s.Best(Submission); len(got) != 0 {
		t.Errorf("got %v", got)
	}
}
