package smtpclient

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"mox/mlog"
	"mox/sessiontest"
	"mox/smtp"
)

var testCert = sync.OnceValue(func() tls.Certificate { return sessiontest.Certificate("foo.com") })

func serverTLS() *tls.Config { return &tls.Config{Certificates: []tls.Certificate{testCert()}} }

func clientTLS() *tls.Config {
	pool := x509.NewCertPool()
	cert, err := x509.ParseCertificate(testCert().Certificate[0])
	if err != nil {
		panic(err)
	}
	pool.AddCert(cert)
	return &tls.Config{ServerName: "foo.com", RootCAs: pool}
}

func path(s string) smtp.Path {
	p, err := smtp.ParsePath("<"+s+">", smtp.Options{})
	if err != nil {
		panic(err)
	}
	return p
}

// blah is the message of the examples.
const blah = "Blah blah blah...\r\n...etc. etc. etc.\r\n"

// mail makes a message with default content.
func mail(from string, to ...string) Message {
	m := Message{From: path(from), Size: int64(len(blah)), Content: strings.NewReader(blah)}
	for _, s := range to {
		m.Rcpts = append(m.Rcpts, Recipient{To: path(s)})
	}
	return m
}

func content(m Message, s string) Message {
	m.Size, m.Content = int64(len(s)), strings.NewReader(s)
	return m
}

// scenario is what the client does in a transcript.
type scenario struct {
	options Options
	msgs    []Message
	want    []string // an entry for each message or, when New fails, for that
}

