package message

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/ianaindex"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/traditionalchinese"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/encoding/unicode/utf32"
	"golang.org/x/text/transform"
)

// ErrUnknownCharset says that a charset label is not known.
var ErrUnknownCharset = errors.New("unknown charset")

// charsets are labels as seen in mail that the registries miss, or that mail uses
// for a larger charset than the registries say. Labels are written as compactLabel
// makes them.
var charsets = map[string]encoding.Encoding{
	"utf8":            unicode.UTF8,
	"utf8mb4":         unicode.UTF8,
	"unicode11utf8":   unicode.UTF8,
	"usascii":         lenient,
	"ascii":           lenient,
	"usasci":          lenient,
	"7bit":            lenient,
	"8bit":            lenient,
	"unknown":         lenient,
	"unknown8bit":     lenient,
	"default":         lenient,
	"defaultcharset":  lenient,
	"binary":          lenient,
	"ansix341968":     lenient,
	"ansix31101983":   charmap.ISO8859_1, // T.61 by name, Latin-1 in practice
	"iso646us":        lenient,
	"utf7":            utf7Encoding{},
	"unicode11utf7":   utf7Encoding{},
	"xunicode20utf7":  utf7Encoding{},
	"utf16":           unicode.UTF16(unicode.BigEndian, unicode.UseBOM),
	"utf16be":         unicode.UTF16(unicode.BigEndian, unicode.UseBOM),
	"utf16le":         unicode.UTF16(unicode.LittleEndian, unicode.UseBOM),
	"ucs2":            unicode.UTF16(unicode.BigEndian, unicode.UseBOM),
	"unicode":         unicode.UTF16(unicode.LittleEndian, unicode.UseBOM),
	"utf32":           utf32.UTF32(utf32.BigEndian, utf32.UseBOM),
	"utf32be":         utf32.UTF32(utf32.BigEndian, utf32.UseBOM),
	"utf32le":         utf32.UTF32(utf32.LittleEndian, utf32.UseBOM),
	"iso88591":        charmap.Windows1252,
	"88591":           charmap.Windows1252,
	"latin1":          charmap.Windows1252,
	"isolatin1":       charmap.Windows1252,
	"ansi":            charmap.Windows1252,
	"iso88592":        charmap.ISO8859_2,
	"88592":           charmap.ISO8859_2,
	"iso88596e":       charmap.ISO8859_6,
	"iso88596i":       charmap.ISO8859_6,
	"iso88598e":       charmap.ISO8859_8,
	"iso88598i":       charmap.ISO8859_8I,
	"iso88598logical": charmap.ISO8859_8I,
	"iso88599":        charmap.Windows1254,
	"iso885911":       charmap.Windows874,
	"tis620":          charmap.Windows874,
	"iso885915":       charmap.ISO8859_15,
	"885915":          charmap.ISO8859_15,
	"latin9":          charmap.ISO8859_15,
	"koi8":            charmap.KOI8R,
	"koi8ru":          charmap.KOI8U,
	"macroman":        charmap.Macintosh,
	"applemacintosh":  charmap.Macintosh,
	"maccyrillic":     charmap.MacintoshCyrillic,
	"gb2312":          simplifiedchinese.GB18030,
	"gb231280":        simplifiedchinese.GB18030,
	"euccn":           simplifiedchinese.GB18030,
	"gb":              simplifiedchinese.GB18030,
	"gbk":             simplifiedchinese.GB18030,
	"xgbk":            simplifiedchinese.GB18030,
	"cp936":           simplifiedchinese.GB18030,
	"ms936":           simplifiedchinese.GB18030,
	"windows936":      simplifiedchinese.GB18030,
	"gb18030":         simplifiedchinese.GB18030,
	"hzgb2312":        simplifiedchinese.HZGB2312,
	"hz":              simplifiedchinese.HZGB2312,
	"big5":            traditionalchinese.Big5,
	"big5hkscs":       traditionalchinese.Big5,
	"big5eten":        traditionalchinese.Big5,
	"cp950":           traditionalchinese.Big5,
	"ksc56011987":     korean.EUCKR,
	"ksc56011992":     korean.EUCKR,
	"ksc5601":         korean.EUCKR,
	"ks5601":          korean.EUCKR,
	"kscmb":           korean.EUCKR,
	"euckr":           korean.EUCKR,
	"cp949":           korean.EUCKR,
	"uhc":             korean.EUCKR,
	"ms949":           korean.EUCKR,
	"windows949":      korean.EUCKR,
	"iso2022kr":       iso2022KR{},
	"iso2022jp":       japanese.ISO2022JP,
	"iso2022jp1":      japanese.ISO2022JP,
	"iso2022jp2":      japanese.ISO2022JP,
	"iso2022jpms":     japanese.ISO2022JP,
	"cp50220":         japanese.ISO2022JP,
	"cp50221":         japanese.ISO2022JP,
	"jis":             japanese.ISO2022JP,
	"shiftjis":        japanese.ShiftJIS,
	"sjis":            japanese.ShiftJIS,
	"mskanji":         japanese.ShiftJIS,
	"cp932":           japanese.ShiftJIS,
	"ms932":           japanese.ShiftJIS,
	"windows31j":      japanese.ShiftJIS,
	"eucjp":           japanese.EUCJP,
	"ujis":            japanese.EUCJP,
	"cp037":           charmap.CodePage037,
	"cp437":           charmap.CodePage437,
	"cp850":           charmap.CodePage850,
	"cp852":           charmap.CodePage852,
	"cp855":           charmap.CodePage855,
	"cp858":           charmap.CodePage858,
	"cp860":           charmap.CodePage860,
	"cp862":           charmap.CodePage862,
	"cp863":           charmap.CodePage863,
	"cp865":           charmap.CodePage865,
	"cp866":           charmap.CodePage866,
	"cp874":           charmap.Windows874,
	"cp1250":          charmap.Windows1250,
	"cp1251":          charmap.Windows1251,
	"cp1252":          charmap.Windows1252,
	"cp1253":          charmap.Windows1253,
	"cp1254":          charmap.Windows1254,
	"cp1255":          charmap.Windows1255,
	"cp1256":          charmap.Windows1256,
	"cp1257":          charmap.Windows1257,
	"cp1258":          charmap.Windows1258,
}

