package message

import (
	"bytes"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func FuzzParse(f *testing.F) {
	for _, msg := range vectors(f) {
		if len(msg) < 20_000 {
			f.Add(msg)
		}
	}
	f.Add([]byte(crlfed(rfcSections)))
	f.Add([]byte(bigMessage(1000)))
	f.Add([]byte(goldenMessage))
	for _, make := range hostile {
		f.Add([]byte(make(300)))
	}
	f.Fuzz(func(t *testing.T, msg []byte) {
		for _, l := range []Limits{{}, {Parts: 5, Depth: 3, HeaderBytes: 200, HeaderFields: 4, FieldBytes: 50, KeptBytes: 300, Boundary: 10, Params: 3, Addresses: 3}} {
			p, err := Parse(bytes.NewReader(msg), l)
			if err != nil {
				t.Fatal(err)
			}
			checkTree(t, p, int64(len(msg)), l)
			checkRendering(t, p)
			checkBinary(t, p)
			checkContent(t, p, msg)
			top, err := ParseTop(bytes.NewReader(msg), l)
			if err != nil || top.BodyStart != p.BodyStart || !p.Opaque() && top.MediaType() != p.MediaType() || !reflect.DeepEqual(top.Envelope, p.Envelope) {
				t.Errorf("ParseTop: %+v, %v", top, err)
			}
		}
	})
}

func FuzzDecodePart(f *testing.F) {
	f.Add([]byte(goldenBinary))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := DecodePart(b)
		if err != nil {
			return
		}
		checkRendering(t, p)
		again, err := DecodePart(p.AppendBinary(nil))
		if err != nil || again.BodyEnd != p.BodyEnd || string(again.AppendBinary(nil)) != string(p.AppendBinary(nil)) {
			t.Errorf("%+v, %v\n%+v", again, err, p)
		}
		Preview(p, bytes.NewReader(b))
		p.SectionRange([]int{1, 2, 1}, SpecifierHeader)
	})
}

func FuzzAddresses(f *testing.F) {
	for _, s := range []string{"A <a@b>, c@d", "G: a@b;", `"q\"" <@r:x@y> (c)`, "a(b)@c, <d", "=?utf-8?q?=C3=A9?= <a@[::1]>"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		list := ParseAddressList(s, 50)
		if len(list) > 50 {
			t.Errorf("%d addresses", len(list))
		}
		w := wire{}
		w.addresses(list)
		for _, a := range list {
			if a.Kind == AddressMailbox && a.Name+a.Mailbox+a.Host == "" {
				t.Errorf("nothing in %+v", a)
			}
			if !utf8.ValidString(a.String()) || strings.ContainsAny(a.String(), "\r\n\x00") {
				t.Errorf("String %q", a.String())
			}
		}
		if err := checkIMAP(w.dst, false, (*imapReader).addresses); err != nil {
			t.Errorf("%v in %q", err, w.dst)
		}
	})
}

func FuzzWords(f *testing.F) {
	for _, s := range []string{"=?utf-8?q?=C3=A9?= x", "=?utf-8?B?w6k=?= =?iso-8859-1?q?_?=", "Re: [a] Fwd: x (fwd)", "[fwd: x]", "é"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d := DecodeWords(s)
		if !utf8.ValidString(d) || strings.ContainsAny(d, "\r\n\x00") {
			t.Errorf("DecodeWords(%q) = %q", s, d)
		}
		e := EncodeWords(d)
		if !isASCII(e) {
			t.Errorf("EncodeWords(%q) = %q", d, e)
		}
		if got := DecodeWords(e); got != d {
			t.Errorf("%q is encoded as %q, which is %q", d, e, got)
		}
		for _, w := range strings.Fields(e) {
			if strings.HasPrefix(w, "=?utf-8?") && len(w) > maxEncodedWord {
				t.Errorf("word %q", w)
			}
		}
		base, _ := BaseSubject(s)
		if again, _ := BaseSubject(EncodeWords(base)); len(again) > len(base) {
			t.Errorf("base subject %q of %q has base %q", base, s, again)
		}
		CasemapKey(s)
		ParseMessageIDs(s, 10)
		_ = DecodeCharset("utf-7", []byte(s))
	})
}

func FuzzDate(f *testing.F) {
	for _, s := range []string{"Fri, 21 Nov 1997 09:55:06 -0600", "2024-01-01T10:00:00.1Z", "1/2/2024 1:02 PM", "Mon Jan  1 10:00:00 CET 2024", "21 Nov 97 (x) 9:5 GMT+1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := ParseDate(s)
		if err != nil {
			return
		}
		again, err := ParseDate(FormatDate(d))
		if err != nil || !again.Equal(d.Truncate(time.Second)) && d.Year() >= 1000 {
			t.Errorf("%q is %v, formatted %q, which is %v %v", s, d, FormatDate(d), again, err)
		}
	})
}

func FuzzHeader(f *testing.F) {
	f.Add([]byte(testHeader), "subject", "new value")
	f.Add([]byte("A:b\r\n c\n\nx"), "a", strings.Repeat("long ", 50))
	f.Fuzz(func(t *testing.T, b []byte, name, value string) {
		h := ParseHeader(b)
		var raw []byte
		for _, field := range h.Fields() {
			raw = append(raw, field.Raw()...)
		}
		if !bytes.HasPrefix(b, raw) && bytes.Contains(b, newline) {
			t.Errorf("fields of %q are %q", b, raw)
		}
		all := AppendHeaderFields(nil, b, nil, true)
		if named, unnamed := AppendHeaderFields(nil, b, []string{name}, false), AppendHeaderFields(nil, b, []string{name}, true); len(named)+len(unnamed) > len(all)+2 {
			t.Errorf("%q and %q of %q", named, unnamed, all)
		}
		if n, _, ok := fieldName([]byte(name + ":")); !ok || n != len(name) || len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
			return
		}
		for _, change := range []func(name, value string){h.Prepend, h.Replace, h.Add} {
			had := len(h.Fields())
			change(name, value)
			again := ParseHeader(h.Append(nil))
			if n := len(again.Fields()); n != len(h.Fields()) || n > had+1 {
				t.Errorf("%d fields, then %d, read back %d: %q", had, len(h.Fields()), n, h.Append(nil))
			}
		}
	})
}

func FuzzHTMLText(f *testing.F) {
	for _, s := range []string{"<p>a</p>&amp;", "<style>x</style><!-- c -->", `<a href="x" hidden>b</a>`, "<pre> x</pre><script></scr</script>y"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !utf8.ValidString(s) {
			return
		}
		b, err := io.ReadAll(HTMLText(strings.NewReader(s)))
		if err != nil || !utf8.Valid(b) || len(b) > 3*len(s) {
			t.Errorf("%q %v", b, err)
		}
	})
}
