package otlp

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"time"
)

// TraceID says what belongs together.
type TraceID [16]byte

// SpanID is one span; zero is none.
type SpanID [8]byte

// Kind is SpanKind of OTLP.
type Kind int

// The kinds.
const (
	Internal Kind = 1
	Server   Kind = 2 // asked by another program
	Client   Kind = 3 // asks another program
	Producer Kind = 4 // leaves something for later
	Consumer Kind = 5 // does what was left
)

// Event is a moment of a span.
type Event struct {
	Time  time.Time
	Name  string
	Attrs []slog.Attr
}

// Span is something that took time.
type Span struct {
	Trace      TraceID
	ID, Parent SpanID
	Name       string
	Kind       Kind
	Start, End time.Time
	Attrs      []slog.Attr
	Events     []Event
	Err        string // not empty: it failed
}

// maxParts is how many attributes, events and children a span has at most.
const maxParts = 64

// MessageTrace is the trace of all spans about the message with this Message-ID, with or without angle brackets; zero
// for a message without.
func MessageTrace(messageID string) TraceID {
	messageID = strings.TrimSuffix(strings.TrimPrefix(messageID, "<"), ">")
	if messageID == "" {
		return TraceID{}
	}
	sum := sha256.Sum256([]byte("message " + messageID))
	return TraceID(sum[:16])
}

// connectionTrace is that of things without a message: it ends with the connection id as logs have it.
func (e *Exporter) connectionTrace(cid int64) TraceID {
	t := e.prefix
	if cid == 0 {
		cid = rand.Int64()
	}
	binary.BigEndian.PutUint64(t[8:], uint64(cid))
	return t
}

func newSpanID() (id SpanID) {
	binary.BigEndian.PutUint64(id[:], rand.Uint64()|1)
	return id
}

// Root is a span with others below it. It is safe for concurrent use; nil does nothing.
type Root struct {
	e   *Exporter
	cid int64

	mu    sync.Mutex // guards the below
	span  Span
	parts []Span
	ended bool
}

// Begin begins a Root, of the connection with this id, 0 for none. Nil returns nil.
func (e *Exporter) Begin(name string, kind Kind, cid int64) *Root {
	if e == nil {
		return nil
	}
	return &Root{e: e, cid: cid, span: Span{ID: newSpanID(), Name: name, Kind: kind, Start: e.c.Now()}}
}

type contextKey struct{}

// In returns a context below which parts of r begin.
func (r *Root) In(ctx context.Context) context.Context {
	if r == nil {
		return ctx
	}
	return context.WithValue(ctx, contextKey{}, r)
}

// Set adds attributes.
func (r *Root) Set(attrs ...slog.Attr) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.span.Attrs = append(r.span.Attrs, attrs[:min(len(attrs), maxParts-len(r.span.Attrs))]...)
}

// Event adds an event of now.
func (r *Root) Event(name string, attrs ...slog.Attr) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.span.Events) < maxParts {
		r.span.Events = append(r.span.Events, Event{r.e.c.Now(), name, attrs})
	}
}

// End sends it with its parts, the first time that it is called. A trace that is zero is that of the connection.
// Parts that end later are lost.
func (r *Root) End(trace TraceID, err string) {
	if r == nil {
		return
	}
	r.mu.Lock()
	if r.ended {
		r.mu.Unlock()
		return
	}
	r.ended = true
	r.span.End, r.span.Err = r.e.c.Now(), err
	spans := append([]Span{r.span}, r.parts...)
	r.parts = nil
	r.mu.Unlock()
	if trace == (TraceID{}) {
		trace = r.e.connectionTrace(r.cid)
	}
	for i := range spans {
		spans[i].Trace = trace
	}
	spans[0].Attrs = withCID(spans[0].Attrs, r.cid)
	r.e.add(spans...)
}

// Part is a span below a Root; nil does nothing. It belongs to one goroutine.
type Part struct {
	root *Root
	span Span
}

// Start begins a part of the Root of ctx; nil when there is none.
func Start(ctx context.Context, name string) *Part {
	r, _ := ctx.Value(contextKey{}).(*Root)
	if r == nil {
		return nil
	}
	return &Part{r, Span{ID: newSpanID(), Parent: r.span.ID, Name: name, Kind: Internal, Start: r.e.c.Now()}}
}

// End ends the part; err not empty says that it failed.
func (p *Part) End(err string, attrs ...slog.Attr) {
	if p == nil {
		return
	}
	p.span.End, p.span.Err, p.span.Attrs = p.root.e.c.Now(), err, attrs
	p.root.mu.Lock()
	defer p.root.mu.Unlock()
	if !p.root.ended && len(p.root.parts) < maxParts {
		p.root.parts = append(p.root.parts, p.span)
	}
}

// Done sends a span that is over, of a connection or a message: s.Trace may be zero for the former. ID is given to it.
func (e *Exporter) Done(s Span, cid int64) {
	if e == nil {
		return
	}
	s.ID, s.Attrs = newSpanID(), withCID(s.Attrs, cid)
	if s.Trace == (TraceID{}) {
		s.Trace = e.connectionTrace(cid)
	}
	e.add(s)
}

// withCID adds the id that log lines have.
func withCID(attrs []slog.Attr, cid int64) []slog.Attr {
	if cid == 0 {
		return attrs
	}
	return append(attrs, slog.String("mox.cid", formatCID(cid)))
}
