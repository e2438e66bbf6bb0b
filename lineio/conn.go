package lineio

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// Errors of Conn. Errors of the network connection are passed on as they are:
// a deadline that passed is os.ErrDeadlineExceeded, an end is io.EOF when nothing
// was read and io.ErrUnexpectedEOF inside a line or literal.
var (
	// ErrLineTooLong: the line was longer than asked for. It was discarded up to
	// and including its end, and the next read starts at the next line.
	ErrLineTooLong = errors.New("line too long")
	// ErrEndless: a line that is too long did not end within Options.Discard octets
	// either. The position in the input is lost; close the connection.
	ErrEndless = errors.New("line without end")
	// ErrBareLF: the line ended with LF without CR before it. ReadLine returns the
	// line as well, so that a lenient caller can go on.
	ErrBareLF = errors.New("bare LF")
	// ErrBareCR: the line has a CR that is not followed by LF. ReadLine returns the
	// line as well.
	ErrBareCR = errors.New("bare CR")
	// ErrBuffered: Replace found input that came before the layer below was
	// replaced: someone may have injected it.
	ErrBuffered = errors.New("input pending before change of connection")
	// ErrUnflushed: Replace found output that was not flushed.
	ErrUnflushed = errors.New("output pending before change of connection")
	// ErrInterrupted: WaitInput was woken by Interrupt.
	ErrInterrupted = errors.New("interrupted")
)

// Defaults of Options.
const (
	DefaultReadBuffer  = 16 << 10
	DefaultWriteBuffer = 16 << 10
	DefaultDiscard     = 1 << 20

	writeChunk = 256 << 10 // octets written under one deadline
	minBuffer  = 512
)

// Options of a Conn. The zero value is usable: no deadlines, default buffers.
type Options struct {
	ReadTimeout  time.Duration // for each read from the network; 0: none
	WriteTimeout time.Duration // for each write to the network; 0: none
	ReadBuffer   int           // octets; 0: DefaultReadBuffer
	WriteBuffer  int           // octets; 0: DefaultWriteBuffer
	Discard      int           // octets of a too long line that are read away; 0: DefaultDiscard

	// Trace, when set, is called with everything that is taken from the input or
	// given to the output, in the order in which the owner does so (not as the
	// network delivers it), line ends included. data is valid during the call only.
	Trace func(in bool, data []byte)
}

func (o *Options) defaults() {
	set := func(v *int, def, least int) {
		if *v == 0 {
			*v = def
		}
		*v = max(*v, least)
	}
	set(&o.ReadBuffer, DefaultReadBuffer, minBuffer)
	set(&o.WriteBuffer, DefaultWriteBuffer, minBuffer)
	set(&o.Discard, DefaultDiscard, 0)
}

// Conn is a buffered connection of lines and literals. It belongs to one
// goroutine; Close and Interrupt may be called by any, TryWrite while it waits.
type Conn struct {
	o Options

	r     []byte // read buffer from the pool, nil while idle
	rp    *[]byte
	ri    int // unread input is r[ri:rn]
	rn    int
	tiny  [1]byte // an octet that WaitInput had to read where readiness cannot be asked for
	ntiny int
	long  []byte // a line longer than the read buffer

	w  []byte // pending output, from the pool, nil when empty
	wp *[]byte

	pace  time.Duration // before each octet of output; 0: none
	hurry <-chan struct{}

	mu          sync.Mutex
	nc          net.Conn  // guarded by mu for Close and Interrupt; changed by the owner only
	hard        time.Time // no read or write goes beyond, unless zero
	waiting     bool      // guarded by mu
	interrupted bool      // guarded by mu
}

// New returns a Conn over nc, which it owns from now on.
func New(nc net.Conn, o Options) *Conn {
	o.defaults()
	return &Conn{o: o, nc: nc}
}

// buffers gives out read and write buffers by size. It is a cache: whether it is
// empty or full changes nothing but speed.
var buffers sync.Map // int -> *sync.Pool of *[]byte

func getBuffer(size int) *[]byte {
	p, ok := buffers.Load(size)
	if !ok {
		p, _ = buffers.LoadOrStore(size, &sync.Pool{New: func() any {
			b := make([]byte, size)
			return &b
		}})
	}
	return p.(*sync.Pool).Get().(*[]byte)
}

