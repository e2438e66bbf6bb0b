package search

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"mime"
	"mime/quotedprintable"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"mox/store"
)

func TestSearch(t *testing.T) {
	f := newFixture(t, Config{})
	a := f.add(mail("Lunch tomorrow", "Shall we meet at the Café Größe?"))[0]
	b := f.add(mail("=?utf-8?q?Gr=C3=BC=C3=9Fe?=", "日本語の文章です。東京都。"))[0]
	c := f.add("From: carol@example.net\r\nTo: Bob <bob@example.com>\r\nCc: dave@example.org\r\nMessage-ID: <x1@example.net>\r\nX-Spam: no\r\n" +
		"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>An <b>ur</b>gent&nbsp;offer &amp; more</p>\r\n" +
		"--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner thing\r\n\r\nenclosed words\r\n" +
		"--b\r\nContent-Type: application/pdf; name=\"invoice 42.pdf\"\r\n\r\nsecretbinary\r\n--b--\r\n")[0]
	f.indexed()
	tests := []struct {
		q    Query
		want []store.BodyID
	}{
		{Query{FieldText, "", "lunch"}, []store.BodyID{a}},
		{Query{FieldBody, "", "lunch"}, nil},
		{Query{FieldSubject, "", "LUNCH TOM"}, []store.BodyID{a}},
		{Query{FieldBody, "", "CAFE"}, []store.BodyID{a}},
		{Query{FieldBody, "", "GRÖSSE?"}, []store.BodyID{a}},
		{Query{FieldSubject, "", "grüße"}, []store.BodyID{b}},
		{Query{FieldText, "", "京都"}, []store.BodyID{b}},
		{Query{FieldBody, "", "語の文"}, []store.BodyID{b}},
		{Query{FieldBody, "", "語"}, []store.BodyID{b}},
		{Query{FieldText, "", "語京"}, nil},
		{Query{FieldFrom, "", "example.com"}, []store.BodyID{a, b}},
		{Query{FieldTo, "", "bob"}, []store.BodyID{c}},
		{Query{FieldCc, "", "dave"}, []store.BodyID{c}},
		{Query{FieldBcc, "", "dave"}, nil},
		{Query{FieldMessageID, "", "<x1@"}, []store.BodyID{c}},
		{Query{FieldBody, "", "urgent offer & m"}, []store.BodyID{c}},
		{Query{FieldBody, "", "inner"}, []store.BodyID{c}},
		{Query{FieldBody, "", "closed wo"}, []store.BodyID{c}},
		{Query{FieldBody, "", "invoice 42"}, []store.BodyID{c}},
		{Query{FieldText, "", "secretbinary"}, nil},
		{Query{FieldText, "", "type: application/pdf"}, []store.BodyID{c}},
		{Query{FieldBody, "", "application/pdf"}, nil},
		{Query{FieldHeader, "Content-Type", "pdf"}, nil},
		{Query{FieldHeader, "X-Spam", "no"}, []store.BodyID{c}},
		{Query{FieldHeader, "x-spam", ""}, []store.BodyID{c}},
		{Query{FieldHeader, "X-Spam", "yes"}, nil},
		{Query{FieldHeader, "subject", "lunch"}, []store.BodyID{a}},
		{Query{FieldHeader, "subject", ""}, []store.BodyID{a, b}},
		{Query{FieldText, "", "x-spam: no"}, []store.BodyID{c}},
		{Query{FieldText, "", "subject: lunch"}, []store.BodyID{a}},
		{Query{FieldText, "", "from: b"}, []store.BodyID{a, b}},
	}
	for _, tt := range tests {
		res := f.check(tt.q)
		var got []store.BodyID
		for _, id := range slices.Sorted(slices.Values(append(slices.Clone(res.Matches), res.Candidates...))) {
			if f.match(id, tt.q) {
				got = append(got, id)
			}
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%+q: %v, want %v", tt.q, got, tt.want)
		}
	}
	for _, needle := range []string{"", " ", "\r\n", "\u00ad"} {
		if res, ok := f.m.Candidates(f.ctx, f.acc, Query{FieldBody, "", needle}); ok {
			t.Errorf("%q: the index cannot know, it says %v", needle, res)
		}
	}
}

// words to make random text of, besides those of samples.
var vocabulary = func() []string {
	var list []string
	for _, s := range samples {
		list = append(list, strings.Fields(s)...)
		list = append(list, s)
	}
	return append(list, "the", "of", "and", "an", "or", "e\u0301", "\u0301", "(", ")", "--", "...", "@", "a", "I", "日", "東", "ก", "가", "\u1100\u1161", "か", "か\u3099", "🎉")
}()

func randomText(r *rand.Rand, words int) string {
	var b strings.Builder
	for range words {
		w := vocabulary[r.IntN(len(vocabulary))]
		switch r.IntN(8) {
		case 0:
			w = strings.ToUpper(w)
		case 1: // a piece of a word
			rs := []rune(w)
			w = string(rs[r.IntN(len(rs)):])
		case 2: // a blob
			x := make([]byte, 3+r.IntN(60))
			for i := range x {
				x[i] = byte(r.Uint32())
			}
			w = base64.StdEncoding.EncodeToString(x)
		}
		b.WriteString(w)
		b.WriteString([]string{" ", " ", " ", " ", "", "  ", "\r\n", ", ", ". "}[r.IntN(9)])
	}
	return b.String()
}

