package mailops

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"mox/message"
	"mox/store"
	"mox/trace"
	"mox/webapi"
)

// MaxText is the most octets of text, and of HTML, that [Content.Message] has.
const MaxText = 1 << 20

// maxHeader bounds the header that is looked at.
const maxHeader = 1 << 20

// maxList is how many addresses, or references, of a field are told.
const maxList = 1000

// Content is a message that is read. It must be closed. It belongs to one goroutine.
type Content struct {
	Found
	Part  *message.Part
	Trace *trace.Trace // nil: the message was not received, or before there were traces
	Body  *store.BodyReader

	header *message.Header
	flags  []string
}

// Open looks a message up and opens it. [store.ErrNoMessage] if there is none.
func Open(ctx context.Context, acc *store.Account, id store.MessageID) (*Content, error) {
	f, err := Find(ctx, acc, id)
	if err != nil {
		return nil, err
	}
	return f.Open(ctx, acc)
}

// Open opens a message that was found.
func (f Found) Open(ctx context.Context, acc *store.Account) (_ *Content, rerr error) {
	c := &Content{Found: f, flags: FlagNames(acc, f.Message)}
	var parts, traced []byte
	for r, err := range acc.Rendered(ctx, []*store.Message{&f.Message}, store.FieldParts|store.FieldTrace, true) {
		if err != nil {
			return nil, fmt.Errorf("reading message: %w", err)
		}
		if r.Gone {
			return nil, store.ErrNoMessage
		}
		parts, traced = slices.Clone(r.Parts), slices.Clone(r.Trace)
	}
	var err error
	if c.Part, err = message.DecodePart(parts); err != nil {
		return nil, fmt.Errorf("reading structure: %w", err)
	}
	if len(traced) > 0 {
		if c.Trace, err = trace.Decode(traced); err != nil {
			return nil, err
		}
	}
	c.Body, err = acc.OpenBody(ctx, f.Message.Body)
	if errors.Is(err, store.ErrNoBody) {
		return nil, store.ErrNoMessage
	} else if err != nil {
		return nil, err
	}
	defer func() {
		if rerr != nil {
			c.Body.Close()
		}
	}()
	c.header, err = message.ReadHeader(bufio.NewReader(c.Part.Header(c.Body)), maxHeader)
	if errors.Is(err, message.ErrHeaderTooLarge) {
		c.header, err = &message.Header{}, nil
	}
	return c, err
}

// Close ends reading.
func (c *Content) Close() error { return c.Body.Close() }

// Header is the header of the message; empty when it is too large.
func (c *Content) Header() *message.Header { return c.header }

// Message returns header fields and texts.
func (c *Content) Message() (webapi.Message, error) {
	h := c.header
	m := webapi.Message{
		From: addresses(h, "From"), To: addresses(h, "To"), CC: addresses(h, "Cc"), BCC: addresses(h, "Bcc"), ReplyTo: addresses(h, "Reply-To"),
		MessageID:  messageID(h, "Message-ID"),
		References: MessageIDs(h, "References"),
		Subject:    h.Text("Subject"),
	}
	if t, err := message.ParseDate(h.Get("Date")); err == nil {
		m.Date = &t
	}
	var err error
	m.Text, m.HTML, err = c.texts()
	return m, err
}

func addresses(h *message.Header, name string) []webapi.NameAddress {
	l := []webapi.NameAddress{}
	for _, v := range h.Values(name) {
		for _, a := range message.ParseAddressList(v, maxList) {
			if a.Kind == message.AddressMailbox && a.Mailbox != "" && len(l) < maxList {
				l = append(l, webapi.NameAddress{Name: a.DisplayName(), Address: strings.ToValidUTF8(a.Addr(), "\uFFFD")})
			}
		}
	}
	return l
}

// MessageIDs returns the ids in a field, in angle brackets.
func MessageIDs(h *message.Header, name string) []string {
	l := []string{}
	for _, id := range message.ParseMessageIDs(h.Get(name), maxList) {
		l = append(l, "<"+strings.ToValidUTF8(id, "\uFFFD")+">")
	}
	return l
}

// messageID returns the last id in a field, "" if there is none.
func messageID(h *message.Header, name string) string {
	l := MessageIDs(h, name)
	if len(l) == 0 {
		return ""
	}
	return l[len(l)-1]
}

// InReplyTo is the message that this one answers.
func (c *Content) InReplyTo() string { return messageID(c.header, "In-Reply-To") }