func scenarios() map[string]scenario {
	binary := mail("ned@ymir.claremont.edu", "gvaudre@cnri.reston.va.us", "jstewart@cnri.reston.va.us")
	binary.Params.Body = smtp.BodyBinaryMIME
	full := mail("jörg@bücher.example", "jürgen@bücher.example")
	full.Params = smtp.MailParams{Body: smtp.Body8BitMIME, Ret: smtp.RetHdrs, EnvID: "a+b", Auth: "<>", HoldFor: 60}
	full.Rcpts[0].Params = smtp.RcptParams{Notify: smtp.NotifySuccess | smtp.NotifyDelay, ORcpt: smtp.ORcpt{Type: "rfc822", Address: "x+y@foo.com"}}
	bare := full
	bare.From, bare.Rcpts = path("a@bücher.example"), []Recipient{{path("b@foo.com"), full.Rcpts[0].Params}}
	bare.Params.HoldFor, bare.Params.Body = 0, smtp.Body7Bit
	secure := mail("a@bar.com", "b@foo.com")
	secure.Params = smtp.MailParams{Body: smtp.Body8BitMIME, RequireTLS: true}
	needs := func(p smtp.MailParams, to ...string) Message {
		m := mail("a@bar.com", to...)
		m.Params = p
		return m
	}
	login := Login{Username: "user", Password: "pass"}
	cleartext := login
	cleartext.Cleartext = true
	long := cleartext
	long.Password = strings.Repeat("p", 600)
	b := func(to ...string) Message { return mail("a@bar.com", to...) }
	return map[string]scenario{
		"rfc5321-d1":           {Options{}, []Message{mail("Smith@bar.com", "Jones@foo.com", "Green@foo.com", "Brown@foo.com")}, []string{"ok; rcpt: 550 No such user here; ok"}},
		"rfc5321-d2":           {Options{}, []Message{mail("Smith@bar.com", "Green@foo.com"), mail("Smith@bar.com", "Jones@foo.com")}, []string{"rcpt: 550 5.1.1 No such user here / really", "ok"}},
		"rfc2920-helo":         {Options{TLS: TLSOpportunistic}, []Message{mail("mrose@dbc.mtview.ca.us", "ned@innosoft.com", "dan@innosoft.com", "kvc@innosoft.com")}, []string{"ok; ok; ok"}},
		"rfc2920-pipelining":   {Options{}, []Message{mail("mrose@dbc.mtview.ca.us", "ned@innosoft.com", "dan@innosoft.com", "kvc@innosoft.com")}, []string{"ok; ok; ok"}},
		"rfc2920-refused":      {Options{}, []Message{mail("mrose@dbc.mtview.ca.us", "nsb@thumper.bellcore.com", "galvin@tis.com")}, []string{"rcpt: 550 remote mail to <nsb@thumper.bellore.com> not allowed; rcpt: 550 remote mail to <galvin@tis.com> not allowed"}},
		"rfc2920-refused-data": {Options{}, []Message{mail("mrose@dbc.mtview.ca.us", "nsb@thumper.bellcore.com", "galvin@tis.com")}, []string{"rcpt: 550 remote mail to <nsb@thumper.bellore.com> not allowed; rcpt: 550 remote mail to <galvin@tis.com> not allowed"}},
		"mail-refused":         {Options{}, []Message{b("b@foo.com"), b("b@foo.com")}, []string{"mail: 451 4.7.1 later | mail: 451 4.7.1 later", "ok"}},
		"rfc3030-chunking":     {Options{}, []Message{mail("Sam@Random.com", "Susan@random.com")}, []string{"ok"}},
		"rfc3030-binarymime":   {Options{Limits: Limits{Chunk: 10}}, []Message{content(binary, "0123456\n\r9\x00\xff23456789abc")}, []string{"ok; ok"}},
		"bdat-refused":         {Options{Limits: Limits{Chunk: 10}}, []Message{content(b("b@foo.com"), "01234567\r\nmore\r\n"), content(b("b@foo.com"), "0123\r\n"), b()}, []string{"bdat: 552 5.3.4 too large permanent | bdat: 552 5.3.4 too large permanent", "bdat: 452 disk full | bdat: 452 disk full", "reset"}},
		"bdat-line-end":        {Options{}, []Message{content(b("b@foo.com"), "0123\r\n\n")}, []string{"bdat: bare CR or LF in message permanent | bdat: bare CR or LF in message permanent"}},
		"data-dots":            {Options{}, []Message{content(b("a@foo.com"), ".\r\n.a\n.b\r.\r\nc\r\n.d")}, []string{"ok"}},
		"rfc2033":              {Options{LMTP: true}, []Message{mail("chris@bar.com", "pat@foo.edu", "jones@foo.edu", "green@foo.edu")}, []string{"ok; rcpt: 550 No such user here; dataend: 452 <green@foo.edu> is temporarily over quota"}},
		"lmtp-lost":            {Options{LMTP: true}, []Message{b("a@foo.com", "b@foo.com")}, []string{"ok; dataend: connection closed by server: EOF maybe | dataend: connection closed by server: EOF maybe"}},
		"lmtp-none":            {Options{LMTP: true}, []Message{b("a@foo.com")}, []string{"rcpt: 550 no | data: unexpected response: DATA accepted without recipients"}},
		"rfc3207":              {Options{TLS: TLSRequired}, []Message{secure}, []string{"ok"}},
		"starttls-injection":   {Options{TLS: TLSOpportunistic}, nil, []string{"tls: input pending before change of connection tls"}},
		"starttls-refused":     {Options{TLS: TLSOpportunistic}, []Message{b("b@foo.com")}, []string{"ok"}},
		"starttls-required":    {Options{TLS: TLSRequired}, nil, []string{"starttls: 454 4.7.0 TLS not available tls"}},
		"starttls-none":        {Options{TLS: TLSRequired}, nil, []string{"starttls: server does not offer STARTTLS tls"}},
		"greeting-554":         {Options{}, nil, []string{"connect: 554 no mail here / 5.3.2 at all permanent"}},
		"greeting-421":         {Options{}, nil, []string{"connect: 421 4.3.2 busy"}},
		"hello-refused":        {Options{}, nil, []string{"ehlo: 550 5.7.1 your address has a bad name permanent"}},
		"hello-temporary":      {Options{}, nil, []string{"ehlo: 451 4.3.0 later"}},
		"rcpt-421":             {Options{}, []Message{b("a@foo.com", "b@foo.com", "c@foo.com"), b("a@foo.com")}, []string{"rcpt: 550 5.1.1 no; rcpt: 421 4.3.2 shutting down; rcpt: 421 4.3.2 shutting down | rcpt: 421 4.3.2 shutting down", "rcpt: 421 4.3.2 shutting down | rcpt: 421 4.3.2 shutting down"}},
		"idle-421":             {Options{}, []Message{b("a@foo.com")}, []string{"mail: 421 4.4.2 idle for too long | mail: 421 4.4.2 idle for too long"}},
		"data-421":             {Options{}, []Message{b("a@foo.com")}, []string{"dataend: 421 4.3.2 shutting down | dataend: 421 4.3.2 shutting down"}},
		"data-lost":            {Options{}, []Message{b("a@foo.com", "b@foo.com")}, []string{"dataend: connection closed by server: EOF maybe; rcpt: 550 no | dataend: connection closed by server: EOF maybe"}},
		"data-refused":         {Options{}, []Message{b("a@foo.com"), mail("", "a@foo.com"), b("a@foo.com")}, []string{"data: 451 later | data: 451 later", "dataend: 550 5.7.1 spam permanent | dataend: 550 5.7.1 spam permanent", "mail: 503 5.5.1 enough permanent | mail: 503 5.5.1 enough permanent"}},
		"too-many":             {Options{}, []Message{b("a@foo.com", "b@foo.com", "c@foo.com", "d@foo.com", "e@foo.com")}, []string{"ok; rcpt: 452 too many recipients again; rcpt: 552 too many recipients again; rcpt: 452 4.5.3 too many recipients again; rcpt: 552 5.2.2 mailbox full permanent"}},
		"limits":               {Options{}, []Message{b("a@foo.com", "b@bar.com", "c@FOO.com", "d@foo.com"), b("b@bar.com"), b("b@bar.com")}, []string{"ok; rcpt: no more recipients in this transaction again; ok; rcpt: no more recipients in this transaction again", "ok", "mail: no more messages on this connection | mail: no more messages on this connection"}},
		"params":               {Options{}, []Message{full}, []string{"ok"}},
		"params-none":          {Options{}, []Message{bare}, []string{"ok"}},
		"protocol-code":        {Options{}, []Message{b("a@foo.com")}, []string{"mail: unexpected response: code 354 | mail: unexpected response: code 354"}},
		"protocol-junk":        {Options{}, nil, []string{`ehlo: invalid reply: "HTTP/1.1 400 Bad Request"`}},
		"protocol-lines":       {Options{}, nil, []string{"ehlo: invalid reply: code 251 after 250"}},
		"protocol-end":         {Options{}, []Message{b("a@foo.com")}, []string{`dataend: invalid reply: "ok" maybe | dataend: invalid reply: "ok" maybe`}},
		"auth-plain":           {Options{TLS: TLSRequired, Auth: login.Auth}, []Message{}, nil},
		"auth-login":           {Options{Auth: cleartext.Auth}, nil, []string{"auth: 535 5.7.8 bad credentials permanent"}},
		"auth-cleartext":       {Options{Auth: login.Auth}, nil, []string{"auth: cannot authenticate: server offers no authentication mechanism that may be used: offered: PLAIN, LOGIN"}},
		"auth-scram-fake":      {Options{Auth: login.Auth}, nil, []string{"auth: server not authenticated: success before the exchange was complete"}},
		"auth-cancel":          {Options{Auth: login.Auth}, nil, []string{"auth: cannot authenticate: malformed authentication exchange: server-first-message"}},
		"auth-long":            {Options{Auth: long.Auth}, []Message{}, nil},
		"lacking": {Options{}, []Message{
			needs(smtp.MailParams{SMTPUTF8: true}, "a@foo.com"), b("ü@foo.com"), mail("ü@bar.com", "a@foo.com"), needs(smtp.MailParams{Body: smtp.Body8BitMIME}, "a@foo.com"),
			needs(smtp.MailParams{Body: smtp.BodyBinaryMIME}, "a@foo.com"), needs(smtp.MailParams{RequireTLS: true}, "a@foo.com"), needs(smtp.MailParams{HoldFor: 5}, "a@foo.com"),
			content(b("a@foo.com"), strings.Repeat("x", 1001)), b(),
		}, []string{
			"mail: server does not support SMTPUTF8 permanent | mail: server does not support SMTPUTF8 permanent", "rcpt: server does not support SMTPUTF8 permanent",
			"mail: server does not support SMTPUTF8 permanent | mail: server does not support SMTPUTF8 permanent", "mail: server does not support 8BITMIME permanent | mail: server does not support 8BITMIME permanent",
			"mail: server does not support BINARYMIME permanent | mail: server does not support BINARYMIME permanent", "mail: server does not support REQUIRETLS permanent | mail: server does not support REQUIRETLS permanent",
			"mail: server does not hold messages as long as asked permanent | mail: server does not hold messages as long as asked permanent", "mail: message is too large for server permanent | mail: message is too large for server permanent", "reset",
		}},
	}
}

