package classifier

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mox/db"
	"mox/message"
)

// parse parses a message written with bare line ends.
func parse(t testing.TB, text string) (*message.Part, *bytes.Reader) {
	t.Helper()
	r := bytes.NewReader([]byte(strings.ReplaceAll(text, "\n", "\r\n")))
	p, err := message.Parse(io.NewSectionReader(r, 0, r.Size()), message.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return p, r
}

// texts returns the texts of a message's tokens.
func texts(t testing.TB, msg string, o Options) []string {
	t.Helper()
	p, r := parse(t, msg)
	tokens, err := Tokens(context.Background(), p, r, o)
	if err != nil {
		t.Fatal(err)
	}
	var l []string
	for _, k := range tokens {
		if k.Hash != Hash(k.Text) {
			t.Errorf("token %q has hash %x, want %x", k.Text, k.Hash, Hash(k.Text))
		}
		l = append(l, k.Text)
	}
	return l
}

// want checks that all of has and none of not are among the tokens.
func want(t *testing.T, got []string, has, not []string) {
	t.Helper()
	for _, w := range has {
		if !slices.Contains(got, w) {
			t.Errorf("no token %q in %q", w, got)
		}
	}
	for _, w := range not {
		if slices.Contains(got, w) {
			t.Errorf("token %q in %q", w, got)
		}
	}
}

// The format on disk: these must never change without a new Version.
func TestHash(t *testing.T) {
	for text, hash := range map[string]uint64{"": 0xaf63bf4c8601bb45, "free money": 0x491417a84cb04353, "Subject:größe": 0xd078068babd3f1f8} {
		if h := Hash(text); h != hash {
			t.Errorf("hash of %q is %#x, want %#x", text, h, hash)
		}
	}
	if b := AppendHashes([]byte{9}, []Token{{Hash: 0x0102030405060708}}); !bytes.Equal(b, []byte{9, 8, 7, 6, 5, 4, 3, 2, 1}) {
		t.Errorf("hashes as bytes: %x", b)
	}
}

func TestWords(t *testing.T) {
	for _, tc := range []struct {
		name, body string
		has, not   []string
	}{
		{"folding", "Free MONEY, don't wait!", []string{"free", "money", "don't", "wait", "free money", "don't wait"}, []string{"Free", "wait!"}},
		{"capitals", "ACT now: ORDER, (FREE) GRÖSSE", []string{"order", "caps:order", "caps:free", "grösse", "caps:grösse", "act"}, []string{"caps:act", "caps:now"}},
		{"short words only in pairs", "go to bed", []string{"bed", "to bed"}, []string{"go", "to", "go to"}},
		{"numbers keep their shape", "only $19.95 or 1-800-555-1234, 100% of 2002", []string{"$00.00", "0-000-000-0000"}, []string{"2002", "100"}},
		{"random words are one fact", "xkcdqwrtz hq83jf92la aaa1234", []string{"odd:random"}, []string{"xkcdqwrtz", "hq83jf92la"}},
		{"letters apart", "v.i.a.g.r.a", []string{"viagra", "odd:spaced"}, nil},
		{"URLs", "see http://Shop.Example.COM:8080/cheap/pills.html?id=1 and www.example.net.", []string{"url:shop.example.com", "url:example.com", "url:odd:port", "url/cheap", "url/pills", "url/?", "url:www.example.net", "url:example.net", "see", "and"}, []string{"http"}},
		{"address and user in URL", "http://bank.example@192.0.2.1/", []string{"url:odd:userinfo", "url:odd:address", "url:192.0.2.1"}, []string{"url:bank.example"}},
		{"addresses", "mail joe@mail.example.org now", []string{"@mail.example.org", "@example.org"}, []string{"joe"}},
		{"accents and case", "GRÖSSE Ελλάδα ПРИВЕТ", []string{"grösse", "ελλάδα", "привет", "grösse ελλάδα"}, nil},
		{"Chinese and Japanese by pairs", "免费发票 こんにちは", []string{"免费", "费发", "发票", "こん", "ちは"}, []string{"免费发票", "票こ"}},
		{"Thai by pairs", "ภาษาไทย", []string{"ภา"}, []string{"ภาษาไทย"}},
		{"mixed scripts", "pаypal", []string{"odd:mixed-script"}, nil}, // Cyrillic а
		{"invisible characters", "via\u200bgra so\u00adft", []string{"viagra", "soft", "odd:invisible"}, nil},
		{"styled letters", "ｆｒｅｅ 𝐦𝐨𝐧𝐞𝐲", []string{"free", "money", "odd:styled"}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := texts(t, "Content-Type: text/plain; charset=utf-8\n\n"+tc.body+"\n", DefaultOptions)
			want(t, got, tc.has, tc.not)
		})
	}
}

