package dnscheck

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mox/config"
	"mox/dns"
	"mox/dnsrecords"
)

var discard = log.New(io.Discard, "", 0)

// found returns what was found, as "Section E: text" and "Section W: text".
func found(r *Result) []string {
	var l []string
	for _, s := range r.Sections {
		for _, e := range s.Errors {
			l = append(l, s.Name+" E: "+e)
		}
		for _, w := range s.Warnings {
			l = append(l, s.Name+" W: "+w)
		}
	}
	return l
}

// check runs a check, and compares what it finds: each string of want is the start of one
// finding, with "..." for anything between.
func (w *world) check(domain string, want ...string) *Result {
	w.t.Helper()
	w.o.Resolver = w.zone
	r, err := Check(context.Background(), w.snap, domain, w.o)
	if err != nil {
		w.t.Fatal(err)
	}
	got := found(r)
	for _, f := range want {
		i := slices.IndexFunc(got, func(g string) bool { return matches(g, f) })
		if i < 0 {
			w.t.Errorf("not found: %s", f)
			continue
		}
		got = slices.Delete(got, i, i+1)
	}
	for _, g := range got {
		w.t.Errorf("also found: %s", g)
	}
	for _, s := range r.Sections {
		if !s.Clean() && len(s.Instructions) == 0 {
			w.t.Errorf("section %s has no instructions for %v %v", s.Name, s.Errors, s.Warnings)
		} else if s.Clean() && len(s.Instructions) > 0 {
			w.t.Errorf("section %s has instructions for nothing: %v", s.Name, s.Instructions)
		}
		for _, text := range slices.Concat(s.Errors, s.Warnings) {
			if strings.HasSuffix(text, ".") || strings.HasSuffix(text, ": ") {
				w.t.Errorf("section %s: end of sentence: %q", s.Name, text)
			}
		}
	}
	return r
}

func matches(got, want string) bool {
	for i, part := range strings.Split(want, "...") {
		j := strings.Index(got, part)
		if j < 0 || i == 0 && j > 0 {
			return false
		}
		got = got[j+len(part):]
	}
	return true
}

// public changes the listener.
func (w *world) public(change func(l *config.ListenerInfo)) {
	l := *w.snap.Listeners["public"]
	change(&l)
	w.snap.Listeners["public"] = &l
}

const (
	d     = "example.org"
	h     = "mail.example.org"
	v4    = "192.0.2.10"
	v6    = "2001:db8::10"
	other = "192.0.2.99"
)

