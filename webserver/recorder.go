package webserver

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Times that a client has for what it reads and sends. They are set for each step, as whole
// answers and requests may take as long as they are large.
const (
	stall = time.Minute // without taking anything, and without sending anything

	// sendPiece is how much is handed to the system at once.
	sendPiece = 256 << 10
	// slowest is what a client has to send in the long run, in octets a second.
	slowest = 512
)

// recorder notes what is answered, and keeps clients to their time.
type recorder struct {
	http.ResponseWriter
	control  *http.ResponseController
	now      func() time.Time
	start    time.Time
	client   netip.Addr // not valid when only that of a proxy is known
	handler  string     // as far as it is known
	body     *timedBody // nil: none
	code     int
	header   time.Duration
	hijacked bool
	// For HTTP/2, where deadlines are costly, a timer sets one when it is over.
	multiplexed bool
	timer       *time.Timer
	mu          sync.Mutex // guards finished
	finished    bool

	received, sent atomic.Int64 // octets of bodies, or of a WebSocket
}

func newRecorder(w http.ResponseWriter, r *http.Request, now func() time.Time) *recorder {
	rec := &recorder{ResponseWriter: w, control: http.NewResponseController(w), now: now, start: now(), multiplexed: r.ProtoMajor >= 2}
	// For what net/http sends by itself, such as 100.
	if !rec.multiplexed {
		rec.writeWithin(stall)
	}
	if r.Body != nil && r.Body != http.NoBody {
		rec.body = &timedBody{ReadCloser: r.Body, rec: rec, keep: r.ProtoMajor == 1}
		r.Body = rec.body
		rec.body.within(stall)
	}
	return rec
}

// writeWithin sets the deadline for writing; 0 is none. The clock is that of the system, as
// for all deadlines of connections. Writers without are those of tests.
func (r *recorder) writeWithin(d time.Duration) {
	switch {
	case !r.multiplexed && d == 0:
		_ = r.control.SetWriteDeadline(time.Time{})
	case !r.multiplexed:
		_ = r.control.SetWriteDeadline(time.Now().Add(d))
	case r.timer == nil && d > 0:
		r.timer = time.AfterFunc(d, r.stalled)
	case d > 0:
		r.timer.Reset(d)
	case r.timer != nil:
		r.timer.Stop()
	}
}

// stalled ends an answer by HTTP/2 that the client does not take.
func (r *recorder) stalled() {
	r.mu.Lock()
	defer r.mu.Unlock()
	// After its end net/http does not expect it.
	if !r.finished {
		_ = r.control.SetWriteDeadline(time.Now().Add(-time.Second))
	}
}

// finish is called before the end of the answer is sent.
func (r *recorder) finish() {
	if r.hijacked {
		return
	}
	if r.multiplexed {
		r.writeWithin(0)
		r.mu.Lock()
		r.finished = true
		r.mu.Unlock()
		_ = r.control.SetWriteDeadline(time.Now().Add(stall))
	} else {
		r.writeWithin(stall)
	}
	r.body.leave()
}

// WriteHeader implements http.ResponseWriter.
func (r *recorder) WriteHeader(code int) {
	if code >= 200 || code == http.StatusSwitchingProtocols {
		r.begin(code)
	}
	r.ResponseWriter.WriteHeader(code)
}

// begin notes the header of the answer, which is sent with the first content at the latest.
func (r *recorder) begin(code int) {
	if r.code != 0 {
		return
	}
	r.code, r.header = code, r.now().Sub(r.start)
	r.body.leave()
}

// Write implements http.ResponseWriter.
func (r *recorder) Write(b []byte) (int, error) {
	r.begin(http.StatusOK)
	r.writeWithin(stall)
	n, err := r.ResponseWriter.Write(b)
	r.sent.Add(int64(n))
	r.writeWithin(0)
	return n, err
}

// ReadFrom implements io.ReaderFrom: from a file, the system sends.
func (r *recorder) ReadFrom(from io.Reader) (total int64, err error) {
	r.begin(http.StatusOK)
	limit := int64(1) << 62
	if l, ok := from.(*io.LimitedReader); ok {
		from, limit = l.R, l.N
		defer func() { l.N -= total }()
	}
	rf, ok := r.ResponseWriter.(io.ReaderFrom)
	if _, file := from.(*os.File); !ok || !file {
		return io.CopyBuffer(struct{ io.Writer }{r}, io.LimitReader(from, limit), make([]byte, max(1, min(limit, 32<<10))))
	}
	for total < limit {
		piece := min(sendPiece, limit-total)
		r.writeWithin(stall)
		n, err := rf.ReadFrom(&io.LimitedReader{R: from, N: piece})
		r.sent.Add(n)
		total += n
		if err != nil || n < piece {
			r.writeWithin(0)
			return total, err
		}
	}
	r.writeWithin(0)
	return total, nil
}

// FlushError sends what there is so far.
func (r *recorder) FlushError() error {
	r.begin(http.StatusOK)
	r.writeWithin(stall)
	defer r.writeWithin(0)
	return r.control.Flush()
}

// Hijack gives the connection away. Its octets are counted.
func (r *recorder) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := r.control.Hijack()
	if err != nil {
		return nil, nil, err
	}
	r.hijacked = true
	r.received.Add(int64(buffered.Reader.Buffered()))
	return &countedConn{conn, r}, buffered, nil
}

// SetHandler says who serves the request.
func (r *recorder) SetHandler(name string) { r.handler = name }

// Unwrap is for http.ResponseController.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// countedConn counts what goes through a connection, whose other side has to take what is
// written within the time.
type countedConn struct {
	net.Conn
	rec *recorder
}

func (c *countedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.rec.received.Add(int64(n))
	return n, err
}

func (c *countedConn) Write(b []byte) (int, error) {
	if err := c.Conn.SetWriteDeadline(time.Now().Add(stall)); err != nil {
		return 0, err
	}
	n, err := c.Conn.Write(b)
	c.rec.sent.Add(int64(n))
	return n, err
}

// timedBody is the body of a request, which has to come fast enough while it is waited for.
type timedBody struct {
	io.ReadCloser
	rec    *recorder
	waited time.Duration
	// keep has the deadline stay after a Read, for what net/http reads to get to the next
	// request of a connection.
	keep, ended bool
}

// discard is how long that may take.
const discard = 10 * time.Second

// within sets the deadline for reading; 0 is none.
func (b *timedBody) within(d time.Duration) {
	var t time.Time
	if d > 0 {
		t = time.Now().Add(d)
	}
	_ = b.rec.control.SetReadDeadline(t)
}

// leave is called when an answer begins or ends: net/http reads what is left then.
func (b *timedBody) leave() {
	if b != nil && b.keep && !b.ended {
		b.within(discard)
	}
}

// Read implements io.Reader.
func (b *timedBody) Read(p []byte) (int, error) {
	earned := time.Duration(b.rec.received.Load()/slowest) * time.Second
	b.within(max(time.Nanosecond, min(stall, stall+earned-b.waited)))
	start := time.Now()
	n, err := b.ReadCloser.Read(p)
	b.waited += time.Since(start)
	b.rec.received.Add(int64(n))
	if errors.Is(err, io.EOF) {
		b.ended = true
	}
	// At the end net/http waits for the client to go away, without a deadline.
	if b.ended || !b.keep && err == nil {
		b.within(0)
	}
	return n, err
}
