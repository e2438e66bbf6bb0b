package search

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"mox/message"
	"mox/store"
)

// scanFuzzy looks through a message.
func scanFuzzy(t testing.TB, raw string, q Query, weights []float64) uint8 {
	t.Helper()
	f := NewFuzzy(q)
	if f == nil {
		t.Fatalf("%q has no words", q.Needle)
	}
	body := strings.NewReader(raw)
	part, err := message.Parse(body, message.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	n, err := f.Scan(Source{Part: part, Body: body}, weights)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestFuzzyWords(t *testing.T) {
	for _, c := range []struct {
		needle, text string
		want         uint8
	}{
		{"invoice", "Your INVOICE is here", 100},
		{"invoice", "your invoices", 85},
		{"invioce", "your invoice", 60},                  // letters exchanged
		{"invoce", "your invoice", 60},                   // left out
		{"invvoice", "your invoice", 60},                 // doubled
		{"imvoice", "your invoice", 60},                  // another
		{"ivoic", "your invoice", 0},                     // two mistakes
		{"swim", "swimming lessons", 85},                 // stems
		{"swimming", "they swim", 85},                    //
		{"running", "runs daily", 85},                    //
		{"replies", "replied", 85},                       //
		{"conf", "the conference", 80},                   // beginnings
		{"fu", "fun", 0},                                 // short words are as they are
		{"cat", "car", 0},                                //
		{"2024", "in 2025", 0},                           // numbers too
		{"20241", "in 20242", 0},                         //
		{"zürich", "Zürich", 100},                        //
		{"zurich", "Zürich", 95},                         // accents
		{"Malmø", "malmo", 95},                           //
		{"straße", "STRASSE", 100},                       //
		{"Göteborg Malmö", "from malmo to goteborg", 95}, // any order
		{"alpha omega", "alpha only", 0},                 // all words
		{"naive café", "naïve cafés", 90},                //
		{"東京", "私は東京に住む", 100},
		{"京", "私は東京に住む", 100},
		{"京東", "私は東京に住む", 0},
		{"ภาษาไทย", "เขียนภาษาไทยได้", 100},
		{"привет", "Приветы", 80},
		{"превет", "привет", 60},
		{"d41d8cd98f00b204e9800998ecf8427e", "sum d41d8cd98f00b204e9800998ecf8427e.", 100},
		{"d41d8cd98f00b204e9800998ecf8427f", "sum d41d8cd98f00b204e9800998ecf8427e.", 0},
	} {
		if got := scanFuzzy(t, "From: a@b.example\r\n\r\n"+c.text+"\r\n", Query{Field: FieldBody, Needle: c.needle}, nil); got != c.want {
			t.Errorf("%q in %q: %d, want %d", c.needle, c.text, got, c.want)
		}
	}
	for _, needle := range []string{"", " ", "...", "\x00"} {
		if NewFuzzy(Query{Needle: needle}) != nil {
			t.Errorf("%q has words", needle)
		}
	}
}

// TestFuzzyFields: what is in the subject says more than what is in From, and that more than
// the body.
func TestFuzzyFields(t *testing.T) {
	q := Query{Field: FieldText, Needle: "meeting"}
	subject := scanFuzzy(t, "Subject: meeting\r\n\r\nx\r\n", q, nil)
	from := scanFuzzy(t, "From: meeting@example.com\r\n\r\nx\r\n", q, nil)
	body := scanFuzzy(t, "From: a@example.com\r\n\r\nmeeting\r\n", q, nil)
	both := scanFuzzy(t, "Subject: meeting\r\n\r\nmeeting\r\n", q, nil)
	if !(both > subject && subject > from && from > body && body > 0) {
		t.Errorf("both %d, subject %d, from %d, body %d", both, subject, from, body)
	}
	if n := scanFuzzy(t, "X-Meeting: meeting\r\n\r\nx\r\n", q, nil); n != 0 {
		t.Errorf("other fields: %d", n)
	}
	if n := scanFuzzy(t, "X-Meeting: meetings\r\nX-Other: no\r\n\r\nx\r\n", Query{Field: FieldHeader, Name: "x-meeting", Needle: "meeting"}, nil); n != 85 {
		t.Errorf("HEADER: %d", n)
	}
	if n := scanFuzzy(t, "X-Other: meetings\r\n\r\nx\r\n", Query{Field: FieldHeader, Name: "x-meeting", Needle: "meeting"}, nil); n != 0 {
		t.Errorf("HEADER of another name: %d", n)
	}
}

// TestFuzzyIndex: the index answers as a scan would, always the same.
func TestFuzzyIndex(t *testing.T) {
	f := newFixture(t, Config{})
	words := []string{"hello", "help", "Helo", "zürich", "meeting", "meetings", "東京都", "invoice", "2024", "d41d8cd98f00b204e9800998ecf8427e", "swimming", "swim"}
	for i := range 300 {
		w := func(k int) string { return words[(i*7+k*k*5+i/11*(k+1))%len(words)] }
		f.add(fmt.Sprintf("From: %s <user%d@example.com>\r\nSubject: %s and %s\r\nX-Note: %s\r\nDate: Mon, 7 Feb 1994 21:52:25 -0800\r\n\r\n%s, %s %d\r\n", asASCII(w(1)), i%9, asASCII(w(2)), asASCII(w(3)), asASCII(w(4)), w(5), w(6), i))
	}
	f.indexed()
	for _, q := range []Query{
		{Field: FieldText, Needle: "helo"}, {Field: FieldText, Needle: "helo meting"}, {Field: FieldBody, Needle: "zurich"}, {Field: FieldSubject, Needle: "swims"},
		{Field: FieldFrom, Needle: "user3 help"}, {Field: FieldHeader, Name: "X-Note", Needle: "invioce"}, {Field: FieldText, Needle: "東京"}, {Field: FieldBody, Needle: "京都 hello"},
		{Field: FieldText, Needle: "d41d8cd98f00b204e9800998ecf8427e meeting"}, {Field: FieldText, Needle: "nothing-like-it"}, {Field: FieldTo, Needle: "x"},
		{Field: FieldHeader, Name: "Subject", Needle: "hello"}, {Field: FieldText, Needle: "and"},
	} {
		fz := NewFuzzy(q)
		res, ok := f.m.Fuzzy(f.ctx, f.acc, fz)
		again, _ := f.m.Fuzzy(f.ctx, f.acc, fz)
		if !ok || !slices.Equal(res.Bodies, again.Bodies) || !slices.Equal(res.Scores, again.Scores) {
			t.Fatalf("%q: %v, %v, again %v", q.Needle, ok, res, again)
		}
		if !slices.IsSorted(res.Bodies) || !slices.IsSorted(res.Candidates) {
			t.Fatalf("%q: not in order", q.Needle)
		}
		found := 0
		for id, raw := range f.raw {
			want := scanFuzzy(t, raw, q, res.Weights)
			if want > 0 {
				found++
			}
			if _, maybe := slices.BinarySearch(res.Candidates, id); maybe {
				continue
			}
			if got := res.Score(id); id > res.IndexedTo || got != want {
				t.Errorf("%q: body %d: %d by the index, %d by looking at %q", q.Needle, id, got, want, raw)
			}
		}
		if (q.Needle == "x" || q.Needle == "nothing-like-it") != (found == 0) {
			t.Errorf("%q: %d found", q.Needle, found)
		}
	}
}

func asASCII(s string) string {
	if message.IsASCII([]byte(s)) {
		return s
	}
	return message.EncodeWords(s)
}

// TestFuzzyExpansions: a word for which very many terms stand is bounded.
func TestFuzzyExpansions(t *testing.T) {
	f := newFixture(t, Config{})
	var b strings.Builder
	for i := range 3000 {
		fmt.Fprintf(&b, "abc%c%c%c ", 'a'+i%26, 'a'+i/26%26, 'a'+i/676)
	}
	ids := f.add("Subject: x\r\n\r\n"+b.String()+"\r\n", "Subject: y\r\n\r\nabc\r\n")
	f.indexed()
	res, ok := f.m.Fuzzy(f.ctx, f.acc, NewFuzzy(Query{Field: FieldBody, Needle: strings.Repeat("abc ", 100) + strings.Repeat("x", 500)}))
	if !ok || len(res.Bodies) > 0 {
		t.Errorf("got %v %v", res, ok)
	}
	res, ok = f.m.Fuzzy(f.ctx, f.acc, NewFuzzy(Query{Field: FieldBody, Needle: "abc"}))
	if !ok || !slices.Equal(res.Bodies, []store.BodyID{ids[0], ids[1]}) || !slices.Equal(res.Scores, []uint8{sameStem, sameWord}) {
		t.Errorf("got %v %v", res, ok)
	}
}

// FuzzFuzzy: whatever the words, nothing panics, and a text is found by itself.
func FuzzFuzzy(f *testing.F) {
	for _, s := range []string{"hello world", "Zürich 東京都 x", "ภาษา \xff\x00", "ﬁ ß İ i̇", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa1", "deadbeef00112233", "\u0307 00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		s = strings.ToValidUTF8(strings.NewReplacer("\r", " ", "\n", " ").Replace(s), "?")
		fz := NewFuzzy(Query{Field: FieldBody, Needle: s})
		if fz == nil {
			return
		}
		raw := "Content-Type: text/plain; charset=utf-8\r\n\r\n" + s + "\r\n"
		if len(s) < maxFuzzyToken && scanFuzzy(t, raw, fz.Query, nil) == 0 {
			t.Errorf("%q does not find itself", s)
		}
	})
}
