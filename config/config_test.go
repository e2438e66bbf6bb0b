package config

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"math/big"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mox/dns"
	"mox/sconf"
	"mox/sftp"
	"mox/smtp"
)

var update = flag.Bool("update", false, "write golden files anew")

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func pemKey(key any) []byte {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		panic(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// testKeys makes the key files of the test configuration, once.
var testKeys = sync.OnceValue(func() map[string][]byte {
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	rs, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	ec384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		panic(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "x"}, DNSNames: []string{"mail.example.org"}, NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, ec.Public(), ec)
	if err != nil {
		panic(err)
	}
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return map[string][]byte{
		"ed25519.pem": pemKey(ed), "ecdsa.pem": pemKey(ec), "rsa.pem": pemKey(rs), "p384.pem": pemKey(ec384),
		"cert.pem": cert, "certkey.pem": pemKey(ec), "ca.pem": cert, "eab.key": []byte("c2VjcmV0\n"), "tsig.key": []byte("c2VjcmV0LWtleQ==\n"), "bad.pem": []byte("bad"),
		"type.pem": pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: []byte("x")}),
		"der.pem":  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("x")}),
	}
})

// makeDir makes a configuration directory and returns the path of mox.conf.
func makeDir(t *testing.T, static, dynamic string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "config")
	check(t, os.Mkdir(dir, 0o700))
	files := map[string][]byte{"mox.conf": []byte(static), "domains.conf": []byte(dynamic)}
	for name, data := range testKeys() {
		files[name] = data
	}
	files["s3key"], files["backup.key"] = []byte("id\nsecret\n"), []byte("key\n")
	sshKey, err := sftp.NewKey("")
	check(t, err)
	files["sshkey"] = sshKey
	for name, data := range files {
		check(t, os.WriteFile(filepath.Join(dir, name), data, 0o600))
	}
	return filepath.Join(dir, "mox.conf")
}

func readTestdata(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", path))
	check(t, err)
	return string(data)
}

// seenFields adds the fields that are set somewhere in v.
func seenFields(v reflect.Value, seen map[string]bool) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			seenFields(v.Elem(), seen)
		}
	case reflect.Slice:
		for i := range v.Len() {
			seenFields(v.Index(i), seen)
		}
	case reflect.Map:
		for it := v.MapRange(); it.Next(); {
			seenFields(it.Value(), seen)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			name := v.Type().Name() + "." + v.Type().Field(i).Name
			seen[name] = seen[name] || !v.Field(i).IsZero()
			seenFields(v.Field(i), seen)
		}
	}
}

func TestFull(t *testing.T) {
	path := makeDir(t, readTestdata(t, "full/mox.conf"), readTestdata(t, "full/domains.conf"))
	s, err := Load(path)
	check(t, err)

	seen := map[string]bool{}
	seenFields(reflect.ValueOf(s.Static), seen)
	seenFields(reflect.ValueOf(s.Dynamic), seen)
	delete(seen, "Static.DefaultMailboxes") // Excludes InitialMailboxes.
	delete(seen, "SMTP.Enabled")
	for name, set := range seen {
		if !set {
			t.Errorf("field %s is nowhere in the test configuration", name)
		}
	}

	var warnings []string
	for _, w := range s.Warnings {
		warnings = append(warnings, fmt.Sprintf("%s %d %s: %s", filepath.Base(w.File), w.Line, w.Path, w.Msg))
	}
	if d := cmp.Diff([]string{
		"mox.conf 118 Listeners.internal.IPsNATed: is deprecated, use NATIPs",
		"mox.conf 63 Listeners.public.TLS.HostPrivateKeyFiles[2]: key is not used: only the first RSA key of 2048 bits and the first ECDSA P-256 key are",
		"mox.conf 88 Listeners.public.AdminHTTPS: can be reached from everywhere; better on a listener of its own with loopback or private addresses",
		"mox.conf 317 Backup.Repository: is an object store: SSHKeyFile and HostKeys are of no use",
		"domains.conf 122 Accounts.mjl.Destinations.info: an address without domain is deprecated, write info@example.org",
	}, warnings); d != "" {
		t.Error(d)
	}
	t.Run("static", func(t *testing.T) { testFullStatic(t, s) })
	t.Run("domains", func(t *testing.T) { testFullDomains(t, s) })
	t.Run("accounts", func(t *testing.T) { testFullAccounts(t, s) })
	t.Run("web", func(t *testing.T) { testFullWeb(t, s) })
}

