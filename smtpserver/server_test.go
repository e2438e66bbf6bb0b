package smtpserver

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"mox/dns"
	"mox/mlog"
	"mox/sasl"
	"mox/sessiontest"
	"mox/smtp"
)

// mail is a backend that keeps messages, with recipients that behave by their names.
type mail struct {
	mu       sync.Mutex
	messages []string // guarded by mu; "sender>recipients: content"
	open     int      // guarded by mu; transactions
	panics   int      // guarded by mu
	causes   []error  // guarded by mu; why deliveries were given up
	params   []string // guarded by mu; parameters of MAIL and RCPT
}

type transaction struct {
	m     *mail
	peer  smtp.Peer
	from  smtp.Path
	rcpts []smtp.Path
	buf   bytes.Buffer
	full  bool
}

func (m *mail) begin(_ context.Context, peer smtp.Peer, principal any) (Transaction, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.open++
	if p, ok := principal.(string); peer.Auth != ok || ok && p == "" {
		return nil, errors.New("principal")
	}
	return &transaction{m: m, peer: peer}, nil
}

func (t *transaction) end() {
	t.m.mu.Lock()
	defer t.m.mu.Unlock()
	t.m.open--
}

func (t *transaction) Mail(_ context.Context, from smtp.Path, p smtp.MailParams) error {
	t.from = from
	t.note(p.String())
	switch from.Localpart {
	case "refused":
		return smtp.Errorf(550, "5.7.1", "no mail from you")
	case "broken":
		return errors.New("out of order")
	}
	return nil
}

// note keeps parameters.
func (t *transaction) note(s string) {
	t.m.mu.Lock()
	defer t.m.mu.Unlock()
	t.m.params = append(t.m.params, s)
}

func (t *transaction) Rcpt(_ context.Context, to smtp.Path, p smtp.RcptParams) error {
	t.note(p.String())
	if to.IPDomain.Domain.ASCII != "mx.example" && !strings.EqualFold(string(to.Localpart), "postmaster") {
		return smtp.Errorf(550, "5.7.1", "no relaying")
	}
	switch to.Localpart {
	case "trap":
		return suspected{smtp.Errorf(550, "5.1.1", "no such address")}
	case "unknown":
		return smtp.Errorf(550, "5.1.1", "no such address")
	case "full":
		return smtp.Errorf(452, "4.2.2", "mailbox full")
	case "panic":
		panic("at rcpt")
	case "diskfull":
		t.full = true
	}
	t.rcpts = append(t.rcpts, to)
	return nil
}

// suspected is an error of a client that sends spam.
type suspected struct{ error }

func (suspected) Suspicious() bool { return true }
func (e suspected) Unwrap() error  { return e.error }

func (t *transaction) Data(context.Context) (io.Writer, error) {
	if t.rcpts[0].Localpart == "nodata" {
		return nil, smtp.Errorf(452, "4.3.1", "no room")
	}
	return t, nil
}

func (t *transaction) Write(p []byte) (int, error) {
	if t.full && t.buf.Len()+len(p) > 100 {
		return 0, smtp.Errorf(452, "4.3.1", "disk full")
	}
	return t.buf.Write(p)
}

func (t *transaction) Finish(ctx context.Context) ([]error, error) {
	t.end()
	if t.rcpts[0].Localpart == "delay" {
		select {
		case <-time.After(time.Minute):
		case <-smtp.Draining(ctx):
		case <-ctx.Done():
			t.m.mu.Lock()
			defer t.m.mu.Unlock()
			t.m.causes = append(t.m.causes, context.Cause(ctx))
			return nil, smtp.WrapErrorf(context.Cause(ctx), 451, "4.4.2", "gone")
		}
	}
	var results []error
	var to []string
	var failed error
	for _, r := range t.rcpts {
		var err error
		switch r.Localpart {
		case "late":
			err = smtp.Errorf(550, "5.2.0", "changed my mind")
		case "crash":
			err = errors.New("crashed")
		case "panicfinish":
			panic("at finish")
		}
		if err != nil {
			failed = err
		} else {
			to = append(to, r.XString(true))
		}
		results = append(results, err)
	}
	t.m.mu.Lock()
	defer t.m.mu.Unlock()
	if len(to) > 0 {
		t.m.messages = append(t.m.messages, t.from.XString(true)+">"+strings.Join(to, ",")+": "+t.buf.String())
	}
	return results, failed
}

func (t *transaction) Abort() { t.end() }

// accounts is an Authenticator of one user.
type accounts struct{}

