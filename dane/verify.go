package dane

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"mox/dns"
)

// maxChain bounds the certificates of a server that are looked at. Chains have three or
// four; each can cost a verification of a signature for each record.
const maxChain = 16

// Verifier verifies the certificates of a server.
type Verifier struct {
	Records Records
	// Names are what the certificate must have one of, for all usages but DANE-EE, see
	// [Records.Names]; empty: the base domain of the records.
	Names []dns.Domain
	// Usages are those that count; nil: those for SMTP, DANE-TA and DANE-EE.
	Usages []dns.TLSAUsage
	// Roots are the authorities for usages PKIX-TA and PKIX-EE; nil: the system's.
	Roots *x509.CertPool
	// Now is the clock; nil: time.Now.
	Now func() time.Time
}

// Verify checks the certificates of a connection and returns the record that is about
// one of them, see [Verifier.Verify].
func (r Records) Verify(now time.Time, cs tls.ConnectionState, names []dns.Domain, roots *x509.CertPool) (dns.TLSA, error) {
	v := Verifier{Records: r, Names: names, Roots: roots, Now: func() time.Time { return now }}
	return v.Verify(cs.PeerCertificates)
}

// usable returns the records that count.
func (v Verifier) usable() []dns.TLSA {
	if v.Usages == nil {
		return v.Records.Usable()
	}
	return v.Records.UsableFor(v.Usages...)
}

func (v Verifier) names() []dns.Domain {
	if len(v.Names) == 0 {
		return []dns.Domain{v.Records.Base}
	}
	return v.Names
}

func (v Verifier) now() time.Time {
	if v.Now == nil {
		return time.Now()
	}
	return v.Now()
}

// Verify returns the record by which the certificates, the server's own first, are
// accepted. An error is an *Error; that no record is usable is one too.
func (v Verifier) Verify(certs []*x509.Certificate) (dns.TLSA, error) {
	usable := v.usable()
	if len(usable) == 0 {
		return dns.TLSA{}, &Error{ReasonTLSAInvalid, "no-usable-record", errors.New("no usable TLSA record")}
	}
	if len(certs) == 0 {
		return dns.TLSA{}, &Error{ReasonValidationFailure, "no-certificate", errors.New("server sent no certificate")}
	}
	certs = certs[:min(len(certs), maxChain)]
	// The server's own certificate is the quickest to compare, and needs nothing else.
	slices.SortStableFunc(usable, func(a, b dns.TLSA) int { return int(b.Usage) - int(a.Usage) })
	var worst *Error
	for _, t := range usable {
		err := v.check(t, certs)
		if err == nil {
			return t, nil
		}
		// What came nearest to success tells the most.
		if worst == nil || nearness[err.Reason] > nearness[worst.Reason] {
			worst = err
		}
	}
	return dns.TLSA{}, worst
}

var nearness = map[Reason]int{ReasonNotTrusted: 1, ReasonExpired: 2, ReasonHostMismatch: 3}

// check checks certificates against one usable record.
func (v Verifier) check(t dns.TLSA, certs []*x509.Certificate) *Error {
	switch t.Usage {
	case dns.DANEEE:
		// RFC 7671 5.1: neither names nor times of the certificate count, the record alone says
		// that it is the server's.
		if matches(t, certs[0]) {
			return nil
		}
		return &Error{ReasonNotTrusted, "dane-ee-mismatch", errors.New("certificate is not the one of TLSA record " + t.String())}
	case dns.DANETA:
		return v.checkAnchor(t, certs)
	case dns.PKIXEE:
		if !matches(t, certs[0]) {
			return &Error{ReasonNotTrusted, "pkix-ee-mismatch", errors.New("certificate is not the one of TLSA record " + t.String())}
		}
		_, err := v.chains(certs, v.Roots, certs[1:])
		return orNames(err, v, certs[0])
	case dns.PKIXTA:
		chains, err := v.chains(certs, v.Roots, certs[1:])
		above := func(chain []*x509.Certificate) bool {
			return slices.ContainsFunc(chain[1:], func(c *x509.Certificate) bool { return matches(t, c) })
		}
		if err == nil && !slices.ContainsFunc(chains, above) {
			err = &Error{ReasonNotTrusted, "pkix-ta-mismatch", errors.New("no authority of the certificate is that of TLSA record " + t.String())}
		}
		return orNames(err, v, certs[0])
	}
	return &Error{ReasonTLSAInvalid, "", fmt.Errorf("certificate usage %d", t.Usage)}
}

