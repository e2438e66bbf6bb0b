package classifier

import (
	"context"
	"encoding/binary"
	"io"
	"strings"

	"mox/message"
)

// Version is that of the tokens: messages give other hashes when it changes, so that
// counts of different versions never mix.
const Version = 2

// Token is one thing that a message has: a word, several in a row, a host of a link, a
// fact of the header. Each occurs once in the tokens of a message.
type Token struct {
	// Hash is what is stored: FNV-1a, 64 bits, of a byte with [Version] and the bytes
	// of Text. It does not change between releases without a new Version.
	Hash uint64
	// Text is the token for people, in UTF-8 and lower case, such as "free money" or
	// "Subject:free".
	Text string
	// Header says that it was found in the header of the message, not in its body.
	Header bool
}

// Options say what tokens of a message are wanted. With none of Onegrams, Twograms and
// Threegrams, only facts about a message are left, such as hosts and media types.
type Options struct {
	// Onegrams, Twograms and Threegrams are single words, two and three in a row.
	Onegrams, Twograms, Threegrams bool
	// MaxText is how many bytes of decoded text are looked at, in the whole message,
	// and of each header field at most a sixteenth. 0: 256 KiB.
	MaxText int
	// MaxTokens is how many tokens are returned, the first of the message. 0: 3000.
	MaxTokens int
}

const (
	defaultMaxText   = 256 << 10
	defaultMaxTokens = 3000

	maxParts     = 200      // looked at
	maxHeader    = 64 << 10 // bytes of the message header looked at
	maxTokenText = 80       // bytes of one word; longer ones are no words
)

// Tokens returns the tokens of a message, whose parts were read from ra, in the order of
// the message. Work and memory are bounded by o. It fails only when ra or ctx does, with
// the tokens until then.
func Tokens(ctx context.Context, part *message.Part, ra io.ReaderAt, o Options) ([]Token, error) {
	var t Tokenizer
	tokens, err := t.Tokens(ctx, part, ra, o)
	all := string(t.t.text) // which texts share
	for i, s := range t.t.spans {
		tokens[i].Text = all[s.start:s.end]
	}
	return tokens, err
}

// Tokenizer takes the tokens of one message after the other, in the same memory: a few
// times that of the largest message. The zero value is ready. It is not safe for concurrent
// use.
type Tokenizer struct {
	t      tokenizer
	tokens []Token
}

// Tokens is [Tokens], but leaves their texts empty: see Text. The result is valid until the
// next call.
func (z *Tokenizer) Tokens(ctx context.Context, part *message.Part, ra io.ReaderAt, o Options) ([]Token, error) {
	z.t.reset(o)
	err := z.t.message(ctx, part, ra)
	z.tokens = z.tokens[:0]
	for i, s := range z.t.spans {
		z.tokens = append(z.tokens, Token{Hash: s.hash, Header: i < z.t.headers})
	}
	return z.tokens, err
}

// Text returns the text of token i of the last message.
func (z *Tokenizer) Text(i int) string {
	s := z.t.spans[i]
	return string(z.t.text[s.start:s.end])
}

// span is a token while texts are gathered.
type span struct {
	hash       uint64
	start, end int32
}

// tokenizer gathers the tokens of one message.
type tokenizer struct {
	o     Options
	left  int // bytes of text still to be looked at
	parts int // looked at

	text  []byte // of all tokens
	spans []span
	// headers is how many of spans, the first, are of the header of the message.
	headers int
	seen    hashSet

	prefix     string      // of words: "Subject:", "" in text
	prefixHash uint64      // of prefix
	prev       [2]previous // the last two words, [1] nearer
	fold       []byte      // word being folded
	raw        []byte      // text being read
}

// previous is a word before the next one; without text there is none.
type previous struct {
	hash uint64 // of the prefix and text
	text []byte
}

// reset makes the tokenizer ready for another message.
func (t *tokenizer) reset(o Options) {
	if o.MaxText <= 0 {
		o.MaxText = defaultMaxText
	}
	if o.MaxTokens <= 0 {
		o.MaxTokens = defaultMaxTokens
	}
	t.o, t.left, t.parts, t.headers = o, o.MaxText, 0, 0
	t.text, t.spans = t.text[:0], t.spans[:0]
	t.seen.reset()
	t.within("")
}

func (t *tokenizer) full() bool { return len(t.spans) >= t.o.MaxTokens }

const (
	fnvOffset = 14695981039346656037
	fnvPrime  = 1099511628211
)

// Hash returns the hash of a token's text, as in [Token].
func Hash(text string) uint64 {
	h := uint64(fnvOffset)
	return extend((h^Version)*fnvPrime, text)
}

// extend continues a hash with more of a token's text.
func extend[T []byte | string](h uint64, s T) uint64 {
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * fnvPrime
	}
	return h
}

// begun is the hash of no text.
var begun = Hash("")

// add tells whether a token with a hash is to be added, and remembers it. The caller
// then appends its text, and calls added.
func (t *tokenizer) add(h uint64) bool { return !t.full() && t.seen.add(h) }

// added makes a token of what was appended to text since start.
func (t *tokenizer) added(h uint64, start int) {
	t.spans = append(t.spans, span{h, int32(start), int32(len(t.text))})
}

// fact adds a token that is no word: name and value are put together.
func (t *tokenizer) fact(name, value string) {
	value = strings.ToValidUTF8(limit(value, maxTokenText), "")
	if h := extend(extend(begun, name), value); t.add(h) {
		start := len(t.text)
		t.text = append(append(t.text, name...), value...)
		t.added(h, start)
	}
}

