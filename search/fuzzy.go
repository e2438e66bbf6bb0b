package search

import (
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"mox/message"
)

// Bounds of a fuzzy search: RFC 6203 8.
const (
	maxFuzzyWords = 20  // of a needle; more are not looked at
	maxFuzzyTerms = 200 // of an area of a segment that stand for one word: the best
	maxFuzzyToken = 200 // bytes of a word of a message that are looked at
	maxFuzzyMemo  = 1 << 14
)

// How well a term stands for a word, in percent.
const (
	sameWord   = 100
	sameLetter = 95 // but for accents
	sameStem   = 85
	longerWord = 80
	nearWord   = 60 // one letter added, left out, changed, or two exchanged
)

// minNear is the number of letters from which on a word may be misspelled: RFC 6203 4 has
// "Helo" find "hello".
const minNear = 4

// Fuzzy is a string to look for in messages by its words: in any order, with other endings,
// without accents, with a letter wrong. Header fields other than addresses and the subject
// do not count in FieldText. It is not changed by use.
type Fuzzy struct {
	Query
	words   []fuzzyWord
	weights [areas]float64 // of what is found in an area; 0: it is not looked at
}

// fuzzyWord is a word of a needle.
type fuzzyWord struct {
	text  string // folded
	plain string // without accents
	stem  string
	gram  bool // of a script without spaces: part of a run, that must be there as it is
	short bool // a gram that is shorter than those of the index, which begin with it
	near  bool // may be misspelled
	ascii bool
	blob  bool // the index has it among blobs, if anywhere
}

// fuzzyWeights are how much what is found somewhere says for FieldText.
var fuzzyWeights = [areas]float64{areaSubject: 0.8, areaFrom: 0.65, areaTo: 0.4, areaCc: 0.4, areaBcc: 0.4, areaBody: 0.5}

// NewFuzzy prepares a fuzzy search, nil when the needle has no words.
func NewFuzzy(q Query) *Fuzzy {
	f := &Fuzzy{Query: q}
	sp := splitter{token: func(t []byte, gram, whole bool) {
		w := newFuzzyWord(string(t), gram, whole)
		if len(f.words) < maxFuzzyWords && !slices.ContainsFunc(f.words, func(o fuzzyWord) bool { return o.text == w.text }) {
			f.words = append(f.words, w)
		}
	}}
	sp.write([]byte(Fold(q.Needle)))
	sp.end()
	// The short grams at the end of a run are in the ones before.
	if slices.ContainsFunc(f.words, func(w fuzzyWord) bool { return w.gram && !w.short }) {
		f.words = slices.DeleteFunc(f.words, func(w fuzzyWord) bool { return w.short })
	}
	if len(f.words) == 0 {
		return nil
	}
	if q.Field == FieldText {
		f.weights = fuzzyWeights
		return f
	}
	for a := range areas {
		if q.areas().has(a) {
			f.weights[a] = 1
		}
	}
	return f
}

func newFuzzyWord(text string, gram, whole bool) fuzzyWord {
	w := fuzzyWord{text: text, plain: text, stem: text, gram: gram, short: gram && !whole}
	w.ascii = message.IsASCII([]byte(text))
	if gram {
		return w
	}
	w.plain = string(plainWord([]byte(text)))
	w.stem = string(stemWord([]byte(w.plain)))
	runes := utf8.RuneCountInString(w.plain)
	w.blob = isBlob([]byte(text), utf8.RuneCountInString(text))
	w.near = runes >= minNear && !w.blob && !strings.ContainsAny(text, "0123456789")
	return w
}

// quality tells how well a term, its form without accents and its stem stand for the word,
// 0 for not at all.
func (w *fuzzyWord) quality(t, plain, stem []byte) uint8 {
	switch {
	case string(t) == w.text:
		return sameWord
	case w.gram:
		if w.short && len(t) > len(w.text) && string(t[:len(w.text)]) == w.text {
			return sameWord
		}
		return 0
	case w.blob:
		return 0
	case string(plain) == w.plain:
		return sameLetter
	case string(stem) == w.stem:
		return sameStem
	case len(w.plain) >= 3 && len(plain) > len(w.plain) && string(plain[:len(w.plain)]) == w.plain:
		return longerWord
	case w.near && isNear(plain, w.plain):
		return nearWord
	}
	return 0
}

// fuzzyFold are letters that have no decomposition, but are written without their strokes by
// who does not have them.
var fuzzyFold = map[rune]string{'ø': "o", 'ł': "l", 'đ': "d", 'ð': "d", 'æ': "ae", 'œ': "oe", 'þ': "th", 'ı': "i"}

