package outbound

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"time"

	"mox/config"
	"mox/dns"
	"mox/smtpclient"
)

// dialNet is the network.
func dialNet(ctx context.Context, source netip.Addr, network, address string) (net.Conn, error) {
	var d net.Dialer
	if source.IsValid() {
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(source, 0))
	}
	return d.DialContext(ctx, network, address)
}

// source returns the address to connect from: that of the SMTP listeners if it is the only
// one of its kind, so that it is the one that SPF and reverse DNS are about. Invalid: any.
func source(s *config.Snapshot, to netip.Addr) netip.Addr {
	var found netip.Addr
	for _, l := range s.Listeners {
		if !l.SMTP.Enabled {
			continue
		}
		for _, ip := range l.IPs {
			switch ip = ip.Unmap(); {
			case ip.IsUnspecified():
				return netip.Addr{}
			case ip.Is4() != to.Is4() || ip == found:
			case found.IsValid():
				return netip.Addr{}
			default:
				found = ip
			}
		}
	}
	if found.IsLoopback() && !to.IsLoopback() {
		return netip.Addr{} // it leads nowhere else
	}
	return found
}

// dial connects to an address of a host, perhaps through a proxy.
func (o *Outbound) dial(ctx context.Context, t *transaction, h *hop, ip netip.Addr) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, o.c.Limits.Dial)
	defer cancel()
	network, address := "tcp4", net.JoinHostPort(ip.String(), strconv.Itoa(h.port))
	if ip.Is6() {
		network = "tcp6"
	}
	var conn net.Conn
	var err error
	if s := t.b.route.transport.Socks; s != nil {
		conn, err = o.dialSocks(ctx, s, address)
	} else {
		conn, err = o.c.Dial(ctx, source(t.snapshot, ip), network, address)
	}
	count(o.c.Metrics.Connection, result(err))
	return conn, err
}

// connect makes a session with a host that is as the decision wants it. The failure is
// about the host.
func (o *Outbound) connect(ctx context.Context, t *transaction, h *hop, ip netip.Addr) (*session, *failure) {
	s, err := o.connectOnce(ctx, t, h, ip, h.decision.Mode)
	var e *smtpclient.Error
	if h.decision.Plaintext && errors.As(err, &e) && e.TLS && ctx.Err() == nil {
		// RFC 7435: encryption when it works. Nothing was verified, so nothing is lost to
		// somebody in between that was not before.
		o.log.InfoContext(ctx, "TLS failed, again without", "host", h.name, "ip", ip.String(), "err", err)
		call(o.c.Metrics.PlaintextFallback)
		if t.wish == tlsOptional && (h.facts.STS == stsEnforce || h.facts.DANE != daneNone) {
			count(o.c.Metrics.TLSRequiredNoIgnored, "badtls")
		}
		s, err = o.connectOnce(ctx, t, h, ip, smtpclient.TLSNone)
	}
	if errors.Is(err, errTokenOld) && ctx.Err() == nil {
		s, err = o.connectOnce(ctx, t, h, ip, h.decision.Mode)
	}
	if err != nil {
		return nil, o.connectFailure(t, h, ip, err)
	}
	if h.decision.Extension && !s.client.Extensions().RequireTLS {
		count(o.c.Metrics.RequireTLSUnsupported, "norequiretls")
		s.client.Close()
		f := local(554, "5.7.30", "%s does not support REQUIRETLS, which the message asks for", h.name).ours()
		f.host, f.ip = h.name, ip.String()
		return nil, f
	}
	return s, nil
}

// connectFailure explains why there is no session.
func (o *Outbound) connectFailure(t *transaction, h *hop, ip netip.Addr, err error) *failure {
	f := fromError(err, h.name, ip.String())
	var e *smtpclient.Error
	switch {
	case !errors.As(err, &e):
		f = local(451, "4.4.1", "cannot connect to %s (%s): %s", h.name, ip, dialReason(err)).because(err)
		f.host, f.ip, f.unreachable = h.name, ip.String(), true
	case e.TLS:
		// Another message may not need it.
		f.unreachable, f.throttle = false, false
	}
	switch {
	case e == nil:
	case e.TLS && t.wish == tlsRequired:
		// RFC 8689 4.2.1.
		f.permanent, f.code, f.enhanced, f.own = true, 554, "5.7.10", true
		f.text = "no TLS as the message requires it: " + f.text
	case e.TLS:
		f.permanent, f.code, f.text = false, 451, "no TLS as policy requires it: "+f.text
		f.enhanced = "4" + f.enhanced[1:]
	case h.smart != nil && e.Verb == "AUTH":
		// A wrong password is for the administrator to mend; mail waits.
		// The sender reads this, and has given no password: it is not what a server said.
		f.permanent, f.own, f.diagnostic, f.code, f.enhanced = false, true, false, 454, "4.7.8"
		f.text = fmt.Sprintf("this mail server cannot log in to %s, by which it sends; its administrator has to mend that: %s", h.name, f.text)
		o.log.Error("logging in for transport", "transport", t.b.route.name, "host", h.name, "err", err)
	case h.smart != nil:
		f.own = true
	}
	return f
}

