package search

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"mox/store"
)

// recorder notes what a tokenizer finds.
type recorder struct {
	terms   map[string]bool
	buckets map[uint16]bool
	blobs   int
}

func newRecorder() *recorder {
	return &recorder{terms: map[string]bool{}, buckets: map[uint16]bool{}}
}

func (r *recorder) term(t []byte)   { r.terms[string(t)] = true }
func (r *recorder) blob()           { r.blobs++ }
func (r *recorder) bucket(b uint16) { r.buckets[b] = true }

func tokenize(text string, cut int) *recorder {
	r := newRecorder()
	t := tokenizer{out: r}
	for b := []byte(Fold(text)); len(b) > 0; {
		n := min(cut, len(b))
		for n < len(b) && !utf8.RuneStart(b[n]) {
			n++
		}
		t.write(b[:n])
		b = b[n:]
	}
	t.end()
	return r
}

func TestTokenize(t *testing.T) {
	tests := []struct {
		text  string
		terms []string
		blobs int
	}{
		{"Don't stop: 42%", []string{"%", "'", "42", ":", "don", "stop", "t"}, 0},
		{"東京都、a", []string{"a", "、", "京都", "東京", "都"}, 0},
		{"ไทย ก", []string{"ก", "ทย", "ย", "ไทย"}, 0},
		{"한국어 문장", []string{"문장", "한국어"}, 0},
		{"ガギ", []string{"ガギ", "ギ"}, 0},
		{"x" + strings.Repeat("ab", 12), nil, 1},
		{strings.Repeat("ab", 12), []string{strings.Repeat("ab", 12)}, 0},
		{"a1b2c3d4e5", nil, 1},
		{"a1b2c3d4e", []string{"a1b2c3d4e"}, 0},
		{"1234567890123456 123456789012345", []string{"123456789012345"}, 1},
		{"€5 🎉🎉", []string{"5", "€", "🎉"}, 0},
		{" \r\n\t\u2028\x00", nil, 0},
	}
	for _, tt := range tests {
		for _, cut := range []int{1, 1000} {
			r := tokenize(tt.text, cut)
			var got []string
			for s := range r.terms {
				got = append(got, s)
			}
			slices.Sort(got)
			if !slices.Equal(got, tt.terms) || r.blobs != tt.blobs {
				t.Errorf("%q: %q, %d blobs; want %q, %d", tt.text, got, r.blobs, tt.terms, tt.blobs)
			}
		}
	}
}

func TestPlan(t *testing.T) {
	tests := []struct{ needle, want string }{
		{"word", "contains word blob, exact"},
		{"two words", "prefix words blob; suffix two blob"},
		{"a b c", "exact b; prefix c blob; suffix a blob"},
		{" x ", "exact x"},
		{"x.", "exact .; suffix x blob"},
		{"東", "prefix 東, exact"},
		{"東京", "exact 東京, exact"},
		{"東京都", "exact 京都; exact 東京"},
		{"東京 ", "exact 東京; exact 京"},
		{"!", "exact !, exact"},
		{"!!", "exact !"},
		{"  ", ""},
		{"", ""},
		{"a1b2c3d4e5f6", "contains a1b2c3d4e5f6 only blob, exact"},
	}
	for _, tt := range tests {
		p := newPlan([]byte(Fold(tt.needle)))
		var list []string
		for _, n := range p.needs {
			s := []string{"exact", "prefix", "suffix", "contains"}[n.how] + " " + string(n.run)
			switch {
			case n.blob && !n.term:
				s += " only blob"
			case n.blob:
				s += " blob"
			}
			list = append(list, s)
		}
		got := strings.Join(list, "; ")
		if p.exact {
			got += ", exact"
		}
		if got != tt.want {
			t.Errorf("%q: %s, want %s", tt.needle, got, tt.want)
		}
	}
	if p := newPlan([]byte(strings.Repeat("a b東c!", 5000))); len(p.needs) > maxNeeds {
		t.Errorf("%d needs", len(p.needs))
	}
}

// oneSegment indexes texts of bodies as one segment in memory.
type oneSegment struct {
	b      *builder
	blocks []block
}