// TestFaults breaks one thing in each case.
func TestFaults(t *testing.T) {
	for _, tc := range []struct {
		name  string
		fault func(w *world)
		want  []string
	}{
		{"all is right", func(w *world) {}, nil},

		{"resolver down", func(w *world) { w.zone.Fail["ns com"] = nil }, []string{"DNSSEC E: the resolver does not work: ...server failure"}},
		{"resolver does not verify", func(w *world) { w.zone.AllAuthentic = false }, []string{
			"DNSSEC W: the resolver does not verify DNSSEC", "DANE W: MX records are not signed", "DANE E: _25._tcp.mail.example.org has TLSA records, but they are not signed"}},
		{"zone not signed", func(w *world) { w.zone.Inauthentic = []string{"mx example.org"} }, []string{
			"DNSSEC W: MX records of example.org are not signed", "DANE W: MX records are not signed"}},

		{"no reverse name", func(w *world) { delete(w.zone.PTR, v6) }, []string{"IPRev E: 2001:db8::10 has no reverse name"}},
		{"reverse name of another", func(w *world) { w.zone.PTR[v4] = []string{"other.example"} }, []string{"IPRev E: the reverse names of 192.0.2.10, [other.example], do not lead back"}},
		{"reverse name differs", func(w *world) {
			w.zone.PTR[v4], w.zone.A["vps1.provider.example"] = []string{"vps1.provider.example"}, []string{v4}
		}, []string{"IPRev W: reverse names of 192.0.2.10 are [vps1.provider.example], not mail.example.org"}},
		{"reverse lookup fails", func(w *world) { w.zone.Fail["ptr "+v4] = nil }, []string{"IPRev E: reverse DNS of 192.0.2.10 cannot be looked up"}},
		{"loopback in hosts", func(w *world) { w.zone.A[h] = append(w.zone.A[h], "127.0.1.1") }, []string{
			"IPRev E: mail.example.org resolves to 127.0.1.1", "MX E: host mail.example.org has addresses that are not of this server: 127.0.1.1",
			"TLS E: no SMTP with mail.example.org (127.0.1.1)", "SRV conf E: mail programs that connect to imap.example.org (127.0.1.1:993)", "SRV conf E: mail programs that connect to imap.example.org (127.0.1.1:465)", "Autoconf E: client settings domain imap.example.org has addresses that are not of this server: 127.0.1.1",
			"Autoconf E: name autoconfig.example.org has addresses that are not", "Autoconf E: HTTPS with autoconfig.example.org (127.0.1.1)", "Autodiscover E: target mail.example.org has addresses that are not", "Autodiscover E: HTTPS with mail.example.org (127.0.1.1)"}},

		{"no MX", func(w *world) {
			delete(w.zone.MX, d)
			w.zone.TXT[d] = []string{"v=spf1 a:mail.example.org ip4:192.0.2.20 ~all"}
		}, []string{"MX E: example.org has no MX record"}},
		{"null MX", func(w *world) {
			w.zone.MX[d] = []dns.MX{{Preference: 0, Host: "."}}
		}, []string{"MX E: example.org has a null MX record"}},
		{"MX lookup fails", func(w *world) { w.zone.Fail["mx "+d] = nil }, []string{"MX E: MX records cannot be looked up"}},
		{"MX of address", func(w *world) { w.zone.MX[d] = append(w.zone.MX[d], dns.MX{Preference: 20, Host: "192.0.2.1"}) }, []string{`MX E: MX record with "192.0.2.1"`}},
		{"MX host without address", func(w *world) {
			w.zone.MX[d] = append(w.zone.MX[d], dns.MX{Preference: 20, Host: "gone.example"})
		}, []string{"MX E: host gone.example has no address", "MTASTS W: the policy does not allow gone.example of the MX records"}},
		{"MX host lookup fails", func(w *world) {
			w.zone.MX[d] = append(w.zone.MX[d], dns.MX{Preference: 20, Host: "down.example"})
			w.zone.Fail["a down.example"], w.zone.Fail["aaaa down.example"] = nil, nil
		}, []string{"MX E: addresses of host down.example cannot be looked up", "MTASTS W: the policy does not allow down.example"}},
		{"MX of another server", func(w *world) {
			w.zone.MX[d] = append(w.zone.MX[d], dns.MX{Preference: 20, Host: "backup.example"})
			w.zone.A["backup.example"] = []string{other}
		}, []string{"MX E: host backup.example is not this server: its addresses are 192.0.2.99", "TLS E: no SMTP with backup.example (192.0.2.99)", "MTASTS W: the policy does not allow backup.example"}},

		{"port 25 closed", func(w *world) { w.refuse["192.0.2.10:25"] = errors.New("connection refused") }, []string{"TLS E: no SMTP with mail.example.org (192.0.2.10) at port 25: connection refused"}},
		{"no STARTTLS", func(w *world) { w.smtp = "250 mail.example.org\r\n" }, []string{"TLS E: mail.example.org (192.0.2.10) does not offer STARTTLS", "TLS E: mail.example.org (2001:db8::10) does not offer STARTTLS"}},
		{"TLS fails", func(w *world) { w.cert = onlyFor(w.cert, "mta-sts.", "autoconfig.", "imap.") }, []string{
			"TLS E: TLS with mail.example.org (192.0.2.10) fails", "TLS E: TLS with mail.example.org (2001:db8::10) fails",
			"Autodiscover E: HTTPS with mail.example.org (192.0.2.10)", "Autodiscover E: HTTPS with mail.example.org (2001:db8::10)"}},
		{"certificate for other name", func(w *world) {
			c := certificate(w.t, w.snap.Listeners["public"].HostECDSAKey, time.Now().Add(time.Hour), "*.example.org")
			bad := certificate(w.t, w.snap.Listeners["public"].HostECDSAKey, time.Now().Add(time.Hour), "other.example")
			w.cert = func(name string) *tls.Certificate {
				if name == h {
					return bad
				}
				return c
			}
		}, []string{"TLS E: the certificate of mail.example.org (192.0.2.10) does not verify...other.example", "TLS E: the certificate of mail.example.org (2001:db8::10) does not verify",
			"Autodiscover E: HTTPS with mail.example.org (192.0.2.10)", "Autodiscover E: HTTPS with mail.example.org (2001:db8::10)"}},
		{"certificate with other key", func(w *world) {
			c := certificate(w.t, newKey(w.t), time.Now().Add(time.Hour), "*.example.org")
			w.cert = func(name string) *tls.Certificate { return c }
		}, []string{"DANE E: no TLSA record is about the certificate that 192.0.2.10 has in use", "DANE E: no TLSA record is about the certificate that 2001:db8::10 has in use"}},
		{"certificate expired", func(w *world) {
			c := certificate(w.t, w.snap.Listeners["public"].HostECDSAKey, time.Now().Add(-time.Hour), "*.example.org")
			good := w.cert
			w.cert = func(name string) *tls.Certificate {
				if name == h {
					return c
				}
				return good(name)
			}
		}, []string{"TLS E: the certificate of mail.example.org (192.0.2.10)...expired", "TLS E: the certificate of mail.example.org (2001:db8::10)...expired",
			"Autodiscover E: HTTPS with mail.example.org (192.0.2.10)", "Autodiscover E: HTTPS with mail.example.org (2001:db8::10)"}},

		{"no host keys", func(w *world) {
			w.public(func(l *config.ListenerInfo) { l.HostECDSAKey, l.HostRSAKey = nil, nil })
			delete(w.zone.TLSA, "_25._tcp."+h)
		}, []string{"DANE W: no host keys"}},
		{"no TLSA", func(w *world) { delete(w.zone.TLSA, "_25._tcp."+h) }, []string{"DANE E: _25._tcp.mail.example.org has no TLSA records"}},
		{"one TLSA missing", func(w *world) { w.zone.TLSA["_25._tcp."+h] = w.zone.TLSA["_25._tcp."+h][:1] }, []string{"DANE E: _25._tcp.mail.example.org lacks TLSA record 3 1 1 "}},
		{"one TLSA more", func(w *world) {
			w.zone.TLSA["_25._tcp."+h] = append(w.zone.TLSA["_25._tcp."+h], dns.TLSA{Usage: dns.DANEEE, Selector: dns.SelectorSPKI, MatchType: dns.MatchSHA256, Data: make([]byte, 32)})
		}, []string{"DANE E: _25._tcp.mail.example.org has TLSA record 3 1 1 000"}},
		{"TLSA lookup fails", func(w *world) { w.zone.Fail["tlsa _25._tcp."+h] = nil }, []string{"DANE E: TLSA records of _25._tcp.mail.example.org cannot be looked up"}},
		{"TLSA not signed", func(w *world) { w.zone.Inauthentic = []string{"tlsa _25._tcp." + h} }, []string{"DANE E: _25._tcp.mail.example.org has TLSA records, but they are not signed"}},

		{"no SPF", func(w *world) { delete(w.zone.TXT, d) }, []string{"SPF E: example.org has no SPF record"}},
		{"no SPF for host", func(w *world) { delete(w.zone.TXT, h) }, []string{"SPF E: mail.example.org has no SPF record"}},
		{"two SPF", func(w *world) { w.zone.TXT[d] = append(w.zone.TXT[d], "v=spf1 -all") }, []string{"SPF E: example.org has more than one SPF record"}},
		{"SPF not valid", func(w *world) { w.zone.TXT[d] = []string{"v=spf1 ipv4:192.0.2.10 ~all"} }, []string{"SPF E: the SPF record of example.org...not valid"}},
		{"SPF lookup fails", func(w *world) { w.zone.Fail["txt "+h] = nil }, []string{"SPF E: the SPF record of mail.example.org cannot be looked up"}},
		{"SPF without proxy", func(w *world) { w.zone.TXT[d] = []string{"v=spf1 mx ~all"} }, []string{"SPF E: SPF of example.org is softfail for mail from 192.0.2.20"}},
		{"SPF for all", func(w *world) { w.zone.TXT[h] = []string{"v=spf1 a +all"} }, []string{"SPF W: the SPF record of mail.example.org...+all lets every host"}},
		{"SPF forgets IPv6", func(w *world) { w.zone.TXT[h] = []string{"v=spf1 ip4:192.0.2.10 -all"} }, []string{"SPF E: SPF of mail.example.org is fail for mail from 2001:db8::10"}},

		{"no selectors", func(w *world) {
			w.snap.Domains[d].Selectors, w.snap.Domains[d].Sign = nil, nil
		}, []string{"DKIM E: the domain has no selectors"}},
		{"selector without signing", func(w *world) { w.snap.Domains[d].Sign = nil }, []string{"DKIM W: none of the selectors is in Sign"}},
		{"no key record", func(w *world) { delete(w.zone.TXT, "2026b._domainkey."+d) }, []string{"DKIM E: selector 2026b has no record"}},
		{"key lookup fails", func(w *world) { w.zone.Fail["txt 2026b._domainkey."+d] = nil }, []string{"DKIM E: the record of selector 2026b cannot be looked up"}},
		{"key not valid", func(w *world) { w.zone.TXT["2026b._domainkey."+d] = []string{"v=DKIM1;p=?"} }, []string{`DKIM E: the record of selector 2026b, "v=DKIM1;p=?", is not valid`}},
		{"key of another", func(w *world) { w.zone.TXT["2026b._domainkey."+d] = w.zone.TXT["2026a._domainkey."+d] }, []string{"DKIM E: the record of selector 2026b has another key"}},
		{"key revoked", func(w *world) { w.zone.TXT["2026b._domainkey."+d] = []string{"v=DKIM1;p="} }, []string{"DKIM E: the record of selector 2026b has another key"}},
		{"two keys", func(w *world) {
			w.zone.TXT["2026b._domainkey."+d] = append(w.zone.TXT["2026b._domainkey."+d], w.zone.TXT["2026a._domainkey."+d]...)
		}, []string{"DKIM E: selector 2026b has 2 records"}},
		{"key in testing", func(w *world) {
			w.zone.TXT["2026b._domainkey."+d][0] = strings.Replace(w.zone.TXT["2026b._domainkey."+d][0], ";p=", ";t=y;p=", 1)
		}, []string{"DKIM W: the record of selector 2026b says that it is a test"}},

		{"no DMARC", func(w *world) { delete(w.zone.TXT, "_dmarc."+d) }, []string{"DMARC E: there is no DMARC record at _dmarc.example.org"}},
		{"two DMARC", func(w *world) { w.zone.TXT["_dmarc."+d] = append(w.zone.TXT["_dmarc."+d], "v=DMARC1;p=none") }, []string{"DMARC E: the DMARC record at _dmarc.example.org does not count"}},
		{"DMARC lookup fails", func(w *world) { w.zone.Fail["txt _dmarc."+d] = nil }, []string{"DMARC E: the DMARC record at _dmarc.example.org cannot be looked up"}},
		{"DMARC not valid", func(w *world) {
			w.zone.TXT["_dmarc."+d] = []string{"v=DMARC1;p=refuse;rua=mailto:dmarc@reports.example"}
		}, []string{"DMARC E: the DMARC record...invalid policy"}},
		{"DMARC none", func(w *world) {
			w.zone.TXT["_dmarc."+d] = []string{"v=DMARC1;p=none;rua=mailto:dmarc@reports.example"}
		}, []string{"DMARC W: policy p=none"}},
		{"DMARC none for subdomains", func(w *world) {
			w.zone.TXT["_dmarc."+d] = []string{"v=DMARC1;p=reject;sp=none;rua=mailto:dmarc@reports.example"}
		}, []string{"DMARC W: policy sp=none"}},
		{"DMARC test", func(w *world) {
			w.zone.TXT["_dmarc."+d] = []string{"v=DMARC1;p=reject;t=y;rua=mailto:dmarc@reports.example"}
		}, []string{"DMARC W: the record says that it is a test"}},
		{"DMARC without reports", func(w *world) { w.zone.TXT["_dmarc."+d] = []string{"v=DMARC1;p=reject"} }, []string{"DMARC W: the record has no rua"}},
		{"DMARC reports elsewhere", func(w *world) { w.zone.TXT["_dmarc."+d] = []string{"v=DMARC1;p=reject;rua=mailto:x@example.org"} }, []string{"DMARC E: the configured report address dmarc@reports.example is not in rua"}},
		{"DMARC reports not taken", func(w *world) { delete(w.zone.TXT, "example.org._report._dmarc.reports.example") }, []string{"DMARC E: reports are not sent to mailto:dmarc@reports.example"}},
		{"DMARC of parent", func(w *world) {
			delete(w.zone.TXT, "_dmarc."+d)
			w.zone.TXT["_dmarc.org"] = []string{"v=DMARC1;p=reject;psd=y"}
		}, []string{"DMARC W: example.org has no DMARC record of its own: that of org applies", "DMARC W: the record has no rua"}},

		{"host TLSRPT not configured", func(w *world) { w.snap.HostTLSRPT = nil }, []string{"Host TLSRPT W: no address"}},
		{"no host TLSRPT", func(w *world) { delete(w.zone.TXT, "_smtp._tls."+h) }, []string{"Host TLSRPT E: there is no TLSRPT record at _smtp._tls.mail.example.org"}},
		{"host TLSRPT elsewhere", func(w *world) { w.zone.TXT["_smtp._tls."+h] = []string{"v=TLSRPTv1;rua=mailto:x@example.org"} }, []string{"Host TLSRPT E: the configured report address tlsreports@mail.example.org is not in rua"}},
		{"domain TLSRPT not configured", func(w *world) { w.snap.Domains[d].TLSRPT = nil }, []string{"Domain TLSRPT W: no address"}},
		{"no domain TLSRPT", func(w *world) { delete(w.zone.TXT, "_smtp._tls."+d) }, []string{"Domain TLSRPT E: there is no TLSRPT record at _smtp._tls.example.org"}},
		{"two domain TLSRPT", func(w *world) {
			w.zone.TXT["_smtp._tls."+d] = append(w.zone.TXT["_smtp._tls."+d], "v=TLSRPTv1;rua=mailto:x@example.org")
		}, []string{"Domain TLSRPT E: there are several TLSRPT records"}},
		{"domain TLSRPT not valid", func(w *world) { w.zone.TXT["_smtp._tls."+d] = []string{"v=TLSRPTv1;"} }, []string{"Domain TLSRPT E: the TLSRPT record...is not valid"}},
		{"domain TLSRPT lookup fails", func(w *world) { w.zone.Fail["txt _smtp._tls."+d] = nil }, []string{"Domain TLSRPT E: the TLSRPT record at _smtp._tls.example.org cannot be looked up"}},

		{"MTA-STS not configured", func(w *world) {
			w.snap.Domains[d].MTASTS = nil
			delete(w.zone.TXT, "_mta-sts."+d)
		}, []string{"MTASTS W: MTA-STS is not configured"}},
		{"MTA-STS only in DNS", func(w *world) { w.snap.Domains[d].MTASTS = nil }, []string{"MTASTS W: MTA-STS is not configured", "MTASTS E: there is an MTA-STS record"}},
		{"no MTA-STS record", func(w *world) { delete(w.zone.TXT, "_mta-sts."+d) }, []string{"MTASTS E: there is no MTA-STS record"}},
		{"two MTA-STS records", func(w *world) { w.zone.TXT["_mta-sts."+d] = append(w.zone.TXT["_mta-sts."+d], "v=STSv1; id=2") }, []string{"MTASTS E: the MTA-STS record at _mta-sts.example.org is not valid"}},
		{"MTA-STS lookup fails", func(w *world) { w.zone.Fail["txt _mta-sts."+d] = nil }, []string{"MTASTS E: the MTA-STS record at _mta-sts.example.org cannot be looked up"}},
		{"old MTA-STS record", func(w *world) { w.zone.TXT["_mta-sts."+d] = []string{"v=STSv1; id=1"} }, []string{`MTASTS W: the MTA-STS record at _mta-sts.example.org has id "1"`}},
		{"MTA-STS name missing", func(w *world) { delete(w.zone.CNAME, "mta-sts."+d) }, []string{"MTASTS E: the policy cannot be fetched"}},
		{"MTA-STS certificate", func(w *world) { w.cert = onlyFor(w.cert, "mail.", "autoconfig.", "imap.") }, []string{"MTASTS E: the policy cannot be fetched"}},
		{"MTA-STS not found", func(w *world) { w.codes["mta-sts."+d] = 404 }, []string{"MTASTS E: the policy cannot be fetched...404"}},
		{"MTA-STS policy not valid", func(w *world) { w.policy = "hello" }, []string{"MTASTS E: the policy cannot be fetched"}},
		{"MTA-STS testing", func(w *world) { w.policy = strings.Replace(w.policy, "enforce", "testing", 1) }, []string{"MTASTS W: mode of the policy is testing"}},
		{"MTA-STS none", func(w *world) { w.policy = strings.Replace(w.policy, "enforce", "none", 1) }, []string{"MTASTS W: mode of the policy is none"}},
		{"MTA-STS short", func(w *world) { w.policy = strings.Replace(w.policy, "max_age: 864000", "max_age: 3600", 1) }, []string{"MTASTS W: max_age of the policy is 1h0m0s"}},
		{"MTA-STS of another host", func(w *world) {
			w.policy = strings.Replace(w.policy, h, "gone.example", 1)
		}, []string{"MTASTS W: the policy does not allow mail.example.org", "MTASTS W: gone.example of the policy is not in DNS"}},

		{"no IMAP SRV", func(w *world) { delete(w.zone.SRV, "_imaps._tcp."+d) }, []string{"SRV conf E: there is no SRV record at _imaps._tcp.example.org"}},
		{"submission SRV elsewhere", func(w *world) {
			w.zone.SRV["_submissions._tcp."+d] = []dns.SRV{{Weight: 1, Port: 465, Target: "other.example"}}
		}, []string{`SRV conf E: the SRV record at _submissions._tcp.example.org does not lead to port 465 of this server: "other.example" port 465`}},
		{"IMAP SRV with wrong port", func(w *world) { w.zone.SRV["_imaps._tcp."+d] = []dns.SRV{{Weight: 1, Port: 143, Target: h}} }, []string{"SRV conf E: the SRV record at _imaps._tcp.example.org does not lead to port 993"}},
		{"IMAP SRV of host", func(w *world) { w.zone.SRV["_imaps._tcp."+d] = []dns.SRV{{Weight: 1, Port: 993, Target: h}} }, nil},
		{"no POP SRV", func(w *world) { delete(w.zone.SRV, "_pop3._tcp."+d) }, []string{"SRV conf W: there is no SRV record at _pop3._tcp.example.org"}},
		{"POP SRV offered", func(w *world) { w.zone.SRV["_pop3s._tcp."+d] = []dns.SRV{{Weight: 1, Port: 995, Target: h}} }, []string{"SRV conf W: the SRV record at _pop3s._tcp.example.org is for a service that is not offered"}},
		{"IMAP closed", func(w *world) { w.refuse["192.0.2.10:993"] = io.EOF }, []string{"SRV conf E: mail programs that connect to imap.example.org (192.0.2.10:993) fail: EOF"}},
		{"no certificate for mail programs", func(w *world) { w.cert = onlyFor(w.cert, "mail.", "mta-sts.", "autoconfig.") }, []string{
			"SRV conf E: mail programs that connect to imap.example.org (192.0.2.10:993) fail", "SRV conf E: mail programs that connect to imap.example.org ([2001:db8::10]:993) fail",
			"SRV conf E: mail programs that connect to imap.example.org (192.0.2.10:465) fail", "SRV conf E: mail programs that connect to imap.example.org ([2001:db8::10]:465) fail"}},
		{"SRV lookup fails", func(w *world) { w.zone.Fail["srv _imaps._tcp."+d] = nil }, []string{"SRV conf E: the SRV record at _imaps._tcp.example.org cannot be looked up"}},

		{"no client settings domain", func(w *world) { delete(w.zone.CNAME, "imap."+d) }, []string{"Autoconf E: client settings domain imap.example.org has no address"}},
		{"client settings domain elsewhere", func(w *world) { w.zone.A["imap."+d] = []string{other}; delete(w.zone.CNAME, "imap."+d) }, []string{"Autoconf E: client settings domain imap.example.org is not this server", "SRV conf E: mail programs that connect to imap.example.org (192.0.2.99:993)", "SRV conf E: mail programs that connect to imap.example.org (192.0.2.99:465)"}},
		{"no autoconfig name", func(w *world) { delete(w.zone.CNAME, "autoconfig."+d) }, []string{"Autoconf E: name autoconfig.example.org has no address"}},
		{"autoconfig lookup fails", func(w *world) {
			delete(w.zone.CNAME, "autoconfig."+d)
			w.zone.Fail["a autoconfig."+d], w.zone.Fail["aaaa autoconfig."+d] = nil, nil
		}, []string{"Autoconf E: the addresses of name autoconfig.example.org cannot be looked up"}},
		{"autoconfig gives 404", func(w *world) { w.codes["autoconfig."+d] = 404 }, []string{"Autoconf E: HTTPS with autoconfig.example.org (192.0.2.10)...404", "Autoconf E: HTTPS with autoconfig.example.org (2001:db8::10)...404"}},
		{"autoconfig certificate", func(w *world) { w.cert = onlyFor(w.cert, "mail.", "mta-sts.", "imap.") }, []string{"Autoconf E: HTTPS with autoconfig.example.org (192.0.2.10)", "Autoconf E: HTTPS with autoconfig.example.org (2001:db8::10)"}},
		{"autoconfig not served", func(w *world) { w.public(func(l *config.ListenerInfo) { l.AutoconfigHTTPS.Enabled = false }) }, []string{"Autoconf W: no listener has AutoconfigHTTPS"}},

		{"no autodiscover SRV", func(w *world) { delete(w.zone.SRV, "_autodiscover._tcp."+d) }, []string{"Autodiscover E: there is no SRV record at _autodiscover._tcp.example.org"}},
		{"autodiscover SRV with wrong port", func(w *world) { w.zone.SRV["_autodiscover._tcp."+d][0].Port = 80 }, []string{"Autodiscover E: no SRV record at _autodiscover._tcp.example.org is for port 443"}},
		{"autodiscover of nothing", func(w *world) { w.zone.SRV["_autodiscover._tcp."+d][0].Target = "gone.example" }, []string{"Autodiscover E: target gone.example has no address"}},
		{"autodiscover elsewhere", func(w *world) {
			w.zone.SRV["_autodiscover._tcp."+d][0].Target = "else.example"
			w.zone.A["else.example"] = []string{other}
		}, []string{"Autodiscover E: target else.example is not this server", "Autodiscover E: HTTPS with else.example (192.0.2.99)"}},
		{"autodiscover lookup fails", func(w *world) { w.zone.Fail["srv _autodiscover._tcp."+d] = nil }, []string{"Autodiscover E: the SRV record at _autodiscover._tcp.example.org cannot be looked up"}},
		{"port 443 closed", func(w *world) { w.refuse["192.0.2.10:443"], w.refuse["[2001:db8::10]:443"] = io.EOF, io.EOF }, []string{
			"MTASTS E: the policy cannot be fetched", "Autoconf E: HTTPS with autoconfig.example.org (192.0.2.10)", "Autoconf E: HTTPS with autoconfig.example.org (2001:db8::10)",
			"Autodiscover E: HTTPS with mail.example.org (192.0.2.10)", "Autodiscover E: HTTPS with mail.example.org (2001:db8::10)"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, d)
			tc.fault(w)
			w.check(d, tc.want...)
		})
	}
}

