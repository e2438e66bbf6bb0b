package store

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"hash/maphash"
	"io"
	"math"
	"slices"

	"mox/message"
)

// SortKey is what [Box.Ranks] orders messages by. INTERNALDATE and size are in the view.
type SortKey uint8

// The sort keys of RFC 5256 3 and RFC 5957 4.
const (
	SortSent    SortKey = iota // sent date (RFC 5256 2.2)
	SortSubject                // base subject
	SortFrom                   // mailbox of the first address
	SortTo
	SortCc
	SortDisplayFrom
	SortDisplayTo
	links // not an order: what threads are made of
)

// Links is what RFC 5256 makes threads of, for one message.
type Links struct {
	ID    uint64   // of its Message-ID; 0: none
	Refs  []uint64 // of what it refers to, the closest last
	Reply bool     // the subject has a reply or forward form
}

// maxLinks bounds the references of a message that threads are made of; the closest
// count.
const maxLinks = 100

// columnID names a column: a value for each message of a mailbox.
type columnID struct {
	key       SortKey
	collation message.Collation
}

// sortColumn has the values of messages, ascending by UID. It is immutable; of the fields
// below, those of its kind are set.
type sortColumn struct {
	uids []UID

	nums []int64 // SortSent

	// Texts: rank of each message in keys, which are distinct and ascending; rank 0 is the
	// empty text, whether there is one or not.
	ranks []uint32
	keys  []textSpan
	arena []byte

	// links: message i refers to refs[start[i]:start[i+1]].
	ids   []uint64
	reply []bool
	start []uint32
	refs  []uint64
}

// textSpan is where a text is in an arena.
type textSpan struct{ at, n uint32 }

func (s textSpan) of(arena []byte) []byte { return arena[s.at : s.at+s.n] }

// size is about the memory it takes.
func (c *sortColumn) size() int64 {
	return int64(4*cap(c.uids) + 8*cap(c.nums) + 4*cap(c.ranks) + 8*cap(c.keys) + cap(c.arena) + 8*cap(c.ids) + cap(c.reply) + 4*cap(c.start) + 8*cap(c.refs))
}

// columnRow is the value of one message, before it is part of a column.
type columnRow struct {
	uid  UID
	num  int64    // SortSent
	text textSpan // in the arena of rows
	link Links
}

// columnRows are values being read for one column.
type columnRows struct {
	id    columnID
	list  []columnRow
	arena []byte
}

// Ranks returns for each message a number by which the messages are in the order of the
// key: equal values have equal numbers, absent and empty ones of text 0. The numbers of
// two calls cannot be compared. msgs must ascend by UID; they may include messages
// expunged since. What is read stays in memory for a while, for the next call.
func (b *Box) Ranks(ctx context.Context, key SortKey, c message.Collation, msgs []*Message) ([]uint64, error) {
	id := columnID{key, c}
	if key == SortSent {
		id.collation = 0
	}
	cols, err := b.columns(ctx, []columnID{id}, msgs)
	if err != nil {
		return nil, err
	}
	col := cols[0]
	out := make([]uint64, len(msgs))
	col.each(msgs, func(i, j int) {
		if key == SortSent {
			out[i] = uint64(col.nums[j]) ^ 1<<63
		} else {
			out[i] = uint64(col.ranks[j])
		}
	})
	return out, nil
}

// Threading is what threads of some messages are made of, each by its index.
type Threading struct {
	Links    []Links
	Sent     []uint64 // ranks, as of [Box.Ranks]
	Subjects []uint64 // likewise; nil when not asked for
}