// describe writes an error with its flags.
func describe(err error) string {
	if err == nil {
		return "ok"
	}
	var e *Error
	if !errors.As(err, &e) {
		return "not an Error: " + err.Error()
	}
	s := e.Error()
	for _, flag := range []struct {
		on   bool
		name string
	}{{e.Permanent && e.Verb != "RCPT" || e.Permanent && e.Enhanced != "" && e.Code != 550, "permanent"}, {e.TooMany, "again"}, {e.MayBeDelivered, "maybe"}, {e.TLS, "tls"}} {
		if flag.on {
			s += " " + flag.name
		}
	}
	if e.Permanent && e.Code != 0 && e.Code < 500 || !e.Permanent && e.Code >= 500 && !e.TooMany {
		s += " WRONG CLASS"
	}
	return s
}

func deliver(ctx context.Context, c *Client, m Message) string {
	if len(m.Rcpts) == 0 {
		if _, err := c.Deliver(ctx, m); err == nil || !errors.Is(err, ErrArgument) {
			return fmt.Sprint("no recipients: ", err)
		}
		if c.open {
			if err := c.Reset(ctx); err != nil {
				return err.Error()
			}
		}
		return "reset"
	}
	results, err := c.Deliver(ctx, m)
	var l []string
	for _, r := range results {
		l = append(l, describe(r))
	}
	s := strings.Join(l, "; ")
	if err != nil {
		s += " | " + describe(err)
	}
	return s
}