// onlyFor has certificates only for names with one of the prefixes.
func onlyFor(cert func(string) *tls.Certificate, prefixes ...string) func(string) *tls.Certificate {
	return func(name string) *tls.Certificate {
		for _, p := range prefixes {
			if p != "" && strings.HasPrefix(name, p) {
				return cert(name)
			}
		}
		return nil
	}
}

// TestAddresses: what counts as this server, by what the configuration says.
func TestAddresses(t *testing.T) {
	ip := netip.MustParseAddr
	for _, tc := range []struct {
		name       string
		l          config.ListenerInfo
		interfaces []netip.Addr
		want       []string
	}{
		{"NAT", config.ListenerInfo{IPs: []netip.Addr{ip("10.0.0.1")}, NATIPs: []netip.Addr{ip(v4), ip(v6)}}, nil, nil},
		{"NAT, not said where", config.ListenerInfo{IPs: []netip.Addr{ip("10.0.0.1")}, Listener: config.Listener{IPsNATed: true}}, nil, []string{"SPF W: the configuration does not say"}},
		{"unspecified", config.ListenerInfo{IPs: []netip.Addr{ip("0.0.0.0"), ip("::")}}, []netip.Addr{ip("127.0.0.1"), ip("10.0.0.1"), ip(v4), ip(v6), ip("fe80::1")}, []string{"SPF W: the configuration does not say"}},
		{"unspecified behind a router", config.ListenerInfo{IPs: []netip.Addr{ip("0.0.0.0"), ip("::")}}, []netip.Addr{ip("127.0.0.1"), ip("10.0.0.1")}, []string{"SPF W: the configuration does not say"}},
		{"one only", config.ListenerInfo{IPs: []netip.Addr{ip(v4)}}, nil, []string{
			"MX E: host mail.example.org has addresses that are not of this server: 2001:db8::10", "Autoconf E: client settings domain imap.example.org has addresses that are not",
			"Autoconf E: name autoconfig.example.org has addresses that are not", "Autodiscover E: target mail.example.org has addresses that are not"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, d)
			w.o.InterfaceIPs = func() ([]netip.Addr, error) { return tc.interfaces, nil }
			w.public(func(l *config.ListenerInfo) { l.IPs, l.NATIPs, l.IPsNATed = tc.l.IPs, tc.l.NATIPs, tc.l.IPsNATed })
			w.check(d, tc.want...)
		})
	}
}

