package publicsuffix

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"mox/dns"
)

func vectors(t *testing.T, name string) string {
	t.Helper()
	dir := os.Getenv("MOX_VECTORS")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared", "vectors")
	}
	b, err := os.ReadFile(filepath.Join(dir, "psl", name))
	if err != nil {
		t.Skip("no vectors: ", err)
	}
	return string(b)
}

// TestVectors runs the tests of publicsuffix.org. In those, null is no name, and no
// registered name.
func TestVectors(t *testing.T) {
	n := 0
	for _, m := range regexp.MustCompile(`(?m)^checkPublicSuffix\((\S+), (\S+)\);`).FindAllStringSubmatch(vectors(t, "test_psl.txt"), -1) {
		n++
		name, want := strings.Trim(m[1], "'"), strings.Trim(m[2], "'")
		d, err := dns.ParseDomain(name)
		if err != nil {
			// null, and names with a leading dot, are no names.
			if want != "null" {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		got := Lookup(d).Organizational
		if want == "null" && !got.IsZero() && name != "null" || want != "null" && got.Name() != want && got.ASCII != want {
			t.Errorf("%s: got %q, want %s", name, got, want)
		}
	}
	if n < 70 {
		t.Errorf("only %d vectors", n)
	}
}

// TestCompile: the published list compiles, to lines that are all found.
func TestCompile(t *testing.T) {
	b, err := Compile([]byte(vectors(t, "public_suffix_list.dat")))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(flate.NewReader(bytes.NewReader(b)))
	if err != nil {
		t.Fatal(err)
	}
	l := index(string(text))
	if len(l.starts) < 9000 {
		t.Errorf("%d names", len(l.starts))
	}
	before := ""
	for i := range l.starts {
		name, rules := l.line(i)
		if l.rules(name) != rules || rules == 0 || name <= before {
			t.Fatalf("%s: %d", name, rules)
		}
		before = name
	}
}

// TestCompileOwn: the list of the program, in the form in which it is published, compiles to itself; lists that are not whole do not.
func TestCompileOwn(t *testing.T) {
	l := load()
	sections := [2]strings.Builder{}
	for i := range l.starts {
		name, rules := l.line(i)
		for section := range sections {
			for _, rule := range []struct {
				bit    byte
				prefix string
			}{{ruleICANN, ""}, {wildcardICANN, "*."}, {exceptionICANN, "!"}} {
				if rules&(rule.bit<<section) != 0 {
					fmt.Fprintf(&sections[section], "%s%s and more\n\n", rule.prefix, name)
				}
			}
		}
	}
	published := "// VERSION: " + Version() + "\n// ===BEGIN ICANN DOMAINS===\n" + sections[0].String() + "// ===END ICANN DOMAINS===\n" +
		"// ===BEGIN PRIVATE DOMAINS===\n" + sections[1].String() + "// ===END PRIVATE DOMAINS===\n"
	b, err := Compile([]byte(published))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(flate.NewReader(bytes.NewReader(b)))
	if err != nil {
		t.Fatal(err)
	}
	if string(text) != Version()+"\n"+l.text {
		t.Errorf("%d octets, want %d", len(text), len(l.text))
	}
	for _, s := range []string{"", "com\n", "// ===BEGIN ICANN DOMAINS===\ncom\n", "// ===BEGIN ICANN DOMAINS===\na..b\n",
		"// ===BEGIN ICANN DOMAINS===\ncom\n// ===END ICANN DOMAINS===\n"} {
		if _, err := Compile([]byte(s)); err == nil {
			t.Errorf("%q accepted", s)
		}
	}
}

func TestLookup(t *testing.T) {
	for _, tc := range []struct {
		name, suffix, org string
		listed, icann     bool
	}{
		{"mail.example.co.uk", "co.uk", "example.co.uk", true, true},
		{"co.uk", "co.uk", "", true, true},
		{"a.b.github.io", "github.io", "b.github.io", true, false},
		{"github.io", "github.io", "", true, false},
		{"www.ck", "ck", "www.ck", true, true},
		{"a.www.ck", "ck", "www.ck", true, true},
		{"ck", "ck", "", false, false}, // Only "*.ck" is a rule.
		{"x.ck", "x.ck", "", true, true},
		{"a.b.unlisted", "unlisted", "b.unlisted", false, false},
		{"localhost", "localhost", "", false, false},
		{"a.食狮.公司.cn", "公司.cn", "食狮.公司.cn", true, true},
		{"食狮.com", "com", "食狮.com", true, true},
	} {
		d, err := dns.ParseDomain(tc.name)
		if err != nil {
			t.Fatal(err)
		}
		r := Lookup(d)
		if r.Suffix.Name() != tc.suffix || r.Organizational.Name() != tc.org || r.Listed != tc.listed || r.ICANN != tc.icann {
			t.Errorf("%s: got %+v", tc.name, r)
		}
		for _, part := range []dns.Domain{r.Suffix, r.Organizational} {
			if again, err := dns.ParseDomain(part.Name()); part != (dns.Domain{}) && (err != nil || again != part) {
				t.Errorf("%s: %+v is not canonical: %+v", tc.name, part, again)
			}
		}
		if want := r.Organizational; OrganizationalDomain(d) != want && (!want.IsZero() || OrganizationalDomain(d) != d) {
			t.Errorf("%s: %v", tc.name, OrganizationalDomain(d))
		}
	}
	if r := Lookup(dns.Domain{}); r != (Result{}) {
		t.Error(r)
	}
	if Version() == "" {
		t.Error("no version")
	}
}

func FuzzLookup(f *testing.F) {
	f.Add("a.b.co.uk")
	f.Add("www.ck")
	f.Fuzz(func(t *testing.T, s string) {
		d, err := dns.ParseDomainLax(s)
		if err != nil {
			return
		}
		r := Lookup(d)
		if r.Suffix.IsZero() || !strings.HasSuffix("."+d.ASCII, "."+r.Suffix.ASCII) {
			t.Fatalf("%q: %+v", s, r)
		}
		if o := r.Organizational; !o.IsZero() && (!strings.HasSuffix("."+d.ASCII, "."+o.ASCII) || Lookup(o).Organizational != o) || o.IsZero() != (r.Suffix == d) {
			t.Fatalf("%q: %+v", s, r)
		}
	})
}

func BenchmarkLookup(b *testing.B) {
	d := dns.Domain{ASCII: "mail.example.co.uk"}
	Lookup(d)
	b.ReportAllocs()
	for b.Loop() {
		Lookup(d)
	}
}

func ExampleLookup() {
	r := Lookup(dns.Domain{ASCII: "mail.example.co.uk"})
	fmt.Println(r.Organizational, r.Suffix, r.ICANN)
	// Output: example.co.uk co.uk true
}