func TestHeader(t *testing.T) {
	got := texts(t, `Return-Path: <bounce@bulk.example>
Received: from evil.example by mx.example; Mon, 1 Jan 2024 00:00:00 +0000
From: "Cheap Deals" <deals@shop.example.com>
To: a@x.example, b@x.example, c@x.example, d@x.example, e@x.example
Reply-To: other@elsewhere.example
Subject: =?utf-8?q?FREE_M=C3=96NEY_TODAY!?=
Message-ID: <123@localhost>
X-Mailer: BulkSender Pro 7.3
List-Id: <news.lists.example>
Precedence: Bulk
X-Spam-Status: Yes
Date: Mon, 1 Jan 2024 00:00:00 +0000
Content-Type: text/plain; charset=ISO-8859-1

hello
`, DefaultOptions)
	want(t, got, []string{
		"From:cheap deals", "From:deals@shop.example.com", "From:@shop.example.com", "From:@example.com", "Subject:free", "Subject:möney", "Subject:free möney",
		"Subject:odd:capitals", "Subject:odd:!", "To:odd:many", "Reply-To:odd:differs", "Return-Path:@bulk.example", "Message-ID:odd:one label",
		"Mailer:bulksender pro", "List:news.lists.example", "precedence:bulk", "charset:iso-8859-1", "type:text/plain", "hello",
		"Subject:caps:free", "Subject:odd:end A!", "From:odd:words 2", "Date:zone +0000", "Date:form 6 comma",
	}, []string{"free", "From:@example", "Mailer:7.3"})
	for _, w := range got {
		if strings.Contains(w, "evil") || strings.Contains(strings.ToLower(w), "spam") {
			t.Errorf("token %q of a trace field", w)
		}
	}
	got = texts(t, "Subject: hello xy12!?xy12!?xy12!?\nFrom: deals <Deals@a.example>\nDate: 1 Jan 2024 00:00:00 GMT (x)\n\n", DefaultOptions)
	want(t, got, []string{"Subject:odd:end a0!?a0!?a0", "From:odd:words 1", "From:odd:name is mailbox", "Date:zone gmt", "Date:form 5 comment"}, nil)
	got = texts(t, "Subject:\n\n", DefaultOptions)
	want(t, got, []string{"To:odd:none", "Message-ID:odd:none", "Subject:odd:none", "Mailer:none", "type:none"}, nil)
}

func TestHTML(t *testing.T) {
	for _, tc := range []struct {
		name, body string
		has, not   []string
	}{
		{"text", "<p>cheap <b>pi</b>lls</p><p>next</p>", []string{"cheap", "pills", "cheap pills", "next", "type:text/html"}, []string{"pi", "html"}},
		{"entities", "caf&eacute; &#102;ree", []string{"café", "free"}, nil},
		{"script and style are not shown", "<style>red{}</style><script>var steal</script>shown", []string{"shown", "html:script", "html:style"}, []string{"steal", "var", "red"}},
		{"hidden text", `<div style="display: none">salad <div>words</div> more</div>visible`, []string{"hidden:salad", "hidden:words", "hidden:more", "html:hidden text", "visible"}, []string{"salad", "words", "hidden:visible"}},
		{"links and images", `<a href="HTTP://Click.Example.com/offer">here</a><img alt="big sale" width=1 height="1" src=http://img.example/x.gif>`, []string{"url:click.example.com", "url/offer", "here", "sale", "url:img.example", "html:image of a pixel"}, nil},
		{"form and handler", `<form action="http://192.0.2.7/login"><input onclick="x()"></form>`, []string{"html:form", "html:input", "url:odd:address", "html:event handler"}, nil},
		{"mail link", `<a href="mailto:remove@list.example?subject=x">x</a>`, []string{"html:href mailto", "@list.example"}, nil},
		{"color", `<font color="#FF0000">red</font>`, []string{"html:font", "html:color ff0000", "red"}, nil},
		{"unknown element within a word", "fr<zzz>ee", []string{"free", "html:unknown element"}, nil},
		{"comment within a word", "fr<!-- x -->ee", []string{"free"}, nil},
		{"cut off", "<p>word <a href='http://x.exa", []string{"word"}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			want(t, texts(t, "Content-Type: text/html; charset=utf-8\n\n"+tc.body+"\n", DefaultOptions), tc.has, tc.not)
		})
	}
}