// Threading reads what threads are made of. Of msgs, see [Box.Ranks].
func (b *Box) Threading(ctx context.Context, subjects bool, c message.Collation, msgs []*Message) (*Threading, error) {
	ids := []columnID{{key: links}, {key: SortSent}, {SortSubject, c}}
	if !subjects {
		ids = ids[:2]
	}
	cols, err := b.columns(ctx, ids, msgs)
	if err != nil {
		return nil, err
	}
	t := &Threading{Links: make([]Links, len(msgs)), Sent: make([]uint64, len(msgs))}
	l := cols[0]
	l.each(msgs, func(i, j int) {
		t.Links[i] = Links{l.ids[j], l.refs[l.start[j]:l.start[j+1]:l.start[j+1]], l.reply[j]}
	})
	cols[1].each(msgs, func(i, j int) { t.Sent[i] = uint64(cols[1].nums[j]) ^ 1<<63 })
	if subjects {
		t.Subjects = make([]uint64, len(msgs))
		cols[2].each(msgs, func(i, j int) { t.Subjects[i] = uint64(cols[2].ranks[j]) })
	}
	return t, nil
}

// each calls f with the index of each message in msgs and in c, which has all of them.
func (c *sortColumn) each(msgs []*Message, f func(i, j int)) {
	j := 0
	for i, m := range msgs {
		for c.uids[j] != m.UID {
			j++
		}
		f(i, j)
	}
}

// columns returns columns that have at least msgs. A few messages of a large mailbox are
// read alone; else the whole column is made, or what is new is added to it, and kept.
func (b *Box) columns(ctx context.Context, ids []columnID, msgs []*Message) ([]*sortColumn, error) {
	view := b.View()
	cache := &b.e.a.s.columns
	out := make([]*sortColumn, len(ids))
	var keep, alone []*columnRows
	for i, id := range ids {
		out[i] = cache.get(columnKey{b.e, id})
		if out[i] != nil && len(out[i].uids) > 2*view.Len()+1000 {
			out[i] = nil // mostly of messages that are gone
		}
		r := &columnRows{id: id}
		switch {
		case out[i] == nil && len(msgs)*4 < view.Len():
			alone = append(alone, r)
		case out[i] == nil || out[i].lacks(msgs):
			keep = append(keep, r)
		}
	}
	if err := b.e.a.readRows(ctx, alone, msgs); err != nil {
		return nil, err
	}
	if len(keep) > 0 {
		// All that lack something lack much the same.
		base := out[slices.Index(ids, keep[0].id)]
		for _, r := range keep[1:] {
			if c := out[slices.Index(ids, r.id)]; c == nil || base != nil && len(c.uids) < len(base.uids) {
				base = c
			}
		}
		if err := b.e.a.readRows(ctx, keep, base.missing(view, msgs)); err != nil {
			return nil, err
		}
	}
	for _, r := range append(alone, keep...) {
		i := slices.Index(ids, r.id)
		out[i] = out[i].with(r)
	}
	for _, r := range keep {
		cache.put(columnKey{b.e, r.id}, out[slices.Index(ids, r.id)])
	}
	return out, nil
}

// lacks reports whether a message is not in c.
func (c *sortColumn) lacks(msgs []*Message) bool {
	j := 0
	for _, m := range msgs {
		for j < len(c.uids) && c.uids[j] < m.UID {
			j++
		}
		if j == len(c.uids) || c.uids[j] != m.UID {
			return true
		}
	}
	return false
}

// missing returns the messages of a view, and of more, that are not in c, ascending. c
// may be nil.
func (c *sortColumn) missing(view *View, more []*Message) []*Message {
	var uids []UID
	if c != nil {
		uids = c.uids
	}
	var out []*Message
	add := func(m *Message) {
		for len(uids) > 0 && uids[0] < m.UID {
			uids = uids[1:]
		}
		if (len(uids) == 0 || uids[0] != m.UID) && (len(out) == 0 || out[len(out)-1].UID != m.UID) {
			out = append(out, m)
		}
	}
	for _, m := range view.All() {
		for len(more) > 0 && more[0].UID <= m.UID {
			add(more[0])
			more = more[1:]
		}
		add(m)
	}
	for _, m := range more {
		add(m)
	}
	return out
}

