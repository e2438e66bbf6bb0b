package imapserver

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"mox/imap"
	"mox/mlog"
	"mox/sasl"
	"mox/sessiontest"
	"mox/store"
)

const (
	testUser     = "mjl@mox.example"
	testPassword = "te\"st p\\ss"
)

// testAuth knows one user, and those of testSharing by the same password.
type testAuth struct{ t testing.TB }

func (a testAuth) Begin(_ context.Context, info AuthInfo) (Attempt, error) {
	return &testAttempt{a.t, info}, nil
}

type testAttempt struct {
	t    testing.TB
	info AuthInfo
}

func (a *testAttempt) Password(_ context.Context, authcid, password string) error {
	if authcid != testUser && !testUsers[strings.TrimSuffix(authcid, "@mox.example")] || password != testPassword {
		return sasl.ErrCredentials
	}
	return nil
}

func (a *testAttempt) SCRAM(_ context.Context, mech, authcid string) (sasl.SCRAMVerifier, error) {
	if authcid != testUser {
		return sasl.FakeVerifier([]byte("x"), mech, authcid, 4096), nil
	}
	return sasl.DeriveSCRAM(mech, testPassword, []byte("salt salt salt"), 4096)
}

func (a *testAttempt) CRAMMD5(context.Context, string) (sasl.CRAMMD5State, error) {
	return sasl.DeriveCRAMMD5(testPassword)
}

func (a *testAttempt) External(context.Context, string) error {
	if a.info.TLS == nil || len(a.info.TLS.PeerCertificates) == 0 {
		return sasl.ErrCredentials
	}
	return nil
}

func (a *testAttempt) Finish(_ context.Context, mech, authcid, _ string, err error) (Principal, error) {
	if name := strings.TrimSuffix(authcid, "@mox.example"); err == nil && testUsers[name] {
		return Principal{Account: name, Login: authcid}, nil
	}
	if err == nil && (authcid == testUser || mech == "EXTERNAL") {
		return Principal{Account: "mjl", Login: testUser}, nil
	}
	return Principal{}, imap.No(imap.CodeAuthenticationFailed, "invalid credentials")
}

func (a *testAttempt) Preauth(ctx context.Context) (Principal, bool, error) {
	if a.info.TLS.PeerCertificates[0].Subject.CommonName != "preauth" {
		return Principal{}, false, nil
	}
	p, err := a.Finish(ctx, "EXTERNAL", "", "", nil)
	return p, err == nil, err
}

func (a *testAttempt) Login(ctx context.Context, username, password string) (Principal, error) {
	return a.Finish(ctx, "LOGIN", username, "", a.Password(ctx, username, password))
}

// testUserAccount returns the accounts of users in URLs.
func testUserAccount(name string) (string, bool) {
	account, ok := strings.CutSuffix(name, "@mox.example")
	return account, ok && (account == "mjl" || testUsers[account])
}

type testServer struct {
	*Server
	t       testing.TB
	store   *store.Store
	account *store.Account
	ln      *sessiontest.Listener
	sharing *testSharing
	panics  *int
	cert    tls.Certificate
}

type testOptions struct {
	sharing  bool // with testSharing, whose accounts exist
	config   func(c *Config)
	listener Listener
	log      slog.Level
	store    store.Options
}

var remote = netip.MustParseAddrPort("10.0.0.1:1234")

// newTestServer serves a fresh account on a listener in memory.
func newTestServer(t testing.TB, o testOptions) *testServer {
	t.Helper()
	level := slog.LevelError
	if o.log != 0 {
		level = o.log
	}
	log := mlog.NewTest(t, level)
	o.store.Log = log
	st, err := store.Open(t.TempDir(), o.store)
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	if err := st.Create(ctx, "mjl", store.InitialMailboxes{}); err != nil {
		t.Fatal(err)
	}
	acc, err := st.Account(ctx, "mjl")
	if err != nil {
		t.Fatal(err)
	}
	ts := &testServer{t: t, store: st, account: acc, panics: new(int), sharing: &testSharing{}}
	ts.cert = sessiontest.Certificate("mox.example")
	cfg := Config{Accounts: st, Auth: testAuth{t}, Log: log, Hostname: "mox.example", Version: "v1", UserAccount: testUserAccount, Hooks: Hooks{Panic: func() { *ts.panics++ }}}
	if o.sharing {
		cfg.Sharing = ts.sharing
		ts.createUsers()
	}
	if o.config != nil {
		o.config(&cfg)
	}
	ts.Server = New(cfg)
	ts.ln = sessiontest.NewListener(netip.MustParseAddrPort("10.0.0.2:143"))
	l := o.listener
	if l.Service == "" {
		l.Service = "imap"
		l.PlaintextAuth = true
	}
	if l.TLS == nil {
		l.TLS = &tls.Config{Certificates: []tls.Certificate{ts.cert}, ClientAuth: tls.RequestClientCert}
	}
	go ts.Serve(ctx, ts.ln, l)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := ts.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		if *ts.panics > 0 {
			t.Errorf("%d panics", *ts.panics)
		}
		problems, err := acc.Check(ctx)
		for _, p := range problems {
			t.Errorf("check: %v", p)
		}
		if err != nil {
			t.Errorf("check: %v", err)
		}
		if o.sharing {
			ts.checkUsers()
		}
		acc.Release()
		if err := st.Close(); err != nil {
			t.Errorf("closing store: %v", err)
		}
	})
	return ts
}