// run is what a client does in a scenario.
func (sc scenario) run(ctx context.Context, nc net.Conn) (got []string) {
	sc.options.Hello = "bar.com"
	if sc.options.TLS != TLSNone {
		sc.options.TLSConfig = clientTLS()
	}
	c, err := New(ctx, nc, sc.options)
	if err != nil {
		return []string{describe(err)}
	}
	defer c.Close()
	// What the server said right after its last reply has arrived.
	time.Sleep(5 * time.Millisecond)
	for _, m := range sc.msgs {
		got = append(got, deliver(ctx, c, m))
	}
	return got
}

// TestSessions plays the transcripts.
func TestSessions(t *testing.T) {
	seen := map[string]bool{}
	files, err := filepath.Glob("testdata/session/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		name := strings.TrimSuffix(filepath.Base(f), ".txt")
		seen[name] = true
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sc, ok := scenarios()[name]
				if !ok {
					t.Fatal("no scenario")
				}
				server, client := net.Pipe()
				done := make(chan []string, 1)
				ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
				go func() { done <- sc.run(ctx, client) }()
				t.Cleanup(func() {
					defer cancel()
					if diff := cmp.Diff(sc.want, <-done); diff != "" {
						t.Error(diff)
					}
				})
				sessiontest.Run(t, f, sessiontest.Options{Client: true, TLS: serverTLS(), Dial: func(string) (net.Conn, error) { return server, nil }})
			})
		})
	}
	for name := range scenarios() {
		if !seen[name] {
			t.Errorf("no transcript for %s", name)
		}
	}
}

