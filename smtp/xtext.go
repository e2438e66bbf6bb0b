package smtp

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

const upperHex = "0123456789ABCDEF"

// EncodeXtext encodes s as xtext (RFC 3461 4).
func EncodeXtext(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c < '!' || c > '~' || c == '+' || c == '=' {
			b.WriteByte('+')
			b.WriteByte(upperHex[c>>4])
			b.WriteByte(upperHex[c&15])
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// DecodeXtext decodes xtext. It fails on anything else than xtext.
func DecodeXtext(s string) (string, error) {
	bad := errors.New("bad xtext")
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '+' {
			if i+2 >= len(s) {
				return "", bad
			}
			hi, lo := strings.IndexByte(upperHex, s[i+1]), strings.IndexByte(upperHex, s[i+2])
			if hi < 0 || lo < 0 {
				return "", bad
			}
			c = byte(hi<<4 | lo)
			i += 2
		} else if c < '!' || c > '~' || c == '=' {
			return "", bad
		}
		b.WriteByte(c)
	}
	return b.String(), nil
}

// EncodeUTF8Xtext encodes s as utf-8-addr-xtext (RFC 6533 3), in ASCII.
func EncodeUTF8Xtext(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r < '!' || r > '~' || r == '+' || r == '=' || r == '\\' {
			fmt.Fprintf(&b, `\x{%02X}`, r)
		} else {
			b.WriteByte(byte(r))
		}
	}
	return b.String()
}

// DecodeUTF8Xtext decodes utf-8-addr-xtext and utf-8-addr-unitext: the first escapes
// what is not ASCII, the second does not.
func DecodeUTF8Xtext(s string) (string, error) {
	bad := errors.New("bad utf-8 address")
	if !utf8.ValidString(s) {
		return "", bad
	}
	var b strings.Builder
	for len(s) > 0 {
		if rest, ok := strings.CutPrefix(s, `\x{`); ok {
			hex, rest, ok := strings.Cut(rest, "}")
			if !ok || len(hex) < 2 || len(hex) > 6 || strings.Trim(hex, upperHex) != "" {
				return "", bad
			}
			n, err := strconv.ParseUint(hex, 16, 32)
			if err != nil || n > utf8.MaxRune || !utf8.ValidRune(rune(n)) {
				return "", bad
			}
			b.WriteRune(rune(n))
			s = rest
			continue
		}
		if c := s[0]; c < '!' || c == '\\' || c == '+' || c == '=' || c == 0x7f {
			return "", bad
		}
		b.WriteByte(s[0])
		s = s[1:]
	}
	return b.String(), nil
}