// orNames checks the names when there is no error yet.
func orNames(err *Error, v Verifier, leaf *x509.Certificate) *Error {
	if err != nil {
		return err
	}
	return v.checkNames(leaf)
}

// checkAnchor checks that the certificate has been issued by the authority of a record,
// with others in between.
func (v Verifier) checkAnchor(t dns.TLSA, certs []*x509.Certificate) *Error {
	anchors, signed := v.anchors(t, certs)
	if signed {
		// There is nothing above the server's own certificate but the key.
		if err := v.checkTimes(certs[0]); err != nil {
			return err
		}
		return v.checkNames(certs[0])
	}
	if len(anchors) == 0 {
		return &Error{ReasonNotTrusted, "dane-ta-mismatch", errors.New("no authority of the certificate is that of TLSA record " + t.String())}
	}
	pool := x509.NewCertPool()
	for _, c := range anchors {
		pool.AddCert(c)
	}
	_, err := v.chains(certs, pool, certs[1:])
	return orNames(err, v, certs[0])
}

// anchors returns the certificates that a record makes trusted. signed tells that it is
// the server's own, because the key of the record has signed it.
//
// The server's own certificate is taken for an authority of itself, as RFC 6698 2.1.1 can
// be read, with names and times checked. OpenSSL does not: it wants DANE-EE for that.
func (v Verifier) anchors(t dns.TLSA, certs []*x509.Certificate) (l []*x509.Certificate, signed bool) {
	for _, c := range certs {
		if matches(t, c) {
			l = append(l, c)
		}
	}
	if t.MatchType != dns.MatchFull || len(l) > 0 {
		return l, false
	}
	// RFC 7671 5.2.2, 5.2.3: what the record has in full, the server need not send.
	if t.Selector == dns.SelectorCert {
		c, err := x509.ParseCertificate(t.Data)
		if err != nil {
			return nil, false
		}
		return []*x509.Certificate{c}, false
	}
	key, err := x509.ParsePKIXPublicKey(t.Data)
	if err != nil {
		return nil, false
	}
	authority := &x509.Certificate{PublicKey: key, PublicKeyAlgorithm: keyAlgorithm(key)}
	for i, c := range certs {
		if c.CheckSignatureFrom(authority) != nil {
			continue
		}
		if i == 0 {
			return nil, true
		}
		// It takes the place of a root, whose constraints nobody else checks.
		if c.BasicConstraintsValid && c.IsCA {
			l = append(l, c)
		}
	}
	return l, false
}

func keyAlgorithm(key any) x509.PublicKeyAlgorithm {
	switch key.(type) {
	case *rsa.PublicKey:
		return x509.RSA
	case *ecdsa.PublicKey:
		return x509.ECDSA
	case ed25519.PublicKey:
		return x509.Ed25519
	}
	return x509.UnknownPublicKeyAlgorithm
}

// chains builds chains from the server's certificate to the roots, without regard to
// names.
func (v Verifier) chains(certs []*x509.Certificate, roots *x509.CertPool, others []*x509.Certificate) ([][]*x509.Certificate, *Error) {
	between := x509.NewCertPool()
	for _, c := range others {
		between.AddCert(c)
	}
	chains, err := certs[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, CurrentTime: v.now()})
	if err == nil {
		return chains, nil
	}
	// Of a chain that cannot be built, the error does not tell that this is why.
	if slices.ContainsFunc(certs, func(c *x509.Certificate) bool { return v.checkTimes(c) != nil }) {
		return nil, &Error{ReasonExpired, "", err}
	}
	return nil, &Error{ReasonNotTrusted, "", err}
}

