package lineio

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"mox/sessiontest"
)

// feed is a connection whose input is r and whose output is kept.
type feed struct {
	net.Conn
	r io.Reader
	w bytes.Buffer
}

func (f *feed) Read(p []byte) (int, error)       { return f.r.Read(p) }
func (f *feed) Write(p []byte) (int, error)      { return f.w.Write(p) }
func (f *feed) SetReadDeadline(time.Time) error  { return nil }
func (f *feed) SetWriteDeadline(time.Time) error { return nil }
func (f *feed) Close() error                     { return nil }

func feedConn(r io.Reader, o Options) *Conn { return New(&feed{r: r}, o) }

func TestReadLine(t *testing.T) {
	long := strings.Repeat("x", 600)
	type res struct {
		line string
		err  error
	}
	for _, tc := range []struct {
		in   string
		max  int
		want []res
	}{
		{"a\r\n\r\nbc\r\n", 10, []res{{"a", nil}, {"", nil}, {"bc", nil}, {"", io.EOF}}},
		{"a\nb\r\n", 10, []res{{"a", ErrBareLF}, {"b", nil}}},
		{"a\rb\r\nc\r\n", 10, []res{{"a\rb", ErrBareCR}, {"c", nil}}},
		{"a\r\r\n", 10, []res{{"a\r", ErrBareCR}}},
		{"abc\r\nabcd\r\nx\r\n", 3, []res{{"abc", nil}, {"", ErrLineTooLong}, {"x", nil}}},
		{long + "\r\nx\r\n", 100, []res{{"", ErrLineTooLong}, {"x", nil}}},
		{long + "\r\nx\r\n", 600, []res{{long, nil}, {"x", nil}}},
		{long + long + "\r\nx\r\n", 2000, []res{{long + long, nil}, {"x", nil}}},
		{long + long + "\r\nx\r\n", 1199, []res{{"", ErrLineTooLong}, {"x", nil}}},
		{"abc", 10, []res{{"", io.ErrUnexpectedEOF}}},
		{long + long + long, 100, []res{{"", ErrEndless}}},
	} {
		for name, wrap := range map[string]func(io.Reader) io.Reader{"whole": func(r io.Reader) io.Reader { return r }, "onebyte": iotest.OneByteReader, "half": iotest.HalfReader} {
			c := feedConn(wrap(strings.NewReader(tc.in)), Options{ReadBuffer: 512, Discard: 1000})
			for i, w := range tc.want {
				line, err := c.ReadLine(tc.max)
				if string(line) != w.line || err != w.err {
					t.Errorf("%.20q %s line %d: got %q, %v, want %q, %v", tc.in, name, i, line, err, w.line, w.err)
				}
			}
		}
	}
}

func TestLiteral(t *testing.T) {
	c := feedConn(strings.NewReader("head\r\n0123456789tail\r\nabc"), Options{})
	if l, err := c.ReadLine(10); string(l) != "head" || err != nil {
		t.Fatal(string(l), err)
	}
	l := c.Literal(10)
	b := make([]byte, 4)
	if _, err := io.ReadFull(l, b); err != nil || string(b) != "0123" || l.Remaining() != 6 {
		t.Fatal(string(b), err)
	}
	if err := l.Discard(); err != nil {
		t.Fatal(err)
	}
	if s, err := c.ReadLine(10); string(s) != "tail" || err != nil {
		t.Fatal(string(s), err)
	}
	if _, err := io.ReadAll(c.Literal(4)); err != io.ErrUnexpectedEOF {
		t.Fatal(err)
	}
	if err := c.Literal(1).Discard(); err != io.ErrUnexpectedEOF {
		t.Fatal(err)
	}
}

func TestWrite(t *testing.T) {
	f := &feed{}
	c := New(f, Options{WriteBuffer: 512})
	var want strings.Builder
	for i := range 300 {
		s := strings.Repeat("ab", i)
		want.WriteString(s + s)
		if _, err := c.WriteString(s); err != nil {
			t.Fatal(err)
		}
		if n, err := c.Write([]byte(s)); n != len(s) || err != nil {
			t.Fatal(n, err)
		}
	}
	if err := c.Flush(); err != nil || f.w.String() != want.String() {
		t.Fatal("output differs", err)
	}
	if c.w != nil {
		t.Fatal("write buffer kept after flush")
	}
}

func TestTrace(t *testing.T) {
	var got []string
	c := feedConn(strings.NewReader("a\r\nbcd"), Options{Trace: func(in bool, b []byte) {
		got = append(got, map[bool]string{true: "C:", false: "S:"}[in]+string(b))
	}})
	c.ReadLine(5)
	c.WriteString("ok\r\n")
	c.Read(make([]byte, 2))
	if s := strings.Join(got, "|"); s != "C:a\r\n|S:ok\r\n|C:bc" {
		t.Fatalf("got %q", s)
	}
}

func tlsPair(t *testing.T) (server, client net.Conn) {
	c, s := sessiontest.TCPPair(t)
	ts := tls.Server(s, &tls.Config{Certificates: []tls.Certificate{sessiontest.Certificate("mx.example")}})
	tc := tls.Client(c, &tls.Config{InsecureSkipVerify: true})
	go tc.Handshake()
	if err := ts.Handshake(); err != nil {
		t.Fatal(err)
	}
	return ts, tc
}

