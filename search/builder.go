package search

import (
	"errors"
	"fmt"
	"io"

	"mox/store"
)

// builder gathers the terms of some messages, to make a segment of them.
type builder struct {
	limits   textLimits
	terms    *termSet // documents are numbered as in docs
	docs     []store.BodyID
	text     int64 // bytes of folded text taken
	tok      tokenizer
	fold     folder
	buf      []byte
	folded   []byte
	area     area
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
	b := &builder{limits: l, terms: newTermSet(), buf: make([]byte, 16<<10)}
	b.tok.out = b
	return b
}

// reset makes the builder as new, for the messages of another batch.
func (b *builder) reset() {
	b.terms.reset()
	b.docs, b.text, b.partial, b.extract = b.docs[:0], 0, 0, nil
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
func (b *builder) full() bool { return len(b.terms.pairs)-b.before >= maxTerms }

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
	b.bodyText, b.isPart, b.before = 0, false, len(b.terms.pairs)
}

// put notes that the current message has a term, unless it has too many.
func (b *builder) put(where byte, t []byte) {
	if b.full() {
		b.markPartial(b.area)
		return
	}
	b.insert(where, t)
}

func (b *builder) insert(where byte, t []byte) { b.terms.insert(where, t, uint32(len(b.docs)-1)) }

func (b *builder) term(t []byte) { b.put(termKey(b.area), t) }
func (b *builder) blob()         { b.put(blobKey(b.area), markBlob) }

func (b *builder) bucket(n uint16) {
	if b.full() {
		b.markPartial(b.area)
		return
	}
	b.terms.insertBlob(b.area, n, uint32(len(b.docs)-1))
}

// field implements visitor.
func (b *builder) field(name, value string) error {
	b.area = areaHeader
	b.whole(name, ":")
	b.area = areaOfField(name)
	b.whole(value)
	return nil
}

// partField implements visitor.
func (b *builder) partField(name, value string) error {
	b.area = areaHeader
	b.whole(name, ":", value)
	return nil
}

// whole takes a whole text, in pieces.
func (b *builder) whole(pieces ...string) {
	b.folded = b.folded[:0]
	for _, s := range pieces {
		for len(s) > 0 {
			n := copy(b.buf, s)
			b.folded = b.fold.append(b.folded, b.buf[:n])
			s = s[n:]
		}
	}
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
	out := blockBuilder{docs: len(b.docs), emit: emit}
	if err := b.terms.all(out.add); err != nil {
		return err
	}
	return out.end()
}

// isGone reports whether an error says that content is no longer there.
func isGone(err error) bool { return errors.Is(err, store.ErrNoBody) }
