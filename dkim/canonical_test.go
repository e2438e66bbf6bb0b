package dkim

import (
	"hash"
	"regexp"
	"strings"
	"testing"
)

// collector is a hash that keeps what is written to it.
type collector struct {
	hash.Hash
	b *strings.Builder
}

func (c collector) Write(p []byte) (int, error) { return c.b.Write(p) }

// canonicalBody is the canonical form of the body that the chunks make.
func canonicalBody(c Canonicalization, chunks ...string) string {
	var b strings.Builder
	canon := &bodyCanon{relaxed: c == Relaxed, sinks: []bodySink{{BodyFormat{c, -1}, collector{nil, &b}}}}
	for _, s := range chunks {
		canon.write([]byte(s))
	}
	canon.close()
	return b.String()
}

var (
	wspRun  = regexp.MustCompile(`[ \t]+`)
	wspEnd  = regexp.MustCompile(` +(\r\n|$)`)
	emptyAt = regexp.MustCompile(`(\r\n)*$`)
)

// referenceBody follows the words of RFC 6376 3.4.3 and 3.4.4.
func referenceBody(c Canonicalization, s string) string {
	s = strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\n", "\r\n")
	if c == Relaxed {
		s = wspEnd.ReplaceAllString(wspRun.ReplaceAllString(s, " "), "$1")
	}
	s = emptyAt.ReplaceAllString(s, "")
	if s != "" || c == Simple {
		s += "\r\n"
	}
	return s
}

func TestCanonicalBody(t *testing.T) {
	for _, s := range []string{
		"", "a", "a\r\n", "a\r", "\r", "\r\r\n", " ", " \r\n", "\t \r\n \r\n", "a \t b \r\n\r\n \r\n", "\r\n\r\na", "a\n\nb\n\n", "a \rb", "a \r", "a\r\r\n", "\r\n a",
		strings.Repeat("a b\t c \r\n\r\n", 100),
	} {
		for _, c := range []Canonicalization{Simple, Relaxed} {
			want := referenceBody(c, s)
			if got := canonicalBody(c, s); got != want {
				t.Errorf("%s of %q: %q, want %q", c, s, got, want)
			}
			if got := canonicalBody(c, strings.Split(s, "")...); got != want {
				t.Errorf("%s of %q in single bytes: %q, want %q", c, s, got, want)
			}
		}
	}
}

func FuzzCanonical(f *testing.F) {
	f.Add("Hi \r\n\r\n", 1)
	f.Add("a \t\rb\n\n c", 3)
	f.Fuzz(func(t *testing.T, s string, at int) {
		at = min(max(at, 0), len(s))
		for _, c := range []Canonicalization{Simple, Relaxed} {
			got := canonicalBody(c, s[:at], s[at:])
			if want := referenceBody(c, s); got != want {
				t.Errorf("%s of %q: %q, want %q", c, s, got, want)
			}
			if again := canonicalBody(c, got); again != got {
				t.Errorf("%s of %q is not stable: %q, %q", c, s, got, again)
			}
			field := AppendField(nil, []byte("Name: "+s), c)
			if again := AppendField(nil, field, c); string(again) != string(field) {
				t.Errorf("%s of field %q is not stable: %q, %q", c, s, field, again)
			}
		}
		// What simple takes as the same, relaxed does too.
		if canonicalBody(Relaxed, canonicalBody(Simple, s)) != canonicalBody(Relaxed, s) {
			t.Errorf("relaxed of simple of %q differs from relaxed", s)
		}
	})
}

func TestCutSignature(t *testing.T) {
	for _, tc := range [][2]string{
		{"DKIM-Signature: b=xyz", "dkim-signature:b="},
		{"DKIM-Signature: bh=b=; b=x\r\n y; c=d\r\n", "dkim-signature:bh=b=; b=; c=d"},
		{"DKIM-Signature: a=1;\r\n\tb = xyz ;\r\n", "dkim-signature:a=1; b =;"},
		{"DKIM-Signature: a=1\r\n", "dkim-signature:a=1"},
		{"DKIM-Signature: ; ; =", "dkim-signature:; ; ="},
	} {
		if got := string(AppendSignatureField(nil, []byte(tc[0]), Relaxed)); got != tc[1] {
			t.Errorf("%q: %q, want %q", tc[0], got, tc[1])
		}
	}
	if got := string(AppendSignatureField(nil, []byte("D : b=x\n y\n"), Simple)); got != "D : b=" {
		t.Errorf("%q", got)
	}
}
