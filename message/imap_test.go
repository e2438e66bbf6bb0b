package message

import (
	"errors"
	"hash/crc32"
	"reflect"
	"strings"
	"testing"
)

// rfcSections is the message of RFC 9051 6.4.5.1, with bodies.
const rfcSections = `From: a@b.test
Content-Type: multipart/mixed; boundary=A

--A
Content-Type: text/plain

part 1
--A
Content-Type: application/octet-stream

part 2
--A
Content-Type: message/rfc822

Subject: in 3
Content-Type: multipart/mixed; boundary=B

--B
Content-Type: text/plain

part 3.1
--B
Content-Type: application/octet-stream

part 3.2
--B--
--A
Content-Type: multipart/mixed; boundary=C

--C
Content-Type: image/gif

part 4.1
--C
Content-Type: message/rfc822
X-Outer: yes

Subject: in 4.2
Content-Type: multipart/mixed; boundary=D

--D
Content-Type: text/plain

part 4.2.1
--D
Content-Type: multipart/alternative; boundary=E

--E
Content-Type: text/plain

part 4.2.2.1
--E
Content-Type: text/richtext

part 4.2.2.2
--E--
--D--
--C--
--A--
`

func TestSections(t *testing.T) {
	msg := crlfed(rfcSections)
	p := mustParse(t, msg)
	for _, test := range []struct {
		path []int
		spec Specifier
		want string // the start, "-" for none
	}{
		{nil, SpecifierNone, "From: a@b.test"},
		{nil, SpecifierHeader, "From: a@b.test"},
		{nil, SpecifierText, "--A\r\n"},
		{nil, SpecifierMIME, "-"},
		{[]int{1}, SpecifierNone, "part 1"},
		{[]int{1}, SpecifierMIME, "Content-Type: text/plain\r\n\r\n"},
		{[]int{1}, SpecifierHeader, "-"},
		{[]int{1}, SpecifierText, "-"},
		{[]int{1, 1}, SpecifierNone, "-"},
		{[]int{2}, SpecifierNone, "part 2"},
		{[]int{3}, SpecifierNone, "Subject: in 3"},
		{[]int{3}, SpecifierHeader, "Subject: in 3"},
		{[]int{3}, SpecifierText, "--B"},
		{[]int{3}, SpecifierMIME, "Content-Type: message/rfc822\r\n\r\n"},
		{[]int{3, 1}, SpecifierNone, "part 3.1"},
		{[]int{3, 2}, SpecifierNone, "part 3.2"},
		{[]int{3, 3}, SpecifierNone, "-"},
		{[]int{4}, SpecifierNone, "--C"},
		{[]int{4, 1}, SpecifierNone, "part 4.1"},
		{[]int{4, 1}, SpecifierMIME, "Content-Type: image/gif"},
		{[]int{4, 2}, SpecifierHeader, "Subject: in 4.2"},
		{[]int{4, 2}, SpecifierMIME, "Content-Type: message/rfc822\r\nX-Outer"},
		{[]int{4, 2}, SpecifierText, "--D"},
		{[]int{4, 2, 1}, SpecifierNone, "part 4.2.1"},
		{[]int{4, 2, 2}, SpecifierNone, "--E"},
		{[]int{4, 2, 2, 1}, SpecifierNone, "part 4.2.2.1"},
		{[]int{4, 2, 2, 2}, SpecifierNone, "part 4.2.2.2"},
		{[]int{0}, SpecifierNone, "-"}, {[]int{-1}, SpecifierNone, "-"}, {[]int{5}, SpecifierNone, "-"},
	} {
		start, end, ok := p.SectionRange(test.path, test.spec)
		got := "-"
		if ok {
			got = msg[start:end]
		}
		if !strings.HasPrefix(got, test.want) || test.want == "-" != !ok {
			t.Errorf("%v %d: %.30q, want %q", test.path, test.spec, got, test.want)
		}
		if strings.HasPrefix(test.want, "part") && got != test.want {
			t.Errorf("%v: %q", test.path, got)
		}
	}
	var paths []string
	p.Walk(func(path []int, p *Part) bool {
		s := ""
		for _, n := range path {
			s += string(rune('0' + n))
		}
		paths = append(paths, s+p.Subtype)
		return true
	})
	want := "mixed 1plain 2octet-stream 3rfc822 3mixed 31plain 32octet-stream 4mixed 41gif 42rfc822 42mixed 421plain 422alternative 4221plain 4222richtext"
	if got := strings.Join(paths, " "); got != want {
		t.Errorf("walk: %s", got)
	}
}

