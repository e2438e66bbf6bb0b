package tlsrpt

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"mox/message"
)

// ErrNone: a message has no TLS report.
var ErrNone = errors.New("message has no TLS report")

// MaxMessage is the most octets of a message that is looked into.
const MaxMessage = 15 << 20

// maxTries is how many parts of a message are taken for a report.
const maxTries = 5

// ParseMessage finds the report in a message and reads it. The error is [ErrNone] when
// nothing looks like one, or that of [Parse] for the first part that does.
func ParseMessage(r io.ReaderAt, root *message.Part) (*Report, error) {
	if root.Size() > MaxMessage {
		return nil, fmt.Errorf("%w: message of more than %d octets", ErrTooLarge, MaxMessage)
	}
	rep, found, err := message.Find(root, maxTries, candidate, func(p *message.Part) (*Report, error) { return parsePart(r, p) })
	if found || err != nil {
		return rep, err
	}
	return nil, ErrNone
}

// candidate tells whether a part may be a report, by its type or, since those are often
// wrong, its name.
func candidate(p *message.Part) bool {
	switch p.MediaType() {
	case "application/tlsrpt+gzip", "application/tlsrpt+json", "application/gzip", "application/x-gzip", "application/json", "text/json", "application/gzip-compressed", "application/x-gzip-compressed":
		return true
	}
	if p.IsMultipart() || p.IsMessage() {
		return false
	}
	name := strings.ToLower(p.Filename())
	return strings.HasSuffix(name, ".json") || strings.HasSuffix(name, ".gz")
}

func parsePart(r io.ReaderAt, p *message.Part) (*Report, error) {
	d, err := p.Decoded(r)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrReport, err)
	}
	return Parse(d)
}

// Message is a mail with a report (RFC 8460 5.3).
type Message struct {
	From message.Address
	To   []message.Address
	Date time.Time
	// MessageID, and ID for the subject, are without angle brackets. ID is of the form
	// left@right.
	MessageID, ID string
	// Domain is whom the report is about, Submitter that of ContactInfo; ASCII.
	Domain, Submitter string
	Report            *Report
	Random            io.Reader // makes boundaries; nil: crypto/rand
}

// Fields are those that the signature of a mail should cover besides the usual (RFC 8460
// 5.3).
func Fields() []string { return []string{"TLS-Report-Domain", "TLS-Report-Submitter", "TLS-Required"} }

// Compose writes the mail.
func (m *Message) Compose(w io.Writer) error {
	data, err := m.Report.Gzip()
	if err != nil {
		return err
	}
	c := message.NewComposer(w, message.ComposeOptions{Random: m.Random})
	c.Addresses("From", []message.Address{m.From})
	c.Addresses("To", m.To)
	c.Text("Subject", fmt.Sprintf("Report Domain: %s Submitter: %s Report-ID: <%s>", m.Domain, m.Submitter, m.ID))
	c.Date(m.Date)
	c.MessageIDs("Message-ID", m.MessageID)
	c.Raw("TLS-Report-Domain", m.Domain)
	c.Raw("TLS-Report-Submitter", m.Submitter)
	// RFC 8460 3: reports are delivered despite failures of TLS, which RFC 8689 5 asks
	// servers on the way for.
	c.Raw("TLS-Required", "No")
	c.Raw("Auto-Submitted", "auto-generated")
	report := message.AttachmentBody("application/tlsrpt+gzip", m.Report.Filename(m.Submitter, m.Domain), bytes.NewReader(data))
	return c.WriteBody(&message.Body{
		Type: "multipart", Subtype: "report", Params: []message.Param{{Name: "report-type", Value: "tlsrpt"}},
		Parts: []*message.Body{message.TextBody(m.text(), false), report},
	})
}

// text is for people.
func (m *Message) text() string {
	t := m.Report.Total()
	return fmt.Sprintf(`This is an aggregate report about TLS connections (RFC 8460), for programs to read.

Domain:              %s
Submitter:           %s
Period:              %s - %s
Successful sessions: %d
Failed sessions:     %d
`, m.Domain, m.Submitter, m.Report.DateRange.Start.Format(time.RFC3339), m.Report.DateRange.End.Format(time.RFC3339), t.Success, t.Failure)
}
