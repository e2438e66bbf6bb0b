package main

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"mox/config"
	"mox/message"
	"mox/smtp"
	"mox/smtpclient"
)

// composeSubmission makes of what a program wrote a message that can be sent.
func composeSubmission(conf *config.Sendmail, a sendmailArgs, raw []byte, now time.Time) (*submission, error) {
	raw = crlfLines(raw)
	// Some programs pass on what was the start of a message in a mailbox file.
	if bytes.HasPrefix(raw, []byte("From ")) {
		_, raw, _ = bytes.Cut(raw, []byte("\r\n"))
	}
	var head []byte
	body := raw
	if startsWithField(raw) {
		head, body = splitHeader(raw)
	} else {
		body = bytes.TrimPrefix(raw, []byte("\r\n"))
	}
	h := message.ParseHeader(head)
	m := &submission{}
	list := a.recipients
	if a.header {
		list = append(slices.Clone(list), headerRecipients(h)...)
	}
	if err := m.addRecipients(conf, list); err != nil {
		return nil, err
	}
	h.RemoveFunc(func(f message.Field) bool { return f.Is("Bcc") || f.Is("Resent-Bcc") || f.Is("Return-Path") })
	if err := completeHeader(h, conf, a.name, body, now); err != nil {
		return nil, err
	}
	m.content = append(h.Append(nil), body...)
	return m, nil
}

// crlfLines ends all lines with CRLF, the last too.
func crlfLines(b []byte) []byte {
	b = bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n"))
	b = bytes.ReplaceAll(b, []byte("\r"), []byte("\n"))
	if len(b) > 0 && b[len(b)-1] != '\n' {
		b = append(b, '\n')
	}
	return bytes.ReplaceAll(b, []byte("\n"), []byte("\r\n"))
}

// startsWithField tells whether a message starts with a header field, and not at once
// with text.
func startsWithField(b []byte) bool {
	i := bytes.IndexByte(b, ':')
	if i <= 0 {
		return false
	}
	for _, c := range bytes.TrimRight(b[:i], " \t") {
		if c <= ' ' || c >= 0x7f {
			return false
		}
	}
	return true
}

// splitHeader splits a message at the empty line, or at the first line that is no part
// of a header, as cut and paste make them.
func splitHeader(b []byte) (head, body []byte) {
	for n := 0; n < len(b); {
		end := len(b)
		if i := bytes.IndexByte(b[n:], '\n'); i >= 0 {
			end = n + i + 1
		}
		line := b[n:end]
		if len(bytes.TrimRight(line, "\r\n")) == 0 {
			return b[:n], b[end:]
		}
		if line[0] != ' ' && line[0] != '\t' && !startsWithField(line) {
			return b[:n], b[n:]
		}
		n = end
	}
	return b, nil
}

// headerRecipients returns the addresses of the fields that -t is about. RFC 5322 3.6.6:
// those of a message that is sent again are in Resent- fields.
func headerRecipients(h *message.Header) (list []string) {
	fields := []string{"To", "Cc", "Bcc"}
	for _, f := range []string{"Resent-To", "Resent-Cc", "Resent-Bcc"} {
		if h.Has(f) {
			fields = []string{"Resent-To", "Resent-Cc", "Resent-Bcc"}
		}
	}
	for _, f := range fields {
		for _, v := range h.Values(f) {
			for _, a := range message.ParseAddressList(v, 0) {
				switch {
				case a.Kind != message.AddressMailbox:
				case a.Mailbox == "" && a.Name != "":
					list = append(list, a.Name) // "To: root"
				default:
					list = append(list, a.Addr())
				}
			}
		}
	}
	return list
}