func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// words is fmt.Sprint with a space between all.
func words(args ...any) string {
	return strings.TrimSuffix(fmt.Sprintln(args...), "\n")
}

func testFullStatic(t *testing.T, s *Snapshot) {
	dir := filepath.Dir(s.Path)
	equal(t, "config path", s.ConfigPath("x/y"), filepath.Join(dir, "x/y"))
	equal(t, "data path", s.DataPath("x"), filepath.Join(filepath.Dir(dir), "data", "x"))
	equal(t, "absolute path", s.ConfigPath(dir), dir)
	equal(t, "hostname", s.Hostname.ASCII, "mail.example.org")
	equal(t, "log level", s.PackageLogLevels["smtpserver"], -4)
	pub, in := s.Listeners["public"], s.Listeners["internal"]
	equal(t, "ips", fmt.Sprint(pub.IPs, pub.NATIPs), "[192.0.2.10 2001:db8::10] [198.51.100.10]")
	equal(t, "hostname", in.Hostname.ASCII, "xn--bcher-kva.example")
	equal(t, "is hostname", s.IsHostname(in.Hostname), true)
	equal(t, "own ip", s.IsOwnIP(netip.MustParseAddr("::ffff:198.51.100.10")), true)
	equal(t, "own ip", s.IsOwnIP(netip.MustParseAddr("198.51.100.11")), false)
	equal(t, "keys", pub.HostRSAKey != nil && pub.HostECDSAKey != nil && in.HostRSAKey == nil && len(in.Certificates) == 1, true)
	equal(t, "next keys", fmt.Sprint(pub.NextHostRSAKey != nil, pub.NextHostECDSAKey != nil), "false true")
	equal(t, "acme port", fmt.Sprint(pub.ACMEPort, in.ACMEPort), "443 0")
	for name, want := range map[string]string{"letsencrypt": "[tls-alpn-01 http-01] 0 0", "other": "[dns-01 tls-alpn-01] 6 10", "command": "[dns-01] 0 0"} {
		a := s.ACME[name]
		equal(t, "acme "+name, fmt.Sprint(a.Challenges, len(a.EABKey), len(a.TSIGSecret)), want)
	}
	equal(t, "tls version", fmt.Sprintf("%x %x", pub.MinTLSVersion, in.MinTLSVersion), "303 304")
	equal(t, "ports", fmt.Sprint(pub.SMTP.Port, pub.IMAPS.Port, pub.AccountHTTPS.Port, pub.WebserverHTTP.Port, in.AutoconfigHTTPS.Port), "25 993 443 80 81")
	equal(t, "paths", pub.AccountHTTPS.Path+pub.AdminHTTPS.Path+in.WebAPIHTTP.Path, "//secret/admin//webapi/")
	equal(t, "size", in.SMTPMaxMessageSize, DefaultMaxMessageSize)
	equal(t, "delay", fmt.Sprint(*pub.SMTP.FirstTimeSenderDelay, *in.SMTP.FirstTimeSenderDelay), "0s 15s")
	equal(t, "tickets", fmt.Sprint(*pub.SMTP.TLSSessionTicketsDisabled, *in.SMTP.TLSSessionTicketsDisabled), "false false")
	equal(t, "dnsbls", fmt.Sprint(pub.DNSBLs), "[sbl.example.net bl.example.com]")
	equal(t, "issuers", s.Static.ACME["letsencrypt"].Issuer()+" "+s.Static.ACME["other"].Issuer(), "letsencrypt.org ca.example.net")
	equal(t, "mailboxes", fmt.Sprint(s.InitialMailboxes()), "{{Gesendet Archiv Papierkorb Entwürfe Junk} [Lists/Announcements]}")
	equal(t, "mta-sts", s.HasMTASTS(), true)
	equal(t, "ca", s.RootCAs != nil, true)
	equal(t, "password", s.Static.Transports["submissions"].Submissions.Auth.Password, "pass: word # with sign")
	tr, ok := s.Transport("plain")
	equal(t, "pace", fmt.Sprint(s.Static.Transports["fail"].Retry, s.Static.Transports["fail"].MaxConnections), "[5m0s 1h30m0s] 2")
	equal(t, "empty transport", ok && reflect.ValueOf(tr).IsZero(), true)
	equal(t, "host report", s.HostTLSRPT.Address.String(), "tlsreports@mail.example.org")
}