func TestWaitInput(t *testing.T) {
	for name, pair := range map[string]func(*testing.T) (net.Conn, net.Conn){
		"tcp": func(t *testing.T) (server, client net.Conn) {
			client, server = sessiontest.TCPPair(t)
			return server, client
		},
		"tls":  tlsPair,
		"pipe": func(*testing.T) (net.Conn, net.Conn) { return net.Pipe() },
	} {
		t.Run(name, func(t *testing.T) {
			s, cl := pair(t)
			c := New(s, Options{ReadTimeout: time.Minute, WriteTimeout: time.Minute})
			step := make(chan string)
			go func() {
				for s := range step {
					io.WriteString(cl, s)
				}
				cl.Close()
			}()
			if err := c.WaitInput(10 * time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatal("timeout:", err)
			}
			for _, in := range []string{"hello\r\n", "x\r\n"} {
				go func() { step <- in }()
				if err := c.WaitInput(time.Minute); err != nil {
					t.Fatal(err)
				}
				if c.rp != nil || c.wp != nil {
					t.Fatal("buffer held while waiting")
				}
				if l, err := c.ReadLine(100); string(l)+"\r\n" != in || err != nil {
					t.Fatalf("got %q, %v", l, err)
				}
			}
			// Input that arrived before the wait began.
			step <- "early\r\n"
			if name == "tcp" {
				time.Sleep(20 * time.Millisecond)
			}
			if err := c.WaitInput(time.Minute); err != nil {
				t.Fatal(err)
			}
			if l, err := c.ReadLine(100); string(l) != "early" || err != nil {
				t.Fatalf("got %q, %v", l, err)
			}

			c.Interrupt()
			if err := c.WaitInput(time.Minute); err != ErrInterrupted {
				t.Fatal("interrupt before wait:", err)
			}
			time.AfterFunc(10*time.Millisecond, c.Interrupt)
			if err := c.WaitInput(time.Minute); err != ErrInterrupted {
				t.Fatal("interrupt while waiting:", err)
			}
			step <- "after\r\n"
			if err := c.WaitInput(time.Minute); err != nil {
				t.Fatal(err)
			}
			if l, err := c.ReadLine(100); string(l) != "after" || err != nil {
				t.Fatalf("got %q, %v", l, err)
			}
			close(step)
			if err := c.WaitInput(time.Minute); err != nil {
				t.Fatal("end:", err)
			}
			if _, err := c.ReadLine(100); err != io.EOF {
				t.Fatal(err)
			}
		})
	}
}

func TestReplace(t *testing.T) {
	s, cl := net.Pipe()
	c := New(s, Options{})
	go io.WriteString(cl, "STARTTLS\r\nQUIT\r\n")
	if _, err := c.ReadLine(100); err != nil {
		t.Fatal(err)
	}
	if err := c.Replace(s); err != ErrBuffered {
		t.Fatal(err)
	}
	c.ReadLine(100)
	c.WriteString("x")
	if err := c.Replace(s); err != ErrUnflushed {
		t.Fatal(err)
	}
	go io.Copy(io.Discard, cl)
	c.Flush()
	s2, cl2 := net.Pipe()
	if err := c.Replace(s2); err != nil || c.NetConn() != s2 {
		t.Fatal(err)
	}
	go io.WriteString(cl2, "hi\r\n")
	if l, err := c.ReadLine(100); string(l) != "hi" || err != nil {
		t.Fatal(err)
	}
	c.Release()
}

func TestDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, cl := net.Pipe()
		defer cl.Close()
		c := New(s, Options{ReadTimeout: 30 * time.Second, WriteTimeout: time.Minute})
		start := time.Now()
		go func() { // a slow client makes progress with each octet
			for range 20 {
				io.WriteString(cl, "x")
				time.Sleep(20 * time.Second)
			}
		}()
		c.SetDeadline(start.Add(100 * time.Second))
		if _, err := c.ReadLine(100); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != 100*time.Second {
			t.Fatal(err, time.Since(start))
		}
		c.SetDeadline(time.Time{})
		for {
			if _, err := c.ReadLine(100); err != nil {
				if !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != 380*time.Second+30*time.Second {
					t.Fatal(err, time.Since(start))
				}
				break
			}
		}
		start = time.Now()
		c.WriteString("nobody reads")
		if err := c.Flush(); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != time.Minute {
			t.Fatal(err, time.Since(start))
		}
	})
}

func TestIdleHoldsNoBuffers(t *testing.T) {
	cl, s := sessiontest.TCPPair(t)
	c := New(s, Options{})
	io.WriteString(cl, "a\r\n")
	c.ReadLine(10)
	c.WriteString("b\r\n")
	time.AfterFunc(20*time.Millisecond, c.Interrupt)
	c.WaitInput(0)
	if c.r != nil || c.w != nil || c.long != nil {
		t.Fatal("buffers held")
	}
}

func BenchmarkReadLine(b *testing.B) {
	data := bytes.Repeat([]byte("RCPT TO:<someone@mx.example>\r\n"), 1000)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		c := feedConn(bytes.NewReader(data), Options{})
		for range 1000 {
			if _, err := c.ReadLine(500); err != nil {
				b.Fatal(err)
			}
		}
		c.Release()
	}
}
