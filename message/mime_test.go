package message

import (
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
)

func TestContentType(t *testing.T) {
	type params = []Param
	for _, test := range []struct {
		in, typ string
		params  params
	}{
		{"text/plain", "text/plain", nil},
		{"TEXT/Plain; CharSet=US-ASCII (Plain text)", "text/plain", params{{Name: "charset", Value: "US-ASCII"}}},
		{`text/plain; charset="us-ascii"`, "text/plain", params{{Name: "charset", Value: "us-ascii"}}},
		{"(c) text / plain (d) ; (e) charset (f) = (g) utf-8", "text/plain", params{{Name: "charset", Value: "utf-8"}}},
		// RFC 2231 3, 4, 4.1
		{`message/external-body; access-type=URL; URL*0="ftp://"; URL*1="cs.utk.edu/pub/moore/bulk-mailer/bulk-mailer.tar"`, "message/external-body",
			params{{Name: "access-type", Value: "URL"}, {Name: "url", Value: "ftp://cs.utk.edu/pub/moore/bulk-mailer/bulk-mailer.tar"}}},
		{"application/x-stuff; title*=us-ascii'en-us'This%20is%20%2A%2A%2Afun%2A%2A%2A", "application/x-stuff", params{{Name: "title", Value: "This is ***fun***", Extended: true}}},
		{"application/x-stuff; title*0*=us-ascii'en'This%20is%20even%20more%20; title*1*=%2A%2A%2Afun%2A%2A%2A%20; title*2=\"isn't it!\"", "application/x-stuff",
			params{{Name: "title", Value: "This is even more ***fun*** isn't it!", Extended: true}}},
		{"a/b; n*1*=%C3; n*0*=utf-8''%C3%A9; n*2*=%A9", "a/b", params{{Name: "n", Value: "éé", Extended: true}}},
		{"a/b; n*=%E9", "a/b", params{{Name: "n", Value: "é", Extended: true}}},
		{"a/b; n*=nosuch''%E9", "a/b", params{{Name: "n", Value: "é", Extended: true}}},
		{"a/b; n*x=y; m*=", "a/b", params{{Name: "n*x", Value: "y"}, {Name: "m", Value: "", Extended: true}}},
		// In the wild.
		{`a/b; name="=?utf-8?q?=C3=A9.txt?="`, "a/b", params{{Name: "name", Value: "é.txt", Raw: "=?utf-8?q?=C3=A9.txt?="}}},
		{`a/b; name=my file.txt; x=y`, "a/b", params{{Name: "name", Value: "my file.txt"}, {Name: "x", Value: "y"}}},
		{`a/b;; charset=x;`, "a/b", params{{Name: "charset", Value: "x"}}},
		{`a/b charset=x name="y"`, "a/b", params{{Name: "charset", Value: "x"}, {Name: "name", Value: "y"}}},
		{`a/b; name="C:\dir\file \"q\" \\x"`, "a/b", params{{Name: "name", Value: `C:\dir\file "q" \x`}}},
		{`a/b; name="unclosed; x=y`, "a/b", params{{Name: "name", Value: "unclosed; x=y"}}},
		{"a/b; name=caf\xe9", "a/b", params{{Name: "name", Value: "café"}}},
		{`a/b; boundary=foo=bar/(x)`, "a/b", params{{Name: "boundary", Value: "foo=bar/(x)"}}},
		{`a/b; noequals; x=y; =z; "q"`, "a/b", params{{Name: "x", Value: "y"}}},
		{`"text/html"`, "text/html", nil},
		{"text", "", nil}, {"/x", "", nil}, {"text/", "", nil}, {"", "", nil}, {";", "", nil},
	} {
		typ, subtype, rest, ok := parseMediaType([]byte(test.in))
		p := &Part{}
		newParser(strings.NewReader(""), Limits{}).mimeField(p, fieldContentType, []byte(test.in))
		got := p.Type + "/" + p.Subtype
		if got == "/" {
			got = ""
		}
		if got != test.typ || ok != (test.typ != "") {
			t.Errorf("%q: type %q %q %q", test.in, typ, subtype, rest)
		}
		if !reflect.DeepEqual(p.Params, test.params) {
			t.Errorf("%q: params\n%+v, want\n%+v", test.in, p.Params, test.params)
		}
	}
}

func TestDisposition(t *testing.T) {
	for _, test := range []struct{ in, disposition, filename string }{
		{"inline", "inline", ""},
		{"ATTACHMENT; filename=x.txt", "attachment", "x.txt"},
		{"attachment; filename=plain.txt; filename*=utf-8''%C3%A9.txt", "attachment", "é.txt"},
		{"filename=x.txt", "attachment", "x.txt"},
		{"; filename=x.txt", "attachment", "x.txt"},
		{"", "", ""},
	} {
		p := &Part{}
		newParser(strings.NewReader(""), Limits{}).mimeField(p, fieldContentDisposition, []byte(test.in))
		if p.Disposition != test.disposition || p.Filename() != test.filename {
			t.Errorf("%q: %q %q", test.in, p.Disposition, p.Filename())
		}
	}
}