func TestParts(t *testing.T) {
	got := texts(t, `Subject: outer
Content-Type: multipart/mixed; boundary=x

--x
Content-Type: text/plain
Content-Transfer-Encoding: base64

aW5uZXIgdGV4dA==
--x
Content-Type: message/rfc822

Subject: forwarded offer

nested words
--x
Content-Type: application/octet-stream; name="Invoice.PDF.exe"
Content-Disposition: attachment

ignored binary
--x--
`, DefaultOptions)
	want(t, got, []string{"inner text", "type:odd:base64 text", "type:multipart/mixed", "forwarded offer", "nested words", "file:.exe", "file:invoice.pdf.exe"}, []string{"ignored"})
}

func TestGrams(t *testing.T) {
	const msg = "\nalpha beta gamma\n"
	for _, tc := range []struct {
		o        Options
		has, not []string
	}{
		{Options{}, []string{"type:text/plain"}, []string{"alpha", "alpha beta"}},
		{Options{Onegrams: true}, []string{"alpha", "gamma"}, []string{"alpha beta"}},
		{Options{Twograms: true}, []string{"alpha beta", "beta gamma"}, []string{"alpha", "alpha beta gamma"}},
		{Options{Threegrams: true}, []string{"alpha beta gamma"}, []string{"alpha", "alpha beta"}},
	} {
		want(t, texts(t, msg, tc.o), tc.has, tc.not)
	}
}

// Work is bounded, whatever a message holds.
func TestBounds(t *testing.T) {
	var long strings.Builder
	for i := range 200_000 {
		long.WriteString("w")
		for n := i; n > 0; n /= 20 {
			long.WriteByte("bacedifoguhajekilomu"[n%20])
		}
		long.WriteByte(' ')
	}
	got := texts(t, "\n"+long.String(), DefaultOptions)
	if len(got) != defaultMaxTokens {
		t.Errorf("%d tokens, want %d", len(got), defaultMaxTokens)
	}
	if got := texts(t, "\n"+long.String(), Options{Onegrams: true, MaxTokens: 7}); len(got) != 7 {
		t.Errorf("%d tokens, want 7", len(got))
	}
	want(t, texts(t, "\nfirst "+strings.Repeat("x ", 1000)+"second\n", Options{Onegrams: true, MaxText: 1000}), []string{"first"}, []string{"second"})
	for name, body := range map[string]string{
		"no spaces":     strings.Repeat("a", 1<<20),
		"one URL":       "http://" + strings.Repeat("a.", 1<<18),
		"one tag":       "<" + strings.Repeat("a", 1<<20),
		"one attribute": "<a href='http://" + strings.Repeat("a", 1<<20),
		"nested":        strings.Repeat("<div style=display:none>", 1<<15),
		"Han":           strings.Repeat("免费", 1<<18),
		"marks":         "e" + strings.Repeat("\u0301", 1<<18),
	} {
		for _, subtype := range []string{"plain", "html"} {
			for _, w := range texts(t, "Content-Type: text/"+subtype+"; charset=utf-8\n\n"+body, DefaultOptions) {
				if len(w) > 4*maxTokenText {
					t.Errorf("%s: token of %d bytes", name, len(w))
				}
			}
		}
	}
}

func TestTokensErrors(t *testing.T) {
	p, r := parse(t, "\nhello world\n")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Tokens(ctx, p, r, DefaultOptions); !errors.Is(err, context.Canceled) {
		t.Errorf("with a canceled context: %v", err)
	}
	if _, err := Tokens(context.Background(), p, failing{}, DefaultOptions); !errors.Is(err, errFailing) {
		t.Errorf("with a failing reader: %v", err)
	}
}

var errFailing = errors.New("failing")

type failing struct{}