// word adds a folded word, and the pair and triple that end with it.
func (t *tokenizer) word(w []byte) {
	h := extend(t.prefixHash, w)
	if t.o.Onegrams && t.add(h) {
		start := len(t.text)
		t.text = append(append(t.text, t.prefix...), w...)
		t.added(h, start)
	}
	if p := &t.prev[1]; t.o.Twograms && len(p.text) > 0 {
		if h := extend(extend(p.hash, " "), w); t.add(h) {
			t.gram(h, p.text, w)
		}
	}
	if p := &t.prev[0]; t.o.Threegrams && len(p.text) > 0 {
		if h := extend(extend(extend(extend(p.hash, " "), t.prev[1].text), " "), w); t.add(h) {
			t.gram(h, p.text, t.prev[1].text, w)
		}
	}
	t.follow(h, w)
}

// follow makes a word, whose hash with the prefix is h, the one before the next.
func (t *tokenizer) follow(h uint64, w []byte) {
	t.prev[0], t.prev[1] = t.prev[1], previous{h, append(t.prev[0].text[:0], w...)}
}

// gram appends the text of several words in a row as a token.
func (t *tokenizer) gram(h uint64, words ...[]byte) {
	start := len(t.text)
	t.text = append(t.text, t.prefix...)
	for i, w := range words {
		if i > 0 {
			t.text = append(t.text, ' ')
		}
		t.text = append(t.text, w...)
	}
	t.added(h, start)
}

// within sets the prefix for what follows; no pair spans such a border.
func (t *tokenizer) within(prefix string) {
	t.prefix, t.prefixHash = prefix, extend(begun, prefix)
	t.prev[0].text, t.prev[1].text = t.prev[0].text[:0], t.prev[1].text[:0]
}

// message adds the tokens of the header and of all texts.
func (t *tokenizer) message(ctx context.Context, p *message.Part, ra io.ReaderAt) error {
	err := t.header(p, ra)
	t.headers = len(t.spans)
	if err != nil {
		return err
	}
	return t.part(ctx, p, ra)
}

// part adds the tokens of a part and of those inside it.
func (t *tokenizer) part(ctx context.Context, p *message.Part, ra io.ReaderAt) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if t.parts++; t.parts > maxParts || t.left <= 0 || t.full() {
		return nil
	}
	t.mime(p)
	switch {
	case p.Message != nil:
		if e := p.Message.Envelope; e != nil {
			t.within("")
			t.words([]byte(limit(message.DecodeWords(limit(e.Subject, maxField)), maxField)))
		}
		return t.part(ctx, p.Message, ra)
	case p.IsMultipart():
		for _, sub := range p.Parts {
			if err := t.part(ctx, sub, ra); err != nil {
				return err
			}
		}
		return nil
	case p.IsText() && p.Disposition != "attachment", p.IsText() && p.Subtype == "html":
		return t.body(p, ra)
	}
	return nil
}

// body adds the tokens of a text.
func (t *tokenizer) body(p *message.Part, ra io.ReaderAt) error {
	t.within("")
	r := io.LimitReader(p.Text(ra), int64(t.left))
	if p.Subtype == "html" {
		n, err := t.html(r)
		t.left -= n
		return err
	}
	var err error
	t.raw, err = readAll(t.raw[:0], r, p.BodySize())
	t.left -= len(t.raw)
	t.words(t.raw)
	return err
}

// readAll appends all of r to b; size is about how much that is.
func readAll(b []byte, r io.Reader, size int64) ([]byte, error) {
	if want := int(min(size+512, defaultMaxText)); cap(b) < want {
		b = make([]byte, 0, want)
	}
	for {
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if err == io.EOF {
			return b, nil
		} else if err != nil {
			return b, err
		}
	}
}

func limit(s string, n int) string {
	if len(s) > n {
		return s[:n]
	}
	return s
}

// AppendHashes appends the hashes of tokens in 8 bytes each, as they are kept where a
// message's tokens are to be known later, such as to untrain it when it is gone.
func AppendHashes(dst []byte, tokens []Token) []byte {
	for _, t := range tokens {
		dst = binary.LittleEndian.AppendUint64(dst, t.Hash)
	}
	return dst
}

// hashSet is a set of hashes with linear probing; hashes are spread well already.
type hashSet struct {
	slots []uint64 // 0: free
	n     int
	zero  bool
}

// reset empties the set, which it also makes usable.
func (s *hashSet) reset() {
	if s.slots == nil {
		s.slots = make([]uint64, 1024)
	}
	clear(s.slots)
	s.n, s.zero = 0, false
}

// add reports whether h was not in the set before.
func (s *hashSet) add(h uint64) bool {
	if h == 0 {
		was := s.zero
		s.zero = true
		return !was
	}
	if s.n*2 >= len(s.slots) {
		old := s.slots
		s.slots, s.n = make([]uint64, 2*len(old)), 0
		for _, o := range old {
			if o != 0 {
				s.put(o)
			}
		}
	}
	return s.put(h)
}

func (s *hashSet) put(h uint64) bool {
	mask := uint64(len(s.slots) - 1)
	for i := (h ^ h>>32) & mask; ; i = (i + 1) & mask {
		switch s.slots[i] {
		case h:
			return false
		case 0:
			s.slots[i] = h
			s.n++
			return true
		}
	}
}