// plainWord returns a folded word without accents.
func plainWord(t []byte) []byte {
	if message.IsASCII(t) {
		return t
	}
	out := make([]byte, 0, len(t))
	for i := 0; i < len(t); {
		r, size := utf8.DecodeRune(t[i:])
		switch plain, ok := fuzzyFold[r]; {
		case ok:
			out = append(out, plain...)
		case r < 0x300 || r > 0x36F: // combining diacritical marks
			out = append(out, t[i:i+size]...)
		}
		i += size
	}
	if len(out) == 0 {
		return t // nothing but accents
	}
	return out
}

// stemEndings are cut from words, the first that fits: the usual ones of English, which
// cover much of its neighbours. What they join wrongly has a low score.
var stemEndings = []string{"ingly", "edly", "ings", "ing", "ers", "ies", "ied", "es", "ed", "er", "en", "ly", "e", "s", "n", "y"}

// minStem is the number of bytes that remain of a word at least.
const minStem = 3

// stemWord returns the beginning of a word without accents that its forms have in common.
func stemWord(t []byte) []byte {
	for _, e := range stemEndings {
		if len(t) >= minStem+len(e) && string(t[len(t)-len(e):]) == e {
			t = t[:len(t)-len(e)]
			break
		}
	}
	// swimm(ing) is swim.
	if n := len(t); n > minStem && t[n-1] == t[n-2] && t[n-1] < utf8.RuneSelf {
		t = t[:n-1]
	}
	return t
}

// isNear reports whether two different words are one mistake apart.
func isNear(a []byte, b string) bool {
	if d := len(a) - len(b); d > utf8.UTFMax || d < -utf8.UTFMax {
		return false
	}
	if message.IsASCII(a) && message.IsASCII([]byte(b)) {
		return near(a, []byte(b))
	}
	return near([]rune(string(a)), []rune(b))
}

func near[T byte | rune](a, b []T) bool {
	if len(a) < len(b) {
		a, b = b, a
	}
	if len(a) > len(b)+1 {
		return false
	}
	i := 0
	for i < len(b) && a[i] == b[i] {
		i++
	}
	if len(a) > len(b) {
		return slices.Equal(a[i+1:], b[i:])
	}
	if i == len(a) || slices.Equal(a[i+1:], b[i+1:]) {
		return true
	}
	return i+1 < len(a) && a[i] == b[i+1] && a[i+1] == b[i] && slices.Equal(a[i+2:], b[i+2:])
}

// fuzzyScore joins what is known of the words of a message: for each the share that is
// missing, from 1 for all. It is 0 when a word was not found.
func fuzzyScore(missing []float64, weights []float64) uint8 {
	sum, all := 0.0, 0.0
	for i, m := range missing {
		if m >= 1 {
			return 0
		}
		weight := 1.0
		if weights != nil {
			weight = weights[i]
		}
		sum += weight * (1 - m)
		all += weight
	}
	// RFC 6203 4: 1 to 100.
	return uint8(max(1, min(100, math.Round(100*sum/all))))
}

// splitter cuts folded text, in pieces, into words and the grams of scripts without spaces.
// Other than a tokenizer it shows all words, as far as they are looked at.
type splitter struct {
	token func(t []byte, gram, whole bool) // whole: not a gram cut short by the end of a run
	class class
	buf   []byte
	runes int // in buf
}

func (s *splitter) write(p []byte) {
	table := classTable()
	for i := 0; i < len(p); {
		r, size := utf8.DecodeRune(p[i:])
		c := classIn(table, r)
		if c != s.class {
			s.end()
			s.class = c
		}
		switch c {
		case classWord:
			if len(s.buf) < maxFuzzyToken {
				s.buf = append(s.buf, p[i:i+size]...)
				s.runes++
			}
		case classPairs, classTriple:
			s.buf = append(s.buf, p[i:i+size]...)
			if s.runes++; s.runes == gramLen[c] {
				s.token(s.buf, true, true)
				s.dropRune()
			}
		}
		i += size
	}
}

func (s *splitter) dropRune() {
	_, size := utf8.DecodeRune(s.buf)
	s.buf = s.buf[:copy(s.buf, s.buf[size:])]
	s.runes--
}

// end ends the current run.
func (s *splitter) end() {
	switch s.class {
	case classWord:
		if s.runes > 0 {
			s.token(s.buf, false, true)
		}
	case classPairs, classTriple:
		for s.runes > 0 {
			s.token(s.buf, true, false)
			s.dropRune()
		}
	}
	s.buf, s.runes, s.class = s.buf[:0], 0, classSpace
}
