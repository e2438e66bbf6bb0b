package store

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync/atomic"

	"mox/chunk"
	"mox/db"
)

// Bounds of what is read ahead in one transaction. Three such batches are in memory at
// most: one that is used, one that waits, one that is being made.
const (
	aheadBytes  = 256 << 10
	aheadBodies = 64
)

// ReadAhead opens bodies one after another for who writes their content somewhere: a goroutine of
// its own reads and decompresses what comes next meanwhile. It only makes things
// faster: what cannot be read ahead, for whatever reason, is read when it is asked
// for, and errors are those of [Account.OpenBody]. It is not safe for concurrent use.
type ReadAhead struct {
	a     *Account
	ctx   context.Context
	ids   []BodyID
	whole bool

	batches chan *aheadBatch // nil: not begun
	stop    atomic.Bool
	batch   *aheadBatch // in use, nil: none
	next    int         // piece of batch
}

// aheadBatch is what was read in one transaction.
type aheadBatch struct {
	pieces []aheadPiece
	bufs   []*[]byte // that the pieces are in
}

// aheadPiece is a chunk of a body.
type aheadPiece struct {
	body         int   // of ids
	size, prefix int64 // of the body
	n            int   // number of the chunk; -1: the body is empty
	data         []byte
	woven        bool // data is the raw bytes, otherwise a chunk that has been loosened
}

// ReadAhead makes a [ReadAhead] of some bodies. With whole all of their content is read
// ahead, otherwise how they begin. It must be closed before the account is released.
func (a *Account) ReadAhead(ctx context.Context, ids []BodyID, whole bool) *ReadAhead {
	return &ReadAhead{a: a, ctx: ctx, ids: ids, whole: whole}
}

// Close ends reading ahead, and waits for it. Readers that were opened must not be used any
// more.
func (h *ReadAhead) Close() {
	h.stop.Store(true)
	h.drop()
	if h.batches == nil {
		return
	}
	for h.batch = range h.batches {
		h.drop()
	}
}

// Open is [Account.OpenBody] of ids[i]. i must be larger than that of the call before, the
// reader of which must not be used any more.
func (h *ReadAhead) Open(i int) (*BodyReader, error) {
	if h.batches == nil && len(h.ids)-i > 1 {
		h.batches = make(chan *aheadBatch, 1)
		w := &aheadWork{a: h.a, ids: h.ids, whole: h.whole, i: i}
		go w.run(h.ctx, &h.stop, h.batches)
	}
	p := h.piece()
	for p != nil && p.body < i {
		h.next++
		p = h.piece()
	}
	if p == nil || p.body != i {
		return h.a.OpenBody(h.ctx, h.ids[i])
	}
	b := &BodyReader{a: h.a, ctx: h.ctx, id: h.ids[i]}
	b.r = h.a.s.codec.NewReader(func(n int) error {
		p := h.piece()
		if p == nil || p.body != i || p.n != n {
			return b.fetch(n)
		}
		h.next++
		if p.woven {
			b.r.Give(n, p.data)
			return nil
		}
		if b.r.Fill(n, p.data) != nil {
			return b.fetch(n) // which tells what is wrong
		}
		return nil
	})
	b.r.Layout(p.size, p.prefix)
	return b, nil
}

// piece returns the next piece, nil when there is no more.
func (h *ReadAhead) piece() *aheadPiece {
	for h.batches != nil {
		if h.batch != nil && h.next < len(h.batch.pieces) {
			return &h.batch.pieces[h.next]
		}
		h.drop()
		b, ok := <-h.batches
		if !ok {
			break
		}
		h.batch = b
	}
	return nil
}

// drop ends the use of the batch.
func (h *ReadAhead) drop() {
	if h.batch == nil {
		return
	}
	for _, buf := range h.batch.bufs {
		h.a.s.codec.Put(buf)
	}
	h.batch, h.next = nil, 0
}

// aheadWork is what the goroutine of a ReadAhead knows.
type aheadWork struct {
	a     *Account
	ids   []BodyID
	whole bool

	i            int   // of ids, the body that is read
	open         bool  // some of it was read:
	size, prefix int64 // of it
	n            int   // its next chunk
}

func (w *aheadWork) run(ctx context.Context, stop *atomic.Bool, batches chan<- *aheadBatch) {
	defer close(batches)
	defer func() {
		if x := recover(); x != nil {
			w.a.log.Error("panic while reading ahead", "account", w.a.name, "panic", fmt.Sprint(x), "stack", string(debug.Stack()))
		}
	}()
	for w.i < len(w.ids) && !stop.Load() {
		b := &aheadBatch{}
		err := w.a.db.Read(ctx, func(c *db.Conn) error {
			for w.i < len(w.ids) && len(b.bufs) <= aheadBytes/chunkSize && len(b.pieces) < aheadBodies {
				if err := w.read(c, b); err != nil {
					return err
				}
			}
			return nil
		})
		batches <- b
		if err != nil {
			return // who opens that body meets it too
		}
	}
}

// read adds the next piece to b, or passes over a body that cannot be read.
func (w *aheadWork) read(c *db.Conn, b *aheadBatch) error {
	ok, err := true, error(nil)
	if !w.open {
		ok, err = w.begin(c)
	}
	if ok && w.size > 0 {
		ok, err = w.chunk(c, b)
	} else if ok {
		b.pieces = append(b.pieces, aheadPiece{body: w.i, n: -1})
	}
	w.open = ok && w.whole && w.prefix+int64(w.n)*chunkSize < w.size
	w.n++
	if !w.open {
		w.i++
	}
	return err
}

// begin looks up the body.
func (w *aheadWork) begin(c *db.Conn) (ok bool, err error) {
	rows := c.QueryInts("SELECT size, prefix FROM body WHERE id=? AND location<>?", int64(w.ids[w.i]), locationQuarantine)
	if ok = rows.Next(); ok {
		w.size, w.prefix, w.n = rows.Int64(0), rows.Int64(1), 0
		if w.prefix == 0 {
			w.n = 1
		}
	}
	return ok, rows.Close()
}

// chunk adds the next chunk of the body.
func (w *aheadWork) chunk(c *db.Conn, b *aheadBatch) (ok bool, err error) {
	want := int(chunk.Length(w.n, w.size, w.prefix))
	if want < 0 || want > chunkSize {
		return false, nil
	}
	rows := c.QueryInts("SELECT data FROM chunk WHERE id=?", chunkID(w.ids[w.i], w.n))
	if rows.Next() {
		buf := w.room(b, want)
		at := len(*buf)
		data, woven, err := w.a.s.codec.Loosen((*buf)[at:], rows.Bytes(0))
		if ok = err == nil && (!woven || len(data) == want); ok {
			if at+len(data) <= cap(*buf) { // otherwise it is elsewhere
				*buf = (*buf)[:at+len(data)]
			}
			b.pieces = append(b.pieces, aheadPiece{w.i, w.size, w.prefix, w.n, data, woven})
		}
	}
	return ok, rows.Close()
}

// room returns a buffer of b that has room for n more bytes.
func (w *aheadWork) room(b *aheadBatch, n int) *[]byte {
	if k := len(b.bufs); k > 0 && cap(*b.bufs[k-1])-len(*b.bufs[k-1]) >= n+chunk.Slack {
		return b.bufs[k-1]
	}
	b.bufs = append(b.bufs, w.a.s.codec.Buffer())
	return b.bufs[len(b.bufs)-1]
}
