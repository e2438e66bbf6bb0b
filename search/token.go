package search

import (
	"bytes"
	"cmp"
	"slices"
	"sync"
	"unicode"
	"unicode/utf8"
)

// class is what a rune of folded text is to the index. It depends on the rune alone, so
// that a needle is cut like the text that contains it.
type class uint8

const (
	classSpace  class = iota // white space and controls: between terms, not indexed
	classWord                // letters, marks and digits: runs of them are words
	classPairs               // scripts without spaces whose letters are many: pairs of letters
	classTriple              // scripts without spaces whose letters are few: three letters
	classSymbol              // all other runes: a term each
)

// gramLen is the number of runes of a term, for the classes of scripts without spaces.
var gramLen = [...]int{classPairs: 2, classTriple: 3}

var pairScripts = []*unicode.RangeTable{
	unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Bopomofo, unicode.Yi, unicode.Nushu, unicode.Tangut,
}

var tripleScripts = []*unicode.RangeTable{
	unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar, unicode.Tibetan, unicode.Tai_Le, unicode.New_Tai_Lue,
	unicode.Tai_Tham, unicode.Tai_Viet, unicode.Javanese, unicode.Balinese, unicode.Phags_Pa,
}

// classTableSize covers all alphabets, general punctuation, symbols and kana.
const classTableSize = 0x3400

var classTable = sync.OnceValue(func() *[classTableSize]class {
	t := new([classTableSize]class)
	for r := range rune(classTableSize) {
		t[r] = lookupClass(r)
	}
	return t
})

func classOf(r rune) class { return classIn(classTable(), r) }

func classIn(t *[classTableSize]class, r rune) class {
	switch {
	case r < classTableSize:
		return t[r]
	case 0x4E00 <= r && r <= 0x9FFF:
		return classPairs
	case isHangulSyllable(r):
		return classWord
	}
	return lookupClass(r)
}

func lookupClass(r rune) class {
	switch {
	case r == 0x3099 || r == 0x309A || r == 0x30FC: // kana marks of no script of their own
		return classPairs
	case unicode.In(r, pairScripts...):
		return classPairs
	case unicode.In(r, tripleScripts...):
		return classTriple
	case unicode.In(r, unicode.L, unicode.M, unicode.N):
		return classWord
	case unicode.IsSpace(r) || unicode.IsControl(r) || unicode.In(r, unicode.Z):
		return classSpace
	}
	return classSymbol
}

// Bounds that tell words from blobs, see [isBlob].
const (
	maxWord      = 24 // runes
	minMixed     = 10 // runes
	mixedChanges = 3
	maxDigits    = 15
	blobGram     = 3 // bytes
	blobBuckets  = 4096
	maxBlobGrams = 24 // of a needle: more do not narrow any further
	maxNeeds     = 24 // likewise
)

// isBlob reports whether a run of word characters is not kept as a term: base64, hashes,
// identifiers. Every message brings new ones, nobody looks for them but by their whole
// length, and as terms they would be most of the index. Of a blob only the buckets of
// its grams are kept, which cost each message a bounded number of bits. It depends on
// the run alone.
func isBlob(run []byte, runes int) bool {
	if runes > maxWord {
		return true
	}
	if runes < minMixed {
		return false
	}
	changes, digits := 0, 0
	last := false
	for i, c := range run {
		digit := '0' <= c && c <= '9'
		if digit {
			digits++
		}
		if i > 0 && digit != last {
			changes++
		}
		last = digit
	}
	return changes >= mixedChanges || digits > maxDigits
}

// bucket is the bucket of three bytes of a blob.
func bucket(a, b, c byte) uint16 {
	h := (uint32(a)<<16 | uint32(b)<<8 | uint32(c)) * 0x9E3779B1
	return uint16(h >> 16 & (blobBuckets - 1))
}

// sink takes what a tokenizer finds. The bytes are valid only during the call.
type sink interface {
	// term is a word, a gram or a symbol.
	term(t []byte)
	// blob says that there is a blob, bucket that a blob has a gram of the bucket.
	blob()
	bucket(b uint16)
}

