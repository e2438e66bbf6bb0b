package classifier

import (
	"bytes"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Character classes of ASCII, for speed.
const (
	charSpace  = iota // ends a word and an address
	charSep           // ends a word
	charLetter        //
	charDigit         //
	charInner         // part of a word between letters or digits
	charMoney         // part of a word before a digit
	charHigh          // not ASCII
)

var charClass = func() (c [256]uint8) {
	for i := range c {
		switch {
		case i >= 0x80:
			c[i] = charHigh
		case i <= ' ' || i == 0x7f:
			c[i] = charSpace
		case i >= '0' && i <= '9':
			c[i] = charDigit
		case i|0x20 >= 'a' && i|0x20 <= 'z':
			c[i] = charLetter
		default:
			c[i] = charSep
		}
	}
	for _, i := range "'-._@&+" {
		c[i] = charInner
	}
	c['$'] = charMoney
	return c
}()

// words adds the words of text, with hosts and paths of the URLs in it.
func (t *tokenizer) words(b []byte) {
	for len(b) > 0 && !t.full() {
		if charClass[b[0]] == charSpace {
			b = b[1:]
			continue
		}
		n := chunkLen(b)
		t.chunk(b[:n])
		b = b[n:]
	}
}

// chunkLen is the length of what is up to white space, at most 512 bytes, so that
// text without spaces is looked at in pieces.
func chunkLen(b []byte) int {
	const most = 512
	for i, c := range b {
		if charClass[c] == charSpace {
			return i
		}
		if i >= most && utf8.RuneStart(c) {
			return i
		}
	}
	return len(b)
}

var (
	schemeMark = []byte("://")
	wwwMark    = []byte("www.")
)

// chunk adds the words of text without white space.
func (t *tokenizer) chunk(b []byte) {
	if len(b) > 7 {
		if i := bytes.Index(b, schemeMark); i > 0 {
			j := i
			for j > 0 && charClass[b[j-1]] == charLetter {
				j--
			}
			t.splitWords(b[:j])
			rest := t.url(b[i+3:], "url:")
			t.splitWords(rest)
			return
		}
		if (b[0]|0x20) == 'w' && bytes.EqualFold(b[:4], wwwMark) {
			t.splitWords(t.url(b, "url:"))
			return
		}
	}
	t.splitWords(b)
}

// splitWords adds the words between separators.
func (t *tokenizer) splitWords(b []byte) {
	for len(b) > 0 {
		c := charClass[b[0]]
		if c != charLetter && c != charDigit && c != charHigh && c != charMoney {
			b = b[1:]
			continue
		}
		n, high := 0, false
		for n < len(b) {
			c := charClass[b[n]]
			if c == charSep || c == charSpace {
				break
			}
			high = high || c == charHigh
			n++
		}
		if high {
			t.highWords(b[:n])
		} else {
			t.asciiWord(b[:n])
		}
		b = b[n:]
	}
}

// asciiWord adds a word with punctuation inside.
func (t *tokenizer) asciiWord(w []byte) {
	for len(w) > 0 && charClass[w[len(w)-1]] >= charInner {
		w = w[:len(w)-1]
	}
	if len(w) == 0 {
		return
	}
	if i := bytes.IndexByte(w, '@'); i >= 0 {
		t.addressWord(w, i)
		return
	}
	if spaced(w) {
		t.fact(t.prefix, "odd:spaced")
		t.fold = t.fold[:0]
		for i := 0; i < len(w); i += 2 {
			t.fold = append(t.fold, w[i]|0x20)
		}
		t.folded(t.fold, len(t.fold), false)
		return
	}
	t.fold = t.fold[:0]
	var shape shape
	capitals := 0
	for _, c := range w {
		small := lowerCase[c]
		if small != c {
			capitals++
		}
		shape.add(small)
		t.fold = append(t.fold, small)
	}
	t.shaped(t.fold, len(t.fold), &shape, capitals >= leastCapitals && capitals == shape.letters)
}

// addressWord adds the parts of what looks like a mail address.
func (t *tokenizer) addressWord(w []byte, at int) {
	host := bytes.ToLower(w[at+1:])
	if len(host) > 0 && bytes.IndexByte(host, '.') > 0 && at > 0 {
		t.host(t.prefix+"@", limit(string(host), maxTokenText))
		return
	}
	t.splitAt(w)
}

func (t *tokenizer) splitAt(w []byte) {
	for part := range bytes.SplitSeq(w, []byte("@")) {
		if len(part) > 0 {
			t.asciiWord(part)
		}
	}
}

// spaced reports a word whose letters are set apart by one kind of punctuation, as in
// "f.r.e.e".
func spaced(w []byte) bool {
	if len(w) < 7 || len(w)%2 == 0 {
		return false
	}
	sep := w[1]
	if charClass[sep] != charInner {
		return false
	}
	for i, c := range w {
		if i%2 == 1 && c != sep || i%2 == 0 && charClass[c] != charLetter {
			return false
		}
	}
	return true
}

// leastCapitals is from how many letters on a word in capitals is a token: shorter ones are
// often abbreviations.
const leastCapitals = 4

// shape is what kinds of characters a word in lower case has.
type shape struct {
	digits, letters int
	run, longest    int // consonants and digits in a row
}

// add counts a byte of the word.
func (s *shape) add(c byte) {
	switch kind := charClass[c]; kind {
	case charLetter:
		s.letters++
		if vowel[c] {
			s.run = 0
			return
		}
	case charDigit:
		s.digits++
	default:
		if kind == charHigh {
			s.letters++
		}
		s.run = 0
		return
	}
	s.run++
	s.longest = max(s.longest, s.run)
}

func shapeOf(w []byte) *shape {
	var s shape
	for _, c := range w {
		s.add(c)
	}
	return &s
}

// random reports a word of n bytes that looks as if nobody would write it twice: four
// digits, or digits amid letters, or six consonants in a row.
func (s *shape) random(n int) bool {
	return s.digits >= 4 || s.digits >= 2 && n > 8 || s.longest >= 6
}

var vowel = [256]bool{'a': true, 'e': true, 'i': true, 'o': true, 'u': true, 'y': true}

var lowerCase = func() (l [256]byte) {
	for i := range l {
		l[i] = byte(i)
		if i >= 'A' && i <= 'Z' {
			l[i] = byte(i) + 'a' - 'A'
		}
	}
	return l
}()

// folded adds a word in lower case of n characters, that was in capitals or not.
func (t *tokenizer) folded(w []byte, n int, capitals bool) {
	t.shaped(w, n, shapeOf(w), capitals)
}

// shaped is folded for a word with a known shape.
func (t *tokenizer) shaped(w []byte, n int, s *shape, capitals bool) {
	switch {
	case s.digits == 0 && n < 3:
		if len(w) > 0 {
			t.skip(w)
		}
	case s.digits > 0 && s.letters == 0:
		t.number(w)
	case len(w) > 40 || s.random(len(w)):
		t.fact(t.prefix, "odd:random")
		t.skip(nil)
	default:
		t.word(w)
		if capitals && t.o.Onegrams {
			t.fact(t.prefix+"caps:", string(w))
		}
	}
}

// skip takes a word that is no token of its own, but may be part of a pair.
func (t *tokenizer) skip(w []byte) {
	t.follow(extend(t.prefixHash, w), w)
}

// number adds the shape of a number: amounts, percentages and telephone numbers have
// one, and the digits themselves are known to nobody next time.
func (t *tokenizer) number(w []byte) {
	if len(w) > 20 {
		t.skip(nil)
		return
	}
	plain := true
	for i, c := range w {
		if charClass[c] == charDigit {
			w[i] = '0'
		} else {
			plain = false
		}
	}
	if plain {
		t.skip(w)
		return
	}
	t.word(w)
}

// Scripts written without spaces between words.
var unspaced = []*unicode.RangeTable{unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar, unicode.Bopomofo}

// script classes for words with characters of several.
const (
	scriptLatin = 1 << iota
	scriptCyrillic
	scriptGreek
	scriptOther
)

// highWords adds the words of text that is not ASCII only.
func (t *tokenizer) highWords(b []byte) {
	s := b
	if !norm.NFKC.IsNormal(b) {
		s = norm.NFKC.Bytes(b)
		if styled(b) {
			t.fact(t.prefix, "odd:styled")
		}
	}
	t.fold = t.fold[:0]
	n, scripts, capitals, lower := 0, 0, 0, 0
	var last rune // of a script without spaces
	flush := func() {
		if n > 0 {
			t.foldedHigh(n, scripts, capitals >= leastCapitals && lower == 0)
		}
		t.fold, n, scripts, capitals, lower = t.fold[:0], 0, 0, 0, 0
	}
	for len(s) > 0 {
		r, size := utf8.DecodeRune(s)
		s = s[size:]
		switch {
		case invisible(r):
			t.fact(t.prefix, "odd:invisible")
			continue
		case r >= 0x0e00 && unicode.In(r, unspaced...):
			flush()
			t.unspaced(last, r)
			last = r
			continue
		case unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r):
			scripts |= script(r)
			small := unicode.ToLower(r)
			if small != r {
				capitals++
			} else if unicode.IsLetter(r) {
				lower++
			}
			t.fold = utf8.AppendRune(t.fold, small)
			n++
		case r < 0x80 && charClass[r] >= charInner && n > 0 || r == '’':
			if r == '’' {
				r = '\''
			}
			t.fold = utf8.AppendRune(t.fold, r)
			n++
		default:
			flush()
		}
		last = 0
		if len(t.fold) > maxTokenText {
			flush()
		}
	}
	flush()
}

