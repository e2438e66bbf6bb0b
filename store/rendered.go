package store

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"

	"mox/db"
	"mox/message"
)

// Bounds of what is read in one transaction before it is yielded.
const (
	renderBatch = 256
	renderBytes = 1 << 20
)

// column is a stored column that fields need.
type column struct {
	fields    Fields
	table     byte   // e: body_env, k: body_key, b: body
	sql, utf8 string // utf8: in place of sql for UTF8=ACCEPT; empty: the same
	scan      func(r *Rendered, v cell)
}

// cell is a column of the current row; its bytes are copied to the arena.
type cell struct {
	rows  *db.Stmt
	i     int
	arena *[]byte
}

func (v cell) int() int64 { return v.rows.Int64(v.i) }

// bytes is nil for NULL only.
func (v cell) bytes() []byte {
	b := v.rows.Bytes(v.i)
	if b == nil && v.rows.Null(v.i) {
		return nil
	}
	at := len(*v.arena)
	*v.arena = append(*v.arena, b...)
	return (*v.arena)[at:len(*v.arena):len(*v.arena)]
}

var columns = []column{
	{FieldEnvelope, 'e', "envelope", "coalesce(e.envelope_utf8, e.envelope)", func(r *Rendered, v cell) { r.Envelope = v.bytes() }},
	{FieldBodyStructure, 'e', "structure", "coalesce(e.structure_utf8, e.structure)", func(r *Rendered, v cell) { r.BodyStructure = v.bytes() }},
	{FieldPreview, 'e', "preview", "", func(r *Rendered, v cell) { r.Preview = v.bytes() }},
	{FieldHeaders, 'e', "headers", "", func(r *Rendered, v cell) { r.Headers = v.bytes(); r.HasHeaders = r.Headers != nil }},
	{FieldParts | FieldBody, 'e', "parts", "", func(r *Rendered, v cell) { r.Parts = v.bytes() }},
	{FieldBody, 'e', "plain", "coalesce(e.plain_utf8, e.plain)", func(r *Rendered, v cell) { r.BodyPlain = v.bytes() }},
	{FieldTrace, 'e', "trace", "", func(r *Rendered, v cell) { r.Trace = v.bytes() }},
	{FieldThread, 'b', "thread", "", func(r *Rendered, v cell) { r.Thread = ThreadID(v.int()) }},
	{fieldSent, 'k', "sent", "", func(r *Rendered, v cell) { r.Keys.Date = v.int() }},
	{fieldReply, 'k', "reply", "", func(r *Rendered, v cell) { r.Keys.Reply = v.int() != 0 }},
	{fieldSubject, 'k', "base_subject", "", func(r *Rendered, v cell) { r.Keys.Subject = v.bytes() }},
	{fieldFrom, 'k', "sort_from", "", func(r *Rendered, v cell) { r.Keys.From = v.bytes() }},
	{fieldTo, 'k', "sort_to", "", func(r *Rendered, v cell) { r.Keys.To = v.bytes() }},
	{fieldCc, 'k', "sort_cc", "", func(r *Rendered, v cell) { r.Keys.Cc = v.bytes() }},
	{fieldDisplayFrom, 'k', "display_from", "", func(r *Rendered, v cell) { r.Keys.DisplayFrom = v.bytes() }},
	{fieldDisplayTo, 'k', "display_to", "", func(r *Rendered, v cell) { r.Keys.DisplayTo = v.bytes() }},
	{FieldText, 'k', "text_from", "", func(r *Rendered, v cell) { r.Keys.TextFrom = v.bytes() }},
	{FieldText, 'k', "text_to", "", func(r *Rendered, v cell) { r.Keys.TextTo = v.bytes() }},
	{FieldText, 'k', "text_cc", "", func(r *Rendered, v cell) { r.Keys.TextCc = v.bytes() }},
	{FieldText, 'k', "text_bcc", "", func(r *Rendered, v cell) { r.Keys.TextBcc = v.bytes() }},
	{FieldText, 'k', "text_subject", "", func(r *Rendered, v cell) { r.Keys.TextSubject = v.bytes() }},
	{FieldText, 'k', "message_id", "", func(r *Rendered, v cell) { r.Keys.TextMessageID = v.bytes() }},
}

var tables = map[byte]string{'e': "body_env e", 'k': "body_key k", 'b': "body b"}

// renderer reads batches of rendered data.
type renderer struct {
	a      *Account
	f      Fields
	utf8   bool
	scan   []func(*Rendered, cell)
	one    string // statement for one body
	run    string // statement for bodies in a range, by id
	out    []Rendered
	order  []inOrder
	arena  []byte
	extend []byte // of BodyPlain made from parts
}

// inOrder is a message of a batch, by its body.
type inOrder struct {
	body BodyID
	at   int // in the batch
}

