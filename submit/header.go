package submit

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
	"time"

	"mox/deliver"
	"mox/message"
	"mox/smtp"
	"mox/store"
)

// Bounds of the header of a message that is sent.
const (
	maxHeader = 1 << 20 // octets
	maxFrom   = 100     // addresses in From
)

// complete checks the header and returns the message to send: the spool of the
// transaction or another, with the fields to put above it.
func (tx *Transaction) complete(now time.Time) (*store.Spool, []byte, error) {
	top := tx.spool.Part()
	h, err := message.ReadHeader(bufio.NewReader(top.Header(tx.spool)), maxHeader)
	if errors.Is(err, message.ErrHeaderTooLarge) {
		tx.count("badheader")
		return nil, nil, smtp.WrapErrorf(err, 552, "5.3.4", "header too large, at most %d octets", maxHeader)
	} else if err != nil {
		return nil, nil, deliver.Error(err)
	}
	if err := tx.check(h); err != nil {
		return nil, nil, err
	}
	if err := tx.readRequests(h); err != nil {
		return nil, nil, err
	}
	added, err := tx.missing(h, now)
	if err != nil {
		return nil, nil, err
	}
	tx.copyFields = added
	spool, err := tx.without(h, top.BodyStart, "Bcc", "Resent-Bcc", "Return-Path")
	return spool, added, err
}

// check is RFC 6409 6.1 and RFC 5322 3.6.2: one From field, whose addresses are the
// user's.
func (tx *Transaction) check(h *message.Header) error {
	if !tx.params.SMTPUTF8 && bytes.ContainsFunc(h.Append(nil), func(r rune) bool { return r >= 0x80 }) {
		// RFC 6532 3: UTF-8 in a header is for messages sent with SMTPUTF8.
		tx.count("missingsmtputf8")
		return smtp.Errorf(550, "5.6.7", "header with other than ASCII needs SMTPUTF8")
	}
	for _, name := range []string{"From", "Sender", "Date", "Message-ID", "Subject", "To", "Cc", "Reply-To"} {
		// RFC 5322 3.6: mail programs differ in which of several they show.
		if len(h.Values(name)) > 1 {
			tx.count("badheader")
			return smtp.Errorf(550, "5.6.0", "message with more than one %s field", name)
		}
	}
	if len(h.Values("From")) == 0 {
		tx.count("badheader")
		return smtp.Errorf(550, "5.6.0", "message without From field")
	}
	from, err := addresses(h, "From")
	if err == nil && len(from) == 0 {
		err = errors.New("no address")
	}
	if err != nil {
		tx.count("badheader")
		return smtp.WrapErrorf(err, 550, "5.6.0", "message without proper From field: %v", err)
	}
	sender, err := addresses(h, "Sender")
	switch {
	case err != nil || len(sender) > 1:
		tx.count("badheader")
		return smtp.WrapErrorf(err, 550, "5.6.0", "message with bad Sender field")
	case len(from) > 1 && len(sender) == 0:
		// RFC 5322 3.6.2.
		tx.count("badheader")
		return smtp.Errorf(550, "5.6.0", "message with several authors needs a Sender field")
	}
	for _, a := range from {
		if err := tx.mayUse(a, "From"); err != nil {
			return err
		}
	}
	for _, a := range sender {
		if err := tx.mayUse(a, "Sender"); err != nil {
			return err
		}
	}
	tx.authors = from
	return nil
}

// extraPrefix begins the names of fields with data for webhooks: X-Mox-Extra-Key: value.
const extraPrefix = "X-Mox-Extra-"

// readRequests finds what the header asks of us.
func (tx *Transaction) readRequests(h *message.Header) error {
	// RFC 8689 3: one field, and REQUIRETLS comes before it.
	if l := h.Values("TLS-Required"); len(l) == 1 && strings.EqualFold(strings.TrimSpace(l[0]), "No") {
		tx.tlsNo = true
	}
	for _, f := range h.Fields() {
		name := f.Name()
		if len(name) <= len(extraPrefix) || !strings.EqualFold(name[:len(extraPrefix)], extraPrefix) {
			continue
		}
		key := name[len(extraPrefix):]
		for k := range tx.extra {
			if strings.EqualFold(k, key) {
				tx.count("badheader")
				return smtp.Errorf(554, "5.6.0", "more than one value for key %s of %s fields", key, extraPrefix)
			}
		}
		if tx.extra == nil {
			tx.extra = map[string]string{}
		}
		tx.extra[key] = strings.TrimSpace(f.Value())
	}
	return nil
}

// addresses returns the addresses of a field, none without it.
func addresses(h *message.Header, name string) ([]smtp.Address, error) {
	if !h.Has(name) {
		return nil, nil
	}
	var l []smtp.Address
	for _, a := range message.ParseAddressList(h.Get(name), maxFrom+1) {
		if a.Kind != message.AddressMailbox {
			continue // RFC 6854: a group around addresses
		}
		addr, err := smtp.ParseAddressLax(smtp.Localpart(a.Mailbox).String() + "@" + a.Host)
		if err != nil {
			return nil, errors.New("bad address")
		}
		l = append(l, addr)
	}
	if len(l) > maxFrom {
		return nil, errors.New("too many addresses")
	}
	return l, nil
}

// missing returns the fields that RFC 6409 8.2 and 8.3 have a server add.
func (tx *Transaction) missing(h *message.Header, now time.Time) ([]byte, error) {
	var b bytes.Buffer
	tx.messageID = strings.Trim(strings.TrimSpace(h.Get("Message-ID")), "<>")
	if tx.messageID == "" {
		id, err := message.NewMessageID(tx.s.c.Hostname.ASCII, tx.s.c.Random)
		if err != nil {
			return nil, err
		}
		tx.messageID = strings.Trim(id, "<>")
		b.WriteString("Message-ID: <" + tx.messageID + ">\r\n")
	}
	if strings.TrimSpace(h.Get("Date")) == "" {
		b.WriteString("Date: " + message.FormatDate(now) + "\r\n")
	}
	return b.Bytes(), nil
}

// queueFields begins the names of fields that package queuebox adds for the eyes of the sender.
const queueFields = "x-mox-queue-"

// without returns the message without the fields of some names, and without the empty
// ones that missing has put others in place of.
func (tx *Transaction) without(h *message.Header, body int64, names ...string) (*store.Spool, error) {
	n := h.RemoveFunc(func(f message.Field) bool {
		if (f.Is("Date") || f.Is("Message-ID")) && strings.TrimSpace(f.Value()) == "" {
			return true
		}
		for _, name := range names {
			if f.Is(name) {
				return true
			}
		}
		// A message of the queue that is sent again must not tell who was in Bcc.
		return strings.HasPrefix(strings.ToLower(f.Name()), queueFields)
	})
	if n == 0 {
		return tx.spool, nil
	}
	spool := tx.s.c.Store.NewSpool()
	err := copySpool(spool, h, tx.spool, body)
	if err != nil {
		spool.Close()
		return nil, deliver.Error(err)
	}
	return spool, nil
}

func copySpool(dst *store.Spool, h *message.Header, src *store.Spool, body int64) error {
	if _, err := dst.Write(h.Append(nil)); err != nil {
		return err
	}
	if _, err := io.Copy(dst, io.NewSectionReader(src, body, src.Size()-body)); err != nil {
		return err
	}
	return dst.Finish()
}
