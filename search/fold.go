package search

import (
	"bytes"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Fold returns the form of s in which texts and needles are compared, the collation
// of this package. A needle is contained in a text when Fold(needle) is a substring of
// Fold(text). It is close to i;unicode-casemap (RFC 5051) and to the toNFKC_Casefold of
// Unicode:
//
//   - compatibility decomposition with marks in canonical order, so that all ways to
//     write a letter with marks are one, and "e" is contained in "é"; but syllables of
//     Hangul and voiced kana are composed, because their parts are other letters;
//   - no difference of case ("ß" is "ss");
//   - no default-ignorable code points: soft hyphens, joiners, zero-width spaces,
//     variation selectors, direction marks;
//   - CR LF and CR are LF. White space is otherwise kept as it is, except that
//     decomposition makes no-break and other spaces the one of ASCII.
//
// Bytes that are not UTF-8 become U+FFFD.
func Fold(s string) string {
	if foldsToItself(s) {
		return s
	}
	var f folder
	b := f.append(make([]byte, 0, len(s)+len(s)/8), []byte(s))
	return string(f.flush(b))
}

func foldsToItself(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c >= utf8.RuneSelf || c == '\r' || 'A' <= c && c <= 'Z' {
			return false
		}
	}
	return true
}

// maxMarks bounds the marks on one letter that are brought into order.
const maxMarks = 32

// folder is [Fold] for text that comes in pieces, cut anywhere. The zero value is
// ready. It never holds back more than a letter and its marks.
type folder struct {
	partial [utf8.UTFMax]byte // of a rune whose rest has not come yet
	n       int               // bytes in partial
	cr      bool              // the last byte was CR
	base    rune              // a letter that the next rune may compose with; 0: none
	marks   [maxMarks]mark
	nmarks  int
}

type mark struct {
	r     rune // folded
	class uint8
}

// append folds src and appends what is certain of the result to dst.
func (f *folder) append(dst, src []byte) []byte {
	for f.n > 0 && len(src) > 0 {
		f.partial[f.n] = src[0]
		f.n++
		src = src[1:]
		dst = f.complete(dst)
	}
	table := foldTable()
	for i := 0; i < len(src); {
		if src[i] < utf8.RuneSelf {
			n := asciiLen(src[i:])
			dst = f.ascii(dst, src[i:i+n])
			i += n
			continue
		}
		r, size := utf8.DecodeRune(src[i:])
		if r == utf8.RuneError && size == 1 && !utf8.FullRune(src[i:]) {
			f.n = copy(f.partial[:], src[i:])
			return dst
		}
		i += size
		if int(r) < len(table) && table[r].base != 0 {
			e := &table[r]
			dst = f.release(dst)
			f.cr = false
			dst = utf8.AppendRune(dst, rune(e.base))
			if e.mark != 0 {
				f.marks[0], f.nmarks = mark{rune(e.mark), e.class}, 1
			}
			continue
		}
		dst = f.rune(dst, r)
	}
	return dst
}

// complete folds the runes that partial has. One that turned out to be invalid may leave
// bytes that begin the next, or are ASCII.
func (f *folder) complete(dst []byte) []byte {
	for f.n > 0 && utf8.FullRune(f.partial[:f.n]) {
		var b [utf8.UTFMax]byte
		r, size := utf8.DecodeRune(f.partial[:f.n])
		copy(b[:], f.partial[:size])
		f.n = copy(f.partial[:], f.partial[size:f.n])
		if r < utf8.RuneSelf {
			dst = f.ascii(dst, b[:1])
		} else {
			dst = f.rune(dst, r)
		}
	}
	return dst
}

func asciiLen(b []byte) int {
	for i, c := range b {
		if c >= utf8.RuneSelf {
			return i
		}
	}
	return len(b)
}