func TestSectionsOfSimpleMessages(t *testing.T) {
	// RFC 9051 6.4.5.1: a message that is not multipart has part 1.
	msg := "Subject: x\r\n\r\nbody"
	p := mustParse(t, msg)
	if p.Section([]int{1}) != p || p.Section([]int{2}) != nil || p.Section([]int{1, 1}) != nil {
		t.Error("sections of a simple message")
	}
	if start, end, ok := p.SectionRange([]int{1}, SpecifierMIME); !ok || msg[start:end] != "Subject: x\r\n\r\n" {
		t.Error("MIME of part 1")
	}
	msg = "Content-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\nbody"
	p = mustParse(t, msg)
	if start, end, ok := p.SectionRange([]int{1, 1}, SpecifierNone); !ok || msg[start:end] != "body" {
		t.Errorf("1.1 of a message: %d %d %v", start, end, ok)
	}
	if start, end, ok := p.SectionRange([]int{1}, SpecifierHeader); !ok || msg[start:end] != "Subject: in\r\n\r\n" {
		t.Errorf("1.HEADER of a message: %d %d %v", start, end, ok)
	}
}

func TestAppendEnvelope(t *testing.T) {
	for _, test := range []struct{ header, plain, utf8 string }{
		{"", "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)", ""},
		// RFC 9051 8, with the address of a list.
		{`Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)
From: Terry Gray <gray@cac.washington.edu>
Subject: IMAP4rev2 WG mtg summary and minutes
To: imap@cac.washington.edu
cc: minutes@CNRI.Reston.VA.US, John Klensin <KLENSIN@MIT.EDU>
Message-Id: <B27397-0100000@cac.washington.edu>
`, `("Wed, 17 Jul 1996 02:23:25 -0700 (PDT)" "IMAP4rev2 WG mtg summary and minutes" (("Terry Gray" NIL "gray" "cac.washington.edu")) (("Terry Gray" NIL "gray" "cac.washington.edu")) (("Terry Gray" NIL "gray" "cac.washington.edu")) ((NIL NIL "imap" "cac.washington.edu")) ((NIL NIL "minutes" "CNRI.Reston.VA.US")("John Klensin" NIL "KLENSIN" "MIT.EDU")) NIL NIL "<B27397-0100000@cac.washington.edu>")`, ""},
		{"Subject:\nDate: \nIn-Reply-To: \"\\x\"\n", `("" "" NIL NIL NIL NIL NIL NIL "\"\\x\"" NIL)`, ""},
		{"From: a@b\nSender: c@d\nReply-To: e@f, g@h\n", `(NIL NIL ((NIL NIL "a" "b")) ((NIL NIL "c" "d")) ((NIL NIL "e" "f")(NIL NIL "g" "h")) NIL NIL NIL NIL NIL)`, ""},
		{"To: Group: <@r:a@b>;\nBcc: undisclosed:;\n", `(NIL NIL NIL NIL NIL ((NIL NIL "Group" NIL)(NIL "@r" "a" "b")(NIL NIL NIL NIL)) NIL ((NIL NIL "undisclosed" NIL)(NIL NIL NIL NIL)) NIL NIL)`, ""},
		{"To: root\n", `(NIL NIL NIL NIL NIL ((NIL NIL "root" "")) NIL NIL NIL NIL)`, ""},
		{"Subject: =?utf-8?q?=C3=A9?=\n", `(NIL "=?utf-8?q?=C3=A9?=" NIL NIL NIL NIL NIL NIL NIL NIL)`, ""},
		{"Subject: été\nFrom: Ä <ö@ü>\n", `(NIL "=?utf-8?b?w6l0w6k=?=" (("=?utf-8?b?w4Q=?=" NIL "=?utf-8?b?w7Y=?=" "=?utf-8?b?w7w=?=")) (("=?utf-8?b?w4Q=?=" NIL "=?utf-8?b?w7Y=?=" "=?utf-8?b?w7w=?=")) (("=?utf-8?b?w4Q=?=" NIL "=?utf-8?b?w7Y=?=" "=?utf-8?b?w7w=?=")) NIL NIL NIL NIL NIL)`,
			`(NIL "été" (("Ä" NIL "ö" "ü")) (("Ä" NIL "ö" "ü")) (("Ä" NIL "ö" "ü")) NIL NIL NIL NIL NIL)`},
		{"Subject: caf\xe9 =?utf-8?q?=C3=A9?=\n", `(NIL "=?utf-8?b?Y2Fmw6kgw6k=?=" NIL NIL NIL NIL NIL NIL NIL NIL)`, `(NIL "café =?utf-8?q?=C3=A9?=" NIL NIL NIL NIL NIL NIL NIL NIL)`},
		{"Subject: a\x00b\n c\n", `(NIL "a b c" NIL NIL NIL NIL NIL NIL NIL NIL)`, ""},
		{"To: a@b\nTo: c@d\nSubject: first\nSubject: second\n", `(NIL "first" NIL NIL NIL ((NIL NIL "a" "b")(NIL NIL "c" "d")) NIL NIL NIL NIL)`, ""},
	} {
		p := mustParse(t, crlfed(test.header+"\n"))
		if got := string(p.AppendEnvelope(nil, false)); got != test.plain {
			t.Errorf("got  %s\nwant %s", got, test.plain)
		}
		if test.utf8 == "" {
			test.utf8 = test.plain
		}
		if got := string(p.AppendEnvelope(nil, true)); got != test.utf8 {
			t.Errorf("got  %s\nwant %s", got, test.utf8)
		}
	}
	long := strings.Repeat("x", 5000)
	if got := string(mustParse(t, "Subject: "+long+"\r\n\r\n").AppendEnvelope(nil, false)); !strings.Contains(got, "{5000}\r\nxxx") {
		t.Errorf("no literal: %.100s", got)
	}
}