func putBuffer(b *[]byte) {
	if p, ok := buffers.Load(len(*b)); ok {
		p.(*sync.Pool).Put(b)
	}
}

// NetConn returns the connection below, as last given to New or Replace.
func (c *Conn) NetConn() net.Conn { return c.nc }

// SetReadTimeout changes the time allowed for each read from the network; 0: none.
func (c *Conn) SetReadTimeout(d time.Duration) { c.o.ReadTimeout = d }

// SetWriteTimeout changes the time allowed for each write to the network; 0: none.
func (c *Conn) SetWriteTimeout(d time.Duration) { c.o.WriteTimeout = d }

// SetTrace changes Options.Trace.
func (c *Conn) SetTrace(f func(in bool, data []byte)) { c.o.Trace = f }

// SetDeadline sets a time beyond which no read or write goes on, whatever progress
// it makes: a bound for a whole command or message. The zero time removes it.
func (c *Conn) SetDeadline(t time.Time) { c.hard = t }

// deadline returns when an operation that starts now and may take d has to end.
func (c *Conn) deadline(d time.Duration) time.Time {
	var t time.Time
	if d > 0 {
		t = time.Now().Add(d)
	}
	if !c.hard.IsZero() && (t.IsZero() || c.hard.Before(t)) {
		t = c.hard
	}
	return t
}

// Close closes the network connection, which wakes whoever waits for it. Pending
// output is lost. Safe for concurrent use.
func (c *Conn) Close() error {
	c.mu.Lock()
	nc := c.nc
	c.mu.Unlock()
	return nc.Close()
}

// Release gives all buffers back, pending input and output being lost. For the
// owner, after its last use.
func (c *Conn) Release() {
	c.ri, c.rn, c.ntiny = 0, 0, 0
	c.releaseRead()
	c.releaseWrite()
}

// Replace puts the connection on another one: TLS after STARTTLS, COMPRESS.
// Input that was already received makes it fail with ErrBuffered: it was sent
// before the change and must not be taken for what came after (RFC 3207 4.2,
// command injection).
func (c *Conn) Replace(nc net.Conn) error {
	if c.Buffered() > 0 {
		return ErrBuffered
	}
	if len(c.w) > 0 {
		return ErrUnflushed
	}
	c.releaseRead()
	c.mu.Lock()
	c.nc = nc
	c.mu.Unlock()
	return nil
}

// Buffered returns the number of octets that can be read without the network.
func (c *Conn) Buffered() int { return c.rn - c.ri + c.ntiny }

// LineBuffered tells whether ReadLine would return a line without the network.
func (c *Conn) LineBuffered() bool { return bytes.IndexByte(c.r[c.ri:c.rn], '\n') >= 0 }

func (c *Conn) releaseRead() {
	c.long = nil
	if c.rp != nil && c.ri == c.rn {
		putBuffer(c.rp)
		c.r, c.rp, c.ri, c.rn = nil, nil, 0, 0
	}
}

func (c *Conn) releaseWrite() {
	if c.wp != nil {
		putBuffer(c.wp)
		c.w, c.wp = nil, nil
	}
}

// fill makes more input available: it reads once from the network behind what is
// unread, which it moves to the front of the buffer when there is no room.
func (c *Conn) fill() error {
	if c.r == nil {
		c.rp = getBuffer(c.o.ReadBuffer)
		c.r, c.ri, c.rn = *c.rp, 0, 0
	}
	if c.ntiny > 0 {
		// The octet was read while idle, so there is no unread input before it.
		c.r[0], c.ri, c.rn, c.ntiny = c.tiny[0], 0, 1, 0
		return nil
	}
	if c.ri > 0 {
		copy(c.r, c.r[c.ri:c.rn])
		c.ri, c.rn = 0, c.rn-c.ri
	}
	n, err := c.netRead(c.r[c.rn:])
	c.rn += n
	return err
}

// closedPipe recognises what net.Pipe says when the peer has closed: as on other
// connections, that is for Read to report.
func closedPipe(err error) bool { return errors.Is(err, io.ErrClosedPipe) }

// netRead reads at least one octet or fails.
func (c *Conn) netRead(p []byte) (int, error) {
	if err := c.nc.SetReadDeadline(c.deadline(c.o.ReadTimeout)); err != nil && !closedPipe(err) {
		return 0, err
	}
	for range 100 {
		n, err := c.nc.Read(p)
		if n > 0 {
			return n, nil
		} else if err != nil {
			return 0, err
		}
	}
	return 0, io.ErrNoProgress
}