// TestReportsOnly: of a domain whose mail is elsewhere only reports are checked.
func TestReportsOnly(t *testing.T) {
	w := newWorld(t, "only.example")
	r := w.check("only.example")
	if len(r.Sections) != 3 || r.Section(MX) != nil {
		t.Errorf("sections: %v", r.Sections)
	}
	delete(w.zone.TXT, "_smtp._tls.only.example")
	w.check("only.example", "Domain TLSRPT E: there is no TLSRPT record")
}

// TestInstructions: what is missing is in the instructions as it is to be published.
func TestInstructions(t *testing.T) {
	w := newWorld(t, d)
	delete(w.zone.TXT, d)
	delete(w.zone.SRV, "_imaps._tcp."+d)
	r := w.check(d, "SPF E: ", "SRV conf E: ")
	if got := strings.Join(r.Section(SPF).Instructions, "\n"); !strings.Contains(got, "\nexample.org. IN TXT \"v=spf1 ip4:192.0.2.10 ip6:2001:db8::10 ip4:192.0.2.20 mx ~all\"") {
		t.Errorf("instructions: %s", got)
	}
	if got := strings.Join(r.Section(SRVConf).Instructions, "\n"); !strings.Contains(got, "\n_imaps._tcp.example.org. IN SRV 0 1 993 imap.example.org.") {
		t.Errorf("instructions: %s", got)
	}
	if errs, warnings := r.Errors(); errs != 2 || warnings != 0 {
		t.Errorf("got %d errors, %d warnings", errs, warnings)
	}
	b, err := json.Marshal(r)
	if err != nil || !strings.Contains(string(b), `{"Name":"SPF","Errors":["example.org has no SPF record"],"Instructions":["Publish in DNS`) {
		t.Errorf("JSON: %s, %v", b, err)
	}
}

