package lineio

import (
	"bytes"
	"fmt"
	"time"
)

// Write buffers p, writing to the network when the buffer is full.
func (c *Conn) Write(p []byte) (int, error) {
	if c.o.Trace != nil && len(p) > 0 {
		c.o.Trace(false, p)
	}
	return c.write(p)
}

func (c *Conn) write(p []byte) (int, error) {
	done := 0
	for len(p) > 0 {
		if len(c.w) == 0 && len(p) >= c.o.WriteBuffer {
			n, err := c.netWrite(p)
			return done + n, err
		}
		if c.w == nil {
			c.wp = getBuffer(c.o.WriteBuffer)
			c.w = (*c.wp)[:0]
		}
		n := min(len(p), cap(c.w)-len(c.w))
		c.w = append(c.w, p[:n]...)
		p = p[n:]
		done += n
		if len(c.w) == cap(c.w) {
			if err := c.flushBuffer(); err != nil {
				return done, err
			}
		}
	}
	return done, nil
}

// WriteString is Write for a string.
func (c *Conn) WriteString(s string) (int, error) {
	if c.o.Trace != nil || len(s) >= c.o.WriteBuffer {
		return c.Write([]byte(s))
	}
	if c.w == nil {
		c.wp = getBuffer(c.o.WriteBuffer)
		c.w = (*c.wp)[:0]
	}
	if len(s) >= cap(c.w)-len(c.w) {
		return c.write([]byte(s))
	}
	c.w = append(c.w, s...)
	return len(s), nil
}

// Flush writes pending output to the network and gives the write buffer back.
func (c *Conn) Flush() error {
	if len(c.w) > 0 {
		if err := c.flushBuffer(); err != nil {
			return err
		}
	}
	c.releaseWrite()
	return nil
}

func (c *Conn) flushBuffer() error {
	if c.pace > 0 {
		p := bytes.Clone(c.w)
		c.releaseWrite()
		if c.ri == c.rn {
			c.releaseRead()
		}
		_, err := c.netWrite(p)
		return err
	}
	_, err := c.netWrite(c.w)
	c.w = c.w[:0]
	return err
}

// netWrite writes p in pieces that each have the whole write timeout: a slow reader
// of something large is not a dead one.
func (c *Conn) netWrite(p []byte) (int, error) {
	done := 0
	for len(p) > 0 {
		k := min(len(p), writeChunk)
		if c.paced() {
			k = 1
		}
		if err := c.nc.SetWriteDeadline(c.deadline(c.o.WriteTimeout)); err != nil {
			return done, err
		}
		n, err := c.nc.Write(p[:k])
		done += n
		if err != nil {
			return done, fmt.Errorf("writing to connection: %w", err)
		}
		p = p[k:]
	}
	return done, nil
}

// SetPace makes output go an octet at a time, with a pause of d before each, until hurry
// is closed; 0 ends that. Buffers are not held meanwhile. The write timeout is for each
// octet.
func (c *Conn) SetPace(d time.Duration, hurry <-chan struct{}) { c.pace, c.hurry = d, hurry }

// paced pauses before the next octet where there is a pace, and reports whether it goes
// alone.
func (c *Conn) paced() bool {
	if c.pace <= 0 {
		return false
	}
	t := time.NewTimer(c.pace)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-c.hurry:
		return false
	}
}
