package dns

import (
	"bufio"
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParseDomain(t *testing.T) {
	l63 := strings.Repeat("a", 63)
	for _, tc := range []struct {
		in, ascii, unicode string
		ok                 bool
	}{
		{"example.org", "example.org", "", true},
		{"Example.ORG", "example.org", "", true},
		{"localhost", "localhost", "", true},
		{"bücher.example", "xn--bcher-kva.example", "bücher.example", true},
		{"BÜCHER.example", "xn--bcher-kva.example", "bücher.example", true},
		{"xn--bcher-kva.example", "xn--bcher-kva.example", "bücher.example", true},
		{"XN--BCHER-KVA.example", "xn--bcher-kva.example", "bücher.example", true},
		{"straße.example", "xn--strae-oqa.example", "straße.example", true}, // IDNA2008 keeps ß
		{"例え。テスト", "xn--r8jz45g.xn--zckzah", "例え.テスト", true},
		{"r3---sn-5hne6nsy.example", "r3---sn-5hne6nsy.example", "", true},
		{l63 + "." + l63 + "." + l63 + "." + l63[:61], l63 + "." + l63 + "." + l63 + "." + l63[:61], "", true},
		{l63 + "." + l63 + "." + l63 + "." + l63[:62], "", "", false},
		{l63 + "a.example", "", "", false},
		{"", "", "", false},
		{".", "", "", false},
		{"a..b", "", "", false},
		{".a", "", "", false},
		{"a.", "", "", false},
		{"-a.example", "", "", false},
		{"a-.example", "", "", false},
		{"a_b.example", "", "", false},
		{"a b.example", "", "", false},
		{"a\x00b.example", "", "", false},
		{"xn--a.example", "", "", false},          // invalid Punycode
		{"xn--.example", "", "", false},           //
		{"a\u200db.example", "", "", false},       // joiner out of context
		{"\xff.example", "", "", false},           // not UTF-8
		{"أ1b.example", "", "", false},            // bidi rule
		{"\u2488com.example", "", "", false},      // disallowed character
		{"a\u3002example", "a.example", "", true}, // ideographic full stop
	} {
		d, err := ParseDomain(tc.in)
		if (err == nil) != tc.ok || d != (Domain{tc.ascii, tc.unicode}) {
			t.Errorf("%q: got %+v, %v", tc.in, d, err)
		}
		if err != nil && !errors.Is(err, ErrDomain) {
			t.Errorf("%q: error %v is not ErrDomain", tc.in, err)
		}
	}
	if d, err := ParseDomainLax("_dmarc.A_b.example"); err != nil || d.ASCII != "_dmarc.a_b.example" {
		t.Error(d, err)
	}
	if d, _ := ParseDomain("10.0.0.1"); !d.Numeric() {
		t.Error("not numeric")
	}
	if d, _ := ParseDomain("bücher.example"); d.Numeric() || d.Name() != "bücher.example" || d.XName(false) != "xn--bcher-kva.example" || d.String() != "bücher.example/xn--bcher-kva.example" {
		t.Error("display forms", d)
	}
}

// TestVectors runs the conformance test of UTS #46 as far as it is about what is
// accepted here: names of nontransitional processing.
func TestVectors(t *testing.T) {
	dir := os.Getenv("MOX_VECTORS")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared", "vectors")
	}
	f, err := os.Open(filepath.Join(dir, "idna", "IdnaTestV2.txt"))
	if err != nil {
		t.Skip("no vectors: ", err)
	}
	defer f.Close()
	sc := bufio.NewScanner(f)
	n, refused, stricter := 0, 0, 0
	for sc.Scan() {
		line, _, _ := strings.Cut(sc.Text(), "#")
		cols := strings.Split(line, ";")
		if len(cols) < 5 {
			continue
		}
		for i := range cols {
			cols[i] = unescape(strings.TrimSpace(cols[i]))
		}
		src, uni, ustat, ascii, astat := cols[0], cols[1], cols[2], cols[3], cols[4]
		if uni == "" {
			uni = src
		}
		if ascii == "" {
			ascii = uni
		}
		if astat == "" {
			astat = ustat
		}
		d, err := ParseDomain(src)
		if (astat != "" && astat != "[]") || (ustat != "" && ustat != "[]") {
			// V2 and V3 are about hyphens, and X4_2 with A4_2 about a final dot.
			if err == nil && !strings.ContainsAny(astat+ustat, "23") {
				t.Errorf("%q accepted as %v, must fail with %s %s", src, d, ustat, astat)
			}
			refused++
			continue
		}
		n++
		if err != nil {
			// Names of STD3 rules, of a final dot, and of characters that changed
			// between the version of the vectors and that of the tables.
			stricter++
			continue
		}
		if strings.Contains(src, "ẞ") {
			continue // maps to ß from Unicode 15.1 on
		}
		if d.ASCII != ascii || d.Name() != uni {
			t.Errorf("%q: got %+v, want %q, %q", src, d, ascii, uni)
		}
	}
	if t.Logf("%d valid, %d invalid names, %d refused by stricter rules", n, refused, stricter); n < 500 || stricter > n/3 {
		t.Error("too many valid names refused")
	}
}

