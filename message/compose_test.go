package message

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"
)

func compose(t *testing.T, o ComposeOptions, fields func(*Composer), b *Body) (string, *Part) {
	t.Helper()
	var buf bytes.Buffer
	c := NewComposer(&buf, o)
	if fields != nil {
		fields(c)
	}
	if err := c.WriteBody(b); err != nil {
		t.Fatal(err)
	}
	msg := buf.String()
	for line := range strings.Lines(msg) {
		if !strings.HasSuffix(line, "\r\n") || strings.Count(line, "\r") != 1 || len(line) > 1000 {
			t.Errorf("line %.100q", line)
		}
		if !o.UTF8 && !o.EightBit && !isASCII(line) {
			t.Errorf("8-bit line %q", line)
		}
	}
	p := mustParse(t, msg)
	checkContent(t, p, []byte(msg))
	return msg, p
}

func readText(t *testing.T, msg string, p *Part) string {
	t.Helper()
	b, err := io.ReadAll(p.Text(strings.NewReader(msg)))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestComposeHeader(t *testing.T) {
	longSubject := strings.Repeat("Ein ziemlich langer Betreff mit Größe und 漢字 ", 10)
	to := []Address{
		{Name: "Jörg, \"J\" Müller", Mailbox: "j.m", Host: "example.org"},
		{Name: "Plain Name", Mailbox: "with space", Host: "example.org"},
		{Name: "A. B", Mailbox: "a", Host: "b.test"},
		{Kind: AddressGroupStart, Name: "Grüppe"}, {Mailbox: "x", Host: "y.test"}, {Mailbox: "z", Host: "y.test"}, {Kind: AddressGroupEnd},
		{Mailbox: "last", Host: "b.test"},
		{Name: "=?utf-8?q?not_encoded?=", Mailbox: "a", Host: "b.test"},
	}
	for i := range 30 {
		to = append(to, Address{Name: "Recipient number", Mailbox: strings.Repeat("r", i+1), Host: "example.com"})
	}
	date := time.Date(2024, 2, 3, 4, 5, 6, 0, time.FixedZone("", 3600))
	for _, o := range []ComposeOptions{{}, {UTF8: true}, {EightBit: true}} {
		msg, p := compose(t, o, func(c *Composer) {
			c.Addresses("From", []Address{{Name: "Ändi", Mailbox: "a", Host: "b.test"}})
			c.Addresses("To", to)
			c.Addresses("Cc", nil)
			c.Text("Subject", longSubject+"\r\nBcc: injected@example.org")
			c.Date(date)
			c.MessageIDs("Message-ID", "id@b.test")
			c.MessageIDs("References", "r1@b.test", "r2@b.test")
			c.MessageIDs("In-Reply-To")
			c.Text("X-Long", strings.Repeat("y", 2500))
			c.Raw("X-Raw", "a; b")
		}, TextBody("Hi\n", false))
		e := p.Envelope
		if got := strings.TrimSpace(DecodeWords(e.Subject)); got != longSubject+" Bcc: injected@example.org" {
			t.Errorf("subject %q", got)
		}
		got := make([]Address, len(e.To))
		for i, a := range e.To {
			a.Name = a.DisplayName()
			got[i] = a
		}
		if !reflect.DeepEqual(got, to) {
			t.Errorf("to %+v", got)
		}
		if !e.SentDate().Equal(date) || e.MessageID != "<id@b.test>" || e.Bcc != nil || e.Cc != nil || e.InReplyTo != "" {
			t.Errorf("envelope %+v", e)
		}
		if got := ParseMessageIDs(e.References, 0); len(got) != 2 {
			t.Errorf("references %q", got)
		}
		h := ParseHeader([]byte(msg))
		if got := h.Text("x-long"); got != strings.Repeat("y", 2500) && !o.UTF8 {
			t.Errorf("long word: %d", len(got))
		}
	}
}

func TestComposeErrors(t *testing.T) {
	for name, f := range map[string]func(*Composer){
		"field name":  func(c *Composer) { c.Text("Bad Name", "x") },
		"field name2": func(c *Composer) { c.Text("Bad:", "x") },
		"host":        func(c *Composer) { c.Addresses("To", []Address{{Mailbox: "a", Host: "b>, <c@d"}}) },
		"no host":     func(c *Composer) { c.Addresses("To", []Address{{Mailbox: "a"}}) },
	} {
		c := NewComposer(io.Discard, ComposeOptions{})
		f(c)
		if err := c.WriteBody(TextBody("", false)); !errors.Is(err, ErrCompose) {
			t.Errorf("%s: %v", name, err)
		}
	}
	c := NewComposer(io.Discard, ComposeOptions{})
	c.Addresses("To", []Address{{Mailbox: "é", Host: "b.test"}})
	if err := c.WriteBody(TextBody("", false)); !errors.Is(err, ErrNeedsUTF8) {
		t.Errorf("UTF-8 mailbox: %v", err)
	}
	for name, b := range map[string]*Body{
		"nil": nil, "type": {Type: "a b", Subtype: "c"}, "no parts": MixedBody(), "encoding": {Type: "a", Subtype: "b", Encoding: "x", Content: strings.NewReader("")},
		"param": {Type: "a", Subtype: "b", Params: []Param{{Name: "x y"}}}, "disposition": {Type: "a", Subtype: "b", Disposition: "a;b"},
	} {
		if err := NewComposer(io.Discard, ComposeOptions{}).WriteBody(b); !errors.Is(err, ErrCompose) {
			t.Errorf("%s: %v", name, err)
		}
	}
	broken := errors.New("broken")
	b := AttachmentBody("a/b", "x", io.MultiReader(strings.NewReader("abc"), errReader{broken}))
	if err := NewComposer(io.Discard, ComposeOptions{}).WriteBody(b); !errors.Is(err, broken) {
		t.Errorf("reader: %v", err)
	}
}

func TestComposeText(t *testing.T) {
	for _, test := range []struct {
		text, encoding, want string
		o                    ComposeOptions
	}{
		{"Hello\nyou", "", "Hello\r\nyou\r\n", ComposeOptions{}},
		{"a\rb\r\nc\x00", "", "a\r\nb\r\nc\r\n", ComposeOptions{}},
		{"", "", "", ComposeOptions{}},
		{"Grüße aus der Stadt, in der es schön ist \n.dot\nFrom x\n", "quoted-printable", "Grüße aus der Stadt, in der es schön ist \r\n.dot\r\nFrom x\r\n", ComposeOptions{}},
		{"Grüße \n", "8bit", "Grüße \r\n", ComposeOptions{EightBit: true}},
		{"漢字漢字\n", "base64", "漢字漢字\r\n", ComposeOptions{}},
		{strings.Repeat("x", 2000), "quoted-printable", strings.Repeat("x", 2000) + "\r\n", ComposeOptions{EightBit: true}},
		{strings.Repeat("é=\t    ", 200) + "\n", "quoted-printable", strings.Repeat("é=\t    ", 200) + "\r\n", ComposeOptions{}},
	} {
		msg, p := compose(t, test.o, nil, TextBody(test.text, false))
		if p.Encoding != test.encoding {
			t.Errorf("%.20q: encoding %q, want %q", test.text, p.Encoding, test.encoding)
		}
		if got := readText(t, msg, p); got != test.want {
			t.Errorf("got  %q\nwant %q", got, test.want)
		}
		for line := range strings.Lines(msg) {
			if test.encoding == "quoted-printable" && len(line) > 78 {
				t.Errorf("line %q", line)
			}
		}
		msg, p = compose(t, test.o, nil, MixedBody(TextBody(test.text, false), HTMLBody(test.text)))
		if got := readText(t, msg, p.Parts[0]); got != test.want {
			t.Errorf("in multipart: got  %q\nwant %q", got, test.want)
		}
	}
}

func TestComposeFlowed(t *testing.T) {
	para := strings.TrimSpace(strings.Repeat("lorem ipsum dolor ", 20))
	text := para + "\n\n> " + para + "\n>> short\n> \n leading\nFrom here\ntrailing  \n-- \nSig\n" + strings.Repeat("x", 100) + "\n"
	msg, p := compose(t, ComposeOptions{}, nil, TextBody(text, true))
	if p.Param("format") != "flowed" {
		t.Errorf("params %+v", p.Params)
	}
	body := readText(t, msg, p)
	for line := range strings.Lines(body) {
		if len(line) > 80 && !strings.HasPrefix(line, "xxx") {
			t.Errorf("long line %q", line)
		}
	}
	if got, want := unflow(body), strings.ReplaceAll(strings.Replace(text, "trailing  ", "trailing", 1), "> \n", ">\n"); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// unflow is the receiving side of RFC 3676 4.
func unflow(s string) string {
	var b strings.Builder
	flowed, lastDepth := false, -1
	for line := range strings.Lines(s) {
		line = strings.TrimSuffix(line, "\r\n")
		depth := len(line) - len(strings.TrimLeft(line, ">"))
		rest := strings.TrimPrefix(line[depth:], " ")
		if flowed && depth == lastDepth && rest != "-- " {
			s := b.String()
			b.Reset()
			b.WriteString(strings.TrimSuffix(s, "\n"))
		} else if depth > 0 {
			b.WriteString(line[:depth])
			if rest != "" {
				b.WriteByte(' ')
			}
		}
		b.WriteString(rest + "\n")
		flowed = strings.HasSuffix(rest, " ") && rest != "-- "
		lastDepth = depth
	}
	return b.String()
}

func TestComposeTree(t *testing.T) {
	file := bytes.Repeat([]byte{0, 1, 2, '\r', '\n', 255}, 1000)
	inner := "Subject: inner\r\n\r\nbare\nline\rends\r\n\r\n"
	name := strings.Repeat("Übergrößenträger ", 5) + ".pdf"
	msg, p := compose(t, ComposeOptions{EightBit: true}, nil, MixedBody(
		AlternativeBody(TextBody("text", false), RelatedBody(HTMLBody("<img src=cid:i@x>"), InlineBody("image/png", "i.png", "i@x", bytes.NewReader(file)))),
		AttachmentBody("application/pdf; x=y", name, bytes.NewReader(file)),
		AttachmentBody("bogus", "", bytes.NewReader(nil)),
		AttachmentBody("multipart/mixed", "plain.txt", bytes.NewReader(file[:1])),
		MessageBody(strings.NewReader(inner)),
	))
	if got := p.AppendBodyStructure(nil, false, false); !strings.HasPrefix(shape(p, msg), `mixed(alternative(text/plain"text\r\n" related(text/html"<img src=cid:i@x>\r\n" image/png`) {
		t.Errorf("structure %s", got)
	}
	if p.Encoding != "8bit" || p.Unterminated() {
		t.Errorf("encoding %q", p.Encoding)
	}
	related := p.Section([]int{1, 2})
	if related.Param("type") != "text/html" || related.Parts[1].ID != "<i@x>" || related.Parts[1].Disposition != "inline" {
		t.Errorf("related: %+v", related.Parts[1])
	}
	pdf := p.Section([]int{2})
	if pdf.Filename() != name || pdf.Param("name") != name || pdf.Param("x") != "y" || pdf.MediaType() != "application/pdf" || !pdf.IsAttachment() {
		t.Errorf("pdf: %q %+v", pdf.Filename(), pdf)
	}
	r, err := pdf.Decoded(strings.NewReader(msg))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, file) {
		t.Errorf("pdf content of %d bytes, %v", len(got), err)
	}
	if got := p.Section([]int{4}); got.MediaType() != "application/octet-stream" || got.Filename() != "plain.txt" {
		t.Errorf("4: %+v", got)
	}
	m := p.Section([]int{5})
	if m.Message == nil || m.Message.Envelope.Subject != "inner" || readText(t, msg, m.Message) != "bare\r\nline\r\nends\r\n\r\n" {
		t.Errorf("message: %+v", m)
	}
}

func TestNewMessageID(t *testing.T) {
	a, err := NewMessageID("example.org", nil)
	b, _ := NewMessageID("example.org", nil)
	if err != nil || a == b || !strings.HasSuffix(a, "@example.org") || len(a) != 24+12 {
		t.Errorf("%q %q %v", a, b, err)
	}
	if _, err := NewMessageID("x", strings.NewReader("")); err == nil {
		t.Error("no random")
	}
}