// dialReason is what the sender reads of a connection that could not be made: "connection
// refused" rather than the addresses and the name of the system call around it.
func dialReason(err error) string {
	op, direct := err.(*net.OpError)
	if !direct {
		return err.Error() // as of a proxy, which is named
	}
	if op.Timeout() {
		return "no answer in time"
	}
	var call *os.SyscallError
	if errors.As(op.Err, &call) {
		return call.Err.Error()
	}
	return op.Err.Error()
}

// connectOnce makes a session with TLS in one mode, and counts it for reports.
func (o *Outbound) connectOnce(ctx context.Context, t *transaction, h *hop, ip netip.Addr, mode smtpclient.TLSMode) (*session, error) {
	conn, err := o.dial(ctx, t, h, ip)
	if err != nil {
		return nil, err
	}
	var w witness
	var token string
	opts := smtpclient.Options{Hello: hello(t), TLS: mode, Limits: o.c.Client, Log: o.c.Log, Command: o.c.Metrics.Command}
	if mode != smtpclient.TLSNone {
		opts.TLSConfig = o.tlsConfig(t, h, &w)
	}
	if h.smart != nil {
		o.authenticate(ctx, t, h.smart, &opts, &token)
		// A server that serves us by contract is quicker.
		orElse(&opts.Limits.Greeting, time.Minute)
		orElse(&opts.Limits.Command, time.Minute)
	}
	out := tlsOutcome{local: addrIP(conn.LocalAddr()), remote: ip.String()}
	client, err := smtpclient.New(ctx, conn, opts)
	if err != nil && token != "" {
		err = o.tokenRefused(t, token, err)
	}
	if mode != smtpclient.TLSNone && ctx.Err() == nil {
		o.sawTLS(ctx, t, h, client, err, w, out)
	}
	if err != nil {
		return nil, err
	}
	now := o.c.Now()
	s := &session{
		client: client, key: sessionKey(t), host: h.name, ip: ip.String(), made: now,
		secure: client.TLS() != nil && h.decision.verified(), tlsMode: h.decision.modeLabel(h.facts, client.TLS() != nil),
	}
	return s, nil
}

// sawTLS notes how TLS went. What failed before it came to TLS is no session for reports.
func (o *Outbound) sawTLS(ctx context.Context, t *transaction, h *hop, c *smtpclient.Client, err error, w witness, out tlsOutcome) {
	var e *smtpclient.Error
	switch {
	case err == nil:
		out.started = c.TLS() != nil
		out.lost = o.learnHost(ctx, h, c.Extensions(), out.started)
	case errors.As(err, &e) && e.TLS:
		out.err = err
		if errors.Is(err, smtpclient.ErrNoSTARTTLS) {
			out.lost = o.learnHost(ctx, h, smtpclient.Extensions{}, false)
		}
	default:
		return
	}
	if w.dane != nil && t.wish == tlsOptional {
		call(o.c.Metrics.DANEIgnored)
	}
	if w.pkix != nil && t.wish == tlsOptional && h.facts.STS == stsEnforce {
		count(o.c.Metrics.TLSRequiredNoIgnored, "badtls")
	}
	out.w = w
	o.reportTLS(ctx, t, h, out)
}

// hello is what we call ourselves.
func hello(t *transaction) string {
	if s := t.b.route.transport.Socks; s != nil {
		if d, err := dns.ParseDomain(s.RemoteHostname); err == nil {
			return d.ASCII
		}
	}
	return t.snapshot.Hostname.ASCII
}

func addrIP(a net.Addr) string {
	if a == nil {
		return ""
	}
	if p, err := netip.ParseAddrPort(a.String()); err == nil {
		return p.Addr().Unmap().String()
	}
	return ""
}
