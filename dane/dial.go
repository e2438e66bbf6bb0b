package dane

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"time"

	"mox/dns"
)

// Dialer connects to servers that DANE vouches for.
type Dialer struct {
	Resolver dns.Resolver
	// Usages are the certificate usages that count; nil: DANE-TA and DANE-EE.
	Usages []dns.TLSAUsage
	// Roots are the authorities for usages PKIX-TA and PKIX-EE; nil: the system's.
	Roots *x509.CertPool
	// Timeout bounds connecting to one address, and the handshake; 0: 30 seconds.
	Timeout time.Duration
	// Dial makes connections, over network "tcp"; nil: a net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Now is the clock for certificates; nil: time.Now.
	Now func() time.Time
}

// Result is what was found on the way to a connection.
type Result struct {
	Addresses dns.Addresses
	Records   Records
	Address   netip.AddrPort // connected to
	Matched   dns.TLSA       // by which the server was accepted
	State     *tls.ConnectionState
}

// DialTLS connects to a port of a host that speaks TLS from the start, and verifies it. An
// *Error says that DANE is why there is no connection, also when the host has no records;
// the Result has what was known until then.
func (d Dialer) DialTLS(ctx context.Context, host dns.Domain, port int) (*tls.Conn, Result, error) {
	var res Result
	var err error
	if res.Addresses, err = dns.GatherIPs(ctx, d.Resolver, host); err != nil {
		return nil, res, err
	}
	if res.Records, err = Lookup(ctx, d.Resolver, host, port, res.Addresses); err != nil {
		return nil, res, err
	}
	if !res.Records.Required() {
		return nil, res, &Error{ReasonDANERequired, "no-tlsa-record", errors.New("no TLSA records with dnssec")}
	}
	v := Verifier{Records: res.Records, Names: res.Records.Names(dns.Domain{}, dns.Exchanges{}, host, res.Addresses), Usages: d.Usages, Roots: d.Roots, Now: d.Now}
	if len(v.usable()) == 0 {
		return nil, res, &Error{ReasonTLSAInvalid, "no-usable-record", errors.New("no usable TLSA record")}
	}
	conn, err := d.connect(ctx, &res, port)
	if err != nil {
		return nil, res, err
	}
	return d.handshake(ctx, conn, v, &res)
}

// connect tries the addresses in turn.
func (d Dialer) connect(ctx context.Context, res *Result, port int) (net.Conn, error) {
	dial := d.Dial
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	var errs []error
	for _, ip := range res.Addresses.IPs {
		addr := net.JoinHostPort(ip.String(), strconv.Itoa(port))
		ctx, cancel := context.WithTimeout(ctx, d.timeout())
		conn, err := dial(ctx, "tcp", addr)
		cancel()
		if err == nil {
			res.Address = netip.AddrPortFrom(ip, uint16(port))
			return conn, nil
		}
		errs = append(errs, fmt.Errorf("connecting to %s: %w", addr, err))
	}
	return nil, errors.Join(errs...)
}

func (d Dialer) timeout() time.Duration { return cmp.Or(d.Timeout, 30*time.Second) }

func (d Dialer) handshake(ctx context.Context, conn net.Conn, v Verifier, res *Result) (*tls.Conn, Result, error) {
	ctx, cancel := context.WithTimeout(ctx, d.timeout())
	defer cancel()
	c := v.TLSConfig()
	c.VerifyConnection = func(cs tls.ConnectionState) (err error) {
		res.State = &cs
		res.Matched, err = v.Verify(cs.PeerCertificates)
		return err
	}
	tc := tls.Client(conn, c)
	if err := tc.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, *res, fmt.Errorf("tls handshake with %s: %w", res.Address, err)
	}
	return tc, *res, nil
}