// addRecipients parses recipients, each once.
func (m *submission) addRecipients(conf *config.Sendmail, list []string) error {
	for _, s := range list {
		s = strings.TrimSpace(s)
		if s == "" {
			continue
		}
		if !strings.Contains(s, "@") {
			if conf.DefaultDestination == "" {
				return fmt.Errorf("recipient %q has no domain, and there is no DefaultDestination for it", s)
			}
			s = conf.DefaultDestination
		}
		p, err := smtp.ParsePath("<"+strings.TrimSuffix(strings.TrimPrefix(s, "<"), ">")+">", smtp.Options{})
		if err != nil {
			return fmt.Errorf("recipient %q: %w", s, err)
		}
		if !slices.Contains(m.recipients, p) {
			m.recipients = append(m.recipients, p)
		}
	}
	if len(m.recipients) == 0 {
		return errors.New("no recipients in the message")
	}
	return nil
}

// completeHeader adds what is missing, and puts in what is configured.
func completeHeader(h *message.Header, conf *config.Sendmail, name string, body []byte, now time.Time) error {
	from := conf.From
	if list := message.ParseAddressList(h.Get("From"), 1); len(list) > 0 && list[0].DisplayName() != "" {
		name = list[0].DisplayName()
	}
	if name != "" {
		from = phrase(name) + " <" + conf.From + ">"
	}
	h.Replace("From", from)
	h.Remove("Sender")
	if !h.Has("Date") {
		h.Add("Date", message.FormatDate(now))
	}
	if !h.Has("Message-ID") {
		id, err := message.NewMessageID(conf.LocalHostname, nil)
		if err != nil {
			return err
		}
		h.Add("Message-ID", "<"+id+">")
	}
	if s := h.Get("Subject"); !ascii([]byte(s)) {
		h.Replace("Subject", message.EncodeWords(message.DecodeWords(s)))
	}
	if conf.RequireTLS == "no" && !h.Has("TLS-Required") {
		h.Add("TLS-Required", "No") // RFC 8689 5
	}
	if !ascii(body) && !h.Has("Content-Type") {
		charset := "utf-8"
		if !utf8.Valid(body) {
			charset = "unknown-8bit" // RFC 1428 3
		}
		h.Remove("Content-Transfer-Encoding")
		h.Replace("MIME-Version", "1.0")
		h.Add("Content-Type", "text/plain; charset="+charset)
		h.Add("Content-Transfer-Encoding", "8bit")
	}
	return nil
}

// phrase writes a display name.
func phrase(name string) string {
	if enc := message.EncodeWords(name); enc != name {
		return enc
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(name) + `"`
}

func ascii(b []byte) bool {
	for _, c := range b {
		if c >= 0x80 {
			return false
		}
	}
	return true
}

// message makes of the submission what this server takes.
func (m *submission) message(ext smtpclient.Extensions, conf *config.Sendmail) (smtpclient.Message, error) {
	from, err := smtp.ParseAddress(conf.From)
	if err != nil {
		return smtpclient.Message{}, err
	}
	head, body := splitHeader(m.content)
	msg := smtpclient.Message{From: from.Path()}
	// Without the extension, 8 bit in a header is passed on as servers have always done.
	msg.Params.SMTPUTF8 = from.Localpart.IsInternational() || ext.SMTPUTF8 && !ascii(head) && utf8.Valid(head)
	msg.Params.RequireTLS = conf.RequireTLS == "yes"
	content := m.content
	switch {
	case ascii(body):
	case ext.EightBitMIME:
		msg.Params.Body = smtp.Body8BitMIME
	default:
		if content, err = sevenBit(content); err != nil {
			return msg, fmt.Errorf("the submission server takes no 8 bit content: %w", err)
		}
	}
	msg.Content, msg.Size = bytes.NewReader(content), int64(len(content))
	for _, r := range m.recipients {
		msg.Rcpts = append(msg.Rcpts, smtpclient.Recipient{To: r})
	}
	return msg, nil
}

func sevenBit(content []byte) ([]byte, error) {
	p, err := message.Parse(bytes.NewReader(content), message.Limits{})
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = message.To7Bit(&b, p, bytes.NewReader(content))
	return b.Bytes(), err
}