func randomMail(r *rand.Rand) string {
	word := func(n int) string {
		s := strings.Map(func(c rune) rune {
			if c < ' ' || c == 0x7f {
				return ' '
			}
			return c
		}, randomText(r, n))
		return strings.ToValidUTF8(s, "?")
	}
	var b strings.Builder
	fmt.Fprintf(&b, "From: %s <%s@example.com>\r\n", mime.QEncoding.Encode("utf-8", word(2)), []string{"bob", "carol", "x"}[r.IntN(3)])
	fmt.Fprintf(&b, "To: alice@example.org,\r\n %s <dave@example.net>\r\n", mime.BEncoding.Encode("utf-8", word(1)))
	fmt.Fprintf(&b, "Subject: %s\r\n", mime.BEncoding.Encode("utf-8", word(1+r.IntN(8))))
	fmt.Fprintf(&b, "DKIM-Signature: v=1; a=rsa-sha256; b=%s\r\n", base64.StdEncoding.EncodeToString([]byte(word(6))))
	fmt.Fprintf(&b, "X-Raw: %s\r\nMIME-Version: 1.0\r\n", word(2))
	text := randomText(r, 1+r.IntN(100))
	part := func(typ, s string) {
		switch r.IntN(3) {
		case 0:
			fmt.Fprintf(&b, "Content-Type: %s; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n%s\r\n", typ, s)
		case 1:
			fmt.Fprintf(&b, "Content-Type: %s; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n%s\r\n", typ, base64.StdEncoding.EncodeToString([]byte(s)))
		default:
			fmt.Fprintf(&b, "Content-Type: %s; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n", typ)
			w := quotedprintable.NewWriter(&b)
			w.Write([]byte(s))
			w.Close()
			b.WriteString("\r\n")
		}
	}
	switch r.IntN(3) {
	case 0:
		part("text/plain", text)
	case 1:
		part("text/html", "<html><body><p>"+strings.ReplaceAll(text, " and ", "</p>&amp;<p>")+"</p><style>p{color:red}</style></body></html>")
	default:
		b.WriteString("Content-Type: multipart/mixed; boundary=\"=_b\"\r\n\r\npreamble\r\n--=_b\r\n")
		part("text/plain", text)
		b.WriteString("--=_b\r\n")
		part("text/html", "<div>"+randomText(r, 10)+"</div>")
		b.WriteString("--=_b\r\nContent-Type: message/rfc822\r\n\r\nSubject: " + word(3) + "\r\n\r\n" + randomText(r, 5) + "\r\n--=_b--\r\n")
	}
	return b.String()
}

// randomNeedle is a piece of a message's text, or not.
func randomNeedle(r *rand.Rand, raws []string) string {
	s := randomText(r, 1+r.IntN(3))
	if r.IntN(2) == 0 {
		s = raws[r.IntN(len(raws))]
	}
	if r.IntN(12) == 0 {
		return string([]rune("abcdefgh.-@ \n日東กか🎉é")[r.IntN(19)])
	}
	for range 20 {
		at := r.IntN(len(s))
		n := min(len(s)-at, 1+r.IntN(12))
		if r.IntN(10) == 0 {
			n = min(len(s)-at, 1+r.IntN(80))
		}
		p := s[at : at+n]
		if utf8.ValidString(p) {
			if r.IntN(4) == 0 {
				p = strings.ToUpper(p)
			}
			return p
		}
	}
	return s[:min(len(s), 3)]
}

// Looking through all messages gives what the index gives, for any needle.
func TestSearchRandom(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	f := newFixture(t, Config{BatchMessages: 7, PartText: 2000, Cache: 64 << 10})
	var raws []string
	n := 40
	if testing.Short() {
		n = 25
	}
	for range n {
		raws = append(raws, randomMail(r))
		f.add(raws[len(raws)-1])
		if r.IntN(4) == 0 {
			f.m.Touch("alice")
		}
	}
	f.indexed()
	fields := []Field{FieldText, FieldText, FieldBody, FieldBody, FieldSubject, FieldFrom, FieldTo, FieldHeader}
	found, sure := 0, 0
	for i := range 12 * n {
		q := Query{Field: fields[r.IntN(len(fields))], Needle: randomNeedle(r, raws)}
		if q.Field == FieldHeader {
			q.Name = []string{"X-Raw", "subject", "DKIM-Signature", "From"}[r.IntN(4)]
		}
		res := f.check(q)
		found += len(res.Candidates)
		sure += len(res.Matches)
		if t.Failed() || i%100 == 99 && testing.Short() && i > 300 {
			break
		}
	}
	t.Logf("%d certain, %d candidates, %+v", sure, found, f.m.Stats())
}