func testFullDomains(t *testing.T, s *Snapshot) {
	d := s.Domains["example.org"]
	b := s.Domains["bücher.example"]
	parsed, err := dns.ParseDomain("BÜCHER.example")
	check(t, err)
	equal(t, "lookup", s.Domain(parsed), b)
	equal(t, "client settings", b.ClientSettingsDomain.ASCII, "mail.example.org")
	equal(t, "separators", fmt.Sprint(b.Separators, b.FirstSeparator), "[-- -]-")
	equal(t, "reports only", fmt.Sprint(d.ReportsOnly, b.ReportsOnly, s.Domains["reports.example"].ReportsOnly), "false false true")
	a, sel := d.Selectors["2026a"], d.Selectors["2026b"]
	equal(t, "sign", len(d.Sign) == 1 && d.Sign[0] == a, true)
	equal(t, "selector", words(a.Hash, a.HeaderRelaxed, a.BodyRelaxed, a.Headers, a.Seal, a.Expiration, a.Algorithm), "sha256 true true [from Subject] false 72h0m0s ed25519")
	equal(t, "selector", words(sel.Hash, sel.HeaderRelaxed, len(sel.Headers), sel.Seal, sel.Expiration, sel.Algorithm), "sha256 true 11 true 0s rsa")
	equal(t, "policy", d.MTASTS.String(), "version: STSv1\r\nmode: enforce\r\nmx: mail.example.org\r\nmx: *.xn--bcher-kva.example\r\nmax_age: 86400\r\n")
	al := s.Alias(d.Key("TEAM"))
	equal(t, "alias", words(al.Address, al.Members[0].Account, al.Members[1].Account), "team@example.org mjl x")

	r := d.Routes[0]
	dom := func(s string) dns.Domain { return dns.Domain{ASCII: s} }
	for _, tc := range []struct {
		from, to string
		attempts int
		want     bool
	}{
		{"example.org", "example.net", 2, true},
		{"sub.example.org", "xn--bcher-kva.example", 3, true},
		{"example.org", "example.net", 1, false},
		{"example.org", "notexample.net", 2, false},
		{"example.org", "a.xn--bcher-kva.example", 2, false},
		{"", "example.net", 2, false},
	} {
		equal(t, fmt.Sprint("route ", tc), r.Matches(dom(tc.from), dom(tc.to), tc.attempts), tc.want)
	}
	equal(t, "transport", r.Transport.Submissions.Host, "relay.example.net")
	equal(t, "any", s.Accounts["mjl"].Routes[0].Matches(dns.Domain{}, dom("x"), 0), true)

	for in, want := range map[smtp.Localpart]string{
		"a": "a//false", "a-b": "a/b/true", "a--b": "a/b/true", "a-b--c": "a/b--c/true", "-a": "-a//false", "--a": "--a//false", "x--": "x//true", "a-": "a//true", "": "//false",
	} {
		base, detail, ok := b.SplitLocalpart(string(in))
		equal(t, "split "+string(in), fmt.Sprintf("%s/%s/%v", base, detail, ok), want)
	}
	equal(t, "fold", d.FoldLocalpart("MJL+e\u0301"), "mjl+é")
	equal(t, "fold", b.FoldLocalpart("X"), "X")
	equal(t, "base", d.BaseKey("MJL+x"), AddressKey{"mjl", "example.org"})
}

