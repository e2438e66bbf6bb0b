package ctl

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// imapWord is the request after which a connection is not one of the control protocol any more: after
// "ok" it is IMAP. Parameter: an address of the account.
const imapWord = "imapserve"

// maxIMAP is how many sessions of IMAP there may be at a time, of the connections that are allowed.
const maxIMAP = 50

// serveIMAP answers a request for IMAP, and serves it until its end.
func (s *Server) serveIMAP(ctx context.Context, req Request, conn net.Conn, r *bufio.Reader, w *bufio.Writer) error {
	run, err := s.beginIMAP(ctx, req, r)
	if err != nil {
		fmt.Fprintf(w, "error %q\n", err.Error())
		return w.Flush()
	}
	defer s.imaps.Add(-1)
	s.Log.Debug("control command", "cmd", req.Command)
	w.WriteString("ok\n")
	if err := w.Flush(); err != nil {
		return err
	}
	conn.SetReadDeadline(time.Time{})
	run(ctx, conn)
	return io.EOF
}

// beginIMAP checks a request; without error, s.imaps has counted it.
func (s *Server) beginIMAP(ctx context.Context, req Request, r *bufio.Reader) (func(context.Context, net.Conn), error) {
	if len(req.Params) != 1 || req.Input || req.Stream {
		return nil, fmt.Errorf("%s takes one parameter, and no input", imapWord)
	}
	if r.Buffered() > 0 {
		return nil, fmt.Errorf("%w: data before the answer", ErrProtocol)
	}
	if s.imaps.Add(1) > maxIMAP {
		s.imaps.Add(-1)
		return nil, fmt.Errorf("%d sessions of IMAP are open already", maxIMAP)
	}
	run, err := s.Admin.IMAPSession(ctx, actor, req.Params[0])
	if err != nil {
		s.imaps.Add(-1)
	}
	return run, err
}

// IMAP asks for an IMAP session as the user of an address, and copies in to the server and what the server
// says to out, until the server ends the session. The end of in is passed on. The connection
// cannot be used afterwards. in may still be read from when IMAP returns.
func (c *Client) IMAP(ctx context.Context, address string, in io.Reader, out io.Writer) error {
	stop := context.AfterFunc(ctx, func() { c.conn.Close() })
	defer stop()
	if err := c.ask(Request{Command: imapWord, Params: []string{address}}); err != nil {
		return err
	}
	if err := c.answer(); err != nil {
		return err
	}
	failed := make(chan error, 1)
	go func() {
		if _, err := io.Copy(c.conn, in); err != nil && !errors.Is(err, net.ErrClosed) {
			failed <- fmt.Errorf("sending to the server: %w", err)
			c.conn.Close()
			return
		}
		if half, ok := c.conn.(interface{ CloseWrite() error }); ok {
			_ = half.CloseWrite() // the server says the rest
		}
	}()
	_, err := io.Copy(out, c.r)
	select {
	case ferr := <-failed:
		return ferr
	default:
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}
