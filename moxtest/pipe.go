package moxtest

import (
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// newPipe returns both ends of a connection in memory. Unlike [net.Pipe] it has a
// buffer, as a network has, so that both sides may write at the same time. Its ends
// say that they are TCP, from memoryClient to memoryServer.
func newPipe() (client, server net.Conn) {
	up, down := newStream(), newStream()
	return &pipeConn{r: down, w: up, local: memoryClient, remote: memoryServer}, &pipeConn{r: up, w: down, local: memoryServer, remote: memoryClient}
}

// streamBuffer is how much a direction holds before its writer waits, in bytes.
const streamBuffer = 64 << 10

// stream is one direction.
type stream struct {
	mu      sync.Mutex // guards the below
	data    []byte
	eof     bool          // the writer has closed
	gone    bool          // the reader has closed
	reset   bool          // and the writer has noticed
	changed chan struct{} // closed, and made anew, with every change
}

func newStream() *stream { return &stream{changed: make(chan struct{})} }

// wake tells all who wait. Call it with mu held.
func (s *stream) wake() {
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *stream) close(set *bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*set = true
	s.wake()
}

// attempt calls try, with mu held, until it is done or the deadline has passed.
func (s *stream) attempt(d *deadline, try func() (done bool)) error {
	for {
		expired, passed := d.wait()
		if passed {
			return os.ErrDeadlineExceeded
		}
		s.mu.Lock()
		done, changed := try(), s.changed
		s.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-changed:
		case <-expired:
		}
	}
}

// deadline is a time that can be changed while someone waits for it.
type deadline struct {
	mu      sync.Mutex // guards the below
	timer   *time.Timer
	passed  bool
	changed chan struct{} // closed when the deadline passes or changes
}

func (d *deadline) set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil {
		d.timer.Stop()
	}
	if d.changed != nil {
		close(d.changed)
	}
	d.changed, d.timer, d.passed = make(chan struct{}), nil, false
	if t.IsZero() {
		return
	}
	changed := d.changed
	d.timer = time.AfterFunc(time.Until(t), func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.changed == changed {
			d.passed = true
			close(d.changed)
			d.changed = nil
		}
	})
}

// wait returns whether the deadline has passed, and what to wait for otherwise.
func (d *deadline) wait() (changed <-chan struct{}, passed bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.changed == nil && !d.passed {
		d.changed = make(chan struct{})
	}
	return d.changed, d.passed
}

// pipeConn is one end.
type pipeConn struct {
	r, w          *stream
	local, remote net.Addr
	rd, wd        deadline
}

func (c *pipeConn) Read(p []byte) (n int, err error) {
	werr := c.r.attempt(&c.rd, func() bool {
		switch {
		case c.r.gone:
			err = net.ErrClosed
		case len(c.r.data) > 0:
			n = copy(p, c.r.data)
			c.r.data = c.r.data[n:]
			c.r.wake()
		case c.r.eof:
			err = io.EOF
		default:
			return len(p) == 0
		}
		return true
	})
	if werr != nil {
		return 0, werr
	}
	return n, err
}

func (c *pipeConn) Write(p []byte) (n int, err error) {
	for n < len(p) || n == 0 {
		werr := c.w.attempt(&c.wd, func() bool {
			switch room := streamBuffer - len(c.w.data); {
			case c.w.eof || c.w.reset:
				err = io.ErrClosedPipe
			case c.w.gone:
				// As with TCP, the first write to who has closed succeeds.
				c.w.reset = true
				n = len(p)
			case room > 0:
				part := p[n:min(len(p), n+room)]
				c.w.data = append(c.w.data, part...)
				n += len(part)
				c.w.wake()
			default:
				return false
			}
			return true
		})
		if werr != nil {
			return n, werr
		}
		if err != nil || len(p) == 0 {
			return n, err
		}
	}
	return n, nil
}

func (c *pipeConn) Close() error {
	c.w.close(&c.w.eof)
	c.r.close(&c.r.gone)
	return nil
}

func (c *pipeConn) LocalAddr() net.Addr  { return c.local }
func (c *pipeConn) RemoteAddr() net.Addr { return c.remote }

func (c *pipeConn) SetDeadline(t time.Time) error {
	c.rd.set(t)
	c.wd.set(t)
	return nil
}

func (c *pipeConn) SetReadDeadline(t time.Time) error {
	c.rd.set(t)
	return nil
}

func (c *pipeConn) SetWriteDeadline(t time.Time) error {
	c.wd.set(t)
	return nil
}
