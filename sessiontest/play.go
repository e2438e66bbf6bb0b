package sessiontest

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mox/deflate"
)

// Options say what a transcript is played against.
type Options struct {
	// Dial makes a connection: to the server under test, or, with Client, to the
	// client under test. conn is its label, empty for the first.
	Dial func(conn string) (net.Conn, error)
	// TLS is for "! starttls". Nil: the player as client believes any certificate.
	TLS *tls.Config
	// Client plays the server against a client under test.
	Client bool
	// Vars are the variables at the start; they are not changed.
	Vars map[string]string
	// Actions are further actions, called with the rest of the line.
	Actions map[string]func(t testing.TB, args string)
	// Timeout is how long a line may take; 0: a minute.
	Timeout time.Duration
}

// RunAll plays every file that fits glob as a subtest named after it, with the
// options that newOptions returns for it: usually those of a fresh server.
func RunAll(t *testing.T, glob string, newOptions func(t *testing.T) Options) {
	files, err := filepath.Glob(glob)
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts %s: %v", glob, err)
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".txt"), func(t *testing.T) {
			Run(t, f, newOptions(t))
		})
	}
}

// Run plays a transcript; where it does not fit, the test fails with what was said.
func Run(t testing.TB, file string, o Options) {
	t.Helper()
	sc, err := parseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if o.Timeout == 0 {
		o.Timeout = time.Minute
	}
	p := &player{t: t, o: o, file: file, conns: map[string]*conn{}, vars: map[string]string{}}
	for k, v := range o.Vars {
		p.vars[k] = v
	}
	defer p.close()
	for i := range sc.steps {
		if err := p.play(&sc.steps[i]); err != nil {
			t.Fatalf("%s:%d: %s\n%v\n%s", file, sc.steps[i].line, sc.title, err, strings.Join(p.log, "\n"))
		}
	}
	p.flush()
	p.ended = true
}

type player struct {
	t     testing.TB
	o     Options
	file  string
	conns map[string]*conn
	vars  map[string]string
	skip  bool     // S... came before
	ended bool     // all steps were played
	log   []string // the last lines
}

// conn is one connection. What is said goes through a goroutine, so that a peer who
// talks at the same time on an unbuffered connection does not block both.
type conn struct {
	label string
	nc    net.Conn
	r     *bufio.Reader
	out   chan []byte
	done  chan struct{}
	err   error // of writing, once done is closed

	pending []byte // to be said
}

func (p *player) conn(label string) (*conn, error) {
	if c, ok := p.conns[label]; ok {
		return c, nil
	}
	nc, err := p.o.Dial(label)
	if err != nil {
		return nil, fmt.Errorf("connecting: %w", err)
	}
	c := &conn{label: label, nc: nc}
	c.start()
	p.conns[label] = c
	return c, nil
}

func (c *conn) start() {
	c.r = bufio.NewReader(c.nc)
	c.out = make(chan []byte, 1000)
	c.done = make(chan struct{})
	go func(out chan []byte, done chan struct{}, nc net.Conn) {
		defer close(done)
		for b := range out {
			if c.err == nil {
				_, c.err = nc.Write(b)
			}
		}
	}(c.out, c.done, c.nc)
}

// drain waits until all is written.
func (c *conn) drain() error {
	close(c.out)
	<-c.done
	return c.err
}

// close ends the connections. A client under test hears before that what was said to it last.
func (p *player) close() {
	for _, c := range p.conns {
		if p.ended && p.o.Client {
			c.nc.SetWriteDeadline(time.Now().Add(p.o.Timeout))
			c.drain()
			c.nc.Close()
			continue
		}
		c.nc.Close()
		c.drain()
	}
}

func (p *player) note(c *conn, who, s string) {
	p.log = append(p.log, fmt.Sprintf("%s%s: %q", who, c.label, s))
	if len(p.log) > 50 {
		p.log = p.log[1:]
	}
}

func (p *player) play(st *step) error {
	ours := st.kind == stepClient
	if p.o.Client {
		ours = st.kind == stepServer
	}
	if !ours {
		p.flush()
	}
	if st.kind == stepAction {
		return p.act(st)
	}
	c, err := p.conn(st.conn)
	if err != nil {
		return err
	}
	switch {
	case st.kind == stepSkip:
		p.skip = !p.o.Client
		return nil
	case ours:
		return p.say(c, st)
	default:
		return p.expect(c, st)
	}
}

func (p *player) say(c *conn, st *step) error {
	s, err := expand(st.text, p.vars)
	if err != nil {
		return err
	}
	if p.o.Client {
		s = strings.ReplaceAll(s, "...", "")
	}
	if !st.raw {
		s += "\r\n"
	}
	who := "C"
	if p.o.Client {
		who = "S"
	}
	p.note(c, who, s)
	c.pending = append(c.pending, strings.Repeat(s, st.repeat)...)
	return nil
}