func TestDecoded(t *testing.T) {
	for _, test := range []struct{ encoding, in, want string }{
		{"", "a\r\nb", "a\r\nb"},
		{"7bit", "x", "x"}, {"8BIT", "\xe9", "\xe9"}, {"binary", "\x00", "\x00"},
		{"base64", "SGVsbG8=", "Hello"},
		{"Base64", "SGVs\r\nbG8\r\n=", "Hello"},
		{"base64", "SGVsbG8", "Hello"},
		{"base64", "S G*V-s!bG8=SGVsbG8=", "HelloHello"},
		{"base64", "", ""}, {"base64", "=", ""}, {"base64", "S", ""},
		{"quoted-printable", "a=3Db=\r\nc \t\r\nd=20\r\n", "a=bc\r\nd \r\n"},
		{"quoted-printable", "=e9=E9=zz=", "\xe9\xe9=zz"},
		{"quoted-printable", "a=  \r\nb=\nc\nd  ", "abc\nd"},
		{"quoted-printable", "=3", "=3"},
		{"quoted-printable", "==41", "=A"},
		{"x-uuencode", "begin 644 x\r\n#0V%T\r\n`\r\nend\r\nrest\r\n", "Cat"},
		{"uuencode", "text\r\nbegin 644 x\r\n#0V%T\r\n \r\nend\r\n", "Cat"},
		{"x-uue", "#0V%T\r\n", "Cat"},
	} {
		msg := "Content-Transfer-Encoding: " + test.encoding + "\r\n\r\n" + test.in
		p := mustParse(t, msg)
		ra := strings.NewReader(msg)
		r, err := p.Decoded(ra)
		if err != nil {
			t.Errorf("%s: %v", test.encoding, err)
			continue
		}
		b, err := io.ReadAll(r)
		if err != nil || string(b) != test.want {
			t.Errorf("%s %q: %q %v, want %q", test.encoding, test.in, b, err, test.want)
		}
		if n, err := p.DecodedSize(ra); n != int64(len(test.want)) || err != nil {
			t.Errorf("%s %q: size %d %v", test.encoding, test.in, n, err)
		}
		checkContent(t, p, []byte(msg))
	}
	msg := "Content-Transfer-Encoding: x-mystery\r\n\r\nx"
	p := mustParse(t, msg)
	if _, err := p.Decoded(strings.NewReader(msg)); !errors.Is(err, ErrUnknownCTE) {
		t.Errorf("unknown: %v", err)
	}
	if _, err := p.BinarySize(strings.NewReader(msg)); !errors.Is(err, ErrUnknownCTE) {
		t.Errorf("unknown size: %v", err)
	}
}

func TestDecodedLong(t *testing.T) {
	// Lines longer than all buffers, escapes at each place.
	for shift := range 40 {
		in := strings.Repeat("x", shift) + strings.Repeat("=41=C3=A9 \t", 5000)
		want := strings.Repeat("x", shift) + strings.TrimRight(strings.Repeat("A\xc3\xa9 \t", 5000), " \t")
		msg := "Content-Transfer-Encoding: quoted-printable\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n" + in
		b, err := io.ReadAll(mustParse(t, msg).Text(strings.NewReader(msg)))
		if err != nil || string(b) != want {
			t.Fatalf("shift %d: %d bytes, want %d, %v", shift, len(b), len(want), err)
		}
	}
	for _, in := range []string{strings.Repeat(" ", 50_000), "=" + strings.Repeat(" ", 50_000), strings.Repeat("=", 50_000)} {
		msg := "Content-Transfer-Encoding: quoted-printable\r\n\r\n" + in
		if _, err := mustParse(t, msg).DecodedSize(strings.NewReader(msg)); err != nil {
			t.Error(err)
		}
	}
}

func TestBinaryText(t *testing.T) {
	msg := "Content-Transfer-Encoding: base64\r\n\r\nYQpiDQpjDQoKDQ==" // "a\nb\r\nc\r\n\n\r"
	p := mustParse(t, msg)
	r, err := p.Binary(strings.NewReader(msg))
	if err != nil {
		t.Fatal(err)
	}
	if b, _ := io.ReadAll(r); string(b) != "a\r\nb\r\nc\r\n\r\n\r" {
		t.Errorf("got %q", b)
	}
}

func TestText(t *testing.T) {
	for _, test := range []struct{ header, body, want string }{
		{"Content-Type: text/plain; charset=iso-8859-1", "caf\xe9", "café"},
		{"Content-Type: text/plain; charset=utf-8", "caf\xe9", "caf\ufffd"},
		{"Content-Type: text/plain", "caf\xe9 \xc3\xa9", "café é"},
		{"Content-Type: text/plain; charset=bogus", "caf\xe9", "café"},
		{"Content-Type: text/html", `<meta charset="koi8-r">` + "\xc1", `<meta charset="koi8-r">а`},
		{"Content-Transfer-Encoding: mystery", "x", "x"},
	} {
		msg := test.header + "\r\n\r\n" + test.body
		if b, err := io.ReadAll(mustParse(t, msg).Text(strings.NewReader(msg))); err != nil || string(b) != test.want {
			t.Errorf("%s: %q %v, want %q", test.header, b, err, test.want)
		}
	}
}