func newOneSegment(t testing.TB, texts ...string) *oneSegment {
	s := &oneSegment{b: newBuilder(textLimits{1 << 30, 1 << 30})}
	for i, text := range texts {
		s.b.begin(store.BodyID(i + 1))
		if err := s.b.body(strings.NewReader(text)); err != nil {
			t.Fatal(err)
		}
	}
	err := s.b.blocks(func(b block) error {
		s.blocks = append(s.blocks, block{b.first, bytes.Clone(b.terms), bytes.Clone(b.postings)})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *oneSegment) find(t testing.TB, where byte, how match, run []byte) bitset {
	set := newBitset(len(s.b.docs))
	for _, b := range s.blocks {
		findTerms(b.terms, where, how, run, func(n int) {
			p, err := readPostings(b.postings, len(s.b.docs))
			if err == nil {
				err = p.skip(n)
			}
			if err == nil {
				err = p.addTo(set)
			}
			if err != nil {
				t.Fatal(err)
			}
		})
	}
	return set
}

// accepts tells whether the first text may contain the needle, and whether it does for
// certain.
func (s *oneSegment) accepts(t testing.TB, p plan) (may, sure bool) {
	var buf [2]byte
	for _, n := range p.needs {
		inTerm := n.term && s.find(t, termKey(areaBody), n.how, n.run).has(0)
		inBlob := n.blob && s.find(t, blobKey(areaBody), matchExact, markBlob).has(0)
		for _, b := range n.buckets {
			inBlob = inBlob && s.find(t, blobKey(areaBody), matchExact, appendBucket(buf[:0], b)).has(0)
		}
		if !inTerm && !inBlob {
			return false, false
		}
		sure = inTerm && p.exact
	}
	return true, sure
}

// Where a text contains a needle, the terms of the text say that it may.
func FuzzSuperset(f *testing.F) {
	for i, s := range samples {
		f.Add(s, i%3, 5)
		f.Add(s, len(s)/2, 20)
		f.Add(s+s, len(s)-3, 7)
	}
	f.Add(strings.Repeat("a1", 40), 13, 11)
	f.Fuzz(func(t *testing.T, text string, at, n int) {
		if at < 0 || n < 0 || at > len(text) || n > len(text)-at || len(text) > 2000 {
			return
		}
		checkSuperset(t, text, text[at:at+n])
		checkSuperset(t, text[:at], text[at:])
	})
}

func checkSuperset(t *testing.T, text, needle string) {
	t.Helper()
	s := newOneSegment(t, text)
	may, sure := s.accepts(t, newPlan([]byte(Fold(needle))))
	contains := strings.Contains(Fold(text), Fold(needle))
	if contains && !may {
		t.Errorf("%q contains %q, its terms say no", text, needle)
	}
	if !contains && sure {
		t.Errorf("%q does not contain %q, its terms say yes", text, needle)
	}
}

func TestSuperset(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	for range 300 {
		text := randomText(r, 1+r.IntN(20))
		for range 10 {
			checkSuperset(t, text, randomNeedle(r, []string{text}))
		}
	}
}

// findTerms and the lists say what a map of terms says.
func TestBlocks(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	want := map[string][]uint32{}
	const docs = 1000
	for range 8000 {
		key := make([]byte, 2+r.IntN(6))
		for i := range key {
			key[i] = "abcdefgh"[r.IntN(8)]
		}
		key[0] = termKey(area(r.IntN(int(areas))))
		want[string(key)] = nil
	}
	var keys []string
	for k := range want {
		keys = append(keys, k)
		p := []float64{0.0005, 0.01, 0.5, 1}[r.IntN(4)]
		for d := range uint32(docs) {
			if r.Float64() < p {
				want[k] = append(want[k], d)
			}
		}
		if want[k] == nil {
			want[k] = []uint32{r.Uint32N(docs)}
		}
	}
	slices.Sort(keys)
	s := &oneSegment{b: &builder{docs: make([]store.BodyID, docs)}}
	bb := blockBuilder{docs: docs, emit: func(b block) error {
		s.blocks = append(s.blocks, block{b.first, bytes.Clone(b.terms), bytes.Clone(b.postings)})
		return nil
	}}
	for _, k := range keys {
		if err := bb.add([]byte(k), want[k]); err != nil {
			t.Fatal(err)
		}
	}
	if err := bb.end(); err != nil {
		t.Fatal(err)
	}
	is := []func(term, run string) bool{func(t, r string) bool { return t == r }, strings.HasPrefix, strings.HasSuffix, strings.Contains}
	for range 200 {
		where := termKey(area(r.IntN(int(areas))))
		k := keys[r.IntN(len(keys))][1:]
		run := k[r.IntN(len(k)):]
		how := match(r.IntN(4))
		set := newBitset(docs)
		for _, k := range keys {
			if k[0] == where && is[how](k[1:], run) {
				for _, d := range want[k] {
					set.set(d)
				}
			}
		}
		if got := s.find(t, where, how, []byte(run)); !slices.Equal(got, set) {
			t.Fatalf("%d %d %q: %d documents, want %d", where, how, run, got.count(), set.count())
		}
	}
}

func FuzzPostings(f *testing.F) {
	s := newOneSegment(f, samples...)
	for _, b := range s.blocks {
		f.Add(b.postings, len(samples))
	}
	f.Add([]byte{1, 3, 0xff}, 8)
	f.Fuzz(func(t *testing.T, b []byte, docs int) {
		if docs < 0 || docs > 4096 {
			return
		}
		p, err := readPostings(b, docs)
		set := newBitset(docs)
		for err == nil && len(p.lens) > 0 {
			err = p.addTo(set)
		}
		if err != nil && !isDamage(err) {
			t.Error(err)
		}
		decodeBodies(b, docs)
		decodeFirsts(b, docs)
	})
}

func BenchmarkTokenize(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	text := benchText(r, 4000)
	b.SetBytes(int64(len(text)))
	bd := newBuilder(textLimits{1 << 30, 1 << 30})
	for i := 0; b.Loop(); i++ {
		if i%100 == 0 {
			bd = newBuilder(textLimits{1 << 30, 1 << 30})
		}
		bd.begin(store.BodyID(i))
		bd.body(strings.NewReader(text))
	}
}