func testFullAccounts(t *testing.T, s *Snapshot) {
	m, x := s.Accounts["mjl"], s.Accounts["x"]
	d := s.Domains["example.org"]
	equal(t, "quota", fmt.Sprint(m.Quota, x.Quota), "0 1073741824")
	equal(t, "limits", fmt.Sprint(m.MaxOutgoingMessagesPerDay, x.MaxOutgoingMessagesPerDay, x.MaxFirstTimeRecipientsPerDay), "500 1000 200")
	equal(t, "destinations", len(m.Destinations), 3)
	dest := s.Destination(d.Key("mjl"))
	equal(t, "mailbox", dest.Mailbox, "Inbox/Main")
	equal(t, "rulesets", words(len(dest.Rulesets), dest.Rulesets[0].VerifiedDomain, dest.Rulesets[0].AcceptRejectsToMailbox), "2 example.net Rejects")
	h := dest.Rulesets[0].Headers[0]
	equal(t, "header", h.Name.MatchString("list-id") && h.Value.MatchString("x <announce.lists.example.net>"), true)
	info := s.Destination(d.Key("info"))
	equal(t, "error", words(info.SMTPErrorCode, info.SMTPErrorText), "451 later")
	q := s.Destination(d.Key("Quoted User"))
	equal(t, "error", words(q.Account, q.SMTPErrorCode, q.SMTPErrorText), "x 550 ")
	equal(t, "catchall", s.Destination(d.Key("")).Key, "@example.org")
	rep := s.Destination(d.Key("dmarcreports"))
	equal(t, "report", words(rep.Account, rep.Mailbox, rep.Key, rep.DMARCReports, rep.TLSReports), "mjl DMARC  [example.org reports.example] []")
	rep = s.Destination(AddressKey{"tlsreports", "mail.example.org"})
	equal(t, "host report", rep != nil && rep.HostTLSReports, true)
	equal(t, "case", s.Destination(s.Domains["bücher.example"].Key("X")) == nil, true)
	equal(t, "from id", m.FromIDLogins[d.Key("mjl+api")], true)
	equal(t, "member", len(m.Aliases) == 1 && m.Aliases[0] == x.Aliases[0], true)
	equal(t, "junk", m.JunkMailbox.MatchString("junk") && x.JunkMailbox == nil, true)
}

func testFullWeb(t *testing.T, s *Snapshot) {
	var names []string
	for _, h := range s.WebHandlers {
		names = append(names, h.Name)
	}
	equal(t, "names", fmt.Sprint(names), "[static 1 2 3]")
	h := s.WebHandlers[1]
	equal(t, "redirect", fmt.Sprint(h.RedirectBase, h.RedirectPath, h.RedirectStatus), "//www.example.net?query=1 ^/old/(.*)$ 302")
	equal(t, "forward", s.WebHandlers[2].ForwardURL.Host, "127.0.0.1:8888")
	equal(t, "redirects", fmt.Sprint(s.WebDomainRedirects), "map[old.example.org:www.example.org]")
	equal(t, "routes", s.Routes[0].Transport.Fail.SMTPCode, 450)
	equal(t, "monitor", fmt.Sprint(s.MonitorDNSBLs), "[sbl.example.net]")
}

// TestWriteBack writes what was parsed, plain, documented and changed.
func TestWriteBack(t *testing.T) {
	for _, file := range []string{"mox.conf", "domains.conf"} {
		text := readTestdata(t, "full/"+file)
		newConf := func() any { return new(Static) }
		if file == "domains.conf" {
			newConf = func() any { return new(Dynamic) }
		}
		conf := newConf()
		_, err := sconf.Parse([]byte(text), file, conf)
		check(t, err)
		var plain, docs bytes.Buffer
		check(t, sconf.Write(&plain, conf))
		check(t, sconf.WriteDocs(&docs, conf))
		same, err := sconf.Rewrite([]byte(text), conf)
		check(t, err)
		equal(t, "rewritten", string(same), text)
		for _, b := range [][]byte{plain.Bytes(), docs.Bytes()} {
			again := newConf()
			_, err := sconf.Parse(b, file, again)
			check(t, err)
			if d := cmp.Diff(conf, again); d != "" {
				t.Error(d)
			}
		}
	}
}

func TestDescribe(t *testing.T) {
	for name, fn := range map[string]func(*bytes.Buffer) (any, error){
		"describe-static.txt":   func(b *bytes.Buffer) (any, error) { return new(Static), DescribeStatic(b) },
		"describe-domains.txt":  func(b *bytes.Buffer) (any, error) { return new(Dynamic), DescribeDynamic(b) },
		"describe-sendmail.txt": func(b *bytes.Buffer) (any, error) { return new(Sendmail), DescribeSendmail(b) },
	} {
		var b bytes.Buffer
		conf, err := fn(&b)
		check(t, err)
		path := filepath.Join("testdata", name)
		if *update {
			check(t, os.WriteFile(path, b.Bytes(), 0o644))
		}
		if d := cmp.Diff(readTestdata(t, name), b.String()); d != "" {
			t.Errorf("%s is not current, run: go test ./config -run Describe -update\n%s", name, d)
		}
		_, err = sconf.Parse(b.Bytes(), name, conf)
		check(t, err)

		// With everything optional uncommented it is still a file, that has every field.
		lines := strings.Split(b.String(), "\n")
		for i, l := range lines {
			if rest := strings.TrimLeft(l, "\t"); strings.HasPrefix(rest, "#") && rest != "#" && !strings.HasPrefix(rest, "# ") {
				lines[i] = strings.Repeat("\t", len(l)-len(rest)) + rest[1:]
			}
		}
		all := reflect.New(reflect.TypeOf(conf).Elem()).Interface()
		doc, err := sconf.Parse([]byte(strings.Join(lines, "\n")), name, all)
		check(t, err)
		checkAllFields(t, doc, reflect.TypeOf(all).Elem(), nil)
	}
}