// foldedHigh adds the word in fold, of n characters, that was in capitals or not.
func (t *tokenizer) foldedHigh(n, scripts int, capitals bool) {
	w := bytes.TrimRight(t.fold, "'-._@&+$")
	n -= len(t.fold) - len(w)
	if len(w) == 0 {
		return
	}
	if scripts&scriptLatin != 0 && scripts&(scriptCyrillic|scriptGreek) != 0 {
		t.fact(t.prefix, "odd:mixed-script")
	}
	t.folded(w, n, capitals)
}

// unspaced adds a character of a script without spaces: pairs of them stand for words.
func (t *tokenizer) unspaced(last, r rune) {
	if last == 0 {
		return
	}
	var pair [2 * utf8.UTFMax]byte
	t.word(utf8.AppendRune(utf8.AppendRune(pair[:0], last), r))
}

func script(r rune) int {
	switch {
	case r < 0x80:
		if charClass[r] == charLetter {
			return scriptLatin
		}
		return 0
	case unicode.Is(unicode.Latin, r):
		return scriptLatin
	case unicode.Is(unicode.Cyrillic, r):
		return scriptCyrillic
	case unicode.Is(unicode.Greek, r):
		return scriptGreek
	}
	return scriptOther
}

// invisible reports characters without width that split words unseen.
func invisible(r rune) bool {
	return r == 0xad || r >= 0x200b && r <= 0x200f || r >= 0x202a && r <= 0x202e || r >= 0x2060 && r <= 0x2064 || r == 0xfeff || r == 0x034f
}

// styled reports letters made of mathematical or full-width characters.
func styled(b []byte) bool {
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		if r >= 0x1d400 && r <= 0x1d7ff || r >= 0xff21 && r <= 0xff5a || r >= 0x24b6 && r <= 0x24e9 {
			return true
		}
		b = b[n:]
	}
	return false
}
