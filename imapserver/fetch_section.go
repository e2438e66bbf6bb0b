package imapserver

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"

	"mox/imap"
	"mox/message"
	"mox/store"
)

// maxHeader is how much of a header HEADER.FIELDS looks at.
const maxHeader = 16 << 20

// storedHeaders reports whether a section can be answered from the stored common
// header fields.
func storedHeaders(sec *imap.Section) bool {
	return sec.Spec == imap.SectionHeaderFields && len(sec.Part) == 0 &&
		!slices.ContainsFunc(sec.Fields, func(f string) bool { return !store.CommonHeader(f) })
}

// appendSection writes BODY[...] and the RFC822 items, RFC 9051 6.4.5.1.
func (f *fetcher) appendSection(b []byte, _ *entry, a *imap.FetchAtt) ([]byte, error) {
	b = append(a.AppendLabel(b), ' ')
	sec := &a.Section
	switch {
	case isWhole(a):
		return f.appendRange(b, 0, f.body.Size(), a.Partial)
	case f.r != nil && f.r.HasHeaders && f.isStored(a):
		f.lines = f.stored[a].AppendFields(f.lines[:0], f.r.Headers, false)
		return appendData(b, f.lines, a.Partial), nil
	case sec.Spec == imap.SectionHeaderFields, sec.Spec == imap.SectionHeaderFieldsNot:
		header, ok, err := f.header(sec.Part)
		if err != nil || !ok {
			return append(b, "NIL"...), err
		}
		f.lines = message.AppendHeaderFields(f.lines[:0], header, sec.Fields, sec.Spec == imap.SectionHeaderFieldsNot)
		if lone, err := f.lone(sec.Part, header); err != nil {
			return b, err
		} else if lone {
			f.lines = bytes.TrimSuffix(f.lines, []byte("\r\n"))
		}
		return appendData(b, f.lines, a.Partial), nil
	}
	start, end, ok, err := f.sectionRange(sec.Part, specifiers[sec.Spec])
	if err != nil || !ok {
		return append(b, "NIL"...), err
	}
	return f.appendRange(b, start, end, a.Partial)
}

// isStored is storedHeaders, asked once for an item and not for each message.
func (f *fetcher) isStored(a *imap.FetchAtt) bool {
	names, ok := f.stored[a]
	if !ok {
		if f.stored == nil {
			f.stored = map[*imap.FetchAtt]*message.FieldNames{}
		}
		if storedHeaders(&a.Section) {
			names = message.NewFieldNames(a.Section.Fields)
		}
		f.stored[a] = names
	}
	return names != nil
}

var specifiers = [...]message.Specifier{
	imap.SectionAll:             message.SpecifierNone,
	imap.SectionHeader:          message.SpecifierHeader,
	imap.SectionHeaderFields:    message.SpecifierHeader,
	imap.SectionHeaderFieldsNot: message.SpecifierHeader,
	imap.SectionText:            message.SpecifierText,
	imap.SectionMIME:            message.SpecifierMIME,
}

// tree returns the part tree of the message.
func (f *fetcher) tree() (*message.Part, error) {
	if f.part == nil {
		p, err := message.DecodePart(f.r.Parts)
		if err != nil {
			return nil, fmt.Errorf("decoding part tree of body %d: %w", f.r.Body, err)
		}
		f.part = p
	}
	return f.part, nil
}

// sectionRange returns the octets of a section in the whole message.
func (f *fetcher) sectionRange(path []int, spec message.Specifier) (start, end int64, ok bool, err error) {
	p, err := f.tree()
	if err != nil {
		return 0, 0, false, err
	}
	start, end, ok = p.SectionRange(path, spec)
	return start, end, ok, nil
}

// header reads the header of a message or part.
func (f *fetcher) header(path []int) (header []byte, ok bool, err error) {
	start, end, ok, err := f.sectionRange(path, message.SpecifierHeader)
	if err != nil || !ok {
		return nil, false, err
	}
	var buf bytes.Buffer
	if _, err := f.body.CopyRange(&buf, start, min(end-start, maxHeader)); err != nil {
		return nil, false, fmt.Errorf("reading header: %w", err)
	}
	return buf.Bytes(), true, nil
}

// lone reports whether a message has a header and nothing after it, not even an empty line:
// then its chosen fields have no empty line at the end either, RFC 9051 6.4.5.1.
func (f *fetcher) lone(path []int, header []byte) (bool, error) {
	h := bytes.ReplaceAll(header[max(0, len(header)-4):], []byte("\r\n"), []byte("\n"))
	if bytes.Equal(h, []byte("\n")) || bytes.HasSuffix(h, []byte("\n\n")) {
		return false, nil
	}
	start, end, ok, err := f.sectionRange(path, message.SpecifierText)
	return ok && start == end, err
}

// clip applies a partial to n octets.
func clip(n int64, p *imap.Partial) (off, count int64) {
	if p == nil {
		return 0, n
	}
	off = min(p.Offset, n)
	return off, min(p.Count, n-off)
}

// appendData writes octets as a literal, or as far as the partial asks.
func appendData(b, data []byte, p *imap.Partial) []byte {
	off, count := clip(int64(len(data)), p)
	b = literalHead(b, count)
	at := len(b)
	b = append(b, data[off:off+count]...)
	withoutNUL(b[at:])
	return b
}

