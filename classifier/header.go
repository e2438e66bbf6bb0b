package classifier

import (
	"errors"
	"io"
	"strconv"
	"strings"

	"mox/message"
)

const (
	maxField     = 2 << 10 // bytes of one field
	maxAddresses = 20      // of one field
)

// header adds what the header of a message says about it. Trace fields and results of
// checks are left out: they say how a message came to us, and other parts of a server
// judge that. Of the date, only how it is written counts.
func (t *tokenizer) header(p *message.Part, ra io.ReaderAt) error {
	if e := p.Envelope; e != nil {
		t.envelope(e)
	}
	b := make([]byte, min(p.HeaderSize(), maxHeader))
	n, err := ra.ReadAt(b, p.HeaderStart)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	returnPath, mailer := "", false
	for _, f := range message.ParseHeader(b[:n]).Fields() {
		take, ok := fields[strings.ToLower(f.Name())]
		if !ok {
			continue
		}
		value := limit(f.Value(), maxField)
		switch take {
		case takeReturnPath:
			if returnPath == "" {
				returnPath = value
			}
		case takeMailer:
			mailer = true
			t.named("Mailer:", withoutVersions(value))
		case takeWords:
			t.named("Organization:", message.DecodeWords(value))
		case takeList:
			t.named("List:", value)
		case takeDate:
			t.date(value)
		case takeValue:
			t.fact(strings.ToLower(f.Name())+":", strings.ToLower(value))
		}
	}
	if !mailer {
		t.fact("Mailer:", "none")
	}
	t.returnPath(returnPath, p.Envelope)
	return nil
}

type take uint8

const (
	takeReturnPath take = iota + 1
	takeMailer          // name of a program
	takeWords           // words of text
	takeList            // id of a list
	takeDate            // a date
	takeValue           // one of few values
)

// fields are those looked at besides the envelope's.
var fields = map[string]take{
	"return-path":    takeReturnPath,
	"x-mailer":       takeMailer,
	"user-agent":     takeMailer,
	"organization":   takeWords,
	"list-id":        takeList,
	"date":           takeDate,
	"precedence":     takeValue,
	"x-priority":     takeValue,
	"importance":     takeValue,
	"auto-submitted": takeValue,
}

// named adds the words of a field.
func (t *tokenizer) named(prefix, value string) {
	t.within(prefix)
	t.words([]byte(value))
	t.within("")
}

// withoutVersions is the name of a program up to its first number or URL.
func withoutVersions(s string) string {
	for i := range len(s) {
		if s[i] >= '0' && s[i] <= '9' || s[i] == '(' || s[i] == '[' {
			return s[:i]
		}
	}
	return s
}

// envelope adds subject, addresses and ids.
func (t *tokenizer) envelope(e *message.Envelope) {
	subject := message.DecodeWords(limit(e.Subject, maxField))
	t.named("Subject:", subject)
	t.shape("Subject:", subject)
	t.lastShape("Subject:", subject)
	t.addresses("From:", e.From)
	t.fromName(e.From)
	t.addresses("To:", e.To)
	t.addresses("Cc:", e.Cc)
	t.addresses("Reply-To:", e.ReplyTo)
	if len(e.Sender) > 0 && !sameHost(e.Sender, e.From) {
		t.addresses("Sender:", e.Sender)
	}
	if len(e.ReplyTo) > 0 && len(e.From) > 0 && !strings.EqualFold(e.ReplyTo[0].Addr(), e.From[0].Addr()) {
		t.fact("Reply-To:", "odd:differs")
	}
	switch n := len(e.To) + len(e.Cc); {
	case n == 0:
		t.fact("To:", "odd:none")
	case n >= 5:
		t.fact("To:", "odd:many")
	}
	if e.InReplyTo != "" || e.References != "" {
		t.fact("References:", "some")
	}
	t.messageID(e.MessageID)
}

// shape adds what sets the letters of a subject apart.
func (t *tokenizer) shape(prefix, s string) {
	upper, lower := 0, 0
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'A' && c <= 'Z':
			upper++
		case c >= 'a' && c <= 'z':
			lower++
		}
	}
	if upper >= 6 && lower*4 < upper {
		t.fact(prefix, "odd:capitals")
	}
	if strings.Contains(s, "!") {
		t.fact(prefix, "odd:!")
	}
	if strings.Contains(s, "   ") {
		t.fact(prefix, "odd:gap")
	}
	if strings.TrimSpace(s) == "" {
		t.fact(prefix, "odd:none")
	}
}