// iso2022KR is ISO-2022-KR (RFC 1557): EUC-KR in 7 bits, between SO and SI.
type iso2022KR struct{}

func (iso2022KR) NewDecoder() *encoding.Decoder {
	return &encoding.Decoder{Transformer: transform.Chain(&shiftTransformer{}, korean.EUCKR.NewDecoder())}
}

func (iso2022KR) NewEncoder() *encoding.Encoder { return encoding.Nop.NewEncoder() }

// shiftTransformer sets the high bit between SO and SI, and drops the designation
// ESC $ ) C.
type shiftTransformer struct{ out bool }

func (t *shiftTransformer) Reset() { t.out = false }

func (t *shiftTransformer) Transform(dst, src []byte, atEOF bool) (nDst, nSrc int, err error) {
	const designation = "\x1b$)C"
	for nSrc < len(src) {
		if nDst == len(dst) {
			return nDst, nSrc, transform.ErrShortDst
		}
		c := src[nSrc]
		rest := src[nSrc:min(len(src), nSrc+len(designation))]
		switch {
		case c == 0x0e || c == 0x0f:
			t.out = c == 0x0e
			nSrc++
			continue
		case string(rest) == designation:
			nSrc += len(designation)
			continue
		case c == 0x1b && !atEOF && strings.HasPrefix(designation, string(rest)):
			return nDst, nSrc, transform.ErrShortSrc
		case c == '\r' || c == '\n':
			t.out = false // RFC 1557: a line starts in ASCII
		case t.out && c > ' ' && c < 0x7f:
			c |= 0x80
		}
		dst[nDst] = c
		nDst++
		nSrc++
	}
	return nDst, nSrc, nil
}

// compactLabel returns the letters and digits of a label in lower case, without the
// prefixes that stand for a code page.
func compactLabel(label string) string {
	b := make([]byte, 0, 32)
	for i := 0; i < len(label) && len(b) < 32; i++ {
		c := lowerByte(label[i])
		if 'a' <= c && c <= 'z' || '0' <= c && c <= '9' {
			b = append(b, c)
		}
	}
	s := string(b)
	for _, prefix := range []string{"ibm", "windows", "win", "microsoftcp", "xcp", "xwindows", "dos", "xmac", "cscp", "csibm", "ansi"} {
		rest, ok := strings.CutPrefix(s, prefix)
		if ok && rest != "" && rest[0] >= '0' && rest[0] <= '9' {
			return "cp" + rest
		}
	}
	return s
}

