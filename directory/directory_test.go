package directory

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mox/config"
	"mox/dns"
	"mox/smtp"
)

const static = `DataDir: ../data
LogLevel: info
Hostname: mail.example.org
Listeners:
	local:
		IPs:
			- 192.0.2.1
		Hostname: other.example.org
Postmaster:
	Account: admin
	Mailbox: Postmaster
HostTLSRPT:
	Account: admin
	Mailbox: TLSRPT
	Localpart: tls-reports
`

const dynamic = `Domains:
	example.org:
		LocalpartCatchallSeparator: +
		DMARC:
			Localpart: dmarc+reports
			Account: admin
			Mailbox: DMARC
		Aliases:
			Team:
				Addresses:
					- mjl@example.org
					- "x y"@bücher.example
				AllowMsgFrom: true
			public:
				Addresses:
					- mjl@example.org
				PostPublic: true
	bücher.example:
		LocalpartCaseSensitive: true
		LocalpartCatchallSeparators:
			- -
			- --
	off.example:
		Disabled: true
	catch.example: nil
	reports.example:
		DMARC:
			Localpart: dmarc+reports
			Domain: example.org
			Account: admin
			Mailbox: DMARC
Accounts:
	admin:
		Domain: example.org
		Destinations:
			Admin@example.org: nil
			postmaster@bücher.example:
				Mailbox: PM
	mjl:
		Domain: example.org
		Destinations:
			mjl@example.org:
				Mailbox: Mail
			mjl@off.example: nil
			@catch.example: nil
			é@example.org: nil
	x:
		Domain:
		Destinations:
			X@bücher.example: nil
			"x y"@bücher.example: nil
			own@catch.example: nil
`

