package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"mox/lineio"
	"mox/smtpclient"
)

func smtpCommands() []command {
	return []command{
		{words: "smtp dial", args: "host[:port]", prints: printsText, short: "speak SMTP with a server by hand, after EHLO and STARTTLS", min: 1, max: 1, setup: setupSMTPDial, help: smtpDialHelp},
	}
}

const smtpDialHelp = `
Connects to port 25 unless another is given, says EHLO, begins TLS if the server offers
STARTTLS (with port 465 from the start), says EHLO again, and prints all of it, with what
TLS has agreed on and whether the certificate is to be believed. Then lines of standard input
go to the server, and what it says is printed; at the end of the input it says QUIT. The
certificate need not be valid unless -tlsverify is given.`

// Bounds of smtp dial.
const (
	smtpDialTime = 30 * time.Second // to connect
	smtpDialEnd  = 10 * time.Second // for the last replies, after the end of the input
)

// smtpDial is what "smtp dial" was asked for.
type smtpDial struct {
	ehlo, remote     string
	forceTLS, noTLS  bool
	verify           bool
	certs            string
	suites, curves   string
	noDynamic        bool
	noTickets        bool
	renegotiation    string
	minimum, maximum string
}

func setupSMTPDial(fs *flag.FlagSet) runFunc {
	var d smtpDial
	fs.StringVar(&d.ehlo, "ehlohostname", "", "`name` to say in EHLO (default the name of this machine)")
	fs.BoolVar(&d.forceTLS, "forcetls", false, "fail without TLS")
	fs.BoolVar(&d.noTLS, "notls", false, "do not use TLS")
	fs.StringVar(&d.remote, "remotehostname", "", "`name` that the certificate must be for (default the host)")
	fs.BoolVar(&d.verify, "tlsverify", false, "fail if the certificate is not valid")
	fs.StringVar(&d.certs, "tlscerts", "", "PEM `file` with certificate authorities to believe, instead of the system's")
	fs.StringVar(&d.suites, "tlsciphersuites", "", "comma-separated `names` of cipher suites to allow up to TLS 1.2")
	fs.StringVar(&d.curves, "tlscurves", "", "comma-separated `names` of key exchanges to allow, as in X25519MLKEM768,X25519,P256")
	fs.BoolVar(&d.noDynamic, "tlsnodynamicrecordsizing", false, "always send TLS records of full size")
	fs.BoolVar(&d.noTickets, "tlsnosessiontickets", false, "do not ask for session tickets")
	fs.StringVar(&d.renegotiation, "tlsrenegotiation", "never", "allow the server to renegotiate: `never|once|always`")
	fs.StringVar(&d.minimum, "tlsversionmin", "", "lowest `version` of TLS: 1.0, 1.1, 1.2 or 1.3")
	fs.StringVar(&d.maximum, "tlsversionmax", "", "highest `version` of TLS")
	return func(ctx context.Context, p *program, args []string) error { return d.run(ctx, p, args[0]) }
}

func (d *smtpDial) run(ctx context.Context, p *program, target string) error {
	if d.forceTLS && d.noTLS {
		return usagef("-forcetls and -notls exclude each other")
	}
	host, port := splitHostPort(target, "25")
	cfg, err := d.tlsConfig(p, host)
	if err != nil {
		return usageError{err.Error()}
	}
	if d.ehlo == "" {
		if d.ehlo, err = os.Hostname(); err != nil {
			d.ehlo = "localhost"
		}
	}
	dialer := net.Dialer{Timeout: smtpDialTime}
	nc, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(host, port))
	if err != nil {
		return err
	}
	fmt.Fprintf(p.stderr, "connected to %s\n", nc.RemoteAddr())
	c, err := smtpclient.New(ctx, nc, smtpclient.Options{Hello: d.ehlo, TLS: d.mode(port), TLSConfig: cfg, Trace: p.printSession})
	if err != nil {
		return err
	}
	p.printServer(c)
	return p.converse(c.Hijack())
}

