package search

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"mox/store"
)

// builder gathers the terms of some messages, to make a segment of them.
type builder struct {
	limits   textLimits
	ids      map[string]uint32 // key -> number
	keys     []string          // by number
	last     []uint32          // by number: the last document with the key, plus one
	pairs    []uint64          // key number << 32 | document, each once, documents ascending
	docs     []store.BodyID
	text     int64 // bytes of folded text taken
	tok      tokenizer
	fold     folder
	buf      []byte
	folded   []byte
	area     area
	key      []byte
	bodyText int64 // of the current message
	before   int   // pairs of the messages before
	partial  int   // messages that are not wholly in the index
	isPart   bool  // the current one is

	extract *extract // nil: documents are not looked into
}

// textLimits bounds the text that is taken; a message with more is always a candidate.
type textLimits struct {
	part, message int64 // bytes
}

// A message with more different terms than maxTerms is treated as one with too much
// text. A batch ends when it has batchTerms: both bound the memory that it takes.
const (
	maxTerms   = 100_000
	batchTerms = 150_000
)

func newBuilder(l textLimits) *builder {
	b := &builder{limits: l, ids: map[string]uint32{}, buf: make([]byte, 16<<10)}
	b.tok.out = b
	return b
}

// add adds a message. An error is one of reading; the message is then partly in.
func (b *builder) add(id store.BodyID, src Source) error {
	b.begin(id)
	return visit(src, allAreas, b)
}

// addUnreadable adds a message whose content cannot be read: always a candidate.
func (b *builder) addUnreadable(id store.BodyID) {
	if len(b.docs) == 0 || b.docs[len(b.docs)-1] != id {
		b.begin(id)
	}
	for a := range areas {
		b.markPartial(a)
	}
}

// full reports whether the current message may have no more terms.
func (b *builder) full() bool { return len(b.pairs)-b.before >= maxTerms }

// markPartial notes that the current message has text in an area that is not in the index.
func (b *builder) markPartial(a area) {
	b.insert(blobKey(a), markPartial)
	if !b.isPart {
		b.isPart = true
		b.partial++
	}
}

func (b *builder) begin(id store.BodyID) {
	b.docs = append(b.docs, id)
	b.bodyText, b.isPart, b.before = 0, false, len(b.pairs)
}

// put notes that the current message has a term, unless it has too many.
func (b *builder) put(where byte, t []byte) {
	if b.full() {
		b.markPartial(b.area)
		return
	}
	b.insert(where, t)
}

func (b *builder) insert(where byte, t []byte) {
	b.key = append(append(b.key[:0], where), t...)
	doc := uint32(len(b.docs) - 1)
	n, ok := b.ids[string(b.key)]
	if !ok {
		n = uint32(len(b.keys))
		key := string(b.key)
		b.ids[key] = n
		b.keys = append(b.keys, key)
		b.last = append(b.last, 0)
	}
	if b.last[n] != doc+1 {
		b.last[n] = doc + 1
		b.pairs = append(b.pairs, uint64(n)<<32|uint64(doc))
	}
}

func (b *builder) term(t []byte) { b.put(termKey(b.area), t) }
func (b *builder) blob()         { b.put(blobKey(b.area), markBlob) }

func (b *builder) bucket(n uint16) {
	var t [2]byte
	b.put(blobKey(b.area), appendBucket(t[:0], n))
}

// field implements visitor.
func (b *builder) field(name, value string) error {
	b.area = areaHeader
	b.whole(name + ":")
	b.area = areaOfField(name)
	b.whole(value)
	return nil
}

// partField implements visitor.
func (b *builder) partField(name, value string) error {
	b.area = areaHeader
	b.whole(name + ":" + value)
	return nil
}

// whole takes a whole text.
func (b *builder) whole(s string) {
	b.folded = b.fold.append(b.folded[:0], []byte(s))
	b.folded = b.fold.flush(b.folded)
	b.write(b.folded)
	b.tok.end()
}

func (b *builder) write(folded []byte) {
	b.text += int64(len(folded))
	b.tok.write(folded)
}

// body implements visitor.
func (b *builder) body(r io.Reader) error {
	b.area = areaBody
	if s, ok := r.(*strings.Reader); ok && s.Len() < len(b.buf) {
		// A short text that is there.
		n, _ := io.ReadFull(r, b.buf[:s.Len()])
		b.whole(string(b.buf[:n]))
		return nil
	}
	left := min(b.limits.part, b.limits.message-b.bodyText)
	defer func() {
		b.write(b.fold.flush(b.folded[:0]))
		b.tok.end()
	}()
	for {
		n, err := r.Read(b.buf)
		if int64(n) > left || b.full() {
			b.markPartial(areaBody)
			return nil
		}
		left -= int64(n)
		b.bodyText += int64(n)
		b.folded = b.fold.append(b.folded[:0], b.buf[:n])
		b.write(b.folded)
		if err == io.EOF {
			return nil
		} else if err != nil {
			return fmt.Errorf("reading text: %w", err)
		}
	}
}

// blocks makes the blocks of the segment, in order.
func (b *builder) blocks(emit func(block) error) error {
	order := make([]uint32, len(b.keys)) // numbers by key
	for i := range order {
		order[i] = uint32(i)
	}
	slices.SortFunc(order, func(x, y uint32) int { return strings.Compare(b.keys[x], b.keys[y]) })
	// Documents by key, in one array: count, then place.
	start := make([]uint32, len(b.keys)+1)
	for _, p := range b.pairs {
		start[p>>32+1]++
	}
	for i := range b.keys {
		start[i+1] += start[i]
	}
	at := slices.Clone(start)
	docs := make([]uint32, len(b.pairs))
	for _, p := range b.pairs {
		docs[at[p>>32]] = uint32(p)
		at[p>>32]++
	}
	out := blockBuilder{docs: len(b.docs), emit: emit}
	for _, n := range order {
		if err := out.add([]byte(b.keys[n]), docs[start[n]:start[n+1]]); err != nil {
			return err
		}
	}
	return out.end()
}

// isGone reports whether an error says that content is no longer there.
func isGone(err error) bool { return errors.Is(err, store.ErrNoBody) }