func literalHead(b []byte, n int64) []byte {
	b = append(b, '{')
	b = strconv.AppendInt(b, n, 10)
	return append(b, "}\r\n"...)
}

// appendRange writes octets of the message as a literal, streaming.
func (f *fetcher) appendRange(b []byte, start, end int64, p *imap.Partial) ([]byte, error) {
	return f.copyRange(b, literalWriter{bodyWriter{f.s}}, start, end, p)
}

// copyRange is appendRange by way of w.
func (f *fetcher) copyRange(b []byte, w io.Writer, start, end int64, p *imap.Partial) ([]byte, error) {
	off, count := clip(end-start, p)
	f.s.out = literalHead(b, count)
	n, err := f.body.CopyRange(w, start+off, count)
	return f.s.output(), brokenLiteral(n, count, err)
}

// withoutNUL replaces each NUL, of which a literal can have none (RFC 9051 9, CHAR8): only a
// literal8, which is for BINARY. Messages may well have some, those with
// Content-Transfer-Encoding binary above all. 0x80 is what clients get from other servers
// too; the size stays the same.
func withoutNUL(b []byte) {
	for {
		i := bytes.IndexByte(b, 0)
		if i < 0 {
			return
		}
		b[i] = 0x80
		b = b[i+1:]
	}
}

// literalWriter writes what a literal may have.
type literalWriter struct{ w bodyWriter }

func (w literalWriter) Write(p []byte) (int, error) {
	if bytes.IndexByte(p, 0) < 0 {
		return w.w.Write(p)
	}
	// p belongs to who calls: the replacing is done in the output buffer.
	s, n := w.w.s, 0
	for n < len(p) {
		b := s.output()
		at := len(b)
		b = append(b, p[n:min(len(p), n+outputFull)]...)
		withoutNUL(b[at:])
		n += len(b) - at
		s.out = b
		if err := s.spill(); err != nil {
			return n, err
		}
	}
	return n, nil
}

// brokenLiteral is the error after writing a literal: when it is not whole nothing
// can follow it, and the connection is lost.
func brokenLiteral(n, want int64, err error) error {
	if err == nil && n != want {
		err = io.ErrUnexpectedEOF
	}
	if err == nil || errors.Is(err, errWrite) {
		return err
	}
	return &errClose{err: fmt.Errorf("sending message: %w", err)}
}

// binaryPart finds the part of a BINARY item; nil with ok is the whole message.
func (f *fetcher) binaryPart(path []int) (p *message.Part, ok bool, err error) {
	root, err := f.tree()
	if err != nil || len(path) == 0 {
		return nil, err == nil, err
	}
	p = root.Section(path)
	return p, p != nil, nil
}

// decodable checks that every BINARY item of the plan can be decoded, before the
// response has begun. RFC 3516 4.2: otherwise the command fails with UNKNOWN-CTE.
func (f *fetcher) decodable() bool {
	for i := range f.p.atts {
		a := &f.p.atts[i]
		if a.Kind != imap.FetchBinary && a.Kind != imap.FetchBinarySize {
			continue
		}
		p, ok, err := f.binaryPart(a.Section.Part)
		if err != nil || !ok || p == nil {
			continue
		}
		if _, err := p.Binary(f.body); errors.Is(err, message.ErrUnknownCTE) {
			return false
		}
	}
	return true
}

// appendBinary writes BINARY[...], RFC 3516 4.2: decoded, as literal8.
func (f *fetcher) appendBinary(b []byte, _ *entry, a *imap.FetchAtt) ([]byte, error) {
	b = append(a.AppendLabel(b), ' ')
	p, ok, err := f.binaryPart(a.Section.Part)
	if err != nil || !ok {
		return append(b, "NIL"...), err
	}
	if p == nil {
		return f.copyRange(append(b, '~'), bodyWriter{f.s}, 0, f.body.Size(), a.Partial)
	}
	size, err := p.BinarySize(f.body)
	if err != nil {
		return b, fmt.Errorf("decoding part: %w", err)
	}
	r, err := p.Binary(f.body)
	if err != nil {
		return b, fmt.Errorf("decoding part: %w", err)
	}
	off, count := clip(size, a.Partial)
	if _, err := io.CopyN(io.Discard, r, off); err != nil {
		return b, fmt.Errorf("decoding part: %w", err)
	}
	f.s.out = literalHead(append(b, '~'), count)
	n, err := io.CopyN(bodyWriter{f.s}, r, count)
	return f.s.output(), brokenLiteral(n, count, err)
}

// appendBinarySize writes BINARY.SIZE[...], RFC 3516 4.3.
func (f *fetcher) appendBinarySize(b []byte, _ *entry, a *imap.FetchAtt) ([]byte, error) {
	b = append(a.AppendLabel(b), ' ')
	p, ok, err := f.binaryPart(a.Section.Part)
	if err != nil {
		return b, err
	}
	size := int64(0)
	switch {
	case !ok:
	case p == nil:
		size = f.body.Size()
	default:
		if size, err = p.BinarySize(f.body); err != nil {
			return b, fmt.Errorf("decoding part: %w", err)
		}
	}
	return strconv.AppendInt(b, size, 10), nil
}