// splitHostPort adds the default port to what has none: a name, or an IP address with
// or without brackets.
func splitHostPort(target, port string) (string, string) {
	if h, p, err := net.SplitHostPort(target); err == nil {
		return h, p
	}
	return strings.Trim(target, "[]"), port
}

func (d *smtpDial) mode(port string) smtpclient.TLSMode {
	switch {
	case d.noTLS:
		return smtpclient.TLSNone
	case port == "465":
		return smtpclient.TLSImmediate
	case d.forceTLS:
		return smtpclient.TLSRequired
	}
	return smtpclient.TLSOpportunistic
}

// tlsConfig makes a configuration of the flags. Its errors are those of the user.
func (d *smtpDial) tlsConfig(p *program, host string) (*tls.Config, error) {
	if d.remote != "" {
		host = d.remote
	}
	cfg := &tls.Config{ServerName: host, DynamicRecordSizingDisabled: d.noDynamic, SessionTicketsDisabled: d.noTickets, InsecureSkipVerify: true}
	if d.certs != "" {
		b, err := os.ReadFile(d.certs)
		if err != nil {
			return nil, err
		}
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(b) {
			return nil, fmt.Errorf("%s: no certificates in PEM", d.certs)
		}
	}
	// The handshake only fails if it has to, but what is wrong is always said.
	cfg.VerifyConnection = func(cs tls.ConnectionState) error {
		err := verifyCertificates(cs, host, cfg.RootCAs)
		p.printCertificates(cs, host, err)
		if d.verify {
			return err
		}
		return nil
	}
	var ok bool
	if cfg.Renegotiation, ok = map[string]tls.RenegotiationSupport{"never": tls.RenegotiateNever, "once": tls.RenegotiateOnceAsClient, "always": tls.RenegotiateFreelyAsClient}[d.renegotiation]; !ok {
		return nil, fmt.Errorf("-tlsrenegotiation must be never, once or always")
	}
	var errs [4]error
	cfg.MinVersion, errs[0] = parseTLSVersion(d.minimum)
	cfg.MaxVersion, errs[1] = parseTLSVersion(d.maximum)
	cfg.CipherSuites, errs[2] = parseSuites(d.suites)
	cfg.CurvePreferences, errs[3] = parseCurves(d.curves)
	return cfg, errors.Join(errs[:]...)
}

func verifyCertificates(cs tls.ConnectionState, name string, roots *x509.CertPool) error {
	o := x509.VerifyOptions{DNSName: name, Roots: roots, Intermediates: x509.NewCertPool()}
	for _, c := range cs.PeerCertificates[1:] {
		o.Intermediates.AddCert(c)
	}
	_, err := cs.PeerCertificates[0].Verify(o)
	return err
}

// parseTLSVersion parses "1.2", "tls1.2" and the like; 0 for nothing.
func parseTLSVersion(s string) (uint16, error) {
	if s == "" {
		return 0, nil
	}
	digits := strings.TrimLeft(strings.ToLower(s), "tlsv ")
	for _, v := range []uint16{tls.VersionTLS10, tls.VersionTLS11, tls.VersionTLS12, tls.VersionTLS13} {
		if tls.VersionName(v) == "TLS "+digits {
			return v, nil
		}
	}
	return 0, fmt.Errorf("unknown TLS version %q: there are 1.0, 1.1, 1.2 and 1.3", s)
}

func parseSuites(s string) (l []uint16, err error) {
	if s == "" {
		return nil, nil
	}
	known := slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites())
	for name := range strings.SplitSeq(s, ",") {
		i := slices.IndexFunc(known, func(c *tls.CipherSuite) bool { return strings.EqualFold(c.Name, strings.TrimSpace(name)) })
		if i < 0 {
			return nil, fmt.Errorf("unknown cipher suite %q", name)
		}
		l = append(l, known[i].ID)
	}
	return l, nil
}

