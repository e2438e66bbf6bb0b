package imapserver

import (
	"context"
	"errors"
	"fmt"
	"io"

	"mox/imap"
	"mox/message"
	"mox/store"
)

// errNoData is wrapped by errors about URLs that stand for nothing there is.
var errNoData = errors.New("URL stands for nothing that is there")

// urlData is what a URL stands for: octets of a message, or some fields of its header.
type urlData struct {
	f           *fetcher // with body and part tree only, for reading sections
	start, size int64    // in the body, unless
	data        []byte   // is not nil
}

// openURL finds what a URL stands for in a mailbox of acc. It must be closed. Errors wrap
// errNoData when there is no such thing: no such message or part, or another UIDVALIDITY.
func openURL(ctx context.Context, acc *store.Account, mb store.Mailbox, u *imap.URL) (*urlData, error) {
	// RFC 5092 5: otherwise the URL is stale.
	if u.UIDValidity != 0 && u.UIDValidity != mb.UIDValidity {
		return nil, fmt.Errorf("%w: mailbox has another UIDVALIDITY", errNoData)
	}
	msgs, err := acc.MessagesAt(ctx, mb.ID, store.NewUIDSet(store.UID(u.UID)))
	if err != nil && !errors.Is(err, store.ErrNoMailbox) {
		return nil, err
	}
	if len(msgs) == 0 {
		return nil, fmt.Errorf("%w: no such message", errNoData)
	}
	body, err := acc.OpenBody(ctx, msgs[0].Body)
	if errors.Is(err, store.ErrNoBody) {
		return nil, fmt.Errorf("%w: %w", errNoData, err)
	} else if err != nil {
		return nil, err
	}
	d := &urlData{f: &fetcher{body: body}}
	if err := d.section(ctx, acc, &msgs[0], u); err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
}

// Close ends reading.
func (d *urlData) Close() { _ = d.f.body.Close() }

// section finds the octets.
func (d *urlData) section(ctx context.Context, acc *store.Account, m *store.Message, u *imap.URL) error {
	sec := &u.Section
	if len(sec.Part) == 0 && sec.Spec == imap.SectionAll {
		d.size = d.f.body.Size()
		d.clip(u.Partial)
		return nil
	}
	if err := d.readTree(ctx, acc, m); err != nil {
		return err
	}
	var ok bool
	var err error
	switch sec.Spec {
	case imap.SectionHeaderFields, imap.SectionHeaderFieldsNot:
		var header []byte
		header, ok, err = d.f.header(sec.Part)
		d.data = message.AppendHeaderFields([]byte{}, header, sec.Fields, sec.Spec == imap.SectionHeaderFieldsNot)
		d.size = int64(len(d.data))
	default:
		var end int64
		d.start, end, ok, err = d.f.sectionRange(sec.Part, specifiers[sec.Spec])
		d.size = end - d.start
	}
	if err == nil && !ok {
		err = fmt.Errorf("%w: no such part", errNoData)
	}
	d.clip(u.Partial)
	return err
}

// readTree reads the part tree of the message.
func (d *urlData) readTree(ctx context.Context, acc *store.Account, m *store.Message) error {
	if d.f.part != nil {
		return nil
	}
	for r, err := range acc.Rendered(ctx, []*store.Message{m}, store.FieldParts, false) {
		if err != nil {
			return fmt.Errorf("reading renderings: %w", err)
		}
		if r.Gone {
			return fmt.Errorf("%w: message is gone", errNoData)
		}
		if d.f.part, err = message.DecodePart(r.Parts); err != nil {
			return fmt.Errorf("decoding part tree of body %d: %w", m.Body, err)
		}
	}
	return nil
}

// clipURL applies the partial range of a URL to n octets.
func clipURL(n int64, p *imap.Partial) (off, count int64) {
	if p == nil {
		return 0, n
	}
	off = min(p.Offset, n)
	if count = n - off; p.Count > 0 {
		count = min(count, p.Count)
	}
	return off, count
}

func (d *urlData) clip(p *imap.Partial) {
	off, count := clipURL(d.size, p)
	if d.data != nil {
		d.data = d.data[off : off+count]
	}
	d.start, d.size = d.start+off, count
}

// writeTo writes the octets to w as they are in the message.
func (d *urlData) writeTo(w io.Writer) (int64, error) {
	if d.data != nil {
		n, err := w.Write(d.data)
		return int64(n), err
	}
	n, err := d.f.body.CopyRange(w, d.start, d.size)
	if err == nil && n != d.size {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}
