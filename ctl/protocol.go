package ctl

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

const (
	greeting = "ctlv0"

	maxLine  = 64 * 1024
	maxChunk = 64 * 1024
	// maxInput is the most octets of input of a request; it is held in memory.
	maxInput = 32 << 20
)

// ErrProtocol is wrapped by errors about what the other side sent.
var ErrProtocol = errors.New("control protocol error")

// Request is one command with its parameters.
type Request struct {
	Command string   `json:"command"`
	Params  []string `json:"params,omitempty"`
	// Input: chunks follow the request, whose content is one more parameter, the last; of a
	// stream, they follow the answer "ok".
	Input bool `json:"input,omitempty"`
	// Stream: input and output flow while the command runs.
	Stream bool `json:"stream,omitempty"`
}

// parseRequest reads a request line. Unknown fields are an error: both sides are the
// same version, so they mean a mix-up.
func parseRequest(line []byte) (Request, error) {
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.DisallowUnknownFields()
	var r Request
	if err := dec.Decode(&r); err != nil {
		return Request{}, fmt.Errorf("%w: %v", ErrProtocol, err)
	}
	if dec.More() {
		return Request{}, fmt.Errorf("%w: data after the request", ErrProtocol)
	}
	if r.Command == "" {
		return Request{}, fmt.Errorf("%w: no command", ErrProtocol)
	}
	return r, nil
}

// readLine reads a line of at most maxLine bytes and returns it without its ending.
func readLine(r *bufio.Reader) ([]byte, error) {
	line, err := r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		return nil, fmt.Errorf("%w: line is too long", ErrProtocol)
	} else if err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(line[:len(line)-1], []byte("\r")), nil
}

// chunkWriter writes output in chunks.
type chunkWriter struct{ w *bufio.Writer }

func (c chunkWriter) Write(p []byte) (int, error) {
	n := 0
	for len(p) > 0 {
		part := p[:min(len(p), maxChunk)]
		fmt.Fprintf(c.w, "%d\n", len(part))
		if _, err := c.w.Write(part); err != nil {
			return n, err
		}
		n += len(part)
		p = p[len(part):]
	}
	return n, nil
}

func (c chunkWriter) end() error {
	c.w.WriteString("0\n")
	return c.w.Flush()
}

// readChunks copies chunks to w until the one that ends them.
func readChunks(r *bufio.Reader, w io.Writer) error {
	for {
		line, err := readLine(r)
		if err != nil {
			return err
		}
		n, err := strconv.ParseUint(string(line), 10, 31)
		if err != nil || n > maxChunk {
			return fmt.Errorf("%w: bad chunk length %q", ErrProtocol, line)
		}
		if n == 0 {
			return nil
		}
		if _, err := io.CopyN(w, r, int64(n)); err != nil {
			return err
		}
	}
}

// chunkReader reads chunks until the one that ends them.
type chunkReader struct {
	r      *bufio.Reader
	left   int
	err    error
	before func() // called before what may wait
}

func (c *chunkReader) Read(p []byte) (int, error) {
	if c.before != nil {
		c.before()
	}
	for c.left == 0 && c.err == nil {
		c.left, c.err = readChunkLength(c.r)
		if c.left == 0 && c.err == nil {
			c.err = io.EOF
		}
	}
	if c.err != nil {
		return 0, c.err
	}
	n, err := c.r.Read(p[:min(len(p), c.left)])
	if c.left -= n; err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		c.err = err
	}
	return n, err
}

// readChunkLength reads the line before a chunk.
func readChunkLength(r *bufio.Reader) (int, error) {
	line, err := readLine(r)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(string(line), 10, 31)
	if err != nil || n > maxChunk {
		return 0, fmt.Errorf("%w: bad chunk length %q", ErrProtocol, line)
	}
	return int(n), nil
}

// flushWriter is a chunkWriter that holds nothing back.
type flushWriter struct{ chunkWriter }

func (f flushWriter) Write(p []byte) (int, error) {
	n, err := f.chunkWriter.Write(p)
	if err == nil {
		err = f.w.Flush()
	}
	return n, err
}

// limitedWriter fails when more than n bytes are written.
type limitedWriter struct {
	w io.Writer
	n int
}

func (l *limitedWriter) Write(p []byte) (int, error) {
	if l.n -= len(p); l.n < 0 {
		return 0, fmt.Errorf("%w: more than %d bytes of input", ErrProtocol, maxInput)
	}
	return l.w.Write(p)
}

// parseAnswer returns nil for "ok" and the server's error otherwise.
func parseAnswer(line string) error {
	if line == "ok" {
		return nil
	}
	quoted, ok := strings.CutPrefix(line, "error ")
	if !ok {
		return fmt.Errorf("%w: unexpected answer %q", ErrProtocol, line)
	}
	text, err := strconv.Unquote(quoted)
	if err != nil {
		return fmt.Errorf("%w: unexpected answer %q", ErrProtocol, line)
	}
	return errors.New(text)
}