const (
	login    = "mjl@mx.example"
	password = "testtest"
)

type attempt struct{}

func (accounts) Begin(_ context.Context, peer smtp.Peer) (AuthAttempt, error) {
	if peer.Remote.Addr() == netip.MustParseAddr("10.0.0.66") {
		return nil, smtp.Errorf(421, "4.7.0", "too many failed logins")
	}
	return attempt{}, nil
}

func (attempt) Password(_ context.Context, authcid, p string) error {
	if authcid == "broken" {
		return errors.New("database on fire")
	}
	if authcid != login && authcid != "disabled" || p != password {
		return sasl.ErrCredentials
	}
	return nil
}

func (attempt) SCRAM(_ context.Context, mech, authcid string) (sasl.SCRAMVerifier, error) {
	if authcid != login {
		return sasl.FakeVerifier([]byte("x"), mech, authcid, 4096), nil
	}
	return sasl.DeriveSCRAM(mech, password, []byte("salt"), 4096)
}

func (attempt) CRAMMD5(_ context.Context, authcid string) (sasl.CRAMMD5State, error) {
	return sasl.DeriveCRAMMD5(password)
}

func (attempt) External(context.Context, string) error { return nil }

func (attempt) Finish(_ context.Context, mech, authcid, authzid string, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	if authcid == "disabled" {
		return nil, smtp.Errorf(525, "5.7.13", "account disabled")
	}
	if authzid != "" && authzid != authcid {
		return nil, sasl.ErrCredentials
	}
	if mech == sasl.External {
		return login, nil
	}
	return authcid, nil
}

var testCert = sync.OnceValue(func() tls.Certificate { return sessiontest.Certificate("mx.example") })

// testServer is a Server in memory with its backend.
type testServer struct {
	*Server
	mail *mail
	ln   *sessiontest.Listener
	from int
}

func newServer(t *testing.T, change func(c *Config)) *testServer {
	ts := &testServer{mail: &mail{}, ln: sessiontest.NewListener(netip.MustParseAddrPort("10.0.0.1:25"))}
	log := mlog.Discard()
	if testing.Verbose() {
		log = mlog.NewTest(t, slog.LevelDebug)
	}
	c := Config{
		Hostname: dns.Domain{ASCII: "mx.example"},
		TLS:      &tls.Config{Certificates: []tls.Certificate{testCert()}, ClientAuth: tls.RequestClientCert},
		Size:     10000,
		Begin:    ts.mail.begin,
		Log:      log,
		CID:      func(cid int64) string { return fmt.Sprintf("cid%d", cid) },
		Metrics: Metrics{Panic: func(any) {
			ts.mail.mu.Lock()
			defer ts.mail.mu.Unlock()
			ts.mail.panics++
		}},
	}
	if change != nil {
		change(&c)
	}
	ts.Server = New(c)
	done := make(chan error, 1)
	go func() { done <- ts.Serve(context.WithoutCancel(t.Context()), ts.ln) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		ts.Shutdown(ctx)
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
		if ts.mail.open != 0 {
			t.Errorf("%d transactions neither finished nor aborted", ts.mail.open)
		}
	})
	return ts
}

func (ts *testServer) dial(string) (net.Conn, error) {
	return ts.ln.Dial(netip.MustParseAddrPort(fmt.Sprintf("10.0.0.2:%d", 1024+ts.from)))
}

// kinds are the configurations by the beginning of the names of transcripts.
var kinds = map[string]func(c *Config){
	"submit": func(c *Config) { c.Kind, c.Auth = Submit, accounts{} },
	"burl": func(c *Config) {
		c.TLS, c.Auth, c.PlainAuth, c.Kind = nil, accounts{}, true, Submit
		c.Burl = &Burl{Servers: []string{"imap://mx.example"}, Open: openURL}
	},
	"lmtp":     func(c *Config) { c.Kind = LMTP },
	"pedantic": func(c *Config) { c.Pedantic = true },
	"tlsonly":  func(c *Config) { c.RequireTLS = true },
	"tlsreports": func(c *Config) {
		c.RequireTLS = true
		c.PlainRecipient = func(to smtp.Path) bool { return to.Localpart == "reports" }
	},
	"plain": func(c *Config) { c.TLS, c.Auth, c.PlainAuth, c.Kind = nil, accounts{}, true, Submit },
	"ext": func(c *Config) {
		c.RequireTLSExtension, c.DSN, c.BinaryMIME = true, true, true
		c.Own = func(d smtp.IPDomain) bool {
			return d.Domain.ASCII == "mx.example" || d.IP.IsValid() && d.IP.String() == "10.0.0.1"
		}
	},
	"future": func(c *Config) { c.FutureRelease = 60 * 24 * time.Hour },
	"slow":   func(c *Config) { c.Limits.SlowSessions = 1 },
	"full":   func(c *Config) { c.Limits.Connections = 1 },
	"few": func(c *Config) {
		c.Limits = Limits{CommandLine: 100, Recipients: 3, NonMail: 20, Refusals: 6, DiscardData: 5000, DiscardLine: 1000}
	},
}