func TestAppendBodyStructure(t *testing.T) {
	for _, test := range []struct {
		msg            string
		extended, utf8 bool
		want           string
	}{
		{"Content-Type: text/plain; charset=us-ascii\n\n" + strings.Repeat("x\n", 48), false, false, `("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 144 48)`},
		{"\nx", true, false, `("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 1 0 NIL NIL NIL NIL)`},
		{"Content-Type: multipart/mixed; boundary=b\nContent-Language: en, fr\n\n--b\n\none\n--b\nContent-Type: text/plain; charset=US-ASCII; name=cc.diff\nContent-ID: <1@x>\nContent-Description: Compiler diff\nContent-Transfer-Encoding: BASE64\nContent-MD5: abc=\nContent-Disposition: attachment; filename=\"cc.diff\"\nContent-Language: en\nContent-Location: http://x\n\ntwo\n--b--\n", true, false,
			`(("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 3 0 NIL NIL NIL NIL)` +
				`("text" "plain" ("charset" "US-ASCII" "name" "cc.diff") "<1@x>" "Compiler diff" "base64" 3 0 "abc=" ("attachment" ("filename" "cc.diff")) "en" "http://x")` +
				` "mixed" ("boundary" "b") NIL ("en" "fr") NIL)`},
		{"Content-Type: multipart/mixed\n\nx", false, false, `(("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 1 0) "mixed")`},
		{"Content-Type: message/rfc822\n\nSubject: in\n\nbody\n", false, false,
			`("message" "rfc822" NIL NIL NIL "7bit" 21 (NIL "in" NIL NIL NIL NIL NIL NIL NIL NIL) ("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 6 1) 3)`},
		{"Content-Type: message/global\n\nSubject: in\n\nbody\n", false, false, `("message" "global" NIL NIL NIL "7bit" 21)`},
		{"Content-Type: message/global\n\nSubject: é\n\nbody\n", false, true,
			`("message" "global" NIL NIL NIL "7bit" 21 (NIL "é" NIL NIL NIL NIL NIL NIL NIL NIL) ("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 6 1) 3)`},
		{"Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nYQ==", false, false,
			`("message" "rfc822" NIL NIL NIL "base64" 4 (NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL) ("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 0 0) 0)`},
		{"Content-Type: a/b; n*0*=utf-8''%C3%A9; n*1=.txt; m=\"=?utf-8?q?=C3=A9?=\"; o=é\nContent-Description: ü\n\n", false, false,
			`("a" "b" ("m" "=?utf-8?q?=C3=A9?=" "o*" "utf-8''%C3%A9" "n*" "utf-8''%C3%A9.txt") NIL "=?utf-8?b?w7w=?=" "7bit" 0)`},
		{"Content-Type: a/b; o=é\nContent-Description: ü\n\n", false, true, `("a" "b" ("o" "é") NIL "ü" "7bit" 0)`},
	} {
		p := mustParse(t, crlfed(test.msg))
		if got := string(p.AppendBodyStructure(nil, test.extended, test.utf8)); got != test.want {
			t.Errorf("got  %s\nwant %s", got, test.want)
		}
	}
}