// checkAllFields checks that the file has all fields of a struct, each documented.
func checkAllFields(t *testing.T, doc *sconf.Doc, typ reflect.Type, path sconf.Path) {
	t.Helper()
	switch typ.Kind() {
	case reflect.Pointer:
		checkAllFields(t, doc, typ.Elem(), path)
	case reflect.Struct:
		for i := range typ.NumField() {
			f := typ.Field(i)
			p := path.Key(f.Name)
			if !doc.Has(p) {
				t.Errorf("%s is not described", p)
			}
			if text := f.Tag.Get("sconf-doc"); !strings.HasSuffix(strings.TrimSpace(text), ".") && !strings.Contains(text, "Example: ") && !strings.Contains(text, "Default path: ") && !strings.Contains(text, ": https://") && !strings.Contains(text, "such as: ") {
				t.Errorf("%s has documentation %q", p, text)
			}
			checkAllFields(t, doc, f.Type, p)
		}
	case reflect.Slice:
		checkAllFields(t, doc, typ.Elem(), path.Index(0))
	case reflect.Map:
		for _, key := range []string{"public", "letsencrypt", "relay", "example.org", "mjl", "2026a", "team", "mjl@example.org"} {
			if doc.Has(path.Key(key)) {
				checkAllFields(t, doc, typ.Elem(), path.Key(key))
			}
		}
	}
}

func TestMailboxName(t *testing.T) {
	for in, want := range map[string]string{
		"a": "a", "inbox": "Inbox", "INBOX/Sub": "Inbox/Sub", "inboxes": "inboxes", "a/inbox": "a/inbox", "e\u0301": "é",
		"": "", "/a": "", "a/": "", "a//b": "", "#a": "", "a/../b": "", ".": "", "a\x00": "", "a\u0085": "", "a\u2028": "", "...": "...",
	} {
		got, err := MailboxName(in)
		if got != want || (err != nil) != (want == "") || err != nil && !errors.Is(err, ErrMailboxName) {
			t.Errorf("%q: got %q %v", in, got, err)
		}
	}
}

func TestInitialMailboxes(t *testing.T) {
	for more, want := range map[string]string{
		"": "{{Sent Archive Trash Drafts Junk} []}",
		"DefaultMailboxes:\n\t- inbox\n\t- Sent\n\t- Drafts\n\t- Trash\n\t- Junk\n\t- Archive\n\t- Postmaster\n": "{{Sent Archive Trash Drafts Junk} [Postmaster]}",
		"InitialMailboxes:\n\tRegular:\n\t\t- a\n":                                                               "{{    } [a]}",
		"InitialMailboxes:\n\tSpecialUse:\n\t\tSent: s":                                                          "{{s    } []}",
	} {
		s, err := Load(makeDir(t, minimalStatic+more, minimalDynamic))
		check(t, err)
		equal(t, more, fmt.Sprint(s.InitialMailboxes()), want)
	}
}

func TestNewAccount(t *testing.T) {
	dyn := Dynamic{Domains: map[string]Domain{"example.org": {}}, Accounts: map[string]Account{"mjl": NewAccount("example.org", "mjl@example.org")}}
	var b bytes.Buffer
	check(t, WriteDynamic(&b, &dyn))
	s, err := Load(makeDir(t, minimalStatic, b.String()))
	check(t, err)
	if d := cmp.Diff(&dyn, s.Dynamic); d != "" || len(s.Warnings) > 0 {
		t.Error(d, s.Warnings)
	}
	var st bytes.Buffer
	check(t, WriteStatic(&st, s.Static))
	if !slices.Contains(strings.Split(st.String(), "\n"), "Hostname: mail.example.org") {
		t.Error(st.String())
	}
}
