package search

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"mox/message"
)

// Scan looks through a message and returns its score, 1 to 100, 0 when it does not match.
// weights are those of the index's answer, nil without one. Errors are those of reading.
func (f *Fuzzy) Scan(src Source, weights []float64) (uint8, error) {
	v := &fuzzyScan{f: f, missing: make([]float64, len(f.words)), memo: map[string][]uint8{}}
	v.split.token = v.token
	var want areaSet
	for a := range areas {
		if f.weights[a] > 0 {
			want |= 1 << a
		}
	}
	if err := visit(src, want, v); err != nil {
		return 0, fmt.Errorf("looking through message: %w", err)
	}
	for i := range v.missing {
		v.missing[i] = 1
		for a := range areas {
			if v.best[a] != nil {
				v.missing[i] *= 1 - f.weights[a]*float64(v.best[a][i])/100
			}
		}
	}
	return fuzzyScore(v.missing, weights), nil
}

// fuzzyScan is the visitor of Scan.
type fuzzyScan struct {
	f       *Fuzzy
	area    area
	best    [areas][]uint8 // of each word
	missing []float64
	memo    map[string][]uint8 // qualities of terms seen; nil: of none
	split   splitter
	fold    folder
	folded  []byte
}

func (v *fuzzyScan) field(name, value string) error {
	v.area = areaOfField(name)
	if v.f.weights[v.area] == 0 || v.f.Field != FieldText && !strings.EqualFold(name, v.f.name()) {
		return nil
	}
	v.write([]byte(value))
	v.end()
	return nil
}

func (v *fuzzyScan) partField(string, string) error { return nil }

func (v *fuzzyScan) body(r io.Reader) error {
	v.area = areaBody
	defer v.end()
	buf := make([]byte, 16<<10)
	for {
		n, err := r.Read(buf)
		v.write(buf[:n])
		if err == io.EOF {
			return nil
		} else if err != nil {
			return fmt.Errorf("reading text: %w", err)
		}
	}
}

func (v *fuzzyScan) write(p []byte) {
	v.folded = v.fold.append(v.folded[:0], p)
	v.split.write(v.folded)
}

func (v *fuzzyScan) end() {
	v.split.write(v.fold.flush(v.folded[:0]))
	v.split.end()
}

func (v *fuzzyScan) token(t []byte, _, _ bool) {
	q, ok := v.memo[string(t)]
	if !ok {
		q = v.f.qualities(t)
		if len(v.memo) >= maxFuzzyMemo {
			clear(v.memo)
		}
		v.memo[string(t)] = q
	}
	if q == nil {
		return
	}
	if v.best[v.area] == nil {
		v.best[v.area] = make([]uint8, len(v.f.words))
	}
	for i, n := range q {
		v.best[v.area][i] = max(v.best[v.area][i], n)
	}
}

// qualities returns how well a term stands for each word, nil when for none.
func (f *Fuzzy) qualities(t []byte) (q []uint8) {
	// What the index has among blobs is found as it is, or not at all.
	blob := isBlob(t, utf8.RuneCount(t))
	f.eachWord(t, func(i int, n uint8) {
		if blob && n != sameWord {
			return
		}
		if q == nil {
			q = make([]uint8, len(f.words))
		}
		q[i] = n
	})
	return q
}

// eachWord calls found for each word that a term stands for, with how well.
func (f *Fuzzy) eachWord(t []byte, found func(i int, quality uint8)) {
	var plain, stem []byte
	for i := range f.words {
		w := &f.words[i]
		if !w.worth(t) {
			continue
		}
		if plain == nil {
			plain = plainWord(t)
			stem = stemWord(plain)
		}
		if n := w.quality(t, plain, stem); n > 0 {
			found(i, n)
		}
	}
}

// worth tells quickly of most terms that they do not stand for the word.
func (w *fuzzyWord) worth(t []byte) bool {
	p := w.plain
	if !w.ascii {
		return true
	}
	d := len(t) - len(p)
	similar := false
	switch {
	case t[0] == p[0]:
		similar = d >= -1 && d <= 1 || len(t) >= minStem && len(p) >= minStem && t[1] == p[1] && t[2] == p[2]
	case w.near && len(t) > 1 && d >= -1 && d <= 1:
		// Without the same first letter, the mistake is in the first two.
		similar = t[1] == p[1] || t[1] == p[0] || t[0] == p[1]
	}
	return similar || !message.IsASCII(t) // it may have accents
}
