package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"maps"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"mox/dns"
	"mox/sasl"
	"mox/smtp"
	"mox/smtpserver"
)

// mailServer is "mailserver [option ...]": it starts a mail server for submission with the
// account user@mail.example, password secret. Its port is in $MAILPORT, and in
// $MAILPORTTLS for TLS from the start; messages go to files sent1.txt and so on. The localpart unknown
// is refused, and the localpart late after the message. Options are notls, and mx for a server
// without authentication.
func mailServer(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("usage: mailserver [notls] [nokeys] [mx]")
	}
	cert, err := selfSigned("mail.example")
	ts.Check(err)
	// Certificates with their key are in a file, for tests that believe it.
	ts.Check(os.WriteFile(ts.MkAbs("cert.pem"), cert.pem, 0o600))
	box := &sentMail{dir: ts.MkAbs(".")}
	c := smtpserver.Config{
		Kind: smtpserver.Submit, Hostname: dns.Domain{ASCII: "mail.example"}, Begin: box.begin, Auth: box, PlainAuth: true, RequireTLSExtension: true, DSN: true,
		TLS: &tls.Config{Certificates: []tls.Certificate{cert.tls}, ClientAuth: tls.RequestClientCert},
	}
	if slices.Contains(args, "notls") {
		c.TLS = nil
	}
	if slices.Contains(args, "nokeys") {
		c.TLS.ClientAuth = tls.NoClientCert
	}
	if slices.Contains(args, "mx") {
		c.Kind, c.Auth = smtpserver.Deliver, nil
	}
	ts.Setenv("MAILPORT", serveMail(ts, c))
	if c.TLS != nil {
		c.ImplicitTLS = true
		ts.Setenv("MAILPORTTLS", serveMail(ts, c))
	}
}

// serveMail runs a server until the end of the script.
func serveMail(ts *testscript.TestScript, c smtpserver.Config) (port string) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	srv := smtpserver.New(c)
	done := make(chan struct{})
	go func() {
		defer close(done)
		srv.Serve(context.Background(), ln)
	}()
	ts.Defer(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		srv.Shutdown(ctx)
		<-done
	})
	_, port, err = net.SplitHostPort(ln.Addr().String())
	ts.Check(err)
	return port
}

type certificate struct {
	tls tls.Certificate
	pem []byte
}

func selfSigned(name string) (certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return certificate{}, err
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{name}, NotAfter: time.Now().Add(time.Hour)}
	if ip := net.ParseIP(name); ip != nil {
		tmpl.DNSNames, tmpl.IPAddresses = nil, []net.IP{ip}
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		return certificate{}, err
	}
	p8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return certificate{}, err
	}
	var b bytes.Buffer
	err = errors.Join(pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.Encode(&b, &pem.Block{Type: "PRIVATE KEY", Bytes: p8}))
	return certificate{tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, b.Bytes()}, err
}

// sentMail keeps messages in files.
type sentMail struct {
	dir string
	mu  sync.Mutex
	n   int // guarded by mu
}

func (s *sentMail) begin(context.Context, smtp.Peer, any) (smtpserver.Transaction, error) {
	return &sentMessage{s: s}, nil
}

type sentMessage struct {
	s     *sentMail
	late  bool
	lines bytes.Buffer
}

func (m *sentMessage) Mail(_ context.Context, from smtp.Path, p smtp.MailParams) error {
	p.HasSize = false
	m.lines.WriteString(smtp.Mail{From: from, Params: p}.String() + "\n")
	return nil
}

func (m *sentMessage) Rcpt(_ context.Context, to smtp.Path, p smtp.RcptParams) error {
	if to.Localpart == "unknown" {
		return smtp.Errorf(550, "5.1.1", "no such address")
	}
	m.late = m.late || to.Localpart == "late"
	m.lines.WriteString(smtp.Rcpt{To: to, Params: p}.String() + "\n")
	return nil
}

func (m *sentMessage) Data(context.Context) (io.Writer, error) { return &m.lines, nil }

func (m *sentMessage) Finish(context.Context) ([]error, error) {
	if m.late {
		return nil, smtp.Errorf(554, "5.6.0", "I do not like it")
	}
	m.s.mu.Lock()
	defer m.s.mu.Unlock()
	m.s.n++
	text := bytes.ReplaceAll(m.lines.Bytes(), []byte("\r\n"), []byte("\n"))
	return nil, os.WriteFile(filepath.Join(m.s.dir, "sent"+string(rune('0'+m.s.n))+".txt"), text, 0o600)
}

func (m *sentMessage) Abort() {}

func (s *sentMail) Begin(context.Context, smtp.Peer) (smtpserver.AuthAttempt, error) {
	return sentAuth{}, nil
}

type sentAuth struct{}

func (sentAuth) Password(_ context.Context, authcid, password string) error {
	if authcid != "user@mail.example" || password != "secret" {
		return sasl.ErrCredentials
	}
	return nil
}

func (sentAuth) SCRAM(_ context.Context, mech, authcid string) (sasl.SCRAMVerifier, error) {
	return sasl.DeriveSCRAM(mech, "secret", []byte("salt"), 4096)
}

func (sentAuth) CRAMMD5(context.Context, string) (sasl.CRAMMD5State, error) {
	return sasl.DeriveCRAMMD5("secret")
}

func (sentAuth) External(context.Context, string) error { return nil }

func (sentAuth) Finish(_ context.Context, mech, authcid, _ string, err error) (any, error) {
	return mech + authcid, err
}

// makeSubmitConf is "mkconf TLS|STARTTLS true port [field value ...]": it writes
// moxsubmit.conf for that server.
func makeSubmitConf(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 || len(args)%2 == 0 {
		ts.Fatalf("usage: mkconf TLS|STARTTLS true port [field value ...]")
	}
	fields := map[string]string{
		"LocalHostname": "web.mail.example", "Host": "127.0.0.1", "Port": args[2], "TLS": "false", "STARTTLS": "false", "TLSInsecureSkipVerify": "true",
		"Username": "user@mail.example", "Password": "secret", "AuthMethod": "", "From": "web@mail.example", "DefaultDestination": "admin@mail.example",
	}
	fields[args[0]] = args[1]
	for i := 3; i < len(args); i += 2 {
		fields[args[i]] = args[i+1]
		if strings.HasPrefix(args[i], "ClientAuth") {
			delete(fields, "Password")
		}
	}
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(fields)) {
		b.WriteString(strings.TrimRight(k+": "+fields[k], " ") + "\n")
	}
	ts.Check(os.WriteFile(ts.MkAbs("moxsubmit.conf"), []byte(b.String()), 0o600))
}

// keptMail is "kept regexp": there is one message in home/moxsubmit.failures, for its owner only,
// that starts with regexp. It is removed.
func keptMail(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: kept regexp")
	}
	files, err := filepath.Glob(ts.MkAbs("home/moxsubmit.failures/newmsg.*"))
	ts.Check(err)
	for _, f := range files {
		b, err := os.ReadFile(f)
		ts.Check(err)
		fi, err := os.Stat(f)
		ts.Check(err)
		if regexp.MustCompile("^"+args[0]).Match(b) && (fi.Mode().Perm() == 0o600 || runtime.GOOS == "windows") {
			ts.Check(os.Remove(f))
			return
		}
		ts.Logf("%s: %q", f, b)
	}
	ts.Fatalf("no such file among %d", len(files))
}