// ascii folds bytes of ASCII.
func (f *folder) ascii(dst, src []byte) []byte {
	if f.nmarks > 0 || f.base != 0 {
		dst = f.release(dst)
	}
	if f.cr && src[0] == '\n' {
		src = src[1:]
	}
	f.cr = false
	start := len(dst)
	dst = append(dst, src...)
	tail := dst[start:]
	for i, c := range tail {
		if 'A' <= c && c <= 'Z' {
			tail[i] = c + 'a' - 'A'
		}
	}
	if bytes.IndexByte(tail, '\r') < 0 {
		return dst
	}
	f.cr = tail[len(tail)-1] == '\r'
	out := start
	for i, c := range tail {
		switch {
		case c == '\r':
			c = '\n'
		case c == '\n' && i > 0 && src[i-1] == '\r':
			continue
		}
		dst[out] = c
		out++
	}
	return dst[:out]
}

// flush ends the text: it appends what was held back, and makes the folder as new.
func (f *folder) flush(dst []byte) []byte {
	for ; f.n > 0; f.n-- {
		dst = f.rune(dst, utf8.RuneError)
	}
	dst = f.release(dst)
	f.cr = false
	return dst
}

// rune folds a rune that is not ASCII.
func (f *folder) rune(dst []byte, r rune) []byte {
	f.cr = false
	if 0x4E00 <= r && r <= 0x9FFF { // unified ideographs fold to themselves
		return utf8.AppendRune(f.release(dst), r)
	}
	if ignorable(r) {
		return dst
	}
	if isHangulSyllable(r) {
		return f.push(dst, r, 0)
	}
	var b [utf8.UTFMax]byte
	p := norm.NFKD.Properties(b[:utf8.EncodeRune(b[:], r)])
	d := p.Decomposition()
	if d == nil {
		return f.push(dst, r, p.CCC())
	}
	for len(d) > 0 {
		r, size := utf8.DecodeRune(d)
		q := norm.NFKD.Properties(d[:size])
		d = d[size:]
		if !ignorable(r) {
			dst = f.push(dst, r, q.CCC())
		}
	}
	return dst
}

// push takes a decomposed rune with its canonical combining class.
func (f *folder) push(dst []byte, r rune, class uint8) []byte {
	if f.base != 0 && f.nmarks == 0 {
		if c := compose(f.base, r); c != 0 {
			f.base = c
			return dst
		}
	}
	if class == 0 {
		dst = f.release(dst)
		if composable(r) {
			f.base = r
			return dst
		}
		return appendFolded(dst, r)
	}
	if f.nmarks == maxMarks {
		dst = f.release(dst)
	}
	// Canonical ordering: a stable sort by class.
	i := f.nmarks
	for ; i > 0 && f.marks[i-1].class > class; i-- {
		f.marks[i] = f.marks[i-1]
	}
	f.marks[i] = mark{foldRune(r), class}
	f.nmarks++
	return dst
}

// release appends the letter and the marks that were held back.
func (f *folder) release(dst []byte) []byte {
	if f.base != 0 {
		dst = appendFolded(dst, f.base)
		f.base = 0
	}
	for _, m := range f.marks[:f.nmarks] {
		dst = utf8.AppendRune(dst, m.r)
	}
	f.nmarks = 0
	return dst
}

func appendFolded(dst []byte, r rune) []byte {
	if r < utf8.RuneSelf {
		if 'A' <= r && r <= 'Z' {
			r += 'a' - 'A'
		}
		return append(dst, byte(r))
	}
	if r == 'ß' || r == 'ẞ' {
		return append(dst, "ss"...)
	}
	return utf8.AppendRune(dst, foldRune(r))
}

func foldRune(r rune) rune { return unicode.ToLower(unicode.ToUpper(r)) }

// folded is what a rune folds to, whatever is around it: a letter, and a mark on it or 0.
// base is 0 for runes that are not so simple.
type folded struct {
	base, mark uint16
	class      uint8 // of the mark
}

