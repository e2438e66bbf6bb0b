package webapiserver

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"path"
	"strings"
	"time"

	"mox/message"
	"mox/smtp"
	"mox/webapi"
)

// draft is a message to be composed, with all that was checked.
type draft struct {
	r          *webapi.SendRequest
	from       smtp.Address
	fields     []addressField // From, To, ... with addresses as they are written
	rcpts      []smtp.Path
	messageID  string
	references []string
	date       time.Time
	utf8       bool // an address needs SMTPUTF8
}

type addressField struct {
	name string
	list []message.Address
}

// parseAddress parses an address for sending.
func parseAddress(s string) (smtp.Address, error) {
	a, err := smtp.ParseAddressLax(strings.TrimSpace(s))
	if err != nil {
		return a, &webapi.Error{Code: webapi.CodeBadAddress, Message: fmt.Sprintf("%.200q is not an address: %v", s, err)}
	}
	return a, nil
}

// draft checks a request.
func (c *call) draft(r *webapi.SendRequest) (*draft, error) {
	d := &draft{r: r, date: c.s.c.Now()}
	for _, check := range []func(*call, *draft) error{checkFrom, checkAddresses, checkIDs, checkTexts, checkHeaders, checkFiles, checkExtra} {
		if err := check(c, d); err != nil {
			return nil, err
		}
	}
	if r.Date != nil {
		d.date = *r.Date
		// RFC 5322 3.3: four digits, from 1900.
		if y := d.date.Year(); y < 1900 || y > 9999 {
			return nil, userError("Date of the year %d", y)
		}
	}
	return d, nil
}

func checkFrom(c *call, d *draft) error {
	switch len(d.r.From) {
	case 0:
		d.r.From = []webapi.NameAddress{{Address: c.who.Login}}
	case 1:
	default:
		return &webapi.Error{Code: webapi.CodeMultipleFrom, Message: "more than one address in From"}
	}
	var err error
	d.from, err = parseAddress(d.r.From[0].Address)
	return err
}

// checkAddresses makes the address fields and the list of recipients.
func checkAddresses(c *call, d *draft) error {
	limit := c.s.c.Limits.Recipients
	seen := map[string]bool{}
	for _, f := range []struct {
		name string
		list []webapi.NameAddress
		rcpt bool
	}{{"From", d.r.From, false}, {"To", d.r.To, true}, {"Cc", d.r.CC, true}, {"Bcc", d.r.BCC, true}, {"Reply-To", d.r.ReplyTo, false}} {
		if len(f.list) > limit {
			return userError("more than %d addresses in a field", limit)
		}
		field := addressField{name: f.name}
		for _, na := range f.list {
			a, err := parseAddress(na.Address)
			if err != nil {
				return err
			}
			if len(na.Name) > c.s.c.Limits.Header {
				return userError("a name of more than %d octets", c.s.c.Limits.Header)
			}
			international := a.Localpart.IsInternational()
			d.utf8 = d.utf8 || international
			field.list = append(field.list, message.Address{Name: na.Name, Mailbox: string(a.Localpart), Host: a.Domain.XName(international)})
			if f.rcpt && !seen[a.String()] {
				seen[a.String()] = true
				d.rcpts = append(d.rcpts, a.Path())
			}
		}
		d.fields = append(d.fields, field)
	}
	switch {
	case len(d.rcpts) == 0:
		return &webapi.Error{Code: webapi.CodeNoRecipients, Message: "no address in To, CC or BCC"}
	case len(d.rcpts) > limit:
		return userError("more than %d recipients", limit)
	}
	return nil
}