// lookupCharset returns the encoding with that label, nil if it is not known.
func lookupCharset(label string) encoding.Encoding {
	label = strings.Trim(label, " \t\"'<>;")
	if len(label) == 0 || len(label) > 64 {
		return nil
	}
	compact := compactLabel(label)
	if e, ok := charsets[compact]; ok {
		return e
	}
	if e, ok := charsets[strings.TrimPrefix(compact, "x")]; ok {
		return e
	}
	if e, err := htmlindex.Get(label); err == nil && e != encoding.Replacement {
		return e
	}
	if e, err := ianaindex.MIME.Encoding(label); err == nil && e != nil {
		return e
	}
	if e, err := ianaindex.IANA.Encoding(label); err == nil && e != nil {
		return e
	}
	// "ISO_8859-5:1988", "iso8859-7"
	if rest, ok := strings.CutPrefix(compact, "iso8859"); ok && rest != "" {
		for _, n := range []int{2, 1} {
			if len(rest) >= n {
				if e, err := htmlindex.Get("iso-8859-" + rest[:n]); err == nil {
					return e
				}
			}
		}
	}
	return nil
}

// CharsetReader returns a reader of the text of r, which is in the charset, in UTF-8.
// Invalid bytes become U+FFFD. The error is [ErrUnknownCharset].
func CharsetReader(charset string, r io.Reader) (io.Reader, error) {
	e := lookupCharset(charset)
	if e == nil {
		return nil, fmt.Errorf("%w: %.40q", ErrUnknownCharset, charset)
	}
	return decoded(r, e), nil
}

// DecodeCharset returns b, text in the charset, in UTF-8. Invalid bytes become
// U+FFFD. Text in an unknown or no charset is taken as UTF-8, and what is not valid in
// it as windows-1252.
func DecodeCharset(charset string, b []byte) string {
	e := lookupCharset(charset)
	if e == nil {
		e = lenient
	}
	if (e == lenient || e == unicode.UTF8) && utf8.Valid(b) {
		return string(b)
	}
	out, err := e.NewDecoder().Bytes(b)
	if err != nil {
		return lenientUTF8(string(b))
	}
	return string(out)
}

// lenientUTF8 returns s as valid UTF-8, what is not valid taken as windows-1252.
func lenientUTF8(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s) + 16)
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 {
			r = charmap.Windows1252.DecodeByte(s[i])
		}
		b.WriteRune(r)
		i += n
	}
	return b.String()
}

// lenient is the charset of text whose charset is not known: UTF-8, and windows-1252
// for bytes that are not.
var lenient encoding.Encoding = lenientEncoding{}

type lenientEncoding struct{}

func (lenientEncoding) NewDecoder() *encoding.Decoder {
	return &encoding.Decoder{Transformer: lenientTransformer{}}
}

func (lenientEncoding) NewEncoder() *encoding.Encoder { return encoding.Nop.NewEncoder() }

type lenientTransformer struct{ transform.NopResetter }

func (lenientTransformer) Transform(dst, src []byte, atEOF bool) (nDst, nSrc int, err error) {
	for nSrc < len(src) {
		// Runs of ASCII.
		for nSrc < len(src) && src[nSrc] < utf8.RuneSelf {
			if nDst == len(dst) {
				return nDst, nSrc, transform.ErrShortDst
			}
			dst[nDst] = src[nSrc]
			nDst++
			nSrc++
		}
		if nSrc == len(src) {
			break
		}
		if !atEOF && !utf8.FullRune(src[nSrc:]) {
			return nDst, nSrc, transform.ErrShortSrc
		}
		r, n := utf8.DecodeRune(src[nSrc:])
		if r == utf8.RuneError && n == 1 {
			r = charmap.Windows1252.DecodeByte(src[nSrc])
		}
		if nDst+utf8.RuneLen(r) > len(dst) {
			return nDst, nSrc, transform.ErrShortDst
		}
		nDst += utf8.EncodeRune(dst[nDst:], r)
		nSrc += n
	}
	return nDst, nSrc, nil
}
