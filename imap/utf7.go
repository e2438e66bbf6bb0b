package imap

import (
	"encoding/base64"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// RFC 3501 5.1.3: modified base64 has "," for "/" and no padding.
var utf7Encoding = base64.NewEncoding("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,").WithPadding(base64.NoPadding)

// EncodeUTF7 returns a mailbox name in modified UTF-7 (RFC 3501 5.1.3). Bytes that
// are not valid UTF-8 become U+FFFD.
func EncodeUTF7(name string) string {
	if isPlainUTF7(name) {
		return name
	}
	var b strings.Builder
	var run []byte
	flush := func() {
		if len(run) > 0 {
			b.WriteByte('&')
			b.WriteString(utf7Encoding.EncodeToString(run))
			b.WriteByte('-')
			run = run[:0]
		}
	}
	for _, r := range name {
		if r >= 0x20 && r <= 0x7e {
			flush()
			b.WriteByte(byte(r))
			if r == '&' {
				b.WriteByte('-')
			}
			continue
		}
		for _, u := range utf16.AppendRune(nil, r) {
			run = append(run, byte(u>>8), byte(u))
		}
	}
	flush()
	return b.String()
}

func isPlainUTF7(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c > 0x7e || c == '&' {
			return false
		}
	}
	return true
}

// DecodeUTF7 returns the UTF-8 of a name in modified UTF-7; ok is false when the
// name is not well formed: 8-bit characters, bad base64, lone surrogates, or an
// encoding that [EncodeUTF7] would not produce (RFC 3501 5.1.3 allows one only).
func DecodeUTF7(s string) (name string, ok bool) {
	if isPlainUTF7(s) {
		return s, true
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		c := s[i]
		if c < 0x20 || c > 0x7e {
			return "", false
		}
		i++
		if c != '&' {
			b.WriteByte(c)
			continue
		}
		end := strings.IndexByte(s[i:], '-')
		if end < 0 {
			return "", false
		}
		if end == 0 {
			b.WriteByte('&')
			i++
			continue
		}
		raw, err := utf7Encoding.DecodeString(s[i : i+end])
		if err != nil || len(raw)%2 != 0 || !decodeUTF16(&b, raw) {
			return "", false
		}
		i += end + 1
	}
	name = b.String()
	return name, EncodeUTF7(name) == s
}

func decodeUTF16(b *strings.Builder, raw []byte) bool {
	for i := 0; i < len(raw); i += 2 {
		r := rune(raw[i])<<8 | rune(raw[i+1])
		if utf16.IsSurrogate(r) {
			if i+3 >= len(raw) {
				return false
			}
			r = utf16.DecodeRune(r, rune(raw[i+2])<<8|rune(raw[i+3]))
			if r == utf8.RuneError {
				return false
			}
			i += 2
		}
		b.WriteRune(r)
	}
	return true
}