func load(t testing.TB, static, dynamic string) *config.Snapshot {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"mox.conf": static, "domains.conf": dynamic} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s, err := config.Load(filepath.Join(dir, "mox.conf"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func path(t *testing.T, s string) smtp.Path {
	t.Helper()
	if s == "Postmaster" || s == "other" {
		return smtp.Path{Localpart: smtp.Localpart(s)}
	}
	if lp, ip, ok := strings.Cut(s, "@["); ok {
		return smtp.Path{Localpart: smtp.Localpart(lp), IPDomain: smtp.IPDomain{IP: netip.MustParseAddr(strings.TrimSuffix(ip, "]"))}}
	}
	a, err := smtp.ParseAddressLax(s)
	if err != nil {
		t.Fatal(err)
	}
	return a.Path()
}

var viaNames = map[Via]string{ViaAddress: "address", ViaBase: "base", ViaPostmaster: "postmaster", ViaCatchall: "catchall", ViaAny: "any"}

func describe(r Result, err error) string {
	for _, e := range []error{ErrNoAddress, ErrNotLocal, ErrDomainDisabled} {
		if errors.Is(err, e) {
			return e.Error()
		}
	}
	if err != nil {
		return "other error: " + err.Error()
	}
	owner := ""
	if r.Account != nil {
		owner = r.Account.Name + "/" + r.Mailbox
	}
	if r.Alias != nil {
		owner += "alias " + r.Alias.Address.String()
	}
	s := fmt.Sprintf("%s: %s, %s", viaNames[r.Via], owner, r.Base)
	if r.Detail != "" {
		s += ", detail " + r.Detail
	}
	return s
}

func TestResolve(t *testing.T) {
	s := load(t, static, dynamic)
	snapshot := func() *config.Snapshot { return s }
	tests := []struct{ address, want, any string }{
		{"mjl@example.org", "address: mjl/Mail, mjl@example.org", ""},
		{"MJL@EXAMPLE.org", "address: mjl/Mail, mjl@example.org", ""},
		{"Mjl+Some.Detail@example.org", "base: mjl/Mail, mjl@example.org, detail Some.Detail", ""},
		{"mjl+a+b@example.org", "base: mjl/Mail, mjl@example.org, detail a+b", ""},
		{"mjl+@example.org", "base: mjl/Mail, mjl@example.org", ""},
		{"+mjl@example.org", "no such address", "any: admin/Inbox, +mjl@example.org"},
		{"admin@example.org", "address: admin/Inbox, Admin@example.org", ""},
		{"e\u0301@example.org", "address: mjl/Inbox, é@example.org", ""},
		{"É+x@example.org", "base: mjl/Inbox, é@example.org, detail x", ""},
		{"nobody@example.org", "no such address", "any: admin/Inbox, nobody@example.org"},
		{"team@example.org", "address: alias Team@example.org, Team@example.org", ""},
		{"TEAM+x@example.org", "base: alias Team@example.org, Team@example.org, detail x", ""},
		{"dmarc+reports@example.org", "address: admin/DMARC, dmarc+reports@example.org", ""},
		{"tls-reports@mail.example.org", "address: admin/TLSRPT, tls-reports@mail.example.org", ""},
		{"TLS-Reports@mail.example.org", "address: admin/TLSRPT, tls-reports@mail.example.org", ""},
		{"tls-reports@other.example.org", "no such address", "any: admin/Inbox, tls-reports@other.example.org"},

		{"postmaster@example.org", "postmaster: admin/Postmaster, postmaster@example.org", ""},
		{"PostMaster+x@example.org", "postmaster: admin/Postmaster, postmaster@example.org, detail x", ""},
		{"postmaster@bücher.example", "address: admin/PM, postmaster@bücher.example", ""},
		{"POSTMASTER@bücher.example", "postmaster: admin/Postmaster, POSTMASTER@bücher.example", ""},
		{"postmaster@mail.example.org", "postmaster: admin/Postmaster, postmaster@mail.example.org", ""},
		{"postmaster@other.example.org", "postmaster: admin/Postmaster, postmaster@other.example.org", ""},
		{"postmaster@catch.example", "postmaster: admin/Postmaster, postmaster@catch.example", ""},
		{"Postmaster", "postmaster: admin/Postmaster, Postmaster@mail.example.org", ""},
		{"other", "no such address", ""},
		{"mjl@mail.example.org", "no such address", "any: admin/Inbox, mjl@mail.example.org"},

		{"X@bücher.example", "address: x/Inbox, X@bücher.example", ""},
		{"X@xn--bcher-kva.example", "address: x/Inbox, X@bücher.example", ""},
		{"x@bücher.example", "no such address", "any: admin/Inbox, x@bücher.example"},
		{"X--a-B@bücher.example", "base: x/Inbox, X@bücher.example, detail a-B", ""},
		{"X-a--B@bücher.example", "base: x/Inbox, X@bücher.example, detail a--B", ""},
		{`"x y"@bücher.example`, `address: x/Inbox, "x y"@bücher.example`, ""},
		{`"x y-z"@bücher.example`, `base: x/Inbox, "x y"@bücher.example, detail z`, ""},

		{"anything@catch.example", "catchall: mjl/Inbox, anything@catch.example", ""},
		{`""@catch.example`, `catchall: mjl/Inbox, ""@catch.example`, ""},
		{`""@example.org`, "no such address", `any: admin/Inbox, ""@example.org`},
		{"own@catch.example", "address: x/Inbox, own@catch.example", ""},
		{"a+b@catch.example", "catchall: mjl/Inbox, a+b@catch.example", ""},

		{"mjl@off.example", "domain is disabled", ""},
		{"postmaster@off.example", "domain is disabled", ""},
		{"postmaster@reports.example", "domain is not local", "any: admin/Inbox, postmaster@reports.example"},
		{"mjl@elsewhere.example", "domain is not local", "any: admin/Inbox, mjl@elsewhere.example"},
		{"mjl@sub.example.org", "domain is not local", "any: admin/Inbox, mjl@sub.example.org"},
		{"mjl@[192.0.2.1]", "no such address", "any: admin/Inbox, "},
		{"mjl@[192.0.2.2]", "domain is not local", "any: admin/Inbox, "},
	}
	plain, local := New(snapshot), NewAny(snapshot)
	for _, tc := range tests {
		p := path(t, tc.address)
		if got := describe(plain.ResolvePath(p)); got != tc.want {
			t.Errorf("%s: got %q, want %q", tc.address, got, tc.want)
		}
		want := tc.any
		if want == "" {
			want = tc.want
		}
		got := describe(local.ResolvePath(p))
		if strings.HasPrefix(got, "any") && strings.Contains(tc.address, "[") {
			got = got[:len("any: admin/Inbox, ")]
		}
		if got != want {
			t.Errorf("%s, any: got %q, want %q", tc.address, got, want)
		}
	}
	r, err := plain.Resolve("mjl+x", dns.Domain{ASCII: "example.org"})
	if err != nil || r.Address.Localpart != "mjl+x" || r.Domain == nil || r.Destination == nil {
		t.Error(r, err)
	}
}

func TestMayUse(t *testing.T) {
	s := load(t, static, dynamic)
	d := New(func() *config.Snapshot { return s })
	for _, tc := range []struct {
		account, address string
		want             bool
	}{
		{"mjl", "mjl@example.org", true},
		{"mjl", "MJL+x@example.org", true},
		{"mjl", "mjl@off.example", true},
		{"mjl", "admin@example.org", false},
		{"mjl", "nobody@example.org", false},
		{"mjl", "mjl@elsewhere.example", false},
		{"mjl", "x@catch.example", true},
		{"mjl", "own@catch.example", false},
		{"mjl", `""@catch.example`, false},
		{"x", "own@catch.example", true},
		{"x", "other@catch.example", false},
		{"mjl", "team@example.org", true},
		{"x", "team+y@example.org", true},
		{"admin", "team@example.org", false},
		{"mjl", "public@example.org", false},
		{"admin", "dmarc+reports@example.org", false},
		{"admin", "postmaster@example.org", false},
		{"admin", "postmaster@bücher.example", true},
		{"nope", "mjl@example.org", false},
		{"", "mjl@example.org", false},
	} {
		if got := d.MayUse(tc.account, path(t, tc.address).Address()); got != tc.want {
			t.Errorf("%s %s: got %v", tc.account, tc.address, got)
		}
	}
}

func TestMayPost(t *testing.T) {
	s := load(t, static, dynamic)
	v := NewView(s)
	dom := s.Domains["example.org"]
	team, public := s.Alias(dom.Key("team")), s.Alias(dom.Key("public"))
	for from, want := range map[string]bool{
		"mjl@example.org": true, "MJL+list@example.org": true, `"x y"@bücher.example`: true, "admin@example.org": false,
		"x@elsewhere.example": false, "mjl@catch.example": false, "team@example.org": false, "X@bücher.example": false,
	} {
		a := path(t, from).Address()
		if got := v.MayPost(team, a); got != want {
			t.Errorf("%s: got %v", from, got)
		}
		if !v.MayPost(public, a) {
			t.Errorf("%s may not post to public alias", from)
		}
	}
}

func TestLogin(t *testing.T) {
	s := load(t, static, dynamic)
	d := New(func() *config.Snapshot { return s })
	for name, want := range map[string]string{
		"mjl@example.org": "mjl", " Mjl+app@EXAMPLE.org ": "mjl", "mjl@off.example": "mjl", "X@xn--bcher-kva.example": "x", "any@catch.example": "mjl",
		"mjl": "", "": "", "team@example.org": "", "postmaster@example.org": "", "dmarc+reports@example.org": "", "tls-reports@mail.example.org": "",
		"mjl@elsewhere.example": "", "\x00@example.org": "", `""@catch.example`: "", "mjl@[192.0.2.1]": "",
	} {
		a, err := d.Login(name)
		if want == "" {
			if !errors.Is(err, ErrNoAddress) {
				t.Errorf("%q: got %v %v", name, a, err)
			}
		} else if err != nil || a.Name != want {
			t.Errorf("%q: got %v %v", name, a, err)
		}
	}
}

func TestDomains(t *testing.T) {
	v := NewView(load(t, static, dynamic))
	for name, want := range map[string]string{
		"example.org": "true false", "off.example": "true true", "reports.example": "false false", "mail.example.org": "true false", "x.example": "false false",
	} {
		d := dns.Domain{ASCII: name}
		if got := fmt.Sprint(v.IsLocal(d), v.DomainDisabled(d)); got != want {
			t.Errorf("%s: got %s", name, got)
		}
	}
}

func TestView(t *testing.T) {
	a := load(t, static, dynamic)
	b := load(t, static, strings.Replace(dynamic, "mjl@example.org:\n", "new@example.org:\n", 1)+"\t\t\tmjl@example.org: nil\n")
	current := a
	d := New(func() *config.Snapshot { return current })
	v := d.View()
	current = b
	if r, err := v.Resolve("mjl", dns.Domain{ASCII: "example.org"}); err != nil || r.Account.Name != "mjl" {
		t.Error(r, err)
	}
	if r, err := d.Resolve("mjl", dns.Domain{ASCII: "example.org"}); err != nil || r.Account.Name != "x" {
		t.Error(r, err)
	}
}

func FuzzResolve(f *testing.F) {
	s := load(f, static, dynamic)
	for _, lp := range []string{"mjl", "mjl+x", "", "POSTMASTER", "é+É", "K\u212a+\u0130"} {
		f.Add(lp, "example.org")
		f.Add(lp, "bücher.example")
	}
	f.Fuzz(func(t *testing.T, lp, domain string) {
		d := dns.Domain{ASCII: domain}
		if domain == "bücher.example" {
			d = dns.Domain{ASCII: "xn--bcher-kva.example", Unicode: domain}
		}
		v := NewView(s)
		r, err := v.Resolve(smtp.Localpart(lp), d)
		if err != nil {
			return
		}
		if (r.Account == nil) == (r.Alias == nil) {
			t.Fatalf("not one of account and alias: %v", r)
		}
		// What it resolves to resolves to itself.
		again, err := v.Resolve(r.Base.Localpart, r.Base.Domain)
		if err != nil || again.Account != r.Account || again.Alias != r.Alias || again.Mailbox != r.Mailbox {
			t.Fatalf("%q: %v, then %v %v", lp, describe(r, nil), describe(again, err), err)
		}
		if r.Account != nil && r.Destination != nil && r.Destination.Key != "" && lp != "" && !v.MayUse(r.Account.Name, r.Address) {
			t.Fatalf("%q: account may not use its address", lp)
		}
	})
}

func BenchmarkResolve(b *testing.B) {
	v := NewView(load(b, static, dynamic))
	d := dns.Domain{ASCII: "example.org"}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Resolve("mjl+detail", d); err != nil {
			b.Fatal(err)
		}
	}
}