// lastShape adds the shape of the last word, each run of characters of one kind as one:
// "aA0!" of "word9!" and the like. Junk has numbers, random letters and exclamation
// marks there.
func (t *tokenizer) lastShape(prefix, s string) {
	const most = 10
	words := strings.Fields(s)
	if len(words) == 0 {
		return
	}
	shape := make([]byte, 0, most)
	for _, c := range words[len(words)-1] {
		var k byte
		switch {
		case c >= 0x80:
			k = 'h'
		case c >= '0' && c <= '9':
			k = '0'
		case c >= 'A' && c <= 'Z':
			k = 'A'
		case c >= 'a' && c <= 'z':
			k = 'a'
		default:
			k = byte(c)
		}
		if n := len(shape); n == most {
			break
		} else if n == 0 || shape[n-1] != k {
			shape = append(shape, k)
		}
	}
	t.fact(prefix+"odd:end ", string(shape))
}

// fromName adds how many words the author's name has, and whether it is one.
func (t *tokenizer) fromName(from []message.Address) {
	if len(from) == 0 {
		return
	}
	name := limit(from[0].DisplayName(), maxField)
	t.fact("From:odd:words ", strconv.Itoa(min(len(strings.Fields(name)), 6)))
	if name != "" && strings.EqualFold(name, from[0].Mailbox) {
		t.fact("From:", "odd:name is mailbox")
	}
}

// date adds the zone of a date and how it is written: programs of mass mailers often have
// a way of their own.
func (t *tokenizer) date(s string) {
	s, _, comment := strings.Cut(s, "(")
	f := strings.Fields(s)
	if len(f) == 0 {
		return
	}
	t.fact("Date:zone ", strings.ToLower(limit(f[len(f)-1], 10)))
	form := strconv.Itoa(min(len(f), 9))
	if strings.Contains(s, ",") {
		form += " comma"
	}
	if comment {
		form += " comment"
	}
	t.fact("Date:form ", form)
}

// addresses adds names, addresses and domains.
func (t *tokenizer) addresses(prefix string, list []message.Address) {
	for _, a := range list[:min(len(list), maxAddresses)] {
		if a.Kind != message.AddressMailbox {
			continue
		}
		if a.Name != "" {
			t.named(prefix, limit(a.DisplayName(), maxField))
		}
		if a.Mailbox == "" || a.Host == "" {
			continue
		}
		host := strings.ToLower(strings.ToValidUTF8(limit(a.Host, 253), ""))
		mailbox := strings.ToLower(strings.ToValidUTF8(a.Mailbox, ""))
		if len(mailbox)+len(host) < maxTokenText {
			t.fact(prefix, mailbox+"@"+host)
		}
		t.host(prefix+"@", host)
	}
}

func sameHost(a, b []message.Address) bool {
	return len(a) > 0 && len(b) > 0 && strings.EqualFold(a[0].Host, b[0].Host)
}

// returnPath adds the domain of the reverse-path where it is not that of From.
func (t *tokenizer) returnPath(s string, e *message.Envelope) {
	if s == "" {
		return
	}
	_, host, ok := strings.Cut(strings.Trim(s, "<> "), "@")
	if !ok {
		t.fact("Return-Path:", "odd:none")
		return
	}
	host = strings.ToLower(strings.ToValidUTF8(limit(host, 253), ""))
	if e != nil && len(e.From) > 0 && strings.EqualFold(e.From[0].Host, host) {
		return
	}
	t.host("Return-Path:@", host)
}

// messageID adds what is odd about the Message-ID. Its host is left out: where a sender
// gave none, a server on the way did, often the own one.
func (t *tokenizer) messageID(s string) {
	ids := message.ParseMessageIDs(limit(s, maxField), 1)
	if len(ids) == 0 {
		t.fact("Message-ID:", "odd:none")
		return
	}
	_, host, ok := strings.Cut(ids[0], "@")
	if !ok || host == "" {
		t.fact("Message-ID:", "odd:no host")
		return
	}
	if !strings.Contains(host, ".") {
		t.fact("Message-ID:", "odd:one label")
	}
}

// mime adds type, charset and file name of a part.
func (t *tokenizer) mime(p *message.Part) {
	t.fact("type:", limit(p.MediaType(), maxTokenText))
	if p.IsText() {
		if c := p.Param("charset"); c != "" {
			t.fact("charset:", strings.ToLower(limit(c, 40)))
		}
		if p.Encoding == "base64" {
			t.fact("type:", "odd:base64 text")
		}
	}
	if !p.HasType() {
		t.fact("type:", "none")
	}
	if name := p.Filename(); name != "" {
		if i := strings.LastIndexByte(name, '.'); i >= 0 && len(name)-i <= 8 {
			t.fact("file:", strings.ToLower(strings.ToValidUTF8(name[i:], "")))
		}
		t.named("file:", limit(name, 255))
	}
}