// TestEnhanced: errors of our own have the codes that a DSN needs.
func TestEnhanced(t *testing.T) {
	for _, tc := range []struct {
		ext  Extensions
		p    smtp.MailParams
		want error
		code string
	}{
		{Extensions{}, smtp.MailParams{SMTPUTF8: true}, ErrSMTPUTF8, "5.6.7"},
		{Extensions{}, smtp.MailParams{Body: smtp.Body8BitMIME}, Err8BitMIME, "5.6.3"},
		{Extensions{Chunking: true}, smtp.MailParams{Body: smtp.BodyBinaryMIME}, ErrBinaryMIME, "5.6.3"},
		{Extensions{RequireTLS: true}, smtp.MailParams{RequireTLS: true}, ErrRequireTLS, "5.7.30"},
		{Extensions{FutureRelease: true, HoldFor: 10}, smtp.MailParams{HoldFor: 11}, ErrFutureRelease, "5.3.3"},
		{Extensions{FutureRelease: true, HoldUntil: time.Unix(1e9, 0)}, smtp.MailParams{HoldUntil: time.Unix(1e9+1, 0)}, ErrFutureRelease, "5.3.3"},
		{Extensions{HasSize: true, Size: 37}, smtp.MailParams{}, ErrSize, "5.3.4"},
		{Extensions{HasSize: true, Size: 38}, smtp.MailParams{}, nil, ""},
	} {
		m := mail("a@b.example", "b@b.example")
		m.Params = tc.p
		_, err := (&Client{ext: tc.ext}).mailParams(m)
		if !errors.Is(err, tc.want) {
			t.Errorf("%+v: %v", tc.p, err)
		}
		var e *Error
		if errors.As(err, &e) && (e.Enhanced != tc.code || !e.Permanent || e.Code != 0) {
			t.Errorf("%+v: %+v", tc.p, e)
		}
	}
}

func TestExtensions(t *testing.T) {
	got := parseExtensions([]string{"hi", "size 100", "Auth plain LOGIN", "AUTH=LOGIN X", "binarymime", "FUTURERELEASE 10 2030-01-02T03:04:05Z", "LIMITS RCPTMAX=10 MAILMAX=1234567 RCPTDOMAINMAX=x", "", "X\x1b[1m"})
	want := Extensions{
		ESMTP: true, Keywords: []string{"size 100", "Auth plain LOGIN", "AUTH=LOGIN X", "binarymime", "FUTURERELEASE 10 2030-01-02T03:04:05Z", "LIMITS RCPTMAX=10 MAILMAX=1234567 RCPTDOMAINMAX=x", "", "X?[1m"},
		HasSize: true, Size: 100, Auth: []string{"PLAIN", "LOGIN", "X"}, FutureRelease: true, HoldFor: 10, HoldUntil: time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC), Limits: ServerLimits{RcptMax: 10},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// say makes a connection to a server that says lines whatever it hears.
func say(t testing.TB, text string) net.Conn {
	server, client := net.Pipe()
	go io.Copy(io.Discard, server)
	go func() {
		io.WriteString(server, text)
		server.Close()
	}()
	t.Cleanup(func() { client.Close() })
	return client
}

// TestContent: what cannot be read to its end is not delivered.
func TestContent(t *testing.T) {
	broken := errors.New("disk on fire")
	for _, ext := range []string{"250 hi\r\n", "250-hi\r\n250 CHUNKING\r\n"} {
		for _, tc := range []struct {
			size int64
			r    io.Reader
			want error
		}{
			{100, strings.NewReader(blah), ErrContent},
			{10, strings.NewReader(blah), ErrContent},
			{38, io.MultiReader(strings.NewReader(blah), iotest.ErrReader(broken)), broken},
			{38, io.MultiReader(strings.NewReader(blah[:9]), iotest.ErrReader(broken)), broken},
			{38, stuck{}, io.ErrNoProgress},
		} {
			server, client := net.Pipe()
			got := make(chan string, 1)
			go func() {
				io.WriteString(server, "220 hi\r\n")
				buf := make([]byte, 4096)
				n, _ := server.Read(buf)
				io.WriteString(server, ext)
				for _, reply := range []string{"250 ok\r\n", "250 ok\r\n", "354 go\r\n"} {
					n, _ = server.Read(buf)
					if strings.HasPrefix(string(buf[:n]), "BDAT") {
						break
					}
					io.WriteString(server, reply)
				}
				rest, _ := io.ReadAll(server)
				got <- string(buf[:n]) + string(rest)
			}()
			c, err := New(t.Context(), client, Options{Hello: "bar.com"})
			if err != nil {
				t.Fatal(err)
			}
			m := mail("a@bar.com", "b@foo.com")
			m.Size, m.Content = tc.size, tc.r
			results, err := c.Deliver(t.Context(), m)
			var e *Error
			if !errors.Is(err, tc.want) || !errors.Is(err, ErrContent) || results[0] != err || !errors.As(err, &e) || e.MayBeDelivered || e.Permanent || c.Usable() {
				t.Errorf("%d: %v", tc.size, err)
			}
			if s := <-got; strings.HasSuffix(s, "\r\n.\r\n") || strings.Contains(s, blah) {
				t.Errorf("sent %q", s)
			}
			c.Close()
		}
	}
}

type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }

// TestTextual: every way to cut content gives the same verdict.
func TestTextual(t *testing.T) {
	for _, s := range []string{"", "a", "a\r\n", "\r\n\r\n", "a\r\nb\r\n", "\n", "\r", "a\n", "a\r", "a\rb\r\n", "a\r\r\n", "\r\n\n", "a\r\nb\n\r\n", "\n\r\n", "a\r\n\r"} {
		bad := strings.ContainsAny(strings.ReplaceAll(s, "\r\n", ""), "\r\n")
		for name, r := range map[string]io.Reader{"whole": strings.NewReader(s), "octets": iotest.OneByteReader(strings.NewReader(s)), "data with error": iotest.DataErrReader(strings.NewReader(s))} {
			got, err := io.ReadAll(&textual{r: r})
			if bad != errors.Is(err, ErrLineEnd) || !bad && (err != nil || string(got) != s) {
				t.Errorf("%q, %s: %q, %v", s, name, got, err)
			}
		}
	}
}

// TestHostile: servers that do not keep to the protocol get an error, soon.
func TestHostile(t *testing.T) {
	long := strings.Repeat("x", 5000)
	for name, text := range map[string]string{
		"nothing":      "",
		"half":         "220 h",
		"long line":    "220 " + long + "\r\n",
		"endless line": "220 " + strings.Repeat("x", 2<<20),
		"many lines":   strings.Repeat("220-hi\r\n", 300) + "220 hi\r\n",
		"tls":          "\x15\x03\x01\x00\x02\x02\x28",
		"nul":          "220 hi\r\n\x00\x00\x00\r\n",
		"two":          "220 hi\r\n250 hi\r\n250 hi\r\n250 hi\r\n",
		"http":         "HTTP/1.1 200 OK\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			c, err := New(t.Context(), say(t, text), Options{Hello: "bar.com"})
			if err == nil {
				defer c.Close()
				_, err = c.Deliver(t.Context(), mail("a@bar.com", "b@foo.com"))
			}
			var e *Error
			if !errors.As(err, &e) || e.Permanent || e.MayBeDelivered || e.Err == nil {
				t.Error(describe(err))
			}
		})
	}
}

// TestText: of a reply with much text only some is kept, and it is printable.
func TestText(t *testing.T) {
	c, err := New(t.Context(), say(t, strings.Repeat("554-\x1b[1m\xffü"+strings.Repeat("x", 2000)+"\n", 100)+"554 end\r\n"), Options{Hello: "bar.com"})
	var e *Error
	if c != nil || !errors.As(err, &e) || !strings.HasPrefix(e.Text, "?[1m?üx") || len(e.Text) > 70<<10 || e.Code != 554 {
		t.Errorf("%d %.30q", len(e.Text), e.Text)
	}
}