func (failing) ReadAt([]byte, int64) (int, error) { return 0, errFailing }

// tokensOf makes one token of each word.
func tokensOf(words ...string) (l []Token) {
	for _, w := range words {
		l = append(l, Token{Hash: Hash(w), Text: w})
	}
	return l
}

func TestClassify(t *testing.T) {
	var m Memory
	ham, spam := tokensOf("meeting", "agenda", "the"), tokensOf("pills", "cheap", "the")
	for range SignificantHam - 1 {
		m.Train(ham, false)
	}
	for range 60 {
		m.Train(spam, true)
	}
	if r := m.Classify(DefaultParams, spam); r.Significant {
		t.Errorf("significant with %d ham", m.Totals().Ham)
	}
	m.Train(ham, false)

	r := m.Classify(DefaultParams, spam)
	if !r.Significant || r.Probability < 0.6 {
		t.Errorf("spam has probability %v, significant %v", r.Probability, r.Significant)
	}
	// "the" is in all, and says nothing; equal words are in order of text.
	var words []string
	for _, w := range r.Words {
		words = append(words, w.Text)
	}
	if !slices.Equal(words, []string{"cheap", "pills"}) || r.Tokens != 3 || r.Known != 3 {
		t.Errorf("words %q of %d tokens, %d known", words, r.Tokens, r.Known)
	}
	if p := m.Classify(DefaultParams, ham).Probability; p > 0.1 {
		t.Errorf("ham has probability %v", p)
	}
	for name, r := range map[string]Result{
		"no tokens":       m.Classify(DefaultParams, nil),
		"unknown tokens":  m.Classify(DefaultParams, tokensOf("never", "seen")),
		"nothing trained": new(Memory).Classify(DefaultParams, spam),
		"no counts given": DefaultParams.Classify(spam, nil, m.Totals()),
	} {
		if r.Probability != 0.5 || len(r.Words) > 0 {
			t.Errorf("%s: %+v", name, r)
		}
	}
	// Counts above the totals, as of a damaged store.
	for _, p := range []Params{DefaultParams, {}} {
		r := p.Classify(spam, []Counts{{5, 0}, {0, math.MaxUint32}, {math.MaxUint32, 1}}, Counts{1, 0})
		if math.IsNaN(r.Probability) || r.Probability < 0 || r.Probability > 1 {
			t.Errorf("probability %v", r.Probability)
		}
	}
}

// Many words of a body do not drown those of a header, nor the other way round.
func TestViews(t *testing.T) {
	var tokens []Token
	var counts []Counts
	for i := range 110 {
		tokens = append(tokens, Token{Hash: uint64(i), Text: "w", Header: i < 10})
		c := Counts{Spam: 40}
		if i < 10 {
			c = Counts{Ham: 90}
		}
		counts = append(counts, c)
	}
	totals := Counts{100, 100}
	both := DefaultParams.Classify(tokens, counts, totals).Probability
	for i := range tokens {
		tokens[i].Header = false
	}
	one := DefaultParams.Classify(tokens, counts, totals).Probability
	if both >= one {
		t.Errorf("probability %v with ham words in the header, %v with all in the body", both, one)
	}
	p, r := parse(t, "Subject: outer\n\ninner\n")
	list, err := Tokens(context.Background(), p, r, DefaultOptions)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range list {
		if k.Text == "Subject:outer" && !k.Header || k.Text == "inner" && k.Header {
			t.Errorf("token %+v", k)
		}
	}
}

