package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"time"

	"mox/dns"
	"mox/mlog"
	"mox/quickstart"
	"mox/setup"
)

func setupCommands() []command {
	return []command{
		{words: "setup", prints: printsDone, short: "make a new installation by pages in a browser", max: 0, setup: setupSetup, help: setupHelp},
	}
}

const setupHelp = `
Prints a link. Behind it "mox quickstart" is done by pages in a browser: they ask for the
address, look at the machine, let correct what was found, write the installation, show the passwords
once, and the DNS records with a check for each.

The link works once, in one browser, for half an hour. The pages are on a loopback address: from
another machine they are reached through the ssh tunnel that is printed with the link. With -listen
they are on another address, with TLS; the browser will warn of the certificate, which was made for the
occasion: compare its fingerprint with the one that is printed.`

// setupPort is where the pages are when it is free.
const setupPort = 8025

func setupSetup(fs *flag.FlagSet) runFunc {
	var o quickstart.Options
	quickstartFlags(fs, &o)
	listen := fs.String("listen", "", "`address[:port]` to serve the pages on; default 127.0.0.1")
	addr := resolverFlag(fs)
	return func(ctx context.Context, p *program, _ []string) error {
		if err := p.quickstartOptions(&o, *addr); err != nil {
			return err
		}
		at, err := parseListen(*listen)
		if err != nil {
			return usageError{err.Error()}
		}
		ctx, cancel := interruptible(ctx)
		defer cancel()
		fresh := o.Resolver
		if p.machine == nil {
			if fresh, err = forgetful(*addr); err != nil {
				return err
			}
		}
		return p.serveSetup(ctx, o, at, fresh)
	}
}

// forgetful makes a resolver that keeps no answers, for records that were just added.
func forgetful(addr string) (dns.Resolver, error) {
	o := dns.Options{MaxTTL: time.Nanosecond, MaxNegativeTTL: time.Nanosecond, FailureTTL: time.Nanosecond}
	if addr == "" {
		return dns.System(o)
	}
	o.Servers, o.TrustServers = []string{addr}, true
	return dns.NewClient(o)
}

// parseListen parses an address with or without port. Without it is port 0.
func parseListen(s string) (netip.AddrPort, error) {
	if s == "" {
		return netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), 0), nil
	}
	if ip, err := netip.ParseAddr(s); err == nil {
		return netip.AddrPortFrom(ip, 0), nil
	}
	at, err := netip.ParseAddrPort(s)
	if err != nil {
		return at, fmt.Errorf("-listen: need an IP address, with or without port, not %.50q", s)
	}
	return at, nil
}

// serveSetup serves the pages until the person has finished, or time is over.
func (p *program) serveSetup(ctx context.Context, o quickstart.Options, at netip.AddrPort, fresh dns.Resolver) error {
	ln, err := listenSetup(at)
	if err != nil {
		return err
	}
	defer ln.Close()
	secure := !at.Addr().IsLoopback()
	logger := mlog.New("setup", slog.New(mlog.NewHandler(p.stderr, mlog.Options{Levels: mlog.NewLevels(mlog.LevelInfo, nil)})))
	s := setup.New(setup.Config{Options: o, Fresh: fresh, Secure: secure, Log: logger})
	defer s.Close()
	fingerprint := ""
	if secure {
		conf, print, err := occasionalTLS(at.Addr(), time.Now())
		if err != nil {
			return err
		}
		ln, fingerprint = tls.NewListener(ln, conf), print
	}
	p.printSetup(ln.Addr(), s.Path(), fingerprint)
	server := &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: time.Minute, MaxHeaderBytes: 32 << 10, ErrorLog: log.New(io.Discard, "", 0)}
	served := make(chan error, 1)
	go func() { served <- server.Serve(ln) }()
	end := time.NewTimer(setup.Lifetime)
	defer end.Stop()
	var result error
	select {
	case <-s.Done():
		fmt.Fprintln(p.stdout, "Finished.")
	case <-end.C:
		result = errors.New("half an hour is over: start it again for another link")
	case <-ctx.Done():
		result = errors.New("interrupted")
	case err := <-served:
		return err
	}
	// The last page may still be on its way.
	wait, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	server.Shutdown(wait)
	server.Close()
	<-served
	return result
}

// listenSetup listens on the usual port, or another that is free.
func listenSetup(at netip.AddrPort) (net.Listener, error) {
	if at.Port() != 0 {
		return net.Listen("tcp", at.String())
	}
	if ln, err := net.Listen("tcp", netip.AddrPortFrom(at.Addr(), setupPort).String()); err == nil {
		return ln, nil
	}
	return net.Listen("tcp", at.String())
}

func (p *program) printSetup(addr net.Addr, path, fingerprint string) {
	_, port, _ := net.SplitHostPort(addr.String())
	if fingerprint != "" {
		fmt.Fprintf(p.stdout, "Open this link. It works once, for half an hour:\n\n    https://%s%s\n\nThe browser warns of the certificate. Its SHA-256 fingerprint must be\n\n    %s\n\n", addr, path, fingerprint)
		return
	}
	fmt.Fprintf(p.stdout, "Open this link in a browser on this machine. It works once, for half an hour:\n\n    http://localhost:%s%s\n\nFrom another machine, first make a tunnel there:\n\n    ssh -L %s:localhost:%s root@ADDRESS-OF-THIS-MACHINE\n\n", port, path, port, port)
}

// occasionalTLS makes a certificate that lasts for a day, and tells its fingerprint.
func occasionalTLS(ip netip.Addr, now time.Time) (*tls.Config, string, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, "", err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, "", err
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "mox setup"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true,
	}
	if !ip.IsUnspecified() {
		template.IPAddresses = []net.IP{ip.AsSlice()}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, "", err
	}
	conf := &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS12}
	return conf, fmt.Sprintf("% X", sha256.Sum256(der)), nil
}
