package spf

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"mox/dns"
	"mox/mlog"
	"mox/smtp"
)

// TestVectors runs the published test suite of RFC 7208.
func TestVectors(t *testing.T) {
	dir := os.Getenv("MOX_VECTORS")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared", "vectors")
	}
	text, err := os.ReadFile(filepath.Join(dir, "spf", "rfc7208-tests.yml"))
	if err != nil {
		t.Skip("no vectors: ", err)
	}
	docs, err := yamlDocuments(string(text))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, doc := range docs {
		resolver := zone(t, doc.get("zonedata").(*yamlMap))
		tests := doc.get("tests").(*yamlMap)
		for _, name := range tests.keys {
			n++
			t.Run(strings.ReplaceAll(doc.str("description"), " ", "-")+"/"+name, func(t *testing.T) {
				runVector(t, resolver, tests.get(name).(*yamlMap))
			})
		}
	}
	if n != 203 {
		t.Errorf("%d cases, want 203", n)
	}
}

func runVector(t *testing.T, resolver dns.Resolver, tc *yamlMap) {
	args := Args{
		IP:            netip.MustParseAddr(tc.str("host")),
		Hello:         vectorHello(tc.str("helo")),
		LocalHostname: dns.Domain{ASCII: "receiver.example"},
	}
	var res Result
	// An empty MAIL FROM is the null reverse-path. Other addresses are not parsed by the
	// rules of SMTP, which would refuse some.
	if i := strings.LastIndexByte(tc.str("mailfrom"), '@'); i >= 0 {
		localpart, domain := tc.str("mailfrom")[:i], tc.str("mailfrom")[i+1:]
		args.MailFrom.Localpart = smtp.Localpart(localpart)
		if ip, ok := strings.CutPrefix(domain, "["); ok {
			args.MailFrom.IPDomain.IP = netip.MustParseAddr(strings.TrimSuffix(ip, "]"))
		} else {
			args.MailFrom.IPDomain.Domain = dns.Domain{ASCII: strings.ToLower(domain)}
		}
	}
	res = CheckMailFrom(t.Context(), mlog.NewTest(t, mlog.LevelDebug), resolver, args)

	var want []string
	switch v := tc.get("result").(type) {
	case string:
		want = []string{v}
	case []any:
		for _, s := range v {
			want = append(want, s.(string))
		}
	}
	if !slices.Contains(want, string(res.Status)) {
		t.Errorf("got %s, want %v: %+v", res.Status, want, res)
	}
	if exp := tc.str("explanation"); exp != "" {
		// DEFAULT is that of the receiver, of which there is none here.
		if exp == "DEFAULT" {
			exp = ""
		}
		// The suite writes nibbles of IPv6 in upper case, RFC 7208 7.4 in lower case.
		if !strings.EqualFold(res.Explanation, exp) {
			t.Errorf("explanation %q, want %q", res.Explanation, exp)
		}
	}
	if field := res.ReceivedSPF(args); strings.Count(field, "\n") != strings.Count(field, "\r\n\t")+1 {
		t.Errorf("field %q", field)
	}
}

func vectorHello(s string) smtp.Host {
	if d, err := dns.ParseDomainLax(s); err == nil {
		return smtp.Host{IPDomain: smtp.IPDomain{Domain: d}}
	}
	if ipd, err := smtp.ParseIPDomain(s, smtp.Options{}); err == nil {
		return smtp.Host{IPDomain: ipd}
	}
	return smtp.Host{Raw: s}
}

// zone makes a resolver of the suite's data. Records of type SPF are TXT records where a name
// has no others; TXT of NONE is for names that shall have none. After TIMEOUT, types that the
// name has no records of fail.
func zone(t *testing.T, data *yamlMap) dns.MockResolver {
	r := dns.MockResolver{
		PTR: map[string][]string{}, A: map[string][]string{}, AAAA: map[string][]string{}, TXT: map[string][]string{},
		MX: map[string][]dns.MX{}, CNAME: map[string]string{}, Fail: map[string]error{},
	}
	for _, key := range data.keys {
		name := strings.ToLower(strings.TrimSuffix(key, "."))
		l, _ := data.get(key).([]any)
		var spf []string
		hasTXT, timeout := false, false
		for _, e := range l {
			if e == "TIMEOUT" {
				timeout = true
				continue
			}
			typ := e.(*yamlMap).keys[0]
			value := e.(*yamlMap).get(typ)
			text := joined(value)
			switch typ {
			case "SPF":
				spf = append(spf, text)
			case "TXT":
				hasTXT = true
				if text != "NONE" {
					r.TXT[name] = append(r.TXT[name], text)
				}
			case "A":
				r.A[name] = append(r.A[name], text)
			case "AAAA":
				r.AAAA[name] = append(r.AAAA[name], text)
			case "CNAME":
				r.CNAME[name] = strings.ToLower(strings.TrimSuffix(text, "."))
			case "PTR":
				ip := arpaAddr(t, name)
				r.PTR[ip] = append(r.PTR[ip], strings.TrimSuffix(text, "."))
			case "MX":
				pref, err := strconv.ParseUint(value.([]any)[0].(string), 10, 16)
				if err != nil {
					t.Fatal(err)
				}
				r.MX[name] = append(r.MX[name], dns.MX{Preference: uint16(pref), Host: value.([]any)[1].(string)})
			default:
				t.Fatalf("record type %s", typ)
			}
		}
		if !hasTXT && len(spf) > 0 {
			r.TXT[name] = spf
		}
		for typ, none := range map[string]bool{"txt": len(r.TXT[name]) == 0, "a": len(r.A[name]) == 0, "aaaa": len(r.AAAA[name]) == 0, "mx": len(r.MX[name]) == 0} {
			if timeout && none {
				r.Fail[typ+" "+name] = fmt.Errorf("timeout")
			}
		}
	}
	return r
}

// joined returns the strings of a record as one.
func joined(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case []any:
		s := ""
		for _, e := range v {
			s += e.(string)
		}
		return s
	}
	return ""
}

// arpaAddr returns the address that a name of the reverse tree is of.
func arpaAddr(t *testing.T, name string) string {
	labels := strings.Split(name, ".")
	slices.Reverse(labels)
	s := strings.Join(labels[2:], ".")
	if labels[1] == "ip6" {
		s = ""
		for i, nibble := range labels[2:] {
			if i > 0 && i%4 == 0 {
				s += ":"
			}
			s += nibble
		}
	}
	ip, err := netip.ParseAddr(s)
	if err != nil {
		t.Fatal(err)
	}
	return ip.String()
}