func TestBinaryForm(t *testing.T) {
	for _, msg := range []string{crlfed(rfcSections), bigMessage(1 << 10), "", "To: G: a@b;\nSubject:\n\n", "Content-Type: a/b; n*=utf-8''%C3%A9; m=\"=?utf-8?q?x?=\"\nContent-Language: a,b\n\n"} {
		p := mustParse(t, msg)
		checkBinary(t, p)
		b := p.AppendBinary([]byte("prefix"))[6:]
		// Whatever is cut or changed is an error or another valid tree, never worse.
		for i := range b {
			if _, err := DecodePart(b[:i]); !errors.Is(err, ErrCorrupt) {
				t.Fatalf("cut at %d of %d: %v", i, len(b), err)
			}
			changed := append([]byte(nil), b...)
			changed[i] ^= 0x41
			if p, err := DecodePart(changed); err == nil {
				checkRendering(t, p)
			}
		}
		if _, err := DecodePart(append(b, 0)); !errors.Is(err, ErrCorrupt) {
			t.Error("trailing byte accepted")
		}
	}
	// The form is kept in stores: this must decode for ever.
	p, err := DecodePart([]byte(goldenBinary))
	if err != nil || !reflect.DeepEqual(p, mustParse(t, goldenMessage)) {
		t.Errorf("golden: %+v %v\nnow %q", p, err, mustParse(t, goldenMessage).AppendBinary(nil))
	}
}

// TestStringTable guards what the binary form refers to by index.
func TestStringTable(t *testing.T) {
	const version1 = 119
	if sum := crc32.ChecksumIEEE([]byte(strings.Join(stringTable[:version1], "\x00"))); sum != 0x9046484a {
		t.Errorf("the first %d strings changed: %#x", version1, sum)
	}
	seen := map[string]bool{}
	for _, s := range stringTable {
		if seen[s] {
			t.Errorf("%q is in the table twice", s)
		}
		seen[s] = true
	}
}

const goldenMessage = "From: A <a@b.test>\r\nTo: G:c@d.test;\r\nSubject: \r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Disposition: inline; filename*=utf-8''%C3%A9\r\nContent-Language: en\r\n\r\na\r\n--x\r\nContent-Type: message/rfc822\r\nContent-ID: <i>\r\n\r\nSubject: in\r\n\r\nb\r\n--x--\r\n"
