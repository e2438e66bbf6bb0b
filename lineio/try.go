package lineio

import (
	"crypto/tls"
	"net"
	"sync"
	"time"
)

const (
	maxTryTLS  = 1 << 10                // octets: an empty send queue of any size takes so many at once
	tryTimeout = 100 * time.Millisecond // should that not be so, as when the system is out of memory
)

// TryWrite writes what the network takes of p at once, past the buffers, and returns how
// many octets that were: 0 as well where that cannot be known. An error is for the next
// write to tell. It is for one who keeps the owner from coming back from WaitInput, before
// which all was flushed.
func (c *Conn) TryWrite(p []byte) (n int) {
	if len(p) == 0 || c.pace > 0 {
		return 0
	}
	if tc, ok := c.nc.(*tls.Conn); ok {
		n = c.tryTLS(tc, p)
	} else {
		n, _ = trySocket(c.nc, p)
	}
	if c.o.Trace != nil && n > 0 {
		c.o.Trace(false, p[:n])
	}
	return n
}

// tryTLS is TryWrite with TLS, which cannot write a record in part: only where nothing
// waits to be sent.
func (c *Conn) tryTLS(tc *tls.Conn, p []byte) int {
	if len(p) > maxTryTLS {
		return 0
	}
	if _, empty := trySocket(tc.NetConn(), nil); !empty {
		return 0
	}
	if err := tc.SetWriteDeadline(time.Now().Add(tryTimeout)); err != nil {
		return 0
	}
	n, _ := tc.Write(p) // what has failed fails the next time, too
	// A read of TLS may have to write as well, which must not fail for the time above.
	_ = tc.SetWriteDeadline(c.deadline(c.o.WriteTimeout))
	return n
}

// trySocket writes what a socket takes of p at once, or, without p, reports whether all is
// sent and acknowledged that was written before.
func trySocket(nc net.Conn, p []byte) (n int, empty bool) {
	raw, err := rawConn(nc)
	if raw == nil || err != nil {
		return 0, false
	}
	a := attempts.Get().(*attempt)
	defer attempts.Put(a)
	a.p, a.n, a.empty = p, 0, false
	err = raw.Control(a.do)
	a.p = nil
	return a.n, a.empty && err == nil
}

// attempt has the arguments and results of trySocket, for calls to take no memory.
type attempt struct {
	p     []byte
	n     int
	empty bool
	do    func(fd uintptr)
}

var attempts = sync.Pool{New: func() any {
	a := &attempt{}
	a.do = func(fd uintptr) {
		if a.p == nil {
			a.empty = sendsNothing(fd)
		} else {
			a.n = writeAtOnce(fd, a.p)
		}
	}
	return a
}}