// ReadLine reads a line of at most max octets, its CRLF not counted, and returns it
// without CRLF. It is valid until the next read. With ErrBareLF and ErrBareCR the
// line is returned too.
func (c *Conn) ReadLine(max int) ([]byte, error) {
	c.long = nil
	scanned := 0
	for {
		if i := bytes.IndexByte(c.r[c.ri+scanned:c.rn], '\n'); i >= 0 {
			end := c.ri + scanned + i + 1
			line := c.r[c.ri:end]
			c.ri = end
			return c.finishLine(line, max)
		}
		scanned = c.rn - c.ri
		if len(c.long)+scanned > max+1 {
			return nil, c.discardLine(len(c.long) + scanned - max)
		}
		if scanned == len(c.r) && c.r != nil {
			c.long = append(c.long, c.r[c.ri:c.rn]...)
			c.ri, c.rn, scanned = 0, 0, 0
		}
		if err := c.fill(); err != nil {
			if err == io.EOF && len(c.long)+c.rn-c.ri > 0 {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
}

// finishLine takes a line with its LF, behind what is in c.long, and checks its end.
func (c *Conn) finishLine(line []byte, max int) ([]byte, error) {
	if len(c.long) > 0 {
		c.long = append(c.long, line...)
		line = c.long
	}
	if c.o.Trace != nil {
		c.o.Trace(true, line)
	}
	line = line[:len(line)-1]
	n := len(line)
	if n == 0 || line[n-1] != '\r' {
		if n > max {
			return nil, ErrLineTooLong
		}
		if bytes.IndexByte(line, '\r') >= 0 {
			return line, ErrBareCR
		}
		return line, ErrBareLF
	}
	line = line[:n-1]
	if len(line) > max {
		return nil, ErrLineTooLong
	}
	if bytes.IndexByte(line, '\r') >= 0 {
		return line, ErrBareCR
	}
	return line, nil
}

// discardLine reads away the rest of a line that is gone octets longer than it may be
// already.
func (c *Conn) discardLine(gone int) error {
	c.long = nil
	c.ri = c.rn
	for gone <= c.o.Discard {
		if err := c.fill(); err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
		if i := bytes.IndexByte(c.r[c.ri:c.rn], '\n'); i >= 0 {
			c.ri += i + 1
			return ErrLineTooLong
		}
		gone += c.rn - c.ri
		c.ri = c.rn
	}
	return ErrEndless
}

// Read reads what is available, waiting for at least one octet.
func (c *Conn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	c.long = nil
	if c.ri == c.rn {
		if c.ntiny == 0 && len(p) >= c.o.ReadBuffer {
			n, err := c.netRead(p)
			if c.o.Trace != nil && n > 0 {
				c.o.Trace(true, p[:n])
			}
			return n, err
		}
		if err := c.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p, c.r[c.ri:c.rn])
	c.ri += n
	if c.o.Trace != nil {
		c.o.Trace(true, p[:n])
	}
	return n, nil
}

// Literal reads exactly a number of octets from a Conn. Its reads give io.EOF after
// the last octet, and io.ErrUnexpectedEOF when the connection ends before.
type Literal struct {
	c *Conn
	n int64
}

// Literal returns a reader of the next n octets. Read it to its end, or call
// Discard, before anything else is read from c.
func (c *Conn) Literal(n int64) *Literal { return &Literal{c, n} }

// Remaining returns the number of octets not yet read.
func (l *Literal) Remaining() int64 { return l.n }

// Read implements [io.Reader].
func (l *Literal) Read(p []byte) (int, error) {
	if l.n <= 0 {
		return 0, io.EOF
	}
	if int64(len(p)) > l.n {
		p = p[:l.n]
	}
	n, err := l.c.Read(p)
	l.n -= int64(n)
	if err == io.EOF && l.n > 0 {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// Discard reads what remains away. The caller has judged that n is bearable.
func (l *Literal) Discard() error {
	for l.n > 0 {
		if l.c.ri == l.c.rn {
			if err := l.c.fill(); err != nil {
				if err == io.EOF {
					err = io.ErrUnexpectedEOF
				}
				return err
			}
		}
		k := min(l.n, int64(l.c.rn-l.c.ri))
		l.c.ri += int(k)
		l.n -= k
	}
	return nil
}