// foldTable has the alphabets and their accents, and general punctuation.
var foldTable = sync.OnceValue(func() *[0x2100]folded {
	t := new([0x2100]folded)
	for r := rune(utf8.RuneSelf); int(r) < len(t); r++ {
		var f folder
		b := f.rune(nil, r)
		base, size := utf8.DecodeRune(b)
		jamo := 0x1100 <= r && r <= 0x11FF // may compose with what is before
		if size == 0 || size != len(b) || f.base != 0 || f.nmarks > 1 || base == utf8.RuneError || jamo {
			continue
		}
		t[r].base = uint16(base)
		if f.nmarks == 1 {
			t[r].mark, t[r].class = uint16(f.marks[0].r), f.marks[0].class
		}
	}
	return t
})

// Hangul, The Unicode Standard 3.12.
const (
	hangulBase, hangulCount    = 0xAC00, 11172
	leadBase, leadCount        = 0x1100, 19
	vowelBase, vowelCount      = 0x1161, 21
	trailBase, trailCount      = 0x11A7, 28
	voicedMark, semiVoicedMark = 0x3099, 0x309A
)

func isHangulSyllable(r rune) bool { return r >= hangulBase && r < hangulBase+hangulCount }

// composable reports whether the rune after r may compose with it.
func composable(r rune) bool {
	switch {
	case r >= leadBase && r < leadBase+leadCount:
		return true
	case isHangulSyllable(r):
		return (r-hangulBase)%trailCount == 0
	}
	return strings.ContainsRune(voiceable, r)
}

// voiceable are the kana that have a voiced form, voiced the one that follows each.
const (
	voiceable = "うかきくけこさしすせそたちつてとはひふへほゝウカキクケコサシスセソタチツテトハヒフヘホワヰヱヲヽ"
	voiced    = "ゔがぎぐげござじずぜぞだぢづでどばびぶべぼゞヴガギグゲゴザジズゼゾダヂヅデドバビブベボヷヸヹヺヾ"
)

// compose returns the composition of a and b, 0 if there is none.
func compose(a, b rune) rune {
	switch {
	case b >= vowelBase && b < vowelBase+vowelCount && a >= leadBase && a < leadBase+leadCount:
		return hangulBase + ((a-leadBase)*vowelCount+(b-vowelBase))*trailCount
	case b > trailBase && b < trailBase+trailCount && isHangulSyllable(a) && (a-hangulBase)%trailCount == 0:
		return a + (b - trailBase)
	case b == voicedMark:
		if i := strings.IndexRune(voiceable, a); i >= 0 {
			r, _ := utf8.DecodeRuneInString(voiced[i:]) // every kana has three bytes
			return r
		}
	case b == semiVoicedMark:
		// は ば ぱ ひ び ぴ ...: the semi-voiced form is the second after the plain one.
		if a >= 'は' && a <= 'ほ' && (a-'は')%3 == 0 || a >= 'ハ' && a <= 'ホ' && (a-'ハ')%3 == 0 {
			return a + 2
		}
	}
	return 0
}

// ignorable reports the property Default_Ignorable_Code_Point.
func ignorable(r rune) bool {
	switch {
	case r < 0x34F:
		return r == 0xAD
	case r < 0x200B:
		return r == 0x34F || r == 0x61C || r == 0x115F || r == 0x1160 || r == 0x17B4 || r == 0x17B5 || r >= 0x180B && r <= 0x180F
	case r < 0x3164:
		return r <= 0x200F || r >= 0x202A && r <= 0x202E || r >= 0x2060 && r <= 0x206F
	case r < 0x1BCA0:
		return r == 0x3164 || r >= 0xFE00 && r <= 0xFE0F || r == 0xFEFF || r == 0xFFA0 || r >= 0xFFF0 && r <= 0xFFF8
	}
	return r <= 0x1BCA3 || r >= 0x1D173 && r <= 0x1D17A || r >= 0xE0000 && r <= 0xE0FFF
}
