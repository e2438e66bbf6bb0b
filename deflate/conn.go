package deflate

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync"

	"github.com/klauspost/compress/flate"
)

const (
	rawSize  = 8 << 10 // octets of compressed input that are read at once
	maxTail  = 8 << 10 // octets sent that what follows may refer to
	idleTail = 1 << 10 // of these, while nothing is sent
)

// ErrState says that a change of the compression came when there was input pending.
var ErrState = errors.New("input pending at change of compression")

// Conn is a connection that is compressed in both directions. One goroutine may read while
// another writes.
//
// A read of one octet is that of someone who will wait for long: while it waits there is no
// buffer.
type Conn struct {
	net.Conn

	in     inflater
	raw    []byte // compressed input that is not used yet
	rawp   *[]byte
	one    [1]byte
	ending bool // the peer has said its last compressed word
	plain  bool // input is not compressed any more

	mu       sync.Mutex
	tail     []byte // what was sent last
	plainOut bool
}

// New compresses a connection, on which the peer does the same.
func New(nc net.Conn) *Conn { return &Conn{Conn: nc} }

var (
	raws    = sync.Pool{New: func() any { b := make([]byte, rawSize); return &b }}
	outputs = sync.Pool{New: func() any { return new(bytes.Buffer) }}
)

// Write compresses and sends p, so that the peer can read all of it.
func (c *Conn) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.plainOut {
		return c.Conn.Write(p)
	}
	if len(p) == 0 {
		return 0, nil
	}
	b := outputs.Get().(*bytes.Buffer)
	defer outputs.Put(b)
	b.Reset()
	if err := flate.StatelessDeflate(b, p, false, c.tail); err != nil {
		return 0, err
	}
	if _, err := c.Conn.Write(b.Bytes()); err != nil {
		return 0, err
	}
	c.remember(p)
	return len(p), nil
}

// remember keeps the last octets that were sent.
func (c *Conn) remember(p []byte) {
	if len(p) >= maxTail {
		c.tail = append(c.tail[:0], p[len(p)-maxTail:]...)
		return
	}
	if n := len(c.tail) + len(p) - maxTail; n > 0 {
		c.tail = c.tail[:copy(c.tail, c.tail[n:])]
	}
	c.tail = append(c.tail, p...)
}

// rest gives memory back before what may be a long wait.
func (c *Conn) rest() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if cap(c.tail) > idleTail {
		c.tail = bytes.Clone(c.tail[max(0, len(c.tail)-idleTail):])
	}
}

// Read returns decompressed input.
func (c *Conn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for {
		if c.ending {
			if err := c.end(); err != nil {
				return 0, err
			}
		}
		if c.plain {
			return c.readPlain(p)
		}
		nd, ns, err := c.in.inflate(p, c.raw)
		c.used(ns)
		if nd > 0 || err != nil {
			return nd, err
		}
		if c.in.state == stateDone {
			return 0, io.EOF
		}
		if err := c.fill(len(p) == 1); err != nil {
			return 0, err
		}
	}
}

// used forgets raw input.
func (c *Conn) used(n int) {
	c.raw = c.raw[n:]
	if len(c.raw) == 0 {
		c.raw = nil
		if c.rawp != nil {
			raws.Put(c.rawp)
			c.rawp = nil
		}
	}
}

// fill reads raw input; there is none left.
func (c *Conn) fill(idle bool) error {
	buf := c.one[:]
	if idle {
		c.rest()
	} else {
		c.rawp = raws.Get().(*[]byte)
		buf = *c.rawp
	}
	n, err := c.Conn.Read(buf)
	c.raw = buf[:n]
	if n > 0 {
		return nil
	}
	c.used(0)
	// What the deadline interrupts goes on with the next read. The end is that of the
	// connection: peers do not end their stream.
	return err
}

// readPlain reads what comes after the compression.
func (c *Conn) readPlain(p []byte) (int, error) {
	if len(c.raw) == 0 {
		return c.Conn.Read(p)
	}
	n := copy(p, c.raw)
	c.used(n)
	return n, nil
}

// End ends the compression in both directions, of input with what was read last, whose
// flush may still come. Input that is there already, but was not read, must not be compressed.
func (c *Conn) End() {
	c.mu.Lock()
	c.plainOut, c.tail = true, nil
	c.mu.Unlock()
	if c.plain {
		return
	}
	c.ending = true
	if back := c.in.giveBack(); len(back) > 0 {
		raw := append(back, c.raw...)
		c.used(len(c.raw))
		c.raw = raw
	}
}

// end reads to the end of compressed input: flushes and final blocks that have no content.
func (c *Conn) end() error {
	for {
		if len(c.raw) == 0 {
			if err := c.fill(true); err != nil {
				return err
			}
			continue
		}
		text, err := c.text()
		if err != nil {
			return err
		}
		if text {
			c.ending, c.plain, c.in = false, true, inflater{}
			return nil
		}
		var b [1]byte
		nd, ns, err := c.in.inflate(b[:], c.raw[:1])
		if err == nil && nd > 0 {
			err = ErrState
		}
		if err != nil {
			return err
		}
		c.used(ns)
	}
}

// text reports whether what comes next, at least an octet, is a line of text. Between blocks
// flushes and final blocks begin with octets below space. Behind bits that were held back they
// may begin with others; the octet after these is below space then.
func (c *Conn) text() (bool, error) {
	if !c.in.heldBack() {
		return c.in.state == stateDone || c.in.between() && c.in.bits == 0 && c.raw[0] >= ' ', nil
	}
	first := c.raw[0]
	if first <= ' ' || first >= 0x7f {
		return false, nil
	}
	if len(c.raw) == 1 {
		c.used(1)
		err := c.fill(true)
		c.raw = append([]byte{first}, c.raw...)
		if err != nil {
			return false, err
		}
	}
	return c.raw[1] >= ' ', nil
}

// Restart begins a new compression after End.
func (c *Conn) Restart() error {
	if c.ending || !c.plain || len(c.raw) > 0 {
		return ErrState
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.plain, c.plainOut, c.in = false, false, inflater{}
	return nil
}