func (v Verifier) checkTimes(c *x509.Certificate) *Error {
	now := v.now()
	if now.Before(c.NotBefore) || now.After(c.NotAfter) {
		return &Error{ReasonExpired, "", x509.CertificateInvalidError{Cert: c, Reason: x509.Expired}}
	}
	return nil
}

// checkNames checks that the certificate is for one of the names.
func (v Verifier) checkNames(c *x509.Certificate) *Error {
	var names []string
	for _, d := range v.names() {
		if d.IsZero() {
			continue
		}
		if c.VerifyHostname(d.ASCII) == nil || commonNameMatches(c, d) {
			return nil
		}
		names = append(names, d.ASCII)
	}
	return &Error{ReasonHostMismatch, "", fmt.Errorf("certificate is for %q, not for one of %q", certNames(c), names)}
}

// certNames are the names in a certificate, for people.
func certNames(c *x509.Certificate) []string {
	if len(c.DNSNames) == 0 && c.Subject.CommonName != "" {
		return []string{c.Subject.CommonName}
	}
	return c.DNSNames[:min(len(c.DNSNames), 10)]
}

// commonNameMatches compares the name of a certificate that has it in its subject.
//
// RFC 7672 3.2.2, RFC 6125 6.4.4: as a last resort, when there are no names of the kinds
// that have replaced it.
func commonNameMatches(c *x509.Certificate, d dns.Domain) bool {
	if len(c.DNSNames)+len(c.IPAddresses)+len(c.EmailAddresses)+len(c.URIs) > 0 {
		return false
	}
	name := strings.ToLower(strings.TrimSuffix(c.Subject.CommonName, "."))
	if rest, wild := strings.CutPrefix(name, "*."); wild {
		label, above, _ := strings.Cut(d.ASCII, ".")
		return label != "" && strings.Contains(rest, ".") && above == rest
	}
	return name == d.ASCII
}

// matches tells whether a record is about a certificate (RFC 6698 2.1).
func matches(t dns.TLSA, c *x509.Certificate) bool {
	data := c.Raw
	if t.Selector == dns.SelectorSPKI {
		data = c.RawSubjectPublicKeyInfo
	}
	data, ok := digest(t.MatchType, data)
	return ok && bytes.Equal(data, t.Data)
}

func digest(m dns.TLSAMatchType, data []byte) ([]byte, bool) {
	switch m {
	case dns.MatchFull:
		return data, true
	case dns.MatchSHA256:
		sum := sha256.Sum256(data)
		return sum[:], true
	case dns.MatchSHA512:
		sum := sha512.Sum512(data)
		return sum[:], true
	}
	return nil, false
}

// TLSConfig returns a configuration for a client that accepts the server by its records.
// When none of them is usable, any certificate is accepted: TLS is still needed, and it is
// for the caller to insist on that, also for Records without any.
func (v Verifier) TLSConfig() *tls.Config {
	c := &tls.Config{
		InsecureSkipVerify: true, // all verification is in VerifyConnection
		// RFC 7672 8.1: the server is told the base domain of the records.
		ServerName: v.Records.Base.ASCII,
		Time:       v.Now,
	}
	if len(v.usable()) > 0 {
		c.VerifyConnection = func(cs tls.ConnectionState) error {
			_, err := v.Verify(cs.PeerCertificates)
			return err
		}
	}
	return c
}

// TLSConfig returns a configuration for SMTP, see [Verifier.TLSConfig].
func TLSConfig(r Records, names []dns.Domain) *tls.Config {
	return Verifier{Records: r, Names: names}.TLSConfig()
}
