package smtpclient

import (
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// talker is a connection to a server that has said all it will.
type talker struct {
	r    io.Reader
	sent strings.Builder
}

func (t *talker) Read(p []byte) (int, error)       { return t.r.Read(p) }
func (t *talker) Write(p []byte) (int, error)      { return t.sent.Write(p) }
func (t *talker) Close() error                     { return nil }
func (t *talker) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (t *talker) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (t *talker) SetDeadline(time.Time) error      { return nil }
func (t *talker) SetReadDeadline(time.Time) error  { return nil }
func (t *talker) SetWriteDeadline(time.Time) error { return nil }

// trickle gives a line at a time, so that the client is not confused by what it has not
// asked for yet.
type trickle struct{ lines []string }

func (l *trickle) Read(p []byte) (int, error) {
	if len(l.lines) == 0 {
		return 0, io.EOF
	}
	n := copy(p, l.lines[0])
	l.lines[0] = l.lines[0][n:]
	if l.lines[0] == "" {
		l.lines = l.lines[1:]
	}
	return n, nil
}

// FuzzServer: whatever a server says, each recipient has a result, a success only after a
// reply 2xx to the message, and errors are of the codes that were said.
func FuzzServer(f *testing.F) {
	for _, s := range []string{
		"220 hi\n250-hi\n250-PIPELINING\n250 SIZE\n250 ok\n250 ok\n550 no\n354 go\n250 ok\n221 bye\n",
		"220 hi\n250-hi\n250 CHUNKING\n250 ok\n452 ok\n550 no\n250 ok\n421 ok\n",
		"220 hi\n250-hi\n250-PIPELINING\n250 AUTH SCRAM-SHA-256 LOGIN PLAIN\n334 \n334 x\n235 ok\n451 ok\n250 ok\n250 ok\n354 x\n250 x\n",
		"554 no\n", "220 hi\n500 no\n250 hi\n250 ok\n250 ok\n250 ok\n354 ok\n552 no\n",
		"220 hi\n250-hi\n250-LIMITS RCPTMAX=1\n250-STARTTLS\n250 FUTURERELEASE 1\n454 no\n250 ok\n250 ok\n354 ok\n250 2.0.0 yes\n",
	} {
		for mode := range byte(4) {
			f.Add(s, mode)
		}
	}
	f.Fuzz(func(t *testing.T, s string, mode byte) {
		o := Options{Hello: "bar.com", LMTP: mode&1 != 0}
		if mode&2 != 0 {
			o.Auth = Login{Username: "user", Password: "pass", Cleartext: true}.Auth
		}
		nc := &talker{r: &trickle{strings.SplitAfter(s, "\n")}}
		c, err := New(t.Context(), nc, o)
		check := func(err error) {
			var e *Error
			if !errors.As(err, &e) || e.Code == 0 && e.Err == nil || e.Verb == "" || e.Code != 0 && (e.Code < 400 || e.Code > 599) || e.Error() == "" || strings.ContainsAny(e.Text, "\r\x00") {
				t.Fatalf("%#v", err)
			}
		}
		if err != nil {
			check(err)
			return
		}
		for range 2 {
			results, err := c.Deliver(t.Context(), mail("a@bar.com", "b@foo.com", "c@foo.com"))
			if err != nil {
				check(err)
			}
			for _, r := range results {
				if r != nil {
					check(r)
				} else if err != nil && !o.LMTP {
					t.Fatalf("success with %v", err)
				} else if !strings.Contains(nc.sent.String(), "etc. etc.") {
					t.Fatal("success without content")
				}
			}
		}
		c.Close()
	})
}

// FuzzExtensions: no panic, and bounds that are not negative.
func FuzzExtensions(f *testing.F) {
	f.Add("hi\nSIZE 10\nLIMITS RCPTMAX=1\nAUTH PLAIN\nFUTURERELEASE 1 2030-01-02T03:04:05Z")
	f.Fuzz(func(t *testing.T, s string) {
		e := parseExtensions(strings.Split(s, "\n"))
		if e.Size < 0 || e.HoldFor < 0 || e.Limits.RcptMax < 0 || e.Limits.RcptMax > 999999 || e.BinaryMIME && !e.Chunking {
			t.Fatalf("%+v", e)
		}
	})
}
