package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"mox/dane"
	"mox/dns"
	"mox/smtpclient"
)

func daneCommands() []command {
	return []command{
		{words: "dane dial", args: "host:port", short: "connect to a TLS server and verify its certificate with DANE", min: 1, max: 1, setup: setupDANEDial, help: daneDialHelp},
		{words: "dane dialmx", args: "domain [host]", short: "connect to the mail servers of a domain and verify their certificates with DANE", min: 1, max: 2, setup: setupDANEDialMX, help: daneDialMXHelp},
		{words: "dane makerecord", args: "usage selector matchtype [pemfile]", prints: printsText, short: "make the TLSA record of a certificate or key", min: 3, max: 4, run: runDANEMakeRecord, help: daneMakeRecordHelp},
	}
}

const daneDialHelp = `
The server must speak TLS from the start. Prints its TLSA records (RFC 6698), which of them can
be used, and the one by which the certificate was accepted. Exits with 1 if there is none, or
if DNS does not vouch for it with DNSSEC: the resolver must have validated the answers, and
be trusted to do so, see "mox help dns lookup". With -json, an object: Host, Alias, Addresses, DNSSEC,
TLSADomain, TLSA, ConnectedTo, TLS, Cipher, Certificates, VerifiedBy and Problem.`

const daneDialMXHelp = `
Looks up where mail for the domain goes, connects to each of the hosts, or to the one given, at
port 25, and verifies the certificate that it has after STARTTLS as is done for deliveries
(RFC 7672). Sends no mail. Prints what is found at each step, and why DANE does not apply to a
host. Exits with 1 unless DANE vouches for all of the hosts. With -json, a line for each host, as for
"mox dane dial".`

const daneMakeRecordHelp = `
Prints the four fields of the record: usage, selector, matching type and data. The first three are
given by name or number:

	usage     pkix-ta (0), pkix-ee (1), dane-ta (2), dane-ee (3)
	selector  cert (0), spki (1)
	matchtype full (0), sha2-256 (1), sha2-512 (2)

For mail servers, "dane-ee spki sha2-256" is right: it is about the key, and stays right when the
certificate is renewed with the same key. The certificate is read from the file, or else
from standard input; with selector spki it can be a public or private key instead.`

// daneTimeout bounds the work for one host.
const daneTimeout = 2 * time.Minute

func setupDANEDial(fs *flag.FlagSet) runFunc {
	usages := fs.String("usages", "pkix-ta,pkix-ee,dane-ta,dane-ee", "certificate `usages` that count, with commas between")
	return diagnostic(func(ctx context.Context, p *program, args []string) error {
		d := dane.Dialer{Resolver: p.resolver(), Dial: p.connect, Roots: p.roots}
		for s := range strings.SplitSeq(*usages, ",") {
			u, err := dane.ParseUsage(strings.TrimSpace(s))
			if err != nil {
				return usageError{err.Error()}
			}
			d.Usages = append(d.Usages, u)
		}
		return runDANEDial(ctx, p, d, args[0])
	})(fs)
}

func runDANEDial(ctx context.Context, p *program, d dane.Dialer, address string) error {
	name, portText, err := net.SplitHostPort(address)
	if err != nil {
		return usageError{err.Error()}
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil || port == 0 {
		return usagef("bad port %q", portText)
	}
	host, err := parseHost(name)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, daneTimeout)
	defer cancel()
	conn, res, err := d.DialTLS(ctx, host, int(port))
	if p.json {
		a := daneAnswer{Host: host.ASCII, Problem: errorText(err)}
		a.addresses(host, res.Addresses)
		a.records(res.Records, int(port), d.Usages)
		a.connection(res.Address, res.State)
		if err == nil {
			conn.Close()
			a.VerifiedBy = res.Matched.String()
		}
		return p.found(a, err)
	}
	printDANEAddresses(p.stdout, host, res.Addresses)
	printDANERecords(p.stdout, res.Records, int(port), d.Usages)
	if err == nil {
		defer conn.Close()
	}
	printDANEConnection(p.stdout, res.Address, res.State)
	if err != nil {
		return err
	}
	fmt.Fprintln(p.stdout, "verified by:", res.Matched)
	return nil
}