// tokenizer cuts folded text into terms. It takes the text in pieces, cut anywhere
// between runes, and keeps at most one word. The zero value with out set is ready.
type tokenizer struct {
	out   sink
	class class // of the run in buf
	buf   []byte
	runes int // in buf
	blob  bool
	seen  [2]byte // the last bytes of a blob that is longer than buf may become
}

// write takes folded text: whole runes of valid UTF-8.
func (t *tokenizer) write(p []byte) {
	table, letter := classTable(), asciiWord()
	for i := 0; i < len(p); {
		r, size := rune(p[i]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRune(p[i:])
		} else if letter[r] {
			if n := t.ascii(letter, p[i:]); n > 0 {
				i += n
				continue
			}
		}
		c := classIn(table, r)
		switch {
		case c == classSymbol:
			t.end()
			t.out.term(p[i : i+size])
		case c != classSpace:
			if c != t.class {
				t.end()
				t.class = c
			}
			t.rune(p[i : i+size])
		case t.class != classSpace:
			t.end()
		}
		i += size
	}
}

// asciiWord has the letters and digits of folded ASCII.
var asciiWord = sync.OnceValue(func() *[256]bool {
	t := new([256]bool)
	for c := range utf8.RuneSelf {
		t[c] = classOf(rune(c)) == classWord
	}
	return t
})

// ascii takes the letters of a word in ASCII that p begins with at once, and returns how
// many; 0 when they are to be taken one by one.
func (t *tokenizer) ascii(letter *[256]bool, p []byte) int {
	n := 1
	for most := min(len(p), maxWord+1); n < most && letter[p[n]]; n++ {
	}
	switch {
	case n > maxWord || t.class == classWord && (t.blob || t.runes+n > maxWord):
		return 0
	case t.class != classWord && n < len(p) && p[n] < utf8.RuneSelf:
		// The usual case: a whole word.
		if t.class != classSpace {
			t.end()
		}
		t.word(p[:n], n)
	default:
		if t.class != classWord {
			t.end()
			t.class = classWord
		}
		t.buf = append(t.buf, p[:n]...)
		t.runes += n
	}
	return n
}

// word takes a whole word.
func (t *tokenizer) word(w []byte, runes int) {
	if isBlob(w, runes) {
		t.endBlob(w)
		return
	}
	t.out.term(w)
}

// rune takes a rune of the current run.
func (t *tokenizer) rune(b []byte) {
	if t.blob {
		for _, c := range b {
			t.out.bucket(bucket(t.seen[0], t.seen[1], c))
			t.seen[0], t.seen[1] = t.seen[1], c
		}
		return
	}
	t.buf = append(t.buf, b...)
	t.runes++
	switch t.class {
	case classWord:
		if t.runes > maxWord {
			t.blob = true
			t.endBlob(t.buf)
			copy(t.seen[:], t.buf[len(t.buf)-2:])
			t.buf, t.runes = t.buf[:0], 0
		}
	case classPairs, classTriple:
		if t.runes == gramLen[t.class] {
			t.out.term(t.buf)
			t.dropRune()
		}
	}
}

func (t *tokenizer) dropRune() {
	_, size := utf8.DecodeRune(t.buf)
	t.buf = t.buf[:copy(t.buf, t.buf[size:])]
	t.runes--
}

// end ends the current run.
func (t *tokenizer) end() {
	switch {
	case t.runes == 0:
	case t.class == classWord:
		t.word(t.buf, t.runes)
	case t.class == classPairs || t.class == classTriple:
		// Shorter grams at the end: every rune of a run begins a term.
		for t.runes > 0 {
			t.out.term(t.buf)
			t.dropRune()
		}
	default:
		t.out.term(t.buf)
	}
	t.buf, t.runes, t.blob, t.class = t.buf[:0], 0, false, classSpace
}

func (t *tokenizer) endBlob(b []byte) {
	t.out.blob()
	for i := 0; i+blobGram <= len(b); i++ {
		t.out.bucket(bucket(b[i], b[i+1], b[i+2]))
	}
}

// need is one thing that a text must have to contain a needle.
type need struct {
	how match
	run []byte // folded, of one class
	// blob says that a blob may be what contains the run; buckets are those that it
	// then has.
	blob    bool
	buckets []uint16
	// term says that a term may be what contains the run.
	term bool
}

