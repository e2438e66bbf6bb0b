package ctl

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"mox/admin"
)

// Server answers on the control socket.
type Server struct {
	Admin *admin.Admin
	Log   *slog.Logger
	Panic func() // counts a panic; may be nil

	listener net.Listener
	wg       sync.WaitGroup
	ctx      context.Context // of requests; ends with Close
	cancel   context.CancelFunc
	imaps    atomic.Int64 // sessions of IMAP

	mu     sync.Mutex // guards the below
	conns  map[net.Conn]bool
	closed bool
}

// Listen binds the socket at path with mode 0660, replacing one that nobody listens on.
func Listen(path string) (net.Listener, error) {
	if conn, err := net.DialTimeout("unix", path, time.Second); err == nil {
		conn.Close()
		return nil, fmt.Errorf("a server is already listening on %s", path)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("removing old control socket: %w", err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	if err := os.Chmod(path, 0o660); err != nil {
		l.Close()
		return nil, fmt.Errorf("control socket: %w", err)
	}
	return l, nil
}

// Start answers connections of l until Close.
func (s *Server) Start(l net.Listener) {
	s.listener, s.conns = l, map[net.Conn]bool{}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			if !s.track(conn, true) {
				conn.Close()
				return
			}
			s.wg.Go(func() {
				defer s.track(conn, false)
				defer conn.Close()
				s.serve(conn)
			})
		}
	})
}

// track adds or removes an open connection; adding fails after Close.
func (s *Server) track(conn net.Conn, open bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !open {
		delete(s.conns, conn)
		return true
	}
	if s.closed || len(s.conns) >= 100 {
		return false
	}
	s.conns[conn] = true
	return true
}

// Close stops accepting, ends all connections with what they wait for, and waits for them. Call it last: a
// client of "stop" waits for its connection to end.
func (s *Server) Close() error {
	s.mu.Lock()
	s.closed = true
	for conn := range s.conns {
		conn.Close()
	}
	s.mu.Unlock()
	s.cancel()
	err := s.listener.Close()
	s.wg.Wait()
	return err
}

// serve answers the requests of one connection.
func (s *Server) serve(conn net.Conn) {
	defer func() {
		if x := recover(); x != nil {
			s.Log.Error("panic in control connection", "panic", fmt.Sprint(x), "stack", string(debug.Stack()))
			if s.Panic != nil {
				s.Panic()
			}
		}
	}()
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	r, w := bufio.NewReaderSize(conn, maxLine), bufio.NewWriter(conn)
	w.WriteString(greeting + "\n")
	if w.Flush() != nil {
		return
	}
	for {
		conn.SetReadDeadline(time.Now().Add(10 * time.Minute))
		line, err := readLine(r)
		if errors.Is(err, ErrProtocol) {
			fmt.Fprintf(w, "error %q\n", err.Error())
			w.Flush()
			return
		} else if err != nil {
			return
		}
		if err := s.answer(ctx, line, conn, r, w); err != nil {
			s.Log.Debug("control connection", "err", err)
			return
		}
	}
}

// answer runs one request. Output is held until the command's end, so that an error
// can still be told as such; commands with much of it are streams.
func (s *Server) answer(ctx context.Context, line []byte, conn net.Conn, r *bufio.Reader, w *bufio.Writer) error {
	var out bytes.Buffer
	req, err := parseRequest(line)
	if err == nil && req.Command == imapWord {
		return s.serveIMAP(ctx, req, conn, r, w)
	}
	if err == nil && req.Stream {
		return s.stream(ctx, req, conn, r, w)
	}
	if err == nil && req.Input {
		var in bytes.Buffer
		if err := readChunks(r, &limitedWriter{&in, maxInput}); err != nil {
			return err
		}
		req.Params = append(req.Params, in.String())
	}
	if err == nil {
		err = s.run(ctx, req, &out)
	}
	if err != nil {
		fmt.Fprintf(w, "error %q\n", err.Error())
		return w.Flush()
	}
	w.WriteString("ok\n")
	cw := chunkWriter{w}
	if _, err := cw.Write(out.Bytes()); err != nil {
		return err
	}
	return cw.end()
}

// Times of streams.
const (
	streamIdle  = 10 * time.Minute // without anything from the client, or that it takes nothing
	streamDrain = 5 * time.Second  // for a client to hear of an error while it sends
)

// stream runs a request whose input and output flow.
func (s *Server) stream(ctx context.Context, req Request, conn net.Conn, r *bufio.Reader, w *bufio.Writer) error {
	c, ok := streams[req.Command]
	if !ok {
		c, ok = backupStreams[req.Command]
	}
	if n := len(req.Params); !ok || n != c.params || req.Input != c.input {
		fmt.Fprintf(w, "error %q\n", fmt.Sprintf("%q with %d parameters is no command with a stream", req.Command, n))
		return w.Flush()
	}
	s.Log.Debug("control command", "cmd", req.Command)
	w.WriteString("ok\n")
	if err := w.Flush(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	in := &chunkReader{r: r, err: io.EOF}
	if c.input {
		in = &chunkReader{r: r, before: func() { conn.SetReadDeadline(time.Now().Add(streamIdle)) }}
	}
	out := flushWriter{chunkWriter{w}}
	err := c.run(ctx, s.Admin, req.Params, in, deadlineWriter{out, conn})
	conn.SetWriteDeadline(time.Now().Add(streamIdle))
	if werr := out.end(); werr != nil {
		return werr
	}
	if err != nil {
		fmt.Fprintf(w, "error %q\n", err.Error())
	} else {
		w.WriteString("ok\n")
	}
	if werr := w.Flush(); werr != nil {
		return werr
	}
	conn.SetWriteDeadline(time.Time{})
	if c.input {
		// What the client still sends is passed over; after an error it hangs up.
		in.before = nil
		conn.SetReadDeadline(time.Now().Add(streamDrain))
		if _, derr := io.Copy(io.Discard, in); derr != nil {
			return derr
		}
	}
	return nil
}

// deadlineWriter gives each write its time.
type deadlineWriter struct {
	w    io.Writer
	conn net.Conn
}

func (d deadlineWriter) Write(p []byte) (int, error) {
	d.conn.SetWriteDeadline(time.Now().Add(streamIdle))
	return d.w.Write(p)
}

func (s *Server) run(ctx context.Context, req Request, out io.Writer) error {
	c, ok := commands[req.Command]
	for _, more := range []map[string]commandEntry{queueWords, reportWords, importWords, aliasWords, processWords, sendWords, userWords} {
		if !ok {
			c, ok = more[req.Command]
		}
	}
	if !ok {
		return fmt.Errorf("unknown control command %q", req.Command)
	}
	if n := len(req.Params); n < c.min || n > c.max {
		return fmt.Errorf("%s takes %d to %d parameters, got %d", req.Command, c.min, c.max, n)
	}
	s.Log.Debug("control command", "cmd", req.Command)
	params := make([]string, c.max)
	copy(params, req.Params)
	return c.run(ctx, s.Admin, params, out)
}
