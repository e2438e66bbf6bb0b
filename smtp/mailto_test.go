package smtp

import (
	"net/url"
	"testing"
)

func TestParseMailto(t *testing.T) {
	for uri, want := range map[string]string{
		"mailto:a@b.example":                   "a@b.example",
		"MAILTO:a@b.example":                   "a@b.example",
		"mailto:a%2Bb@c.example":               "a+b@c.example",
		"mailto:gorby%25kremvax@example.com":   "gorby%kremvax@example.com", // RFC 6068 6.1
		"mailto:chris@example.com?subject=x#y": "chris@example.com",
		"mailto:a@b.example#c?d":               "a@b.example",
		"mailto:":                              "",
		"mailto:a":                             "",
		"mailto:%zz@b.example":                 "",
		"mailto:a@b.example,c@d.example":       "",
		"mailto:?to=joe@example.com":           "",
		"https://b.example/":                   "",
		"a@b.example":                          "",
		"mailto":                               "",
		"":                                     "",
	} {
		a, ok := ParseMailto(uri)
		got := ""
		if ok {
			got = a.String()
		}
		if got != want {
			t.Errorf("%q: %q, want %q", uri, got, want)
		}
	}
}

func FuzzParseMailto(f *testing.F) {
	f.Add("mailto:a@b.example?c")
	f.Fuzz(func(t *testing.T, uri string) {
		a, ok := ParseMailto(uri)
		if !ok {
			return
		}
		if b, ok := ParseMailto("mailto:" + url.PathEscape(a.String())); !ok || b != a {
			t.Errorf("%q: %q is read back as %q, %t", uri, a, b, ok)
		}
	})
}
