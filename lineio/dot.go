package lineio

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// Errors of DotReader, given at the true end of the data in place of io.EOF, the
// data having been consumed.
var (
	// ErrSmuggling: the data has a line of a single dot whose line ends are not both
	// CRLF. The error is a *SmugglingError.
	ErrSmuggling = errors.New("end-of-data sequence with a bare line end")
	// ErrTooLarge: the data is larger than DotOptions.Max.
	ErrTooLarge = errors.New("data too large")
	// ErrNoEnd: the data is bad or too large, and its end did not come within
	// DotOptions.Discard octets either. Close the connection: what follows in the
	// input is data, never a command.
	ErrNoEnd = errors.New("no end of data")
)

// SmugglingError names a sequence that some implementations take for the end of
// the data (RFC 5321 4.1.1.4 allows only CRLF "." CRLF), so that what follows it
// would be a message of its own to them.
type SmugglingError struct {
	Sequence string // as in "LF.CRLF"
}

func (e *SmugglingError) Error() string {
	return "end-of-data sequence with a bare line end: " + e.Sequence
}

// Is makes the error an ErrSmuggling.
func (e *SmugglingError) Is(target error) bool { return target == ErrSmuggling }

// DotOptions are the bounds of a DotReader.
type DotOptions struct {
	// Max is the largest size of the data, after unstuffing, its final CRLF
	// counted; 0: no bound.
	Max int64
	// Discard is how much is read and thrown away, after the data proved too large
	// or bad, in search of its end; 0: DefaultDiscard.
	Discard int64
	// Strict refuses every bare LF, with ErrBareLF. Otherwise a bare LF that is not
	// part of a smuggling sequence is completed to CRLF.
	Strict bool
}

type dotState uint8

const (
	dotMid     dotState = iota // inside a line
	dotCR                      // CR, which is not given out before its LF is seen
	dotBOL                     // after CRLF, or at the start
	dotDot                     // CRLF "."
	dotDotCR                   // CRLF "." CR
	dotLF                      // after a bare LF
	dotLFDot                   // LF "."
	dotLFDotCR                 // LF "." CR
	dotEnd                     // CRLF "." CRLF
)

// DotReader reads the data of a message up to CRLF "." CRLF, removing the dots
// that transparency added (RFC 5321 4.5.2). It gives io.EOF at the end, or what was
// wrong with the data: ErrBareCR, ErrBareLF, ErrSmuggling, ErrTooLarge. In all
// these cases the input is past the end of the data, so that nothing of it can be
// taken for a command. After any other error (ErrNoEnd, of the network) it is not.
type DotReader struct {
	c     *Conn
	o     DotOptions
	state dotState
	bad   error   // first thing wrong; nothing is given out from then on
	size  int64   // octets given out
	gone  int64   // octets thrown away
	pend  [4]byte // output for which there was no room
	npend int
	err   error // of the connection, final
}

// NewDotReader returns a reader of the data that follows on c. The line before it
// must have ended with CRLF.
func NewDotReader(c *Conn, o DotOptions) *DotReader {
	if o.Discard == 0 {
		o.Discard = DefaultDiscard
	}
	return &DotReader{c: c, o: o, state: dotBOL}
}

// Ended tells whether the end of the data has been read.
func (d *DotReader) Ended() bool { return d.state == dotEnd }

// Size returns the number of octets given out so far.
func (d *DotReader) Size() int64 { return d.size }

// Discard reads the rest of the data away and returns what Read would have
// returned at its end, io.EOF aside.
func (d *DotReader) Discard() error {
	if d.bad == nil {
		d.bad = errDiscard
	}
	_, err := d.Read(make([]byte, 1))
	if err == errDiscard || err == io.EOF {
		return nil
	}
	return err
}

var errDiscard = errors.New("discarded")

