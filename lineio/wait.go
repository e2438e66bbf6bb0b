package lineio

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// WaitInput waits until there is something to read, or until the connection ended,
// which the next read tells. Output is flushed first. While waiting, neither a read
// nor a write buffer is held. It fails with os.ErrDeadlineExceeded after timeout
// (0: no limit of its own), and with ErrInterrupted after Interrupt. A TLS
// connection must have done its handshake, which a timeout would spoil for good.
func (c *Conn) WaitInput(timeout time.Duration) error {
	if err := c.Park(); err != nil {
		return err
	}
	if c.Buffered() > 0 {
		return nil
	}

	below, err := c.belowTLS()
	if err != nil || c.ntiny > 0 {
		return err
	}
	if err := c.startWaiting(timeout); err != nil {
		return err
	}
	ready, err := waitReadable(below)
	if err == nil && (!ready || below != c.nc) {
		err = c.readTiny()
	}

	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting = false
	if err != nil && c.interrupted {
		c.interrupted = false
		return ErrInterrupted
	}
	return err
}

// startWaiting sets the deadline from which on Interrupt may take it away.
func (c *Conn) startWaiting(timeout time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.interrupted {
		c.interrupted = false
		return ErrInterrupted
	}
	if err := c.nc.SetReadDeadline(c.deadline(timeout)); err != nil && !closedPipe(err) {
		return err
	}
	c.waiting = true
	return nil
}

// readTiny reads an octet. The end of the connection is for the next read to tell.
func (c *Conn) readTiny() error {
	n, err := c.nc.Read(c.tiny[:])
	c.ntiny = n
	if n > 0 || err == io.EOF {
		return nil
	}
	return err
}

// belowTLS returns the connection whose input is to be waited for: with TLS the one below,
// as a goroutine that waits in a read of TLS has twice the stack. What TLS has received
// already is looked for before.
func (c *Conn) belowTLS() (net.Conn, error) {
	tc, ok := c.nc.(*tls.Conn)
	if !ok {
		return c.nc, nil
	}
	// Not disturbed by Interrupt, which sets a deadline only of one who waits.
	if err := c.nc.SetReadDeadline(time.Unix(1, 0)); err != nil {
		return nil, err
	}
	if err := c.readTiny(); err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) {
			releaseTLS(tc)
			return tc.NetConn(), nil
		}
		return nil, err
	}
	return c.nc, nil
}

// Park flushes output and gives up both buffers, but for input that was received
// already: for an owner that will do something else for a while.
func (c *Conn) Park() error {
	if err := c.Flush(); err != nil {
		return err
	}
	c.releaseRead()
	return nil
}

// Watch calls gone, once, when the peer has closed the connection while its owner does
// something else and leaves c alone: from after on, until stop, which returns when it is
// over. Input that was or is received ends the watch, as the end of the connection may
// come behind it: a client that says QUIT without waiting and closes is not gone.
func (c *Conn) Watch(after time.Duration, gone func()) (stop func()) {
	if c.Buffered() > 0 {
		return func() {}
	}
	done := make(chan struct{})
	var mu sync.Mutex // guards stopped and the read deadline
	stopped := false
	timer := time.AfterFunc(after, func() {
		defer close(done)
		mu.Lock()
		if err := c.nc.SetReadDeadline(time.Time{}); stopped || err != nil && !closedPipe(err) {
			mu.Unlock()
			return
		}
		mu.Unlock()
		if c.watch() {
			gone()
		}
	})
	return func() {
		if timer.Stop() {
			return
		}
		mu.Lock()
		stopped = true
		// Fails only when the connection is closed, and then the watch is over anyway.
		_ = c.nc.SetReadDeadline(time.Unix(1, 0))
		mu.Unlock()
		<-done
	}
}

// watch waits for input or the end of the connection, and reports the latter.
func (c *Conn) watch() bool {
	ready, err := waitReadable(c.nc)
	if ready && err == nil {
		return atEnd(c.nc)
	}
	if err == nil {
		c.ntiny, err = c.nc.Read(c.tiny[:])
		if c.ntiny > 0 {
			return false
		}
	}
	return err != nil && !errors.Is(err, os.ErrDeadlineExceeded)
}

// Interrupt wakes the owner from WaitInput with ErrInterrupted: from the current
// call, or, when it is busy with something else, from the next one that would wait.
// Reads and writes are not disturbed. Safe for concurrent use.
func (c *Conn) Interrupt() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.interrupted = true
	if c.waiting {
		// Fails only when the connection is closed, and then WaitInput returns anyway.
		_ = c.nc.SetReadDeadline(time.Unix(1, 0))
	}
}
