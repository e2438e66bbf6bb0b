package message

import (
	"encoding/base64"
	"strings"
	"unicode/utf8"
)

// encodedWord is one =?charset?encoding?text?= of RFC 2047.
type encodedWord struct {
	charset string
	b       bool // encoding B, else Q
	text    string
}

// cutEncodedWord parses the encoded-word that s starts with. Text may hold spaces and
// be of any length, other than in RFC 2047 2. end reports whether s has any "?=" where
// one was looked for; without, no later word of s can be one.
func cutEncodedWord(s string) (w encodedWord, rest string, ok, end bool) {
	if !strings.HasPrefix(s, "=?") {
		return w, s, false, true
	}
	q := strings.IndexByte(s[2:min(len(s), 2+64)], '?')
	if q < 1 || len(s) < 2+q+4 || s[2+q+2] != '?' {
		return w, s, false, true
	}
	// RFC 2231 5: charset*language
	w.charset, _, _ = strings.Cut(s[2:2+q], "*")
	switch s[2+q+1] {
	case 'b', 'B':
		w.b = true
	case 'q', 'Q':
	default:
		return w, s, false, true
	}
	if strings.ContainsAny(w.charset, " \t") {
		return w, s, false, true
	}
	text := s[2+q+3:]
	e := strings.Index(text, "?=")
	if e < 0 {
		return w, s, false, false
	}
	w.text = text[:e]
	return w, text[e+2:], true, true
}

func (w encodedWord) appendBytes(dst []byte) []byte {
	if w.b {
		return appendBase64(dst, w.text)
	}
	for i := 0; i < len(w.text); i++ {
		c := w.text[i]
		switch {
		case c == '_':
			c = ' '
		case c == '=' && i+2 < len(w.text):
			if hi, lo := hexValue(w.text[i+1]), hexValue(w.text[i+2]); hi >= 0 && lo >= 0 {
				c = byte(hi<<4 | lo)
				i += 2
			}
		}
		dst = append(dst, c)
	}
	return dst
}

// appendBase64 decodes base64 leniently: other bytes are skipped, padding may be
// missing or in the middle.
func appendBase64(dst []byte, s string) []byte {
	var acc uint32
	n := 0
	for i := 0; i < len(s); i++ {
		v := base64Table[s[i]]
		if v < 64 {
			acc = acc<<6 | uint32(v)
			if n++; n == 4 {
				dst = append(dst, byte(acc>>16), byte(acc>>8), byte(acc))
				acc, n = 0, 0
			}
		} else if v == base64Pad {
			dst = appendBase64Tail(dst, acc, n)
			acc, n = 0, 0
		}
	}
	return appendBase64Tail(dst, acc, n)
}

// appendBase64Tail appends the bytes of an incomplete group of n characters.
func appendBase64Tail(dst []byte, acc uint32, n int) []byte {
	switch n {
	case 2:
		dst = append(dst, byte(acc>>4))
	case 3:
		dst = append(dst, byte(acc>>10), byte(acc>>2))
	}
	return dst
}

const (
	base64Pad   = 64
	base64Other = 65
)

// base64Table has the value of each byte in base64, base64Pad or base64Other.
var base64Table = func() (t [256]uint8) {
	for i := range t {
		t[i] = base64Other
	}
	for i, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/") {
		t[c] = uint8(i)
	}
	t['='] = base64Pad
	return t
}()

// DecodeWords decodes the encoded-words (RFC 2047) of an unstructured field, or of a
// phrase, and returns valid UTF-8 in one line. White space between encoded-words is
// dropped; a character split over words of one charset is put together; text in an
// unknown charset and bytes outside of words are read as [DecodeCharset] does. What is
// not a valid encoded-word stays as it is.
func DecodeWords(s string) string {
	if !strings.Contains(s, "=?") {
		return oneLine(lenientUTF8(s))
	}
	var out strings.Builder
	var word []byte // decoded bytes in charset
	charset, lastWord := "", false
	flush := func() {
		if len(word) > 0 {
			out.WriteString(DecodeCharset(charset, word))
			word = word[:0]
		}
	}
	for s != "" {
		i := strings.Index(s, "=?")
		if i < 0 {
			break
		}
		w, rest, ok, end := cutEncodedWord(s[i:])
		if !ok {
			if !end {
				break
			}
			flush()
			out.WriteString(lenientUTF8(s[:i+2]))
			s, lastWord = s[i+2:], false
			continue
		}
		// RFC 2047 6.2: white space between two encoded-words is not shown.
		between := s[:i]
		if strings.Trim(between, " \t\r\n") != "" || !lastWord {
			flush()
			out.WriteString(lenientUTF8(between))
		}
		if !strings.EqualFold(w.charset, charset) {
			flush()
			charset = w.charset
		}
		word = w.appendBytes(word)
		s, lastWord = rest, true
	}
	flush()
	out.WriteString(lenientUTF8(s))
	return oneLine(out.String())
}