// with returns c, which may be nil, with r added; a message that c has already stays.
func (c *sortColumn) with(r *columnRows) *sortColumn {
	if c == nil {
		c = &sortColumn{start: []uint32{0}}
	}
	slices.SortFunc(r.list, func(x, y columnRow) int { return cmp.Compare(x.uid, y.uid) })
	n := &sortColumn{uids: make([]UID, 0, len(c.uids)+len(r.list))}
	var from []int // index in c, or -1-index in r.list
	i := 0
	for j := range r.list {
		for ; i < len(c.uids) && c.uids[i] < r.list[j].uid; i++ {
			n.uids, from = append(n.uids, c.uids[i]), append(from, i)
		}
		if i < len(c.uids) && c.uids[i] == r.list[j].uid {
			continue
		}
		n.uids, from = append(n.uids, r.list[j].uid), append(from, -1-j)
	}
	for ; i < len(c.uids); i++ {
		n.uids, from = append(n.uids, c.uids[i]), append(from, i)
	}
	switch r.id.key {
	case SortSent:
		n.nums = make([]int64, len(from))
		for k, f := range from {
			if f >= 0 {
				n.nums[k] = c.nums[f]
			} else {
				n.nums[k] = r.list[-1-f].num
			}
		}
	case links:
		n.addLinks(c, r, from)
	default:
		n.addTexts(c, r, from)
	}
	return n
}

func (c *sortColumn) addLinks(old *sortColumn, r *columnRows, from []int) {
	c.ids, c.reply = make([]uint64, len(from)), make([]bool, len(from))
	c.start = make([]uint32, 1, len(from)+1)
	total := len(old.refs)
	for i := range r.list {
		total += len(r.list[i].link.Refs)
	}
	c.refs = make([]uint64, 0, total)
	for k, f := range from {
		if f >= 0 {
			c.ids[k], c.reply[k] = old.ids[f], old.reply[f]
			c.refs = append(c.refs, old.refs[old.start[f]:old.start[f+1]]...)
		} else {
			l := &r.list[-1-f].link
			c.ids[k], c.reply[k] = l.ID, l.Reply
			c.refs = append(c.refs, l.Refs...)
		}
		c.start = append(c.start, uint32(len(c.refs)))
	}
}

// addTexts joins the texts that old has, in order already, with those of r.
func (c *sortColumn) addTexts(old *sortColumn, r *columnRows, from []int) {
	c.arena = slices.Concat(old.arena, r.arena)
	shift := uint32(len(old.arena))
	type text struct {
		prefix uint64 // the first octets, for quick comparing
		span   textSpan
		old    uint32 // rank in old, or its length plus the index in r.list
	}
	fresh := make([]text, 0, len(r.list))
	for j := range r.list {
		if s := r.list[j].text; s.n > 0 {
			s.at += shift
			fresh = append(fresh, text{prefix(s.of(c.arena)), s, uint32(j)})
		}
	}
	compare := func(x, y text) int {
		if x.prefix != y.prefix {
			return cmp.Compare(x.prefix, y.prefix)
		}
		return bytes.Compare(x.span.of(c.arena), y.span.of(c.arena))
	}
	slices.SortFunc(fresh, compare)
	oldRank := make([]uint32, len(old.keys)+1) // of what was rank k
	newRank := make([]uint32, len(r.list))
	c.keys = make([]textSpan, 0, len(old.keys)+len(fresh))
	k := 0
	for _, f := range fresh {
		for ; k < len(old.keys); k++ {
			o := text{prefix: prefix(old.keys[k].of(c.arena)), span: old.keys[k]}
			if compare(o, f) > 0 {
				break
			}
			c.keys = append(c.keys, old.keys[k])
			oldRank[k+1] = uint32(len(c.keys))
		}
		if l := len(c.keys); l == 0 || !bytes.Equal(c.keys[l-1].of(c.arena), f.span.of(c.arena)) {
			c.keys = append(c.keys, f.span)
		}
		newRank[f.old] = uint32(len(c.keys))
	}
	for ; k < len(old.keys); k++ {
		c.keys = append(c.keys, old.keys[k])
		oldRank[k+1] = uint32(len(c.keys))
	}
	c.ranks = make([]uint32, len(from))
	for i, f := range from {
		if f >= 0 {
			c.ranks[i] = oldRank[old.ranks[f]]
		} else {
			c.ranks[i] = newRank[-1-f]
		}
	}
	c.compact()
}