func unescape(s string) string {
	if s == `""` {
		return ""
	}
	if u, err := strconv.Unquote(`"` + s + `"`); err == nil {
		return u
	}
	return s
}

func FuzzParseDomain(f *testing.F) {
	for _, s := range []string{"example.org", "bücher.example", "xn--bcher-kva.example", "a..b", "-a", "例え。テスト"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, p := range []func(string) (Domain, error){ParseDomain, ParseDomainLax} {
			d, err := p(s)
			if err != nil {
				continue
			}
			for _, form := range []string{d.ASCII, d.Name()} {
				if d2, err := p(form); err != nil || d2 != d {
					t.Fatalf("%q parsed as %+v, again %q as %+v, %v", s, d, form, d2, err)
				}
			}
		}
	})
}

func TestMockResolver(t *testing.T) {
	ctx := context.Background()
	r := MockResolver{
		PTR:       map[string][]string{"10.0.0.1": {"mx.example"}},
		A:         map[string][]string{"mx.example": {"10.0.0.1"}, "v4.example": {"10.0.0.2"}},
		AAAA:      map[string][]string{"mx.example": {"2001:db8::1"}},
		TXT:       map[string][]string{"example": {"v=spf1 -all"}},
		MX:        map[string][]MX{"example": {{20, "b.example"}, {10, "mx.example"}}},
		CNAME:     map[string]string{"www.example": "mx.example", "loop.example": "loop.example"},
		Fail:      map[string]error{"mx broken.example": nil},
		Authentic: []string{"txt example", "a v4.example"},
	}
	if l, _, err := r.LookupAddr(ctx, netip.MustParseAddr("::ffff:10.0.0.1")); err != nil || !cmp.Equal(l, []string{"mx.example"}) {
		t.Error(l, err)
	}
	if l, res, err := r.LookupIP(ctx, "ip", "WWW.example."); err != nil || len(l) != 2 || res.Authentic {
		t.Error(l, err)
	}
	if l, res, err := r.LookupIP(ctx, "ip4", "v4.example"); err != nil || len(l) != 1 || !res.Authentic {
		t.Error(l, res, err)
	}
	if _, _, err := r.LookupIP(ctx, "ip6", "v4.example"); !IsNotFound(err) || IsTemporary(err) {
		t.Error(err)
	}
	if l, res, err := r.LookupTXT(ctx, "example"); err != nil || len(l) != 1 || !res.Authentic {
		t.Error(l, res, err)
	}
	if l, _, err := r.LookupMX(ctx, "example"); err != nil || l[0].Host != "mx.example" {
		t.Error(l, err)
	}
	var e *Error
	if _, _, err := r.LookupMX(ctx, "none.example"); !errors.As(err, &e) || !e.NXDomain {
		t.Error(err)
	}
	if _, _, err := r.LookupMX(ctx, "broken.example"); !IsTemporary(err) {
		t.Error(err)
	}
	if _, _, err := r.LookupTXT(ctx, "loop.example"); !IsTemporary(err) {
		t.Error(err)
	}
	if s, _, err := r.LookupCNAME(ctx, "www.example"); err != nil || s != "mx.example" {
		t.Error(s, err)
	}
}

func TestMockDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := MockResolver{TXT: map[string][]string{"slow.example": {"x"}}, Delay: map[string]time.Duration{"txt slow.example": time.Minute}}
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		var e *Error
		if _, _, err := r.LookupTXT(ctx, "slow.example"); !errors.As(err, &e) || !e.Timeout {
			t.Error(err)
		}
		if _, _, err := r.LookupTXT(t.Context(), "slow.example"); err != nil {
			t.Error(err)
		}
	})
}
