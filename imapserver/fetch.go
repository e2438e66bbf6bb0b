package imapserver

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"mox/imap"
	"mox/message"
	"mox/store"
)

// fetchBatch is how many messages' stored renderings are asked for together.
const fetchBatch = 4096

// fetcher answers a FETCH command.
type fetcher struct {
	s *session
	p *fetchPlan

	// Of the current message:
	e     entry
	r     *store.Rendered
	body  *store.BodyReader // when the plan says so
	ahead *store.ReadAhead  // of the current batch, when bodies are wanted
	at    int               // in that batch
	part  *message.Part     // decoded when first needed
	lines []byte            // header fields, as they are picked
	first bool              // no item written yet

	stored     map[*imap.FetchAtt]*message.FieldNames // of items that stored header fields answer, nil for others; once asked
	missing    bool                                   // content of some messages is gone
	damaged    bool                                   // or was found damaged
	unknownCTE bool                                   // RFC 3516 4.2: some part could not be decoded
}

// run answers for all messages.
func (f *fetcher) run(ctx context.Context, sp spans) error {
	wanted := f.p.wanted(f.s.box, sp)
	if f.p.fields == 0 && !f.p.body {
		for e := range wanted {
			if err := f.respond(e); err != nil {
				return err
			}
			if err := f.s.spill(); err != nil {
				return err
			}
		}
		return nil
	}
	batch := make([]entry, 0, min(fetchBatch, sp.len()))
	for e := range wanted {
		if batch = append(batch, e); len(batch) == fetchBatch {
			if err := f.runBatch(ctx, batch); err != nil {
				return err
			}
			batch = batch[:0]
		}
	}
	return f.runBatch(ctx, batch)
}

// runBatch answers for some messages whose renderings are read together.
func (f *fetcher) runBatch(ctx context.Context, batch []entry) error {
	if f.p.body && len(batch) > 0 {
		ids := make([]store.BodyID, len(batch))
		for i, e := range batch {
			ids[i] = e.msg.Body
		}
		f.ahead = f.s.box.account.ReadAhead(ctx, ids, f.p.whole)
		defer f.ahead.Close()
	}
	if f.p.fields == 0 {
		for i, e := range batch {
			f.at = i
			if err := f.withBody(ctx, e); err != nil {
				return err
			}
		}
		return nil
	}
	return f.rendered(ctx, batch, f.p.fields, func(e entry) error {
		switch {
		case f.p.fields&store.FieldHeaders != 0 && !f.r.HasHeaders:
			return f.withHugeHeader(ctx, e)
		case f.p.body:
			return f.withBody(ctx, e)
		}
		if err := f.respond(e); err != nil {
			return err
		}
		return f.s.spill()
	})
}

// rendered calls answer for each message with its renderings in f.r.
func (f *fetcher) rendered(ctx context.Context, batch []entry, fields store.Fields, answer func(e entry) error) error {
	msgs := make([]*store.Message, len(batch))
	for i, e := range batch {
		msgs[i] = e.msg
	}
	for r, err := range f.s.box.account.Rendered(ctx, msgs, fields, f.s.utf8) {
		if err != nil {
			return fmt.Errorf("reading renderings: %w", err)
		}
		if r.Gone {
			f.missing = true
			continue
		}
		f.r, f.at = r, r.Index
		if err := answer(batch[r.Index]); err != nil {
			return err
		}
	}
	return nil
}

// withHugeHeader answers for a message whose header is too large to be kept as a
// rendering, and has to be read from the content.
func (f *fetcher) withHugeHeader(ctx context.Context, e entry) error {
	if f.p.fields&store.FieldParts != 0 {
		return f.withBody(ctx, e)
	}
	at := f.at
	return f.rendered(ctx, []entry{e}, f.p.fields|store.FieldParts, func(e entry) error {
		f.at = at
		return f.withBody(ctx, e)
	})
}

// withBody opens the content and answers.
func (f *fetcher) withBody(ctx context.Context, e entry) error {
	body, err := f.open(ctx, e)
	if errors.Is(err, store.ErrDamaged) {
		f.damaged = true
		return nil
	} else if errors.Is(err, store.ErrNoBody) {
		f.missing = true
		return nil
	} else if err != nil {
		return fmt.Errorf("opening message: %w", err)
	}
	// Reading is over; nothing is lost if closing fails.
	defer func() { _ = body.Close() }()
	f.body, f.part = body, nil
	f.s.trace = traceData
	defer func() { f.s.trace = traceProtocol }()
	if f.p.fields&store.FieldParts != 0 && !f.decodable() {
		f.unknownCTE = true
		return nil
	}
	if err := f.respond(e); err != nil {
		return err
	}
	return f.s.spill()
}

// open opens the content of the message, which is f.at in its batch.
func (f *fetcher) open(ctx context.Context, e entry) (*store.BodyReader, error) {
	if f.ahead != nil {
		return f.ahead.Open(f.at)
	}
	return f.s.box.account.OpenBody(ctx, e.msg.Body)
}