func checkIDs(c *call, d *draft) error {
	r := d.r
	var err error
	if r.MessageID == "" {
		d.messageID, err = message.NewMessageID(c.s.c.Hostname, nil)
	} else {
		d.messageID, err = parseMessageID(r.MessageID)
	}
	if err != nil {
		return err
	}
	if limit := c.s.c.Limits.References; len(r.References) > limit {
		return userError("more than %d References", limit)
	}
	for _, s := range r.References {
		if !strings.HasPrefix(s, "<") {
			s = "<" + s + ">"
		}
		id, err := parseMessageID(s)
		if err != nil {
			return err
		}
		d.references = append(d.references, id)
	}
	if len(r.IdempotencyKey) > 200 {
		return userError("IdempotencyKey of more than 200 octets")
	}
	return nil
}

// parseMessageID returns what is in the angle brackets (RFC 5322 3.6.4, as far as that matters
// to those who read it: without space or control characters).
func parseMessageID(s string) (string, error) {
	id, ok1 := strings.CutPrefix(s, "<")
	id, ok2 := strings.CutSuffix(id, ">")
	left, right, ok3 := strings.Cut(id, "@")
	bad := func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '<' || r == '>' }
	if !ok1 || !ok2 || !ok3 || left == "" || right == "" || len(id) > 500 || strings.ContainsFunc(id, bad) {
		return "", &webapi.Error{Code: webapi.CodeMalformedMessageID, Message: fmt.Sprintf("%.200q is not a message-id like <unique@example.org>", s)}
	}
	return id, nil
}

func checkTexts(c *call, d *draft) error {
	r := d.r
	if r.Text == "" && r.HTML == "" && len(r.AlternativeFiles) == 0 {
		return &webapi.Error{Code: webapi.CodeMissingBody, Message: "neither Text, HTML nor AlternativeFiles"}
	}
	if len(r.Subject) > c.s.c.Limits.Header {
		return userError("Subject of more than %d octets", c.s.c.Limits.Header)
	}
	if strings.ContainsAny(r.Subject, "\r\n\x00") {
		return userError("Subject with line ends or NUL")
	}
	return nil
}

// reserved are fields that are made from others of the request, or by servers.
var reserved = map[string]bool{
	"from": true, "to": true, "cc": true, "bcc": true, "reply-to": true, "message-id": true, "in-reply-to": true, "references": true,
	"date": true, "subject": true, "mime-version": true, "sender": true, "return-path": true, "received": true, "dkim-signature": true,
	"authentication-results": true, "tls-required": true, "delivered-to": true, "received-spf": true,
}

func checkHeaders(c *call, d *draft) error {
	if limit := c.s.c.Limits.Headers; len(d.r.Headers) > limit {
		return userError("more than %d Headers", limit)
	}
	for _, h := range d.r.Headers {
		name, value := strings.ToLower(h[0]), h[1]
		// RFC 5322 2.2: ftext.
		bad := func(r rune) bool { return r <= ' ' || r >= 0x7f || r == ':' }
		switch {
		case name == "" || len(name) > 100 || strings.ContainsFunc(name, bad):
			return userError("%.100q is not the name of a header field", h[0])
		case reserved[name] || strings.HasPrefix(name, "content-") || strings.HasPrefix(name, "arc-") || strings.HasPrefix(name, "resent-"):
			return userError("header field %s cannot be set: it is made from other fields of the request, or not for senders", h[0])
		case strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }):
			return userError("header field %s with control characters", h[0])
		case len(value) > c.s.c.Limits.Header:
			return userError("header field %s of more than %d octets", h[0], c.s.c.Limits.Header)
		}
	}
	return nil
}

func checkFiles(c *call, d *draft) error {
	r := d.r
	if limit := c.s.c.Limits.Files; len(r.AlternativeFiles)+len(r.InlineFiles)+len(r.AttachedFiles) > limit {
		return userError("more than %d files", limit)
	}
	for _, l := range [][]webapi.File{r.AlternativeFiles, r.InlineFiles, r.AttachedFiles} {
		for i := range l {
			if err := checkFile(&l[i]); err != nil {
				return err
			}
		}
	}
	ids := map[string]bool{}
	for _, f := range r.InlineFiles {
		if f.ContentID != "" && ids[f.ContentID] {
			return userError("two inline files with ContentID %.100q", f.ContentID)
		}
		ids[f.ContentID] = true
	}
	return nil
}

