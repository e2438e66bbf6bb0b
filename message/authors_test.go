package message

import (
	"fmt"
	"strings"
	"testing"
)

func TestAuthors(t *testing.T) {
	for _, tc := range []struct {
		header, want, problem string // want: addresses separated by spaces
	}{
		{"From: a@example.org", "a@example.org", ""},
		{"from : A <a@example.org>", "a@example.org", ""},
		{"From:\r\n \"A, B\"\r\n\t<a@EXAMPLE.org> (c <x@example.net>)", "a@example.org", ""},
		{"From: a@example.org, B <b@example.com>,, a@example.org", "a@example.org b@example.com", ""},
		{"From: J. R. Smith <j@example.org>", "j@example.org", ""},
		{"From: (x) a (y) @ (z) example . org (w)", "a@example.org", ""},
		{"From: <@example.net,@example.com:a@example.org>", "a@example.org", ""},
		{"From: \"a b\"@example.org", "\"a b\"@example.org", ""},
		{"From: g: a@example.org, B <b@example.org>; , c@example.org", "a@example.org b@example.org c@example.org", ""},
		{"From: a@xn--bcher-kva.example, b@bücher.example", "a@bücher.example b@bücher.example", ""},
		{"From: J\xf6rg <j@example.org>", "j@example.org", ""},
		// Addresses that are none.
		{"From: \"ceo@bank.example\" <x@evil.example>", "x@evil.example", ""},
		{"From: \"<ceo@bank.example>\" <x@evil.example>", "x@evil.example", ""},
		{"From: x@evil.example (<ceo@bank.example>)", "x@evil.example", ""},
		{"From: \"ceo@bank.example\"@evil.example", "\"ceo@bank.example\"@evil.example", ""},
		{"From: =?utf-8?q?ceo=40bank.example?= <x@evil.example>", "x@evil.example", ""},
		{"From: =?utf-8?q?=3Cceo=40bank.example=3E?= <x@evil.example>", "x@evil.example", "encoded address in a display name"},
		{"From: =?utf-8?q?ceo=40bank.example?=@evil.example", "=?utf-8?q?ceo=40bank.example?=@evil.example", "encoded-word within an address"},
		{"From: =?utf-8?q?=3Cceo=40bank.example=3E?=", "", "encoded address in a display name of From; no valid address"},
		// Nothing.
		{"To: a@example.org", "", "no From field"},
		{"From:", "", "no valid address"},
		{"From: undisclosed:;", "", "no valid address"},
		{"From: a@[192.0.2.1]", "", "invalid address in From; no valid"},
		{"From: a", "", "syntax; no valid"},
		{"From: a@-.-", "", "invalid address"},
		{"From: a@\xff.example", "", "invalid address"},
		// Several fields.
		{"From: a@example.org\r\nFrom: b@example.com", "a@example.org b@example.com", "2 From fields"},
		{"From: a@example.org\r\nFROM: a@example.org", "a@example.org", "2 From fields"},
		// Broken: the address in brackets, or all that may be one.
		{"From: ceo@bank.example <x@evil.example>", "x@evil.example", "by the syntax"},
		{"From: Joe, Inc <j@example.org>", "j@example.org", "by the syntax"},
		{"From: <a@example.org> <b@example.com>", "b@example.com a@example.org", "by the syntax"},
		{"From: <a@example.org> b@example.com", "a@example.org", "by the syntax"},
		{"From: a@example.org b@example.com", "\"a@example.org\"@example.com a@example.org b@example.com", "by the syntax"},
		{"From: a@example.org;b@example.com", "a@example.org b@example.com", "by the syntax"},
		{"From: \"x <a@example.org> <b@example.com>", "b@example.com a@example.org", "by the syntax"},
		{"From: (x <a@example.org> <b@example.com>", "b@example.com a@example.org", "by the syntax"},
		{"From: <a@example.org <b@example.com>", "b@example.com a@example.org", "by the syntax"},
		{"From: a@b.example@example.org", "\"a@b.example\"@example.org a@b.example b.example@example.org", "by the syntax"},
		{"From: g: h: a@example.org;;", "a@example.org", "by the syntax"},
		{"From: a@example.org\x00, b@example.com", "a@example.org b@example.com", "control characters"},
		{"From: <a@example.org>\rx <b@example.com>\r\nX: y", "b@example.com a@example.org", "control characters"},
	} {
		got, problem := Authors(ParseHeader([]byte(tc.header + "\r\n\r\n")))
		var l []string
		for _, a := range got {
			l = append(l, a.String())
		}
		if s := strings.Join(l, " "); s != tc.want || !strings.Contains(problem, tc.problem) || (problem == "") != (tc.problem == "") {
			t.Errorf("%q: got %q, problem %q", tc.header, s, problem)
		}
	}
}

func TestAuthorsBounds(t *testing.T) {
	var b strings.Builder
	for i := range 100000 {
		fmt.Fprintf(&b, "a%d@example.org,", i)
	}
	for _, s := range []string{b.String(), b.String() + "<"} {
		if got, problem := Authors(ParseHeader([]byte("From: " + s + "\r\n\r\n"))); len(got) > MaxAuthors || problem == "" {
			t.Errorf("%d authors, %q", len(got), problem)
		}
	}
}

func FuzzAuthors(f *testing.F) {
	for _, s := range []string{
		"a@example.org", "A <a@example.org>, g: \"b\" <b@example.org>;", "(x) a@b <c@d>", "\"x <a@example.org> <b@example.com>",
		"<@a,@b:c@d>", "=?utf-8?q?=3Ca@b=3E?= <c@d>", "a@[1.2.3.4", "x\x00@y.example\r\nFrom: z@y.example",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, _ := Authors(ParseHeader([]byte("From: " + s + "\r\n\r\n")))
		if len(got) > MaxAuthors {
			t.Fatalf("%d authors", len(got))
		}
		for _, a := range got {
			// What is returned is itself a From field with that address.
			again, problem := Authors(ParseHeader([]byte("From: " + a.Pack(false) + "\r\n\r\n")))
			if len(again) != 1 || again[0] != a {
				t.Fatalf("%q: %q gives %q (%s)", s, a.Pack(false), again, problem)
			}
		}
	})
}

func ExampleAuthors() {
	h := ParseHeader([]byte("From: \"ceo@bank.example\" <x@evil.example>\r\n\r\n"))
	authors, problem := Authors(h)
	fmt.Println(authors, problem == "")
	// Output: [x@evil.example] true
}