// respond writes the FETCH response of one message.
func (f *fetcher) respond(e entry) error {
	f.e = e
	f.s.outData = f.s.outData || f.p.body || f.p.fields != 0
	b := f.s.output()
	start := len(b)
	b = f.s.appendFetch(b, e.seq, e.msg)
	f.first = true
	marked := f.p.marked != 0 && e.msg.ModSeq == f.p.marked
	for i := range f.p.atts {
		a := &f.p.atts[i]
		before := len(b)
		if !f.first {
			b = append(b, ' ')
		}
		at := len(b)
		var err error
		if b, err = fetchWriters[a.Kind](f, b, &f.e, a); err != nil {
			return err
		}
		if a.Kind == imap.FetchAnnotation && len(b) == at {
			b = b[:before] // no annotation: no item
			continue
		}
		f.first = false
	}
	if f.first && !marked {
		f.s.out = b[:start]
		return nil
	}
	if marked {
		b = f.addMarked(b, &f.e)
	}
	f.s.out = append(b, ")\r\n"...)
	return nil
}

// addMarked adds what a response has to tell when \Seen was set: RFC 9051 6.4.5; RFC
// 7162 3.2.4 for UID and MODSEQ.
func (f *fetcher) addMarked(b []byte, e *entry) []byte {
	kinds := []imap.FetchKind{imap.FetchFlags}
	if f.s.condstore {
		if !f.s.uidonly {
			kinds = append(kinds, imap.FetchUID)
		}
		kinds = append(kinds, imap.FetchModSeq)
	}
	for _, k := range kinds {
		if slices.ContainsFunc(f.p.atts, func(a imap.FetchAtt) bool { return a.Kind == k }) {
			continue
		}
		b = append(b, ' ')
		// These kinds write from the view alone and cannot fail.
		b, _ = fetchWriters[k](f, b, e, &imap.FetchAtt{Kind: k})
	}
	return b
}

// fetchWriters append an item to b, which is the session's output buffer; those of
// message content write it out as it grows.
var fetchWriters = [...]func(f *fetcher, b []byte, e *entry, a *imap.FetchAtt) ([]byte, error){
	imap.FetchFlags: func(f *fetcher, b []byte, e *entry, _ *imap.FetchAtt) ([]byte, error) {
		return f.s.appendFlags(append(b, "FLAGS "...), e.msg), nil
	},
	imap.FetchUID: func(_ *fetcher, b []byte, e *entry, _ *imap.FetchAtt) ([]byte, error) {
		return strconv.AppendUint(append(b, "UID "...), uint64(e.msg.UID), 10), nil
	},
	imap.FetchInternalDate: func(_ *fetcher, b []byte, e *entry, _ *imap.FetchAtt) ([]byte, error) {
		return imap.AppendDateTime(append(b, "INTERNALDATE "...), int64(e.msg.Received)), nil
	},
	imap.FetchRFC822Size: func(_ *fetcher, b []byte, e *entry, _ *imap.FetchAtt) ([]byte, error) {
		return strconv.AppendUint(append(b, "RFC822.SIZE "...), uint64(e.msg.Size), 10), nil
	},
	imap.FetchModSeq: func(_ *fetcher, b []byte, e *entry, _ *imap.FetchAtt) ([]byte, error) {
		return append(strconv.AppendInt(append(b, "MODSEQ ("...), int64(e.msg.ModSeq), 10), ')'), nil
	},
	imap.FetchEmailID: func(f *fetcher, b []byte, e *entry, _ *imap.FetchAtt) ([]byte, error) {
		return append(append(append(b, "EMAILID ("...), f.s.box.emailID(e.msg)...), ')'), nil
	},
	imap.FetchSaveDate: func(_ *fetcher, b []byte, e *entry, _ *imap.FetchAtt) ([]byte, error) {
		return imap.AppendDateTime(append(b, "SAVEDATE "...), int64(e.msg.Saved)), nil
	},
	imap.FetchThreadID: func(f *fetcher, b []byte, _ *entry, _ *imap.FetchAtt) ([]byte, error) {
		return append(append(append(b, "THREADID ("...), f.s.box.threadID(f.r.Thread)...), ')'), nil
	},
	imap.FetchEnvelope: func(f *fetcher, b []byte, _ *entry, _ *imap.FetchAtt) ([]byte, error) {
		return append(append(b, "ENVELOPE "...), f.r.Envelope...), nil
	},
	imap.FetchBody: func(f *fetcher, b []byte, _ *entry, _ *imap.FetchAtt) ([]byte, error) {
		return append(append(b, "BODY "...), f.r.BodyPlain...), nil
	},
	imap.FetchBodyStructure: func(f *fetcher, b []byte, _ *entry, _ *imap.FetchAtt) ([]byte, error) {
		return append(append(b, "BODYSTRUCTURE "...), f.r.BodyStructure...), nil
	},
	imap.FetchPreview: func(f *fetcher, b []byte, _ *entry, _ *imap.FetchAtt) ([]byte, error) {
		// RFC 8970 3.1: UTF-8 in a literal is fine for every client.
		return imap.AppendString(append(b, "PREVIEW "...), f.r.Preview, f.s.utf8), nil
	},
	imap.FetchSection:    (*fetcher).appendSection,
	imap.FetchBinary:     (*fetcher).appendBinary,
	imap.FetchBinarySize: (*fetcher).appendBinarySize,
	imap.FetchAnnotation: (*fetcher).appendAnnotation,
}