func (a *Account) newRenderer(f Fields, utf8 bool) *renderer {
	r := &renderer{a: a, f: f, utf8: utf8}
	var cols []string
	var from string
	var base byte
	for i := range columns {
		c := &columns[i]
		if f&c.fields == 0 {
			continue
		}
		sql := fmt.Sprintf("%c.%s", c.table, c.sql)
		if utf8 && c.utf8 != "" {
			sql = c.utf8
		}
		cols, r.scan = append(cols, sql), append(r.scan, c.scan)
		switch join := " JOIN " + tables[c.table]; {
		case base == 0:
			base, from = c.table, tables[c.table]
		case c.table != base && !strings.Contains(from, join):
			from += fmt.Sprintf("%s ON %c.id=%c.id", join, c.table, base)
		}
	}
	if base == 0 { // nothing but Gone is asked for
		base, from = 'b', tables['b']
	}
	sel := fmt.Sprintf("SELECT %c.id%s FROM %s WHERE %c.id", base, strings.Join(append([]string{""}, cols...), ", "), from, base)
	r.one = sel + "=?"
	r.run = fmt.Sprintf("%s BETWEEN ? AND ? ORDER BY %c.id", sel, base)
	return r
}

// Rendered reads stored data of messages, in the given order. It reads by body, so that
// a message that was expunged meanwhile can still be answered for a while; after that,
// Gone is set. No database transaction is open during an iteration's body.
func (a *Account) Rendered(ctx context.Context, msgs []*Message, f Fields, utf8 bool) iter.Seq2[*Rendered, error] {
	return func(yield func(*Rendered, error) bool) {
		r := a.newRenderer(f, utf8)
		for at := 0; at < len(msgs); {
			err := a.read(ctx, func(c *db.Conn) error { return r.batch(c, msgs[at:min(len(msgs), at+renderBatch)]) })
			if err != nil {
				yield(nil, fmt.Errorf("reading rendered messages: %w", err))
				return
			}
			for i := range r.out {
				o := &r.out[i]
				o.Index = at + i
				if err := r.complete(o); err != nil {
					yield(nil, err)
					return
				}
				if !yield(o, nil) {
					return
				}
			}
			at += len(r.out)
		}
	}
}

// batch reads as many of msgs as fit, at least one.
func (r *renderer) batch(c *db.Conn, msgs []*Message) error {
	r.out, r.arena = r.out[:0], r.arena[:0]
	lo, hi := msgs[0].Body, msgs[0].Body
	for _, m := range msgs[1:] {
		lo, hi = min(lo, m.Body), max(hi, m.Body)
	}
	// Where most bodies of the range are wanted, reading through is quicker than finding each.
	if int64(hi-lo) < 2*int64(len(msgs))+16 {
		if err := r.readRange(c, msgs, lo, hi); err != nil || len(r.out) > 0 {
			return err
		}
		r.arena = r.arena[:0]
	}
	for _, m := range msgs {
		rows := c.QueryInts(r.one, int64(m.Body))
		r.out = append(r.out, Rendered{Body: m.Body, Gone: !rows.Next()})
		if o := &r.out[len(r.out)-1]; !o.Gone {
			r.take(o, rows)
		}
		if err := rows.Close(); err != nil {
			return err
		}
		if len(r.arena) > renderBytes {
			break
		}
	}
	return nil
}

// readRange reads msgs from all bodies of a range, in which they may be in another order: those
// added together are nearly in that of their bodies. It reads none when those it could answer for
// first are behind too much else.
func (r *renderer) readRange(c *db.Conn, msgs []*Message, lo, hi BodyID) error {
	r.order = r.order[:0]
	for i, m := range msgs {
		r.order = append(r.order, inOrder{m.Body, i})
		r.out = append(r.out, Rendered{Body: m.Body, Gone: true})
	}
	slices.SortFunc(r.order, func(a, b inOrder) int { return cmp.Or(cmp.Compare(a.body, b.body), a.at-b.at) })
	next, full := r.order, false
	rows := c.QueryInts(r.run, int64(lo), int64(hi))
	for !full && rows.Next() {
		id := BodyID(rows.Int64(0))
		for len(next) > 0 && next[0].body < id {
			next = next[1:] // it is gone
		}
		for ; len(next) > 0 && next[0].body == id; next = next[1:] {
			o := &r.out[next[0].at]
			o.Gone = false
			r.take(o, rows)
		}
		full = len(next) == 0 || len(r.arena) > renderBytes
	}
	if full { // of those after what was not read nothing is known either
		for _, n := range next {
			r.out = r.out[:min(len(r.out), n.at)]
		}
	}
	return rows.Close()
}

// take reads the current row.
func (r *renderer) take(o *Rendered, rows *db.Stmt) {
	for i, scan := range r.scan {
		scan(o, cell{rows, i + 1, &r.arena})
	}
}

// complete makes BODY where it is not stored.
func (r *renderer) complete(o *Rendered) error {
	if r.f&FieldBody == 0 || o.Gone || o.BodyPlain != nil {
		return nil
	}
	p, err := message.DecodePart(o.Parts)
	if err != nil {
		return r.a.fail(fmt.Errorf("%w: part tree of body %d: %w", ErrCorrupt, o.Body, err))
	}
	r.extend = p.AppendBodyStructure(r.extend[:0], false, r.utf8)
	o.BodyPlain = r.extend
	return nil
}
