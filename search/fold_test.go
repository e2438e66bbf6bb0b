package search

import (
	"math/rand/v2"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestFold(t *testing.T) {
	same := [][]string{
		{"Hello World", "hello world", "ＨＥＬＬＯ　ＷＯＲＬＤ", "hello\u00a0world", "hel\u00adlo\u200b world"},
		{"é", "e\u0301", "É", "E\u0301"},
		{"ệ", "ê\u0323", "e\u0323\u0302", "e\u0302\u0323", "\u1ec7"}, // any order of marks, as windows-1258 gives
		{"straße", "STRASSE", "STRAẞE", "Stra\u00adsse"},
		{"ΣΊΣΥΦΟΣ", "σίσυφος", "Σίσυφοσ"},
		{"한글", "\u1112\u1161\u11ab\u1100\u1173\u11af"},
		{"ガギグパ", "ｶﾞｷﾞｸﾞﾊﾟ", "カ\u3099キ\u3099ク\u3099ハ\u309a"},
		{"ﬁn", "FIN", "fin"},
		{"a\r\nb\r\n", "a\nb\n", "a\rb\r", "a\nb\r"},
		{"K", "\u212a", "k"},
		{"👩\u200d💻", "👩💻"},
		{"می\u200cخواهم", "میخواهم"},
		{"\xff\xfe", "\ufffd\ufffd"},
	}
	for _, c := range same {
		want := Fold(c[0])
		for _, s := range c[1:] {
			if got := Fold(s); got != want {
				t.Errorf("Fold(%q) = %q, Fold(%q) = %q", s, got, c[0], want)
			}
		}
	}
	contains := []struct {
		text, needle string
		want         bool
	}{
		{"café", "cafe", true},
		{"cafés", "cafes", false},
		{"한글", "하", false},
		{"がっこう", "か", false},
		{"Ａ\u2003b", "a b", true},
		{"a  b", "a b", false},
		{"x\r\ny", "\n", true},
	}
	for _, c := range contains {
		if got := strings.Contains(Fold(c.text), Fold(c.needle)); got != c.want {
			t.Errorf("%q in %q: %v", c.needle, c.text, got)
		}
	}
}

// Folding what is folded changes nothing, and upper, lower and title case are one.
func TestFoldAllRunes(t *testing.T) {
	for r := rune(0); r <= unicode.MaxRune; r++ {
		s := string(r)
		once := Fold(s)
		if twice := Fold(once); twice != once {
			t.Errorf("%U: %+q, folded again %+q", r, once, twice)
		}
		if !utf8.ValidString(once) {
			t.Errorf("%U: invalid %+q", r, once)
		}
		if l := Fold(string(unicode.ToLower(r))); r != 'İ' && l != once {
			t.Errorf("%U: %+q, its lower case %+q", r, once, l)
		}
	}
}

func FuzzFold(f *testing.F) {
	for _, s := range samples {
		f.Add(s, 3)
	}
	f.Add("\r\n\r\r\n", 1)
	f.Add("\xe3\x81\xe3\x81\x8b\xe3\x82\x99", 1)
	f.Add("e"+strings.Repeat("\u0301\u0323", 40), 7)
	f.Fuzz(func(t *testing.T, s string, cut int) {
		want := Fold(s)
		if again := Fold(want); again != want {
			t.Errorf("%q folds to %q, then to %q", s, want, again)
		}
		if cut < 1 {
			cut = 1
		}
		var fo folder
		var got []byte
		for b := []byte(s); len(b) > 0; {
			n := min(cut, len(b))
			got = fo.append(got, b[:n])
			b = b[n:]
		}
		if got = fo.flush(got); string(got) != want {
			t.Errorf("in pieces of %d: %q, whole %q", cut, got, want)
		}
	})
}

// The quick ways of append give what the slow one does.
func TestFoldTable(t *testing.T) {
	for r := rune(0); r < 0x3400; r++ {
		for _, around := range []string{"%s", "a%sb", "か%s\u3099", "\u1100%s\u11a8", "e\u0323%s\u0301\u0316", "\r%s\n"} {
			s := strings.ReplaceAll(around, "%s", string(r))
			var f folder
			var want []byte
			for _, r := range s {
				if r < utf8.RuneSelf {
					want = f.ascii(want, []byte(string(r)))
				} else {
					want = f.rune(want, r)
				}
			}
			want = f.flush(want)
			if got := Fold(s); got != string(want) {
				t.Fatalf("%U in %+q: %+q, want %+q", r, s, got, want)
			}
		}
	}
}

func FuzzMatcher(f *testing.F) {
	for _, s := range samples {
		f.Add(s, "or", 3)
		f.Add(s, s[len(s)/3:len(s)/2], 1)
	}
	f.Fuzz(func(t *testing.T, s, n string, cut int) {
		if cut < 1 {
			cut = 1
		}
		m := NewMatcher(n, "no such text")
		for b := []byte(s); len(b) > 0; {
			k := min(cut, len(b))
			m.Write(b[:k])
			b = b[k:]
		}
		m.End()
		if want := strings.Contains(Fold(s), Fold(n)); m.Found(0) != want {
			t.Errorf("%q in %q: %v, want %v", n, s, m.Found(0), want)
		}
		m.Reset()
		if m.Found(0) != (Fold(n) == "") {
			t.Error("found after Reset")
		}
	})
}

func TestMatcherAcrossPieces(t *testing.T) {
	text := strings.Repeat("some words and ", 5000) + "Grüße aus 東京" + strings.Repeat(" und mehr", 5000)
	for _, size := range []int{1, 7, 1000, 1 << 20} {
		m := NewMatcher("GRÜSSE AUS", "東京 und", "aus\n東京")
		for b := []byte(text); len(b) > 0; {
			k := min(size, len(b))
			m.Write(b[:k])
			b = b[k:]
		}
		m.End()
		if !m.Found(0) || !m.Found(1) || m.Found(2) || m.All() {
			t.Errorf("pieces of %d: %v %v %v", size, m.Found(0), m.Found(1), m.Found(2))
		}
		m.Write([]byte("aus"))
		m.End()
		m.Write([]byte("\n東京"))
		m.End()
		if m.Found(2) {
			t.Error("found across texts")
		}
	}
}

func BenchmarkFold(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	for name, alphabet := range map[string]string{"ascii": "abcdefghij KLM", "latin": "abcdéäöfgij KLM", "cyrillic": "абвгдежз иКЛМ", "cjk": "日本語東京都民", "thai": "ภาษาไทยเป็นภาษา"} {
		rs := []rune(alphabet)
		var sb strings.Builder
		for sb.Len() < 64<<10 {
			sb.WriteRune(rs[r.IntN(len(rs))])
		}
		text := []byte(sb.String())
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			var f folder
			buf := make([]byte, 0, 2*len(text))
			for b.Loop() {
				buf = f.flush(f.append(buf[:0], text))
			}
		})
	}
}