// TestInjection: what callers get from others cannot add commands.
func TestInjection(t *testing.T) {
	if _, err := New(t.Context(), say(t, "220 hi\r\n"), Options{Hello: "a\r\nRSET"}); !errors.Is(err, ErrArgument) {
		t.Error(err)
	}
	c, err := New(t.Context(), say(t, "220 hi\r\n250 hi\r\n250 ok\r\n250 ok\r\n354 go\r\n250 ok\r\n"), Options{Hello: "bar.com"})
	if err != nil {
		// The server says everything at once.
		var e *Error
		if !errors.As(err, &e) {
			t.Fatal(err)
		}
		return
	}
	defer c.Close()
	evil := mail("a@bar.com", "b@foo.com")
	evil.Params.Other = []smtp.Param{{Keyword: "X", Value: "y\r\nRSET", HasValue: true}}
	if _, err := c.Deliver(t.Context(), evil); !errors.Is(err, ErrArgument) {
		t.Error(err)
	}
	evil = mail("a@bar.com", "b@foo.com")
	evil.Rcpts[0].To.Localpart = "a\r\nb"
	if res, err := c.Deliver(t.Context(), evil); err != nil || !errors.Is(res[0], ErrArgument) {
		t.Error(res, err)
	}
}

// TestTrace: credentials and content are marked as such.
func TestTrace(t *testing.T) {
	var log bytes.Buffer
	var cmds []string
	traced := map[slog.Level]string{}
	o := Options{
		Hello: "bar.com", Auth: Login{Username: "user", Password: "secret", Cleartext: true}.Auth,
		Log: slog.New(mlog.NewHandler(&log, mlog.Options{Levels: mlog.NewLevels(mlog.LevelTrace, nil)})),
		Command: func(cmd string, code int, enhanced string, d time.Duration) {
			cmds = append(cmds, fmt.Sprint(cmd, " ", code, " ", enhanced))
		},
		Trace: func(in bool, level slog.Level, data []byte) { traced[level] += string(data) },
	}
	server, client := net.Pipe()
	go func() {
		buf := make([]byte, 4096)
		for _, s := range []string{"220 hi\r\n", "250-hi\r\n250 AUTH PLAIN\r\n", "235 2.7.0 ok\r\n", "250 2.1.0 ok\r\n", "250 2.1.5 ok\r\n", "354 go\r\n", "250 2.0.0 ok\r\n", "221 bye\r\n"} {
			io.WriteString(server, s)
			server.Read(buf)
		}
	}()
	c, err := New(t.Context(), client, o)
	if err != nil {
		t.Fatal(err)
	}
	if res, err := c.Deliver(t.Context(), mail("a@bar.com", "b@foo.com")); err != nil || res[0] != nil {
		t.Fatal(res, err)
	}
	if c.LastReply().String() != "250 2.0.0 ok" || !c.Usable() {
		t.Error(c.LastReply())
	}
	c.Close()
	if c.Usable() {
		t.Error("usable when closed")
	}
	for _, secret := range []string{"AUTH PLAIN A", "Blah"} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("%q in log", secret)
		}
	}
	if !strings.Contains(log.String(), "RCPT TO") || !strings.Contains(traced[mlog.LevelTraceauth], "AUTH PLAIN A") || !strings.Contains(traced[mlog.LevelTracedata], "Blah") || strings.Contains(traced[mlog.LevelTrace], "Blah") {
		t.Errorf("log %s, traced %q", log.String(), traced)
	}
	want := []string{"connect 220 ", "ehlo 250 ", "auth 235 2.7.0", "mail 250 2.1.0", "rcpt 250 2.1.5", "data 354 ", "dataend 250 2.0.0", "quit 221 "}
	if diff := cmp.Diff(want, cmds); diff != "" {
		t.Error(diff)
	}
}
