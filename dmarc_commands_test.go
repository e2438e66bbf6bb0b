package main

import (
	"crypto/ed25519"
	"log/slog"
	"strings"
	"testing"

	"mox/dkim"
	"mox/dns"
)

// dmarcZone is what the commands find in DNS.
func dmarcZone() dns.MockResolver {
	return dns.MockResolver{
		TXT: map[string][]string{
			"_dmarc.example.com":                             {"v=DMARC1; p=reject; sp=none; rua=mailto:d@example.com; ruf=mailto:x@reports.example.net,mailto:y@example.org; \x1b"},
			"example.com._report._dmarc.reports.example.net": {"v=DMARC1"},
			"_dmarc.example.net":                             {"v=DMARC1; p=none; rua=mailto:d@example.net"},
			"_dmarc.quiet.example":                           {"v=DMARC1; p=none"},
			"example.com":                                    {"v=spf1 ip4:192.0.2.1 -all"},
			"host.example.com":                               {"v=spf1 ip4:192.0.2.2 -all"},
		},
		Fail: map[string]error{"txt _dmarc.broken.example": nil},
	}
}

const dmarcMessage = "From: \"A\" <a@example.com>\r\nTo: b@example.org\r\nSubject: hello\r\n\r\nhello\r\n"

func TestDMARCCommands(t *testing.T) {
	zone := dmarcZone()
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	record, err := dkim.NewRecord(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	zone.TXT["s._domainkey.news.example.com"] = []string{record.String()}
	zone.TXT["t._domainkey.news.example.com"] = []string{record.String() + ";t=y"}
	sign := func(selector string) string {
		field, err := dkim.Sign(t.Context(), slog.New(slog.DiscardHandler), dkim.SignOptions{Domain: dns.Domain{ASCII: "news.example.com"}}, []dkim.Selector{{Name: dns.Domain{ASCII: selector}, Key: key}}, strings.NewReader(dmarcMessage))
		if err != nil {
			t.Fatal(err)
		}
		return field + dmarcMessage
	}

	for _, tc := range []struct {
		args, stdin string
		status      int
		stdout      []string
		stderr      string
	}{
		{"dmarc lookup a.example.com", "", 0, []string{
			"_dmarc.a.example.com: no record\n_dmarc.example.com: v=DMARC1; p=reject;", "; ?\n", "_dmarc.com: no record\n",
			"organizational domain: example.com\npolicy of: example.com\npolicy for a.example.com: none (tag sp)\n", "it is to be rejected (reject).\n", "Problem: ",
		}, ""},
		{"dmarc lookup other.example", "", 1, []string{"_dmarc.other.example: no record\n"}, "other.example has no DMARC policy"},
		{"dmarc lookup broken.example", "", 1, []string{"_dmarc.broken.example: lookup failed\n"}, "broken.example"},
		{"dmarc lookup a..b", "", 1, nil, "invalid domain"},
		{"dmarc lookup", "", 2, nil, "usage"},

		{"dmarc checkreportaddrs example.com", "", 1, []string{
			"rua mailto:d@example.com: ok, same organization\n", "ruf mailto:x@reports.example.net: ok, has agreed (v=DMARC1)\n", "ruf mailto:y@example.org: not accepted: example.org has not agreed",
		}, "1 of the addresses"},
		{"dmarc checkreportaddrs example.net", "", 0, []string{"ok, same organization"}, ""},
		{"dmarc checkreportaddrs quiet.example", "", 0, []string{"no reports are asked for"}, ""},
		{"dmarc checkreportaddrs other.example", "", 1, nil, "no DMARC policy"},
		{"dmarc checkreportaddrs broken.example", "", 1, nil, "broken.example"},

		{"dmarc verify 192.0.2.1 a@example.com host.example.com", dmarcMessage, 0, []string{"from: a@example.com\n", "spf: pass of example.com\n", "dmarc: pass: SPF aligned with example.com\n"}, ""},
		{"dmarc verify 192.0.2.2 <> host.example.com", dmarcMessage, 0, []string{"spf: pass of host.example.com\n", "dmarc: pass: SPF aligned"}, ""},
		{"dmarc verify 2001:db8::1 a@example.com [192.0.2.1]", dmarcMessage, 1, []string{"spf: fail of example.com", "dmarc: fail: ", "policy reject (p of example.com)", "wants it rejected: yes"}, ""},
		{"dmarc verify 192.0.2.9 a@example.net x.example", sign("s"), 0, []string{"dkim: pass of news.example.com\n", "dmarc: pass: DKIM aligned with example.com\n"}, ""},
		{"dmarc verify 192.0.2.9 a@example.net x.example", sign("s") + "more", 1, []string{"dkim: fail of news.example.com: ", "dmarc: fail"}, ""},
		{"dmarc verify 192.0.2.9 a@example.net x.example", sign("t"), 1, []string{"dkim: pass of news.example.com (key in testing", "dmarc: fail"}, ""},
		{"dmarc verify 192.0.2.1 a@example.com host.example.com", "Subject: x\r\n\r\n", 1, []string{"no From field", "dmarc: none"}, ""},
		{"dmarc verify 192.0.2.1 a@example.com host.example.com", "", 1, []string{"no From field", "dmarc: none"}, ""},
		{"dmarc verify nowhere a@example.com host.example.com", "", 1, nil, "nowhere"},
		{"dmarc verify 192.0.2.1 a@ host.example.com", "", 1, nil, "invalid address"},
	} {
		p, stdout, stderr := testProgram()
		p.dns, p.stdin = zone, strings.NewReader(tc.stdin)
		if got := p.main(strings.Fields(tc.args)); got != tc.status {
			t.Errorf("mox %s: exit status %d, want %d", tc.args, got, tc.status)
		}
		for _, s := range tc.stdout {
			if !strings.Contains(stdout.String(), s) {
				t.Errorf("mox %s: standard output lacks %q:\n%s", tc.args, s, stdout)
			}
		}
		if !strings.Contains(stderr.String(), tc.stderr) {
			t.Errorf("mox %s: standard error lacks %q:\n%s", tc.args, tc.stderr, stderr)
		}
		if strings.ContainsRune(stdout.String(), '\x1b') {
			t.Errorf("mox %s: an escape reaches the terminal", tc.args)
		}
	}
}