// texts returns the first text and the first HTML that are not attachments.
func (c *Content) texts() (text, html string, err error) {
	seen := map[string]bool{}
	c.Part.Walk(func(_ []int, p *message.Part) bool {
		if p.IsMessage() || err != nil {
			return false
		}
		if !p.IsText() || p.Disposition == "attachment" || seen[p.Subtype] {
			return true
		}
		into := map[string]*string{"plain": &text, "html": &html}[p.Subtype]
		if into != nil {
			seen[p.Subtype] = true
			*into, err = readText(p.Text(c.Body))
		}
		return true
	})
	return text, html, err
}

func readText(r io.Reader) (string, error) {
	b, err := io.ReadAll(io.LimitReader(r, MaxText))
	// Where it was cut, a character may be too.
	return strings.ReplaceAll(strings.ToValidUTF8(string(b), ""), "\r\n", "\n"), err
}

// Structure returns what parts the message has. It reads them to know their sizes.
func (c *Content) Structure() (webapi.Structure, error) { return c.structure(c.Part) }

func (c *Content) structure(p *message.Part) (webapi.Structure, error) {
	s := webapi.Structure{
		ContentType: p.MediaType(), ContentTypeParams: map[string]string{}, ContentID: p.ID, ContentDisposition: p.Disposition,
		Filename: p.Filename(), Parts: []webapi.Structure{},
	}
	for _, param := range p.Params {
		s.ContentTypeParams[param.Name] = param.Value
	}
	children := children(p)
	if len(children) == 0 {
		var err error
		if s.DecodedSize, err = p.DecodedSize(c.Body); errors.Is(err, message.ErrUnknownCTE) {
			s.DecodedSize = p.BodySize()
		} else if err != nil {
			return s, fmt.Errorf("reading part: %w", err)
		}
	}
	for _, child := range children {
		cs, err := c.structure(child)
		if err != nil {
			return s, err
		}
		s.Parts = append(s.Parts, cs)
	}
	return s, nil
}

func children(p *message.Part) []*message.Part {
	if p.Message != nil {
		return []*message.Part{p.Message}
	}
	return p.Parts
}

// At returns the part at a path of indices into Parts of the structure; nil if there is
// none.
func (c *Content) At(path []int) *message.Part {
	p := c.Part
	for _, i := range path {
		l := children(p)
		if i < 0 || i >= len(l) {
			return nil
		}
		p = l[i]
	}
	return p
}

// IsDSN tells whether the message is a delivery status notification (RFC 6522, RFC 3464).
func (c *Content) IsDSN() bool {
	return c.Part.MediaType() == "multipart/report" && strings.EqualFold(c.Part.Param("report-type"), "delivery-status")
}

// Automated tells whether the message was not written by a person to this very recipient,
// so that answering it automatically would be wrong (RFC 3834 2).
func (c *Content) Automated() bool {
	if c.Trace != nil && c.Trace.Facts.MailFrom == "" || c.Part.MediaType() == "multipart/report" {
		return true
	}
	for _, name := range []string{"List-Id", "List-Unsubscribe", "List-Unsubscribe-Post", "Precedence"} {
		if c.header.Has(name) {
			return true
		}
	}
	auto, _, _ := strings.Cut(c.header.Get("Auto-Submitted"), ";")
	auto = strings.TrimSpace(auto)
	return auto != "" && !strings.EqualFold(auto, "no")
}

// Meta returns what is known of the message.
func (c *Content) Meta() webapi.MessageMeta {
	m := webapi.MessageMeta{
		Size: c.Body.Size(), DSN: c.IsDSN(), Flags: append([]string{}, c.flags...), DKIMVerifiedDomains: []string{}, MailboxName: c.Mailbox.Name,
	}
	if l := addresses(c.header, "From"); len(l) == 1 {
		m.MsgFrom = l[0].Address
	}
	if c.Trace == nil {
		return m
	}
	f := &c.Trace.Facts
	m.MailFrom, m.RcptTo, m.MsgFromValidated = f.MailFrom, f.RcptTo, f.Validation != trace.ValidationNone
	m.MailFromValidated = f.Trusted == "submission" || slices.ContainsFunc(f.SPF, func(s trace.SPF) bool { return s.Identity == "mailfrom" && s.Status == "pass" })
	if f.Remote.IsValid() {
		m.RemoteIP = f.Remote.String()
	}
	for _, d := range f.DKIM {
		if d.Status == "pass" && !slices.Contains(m.DKIMVerifiedDomains, d.Domain) {
			m.DKIMVerifiedDomains = append(m.DKIMVerifiedDomains, d.Domain)
		}
	}
	return m
}
