package dsn

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"mox/message"
	"mox/smtp"
)

// Bounds of what is returned, in octets.
const (
	DefaultMaxReturn = 10 << 20
	maxHeader        = 256 << 10
)

// Message is a notification to be sent: with the null reverse-path, to the reverse-path
// of the original message.
type Message struct {
	From      message.Address // such as postmaster of the reporting server
	To        smtp.Path
	Date      time.Time
	MessageID string // without angle brackets
	Status    Status
	// Subject and Text are for people; empty: as Status has it.
	Subject, Text string
	// UTF8 writes UTF-8 into header and status (RFC 6533), for a To that takes SMTPUTF8.
	UTF8 bool

	// Original is the message that the notification is about; nil: nothing is returned.
	Original     io.ReaderAt
	OriginalSize int64
	// OriginalUTF8 tells that the original came with SMTPUTF8.
	OriginalUTF8 bool
	// Return is what the sender asked for. RetFull returns the message if it failed for
	// someone (RFC 3461 4.3), is not larger than MaxReturn and can be part of another;
	// otherwise it is the header.
	Return    smtp.Ret
	MaxReturn int64 // octets; 0: DefaultMaxReturn
}

// Needs tells what a server must support to take a composed notification.
type Needs struct {
	EightBit bool // 8BITMIME
	SMTPUTF8 bool
}

// Compose writes the notification, reading Original while it does. The error is
// [message.ErrNeedsUTF8] when To or From cannot be written without UTF8, or that of w or
// Original.
func (m *Message) Compose(w io.Writer) (Needs, error) {
	header, err := m.originalHeader()
	if err != nil {
		return Needs{}, err
	}
	returned, eight, err := m.returned(header)
	if err != nil {
		return Needs{}, err
	}
	subject, text := m.Subject, m.Text
	if subject == "" {
		subject = m.Status.Subject()
	}
	if text == "" {
		text = m.Status.Explain(header.Text("Subject"))
		if returned != nil {
			text += "\nYour message, or its beginning with subject and recipients, is attached.\n"
		}
	}
	parts := []*message.Body{message.TextBody(text, false), m.status()}
	parts[0].Description = "Notification"
	if returned != nil {
		parts = append(parts, returned)
	}
	global := m.UTF8 && !m.Status.ascii()
	c := message.NewComposer(w, message.ComposeOptions{UTF8: m.UTF8, EightBit: m.UTF8})
	c.Addresses("From", []message.Address{m.From})
	c.Addresses("To", []message.Address{{Mailbox: string(m.To.Localpart), Host: host(m.To, m.UTF8)}})
	c.Text("Subject", subject)
	c.Date(m.Date)
	c.MessageIDs("Message-ID", m.MessageID)
	if ids := message.ParseMessageIDs(header.Get("Message-ID"), 1); len(ids) == 1 {
		c.MessageIDs("In-Reply-To", ids...)
		c.MessageIDs("References", ids...)
	}
	// RFC 3834 5: so that nobody answers it.
	c.Raw("Auto-Submitted", "auto-replied")
	err = c.WriteBody(&message.Body{Type: "multipart", Subtype: "report", Params: []message.Param{{Name: "report-type", Value: "delivery-status"}}, Parts: parts})
	return Needs{EightBit: eight || m.UTF8, SMTPUTF8: m.UTF8 && (global || m.To.IsInternational() || !isASCII(m.From.Addr()+subject))}, err
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r >= 0x80 })
}

func host(p smtp.Path, utf8 bool) string {
	if utf8 && p.IPDomain.Domain.Unicode != "" {
		return p.IPDomain.Domain.Unicode
	}
	return p.IPDomain.String()
}

// status is the part for programs.
func (m *Message) status() *message.Body {
	b := &message.Body{Type: "message", Subtype: "delivery-status", Encoding: "7bit", Description: "Delivery status"}
	utf8 := m.UTF8 && !m.Status.ascii()
	if utf8 {
		b.Subtype, b.Encoding = "global-delivery-status", "8bit"
	}
	b.Content = bytes.NewReader(m.Status.Append(nil, utf8))
	return b
}

