package dnsrecords

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mox/config"
	"mox/dkim"
	"mox/dns"
	"mox/smtp"
)

var update = flag.Bool("update", false, "write golden files anew")

func load(t *testing.T) *config.Snapshot {
	t.Helper()
	snap, err := config.Load("testdata/mox.conf")
	if err != nil {
		t.Fatal(err)
	}
	return snap
}

func records(t *testing.T, snap *config.Snapshot, domain string, o Options) []Record {
	t.Helper()
	l, err := For(snap, domain, o)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func zone(t *testing.T, l []Record) string {
	t.Helper()
	var b bytes.Buffer
	if err := WriteZone(&b, l); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestGolden keeps what is printed for domains of each kind.
func TestGolden(t *testing.T) {
	snap := load(t)
	signed := Options{Authentic: true, AccountURIs: []string{"https://acme-v02.api.letsencrypt.org/acme/acct/1"}}
	for _, tc := range []struct {
		name, domain string
		o            Options
	}{
		{"example.org", "example.org", signed},
		{"idna", "bücher.example", Options{}},
		{"hostname", "mail.example.org", signed},
		{"reportsonly", "reports.example", signed},
		{"apex", "apex.example", Options{}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l := records(t, snap, tc.domain, tc.o)
			got := zone(t, l)
			path := filepath.Join("testdata", tc.name+".zone")
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(want), got); d != "" {
				t.Error(d)
			}
			checkZone(t, l, got)
		})
	}
}

// checkZone reads the text of a zone and finds exactly the records in it that have no
// precondition.
func checkZone(t *testing.T, l []Record, text string) {
	t.Helper()
	r, err := dns.MockZone(withoutCAA(text))
	if err != nil {
		t.Fatal(err)
	}
	for _, rec := range l {
		if rec.Purpose == "" || rec.Section == "" {
			t.Errorf("%s %s: no purpose or section", rec.Name, rec.Type)
		}
		if rec.Type != "TXT" {
			continue
		}
		got := r.TXT[strings.TrimSuffix(rec.Name, ".")]
		if has := slices.Contains(got, rec.Value); has != (rec.Precondition == "") {
			t.Errorf("%s TXT: in zone %v, precondition %q, got %q, want %q", rec.Name, has, rec.Precondition, got, rec.Value)
		}
	}
	for line := range strings.Lines(text) {
		if i := strings.IndexFunc(line, func(c rune) bool { return c > '~' }); i >= 0 {
			t.Errorf("line is not ASCII: %q", line)
		}
		// Strings of at most 100 characters and their quotes.
		if strings.HasPrefix(line, "\t\"") && len(line) > 104 {
			t.Errorf("string too long: %q", line)
		}
	}
}

// withoutCAA leaves out records that the mock resolver does not know.
func withoutCAA(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if !strings.Contains(line, " IN CAA ") {
			b.WriteString(line)
		}
	}
	return b.String()
}

// TestDoc keeps the example in the documentation what is printed.
func TestDoc(t *testing.T) {
	text := zone(t, records(t, load(t), "example.org", Options{Authentic: true, AccountURIs: []string{"https://acme-v02.api.letsencrypt.org/acme/acct/1"}}))
	const path = "../docs/dns.md"
	doc, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(doc), "-update -->\n")
	_, after, ok2 := strings.Cut(rest, "<!-- end -->")
	if !ok || !ok2 {
		t.Fatal("no place for it in docs/dns.md")
	}
	want := before + "-update -->\n```\n" + text + "```\n<!-- end -->" + after
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if want != string(doc) {
		t.Error("the example in docs/dns.md is not what is printed: run this test with -update")
	}
}