// TestDeadline: a check ends in time when nothing answers.
func TestDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, d)
		w.o.Resolver = w.zone
		w.o.Dial = func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		w.o.DialTimeout, w.o.Timeout = 0, 0
		start := time.Now()
		r, err := Check(context.Background(), w.snap, d, w.o)
		if err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took != DefaultDialTimeout {
			t.Errorf("took %v", took)
		}
		if s := r.Section(TLS); len(s.Errors) != 2 || !strings.HasSuffix(s.Errors[0], "no answer in time") {
			t.Errorf("TLS: %v", s.Errors)
		}
		// With connections one after the other, it is the whole that ends it.
		w.o.Connections = 1
		start = time.Now()
		if _, err = Check(context.Background(), w.snap, d, w.o); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took > DefaultTimeout {
			t.Errorf("took %v", took)
		}
	})
}

// TestDoc: every section is in the documentation.
func TestDoc(t *testing.T) {
	doc, err := os.ReadFile("../docs/dns.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range checks {
		if !strings.Contains(string(doc), "\n| "+c.name) && !strings.Contains(string(doc), ", "+c.name+" |") {
			t.Errorf("section %s is not in docs/dns.md", c.name)
		}
	}
}

func TestCheckErrors(t *testing.T) {
	w := newWorld(t, d)
	w.o.Resolver = w.zone
	if _, err := Check(context.Background(), w.snap, "other.example", w.o); !errors.Is(err, dnsrecords.ErrNoDomain) {
		t.Errorf("got %v", err)
	}
	if _, err := Check(context.Background(), w.snap, "-", w.o); !errors.Is(err, dns.ErrDomain) {
		t.Errorf("got %v", err)
	}
}
