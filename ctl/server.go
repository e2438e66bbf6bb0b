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
		if err := s.answer(ctx, line, r, w); err != nil {
			s.Log.Debug("control connection", "err", err)
			return
		}
	}
}

// answer runs one request. Output is held until the command's end, so that an error
// can still be told as such; commands with large output stream in a later version of
// the protocol.
func (s *Server) answer(ctx context.Context, line []byte, r *bufio.Reader, w *bufio.Writer) error {
	var out bytes.Buffer
	req, err := parseRequest(line)
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

func (s *Server) run(ctx context.Context, req Request, out io.Writer) error {
	c, ok := commands[req.Command]
	for _, more := range []map[string]commandEntry{queueWords, reportWords} {
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