// checkFile completes a file: with its type, and an id without angle brackets.
func checkFile(f *webapi.File) error {
	f.ContentID = strings.Trim(f.ContentID, "<>")
	bad := func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '<' || r == '>' }
	if len(f.ContentID) > 500 || strings.ContainsFunc(f.ContentID, bad) {
		return userError("%.100q cannot be a ContentID", f.ContentID)
	}
	if len(f.Name) > 1000 {
		return userError("file name of more than 1000 octets")
	}
	f.ContentType = cmp.Or(f.ContentType, mime.TypeByExtension(path.Ext(f.Name)), http.DetectContentType(f.Data))
	mt, _, err := mime.ParseMediaType(f.ContentType)
	if err != nil || !strings.Contains(mt, "/") {
		return userError("%.100q is not a media type", f.ContentType)
	}
	return nil
}

func checkExtra(_ *call, d *draft) error {
	size := 0
	for k, v := range d.r.Extra {
		if k == "" {
			return userError("an empty key in Extra")
		}
		size += len(k) + len(v)
	}
	if size > 32<<10 {
		return userError("Extra of more than 32768 octets")
	}
	return nil
}

// write composes the message.
func (d *draft) write(w io.Writer) error {
	c := message.NewComposer(w, message.ComposeOptions{UTF8: d.utf8})
	for _, f := range d.fields {
		c.Addresses(f.name, f.list)
	}
	c.MessageIDs("Message-ID", d.messageID)
	if n := len(d.references); n > 0 {
		c.MessageIDs("In-Reply-To", d.references[n-1])
		c.MessageIDs("References", d.references...)
	}
	c.Date(d.date)
	c.Text("Subject", d.r.Subject)
	if v := d.r.RequireTLS; v != nil && !*v {
		c.Raw("TLS-Required", "No") // RFC 8689 5
	}
	for _, h := range d.r.Headers {
		c.Text(h[0], h[1])
	}
	return c.WriteBody(d.body())
}

// body is, with whatever is not there left out: mixed(related(alternative(text, html,
// others), inline files), attached files).
func (d *draft) body() *message.Body {
	r := d.r
	var parts []*message.Body
	if r.Text != "" {
		parts = append(parts, message.TextBody(r.Text, false))
	}
	if r.HTML != "" {
		parts = append(parts, message.HTMLBody(r.HTML))
	}
	for _, f := range r.AlternativeFiles {
		b := message.AttachmentBody(f.ContentType, f.Name, bytes.NewReader(f.Data))
		b.Disposition, b.DispositionParams = "", nil
		b.ID = f.ContentID
		parts = append(parts, b)
	}
	body := oneOf(message.AlternativeBody, parts)
	if len(r.InlineFiles) > 0 {
		related := []*message.Body{body}
		for _, f := range r.InlineFiles {
			related = append(related, message.InlineBody(f.ContentType, f.Name, f.ContentID, bytes.NewReader(f.Data)))
		}
		body = message.RelatedBody(related...)
	}
	if len(r.AttachedFiles) > 0 {
		mixed := []*message.Body{body}
		for _, f := range r.AttachedFiles {
			b := message.AttachmentBody(f.ContentType, f.Name, bytes.NewReader(f.Data))
			b.ID = f.ContentID
			mixed = append(mixed, b)
		}
		body = message.MixedBody(mixed...)
	}
	return body
}

// oneOf is the only part, or the multipart of several.
func oneOf(multipart func(...*message.Body) *message.Body, parts []*message.Body) *message.Body {
	if len(parts) == 1 {
		return parts[0]
	}
	return multipart(parts...)
}

// composeError makes of an error of a Composer what the caller is told.
func composeError(err error) error {
	if errors.Is(err, message.ErrCompose) || errors.Is(err, message.ErrNeedsUTF8) {
		return userError("%v", err)
	}
	return err
}
