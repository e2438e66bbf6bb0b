package imap

import (
	"bytes"
	"encoding/base64"
	"strconv"
	"time"
	"unicode/utf8"
)

// AppendString writes a string: quoted where every octet may be, as a literal
// otherwise. With utf8 set, non-ASCII UTF-8 may be quoted (RFC 6855 3, RFC 9051 9).
func AppendString[S ~string | ~[]byte](b []byte, s S, utf8OK bool) []byte {
	if !quotable(s, utf8OK) {
		return AppendLiteral(b, s)
	}
	b = append(b, '"')
	for i := range len(s) {
		if c := s[i]; c == '"' || c == '\\' {
			b = append(b, '\\')
		}
		b = append(b, s[i])
	}
	return append(b, '"')
}

// Longer strings are literals: some clients have small buffers for quoted strings.
const maxQuoted = 1000

func quotable[S ~string | ~[]byte](s S, utf8OK bool) bool {
	if len(s) > maxQuoted {
		return false
	}
	high := false
	for i := range len(s) {
		c := s[i]
		if c >= 0x80 {
			high = true
		} else if c < 0x20 && c != '\t' || c == 0x7f {
			return false
		}
	}
	return !high || utf8OK && utf8.ValidString(string(s))
}

// AppendLiteral writes a literal. NUL, which a literal cannot hold, is written as
// U+001A; use [AppendLiteral8] where binary data may occur.
func AppendLiteral[S ~string | ~[]byte](b []byte, s S) []byte {
	b = append(b, '{')
	b = strconv.AppendInt(b, int64(len(s)), 10)
	b = append(b, "}\r\n"...)
	at := len(b)
	b = append(b, s...)
	for {
		i := bytes.IndexByte(b[at:], 0)
		if i < 0 {
			return b
		}
		at += i
		b[at] = 0x1a
	}
}

// AppendLiteral8 writes a literal8 (RFC 3516 4.4).
func AppendLiteral8(b, s []byte) []byte {
	b = append(b, "~{"...)
	b = strconv.AppendInt(b, int64(len(s)), 10)
	b = append(b, "}\r\n"...)
	return append(b, s...)
}

// AppendAString writes an astring: an atom where possible, a string otherwise.
func AppendAString(b []byte, s string) []byte {
	if s == "" {
		return append(b, `""`...)
	}
	for i := range len(s) {
		if classes[s[i]]&classAString == 0 {
			return AppendString(b, s, false)
		}
	}
	// NIL as an atom could be read as nstring.
	if len(s) == 3 && upper(s) == "NIL" {
		return append(append(append(b, '"'), s...), '"')
	}
	return append(b, s...)
}

// AppendMailbox writes a mailbox name given in UTF-8: in modified UTF-7 (RFC 3501
// 5.1.3), or as it is when the client has enabled UTF-8.
func AppendMailbox(b []byte, name string, utf8OK bool) []byte {
	if !utf8OK {
		return AppendAString(b, EncodeUTF7(name))
	}
	if isASCII(name) {
		return AppendAString(b, name)
	}
	return AppendString(b, name, true)
}

// AppendFlags writes "(" flags ")".
func AppendFlags(b []byte, flags []string) []byte {
	b = append(b, '(')
	for i, f := range flags {
		if i > 0 {
			b = append(b, ' ')
		}
		b = append(b, f...)
	}
	return append(b, ')')
}

const months = "JanFebMarAprMayJunJulAugSepOctNovDec"

// AppendDateTime writes a quoted date-time in UTC for seconds since the epoch.
func AppendDateTime(b []byte, unix int64) []byte {
	t := time.Unix(unix, 0).UTC()
	year, month, day := t.Date()
	hour, minute, sec := t.Clock()
	b = append(b, '"')
	if day < 10 {
		b = append(b, ' ')
	} else {
		b = append(b, byte('0'+day/10))
	}
	b = append(b, byte('0'+day%10), '-')
	b = append(b, months[3*(month-1):3*month]...)
	b = append(b, '-')
	b = append(b, byte('0'+year/1000%10), byte('0'+year/100%10), byte('0'+year/10%10), byte('0'+year%10), ' ')
	b = append2(b, hour, ':')
	b = append2(b, minute, ':')
	b = append2(b, sec, ' ')
	return append(b, `+0000"`...)
}

func append2(b []byte, n int, after byte) []byte {
	return append(b, byte('0'+n/10), byte('0'+n%10), after)
}

// AppendStatus writes a status response: tag "*" for untagged; code is without
// brackets and may be empty.
func AppendStatus(b []byte, tag, condition, code, text string) []byte {
	b = append(b, tag...)
	b = append(b, ' ')
	b = append(b, condition...)
	b = append(b, ' ')
	if code != "" {
		b = append(b, '[')
		b = append(b, code...)
		b = append(b, "] "...)
	}
	if text == "" {
		text = "-"
	}
	b = AppendText(b, text)
	return append(b, "\r\n"...)
}

// AppendText writes human-readable text on one line: controls become spaces, and
// non-ASCII becomes "?", since clients that have not asked for UTF-8 read it.
func AppendText(b []byte, text string) []byte {
	for _, r := range text {
		switch {
		case r < 0x20 || r == 0x7f:
			b = append(b, ' ')
		case r > 0x7e:
			b = append(b, '?')
		default:
			b = append(b, byte(r))
		}
	}
	return b
}

// AppendBase64 writes a SASL challenge or response.
func AppendBase64(b, data []byte) []byte { return base64.StdEncoding.AppendEncode(b, data) }