func TestParams(t *testing.T) {
	totals := Counts{1000, 1000}
	tokens := tokensOf("strong", "stronger", "weak", "ham", "rare")
	counts := []Counts{{2, 500}, {0, 900}, {90, 110}, {800, 0}, {0, 3}}
	words := func(p Params) map[string]float64 {
		m := map[string]float64{}
		for _, w := range p.Classify(tokens, counts, totals).Words {
			m[w.Text] = w.Probability
		}
		return m
	}
	all := words(Params{})
	if len(all) != 5 || all["rare"] < all["weak"] {
		t.Errorf("without bounds: %v", all)
	}
	if m := words(Params{MaxPower: 0.1}); math.Abs(m["stronger"]-0.9) > 1e-9 || math.Abs(m["ham"]-0.1) > 1e-9 {
		t.Errorf("MaxPower: %v", m)
	}
	if m := words(Params{TopWords: 1}); len(m) != 2 || m["rare"] == 0 || m["ham"] == 0 {
		t.Errorf("TopWords: %v", m)
	}
	if m := words(Params{IgnoreWords: 0.1}); m["weak"] != 0 || len(m) != 4 {
		t.Errorf("IgnoreWords: %v", m)
	}
	if m := words(Params{RareWords: 10}); m["rare"] >= all["rare"] || all["stronger"]-m["stronger"] > 0.01 {
		t.Errorf("RareWords: %v, without: %v", m, all)
	}
	a, b := DefaultParams.Classify(tokens, counts, totals), DefaultParams.Classify(tokens, counts, totals)
	if d := cmp.Diff(a, b); d != "" {
		t.Errorf("not deterministic: %s", d)
	}
}

func TestCounts(t *testing.T) {
	c := Counts{}.Add(true).Add(false).Add(true)
	if c != (Counts{1, 2}) || c.Sub(true).Sub(true).Sub(false) != (Counts{}) {
		t.Errorf("counts %v", c)
	}
	if c := (Counts{}).Sub(true).Sub(false); c != (Counts{}) {
		t.Errorf("below zero: %v", c)
	}
	if c := (Counts{math.MaxUint32, 0}).Add(false); c.Ham != math.MaxUint32 {
		t.Errorf("above the most: %v", c)
	}
}

// What was trained and taken back, in any order, leaves nothing.
func TestFile(t *testing.T) {
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "filter.db")
	if _, err := OpenFile(ctx, path, DefaultOptions, false); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("opening a missing filter: %v", err)
	}
	f, err := OpenFile(ctx, path, DefaultOptions, true)
	if err != nil {
		t.Fatal(err)
	}
	a, b, c := Sample{tokensOf("x", "y"), false}, Sample{tokensOf("y", "z"), true}, Sample{tokensOf("y"), true}
	check := func(words []Token, want []Counts, totals Counts) {
		t.Helper()
		got, n, err := f.Counts(ctx, words)
		if err != nil || !slices.Equal(got, want) || n != totals {
			t.Errorf("counts %v, totals %v, err %v; want %v, %v", got, n, err, want, totals)
		}
	}
	step := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	step(f.Train(ctx, a, b))
	step(f.Train(ctx, c))
	xyz := tokensOf("x", "y", "z", "none")
	check(xyz, []Counts{{1, 0}, {1, 2}, {0, 1}, {}}, Counts{1, 2})
	step(f.Close())

	if _, err := OpenFile(ctx, path, Options{Onegrams: true}, true); !errors.Is(err, ErrTokens) {
		t.Errorf("opening with other tokens: %v", err)
	}
	f, err = OpenFile(ctx, path, DefaultOptions, false)
	step(err)
	defer f.Close()
	step(f.Untrain(ctx, b, a))
	check(xyz, []Counts{{}, {0, 1}, {}, {}}, Counts{0, 1})
	step(f.Untrain(ctx, c))
	check(xyz, make([]Counts, 4), Counts{})
	err = f.db.Read(ctx, func(c *db.Conn) error {
		n, _, err := c.QueryInt64("SELECT count(*) FROM token")
		if n != 0 {
			t.Errorf("%d tokens left", n)
		}
		return err
	})
	step(err)

	var m Memory
	m.Train(a.Tokens, false)
	m.Train(b.Tokens, true)
	m.Untrain(a.Tokens, false)
	m.Untrain(b.Tokens, true)
	if m.Len() != 0 || m.Totals() != (Counts{}) {
		t.Errorf("memory keeps %d tokens, totals %v", m.Len(), m.Totals())
	}
}

