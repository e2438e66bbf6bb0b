package imapserver

import (
	"errors"
	"fmt"
	"strconv"
	"sync"
)

const (
	outputBuffer = 64 << 10 // capacity of a session's output buffer
	outputFull   = 48 << 10 // written out from this size on, between responses
)

// errWrite wraps errors of writing to the client.
var errWrite = errors.New("writing to client")

var outputs = sync.Pool{New: func() any {
	b := make([]byte, 0, outputBuffer)
	return &b
}}

// output returns the buffer to append responses to; the result goes to s.out.
func (s *session) output() []byte {
	if s.out == nil {
		s.outp = outputs.Get().(*[]byte)
		s.out = (*s.outp)[:0]
	}
	return s.out
}

// spill writes the output buffer out when it is full. Call it between responses of
// unbounded number.
func (s *session) spill() error {
	if len(s.out) < outputFull || s.rung {
		return nil
	}
	return s.writeOut()
}

func (s *session) writeOut() error {
	if len(s.out) == 0 {
		return nil
	}
	_, err := s.conn.Write(s.out)
	s.out, s.outData = s.out[:0], false
	if cap(s.out) > 4*outputBuffer {
		// One huge response must not make the pool's buffers huge.
		s.releaseOutput()
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errWrite, err)
	}
	return nil
}

// flush sends everything and gives the buffer back.
func (s *session) flush() error {
	err := s.writeOut()
	s.releaseOutput()
	if err != nil {
		return err
	}
	if err := s.conn.Flush(); err != nil {
		return fmt.Errorf("%w: %w", errWrite, err)
	}
	return nil
}

// flushIfIdle sends everything unless the client has pipelined more commands.
func (s *session) flushIfIdle() error {
	if s.conn.Buffered() > 0 {
		return s.spill()
	}
	return s.flush()
}

func (s *session) releaseOutput() {
	if s.outp == nil {
		s.out = nil
		return
	}
	if cap(s.out) <= 4*outputBuffer {
		*s.outp = s.out[:0]
		outputs.Put(s.outp)
	}
	s.out, s.outp = nil, nil
}

// bodyWriter writes message data to the client: small pieces through the output
// buffer, large ones past it.
type bodyWriter struct{ s *session }

func (w bodyWriter) Write(p []byte) (int, error) {
	s := w.s
	if len(p) < outputFull {
		s.out = append(s.output(), p...)
		return len(p), s.spill()
	}
	if err := s.writeOut(); err != nil {
		return 0, err
	}
	n, err := s.conn.Write(p)
	if err != nil {
		return n, fmt.Errorf("%w: %w", errWrite, err)
	}
	return n, nil
}

// line appends an untagged response made of strings.
func (s *session) line(parts ...string) {
	b := s.output()
	for _, p := range parts {
		b = append(b, p...)
	}
	s.out = append(b, "\r\n"...)
}

// numberLine appends "* n NAME".
func (s *session) numberLine(n int, name string) {
	b := append(s.output(), "* "...)
	b = strconv.AppendInt(b, int64(n), 10)
	b = append(b, ' ')
	b = append(b, name...)
	s.out = append(b, "\r\n"...)
}