// originalHeader reads the header of the original, as far as it is returned.
func (m *Message) originalHeader() (*message.Header, error) {
	if m.Original == nil {
		return &message.Header{}, nil
	}
	b := make([]byte, min(m.OriginalSize, maxHeader))
	n, err := m.Original.ReadAt(b, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("reading original message: %w", err)
	}
	return message.ParseHeader(b[:n]), nil
}

// returned is the part with the original or its header, and whether it has octets that
// need 8BITMIME.
func (m *Message) returned(header *message.Header) (*message.Body, bool, error) {
	if m.Original == nil {
		return nil, false, nil
	}
	if m.full() {
		b, eight, err := m.whole()
		if b != nil || err != nil {
			return b, eight, err
		}
	}
	return m.headerOnly(header.Append(nil))
}

// full tells whether the whole message is to be returned.
func (m *Message) full() bool {
	most := m.MaxReturn
	if most == 0 {
		most = DefaultMaxReturn
	}
	if m.Return != smtp.RetFull || m.OriginalSize > most {
		return false
	}
	for _, r := range m.Status.Recipients {
		if r.Action == Failed {
			return true
		}
	}
	return false
}

// whole returns the original as a part, nil if it cannot be one.
func (m *Message) whole() (*message.Body, bool, error) {
	content := func() io.Reader { return io.NewSectionReader(m.Original, 0, m.OriginalSize) }
	eight, binary, err := inspect(content())
	if err != nil {
		return nil, false, fmt.Errorf("reading original message: %w", err)
	}
	b := message.MessageBody(content())
	b.Description = "Your message"
	switch {
	case m.OriginalUTF8 && (binary || !m.UTF8):
		// RFC 6533 4.5, 4.4: this type may be encoded.
		b.Subtype, b.Encoding = "global", "base64"
		return b, false, nil
	case m.OriginalUTF8:
		b.Subtype = "global"
		return b, eight, nil
	case binary:
		// RFC 2046 5.2.1: message/rfc822 may not be encoded, and as text it would change.
		return nil, false, nil
	case !eight:
		b.Encoding = "7bit"
	}
	return b, eight, nil
}

// inspect tells whether a message has octets above 127, and whether it is not of lines as
// text is.
func inspect(r io.Reader) (eight, binary bool, err error) {
	br := bufio.NewReader(r)
	last, line := byte(0), 0
	for {
		c, err := br.ReadByte()
		if err == io.EOF {
			return eight, binary || last == '\r', nil
		} else if err != nil {
			return false, false, err
		}
		line++
		switch {
		case c == 0, last == '\r' && c != '\n', c == '\n' && last != '\r', line > 1000:
			binary = true
		case c == '\n':
			line = 0
		case c >= 0x80:
			eight = true
		}
		last = c
	}
}

// headerOnly returns the header as a part.
func (m *Message) headerOnly(header []byte) (*message.Body, bool, error) {
	eight, binary, err := inspect(bytes.NewReader(header))
	if err != nil {
		return nil, false, err
	}
	b := &message.Body{Type: "text", Subtype: "rfc822-headers", Description: "Header of your message", Content: bytes.NewReader(header)}
	switch {
	case m.OriginalUTF8 && eight && m.UTF8 && !binary:
		b.Type, b.Subtype, b.Encoding = "message", "global-headers", "8bit"
		return b, true, nil
	case m.OriginalUTF8 && eight:
		b.Type, b.Subtype, b.Encoding = "message", "global-headers", "base64"
	case eight || binary:
		b.Params, b.Encoding = []message.Param{{Name: "charset", Value: "utf-8"}}, "base64"
	default:
		b.Encoding = "7bit"
	}
	return b, false, nil
}