// daneAnswer is what was found of a host.
type daneAnswer struct {
	Host         string
	Alias        string           `json:",omitempty"` // the name that it stands for
	Addresses    []string         `json:",omitempty"`
	DNSSEC       bool             // of the addresses
	TLSADomain   string           `json:",omitempty"`
	TLSA         []tlsaAnswer     `json:",omitempty"`
	ConnectedTo  string           `json:",omitempty"`
	TLS, Cipher  string           `json:",omitempty"`
	Certificates []certificateOne `json:",omitempty"`
	VerifiedBy   string           `json:",omitempty"` // a record
	Problem      string           `json:",omitempty"` // why DANE does not vouch for it
}

// tlsaAnswer is a record, and why it does not count.
type tlsaAnswer struct {
	Record  string
	Problem string `json:",omitempty"`
}

type certificateOne struct {
	Subject, Issuer string
	NotAfter        time.Time
}

func (d *daneAnswer) addresses(host dns.Domain, a dns.Addresses) {
	d.DNSSEC = a.Authentic
	if !a.Host.IsZero() && a.Host != host {
		d.Alias = a.Host.ASCII
	}
	d.Addresses = texts(a.IPs)
}

func (d *daneAnswer) records(r dane.Records, port int, usages []dns.TLSAUsage) {
	if !r.Required() {
		return
	}
	d.TLSADomain = fmt.Sprintf("_%d._tcp.%s", port, r.Base.ASCII)
	usable := r.UsableFor(usages...)
	for _, t := range r.All {
		d.TLSA = append(d.TLSA, tlsaAnswer{t.String(), strings.Trim(whyUnusable(t, usable, usages), " ()")})
	}
}

func (d *daneAnswer) connection(addr netip.AddrPort, cs *tls.ConnectionState) {
	if addr.IsValid() {
		d.ConnectedTo = addr.String()
	}
	if cs == nil {
		return
	}
	d.TLS, d.Cipher = tls.VersionName(cs.Version), tls.CipherSuiteName(cs.CipherSuite)
	for _, c := range cs.PeerCertificates[:min(len(cs.PeerCertificates), maxShownCertificates)] {
		d.Certificates = append(d.Certificates, certificateOne{c.Subject.String(), c.Issuer.String(), c.NotAfter.UTC()})
	}
}

// maxShownCertificates is how many of a chain are printed.
const maxShownCertificates = 16

// parseHost parses the name of a host as a person gives it.
func parseHost(s string) (dns.Domain, error) {
	d, err := dns.ParseDomainLax(strings.TrimSuffix(s, "."))
	if err != nil {
		return dns.Domain{}, usageError{fmt.Sprintf("name %q: %v", s, err)}
	}
	if d.Numeric() {
		return dns.Domain{}, usagef("%q is an address, DANE needs a name", s)
	}
	return d, nil
}

func printDANEAddresses(w io.Writer, host dns.Domain, a dns.Addresses) {
	if a.Host.IsZero() {
		return // they could not be looked up
	}
	if a.Host != host {
		fmt.Fprintf(w, "alias: %s is %s\n", host, a.Host)
	}
	for _, ip := range a.IPs {
		fmt.Fprintln(w, "address:", ip)
	}
	status := dnssecStatus(dns.Result{Authentic: a.Authentic})
	if !a.Authentic && a.AliasAuthentic {
		status += ", but the alias is with dnssec"
	}
	fmt.Fprintln(w, "addresses:", status)
}

func printDANERecords(w io.Writer, r dane.Records, port int, usages []dns.TLSAUsage) {
	if !r.Required() {
		return
	}
	fmt.Fprintf(w, "tlsa records of: _%d._tcp.%s\n", port, r.Base.ASCII)
	usable := r.UsableFor(usages...)
	for _, t := range r.All {
		fmt.Fprintf(w, "tlsa record: %s%s\n", t, whyUnusable(t, usable, usages))
	}
}

// whyUnusable tells why a record does not count, and nothing of one that does.
func whyUnusable(t dns.TLSA, usable []dns.TLSA, usages []dns.TLSAUsage) string {
	for _, u := range usable {
		if u.Record() == t.Record() {
			return ""
		}
	}
	if err := dane.Problem(t); err != nil {
		return fmt.Sprintf(" (not usable: %v)", err)
	}
	for _, u := range usages {
		if u == t.Usage {
			return " (not used: there is a stronger digest)"
		}
	}
	return " (not usable: certificate usage does not count)"
}