// Read implements [io.Reader].
func (d *DotReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	n := 0
	if d.npend > 0 && d.bad == nil {
		n = copy(p, d.pend[:d.npend])
		copy(d.pend[:], d.pend[n:d.npend])
		d.npend -= n
	}
	for {
		if n > 0 && (n == len(p) || d.state == dotEnd || d.bad != nil || d.c.Buffered() == 0) {
			return n, nil
		}
		if d.state == dotEnd {
			return 0, d.end()
		}
		if d.err != nil {
			return 0, d.err
		}
		if d.c.ri == d.c.rn {
			if err := d.fill(); err != nil {
				return 0, err
			}
		}
		n += d.step(p[n:])
		if d.bad != nil && d.gone > d.o.Discard {
			d.err = fmt.Errorf("%w: %w", ErrNoEnd, d.bad)
		}
	}
}

func (d *DotReader) end() error {
	if d.bad != nil {
		return d.bad
	}
	return io.EOF
}

func (d *DotReader) fill() error {
	err := d.c.fill()
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	d.err = err
	return err
}

// step consumes some of the buffered input and returns how much it put into p.
func (d *DotReader) step(p []byte) int {
	in := d.c.r[d.c.ri:d.c.rn]
	start := d.c.ri
	out := sink{p: p, d: d}
	for len(in) > 0 && d.state != dotEnd && d.npend == 0 {
		if d.bad == nil && out.n == len(p) {
			break
		}
		if k := d.run(in, &out); k > 0 {
			in = in[k:]
			d.c.ri += k
			continue
		}
		d.octet(in[0], &out)
		in = in[1:]
		d.c.ri++
	}
	if d.bad != nil {
		d.gone += int64(d.c.ri - start)
	}
	if d.c.o.Trace != nil {
		d.c.o.Trace(true, d.c.r[start:d.c.ri])
	}
	return out.n
}

// run takes whole lines, and pieces of them, that need no state: the fast path. It
// returns the octets consumed, 0 when the next one needs a closer look.
func (d *DotReader) run(in []byte, out *sink) int {
	done := 0
	for {
		switch {
		case d.state == dotMid:
		case (d.state == dotBOL || d.state == dotLF) && len(in) > 0 && in[0] != '.' && in[0] != '\r' && in[0] != '\n':
		default:
			return done
		}
		room := len(in)
		if d.bad == nil {
			room = min(room, len(out.p)-out.n)
		}
		line := in[:room]
		end := bytes.IndexByte(line, '\n')
		whole := end > 0 && line[end-1] == '\r'
		if end >= 0 {
			line = line[:end]
		}
		if i := bytes.IndexByte(line, '\r'); i >= 0 && (!whole || i < end-1) {
			line, whole = line[:i], false
		} else if whole {
			line = in[:end+1]
		}
		if len(line) == 0 {
			return done
		}
		out.put(line...)
		done += len(line)
		in = in[len(line):]
		if !whole {
			d.state = dotMid
			return done
		}
		d.state = dotBOL
	}
}

// sink is where octets given out go: p, and what does not fit to d.pend.
type sink struct {
	p []byte
	n int
	d *DotReader
}

func (s *sink) put(b ...byte) {
	if s.d.bad != nil {
		return
	}
	s.d.size += int64(len(b))
	if s.d.o.Max > 0 && s.d.size > s.d.o.Max {
		s.d.bad = ErrTooLarge
		return
	}
	k := copy(s.p[s.n:], b)
	s.n += k
	s.d.npend += copy(s.d.pend[s.d.npend:], b[k:])
}

func (d *DotReader) violate(err error) {
	if d.bad == nil {
		d.bad = err
	}
}

func (d *DotReader) bareLF(out *sink) {
	if d.o.Strict {
		d.violate(ErrBareLF)
	}
	out.put('\r', '\n')
	d.state = dotLF
}

