package lineio

import (
	"io"
	"time"
)

// WaitInput waits until there is something to read, or until the connection ended,
// which the next read tells. Output is flushed first. While waiting, neither a read
// nor a write buffer is held. It fails with os.ErrDeadlineExceeded after timeout
// (0: no limit of its own), and with ErrInterrupted after Interrupt. A TLS
// connection must have done its handshake, which a timeout would spoil for good.
func (c *Conn) WaitInput(timeout time.Duration) error {
	if err := c.Flush(); err != nil {
		return err
	}
	if c.Buffered() > 0 {
		return nil
	}
	c.releaseRead()

	c.mu.Lock()
	if c.interrupted {
		c.interrupted = false
		c.mu.Unlock()
		return ErrInterrupted
	}
	if err := c.nc.SetReadDeadline(c.deadline(timeout)); err != nil && !closedPipe(err) {
		c.mu.Unlock()
		return err
	}
	c.waiting = true
	c.mu.Unlock()

	ready, err := waitReadable(c.nc)
	if err == nil && !ready {
		c.ntiny, err = c.nc.Read(c.tiny[:])
		if c.ntiny > 0 || err == io.EOF {
			err = nil
		}
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