// TestKeys: what others look up for DKIM and DANE are the keys of the configuration.
func TestKeys(t *testing.T) {
	snap := load(t)
	r, err := dns.MockZone(withoutCAA(zone(t, records(t, snap, "example.org", Options{Authentic: true}))))
	if err != nil {
		t.Fatal(err)
	}
	d := snap.Domains["example.org"]
	for _, s := range d.Selectors {
		k := dkim.LookupKey(context.Background(), r, s.Domain, d.Domain)
		if k.Err != nil || len(k.Records) != 1 {
			t.Fatalf("%s: %v", s.Name, k.Err)
		}
		if pub, ok := s.Key.Public().(interface{ Equal(x any) bool }); ok && !pub.Equal(k.Records[0].PublicKey) {
			t.Errorf("%s: another key", s.Name)
		}
	}
	if l := r.TLSA["_25._tcp.mail.example.org"]; len(l) != 2 || l[0].Usage != dns.DANEEE || l[0].Selector != dns.SelectorSPKI || l[0].MatchType != dns.MatchSHA256 || len(l[0].Data) != 32 {
		t.Errorf("tlsa: %v", l)
	}
	if l := r.TLSA["_25._tcp.mail.example.org"]; !cmp.Equal(l, TLSARecords(snap)) {
		t.Errorf("tlsa: %v, want %v", l, TLSARecords(snap))
	}
	// So are those that come into use soon.
	pub := *snap.Listeners["public"]
	pub.NextHostECDSAKey = snap.Domains["example.org"].Selectors["2026a"].Key
	snap.Listeners["public"] = &pub
	if l := TLSARecords(snap); len(l) != 3 {
		t.Errorf("with next key: %v", l)
	}
	// Without DNSSEC they are comments.
	if text := zone(t, records(t, snap, "example.org", Options{})); !strings.Contains(text, "\n;; _25._tcp.mail.example.org. IN TLSA 3 1 1 ") {
		t.Errorf("no commented TLSA records:\n%s", text)
	}
}

func TestErrors(t *testing.T) {
	snap := load(t)
	if _, err := For(snap, "other.example", Options{}); !errors.Is(err, ErrNoDomain) {
		t.Errorf("got %v", err)
	}
	if _, err := For(snap, "a..b", Options{}); !errors.Is(err, dns.ErrDomain) {
		t.Errorf("got %v", err)
	}
	snap, err := config.LoadOptions("testdata/mox.conf", config.Options{SkipFiles: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := For(snap, "example.org", Options{}); !errors.Is(err, ErrNoKeys) {
		t.Errorf("got %v", err)
	}
}

func TestJSON(t *testing.T) {
	b, err := json.Marshal(Record{Name: "x.", Type: "TXT", Value: strings.Repeat("a", 150) + `"`, TTL: DefaultTTL, Purpose: "p", Section: "s"})
	if err != nil {
		t.Fatal(err)
	}
	a100, a50 := strings.Repeat("a", 100), strings.Repeat("a", 50)
	want := `{"Name":"x.","Type":"TXT","Value":"` + a100 + a50 + `\"","Quoted":"\"` + a100 + `\" \"` + a50 + `\\\"\"","TTL":300,"Purpose":"p","Section":"s"}`
	if string(b) != want {
		t.Errorf("got  %s\nwant %s", b, want)
	}
}

func TestMailto(t *testing.T) {
	for _, tc := range []struct{ address, want string }{
		{"tlsreports@example.org", "mailto:tlsreports@example.org"},
		{"x+y@example.org", "mailto:x+y@example.org"},
		{`"a,b;c!d%e?f"@bücher.example`, "mailto:%22a%2Cb%3Bc%21d%25e%3Ff%22@xn--bcher-kva.example"},
	} {
		a, err := smtp.ParseAddress(tc.address)
		if err != nil {
			t.Fatal(err)
		}
		got := Mailto(a)
		if got != tc.want {
			t.Errorf("%s: got %s, want %s", tc.address, got, tc.want)
		}
		if b, ok := smtp.ParseMailto(got); !ok || b != a {
			t.Errorf("%s: read back as %v, %v", got, b, ok)
		}
	}
}

// TestServices: what is not offered is said to be absent, and STARTTLS takes the place of TLS
// from the start only where that is missing.
func TestServices(t *testing.T) {
	snap := load(t)
	equal := func(want ...Service) {
		t.Helper()
		if d := cmp.Diff(want, Services(snap)); d != "" {
			t.Error(d)
		}
	}
	equal(Service{"_imaps._tcp", true, 993}, Service{"_submissions._tcp", true, 465}, Service{Label: "_imap._tcp"}, Service{Label: "_submission._tcp"}, Service{Label: "_pop3._tcp"}, Service{Label: "_pop3s._tcp"})
	pub := *snap.Listeners["public"]
	pub.Submissions.Enabled = false
	pub.Submission.Port = 1587
	snap.Listeners["public"] = &pub
	equal(Service{"_imaps._tcp", true, 993}, Service{"_submission._tcp", true, 1587}, Service{Label: "_submissions._tcp"}, Service{Label: "_imap._tcp"}, Service{Label: "_pop3._tcp"}, Service{Label: "_pop3s._tcp"})
}