// prefix is the first octets of a text as a number in its order.
func prefix(b []byte) (p uint64) {
	for i := range 8 {
		p <<= 8
		if i < len(b) {
			p |= uint64(b[i])
		}
	}
	return p
}

// compact drops texts from the arena that are there twice, when they are many.
func (c *sortColumn) compact() {
	total := 0
	for _, s := range c.keys {
		total += int(s.n)
	}
	if total+total/4+4096 >= len(c.arena) {
		return
	}
	arena := make([]byte, 0, total)
	for i, s := range c.keys {
		c.keys[i].at = uint32(len(arena))
		arena = append(arena, s.of(c.arena)...)
	}
	c.arena, c.keys = arena, slices.Clip(c.keys)
}

// textFields are the stored fields of text keys, and where they are once read.
var textFields = map[SortKey]struct {
	field Fields
	text  func(k *Keys) []byte
	parse func(k *message.SortKeys) string
}{
	SortSubject:     {fieldSubject, func(k *Keys) []byte { return k.Subject }, func(k *message.SortKeys) string { return k.Subject }},
	SortFrom:        {fieldFrom, func(k *Keys) []byte { return k.From }, func(k *message.SortKeys) string { return k.From }},
	SortTo:          {fieldTo, func(k *Keys) []byte { return k.To }, func(k *message.SortKeys) string { return k.To }},
	SortCc:          {fieldCc, func(k *Keys) []byte { return k.Cc }, func(k *message.SortKeys) string { return k.Cc }},
	SortDisplayFrom: {fieldDisplayFrom, func(k *Keys) []byte { return k.DisplayFrom }, func(k *message.SortKeys) string { return k.DisplayFrom }},
	SortDisplayTo:   {fieldDisplayTo, func(k *Keys) []byte { return k.DisplayTo }, func(k *message.SortKeys) string { return k.DisplayTo }},
}

// fields returns what a column is made of, and whether that is the header.
func (id columnID) fields() (f Fields, header bool) {
	switch {
	case id.key == SortSent:
		return fieldSent, false
	case id.key == links:
		return fieldReply | FieldHeaders, true
	case id.collation != message.UnicodeCasemap:
		// Stored keys are casemapped; others are made of the header.
		return FieldHeaders, true
	}
	return textFields[id.key].field, false
}

// readRows reads the values of messages for each of the columns.
func (a *Account) readRows(ctx context.Context, cols []*columnRows, msgs []*Message) error {
	if len(cols) == 0 || len(msgs) == 0 {
		return nil
	}
	var fields Fields
	header := false
	for _, r := range cols {
		f, h := r.id.fields()
		fields, header = fields|f, header || h
		r.list = make([]columnRow, 0, len(msgs))
	}
	// Bodies are read through in order of their ids, where that can be.
	if !slices.IsSortedFunc(msgs, func(x, y *Message) int { return cmp.Compare(x.Body, y.Body) }) {
		msgs = slices.Clone(msgs)
		slices.SortFunc(msgs, func(x, y *Message) int { return cmp.Compare(x.Body, y.Body) })
	}
	var large []*Message // whose header is not kept apart
	var p headerParser
	for r, err := range a.Rendered(ctx, msgs, fields, true) {
		if err != nil {
			return err
		}
		m := msgs[r.Index]
		if header && !r.Gone && !r.HasHeaders {
			large = append(large, m)
			continue
		}
		p.set(r)
		for _, c := range cols {
			if err := c.add(a, m, r, &p); err != nil {
				return err
			}
		}
	}
	for _, m := range large {
		if err := a.readLarge(ctx, cols, m, fields); err != nil {
			return err
		}
	}
	return nil
}