func parseCurves(s string) (l []tls.CurveID, err error) {
	if s == "" {
		return nil, nil
	}
	known := []tls.CurveID{tls.X25519MLKEM768, tls.X25519, tls.CurveP256, tls.CurveP384, tls.CurveP521}
	for name := range strings.SplitSeq(s, ",") {
		name = strings.TrimPrefix(strings.ToLower(strings.TrimSpace(name)), "curve")
		i := slices.IndexFunc(known, func(c tls.CurveID) bool { return strings.TrimPrefix(strings.ToLower(c.String()), "curve") == name })
		if i < 0 {
			return nil, fmt.Errorf("unknown key exchange %q", name)
		}
		l = append(l, known[i])
	}
	return l, nil
}

// printSession prints what is said before the user has the word.
func (p *program) printSession(in bool, _ slog.Level, data []byte) {
	who := "C: "
	if in {
		who = "S: "
	}
	for line := range strings.Lines(string(data)) {
		fmt.Fprintf(p.stderr, "%s%s\n", who, clean(line))
	}
}

// clean keeps what a server says from changing the terminal.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' || r >= 0x7f && r < 0xa0 {
			return '?'
		}
		return r
	}, strings.TrimRight(s, "\r\n"))
}

func (p *program) printCertificates(cs tls.ConnectionState, name string, err error) {
	for i, c := range cs.PeerCertificates {
		fmt.Fprintf(p.stderr, "tls: certificate %d: subject %q, issuer %q, names %s, from %s to %s\n", i+1, clean(c.Subject.String()), clean(c.Issuer.String()),
			clean(strings.Join(c.DNSNames, " ")), c.NotBefore.UTC().Format(time.DateOnly), c.NotAfter.UTC().Format(time.DateOnly))
	}
	if err != nil {
		fmt.Fprintf(p.stderr, "tls: certificate is not valid for %s: %v\n", name, err)
		return
	}
	fmt.Fprintf(p.stderr, "tls: certificate is valid for %s\n", name)
}

// printServer sums up what the server can do.
func (p *program) printServer(c *smtpclient.Client) {
	e := c.Extensions()
	if cs := c.TLS(); cs != nil {
		fmt.Fprintf(p.stderr, "tls: %s, %s, key exchange %s\n", tls.VersionName(cs.Version), tls.CipherSuiteName(cs.CipherSuite), cs.CurveID)
	}
	switch {
	case c.TLS() == nil && e.StartTLS:
		fmt.Fprintln(p.stderr, "no tls, which the server offers")
	case c.TLS() == nil:
		fmt.Fprintln(p.stderr, "no tls")
	}
	if !e.ESMTP {
		fmt.Fprintln(p.stderr, "no extensions: the server knows HELO only")
	}
	fmt.Fprintln(p.stderr, "connected; lines of input go to the server")
}

// converse lets the user speak with the server, until one of them ends.
func (p *program) converse(conn *lineio.Conn) error {
	defer conn.Close()
	done := make(chan error, 1)
	go func() {
		_, err := io.Copy(p.stdout, io.Reader(conn))
		done <- err
	}()
	input := make(chan error, 1)
	go func() { input <- p.passInput(conn) }()
	var err error
	select {
	case err = <-done:
	case err = <-input:
		if err == nil {
			select {
			case err = <-done:
			case <-time.After(smtpDialEnd):
				err = errors.New("server does not end the connection")
			}
		}
	}
	if errors.Is(err, net.ErrClosed) || errors.Is(err, io.EOF) {
		err = nil
	}
	return err
}

// passInput sends lines of standard input, and QUIT at its end.
func (p *program) passInput(conn *lineio.Conn) error {
	scan := bufio.NewScanner(p.stdin)
	scan.Buffer(nil, 1<<20)
	quit := false
	// One write for each line: reading goes on in another goroutine, over the same buffers
	// of TLS, but not those of conn.
	nc := conn.NetConn()
	for scan.Scan() {
		line := strings.TrimSuffix(scan.Text(), "\r")
		quit = strings.EqualFold(strings.TrimSpace(line), "QUIT")
		if _, err := nc.Write([]byte(line + "\r\n")); err != nil {
			return err
		}
	}
	if err := scan.Err(); err != nil {
		return fmt.Errorf("reading input: %w", err)
	}
	if !quit {
		if _, err := nc.Write([]byte("QUIT\r\n")); err != nil {
			return err
		}
	}
	return nil
}
