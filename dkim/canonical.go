package dkim

import "bytes"

// Canonicalization is how a header or body is prepared for hashing (RFC 6376 3.4).
type Canonicalization string

// The canonicalizations.
const (
	Simple  Canonicalization = "simple"  // as it is
	Relaxed Canonicalization = "relaxed" // white space and case of names do not matter
)

func (c Canonicalization) valid() bool { return c == Simple || c == Relaxed }

// AppendField appends the canonical form of a header field (RFC 6376 3.4.1, 3.4.2) with
// its final CRLF. LF alone is a line end.
func AppendField(dst, raw []byte, c Canonicalization) []byte {
	if c == Relaxed {
		return append(appendRelaxed(dst, raw, nil), "\r\n"...)
	}
	return append(appendSimple(dst, raw, nil), "\r\n"...)
}

// AppendSignatureField appends the canonical form of the signature field itself: with an
// empty b= and without the final CRLF (RFC 6376 3.7).
func AppendSignatureField(dst, raw []byte, c Canonicalization) []byte {
	before, after := cutSignature(raw)
	if c == Relaxed {
		return appendRelaxed(dst, before, after)
	}
	return appendSimple(dst, before, after)
}

// cutSignature returns what of a signature field is before and after the value of b=.
func cutSignature(raw []byte) (before, after []byte) {
	start := bytes.IndexByte(raw, ':') + 1
	for start < len(raw) {
		end := len(raw)
		if i := bytes.IndexByte(raw[start:], ';'); i >= 0 {
			end = start + i
		}
		if eq := bytes.IndexByte(raw[start:end], '='); eq >= 0 && string(bytes.Trim(raw[start:start+eq], fws)) == "b" {
			return raw[:start+eq+1], raw[end:]
		}
		start = end + 1
	}
	return raw, nil
}

// appendRelaxed appends the field that before and after make together.
func appendRelaxed(dst, before, after []byte) []byte {
	colon := bytes.IndexByte(before, ':')
	for _, c := range bytes.TrimRight(before[:max(colon, 0)], fws) {
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		dst = append(dst, c)
	}
	dst = append(dst, ':')
	start := len(dst)
	space := false
	for _, part := range [2][]byte{before[colon+1:], after} {
		for i, c := range part {
			switch {
			case c == ' ' || c == '\t':
				space = true
				continue
			case c == '\n' || c == '\r' && i+1 < len(part) && part[i+1] == '\n':
				continue
			}
			if space && len(dst) > start {
				dst = append(dst, ' ')
			}
			space = false
			dst = append(dst, c)
		}
	}
	return dst
}

// appendSimple appends the field that before and after make together, without its final
// line end.
func appendSimple(dst, before, after []byte) []byte {
	if after == nil {
		before = trimLineEnd(before)
	} else {
		after = trimLineEnd(after)
	}
	for _, part := range [2][]byte{before, after} {
		for i, c := range part {
			if c == '\n' && (i == 0 || part[i-1] != '\r') {
				dst = append(dst, '\r')
			}
			dst = append(dst, c)
		}
	}
	return dst
}

func trimLineEnd(b []byte) []byte {
	if n := len(b); n > 0 && b[n-1] == '\n' {
		b = b[:n-1]
		if n > 1 && b[n-2] == '\r' {
			b = b[:n-2]
		}
	}
	return b
}