// readLarge reads the values of a message whose header is in its body only.
func (a *Account) readLarge(ctx context.Context, cols []*columnRows, m *Message, fields Fields) error {
	h, err := a.readHeader(ctx, m.Body)
	if err != nil {
		return err
	}
	for r, err := range a.Rendered(ctx, []*Message{m}, fields, true) {
		if err != nil {
			return err
		}
		r.Headers = h
		p := headerParser{header: h}
		for _, c := range cols {
			if err := c.add(a, m, r, &p); err != nil {
				return err
			}
		}
	}
	return nil
}

// readHeader reads the beginning of a body; nothing when it is gone.
func (a *Account) readHeader(ctx context.Context, id BodyID) ([]byte, error) {
	b, err := a.OpenBody(ctx, id)
	if err != nil {
		return nil, ignoreGone(err)
	}
	h := make([]byte, min(b.Size(), maxHeader))
	_, err = io.ReadFull(io.NewSectionReader(b, 0, b.Size()), h)
	return h, cmp.Or(err, b.Close())
}

// headerParser parses a header when the first column wants it.
type headerParser struct {
	header []byte
	part   *message.Part
}

func (p *headerParser) set(r *Rendered) { p.header, p.part = r.Headers, nil }

func (p *headerParser) parse() (*message.Part, error) {
	if p.part == nil {
		part, err := message.ParseTop(&headerReader{b: p.header}, message.Limits{})
		if err != nil {
			return nil, fmt.Errorf("parsing header: %w", err)
		}
		p.part = part
	}
	return p.part, nil
}

// headerReader reads a header and the empty line after it.
type headerReader struct {
	b    []byte
	done bool
}

func (r *headerReader) Read(p []byte) (int, error) {
	if len(r.b) == 0 && !r.done {
		r.b, r.done = []byte("\r\n"), true
	}
	if len(r.b) == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.b)
	r.b = r.b[n:]
	return n, nil
}

// add adds the value of m.
func (r *columnRows) add(a *Account, m *Message, d *Rendered, p *headerParser) error {
	v := columnRow{uid: m.UID}
	text := ""
	switch {
	case d.Gone: // all is empty
	case r.id.key == SortSent:
		v.num = d.Keys.Date
	case r.id.key == links:
		v.link = a.s.links(d.Headers)
		v.link.Reply = d.Keys.Reply
	case r.id.collation != message.UnicodeCasemap:
		part, err := p.parse()
		if err != nil {
			return err
		}
		k := part.SortKeysBy(r.id.collation)
		text = cut(textFields[r.id.key].parse(&k))
	default:
		t := textFields[r.id.key].text(&d.Keys)
		v.text = textSpan{uint32(len(r.arena)), uint32(len(t))}
		r.arena = append(r.arena, t...)
	}
	if text != "" {
		v.text = textSpan{uint32(len(r.arena)), uint32(len(text))}
		r.arena = append(r.arena, text...)
	}
	if len(r.arena) > math.MaxUint32/2 {
		return fmt.Errorf("sort keys of %d messages are too large", len(r.list))
	}
	r.list = append(r.list, v)
	return nil
}

// links finds what threads are made of in a header.
func (s *Store) links(header []byte) Links {
	h := message.ParseHeader(header)
	var l Links
	if ids := message.ParseMessageIDs(h.Get("Message-ID"), 1); len(ids) > 0 {
		l.ID = s.hashID(ids[0])
	}
	for _, id := range message.References(h.Get("References"), h.Get("In-Reply-To"), maxLinks) {
		l.Refs = append(l.Refs, s.hashID(id))
	}
	return l
}

// hashID hashes a message id, never to 0. RFC 5256 3: quoting makes no difference, case
// does.
func (s *Store) hashID(id string) uint64 {
	return max(1, maphash.String(s.seed, message.UnquoteMessageID(id)))
}
