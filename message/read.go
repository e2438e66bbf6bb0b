package message

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/text/encoding"
	"golang.org/x/text/transform"
)

// ErrUnknownCTE says that a part has a Content-Transfer-Encoding that is not known,
// so that its content cannot be decoded. IMAP BINARY answers it with UNKNOWN-CTE.
var ErrUnknownCTE = errors.New("unknown content-transfer-encoding")

// Raw returns header and body of the part as they are in the message ra.
func (p *Part) Raw(ra io.ReaderAt) *io.SectionReader {
	return io.NewSectionReader(ra, p.HeaderStart, p.Size())
}

// Header returns the header of the part, with the empty line after it if there is
// one, as it is in the message ra.
func (p *Part) Header(ra io.ReaderAt) *io.SectionReader {
	return io.NewSectionReader(ra, p.HeaderStart, p.HeaderSize())
}

// Body returns the body of the part as it is in the message ra.
func (p *Part) Body(ra io.ReaderAt) *io.SectionReader {
	return io.NewSectionReader(ra, p.BodyStart, p.BodySize())
}

type transferEncoding uint8

const (
	encodingUnknown transferEncoding = iota
	encodingIdentity
	encodingBase64
	encodingQuotedPrintable
	encodingUU
)

// encodings with the misspellings that are seen.
var encodings = map[string]transferEncoding{
	"": encodingIdentity, "7bit": encodingIdentity, "8bit": encodingIdentity, "binary": encodingIdentity,
	"7-bit": encodingIdentity, "8-bit": encodingIdentity, "7": encodingIdentity, "8": encodingIdentity, "none": encodingIdentity,
	"7bits": encodingIdentity, "8bits": encodingIdentity,
	"base64": encodingBase64, "base-64": encodingBase64, "x-base64": encodingBase64,
	"quoted-printable": encodingQuotedPrintable, "quotedprintable": encodingQuotedPrintable,
	"x-uuencode": encodingUU, "x-uue": encodingUU, "uuencode": encodingUU, "uue": encodingUU, "x-uu": encodingUU,
}

// isEncoded reports whether the encoding, of a message, hides its bytes.
func isEncoded(name string) bool { return encodings[name] > encodingIdentity }

func (p *Part) transferEncoding() transferEncoding {
	// RFC 2045 6.4: multiparts and messages are not encoded, whatever they say.
	if p.IsMultipart() || p.Message != nil {
		return encodingIdentity
	}
	return encodings[p.Encoding]
}

// Decoded returns the body with its Content-Transfer-Encoding decoded. Damaged
// encodings give what can be read of them. The error is [ErrUnknownCTE]; errors while
// reading are only those of ra.
func (p *Part) Decoded(ra io.ReaderAt) (io.Reader, error) {
	e := p.transferEncoding()
	if e == encodingUnknown {
		return nil, fmt.Errorf("%w: %.40q", ErrUnknownCTE, p.Encoding)
	}
	return decoder(p.Body(ra), e), nil
}

func decoder(r *io.SectionReader, e transferEncoding) io.Reader {
	switch e {
	case encodingBase64:
		return newBase64Reader(r)
	case encodingQuotedPrintable:
		return newQPReader(r)
	case encodingUU:
		return newUUReader(r)
	}
	return r
}

// DecodedSize reads all of [Part.Decoded] and returns its size in bytes.
func (p *Part) DecodedSize(ra io.ReaderAt) (int64, error) {
	if p.transferEncoding() == encodingIdentity {
		return p.BodySize(), nil
	}
	return sizeOf(p.Decoded(ra))
}

func sizeOf(r io.Reader, err error) (int64, error) {
	if err != nil {
		return 0, err
	}
	n, err := io.Copy(io.Discard, r)
	if err != nil {
		return 0, fmt.Errorf("reading part: %w", err)
	}
	return n, nil
}