// tcp serves on a loopback port as well, and returns its address: for clients that
// write while the server does, which an in-memory connection has no room for.
func (ts *testServer) tcp(l Listener) string {
	ts.t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		ts.t.Fatal(err)
	}
	go ts.Serve(context.Background(), ln, l)
	return ln.Addr().String()
}

// add adds a message to a mailbox of the test account.
func (ts *testServer) add(mailbox, text string, flags store.Flags, keywords ...string) store.Added {
	ts.t.Helper()
	return ts.addTo(ts.account, mailbox, text, flags, keywords...)
}

// addTo is add for another account.
func (ts *testServer) addTo(a *store.Account, mailbox, text string, flags store.Flags, keywords ...string) store.Added {
	ts.t.Helper()
	sp := ts.store.NewSpool()
	defer sp.Close()
	if _, err := sp.Write([]byte(strings.ReplaceAll(text, "\n", "\r\n"))); err != nil {
		ts.t.Fatal(err)
	}
	if err := sp.Finish(); err != nil {
		ts.t.Fatal(err)
	}
	added, err := a.Deliver(context.Background(), mailbox, store.NewMessage{
		Spool: sp, Flags: flags, Keywords: keywords,
		Received: time.Date(2022, 3, 4, 5, 6, 7, 0, time.UTC), Saved: time.Date(2023, 3, 4, 5, 6, 7, 0, time.UTC),
	})
	if err != nil {
		ts.t.Fatal(err)
	}
	return added
}

// smallMessage is a message for tests.
func smallMessage(i int) string {
	return fmt.Sprintf("From: Fred <fred%d@example.org>\nTo: Joe <joe@mox.example>\nSubject: message %d\nDate: Mon, 7 Feb 1994 21:52:25 -0800 (PST)\nMessage-ID: <m%d@example.org>\n\nHello %d\n", i, i, i, i)
}

// TestSessions plays the transcripts.
func TestSessions(t *testing.T) {
	sessiontest.RunAll(t, "testdata/session/*.txt", func(t *testing.T) sessiontest.Options {
		var ts *testServer
		start := func(o testOptions) { ts = newTestServer(t, o) }
		return sessiontest.Options{
			TLS: &tls.Config{InsecureSkipVerify: true},
			Vars: map[string]string{
				"user":  testUser,
				"login": `LOGIN "` + testUser + `" "te\"st p\\ss"`,
				"pass":  `"te\"st p\\ss"`,
			},
			Dial: func(string) (net.Conn, error) {
				if ts == nil {
					start(testOptions{})
				}
				return ts.ln.Dial(remote)
			},
			Actions: sessionActions(&ts, start),
		}
	})
}

// sessionActions are the "! NAME" steps of the transcripts.
func sessionActions(ts **testServer, start func(testOptions)) map[string]func(testing.TB, string) {
	ready := func() *testServer {
		if *ts == nil {
			start(testOptions{})
		}
		return *ts
	}
	return map[string]func(testing.TB, string){
		// server NAME: starts with other settings.
		"server": func(t testing.TB, args string) { start(serverSettings[args]) },
		// deliver MAILBOX N: adds n small messages.
		"deliver": func(t testing.TB, args string) {
			var box string
			var n int
			fmt.Sscan(args, &box, &n)
			for i := range n {
				ready().add(box, smallMessage(i+1), 0)
			}
		},
		// mail MAILBOX FIELD | FIELD ...: adds a message with header fields.
		"mail": func(t testing.TB, args string) {
			box, fields, _ := strings.Cut(args, " ")
			ready().add(box, strings.ReplaceAll(fields, " | ", "\n")+"\n\nHello\n", 0)
		},
		// mime MAILBOX NAME: adds a message of testMessages.
		"mime": func(t testing.TB, args string) {
			box, name, _ := strings.Cut(args, " ")
			if testMessages[name] == "" {
				t.Fatalf("no test message %q", name)
			}
			ready().add(box, testMessages[name], 0)
		},
		"quota": func(t testing.TB, args string) {
			var l store.Limits
			fmt.Sscan(args, &l.Bytes, &l.Messages, &l.Mailboxes)
			ready().account.SetLimits(l)
		},
		// account NAME: makes the account of one of testUsers.
		"account": func(t testing.TB, name string) {
			if err := ready().store.Create(context.Background(), name, store.InitialMailboxes{}); err != nil {
				t.Fatal(err)
			}
		},
		// comment MAILBOX TEXT: sets /shared/comment.
		"comment": func(t testing.TB, args string) {
			box, text, _ := strings.Cut(args, " ")
			mb, _ := ready().account.MailboxByName(box)
			if err := ready().account.SetMetadata(context.Background(), mb.ID, []store.MetadataEntry{{Name: "/shared/comment", Value: []byte(text)}}); err != nil {
				t.Fatal(err)
			}
		},
		// acl ACCOUNT MAILBOX IDENTIFIER RIGHTS: sets an entry of an access control list.
		"acl": func(t testing.TB, args string) {
			f := strings.Fields(args)
			ready().setACL(f[0], f[1], f[2], strings.Trim(f[3], "-"))
		},
		// allow ACCOUNT: switches sharing off for an account; "" for all.
		"forbid": func(t testing.TB, args string) { ready().sharing.forbid(args); ready().Recheck() },
		"shutdown": func(t testing.TB, _ string) {
			go ready().Shutdown(context.Background())
		},
	}
}

