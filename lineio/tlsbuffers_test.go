package lineio

import (
	"bytes"
	"crypto/tls"
	"io"
	"math/rand/v2"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// heldByTLS is the capacity of the buffers that are to be released.
func heldByTLS(c *tls.Conn) int {
	n := 0
	for _, name := range []string{"rawInput", "hand"} {
		n += reflect.ValueOf(c).Elem().FieldByName(name).FieldByName("buf").Cap()
	}
	return n
}

// TestTLSBuffers fails when a new release of Go has others: see tlsbuffers.go.
func TestTLSBuffers(t *testing.T) {
	if !tlsBuffers.ok {
		t.Fatal("the buffers of a tls.Conn are not where they are looked for")
	}
	s, cl := tlsPair(t)
	c := New(s, Options{ReadTimeout: time.Minute})
	tc := s.(*tls.Conn)
	if heldByTLS(tc) == 0 {
		t.Error("nothing is held after the handshake")
	}
	var sent bytes.Buffer
	var lines atomic.Int64 // that were read
	go func() {
		for i := range 300 {
			line := strings.Repeat("x", rand.IntN(1+100*i)) + "\r\n"
			sent.WriteString(line)
			if _, err := io.WriteString(cl, line); err != nil {
				t.Error(err)
			}
			for i%7 == 0 && lines.Load() <= int64(i) {
				time.Sleep(100 * time.Microsecond) // then it waits for the next one
			}
		}
		cl.Close()
	}()
	var got bytes.Buffer
	waited := 0
	for {
		if c.Buffered() == 0 {
			if err := c.WaitInput(time.Minute); err != nil {
				t.Fatal(err)
			}
			waited++
		}
		line, err := c.ReadLine(1 << 20)
		if err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		got.Write(line)
		got.WriteString("\r\n")
		lines.Add(1)
	}
	if !bytes.Equal(got.Bytes(), sent.Bytes()) {
		t.Errorf("%d octets came of %d", got.Len(), sent.Len())
	}
	if waited < 10 {
		t.Errorf("waited %d times only", waited)
	}

	s, cl = tlsPair(t)
	c, tc = New(s, Options{}), s.(*tls.Conn)
	go io.WriteString(cl, strings.Repeat("y", 16000)+"\r\n")
	if _, err := c.ReadLine(1 << 20); err != nil {
		t.Fatal(err)
	}
	if n := heldByTLS(tc); n < 4096 {
		t.Errorf("%d octets held after reading", n)
	}
	if err := c.WaitInput(time.Millisecond); err == nil {
		t.Error("input")
	}
	if n := heldByTLS(tc); n != 0 {
		t.Errorf("%d octets held while waiting", n)
	}
}
