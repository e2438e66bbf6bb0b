package dns

import (
	"bufio"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"golang.org/x/net/idna"
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

// skipped tells why a vector need not give what it says; "" if it must.
func skipped(v vector, refused bool) string {
	switch {
	case !refused && v.status == "V2" && strings.Contains(v.ascii, ".bc--de."):
		return "two hyphens in a label that is ASCII: there are such names, in use for mail"
	case refused && v.status == "" && strings.ContainsFunc(v.src+v.uni, func(r rune) bool { return r > unicode.MaxASCII && !idnaValid(r) }):
		return "character that golang.org/x/net/idna, of Unicode " + idna.UnicodeVersion + ", does not know yet, or allowed later (\"≮\", which IDNA2008 does not allow)"
	}
	return ""
}

// idnaValid tells whether the tables in use allow a character by itself, in a label that
// lets joiners and right-to-left characters be.
func idnaValid(r rune) bool {
	p := idna.New(idna.MapForLookup(), idna.CheckHyphens(false), idna.CheckJoiners(false), idna.StrictDomainName(true))
	_, err := p.ToASCII("a" + string(r))
	return err == nil
}

// TestVectors runs the conformance test of UTS #46, of nontransitional processing.
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
	valid, invalid, skips := 0, 0, map[string]int{}
	for sc.Scan() {
		v, ok := parseVector(sc.Text())
		if !ok {
			continue
		}
		d, err := ParseDomain(v.src)
		if why := skipped(v, err != nil); why != "" {
			skips[why]++
			continue
		}
		switch {
		case (err == nil) != (v.status == ""):
			t.Errorf("%q (%q, %q): got %v, %v, want status %q", v.src, v.uni, v.ascii, d, err, v.status)
		case err != nil:
			invalid++
		case d.ASCII != v.ascii || d.Name() != v.uni:
			t.Errorf("%q: got %+v, want %q, %q", v.src, d, v.ascii, v.uni)
		default:
			valid++
		}
	}
	t.Logf("%d valid names parsed, %d invalid ones refused", valid, invalid)
	for why, n := range skips {
		t.Logf("%d skipped: %s", n, why)
	}
	if valid < 400 || invalid < 5000 {
		t.Error("too few vectors")
	}
}

type vector struct{ src, uni, ascii, status string }

func parseVector(line string) (vector, bool) {
	line, _, _ = strings.Cut(line, "#")
	cols := strings.Split(line, ";")
	if len(cols) < 5 {
		return vector{}, false
	}
	for i := range cols {
		cols[i] = unquote(strings.TrimSpace(cols[i]))
	}
	v := vector{src: cols[0], uni: cols[1], ascii: cols[3]}
	if v.uni == "" {
		v.uni = v.src
	}
	if v.ascii == "" {
		v.ascii = v.uni
	}
	astat := cols[4]
	if astat == "" {
		astat = cols[2]
	}
	v.status = strings.Trim(astat, "[]")
	return v, true
}

// unquote undoes the escapes of the vectors: \uXXXX and \x{XXXX}.
func unquote(s string) string {
	if s == `""` {
		return ""
	}
	s = escapeRegexp.ReplaceAllStringFunc(s, func(e string) string {
		n, _ := strconv.ParseUint(strings.Trim(e[2:], "{}"), 16, 32)
		return string(rune(n))
	})
	return s
}

var escapeRegexp = regexp.MustCompile(`\\u[0-9A-Fa-f]{4}|\\x\{[0-9A-Fa-f]+\}`)

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