func printDANEConnection(w io.Writer, addr netip.AddrPort, cs *tls.ConnectionState) {
	if addr.IsValid() {
		fmt.Fprintln(w, "connected to:", addr)
	}
	if cs == nil {
		return
	}
	fmt.Fprintf(w, "tls: %s, %s\n", tls.VersionName(cs.Version), tls.CipherSuiteName(cs.CipherSuite))
	for _, c := range cs.PeerCertificates[:min(len(cs.PeerCertificates), maxShownCertificates)] {
		fmt.Fprintf(w, "certificate: %s, by %s, until %s\n", terminalText(c.Subject.String()), terminalText(c.Issuer.String()), c.NotAfter.UTC().Format(time.DateOnly))
	}
}

func setupDANEDialMX(fs *flag.FlagSet) runFunc {
	hello := fs.String("ehlohostname", "localhost", "`name` to give in EHLO")
	return diagnostic(func(ctx context.Context, p *program, args []string) error {
		return runDANEDialMX(ctx, p, *hello, args)
	})(fs)
}

func runDANEDialMX(ctx context.Context, p *program, hello string, args []string) error {
	domain, err := parseHost(args[0])
	if err != nil {
		return err
	}
	helloName, err := parseHost(hello)
	if err != nil {
		return err
	}
	x, err := dns.GatherMX(ctx, p.resolver(), domain)
	out := p.stdout
	if p.json {
		out = io.Discard
	}
	printExchanges(out, domain, x)
	if err != nil {
		return err
	}
	hosts := x.Hosts
	if len(args) == 2 {
		host, err := parseHost(args[1])
		if err != nil {
			return err
		}
		hosts = onlyHost(hosts, host)
		if len(hosts) == 0 {
			return fmt.Errorf("%s is not a mail host of %s", host, domain)
		}
	}
	if !x.Authentic {
		// RFC 7672 2.2.1.
		return errors.New("dane does not apply: where mail goes is without dnssec")
	}
	ok := true
	for _, h := range hosts {
		fmt.Fprintf(out, "\nhost: %s\n", h.Host)
		m := mxDialer{p: p, domain: domain, x: x, hello: helloName.ASCII, out: out, found: &daneAnswer{Host: h.Host.ASCII}}
		err := m.dial(ctx, h.Host)
		if err != nil {
			ok = false
			fmt.Fprintln(out, "failed:", terminalText(err.Error()))
		}
		if p.json {
			m.found.Problem = errorText(err)
			if err := printJSONLine(p.stdout, m.found); err != nil {
				return err
			}
		}
	}
	return failUnless(ok)
}

func onlyHost(l []dns.MXHost, host dns.Domain) []dns.MXHost {
	for _, h := range l {
		if h.Host == host {
			return []dns.MXHost{h}
		}
	}
	return nil
}

func printExchanges(w io.Writer, domain dns.Domain, x dns.Exchanges) {
	if x.Domain.IsZero() {
		return // they could not be looked up
	}
	if x.Domain != domain {
		fmt.Fprintf(w, "alias: %s is %s\n", domain, x.Domain)
	}
	for _, h := range x.Hosts {
		if x.Implicit {
			fmt.Fprintf(w, "no mx records, mail goes to: %s\n", h.Host)
		} else {
			fmt.Fprintf(w, "mx: %d %s\n", h.Preference, h.Host)
		}
	}
	for _, s := range x.Invalid {
		fmt.Fprintf(w, "mx, not usable: %q\n", s)
	}
	fmt.Fprintln(w, "mx records:", dnssecStatus(dns.Result{Authentic: x.Authentic}))
}

// mxDialer connects to hosts of a domain.
type mxDialer struct {
	p      *program
	domain dns.Domain
	x      dns.Exchanges
	hello  string
	out    io.Writer   // for people
	found  *daneAnswer // of the host
}

// dial connects to a host, with what is found printed. An error is why DANE does not vouch
// for it.
func (m mxDialer) dial(ctx context.Context, host dns.Domain) error {
	const port = 25
	ctx, cancel := context.WithTimeout(ctx, daneTimeout)
	defer cancel()
	addrs, err := dns.GatherIPs(ctx, m.p.resolver(), host)
	printDANEAddresses(m.out, host, addrs)
	m.found.addresses(host, addrs)
	if err != nil {
		return err
	}
	records, err := dane.Lookup(ctx, m.p.resolver(), host, port, addrs)
	if err != nil {
		return err
	}
	usages := []dns.TLSAUsage{dns.DANETA, dns.DANEEE}
	printDANERecords(m.out, records, port, usages)
	m.found.records(records, port, usages)
	if !records.Required() {
		return errors.New("no tlsa records with dnssec")
	}
	v := dane.Verifier{Records: records, Names: records.Names(m.domain, m.x, host, addrs)}
	return m.starttls(ctx, addrs.IPs, v)
}