// flush hands what is to be said to the writers, before anything else happens.
func (p *player) flush() {
	for _, c := range p.conns {
		if len(c.pending) > 0 {
			c.out <- c.pending
			c.pending = nil
		}
	}
}

func (p *player) expect(c *conn, st *step) error {
	if st.raw {
		return p.expectRaw(c, st)
	}
	skip := p.skip
	p.skip = false
	re, names, err := pattern(st.text, p.vars)
	if err != nil {
		return err
	}
	for range st.repeat {
		for {
			line, err := p.readLine(c)
			if err != nil {
				return fmt.Errorf("got %q and %w, want %q", line, err, st.text)
			}
			m := re.FindStringSubmatch(line)
			if m == nil && skip {
				continue
			}
			if m == nil {
				return fmt.Errorf("got  %q\nwant %q", line, st.text)
			}
			for i, n := range names {
				p.vars[n] = m[i+1]
			}
			break
		}
	}
	return nil
}

// expectRaw reads exactly a text, from a client under test.
func (p *player) expectRaw(c *conn, st *step) error {
	c.nc.SetReadDeadline(time.Now().Add(p.o.Timeout))
	b := make([]byte, len(st.text))
	if _, err := io.ReadFull(c.r, b); err != nil || string(b) != st.text {
		return fmt.Errorf("got  %q, %v\nwant %q", b, err, st.text)
	}
	return nil
}

func (p *player) readLine(c *conn) (string, error) {
	c.nc.SetReadDeadline(time.Now().Add(p.o.Timeout))
	line, err := c.r.ReadString('\n')
	who := "S"
	if p.o.Client {
		who = "C"
	}
	if line != "" {
		p.note(c, who, line)
	}
	if err == nil && !strings.HasSuffix(line, "\r\n") {
		return line, errors.New("line end without CR")
	}
	return strings.TrimSuffix(line, "\r\n"), err
}

func (p *player) act(st *step) error {
	name, args, _ := strings.Cut(st.text, " ")
	switch name {
	case "starttls", "compress", "uncompress", "eof", "close", "quiet":
		c, err := p.conn(st.conn)
		if err != nil {
			return err
		}
		return p.connAction(c, name, args)
	case "sleep":
		d, err := time.ParseDuration(args)
		if err != nil {
			return err
		}
		time.Sleep(d)
		return nil
	}
	f, ok := p.o.Actions[name]
	if !ok {
		return fmt.Errorf("unknown action %q", name)
	}
	args, err := expand(args, p.vars)
	if err != nil {
		return err
	}
	f(p.t, args)
	return nil
}

func (p *player) connAction(c *conn, name, args string) error {
	switch name {
	case "starttls":
		return p.startTLS(c)
	case "compress", "uncompress":
		return p.compress(c, name == "compress")
	case "eof":
		line, err := p.readLine(c)
		var ne net.Error
		if line != "" || err == nil || errors.As(err, &ne) && ne.Timeout() {
			return fmt.Errorf("got %q, %v, want the end of the connection", line, err)
		}
		return nil
	case "close":
		return c.nc.Close()
	}
	d, err := time.ParseDuration(args)
	if err != nil {
		return err
	}
	c.nc.SetReadDeadline(time.Now().Add(d))
	if b, err := c.r.Peek(1); !errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("got %q, %v, want nothing", b, err)
	}
	return nil
}

// compress begins or ends compression.
func (p *player) compress(c *conn, on bool) error {
	if err := c.drain(); err != nil {
		return err
	}
	if c.r.Buffered() > 0 {
		return errors.New("text pending at change of compression")
	}
	if dc, ok := c.nc.(*deflate.Conn); ok && !on {
		dc.End()
	} else if on {
		c.nc = deflate.New(c.nc)
	}
	c.start()
	return nil
}

func (p *player) startTLS(c *conn) error {
	if err := c.drain(); err != nil {
		return err
	}
	if c.r.Buffered() > 0 {
		return errors.New("text pending before TLS")
	}
	cfg := p.o.TLS
	var tc *tls.Conn
	c.nc.SetDeadline(time.Now().Add(p.o.Timeout))
	if p.o.Client {
		tc = tls.Server(c.nc, cfg)
	} else {
		if cfg == nil {
			cfg = &tls.Config{InsecureSkipVerify: true}
		}
		tc = tls.Client(c.nc, cfg)
	}
	if err := tc.Handshake(); err != nil {
		c.start()
		return fmt.Errorf("tls handshake: %w", err)
	}
	c.nc.SetDeadline(time.Time{})
	c.nc = tc
	c.start()
	return nil
}