func FuzzTokens(f *testing.F) {
	for _, s := range []string{
		"", "Subject: x\r\n\r\nhello http://a.example/b", "Content-Type: text/html\r\n\r\n<p style='display:none'>a<b>c</p><a href=mailto:x@y>",
		"Content-Type: text/plain; charset=utf-8\r\n\r\n免费 pаypal v.i.a.g.r.a \u200b \xff\xfe $1,000.00 a@b@c.d",
		"From: =?utf-8?q?=FF?= <@:a@b>\r\nTo: x: a@b, c@d;\r\nMessage-ID: <@>\r\nReturn-Path: <>\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: message/rfc822\r\n\r\nSubject: y\r\n\r\nz\r\n--x--",
	} {
		f.Add([]byte(s), byte(3))
	}
	f.Fuzz(func(t *testing.T, data []byte, grams byte) {
		p, err := message.Parse(bytes.NewReader(data), message.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		o := Options{Onegrams: grams&1 != 0, Twograms: grams&2 != 0, Threegrams: grams&4 != 0, MaxTokens: 200}
		tokens, err := Tokens(context.Background(), p, bytes.NewReader(data), o)
		if err != nil || len(tokens) > 200 {
			t.Fatalf("%d tokens, err %v", len(tokens), err)
		}
		seen := map[uint64]bool{}
		var m Memory
		m.Train(tokens, true)
		for _, k := range tokens {
			if seen[k.Hash] || k.Hash != Hash(k.Text) || len(k.Text) > 4*maxTokenText || strings.ToValidUTF8(k.Text, "") != k.Text {
				t.Fatalf("token %q, hash %x", k.Text, k.Hash)
			}
			seen[k.Hash] = true
		}
		if r := m.Classify(DefaultParams, tokens); !(r.Probability >= 0 && r.Probability <= 1) {
			t.Fatalf("probability %v", r.Probability)
		}
		m.Untrain(tokens, true)
		if m.Len() != 0 {
			t.Fatalf("%d tokens left", m.Len())
		}
	})
}

// benchmarkMail is text of about 10 KB, plain or HTML, of a vocabulary like that of mail.
func benchmarkMail(subtype string) string {
	var b strings.Builder
	b.WriteString("From: \"Jane Doe\" <jane@mail.example.org>\r\nTo: joe@example.com\r\nSubject: Notes of the meeting\r\nMessage-ID: <1@mail.example.org>\r\nContent-Type: text/" + subtype + "; charset=utf-8\r\n\r\n")
	syllables := []string{"ma", "ter", "lo", "ni", "ka", "sen", "do", "vi", "re", "pu"}
	for i := 0; b.Len() < 10<<10; i++ {
		for n := i * i % 997; n > 0; n /= 10 {
			b.WriteString(syllables[n%10])
		}
		switch {
		case i%40 == 0 && subtype == "html":
			b.WriteString("</p>\r\n<p style=\"margin: 0\"><a href=\"http://www.example.org/news/item\">")
		case i%12 == 0:
			b.WriteString(",\r\n")
		default:
			b.WriteByte(' ')
		}
	}
	return b.String()
}

func BenchmarkTokens(b *testing.B) {
	for _, subtype := range []string{"plain", "html"} {
		b.Run(subtype, func(b *testing.B) {
			data := []byte(benchmarkMail(subtype))
			r := bytes.NewReader(data)
			p, err := message.Parse(bytes.NewReader(data), message.Limits{})
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			var z Tokenizer
			n := 0
			for b.Loop() {
				tokens, err := z.Tokens(context.Background(), p, r, DefaultOptions)
				if err != nil {
					b.Fatal(err)
				}
				n = len(tokens)
			}
			b.ReportMetric(float64(n), "tokens")
		})
	}
}

func BenchmarkClassify(b *testing.B) {
	var tokens []Token
	var counts []Counts
	for i := range 1500 {
		w := strings.Repeat("x", i%7) + string(rune('a'+i%26))
		tokens = append(tokens, Token{Hash: uint64(i), Text: w})
		counts = append(counts, Counts{uint32(i * 7 % 100), uint32(i * 13 % 80)})
	}
	b.ReportAllocs()
	for b.Loop() {
		DefaultParams.Classify(tokens, counts, Counts{2000, 1000})
	}
}

func BenchmarkFileCounts(b *testing.B) {
	ctx := context.Background()
	f, err := OpenFile(ctx, filepath.Join(b.TempDir(), "filter.db"), DefaultOptions, true)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	var tokens []Token
	for i := range 1000 {
		w := strings.Repeat("y", i%50) + string(rune('a'+i/50))
		tokens = append(tokens, Token{Hash: Hash(w), Text: w})
	}
	if err := f.Train(ctx, Sample{tokens, true}); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, _, err := f.Counts(ctx, tokens); err != nil {
			b.Fatal(err)
		}
	}
}