// match is how a term has to relate to the run of a need.
type match uint8

const (
	matchExact match = iota
	matchPrefix
	matchSuffix
	matchContains
)

// plan is what the index is asked for a needle.
type plan struct {
	needs []need
	// exact says that any text with the one need in it contains the needle.
	exact bool
}

// newPlan makes the plan for a folded needle. Without needs (for the empty needle and
// for white space) the index cannot tell anything.
func newPlan(folded []byte) plan {
	var p plan
	whole := true
	for i := 0; i < len(folded); {
		r, size := utf8.DecodeRune(folded[i:])
		c := classOf(r)
		end := i + size
		runes := 1
		for c != classSymbol && end < len(folded) {
			r, size := utf8.DecodeRune(folded[end:])
			if classOf(r) != c {
				break
			}
			end += size
			runes++
		}
		if c == classSpace {
			whole = false
		} else {
			p.addRun(c, folded[i:end], runes, i == 0, end == len(folded))
		}
		i = end
	}
	p.exact = whole && len(p.needs) == 1
	p.order()
	return p
}

// order brings the needs that are quickest to look up and narrow most to the front, and
// drops those that say the same twice, or too little.
func (p *plan) order() {
	slices.SortStableFunc(p.needs, func(a, b need) int {
		return cmp.Or(cmp.Compare(a.how, b.how), cmp.Compare(len(b.run), len(a.run)), bytes.Compare(a.run, b.run))
	})
	p.needs = slices.CompactFunc(p.needs, func(a, b need) bool { return a.how == b.how && bytes.Equal(a.run, b.run) })
	p.needs = p.needs[:min(len(p.needs), maxNeeds)]
}

// addRun adds the needs of a run of one class. open says at which sides it is that the
// text may go on with the same class.
func (p *plan) addRun(c class, run []byte, runes int, openLeft, openRight bool) {
	switch c {
	case classSymbol:
		p.add(need{how: matchExact, run: run, term: true})
	case classWord:
		p.add(wordNeed(run, runes, openLeft, openRight))
	default:
		p.addGrams(run, runes, gramLen[c], openRight)
	}
}

func (p *plan) add(n need) { p.needs = append(p.needs, n) }

func wordNeed(run []byte, runes int, openLeft, openRight bool) need {
	n := need{run: run}
	switch {
	case openLeft && openRight:
		n.how = matchContains
	case openLeft:
		n.how = matchSuffix
	case openRight:
		n.how = matchPrefix
	}
	blob := isBlob(run, runes)
	n.blob = blob || n.how != matchExact
	// A run that is open may be part of a word only when it could grow to one: mixed
	// runs stay mixed, long ones long.
	n.term = !blob
	if n.blob {
		n.buckets = blobBucketsOf(run)
	}
	return n
}

func blobBucketsOf(run []byte) []uint16 {
	seen := map[uint16]bool{}
	var list []uint16
	for i := 0; i+blobGram <= len(run) && len(list) < maxBlobGrams; i++ {
		if b := bucket(run[i], run[i+1], run[i+2]); !seen[b] {
			seen[b] = true
			list = append(list, b)
		}
	}
	return list
}

// addGrams adds the needs of a run in a script without spaces, n runes a term.
func (p *plan) addGrams(run []byte, runes, n int, openRight bool) {
	for ; len(run) > 0; runes-- {
		switch {
		case runes >= n:
			end := 0
			for range n {
				_, size := utf8.DecodeRune(run[end:])
				end += size
			}
			p.add(need{how: matchExact, run: run[:end], term: true})
		case !openRight:
			p.add(need{how: matchExact, run: run, term: true})
		case len(p.needs) == 0 || !p.lastHas(run):
			p.add(need{how: matchPrefix, run: run, term: true})
		}
		_, size := utf8.DecodeRune(run)
		run = run[size:]
	}
}

// lastHas reports whether the need before ends with run, which then says nothing new.
func (p *plan) lastHas(run []byte) bool {
	last := p.needs[len(p.needs)-1].run
	return len(last) >= len(run) && string(last[len(last)-len(run):]) == string(run)
}
