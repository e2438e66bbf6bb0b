package dnscheck

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"mox/dane"
	"mox/dns"
	"mox/dnsrecords"
	"mox/smtpclient"
)

// greeting is the outcome of a connection to port 25 of an address of a host, with STARTTLS.
type greeting struct {
	host  dns.Domain
	ip    netip.Addr
	err   error               // of the connection, or of TLS
	verif error               // of the certificate; nil after err
	certs []*x509.Certificate // none after err
}

// greetAll connects to all hosts of MX records.
func (c *checker) greetAll(ctx context.Context) []greeting {
	x, err := c.exchanges()
	if err != nil || x.Implicit || c.d.ReportsOnly {
		return nil
	}
	var l []greeting
	for _, h := range x.Hosts {
		for _, ip := range x.addrs[h.Host].IPs {
			l = append(l, greeting{host: h.Host, ip: ip})
		}
	}
	var wg sync.WaitGroup
	for i := range l {
		wg.Go(func() { c.greet(ctx, &l[i]) })
	}
	wg.Wait()
	return l
}

// greet connects to one address, says EHLO, STARTTLS and QUIT.
func (c *checker) greet(ctx context.Context, g *greeting) {
	ctx, cancel := context.WithTimeout(ctx, c.DialTimeout)
	defer cancel()
	conn, err := c.dial(ctx, netip.AddrPortFrom(g.ip, 25))
	if err != nil {
		g.err = err
		return
	}
	// The certificate is for judging, also when it is not accepted.
	config := &tls.Config{ServerName: g.host.ASCII, InsecureSkipVerify: true, MinVersion: tls.VersionTLS12, VerifyConnection: func(cs tls.ConnectionState) error {
		g.certs = cs.PeerCertificates
		return nil
	}}
	client, err := smtpclient.New(ctx, conn, smtpclient.Options{Hello: c.snap.Hostname.ASCII, TLS: smtpclient.TLSRequired, TLSConfig: config, Limits: smtpclient.Limits{Quit: time.Second}})
	if err != nil {
		g.err, g.certs = err, nil
		return
	}
	client.Close()
	g.verif = verify(g.certs, g.host, c.Roots)
}

// verify checks that a certificate is for a name and of an authority; nil roots: those of the
// system.
func verify(certs []*x509.Certificate, host dns.Domain, roots *x509.CertPool) error {
	intermediates := x509.NewCertPool()
	for _, cert := range certs[1:] {
		intermediates.AddCert(cert)
	}
	_, err := certs[0].Verify(x509.VerifyOptions{DNSName: host.ASCII, Roots: roots, Intermediates: intermediates})
	return err
}

// tls checks that mail to the domain can come by TLS.
func (c *checker) tls(ctx context.Context, s *Section) {
	for _, g := range c.greetings() {
		at := fmt.Sprintf("%s (%s)", g.host, g.ip)
		switch {
		case errors.Is(g.err, smtpclient.ErrNoSTARTTLS):
			s.fail("Give the listener with SMTP a certificate (TLS in mox.conf), and do not set NoSTARTTLS", "%s does not offer STARTTLS: mail to it is readable on its way", at)
		case isTLS(g.err):
			s.fail("Look into the log of the server for the cause, and at the certificate of the listener in mox.conf", "TLS with %s fails: %s", at, reason(g.err))
		case g.err != nil:
			s.fail("Check that the server runs, and that firewalls let port 25 through. A machine behind address translation may not reach its own public address: then check from elsewhere", "no SMTP with %s at port 25: %s", at, reason(g.err))
		case g.verif != nil:
			s.fail("Use a certificate of a known authority, for this name: with ACME in TLS of the listener, or in KeyCerts", "the certificate of %s does not verify: %v", at, g.verif)
		}
	}
}

func isTLS(err error) bool {
	var e *smtpclient.Error
	return errors.As(err, &e) && e.TLS
}

// dane checks what DANE says of the host.
func (c *checker) dane(ctx context.Context, s *Section) {
	x, err := c.exchanges()
	if err != nil {
		return // told in section MX
	}
	h := c.snap.Hostname
	want := dnsrecords.TLSARecords(c.snap)
	if !x.Authentic {
		s.warn("Turn on DNSSEC for the zone of the domain", "MX records are not signed with DNSSEC, so other servers do not look for DANE records")
	}
	if len(want) == 0 {
		s.warn("Make keys with \"mox config ensureacmehostprivatekeys\", and put them into HostPrivateKeyFiles of the listener", "no host keys are configured, so DANE records would be wrong with each new certificate")
	}
	name := "_25._tcp." + h.ASCII
	have, res, err := c.Resolver.LookupTLSA(ctx, name)
	switch {
	case dns.IsNotFound(err):
		if res.Authentic && len(want) > 0 {
			s.fail(c.publish(name, "TLSA"), "%s has no TLSA records", name)
		}
		return
	case err != nil:
		s.fail("Have the name servers of the zone answer also for names that do not exist. While the lookup fails, servers that use DANE do not deliver", "TLSA records of %s cannot be looked up: %s", name, reason(err))
		return
	case !res.Authentic:
		s.fail("Turn on DNSSEC for the zone of the host, or remove the TLSA records. If the zone is signed, see section DNSSEC about the resolver", "%s has TLSA records, but they are not signed with DNSSEC, and so do nothing", name)
		return
	}
	c.compareTLSA(s, name, have, want)
	c.matchTLSA(s, have)
}

// compareTLSA compares records with those of the configured keys.
func (c *checker) compareTLSA(s *Section, name string, have, want []dns.TLSA) {
	text := func(l []dns.TLSA) []string {
		var texts []string
		for _, r := range l {
			texts = append(texts, r.Record())
		}
		return texts
	}
	haveText, wantText := text(have), text(want)
	for _, r := range wantText {
		if !slices.Contains(haveText, r) {
			s.fail(c.publish(name, "TLSA"), "%s lacks TLSA record %s", name, r)
		}
	}
	for _, r := range haveText {
		if !slices.Contains(wantText, r) {
			s.fail("Remove TLSA records that are of no host key, unless they are for a key that comes into use soon", "%s has TLSA record %s, which is of no host key", name, r)
		}
	}
}

// matchTLSA checks that the certificates in use are those that the records are about.
func (c *checker) matchTLSA(s *Section, have []dns.TLSA) {
	v := dane.Verifier{Records: dane.Records{All: have, Base: c.snap.Hostname}}
	for _, g := range c.greetings() {
		if g.host != c.snap.Hostname || len(g.certs) == 0 {
			continue
		}
		if _, err := v.Verify(g.certs); err != nil {
			s.fail("Have the server use a certificate of its host keys: with ACME, restart it after a change of HostPrivateKeyFiles", "no TLSA record is about the certificate that %s has in use: servers that use DANE do not deliver (%s)", g.ip, strings.TrimPrefix(err.Error(), "dane: "))
		}
	}
}
