package dmarcrpt

import (
	"bytes"
	"compress/gzip"
	"encoding/xml"
	"fmt"
	"io"
	"time"

	"mox/message"
)

// document is the root of a report. The namespace is an attribute: of a name of another
// namespace than those of its children, the encoder would take them out of it.
type document struct {
	XMLName   xml.Name `xml:"feedback"`
	Namespace string   `xml:"xmlns,attr"`
	*Feedback
}

// XML returns the report as it is sent, in the namespace of RFC 9990.
func (f *Feedback) XML() ([]byte, error) {
	c := document{Namespace: Namespace, Feedback: f}
	b := bytes.NewBufferString(xml.Header)
	enc := xml.NewEncoder(b)
	enc.Indent("", "  ")
	if err := enc.Encode(&c); err != nil {
		return nil, fmt.Errorf("encoding DMARC report: %w", err)
	}
	b.WriteByte('\n')
	return b.Bytes(), nil
}

// Gzip returns the report as it is sent, compressed.
func (f *Feedback) Gzip() ([]byte, error) {
	text, err := f.XML()
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(text); err != nil {
		return nil, fmt.Errorf("compressing DMARC report: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("compressing DMARC report: %w", err)
	}
	return b.Bytes(), nil
}

// Filename is the name for the compressed report (RFC 7489 7.2.1.1). receiver is the domain
// of who reports.
func (f *Feedback) Filename(receiver string) string {
	return fmt.Sprintf("%s!%s!%d!%d.xml.gz", receiver, f.Policy.Domain, f.Metadata.DateRange.Begin, f.Metadata.DateRange.End)
}

// Message is a mail with a report.
type Message struct {
	From      message.Address
	To        []message.Address
	Date      time.Time
	MessageID string // without angle brackets
	Submitter string // domain of who reports
	Report    *Feedback
	Random    io.Reader // makes boundaries; nil: crypto/rand
}

// Compose writes the mail.
func (m *Message) Compose(w io.Writer) error {
	data, err := m.Report.Gzip()
	if err != nil {
		return err
	}
	meta, sum := &m.Report.Metadata, m.Report.Summary()
	c := m.header(w, fmt.Sprintf("Report Domain: %s Submitter: %s Report-ID: <%s>", m.Report.Policy.Domain, m.Submitter, meta.ReportID))
	text := fmt.Sprintf(`This is a DMARC aggregate report (RFC 9990), for programs to read.

Domain:    %s
Submitter: %s
Period:    %s - %s
Messages:  %d, of which %d passed
`, m.Report.Policy.Domain, m.Submitter, meta.DateRange.Start().Format(time.RFC3339), meta.DateRange.Stop().Format(time.RFC3339), sum.Messages, sum.Pass)
	return c.WriteBody(message.MixedBody(
		message.TextBody(text, false),
		message.AttachmentBody("application/gzip", m.Report.Filename(m.Submitter), bytes.NewReader(data)),
	))
}

func (m *Message) header(w io.Writer, subject string) *message.Composer {
	c := message.NewComposer(w, message.ComposeOptions{Random: m.Random})
	c.Addresses("From", []message.Address{m.From})
	c.Addresses("To", m.To)
	c.Text("Subject", subject)
	c.Date(m.Date)
	c.MessageIDs("Message-ID", m.MessageID)
	c.Raw("Auto-Submitted", "auto-generated")
	return c
}

// ErrorMessage is a mail about a report that is larger than all its receivers want (RFC 7489
// 7.2.2). Report is needed for its metadata and policy domain.
type ErrorMessage struct {
	Message
	Size int64    // octets of the mail that was not sent
	URIs []string // that it was for
}

// Compose writes the mail.
func (m *ErrorMessage) Compose(w io.Writer) error {
	domain, id := m.Report.Policy.Domain, m.Report.Metadata.ReportID
	c := m.header(w, fmt.Sprintf("Report Domain: %s Submitter: %s Report-ID: <%s>", domain, m.Submitter, id))
	var b bytes.Buffer
	fmt.Fprintf(&b, "Report-Date: %s\nReport-Domain: %s\nReport-ID: %s\nReport-Size: %d\nSubmitter: %s\n", message.FormatDate(m.Date), domain, id, m.Size, m.Submitter)
	for i, u := range m.URIs {
		if i == 0 {
			b.WriteString("Submitting-URI: " + u)
		} else {
			b.WriteString(",\n " + u)
		}
	}
	b.WriteByte('\n')
	const explain = "A DMARC aggregate report about your domain was made, but it is larger than each of the\naddresses in your DMARC record wants to have (rua=mailto:address!size). It was not sent.\n"
	return c.WriteBody(message.MixedBody(message.TextBody(b.String(), false), message.TextBody(explain, false)))
}