// oneLine returns s with line ends and NUL as spaces: what was encoded must not become
// a line of its own where it is printed.
func oneLine(s string) string {
	if !strings.ContainsAny(s, "\r\n\x00") {
		return s
	}
	return lineEnds.Replace(s)
}

var lineEnds = strings.NewReplacer("\r\n", " ", "\r", " ", "\n", " ", "\x00", " ")

// RFC 2047 5 (3): what may stand for itself in an encoded-word within a phrase, which
// is safe everywhere.
func isWordByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '!' || c == '*' || c == '+' || c == '-' || c == '/'
}

func needsEncoding(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c >= 0x7f || c < ' ' && c != '\t' {
			return true
		}
	}
	return strings.Contains(s, "=?")
}

// EncodeWords returns text with what is not printable ASCII as encoded-words (RFC 2047)
// in UTF-8, each at most 75 characters and whole characters, separated by spaces, at
// which the field can be folded. Text that needs none is returned as it is. Line ends
// become spaces.
func EncodeWords(text string) string {
	text = oneLine(lenientUTF8(text))
	if !needsEncoding(text) {
		return text
	}
	// From the first to the last word that needs it: white space between encoded-words
	// must be inside of one.
	first, last := len(text), 0
	for i := 0; i < len(text); {
		n := strings.IndexByte(text[i:], ' ')
		if n < 0 {
			n = len(text) - i
		}
		if needsEncoding(text[i : i+n]) {
			first, last = min(first, i), i+n
		}
		i += n + 1
	}
	dst := append(make([]byte, 0, len(text)*2), text[:first]...)
	dst = appendEncodedWords(dst, text[first:last])
	return string(append(dst, text[last:]...))
}

const maxEncodedWord = 75 // RFC 2047 2

// appendEncodedWords appends all of s as encoded-words, in the encoding that is shorter.
func appendEncodedWords(dst []byte, s string) []byte {
	quoted := 0
	for i := 0; i < len(s); i++ {
		if c := s[i]; isWordByte(c) || c == ' ' {
			quoted++
		} else {
			quoted += 3
		}
	}
	const overhead = len("=?utf-8?q??=")
	useB := quoted > (len(s)+2)/3*4
	for first := true; s != ""; first = false {
		n := encodedWordLen(s, useB, maxEncodedWord-overhead)
		if !first {
			dst = append(dst, ' ')
		}
		if useB {
			dst = append(dst, "=?utf-8?b?"...)
			dst = base64.StdEncoding.AppendEncode(dst, []byte(s[:n]))
		} else {
			dst = append(dst, "=?utf-8?q?"...)
			dst = appendQ(dst, s[:n])
		}
		dst = append(dst, "?="...)
		s = s[n:]
	}
	return dst
}

// encodedWordLen returns how many bytes of s, whole characters, fit in room.
func encodedWordLen(s string, useB bool, room int) int {
	size, n := 0, 0
	for n < len(s) {
		_, w := utf8.DecodeRuneInString(s[n:])
		if useB {
			size = (n + w + 2) / 3 * 4
		} else if w == 1 && (isWordByte(s[n]) || s[n] == ' ') {
			size++
		} else {
			size += 3 * w
		}
		if size > room {
			break
		}
		n += w
	}
	return n
}

const upperHex = "0123456789ABCDEF"

func appendQ(dst []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == ' ':
			dst = append(dst, '_')
		case isWordByte(c):
			dst = append(dst, c)
		default:
			dst = append(dst, '=', upperHex[c>>4], upperHex[c&15])
		}
	}
	return dst
}