// octet is the state machine, for one octet.
func (d *DotReader) octet(b byte, out *sink) {
	switch d.state {
	case dotCR:
		if b == '\n' {
			out.put('\r', '\n')
			d.state = dotBOL
			return
		}
		d.violate(ErrBareCR)
	case dotBOL, dotLF:
		if b == '.' {
			d.state++ // dotDot, dotLFDot
			return
		}
	case dotDot:
		switch b {
		case '\r':
			d.state = dotDotCR
			return
		case '\n':
			d.violate(&SmugglingError{"CRLF.LF"})
			d.state = dotLF
			return
		}
		// RFC 5321 4.5.2: the dot that the client added goes.
	case dotDotCR:
		if b == '\n' {
			d.state = dotEnd
			return
		}
		d.violate(ErrBareCR)
	case dotLFDot:
		switch b {
		case '\r':
			d.state = dotLFDotCR
			return
		case '\n':
			d.violate(&SmugglingError{"LF.LF"})
			d.state = dotLF
			return
		}
		// The client saw no line start here, and added no dot.
		out.put('.')
	case dotLFDotCR:
		if b == '\n' {
			d.violate(&SmugglingError{"LF.CRLF"})
			d.state = dotBOL // what follows does follow a CRLF
			return
		}
		d.violate(ErrBareCR)
	}
	switch b {
	case '\r':
		d.state = dotCR
	case '\n':
		d.bareLF(out)
	default:
		out.put(b)
		d.state = dotMid
	}
}

// DotWriter writes the data of a message: a dot at the start of a line is doubled
// (RFC 5321 4.5.2), and a bare CR or LF is completed to CRLF, so that nothing in the
// data can end it for any reader. The zero value is not usable.
type DotWriter struct {
	w   io.Writer
	bol bool
	cr  bool // CR given, its LF not seen
}

// NewDotWriter returns a writer of data to w, which should be buffered.
func NewDotWriter(w io.Writer) *DotWriter { return &DotWriter{w: w, bol: true} }

// Write implements [io.Writer].
func (d *DotWriter) Write(p []byte) (int, error) {
	total := len(p)
	for len(p) > 0 {
		if d.cr {
			d.cr = false
			if p[0] == '\n' {
				p = p[1:]
			}
			if err := d.raw("\r\n"); err != nil {
				return total - len(p), err
			}
			d.bol = true
			continue
		}
		if n := whole(p, d.bol); n > 0 {
			if _, err := d.w.Write(p[:n]); err != nil {
				return total - len(p), err
			}
			d.bol = true
			p = p[n:]
			continue
		}
		if d.bol && p[0] == '.' {
			if err := d.raw("."); err != nil {
				return total - len(p), err
			}
		}
		i := bytes.IndexAny(p, "\r\n")
		if i < 0 {
			i = len(p)
		}
		if i > 0 {
			if _, err := d.w.Write(p[:i]); err != nil {
				return total - len(p), err
			}
			d.bol = false
			p = p[i:]
			continue
		}
		if p[0] == '\r' {
			d.cr = true
		} else {
			if err := d.raw("\r\n"); err != nil {
				return total - len(p), err
			}
			d.bol = true
		}
		p = p[1:]
	}
	return total, nil
}

// whole returns how much of p is whole lines that need no change. bol tells whether p begins
// with the begin of a line.
func whole(p []byte, bol bool) int {
	n := 0
	for n < len(p) && (!bol || p[n] != '.') {
		i := bytes.IndexByte(p[n:], '\n')
		if i < 1 || p[n+i-1] != '\r' || bytes.IndexByte(p[n:n+i-1], '\r') >= 0 {
			break
		}
		n += i + 1
		bol = true
	}
	return n
}

func (d *DotWriter) raw(s string) error {
	_, err := io.WriteString(d.w, s)
	return err
}

// Close ends the data with CRLF "." CRLF, adding the CRLF of the last line when the
// data has none. It does not flush or close the writer below.
func (d *DotWriter) Close() error {
	s := ".\r\n"
	if d.cr || !d.bol {
		s = "\r\n.\r\n"
	}
	return d.raw(s)
}
