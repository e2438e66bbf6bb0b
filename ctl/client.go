package ctl

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"
)

// ErrNotRunning is returned when no server listens on the socket.
var ErrNotRunning = errors.New("mox is not running")

// Client is a connection to a running server. Not safe for concurrent use.
type Client struct {
	conn net.Conn
	r    *bufio.Reader
}

// Dial connects to the control socket at path.
func Dial(ctx context.Context, path string) (*Client, error) {
	d := net.Dialer{Timeout: 5 * time.Second}
	conn, err := d.DialContext(ctx, "unix", path)
	switch {
	case errors.Is(err, os.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return nil, fmt.Errorf("%w (no server at %s)", ErrNotRunning, path)
	case err != nil:
		return nil, fmt.Errorf("connecting to the running server: %w", err)
	}
	c := &Client{conn, bufio.NewReaderSize(conn, maxLine)}
	conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	line, err := readLine(c.r)
	if err != nil || string(line) != greeting {
		conn.Close()
		return nil, fmt.Errorf("%w: no greeting from %s", ErrProtocol, path)
	}
	conn.SetReadDeadline(time.Time{})
	return c, nil
}

// ask sends a request.
func (c *Client) ask(r Request) error {
	b, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encoding request: %w", err)
	}
	if _, err := c.conn.Write(append(b, '\n')); err != nil {
		return fmt.Errorf("sending request: %w", err)
	}
	return nil
}

// answer reads the line "ok", or returns the error that the server answers.
func (c *Client) answer() error {
	line, err := readLine(c.r)
	if err != nil {
		return fmt.Errorf("reading answer: %w", err)
	}
	return parseAnswer(string(line))
}

// Do sends a request and copies its output to w. An error that the server answers is
// returned with its text.
func (c *Client) Do(r Request, w io.Writer) error { return c.DoInput(r, nil, w) }

// DoInput is Do with input for the command, at most 32 MiB; nil for none.
func (c *Client) DoInput(r Request, in io.Reader, w io.Writer) error {
	r.Input = in != nil
	if err := c.ask(r); err != nil {
		return err
	}
	if in != nil {
		cw := chunkWriter{bufio.NewWriter(c.conn)}
		if _, err := io.Copy(cw, in); err != nil {
			return fmt.Errorf("sending input: %w", err)
		}
		if err := cw.end(); err != nil {
			return fmt.Errorf("sending input: %w", err)
		}
	}
	if err := c.answer(); err != nil {
		return err
	}
	if err := readChunks(c.r, w); err != nil {
		return fmt.Errorf("reading output: %w", err)
	}
	return nil
}

// Stream sends a request whose input, which send writes, and output flow while it runs. send
// is nil for a command without input. The connection cannot be used afterwards when it returns
// an error. When ctx ends, the connection is closed, and the command ends.
func (c *Client) Stream(ctx context.Context, r Request, send func(io.Writer) error, w io.Writer) error {
	r.Stream, r.Input = true, send != nil
	stop := context.AfterFunc(ctx, func() { c.conn.Close() })
	defer stop()
	err := c.stream(r, send, w)
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

func (c *Client) stream(r Request, send func(io.Writer) error, w io.Writer) error {
	if err := c.ask(r); err != nil {
		return err
	}
	if err := c.answer(); err != nil {
		return err
	}
	sent := make(chan error, 1)
	go func() { sent <- c.send(send) }()
	err := readChunks(c.r, w)
	if err == nil {
		err = c.answer()
	}
	if err != nil {
		c.conn.Close() // ends what is being sent
	}
	// What could not be read here is the reason for what the server says.
	var own *sendError
	if serr := <-sent; errors.As(serr, &own) {
		return own.err
	} else if err == nil {
		err = serr
	}
	return err
}

// sendError is an error of who writes the input, and not of the connection.
type sendError struct{ err error }

func (e *sendError) Error() string { return e.err.Error() }

// send writes the input of a stream.
func (c *Client) send(send func(io.Writer) error) error {
	if send == nil {
		return nil
	}
	cw := &connWriter{w: chunkWriter{bufio.NewWriterSize(c.conn, maxChunk+16)}}
	if err := send(cw); err != nil {
		if cw.err != nil {
			return fmt.Errorf("sending input: %w", cw.err)
		}
		_ = cw.w.w.Flush()
		c.conn.Close() // the server must not take what there is for all
		return &sendError{err}
	}
	if err := cw.w.end(); err != nil {
		return fmt.Errorf("sending input: %w", err)
	}
	return nil
}

// connWriter remembers that the connection failed.
type connWriter struct {
	w   chunkWriter
	err error
}

func (c *connWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	if err != nil {
		c.err = err
	}
	return n, err
}

// WaitClosed returns when the server has closed the connection, as it does when it is gone.
func (c *Client) WaitClosed(timeout time.Duration) error {
	c.conn.SetReadDeadline(time.Now().Add(timeout))
	_, err := c.r.ReadByte()
	if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) {
		return nil
	} else if err != nil {
		return fmt.Errorf("waiting for the server to end: %w", err)
	}
	return fmt.Errorf("%w: unexpected data", ErrProtocol)
}

// Close ends the connection.
func (c *Client) Close() error { return c.conn.Close() }