// openURL has some URLs.
func openURL(_ context.Context, principal any, url string) (io.ReadCloser, int64, error) {
	text := map[string]string{
		"imap://mx.example/whole":  "Subject: x\r\n\r\nhi\r\n",
		"imap://mx.example/part":   "part",
		"imap://mx.example/crlf":   "\r\n",
		"imap://mx.example/lf":     "a\nb",
		"imap://mx.example/cr":     "a\rb",
		"imap://mx.example/large":  strings.Repeat("x", 9990),
		"imap://mx.example/broken": "broken",
	}[url]
	switch {
	case principal == nil:
		return nil, 0, errors.New("no principal")
	case text == "":
		return nil, 0, smtp.Errorf(554, "5.6.6", "IMAP URL resolution failed")
	case text == "broken":
		return io.NopCloser(io.MultiReader(strings.NewReader("bro"), iotest.ErrReader(errors.New("disk is broken")))), 6, nil
	}
	return io.NopCloser(strings.NewReader(text)), int64(len(text)), nil
}

func TestSessions(t *testing.T) {
	files, err := filepath.Glob("testdata/session/*.txt")
	if err != nil || len(files) < 40 {
		t.Fatal(len(files), "transcripts", err)
	}
	for _, f := range files {
		name := strings.TrimSuffix(filepath.Base(f), ".txt")
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				prefix, _, _ := strings.Cut(name, "-")
				ts := newServer(t, kinds[prefix])
				sessiontest.Run(t, f, sessiontest.Options{
					Dial:    ts.dial,
					Timeout: time.Hour,
					Vars: map[string]string{
						"plain": "AG1qbEBteC5leGFtcGxlAHRlc3R0ZXN0", "badplain": "AG1qbEBteC5leGFtcGxlAHdyb25n",
						"disabled": "AGRpc2FibGVkAHRlc3R0ZXN0", "broken": "AGJyb2tlbgB0ZXN0dGVzdA==",
					},
					Actions: ts.actions(),
				})
			})
		})
	}
}

// actions are what transcripts ask of the backend and the server.
func (ts *testServer) actions() map[string]func(testing.TB, string) {
	start := time.Now()
	return map[string]func(testing.TB, string){
		// message "...": the message accepted before is this one.
		"message": func(t testing.TB, args string) {
			want, err := strconv.Unquote(args)
			if err != nil {
				t.Fatal(err)
			}
			ts.mail.mu.Lock()
			defer ts.mail.mu.Unlock()
			if len(ts.mail.messages) == 0 || ts.mail.messages[0] != want {
				t.Fatalf("messages %q, want %q", ts.mail.messages, want)
			}
			ts.mail.messages = ts.mail.messages[1:]
		},
		// params "...": those of MAIL and RCPT since the last params.
		"params": func(t testing.TB, args string) {
			ts.mail.mu.Lock()
			defer ts.mail.mu.Unlock()
			if got := strings.Join(ts.mail.params, ""); got != " "+args {
				t.Fatalf("parameters %q", got)
			}
			ts.mail.params = nil
		},
		"nomessage": func(t testing.TB, _ string) {
			ts.mail.mu.Lock()
			defer ts.mail.mu.Unlock()
			if len(ts.mail.messages) != 0 {
				t.Fatalf("messages %q", ts.mail.messages)
			}
		},
		"panics": func(t testing.TB, args string) {
			ts.mail.mu.Lock()
			defer ts.mail.mu.Unlock()
			if strconv.Itoa(ts.mail.panics) != args {
				t.Fatalf("%d panics", ts.mail.panics)
			}
		},
		// elapsed 5s: so much time has passed since the start or the last elapsed.
		"elapsed": func(t testing.TB, args string) {
			if d := time.Since(start); d.String() != args {
				t.Fatalf("%v elapsed, want %s", d, args)
			}
			start = time.Now()
		},
		"shutdown": func(testing.TB, string) {
			go ts.Shutdown(context.Background())
			synctest.Wait()
		},
	}
}
