package outbound

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"mox/dns"
	"mox/message"
	"mox/smtp"
	"mox/smtpclient"
)

// form is a message as some server can take it: prefix and then body.
type form struct {
	prefix []byte
	body   io.ReaderAt
	size   int64 // of all
	done   func()
}

func (f *form) reader() io.Reader {
	rest := io.NewSectionReader(f.body, 0, f.size-int64(len(f.prefix)))
	if len(f.prefix) == 0 {
		return rest
	}
	return io.MultiReader(bytes.NewReader(f.prefix), rest)
}

func (f *form) close() {
	if f.done != nil {
		f.done()
	}
}

// formFor chooses the form, and sets BODY. RFC 6152 3, RFC 3030 3: what the server cannot
// take is converted, or returned.
func (o *Outbound) formFor(ctx context.Context, t *transaction, ext smtpclient.Extensions, p *smtp.MailParams) (*form, *failure) {
	m := &t.msgs[0]
	switch {
	case m.BinaryMIME && ext.BinaryMIME:
		p.Body = smtp.BodyBinaryMIME
		return &t.original, nil
	case !m.BinaryMIME && !m.EightBit:
		return &t.original, nil
	case !m.BinaryMIME && ext.EightBitMIME:
		p.Body = smtp.Body8BitMIME
		return &t.original, nil
	}
	if t.seven == nil {
		f, err := o.toSeven(ctx, t)
		if err != nil {
			o.log.InfoContext(ctx, "message could not be converted to 7 bits", "queueid", m.ID, "err", err)
			if errors.Is(err, errRead) {
				return nil, ourRead(err)
			}
			return nil, local(554, "5.6.3", "the recipient's mail server does not take messages with 8-bit content, and this one cannot be converted").ours().because(err)
		}
		t.seven = f
	}
	return t.seven, nil
}

var errRead = errors.New("reading message")

// maxHeader bounds the header that is looked at.
const maxHeader = 1 << 20

// asciiHeader tells whether the header of a message is ASCII.
func asciiHeader(r io.ReaderAt) (bool, error) {
	buf := make([]byte, 8<<10)
	var tail []byte
	for off := int64(0); off < maxHeader; {
		n, err := r.ReadAt(buf, off)
		if err != nil && err != io.EOF {
			return false, err
		}
		chunk := append(tail, buf[:n]...)
		if i := bytes.Index(chunk, []byte("\r\n\r\n")); i >= 0 {
			return isASCII(chunk[:i]), nil
		}
		if !isASCII(chunk) {
			return false, nil
		}
		if n == 0 || err == io.EOF {
			return true, nil
		}
		tail = append([]byte(nil), chunk[max(0, len(chunk)-3):]...)
		off += int64(n)
	}
	return true, nil
}

func isASCII(b []byte) bool {
	for _, c := range b {
		if c >= 0x80 {
			return false
		}
	}
	return true
}

// toSeven converts the message to 7 bits, and signs it anew: what signatures it has do not
// hold any more.
func (o *Outbound) toSeven(ctx context.Context, t *transaction) (*form, error) {
	// Programs say that they send 8 bits when they only may.
	ascii, err := message.Is7Bit(t.original.reader())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errRead, err)
	}
	if ascii {
		return &t.original, nil
	}
	f, err := o.convert(t.content)
	if err != nil || o.c.Sign == nil {
		return f, err
	}
	from, err := author(t.content)
	if err == nil && !from.IsZero() {
		var prefix string
		prefix, err = o.c.Sign(ctx, from, t.msgs[0].SMTPUTF8, io.NewSectionReader(f.body, 0, f.size))
		f.prefix, f.size = []byte(prefix), f.size+int64(len(prefix))
	}
	if err != nil {
		f.close()
		return nil, fmt.Errorf("%w: %w", errRead, err)
	}
	return f, nil
}

// convert converts a message, in memory or in a file that has no name.
func (o *Outbound) convert(c Content) (*form, error) {
	part, err := message.Parse(io.NewSectionReader(c, 0, c.Size()), message.Limits{})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errRead, err)
	}
	if c.Size() <= o.c.Limits.Memory {
		var buf bytes.Buffer
		if err := message.To7Bit(&buf, part, c); err != nil {
			return nil, err
		}
		return &form{body: bytes.NewReader(buf.Bytes()), size: int64(buf.Len())}, nil
	}
	file, err := os.CreateTemp(o.c.TempDir, "outbound-*")
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errRead, err)
	}
	f := &form{body: file, done: func() {
		file.Close()
		os.Remove(file.Name())
	}}
	w := bufio.NewWriterSize(file, 64<<10)
	err = message.To7Bit(w, part, c)
	if err == nil {
		err = w.Flush()
	}
	if err == nil {
		f.size, err = file.Seek(0, io.SeekCurrent)
	}
	if err != nil {
		f.close()
		return nil, err
	}
	return f, nil
}

// author returns the domain of the From field, zero if there is not exactly one.
func author(c Content) (dns.Domain, error) {
	h, err := message.ReadHeader(bufio.NewReader(io.NewSectionReader(c, 0, c.Size())), maxHeader)
	if err != nil {
		return dns.Domain{}, err
	}
	l, _ := message.Authors(h)
	if len(l) != 1 {
		return dns.Domain{}, nil
	}
	return l[0].Domain, nil
}