// Binary returns what IMAP's BINARY[section] sends: [Part.Decoded], in text parts with
// CRLF for every line end (RFC 9051 7.5.2).
func (p *Part) Binary(ra io.ReaderAt) (io.Reader, error) {
	r, err := p.Decoded(ra)
	if err == nil && p.IsText() {
		r = transform.NewReader(r, &crlfTransformer{})
	}
	return r, err
}

// BinarySize returns the size of [Part.Binary] in bytes, without keeping it.
func (p *Part) BinarySize(ra io.ReaderAt) (int64, error) {
	if !p.IsText() {
		return p.DecodedSize(ra)
	}
	return sizeOf(p.Binary(ra))
}

// Text returns the decoded body in UTF-8. It never fails on content: an unknown
// encoding is taken as none, an unknown charset as [DecodeCharset] does, invalid bytes
// become U+FFFD. Errors while reading are those of ra.
func (p *Part) Text(ra io.ReaderAt) io.Reader {
	r := decoder(p.Body(ra), p.transferEncoding())
	charset := p.Param("charset")
	if charset == "" && p.Subtype == "html" {
		charset, r = sniffHTMLCharset(r)
	}
	e := lookupCharset(charset)
	if e == nil {
		e = lenient
	}
	return decoded(r, e)
}

// VisibleText is [Part.Text], of HTML through [HTMLText]: what a reader sees.
func (p *Part) VisibleText(ra io.ReaderAt) io.Reader {
	if p.isHTML() {
		return HTMLText(p.Text(ra))
	}
	return p.Text(ra)
}

func (p *Part) isHTML() bool {
	return p.IsText() && (p.Subtype == "html" || p.Subtype == "xhtml") || p.Type == "application" && p.Subtype == "xhtml+xml"
}

// sniffHTMLCharset looks for the charset that the document declares in its first KB.
func sniffHTMLCharset(r io.Reader) (string, io.Reader) {
	var head [1024]byte
	n, err := io.ReadFull(r, head[:])
	b := bytes.ToLower(head[:n])
	rest := io.MultiReader(bytes.NewReader(head[:n]), r)
	if err != nil {
		rest = bytes.NewReader(head[:n])
		if err != io.EOF && err != io.ErrUnexpectedEOF {
			rest = io.MultiReader(rest, errReader{err})
		}
	}
	_, after, ok := bytes.Cut(b, []byte("charset="))
	if !ok {
		return "", rest
	}
	after = bytes.TrimLeft(after, `"'`)
	end := bytes.IndexAny(after, "\"' />;\r\n")
	if end < 0 {
		return "", rest
	}
	label := string(after[:end])
	if strings.HasPrefix(label, "utf-16") || strings.HasPrefix(label, "utf-7") {
		return "", rest // it could not have been read
	}
	return label, rest
}

type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }

// crlfTransformer writes CRLF for each LF that has no CR before it.
type crlfTransformer struct{ cr bool }

func (t *crlfTransformer) Reset() { t.cr = false }

func (t *crlfTransformer) Transform(dst, src []byte, _ bool) (nDst, nSrc int, err error) {
	for nSrc < len(src) {
		n := bytes.IndexByte(src[nSrc:], '\n')
		if n < 0 {
			n = len(src) - nSrc
		}
		if n > 0 {
			n = copy(dst[nDst:], src[nSrc:nSrc+n])
			if n == 0 {
				return nDst, nSrc, transform.ErrShortDst
			}
			nDst, nSrc = nDst+n, nSrc+n
			t.cr = src[nSrc-1] == '\r'
			continue
		}
		if len(dst)-nDst < 2 {
			return nDst, nSrc, transform.ErrShortDst
		}
		if !t.cr {
			dst[nDst] = '\r'
			nDst++
		}
		dst[nDst] = '\n'
		nDst, nSrc, t.cr = nDst+1, nSrc+1, false
	}
	return nDst, nSrc, nil
}

var _ encoding.Encoding = lenient
