package mlog

import (
	"context"
	"io"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Format is how a handler writes a line.
type Format int

// Formats, see the package documentation.
const (
	Logfmt Format = iota
	JSON
	CLI
)

// Options are the settings of a handler.
type Options struct {
	Format Format

	// Levels decides what is written. Nil is everything from info on.
	Levels *Levels

	// Time adds the time of a line as first field "t" (RFC 3339, milliseconds). Not for
	// CLI.
	Time bool

	// Count is called for every line written, for counting warnings and errors. It must
	// not log. May be nil.
	Count func(level slog.Level)
}

// Handler is a [slog.Handler]. Make one with [NewHandler].
type Handler struct {
	shared *sharedHandler
	prefix string   // From WithGroup, with trailing dot.
	pkgs   []string // Values of "pkg" attributes, outermost first.
	fields []field  // Of With, in order, without pkg.

	// cache is the generation of the level table in the upper and the effective level
	// in the lower 32 bits. Zero is right for the table of a zero Levels, the only one
	// with generation 0.
	cache *atomic.Uint64
}

type sharedHandler struct {
	opts   Options
	format atomic.Int32 // a Format
	levels *Levels
	mu     sync.Mutex // Guards writing to w.
	w      io.Writer
}

// field is an attribute that is not a group, with its full key.
type field struct {
	key   string
	value slog.Value
}

// NewHandler returns a handler that writes lines to w, each with one call of Write.
// Calls do not overlap; errors of writing are ignored: there is nowhere to log them.
func NewHandler(w io.Writer, opts Options) *Handler {
	levels := opts.Levels
	if levels == nil {
		levels = &Levels{}
	}
	s := &sharedHandler{opts: opts, levels: levels, w: w}
	s.format.Store(int32(opts.Format))
	return &Handler{shared: s, cache: new(atomic.Uint64)}
}

// SetFormat changes how lines are written from now on, also by handlers made of this one.
func (h *Handler) SetFormat(f Format) { h.shared.format.Store(int32(f)) }

// Enabled tells whether a line of this level would be written. It neither locks nor
// allocates.
func (h *Handler) Enabled(_ context.Context, level slog.Level) bool {
	if level >= LevelFatal {
		return true
	}
	t := h.shared.levels.load()
	c := h.cache.Load()
	if uint32(c>>32) != t.generation {
		c = uint64(t.generation)<<32 | uint64(uint32(int32(t.effective(h.pkgs))))
		h.cache.Store(c)
	}
	return level >= slog.Level(int32(uint32(c)))
}

// WithAttrs returns a handler that adds these attributes to each line.
func (h *Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	if len(attrs) == 0 {
		return h
	}
	n := *h
	n.pkgs = slices.Clip(h.pkgs)
	n.fields = slices.Clip(h.fields)
	n.cache = new(atomic.Uint64)
	for _, a := range attrs {
		if h.prefix == "" && a.Key == "pkg" && a.Value.Kind() == slog.KindString {
			n.pkgs = append(n.pkgs, a.Value.String())
		} else {
			n.fields = appendAttr(n.fields, h.prefix, a, false)
		}
	}
	return &n
}

// WithGroup returns a handler that writes the keys of attributes added later with
// "name." before them.
func (h *Handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	n := *h
	n.prefix = h.prefix + name + "."
	return &n
}

// maxGroupDepth bounds nested groups and values that resolve to groups.
const maxGroupDepth = 8

// appendAttr adds an attribute, with groups flattened to dotted keys. Values that
// compute themselves ([slog.LogValuer]) are kept as they are unless resolve is set, so
// that those of With are computed for each line.
func appendAttr(l []field, prefix string, a slog.Attr, resolve bool) []field {
	return appendAttrDepth(l, prefix, a, resolve, 0)
}

func appendAttrDepth(l []field, prefix string, a slog.Attr, resolve bool, depth int) []field {
	v := a.Value
	if resolve {
		v = v.Resolve()
	}
	if v.Kind() != slog.KindGroup {
		if a.Key == "" && v.Kind() == slog.KindAny && v.Any() == nil {
			return l
		}
		return append(l, field{prefix + a.Key, v})
	}
	if depth >= maxGroupDepth {
		return append(l, field{prefix + a.Key, slog.StringValue("...")})
	}
	if a.Key != "" {
		prefix += a.Key + "."
	}
	for _, ga := range v.Group() {
		l = appendAttrDepth(l, prefix, ga, resolve, depth+1)
	}
	return l
}

// line is what a formatter needs.
type line struct {
	time   time.Time // Zero if not wanted.
	level  slog.Level
	msg    string
	err    string
	hasErr bool
	pkgs   []string
	fields []field
}

var bufPool = sync.Pool{New: func() any { b := make([]byte, 0, 512); return &b }}

// maxPooled is the largest buffer that is kept for reuse.
const maxPooled = 16 * 1024

// Handle writes a line.
func (h *Handler) Handle(ctx context.Context, r slog.Record) error {
	s := h.shared
	if s.opts.Count != nil {
		s.opts.Count(r.Level)
	}
	var room [16]field
	l := line{level: r.Level, msg: r.Message, pkgs: h.pkgs, fields: room[:0]}
	if s.opts.Time {
		l.time = r.Time
	}
	l.collect(ctx, h, r)

	bp := bufPool.Get().(*[]byte)
	buf := l.append((*bp)[:0], Format(s.format.Load()))
	s.mu.Lock()
	_, err := s.w.Write(buf)
	s.mu.Unlock()
	if cap(buf) <= maxPooled {
		*bp = buf
		bufPool.Put(bp)
	}
	return err
}

func (l *line) collect(ctx context.Context, h *Handler, r slog.Record) {
	for _, f := range h.fields {
		l.fields = appendAttr(l.fields, "", slog.Attr{Key: f.key, Value: f.value}, true)
	}
	r.Attrs(func(a slog.Attr) bool {
		l.fields = appendAttr(l.fields, h.prefix, a, true)
		return true
	})
	hasCid := false
	l.fields = slices.DeleteFunc(l.fields, func(f field) bool {
		switch f.key {
		case "err":
			// No error, or the first one, which goes after the message.
			if v := f.value; v.Kind() == slog.KindAny && isNil(v.Any()) {
				return true
			} else if !l.hasErr {
				l.err, l.hasErr = valueString(f.key, v), true
				return true
			}
		case "cid":
			hasCid = true
		}
		return false
	})
	if cid := Cid(ctx); cid != 0 && !hasCid {
		l.fields = slices.Insert(l.fields, 0, field{"cid", slog.Int64Value(cid)})
	}
}