// starttls connects to one of the addresses and verifies the certificate there.
func (m mxDialer) starttls(ctx context.Context, ips []netip.Addr, v dane.Verifier) error {
	conn, addr, err := m.connect(ctx, ips)
	if err != nil {
		return err
	}
	// The certificates are to be printed also when they are not accepted.
	var state *tls.ConnectionState
	config := v.TLSConfig()
	config.VerifyConnection = func(cs tls.ConnectionState) error {
		state = &cs
		return nil
	}
	c, err := smtpclient.New(ctx, conn, smtpclient.Options{Hello: m.hello, TLS: smtpclient.TLSRequired, TLSConfig: config})
	printDANEConnection(m.out, addr, state)
	m.found.connection(addr, state)
	if err != nil {
		return err
	}
	defer c.Close()
	t, err := v.Verify(state.PeerCertificates)
	if err != nil {
		return err
	}
	fmt.Fprintln(m.out, "verified by:", t)
	m.found.VerifiedBy = t.String()
	return nil
}

func (m mxDialer) connect(ctx context.Context, ips []netip.Addr) (net.Conn, netip.AddrPort, error) {
	dial := m.p.connect
	if dial == nil {
		dial = (&net.Dialer{Timeout: 30 * time.Second}).DialContext
	}
	var errs []error
	for _, ip := range ips {
		addr := netip.AddrPortFrom(ip, 25)
		conn, err := dial(ctx, "tcp", addr.String())
		if err == nil {
			return conn, addr, nil
		}
		errs = append(errs, fmt.Errorf("connecting to %s: %w", addr, err))
	}
	return nil, netip.AddrPort{}, errors.Join(errs...)
}

func runDANEMakeRecord(ctx context.Context, p *program, args []string) error {
	usage, err := dane.ParseUsage(args[0])
	if err != nil {
		return usageError{err.Error()}
	}
	selector, err := dane.ParseSelector(args[1])
	if err != nil {
		return usageError{err.Error()}
	}
	match, err := dane.ParseMatchType(args[2])
	if err != nil {
		return usageError{err.Error()}
	}
	in := p.stdin
	if len(args) == 4 {
		f, err := os.Open(args[3])
		if err != nil {
			return err
		}
		defer f.Close()
		in = f
	}
	const most = 1 << 20
	text, err := io.ReadAll(io.LimitReader(in, most))
	if err != nil {
		return fmt.Errorf("reading certificate or key: %w", err)
	}
	r, err := recordOfPEM(usage, selector, match, text)
	if err != nil {
		return err
	}
	fmt.Fprintln(p.stdout, r.Record())
	return nil
}

// recordOfPEM makes the record for the first certificate or key.
func recordOfPEM(usage dns.TLSAUsage, selector dns.TLSASelector, match dns.TLSAMatchType, text []byte) (dns.TLSA, error) {
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return dns.TLSA{}, errors.New("no certificate or key in PEM format")
		}
		if block.Type == "CERTIFICATE" {
			cert, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				return dns.TLSA{}, fmt.Errorf("parsing certificate: %w", err)
			}
			return dane.MakeRecord(usage, selector, match, cert)
		}
		key, err := parseKey(block)
		if err != nil {
			return dns.TLSA{}, err
		}
		if key == nil {
			continue // such as the parameters of a key
		}
		if selector != dns.SelectorSPKI {
			return dns.TLSA{}, errors.New("a key has no record with selector cert, only with spki")
		}
		return dane.MakeKeyRecord(usage, match, key)
	}
}

// parseKey parses a private or public key; nil for what is none.
func parseKey(b *pem.Block) (key any, err error) {
	switch b.Type {
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(b.Bytes)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(b.Bytes)
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(b.Bytes)
	case "PUBLIC KEY":
		key, err = x509.ParsePKIXPublicKey(b.Bytes)
	case "RSA PUBLIC KEY":
		key, err = x509.ParsePKCS1PublicKey(b.Bytes)
	default:
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("parsing key: %w", err)
	}
	switch key.(type) {
	case *rsa.PrivateKey, *rsa.PublicKey, *ecdsa.PrivateKey, *ecdsa.PublicKey, ed25519.PrivateKey, ed25519.PublicKey:
		return key, nil
	}
	return nil, fmt.Errorf("key of type %T is not for signatures", key)
}
