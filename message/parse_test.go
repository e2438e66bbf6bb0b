package message

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
)

func mustParse(t testing.TB, msg string) *Part {
	t.Helper()
	p, err := Parse(strings.NewReader(msg), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	checkTree(t, p, int64(len(msg)), Limits{})
	checkRendering(t, p)
	return p
}

// crlfed writes messages of tests with LF.
func crlfed(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }

// shape is a tree in one line: "mixed(text/plain[body] ...)".
func shape(p *Part, msg string) string {
	switch {
	case p.IsMultipart():
		var kids []string
		for _, c := range p.Parts {
			kids = append(kids, shape(c, msg))
		}
		return p.Subtype + "(" + strings.Join(kids, " ") + ")"
	case p.Message != nil:
		return p.Subtype + "{" + shape(p.Message, msg) + "}"
	}
	return fmt.Sprintf("%s%q", p.MediaType(), msg[p.BodyStart:p.BodyEnd])
}

func TestParseShapes(t *testing.T) {
	multi := "Content-Type: multipart/mixed; boundary=b\n\n"
	for _, test := range []struct{ name, msg, want string }{
		{"empty", "", `text/plain""`},
		{"only header", "Subject: x\n", `text/plain""`},
		{"header without line end", "Subject: x", `text/plain""`},
		{"empty line first", "\nbody\n", `text/plain"body\r\n"`},
		{"simple", "Subject: x\n\nbody\n", `text/plain"body\r\n"`},
		{"no empty line", "Subject: x\nbody text\nmore\n", `text/plain"body text\r\nmore\r\n"`},
		{"no header", "hello world\n\nbody\n", `text/plain"hello world\r\n\r\nbody\r\n"`},
		{"mbox line", "From a@b Mon Jan\nSubject: x\n\nbody", `text/plain"body"`},
		{"html", "Content-Type: TEXT/HTML; charset=utf-8\n\n<p>", `text/html"<p>"`},
		{"invalid type", "Content-Type: text\n\nx", `text/plain"x"`},
		{"two parts", multi + "pre\n--b\n\none\n--b\n\ntwo\n--b--\npost\n", `mixed(text/plain"one" text/plain"two")`},
		{"no close-delimiter", multi + "--b\n\none\n--b\n\ntwo\n", `mixed(text/plain"one" text/plain"two\r\n")`},
		{"no delimiter", multi + "text\n", `mixed(text/plain"text\r\n")`},
		{"no boundary", "Content-Type: multipart/mixed\n\ntext\n", `mixed(text/plain"text\r\n")`},
		{"empty boundary", "Content-Type: multipart/mixed; boundary=\"\"\n\n--\ntext\n", `mixed(text/plain"--\r\ntext\r\n")`},
		{"only close-delimiter", multi + "text\n--b--\n", `mixed(text/plain"text\r\n--b--\r\n")`},
		{"empty parts", multi + "--b\n--b\n\n--b\n\n\n--b--", `mixed(text/plain"" text/plain"" text/plain"")`},
		{"delimiter ends header", multi + "--b\nX: y\n--b--\n", `mixed(text/plain"")`},
		{"delimiter with spaces", multi + "--b \t \n\none\n--b-- \n", `mixed(text/plain"one")`},
		{"delimiter-like", multi + "--b\n\none\n--bb\n-b\n --b\n--b--\n", `mixed(text/plain"one\r\n--bb\r\n-b\r\n --b")`},
		{"prefix inside", "Content-Type: multipart/mixed; boundary=foo\n\n--foo\nContent-Type: multipart/alternative; boundary=foobar\n\n--foobar\n\none\n--foobar\n\ntwo\n--foobar--\n--foo\n\nthree\n--foo--\n",
			`mixed(alternative(text/plain"one" text/plain"two") text/plain"three")`},
		{"prefix outside", "Content-Type: multipart/mixed; boundary=foobar\n\n--foobar\nContent-Type: multipart/alternative; boundary=foo\n\n--foo\n\none\n--foobar\n\nthree\n--foobar--\n",
			`mixed(alternative(text/plain"one") text/plain"three")`},
		{"dashes in boundary", "Content-Type: multipart/mixed; boundary=\"b--\"\n\n--b--\n\none\n--b----\n", `mixed(text/plain"one")`},
		{"same boundary inside", multi + "--b\nContent-Type: multipart/alternative; boundary=b\n\n--b\n\none\n--b--\n--b\n\ntwo\n--b--\n",
			`mixed(alternative(text/plain"one") text/plain"two")`},
		{"outer ends inner", multi + "--b\nContent-Type: multipart/alternative; boundary=i\n\n--i\n\none\n--b\n\ntwo\n--b--\n",
			`mixed(alternative(text/plain"one") text/plain"two")`},
		{"text after close", multi + "--b\n\none\n--b--\n--b\n\ntwo\n", `mixed(text/plain"one")`},
		{"message", "Content-Type: message/rfc822\n\nSubject: in\n\nbody", `rfc822{text/plain"body"}`},
		{"message in message", "Content-Type: message/rfc822\n\nContent-Type: message/rfc822\n\nSubject: in\n\nbody", `rfc822{rfc822{text/plain"body"}}`},
		{"multipart in message", multi + "--b\nContent-Type: message/rfc822\n\nContent-Type: multipart/mixed; boundary=i\n\n--i\n\none\n--i--\n--b\n\ntwo\n--b--",
			`mixed(rfc822{mixed(text/plain"one")} text/plain"two")`},
		{"encoded message", "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nU3ViamVjdDogeAo=", `message/rfc822"U3ViamVjdDogeAo="`},
		{"digest", "Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: a\n\none\n--b\nContent-Type: text/plain\n\ntwo\n--b--",
			`digest(rfc822{text/plain"one"} text/plain"two")`},
		{"empty digest part", "Content-Type: multipart/digest; boundary=b\n\n--b\n\n--b--", `digest(rfc822{text/plain""})`},
		{"header ends at delimiter in message", multi + "--b\nContent-Type: message/rfc822\n\nSubject: x\n--b--", `mixed(rfc822{text/plain""})`},
		{"dashes in the header", multi + "--b\nSubject: x\n--\n\none\n--b--", `mixed(text/plain"--\r\n\r\none")`},
		{"repeated type", "Content-Type: text/html\nContent-Type: text/plain\n\nx", `text/html"x"`},
		{"NUL", multi + "--b\n\non\x00e\n--b--\n", `mixed(text/plain"on\x00e")`},
		{"boundary with 2231", "Content-Type: multipart/mixed; boundary*0=a; boundary*1=b\n\n--ab\n\none\n--ab--", `mixed(text/plain"one")`},
	} {
		t.Run(test.name, func(t *testing.T) {
			msg := crlfed(test.msg)
			p := mustParse(t, msg)
			if got := shape(p, msg); got != test.want {
				t.Errorf("CRLF: got  %s\nwant %s", got, test.want)
			}
			if strings.Contains(test.want, `--\`) || !strings.Contains(test.msg, "\n") {
				return
			}
			// The other line ends give the same tree.
			want := strings.ReplaceAll(test.want, `\r\n`, `\n`)
			p = mustParse(t, test.msg)
			if got := shape(p, test.msg); got != want {
				t.Errorf("LF: got  %s\nwant %s", got, want)
			}
			msg = strings.ReplaceAll(test.msg, "\n", "\r")
			want = strings.ReplaceAll(test.want, `\r\n`, `\r`)
			p = mustParse(t, msg)
			if got := shape(p, msg); got != want {
				t.Errorf("CR: got  %s\nwant %s", got, want)
			}
		})
	}
}

func TestParseFields(t *testing.T) {
	msg := crlfed(`Content-Type: text/plain; charset="ISO-8859-1"; format=flowed
Content-Transfer-Encoding: Quoted-Printable
Content-ID: <id@example>
Content-Description: =?utf-8?q?=C3=A9?= a
 folded
Content-MD5: Q2hlY2sgSW50ZWdyaXR5IQ==
Content-Disposition: Attachment; FileName="a b.txt"; size=10
Content-Language: en, de (German) ,fr
Content-Location: http://example/
 x
From: a@b
Subject:
Date: Mon, 1 Jan 2024 00:00:00 +0000
Date: other

body
`)
	p := mustParse(t, msg)
	want := &Part{
		BodyStart: int64(len(msg)) - 6, BodyEnd: int64(len(msg)), Lines: 1,
		Type: "text", Subtype: "plain",
		Params:   []Param{{Name: "charset", Value: "ISO-8859-1"}, {Name: "format", Value: "flowed"}},
		Encoding: "quoted-printable", ID: "<id@example>", Description: "=?utf-8?q?=C3=A9?= a folded",
		MD5: "Q2hlY2sgSW50ZWdyaXR5IQ==", Disposition: "attachment",
		DispositionParams: []Param{{Name: "filename", Value: "a b.txt"}, {Name: "size", Value: "10"}},
		Language:          []string{"en", "de", "fr"}, Location: "http://example/ x",
		Envelope: &Envelope{
			Date: "Mon, 1 Jan 2024 00:00:00 +0000", From: []Address{{Mailbox: "a", Host: "b"}},
			present: presentDate | presentSubject,
		},
	}
	if !reflect.DeepEqual(p, want) {
		t.Errorf("got  %+v\nwant %+v", p, want)
	}
	top, err := ParseTop(strings.NewReader(msg), Limits{})
	want.BodyEnd, want.Lines = want.BodyStart, 0
	if err != nil || !reflect.DeepEqual(top, want) {
		t.Errorf("ParseTop: got %+v, %v", top, err)
	}
}

func TestParseReaders(t *testing.T) {
	// However bytes come in, the tree is the same.
	msgs := [][]byte{[]byte(bigMessage(200_000)), []byte(strings.ReplaceAll(bigMessage(100_000), "\r\n", "\r"))}
	msgs = append(msgs, vectors(t)...)
	for _, msg := range msgs {
		want, err := Parse(bytes.NewReader(msg), Limits{})
		if err != nil {
			t.Fatal(err)
		}
		readers := []io.Reader{iotest.HalfReader(bytes.NewReader(msg)), iotest.DataErrReader(bytes.NewReader(msg))}
		if len(msg) < 20_000 {
			readers = append(readers, iotest.OneByteReader(bytes.NewReader(msg)))
		}
		for _, r := range readers {
			got, err := Parse(r, Limits{})
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("different tree from %T (%v):\n%s\n%s", r, err, got.AppendBodyStructure(nil, true, false), want.AppendBodyStructure(nil, true, false))
			}
		}
	}
}

func TestParseReadError(t *testing.T) {
	broken := errors.New("broken")
	msg := "Subject: x\r\n\r\nbody"
	p, err := Parse(io.MultiReader(strings.NewReader(msg), iotest.ErrReader(broken)), Limits{})
	if !errors.Is(err, broken) || p == nil || p.BodyEnd != int64(len(msg)) {
		t.Errorf("got %+v, %v", p, err)
	}
	if _, err := ParseTop(iotest.ErrReader(broken), Limits{}); !errors.Is(err, broken) {
		t.Errorf("ParseTop: %v", err)
	}
	if _, err := Parse(zeroReader{}, Limits{}); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("reader without progress: %v", err)
	}
}

type zeroReader struct{}

func (zeroReader) Read([]byte) (int, error) { return 0, nil }

// vectors returns the published messages.
func vectors(t testing.TB) [][]byte {
	t.Helper()
	var msgs [][]byte
	for _, name := range vectorFiles(t) {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		msgs = append(msgs, b)
	}
	return msgs
}

func vectorFiles(t testing.TB) []string {
	t.Helper()
	dir := os.Getenv("MOX_VECTORS")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared", "vectors")
	}
	names, err := filepath.Glob(filepath.Join(dir, "mime", "*.msg"))
	if err != nil || len(names) == 0 {
		t.Logf("no vectors in %s", dir)
	}
	return names
}

func TestVectors(t *testing.T) {
	names := vectorFiles(t)
	if len(names) == 0 {
		t.Skip("the published vectors are not here")
	}
	for _, name := range names {
		msg, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(filepath.Base(name), func(t *testing.T) {
			p := mustParse(t, string(msg))
			checkBinary(t, p)
			checkContent(t, p, msg)
			if want, ok := vectorShapes[filepath.Base(name)[:4]]; ok {
				if got := shape(p, string(msg)); got != want {
					t.Errorf("got  %s\nwant %s", got, want)
				}
			} else if testing.Verbose() {
				t.Logf("%.600s", shape(p, string(msg)))
			}
		})
	}
}

func checkBinary(t testing.TB, p *Part) {
	t.Helper()
	got, err := DecodePart(p.AppendBinary(nil))
	if err != nil || !reflect.DeepEqual(got, p) {
		t.Errorf("binary form: got %+v, %v\nwant %+v", got, err, p)
	}
	got, err = DecodePart(p.AppendBinaryStructure(nil))
	if err != nil || got.BodyEnd != p.BodyEnd {
		t.Errorf("binary structure: %v", err)
	}
}

// checkContent reads all content in every way.
func checkContent(t testing.TB, root *Part, msg []byte) {
	t.Helper()
	ra := bytes.NewReader(msg)
	root.Walk(func(path []int, p *Part) bool {
		if got := root.Section(path); got != p && p.Message == nil && (root.Message == nil || got != nil) && !(got != nil && got.Message == p) {
			t.Errorf("section %v is another part", path)
		}
		for name, r := range map[string]io.Reader{"raw": p.Raw(ra), "header": p.Header(ra), "body": p.Body(ra), "text": p.Text(ra), "visible": p.VisibleText(ra)} {
			b, err := io.ReadAll(r)
			if err != nil {
				t.Errorf("%v %s: %v", path, name, err)
			}
			if (name == "text" || name == "visible") && !isValidUTF8(b) {
				t.Errorf("%v %s is not UTF-8: %.100q", path, name, b)
			}
		}
		r, err := p.Binary(ra)
		if errors.Is(err, ErrUnknownCTE) {
			return true
		}
		b, err := io.ReadAll(r)
		if n, sizeErr := p.BinarySize(ra); err != nil || sizeErr != nil || n != int64(len(b)) {
			t.Errorf("%v binary: %d bytes %v, size %d %v", path, len(b), err, n, sizeErr)
		}
		return true
	})
	if s := Preview(root, ra); len([]rune(s)) > 200 || strings.ContainsAny(s, "\r\n") {
		t.Errorf("preview %q", s)
	}
	root.SortKeys(timeZero)
}

// bigMessage is a typical one with attachments.
func bigMessage(size int) string {
	var b strings.Builder
	b.WriteString(crlfed(`Received: from mail.example.org (mail.example.org [192.0.2.1]) by mx.example.com
 (Example) with ESMTPS id 12345 for <bob@example.com>; Mon, 1 Jan 2024 10:00:00 +0000
DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.org; s=sel;
 h=from:to:subject:date; bh=abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuv=;
 b=abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzab
From: "Alice Example" <alice@example.org>
To: Bob <bob@example.com>, "Carol, C." <carol@example.net>
Cc: dave@example.com
Subject: Quarterly figures
Date: Mon, 1 Jan 2024 11:00:00 +0100
Message-ID: <12345.abcdef@mail.example.org>
References: <a@example.com> <b@example.com>
In-Reply-To: <b@example.com>
MIME-Version: 1.0
X-Mailer: Example 1.0
Content-Type: multipart/mixed; boundary="=_mixed_1234567890"

This is a multipart message.
--=_mixed_1234567890
Content-Type: multipart/alternative; boundary="=_alt_1234567890"

--=_alt_1234567890
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: quoted-printable

Hello Bob,=20
here are the figures.

--=_alt_1234567890
Content-Type: text/html; charset=utf-8

<p>Hello Bob,</p><p>here are the figures.</p>
--=_alt_1234567890--

--=_mixed_1234567890
Content-Type: application/pdf; name="figures.pdf"
Content-Transfer-Encoding: base64
Content-Disposition: attachment; filename="figures.pdf"

`))
	line := strings.Repeat("QUJDREVGR0hJSktMTU5P", 4)[:76] + "\r\n"
	for b.Len() < size {
		b.WriteString(line)
	}
	b.WriteString("--=_mixed_1234567890--\r\n")
	return b.String()
}
