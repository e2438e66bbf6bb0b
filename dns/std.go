package dns

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// StdResolver is a Resolver that asks the system's resolver through package net. Its
// answers are never authentic, and it cannot look up TLSA. For where there is no
// resolv.conf: [Client] is better in all other ways. The zero value is ready to use.
type StdResolver struct {
	// Resolver is used when not nil, net.DefaultResolver otherwise.
	Resolver *net.Resolver
	// Timeout bounds each lookup; 0: 30 seconds.
	Timeout time.Duration
}

var _ Resolver = StdResolver{}

func (r StdResolver) begin(ctx context.Context) (*net.Resolver, context.Context, context.CancelFunc) {
	timeout := r.Timeout
	if timeout == 0 {
		timeout = 30 * time.Second
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	if r.Resolver != nil {
		return r.Resolver, ctx, cancel
	}
	return net.DefaultResolver, ctx, cancel
}

func stdError(typ, name string, err error) error {
	if err == nil {
		return nil
	}
	e := &Error{Name: name, Type: typ, Err: err}
	var de *net.DNSError
	if errors.As(err, &de) {
		e.NotFound, e.Timeout = de.IsNotFound, de.IsTimeout
	}
	return e
}

func absolute(name string) string { return strings.TrimSuffix(name, ".") + "." }

func relative(name string) string {
	if name == "." {
		return name
	}
	return strings.TrimSuffix(name, ".")
}

// LookupAddr implements [Resolver].
func (r StdResolver) LookupAddr(ctx context.Context, ip netip.Addr) ([]string, Result, error) {
	res, ctx, cancel := r.begin(ctx)
	defer cancel()
	names, err := res.LookupAddr(ctx, ip.Unmap().WithZone("").String())
	if err != nil {
		return nil, Result{}, stdError("ptr", ip.String(), err)
	}
	for i, n := range names {
		names[i] = relative(n)
	}
	return names, Result{}, nil
}

// LookupIP implements [Resolver].
func (r StdResolver) LookupIP(ctx context.Context, network, host string) ([]netip.Addr, Result, error) {
	res, ctx, cancel := r.begin(ctx)
	defer cancel()
	ips, err := res.LookupNetIP(ctx, network, absolute(host))
	if err != nil {
		return nil, Result{}, stdError(network, host, err)
	}
	for i, ip := range ips {
		ips[i] = ip.Unmap()
	}
	return ips, Result{}, nil
}

// LookupTXT implements [Resolver].
func (r StdResolver) LookupTXT(ctx context.Context, name string) ([]string, Result, error) {
	res, ctx, cancel := r.begin(ctx)
	defer cancel()
	txts, err := res.LookupTXT(ctx, absolute(name))
	return txts, Result{}, stdError("txt", name, err)
}

// LookupMX implements [Resolver].
func (r StdResolver) LookupMX(ctx context.Context, name string) ([]MX, Result, error) {
	res, ctx, cancel := r.begin(ctx)
	defer cancel()
	mxs, err := res.LookupMX(ctx, absolute(name))
	if err != nil && len(mxs) == 0 {
		return nil, Result{}, stdError("mx", name, err)
	}
	// An error beside records is about others that were not valid names.
	l := make([]MX, len(mxs))
	for i, mx := range mxs {
		l[i] = MX{mx.Pref, relative(mx.Host)}
	}
	slices.SortStableFunc(l, func(a, b MX) int { return int(a.Preference) - int(b.Preference) })
	return l, Result{}, nil
}

// LookupNS implements [Resolver].
func (r StdResolver) LookupNS(ctx context.Context, name string) ([]string, Result, error) {
	res, ctx, cancel := r.begin(ctx)
	defer cancel()
	nss, err := res.LookupNS(ctx, absolute(name))
	if err != nil && len(nss) == 0 {
		return nil, Result{}, stdError("ns", name, err)
	}
	l := make([]string, len(nss))
	for i, ns := range nss {
		l[i] = relative(ns.Host)
	}
	return l, Result{}, nil
}

// LookupSRV implements [Resolver].
func (r StdResolver) LookupSRV(ctx context.Context, name string) ([]SRV, Result, error) {
	res, ctx, cancel := r.begin(ctx)
	defer cancel()
	_, srvs, err := res.LookupSRV(ctx, "", "", absolute(name))
	if err != nil && len(srvs) == 0 {
		return nil, Result{}, stdError("srv", name, err)
	}
	l := make([]SRV, len(srvs))
	for i, s := range srvs {
		l[i] = SRV{s.Priority, s.Weight, s.Port, relative(s.Target)}
	}
	return l, Result{}, nil
}

// LookupTLSA implements [Resolver]: it fails.
func (r StdResolver) LookupTLSA(_ context.Context, name string) ([]TLSA, Result, error) {
	return nil, Result{}, stdError("tlsa", name, errors.ErrUnsupported)
}

// LookupCNAME implements [Resolver].
func (r StdResolver) LookupCNAME(ctx context.Context, name string) (string, Result, error) {
	res, ctx, cancel := r.begin(ctx)
	defer cancel()
	s, err := res.LookupCNAME(ctx, absolute(name))
	return relative(s), Result{}, stdError("cname", name, err)
}
