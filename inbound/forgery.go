package inbound

import (
	"bytes"
	"io"
	"strings"

	"mox/authres"
	"mox/dns"
)

// forgeryFilter passes a message on without the header fields that only we may write:
// Authentication-Results with a name of ours (RFC 8601 5), and X-Mox-Reason. It belongs
// to one goroutine.
type forgeryFilter struct {
	w   io.Writer
	own []dns.Domain

	state   filterState
	line    []byte // the start of a line whose end has not come
	midline bool   // what comes next continues a line that was long
	field   []byte // the field to be decided about, in state undecided
	removed int    // fields
}

// filterState is what becomes of the field that is being read.
type filterState int

const (
	passing filterState = iota
	dropping
	undecided
	inBody
)

// Bounds of what the filter holds, in octets. What is longer
// and might be ours is dropped.
const (
	maxFilterLine  = 8 << 10
	maxFilterField = 64 << 10
)

func newForgeryFilter(w io.Writer, own []dns.Domain) *forgeryFilter {
	return &forgeryFilter{w: w, own: own}
}

// Write implements io.Writer.
func (f *forgeryFilter) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 && f.state != inBody {
		i := bytes.IndexByte(p, '\n')
		whole := i >= 0
		if !whole {
			i = len(p) - 1
		}
		if !whole && len(f.line)+len(p) <= maxFilterLine {
			f.line = append(f.line, p...)
			return n, nil
		}
		line := p[:i+1]
		if len(f.line) > 0 {
			f.line = append(f.line, line...)
			line = f.line
		}
		p = p[i+1:]
		if err := f.piece(line, whole); err != nil {
			return 0, err
		}
		f.line = f.line[:0]
	}
	if len(p) > 0 {
		if _, err := f.w.Write(p); err != nil {
			return 0, err
		}
	}
	return n, nil
}

// piece handles a line, or a part of one that is long.
func (f *forgeryFilter) piece(line []byte, whole bool) error {
	begins := !f.midline
	f.midline = !whole
	if begins && line[0] != ' ' && line[0] != '\t' {
		if err := f.decide(); err != nil {
			return err
		}
		f.begin(line)
	}
	switch f.state {
	case dropping:
		return nil
	case undecided:
		f.field = append(f.field, line...)
		if len(f.field) > maxFilterField {
			return f.decide()
		}
		return nil
	}
	_, err := f.w.Write(line)
	return err
}

// begin looks at the first line of a field.
func (f *forgeryFilter) begin(line []byte) {
	name, _, ok := bytes.Cut(line, []byte(":"))
	name = bytes.TrimRight(name, " \t")
	switch {
	case !ok || len(name) == 0:
		f.state = inBody // the empty line, or what is no field
	case strings.EqualFold(string(name), "Authentication-Results"):
		f.state = undecided
	case strings.EqualFold(string(name), "X-Mox-Reason"):
		f.state = dropping
		f.removed++
	default:
		f.state = passing
	}
}

// decide says what becomes of a field that was read as far as it will be.
func (f *forgeryFilter) decide() error {
	if f.state != undecided {
		return nil
	}
	field := f.field
	f.field = f.field[:0]
	_, value, _ := bytes.Cut(field, []byte(":"))
	if authres.Claims(string(value), f.own...) || len(field) > maxFilterField {
		f.state = dropping
		f.removed++
		return nil
	}
	f.state = passing
	_, err := f.w.Write(field)
	return err
}

// Flush passes on what is held, at the end of the message.
func (f *forgeryFilter) Flush() error {
	if f.state == inBody {
		return nil
	}
	if len(f.line) > 0 {
		if err := f.piece(f.line, false); err != nil {
			return err
		}
		f.line = nil
	}
	return f.decide()
}