var serverSettings = map[string]testOptions{
	"disabled": {config: func(c *Config) {
		c.Disabled = func(string) []string {
			return []string{"IDLE", "QRESYNC", "CONDSTORE", "NOTIFY", "REPLACE", "IMAP4REV2", "THREAD=REFS", "ESEARCH", "LIST-STATUS"}
		}
	}},
	"disabledmore": {config: func(c *Config) {
		c.Disabled = func(string) []string {
			return []string{"FILTERS", "ANNOTATE-EXPERIMENT-1", "CATENATE", "BINARY", "MULTIAPPEND", "OBJECTID", "PREVIEW", "SAVEDATE", "WITHIN", "SORT=DISPLAY", "SEARCH=FUZZY", "STATUS=SIZE", "THREAD=REFS"}
		}
	}},
	"jmap":         {listener: Listener{Service: "imap", PlaintextAuth: true, JMAP: "https://mox.example/jmap/session"}},
	"tlsonly":      {listener: Listener{Service: "imap"}},
	"nolimits":     {},
	"annotate":     {store: store.Options{Annotations: store.AnnotationLimits{Size: 1024, Message: 10}}},
	"behind":       {config: func(c *Config) { c.Limits.NotifyBehind = 5 }},
	"metadata":     {config: func(c *Config) { c.AdminURI = "mailto:postmaster@mox.example" }, store: store.Options{Metadata: store.MetadataLimits{Entries: 9, Size: 1024}}},
	"messagelimit": {config: func(c *Config) { c.Limits.Messages = 3 }},
	"savelimit":    {config: func(c *Config) { c.Limits.Saves = 3 }},
	"bothlimits":   {config: func(c *Config) { c.Limits.Messages, c.Limits.Saves = 4, 5 }},
	"compressed":   {config: func(c *Config) { c.Limits.Compressed = 1 }},
	"contexts": {config: func(c *Config) {
		c.Limits.Contexts = 2
		c.Limits.ContextResults = 10
	}},
	"sharing": {sharing: true},
	"8bit":    {config: func(c *Config) { c.RefuseEightBitHeaders = true }},
	"small": {config: func(c *Config) {
		c.Limits.AppendSize = 1000
		c.Limits.BadCommands = 3
		c.Limits.AppendMessages = 2
		c.Limits.LoginFailures = 2
	}},
}

var testMessages = map[string]string{
	// RFC 3501 6.4.5 example of part numbers, in small.
	"nested": `From: a@example.org
To: b@example.org
Subject: nested
Date: Mon, 7 Feb 1994 21:52:25 -0800
Message-ID: <n@example.org>
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=x

--x
Content-Type: text/plain

part one
--x
Content-Type: application/octet-stream
Content-Transfer-Encoding: base64

AAECAwQ=
--x
Content-Type: message/rfc822

From: inner@example.org
Subject: inner
Content-Type: multipart/mixed; boundary=y

--y

inner one
--y
Content-Type: text/html
Content-Transfer-Encoding: quoted-printable

<p>inner=20two</p>
--y--
--x--
`,
	"nul":  "From: a@example.org\nContent-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: application/octet-stream\nContent-Transfer-Encoding: base64\n\nAAECAA==\n--x\nContent-Type: application/octet-stream\nContent-Transfer-Encoding: binary\n\na\x00b\n--x\nContent-Transfer-Encoding: rot13\n\nuryyb\n--x\nContent-Type: message/rfc822\n\nSubject: inner\n\ninner\n--x--\n",
	"east": "From: a@example.org\nSubject: east\nDate: Tue, 8 Feb 1994 01:00:00 +1400\n\nx\n",
	"west": "From: a@example.org\nSubject: west\nDate: Mon, 7 Feb 1994 23:30:00 -1100\n\nx\n",
	"unknowncte": `From: a@example.org
Subject: strange
Content-Transfer-Encoding: rot13

uryyb
`,
	"encoded": "From: =?utf-8?q?J=C3=BCrgen?= <j@example.org>\nTo: b@example.org\nSubject: =?iso-8859-1?q?gr=FC=DFe?=\nX-Other: =?utf-8?q?z=C3=BCrich?=\nContent-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable\n\nviele Gr=FC=DFe\n",
}
