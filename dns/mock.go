package dns

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// MockResolver is a Resolver that answers from its fields, for tests; [MockZone] makes
// one from zone files. Names are in lower case without final dot. As in DNS, a name
// exists when one below it does, and the records of "*.example.org" are those of names
// below example.org that do not exist otherwise. It must not change once in use.
type MockResolver struct {
	PTR   map[string][]string // by address
	A     map[string][]string
	AAAA  map[string][]string
	TXT   map[string][]string
	MX    map[string][]MX
	NS    map[string][]string
	SRV   map[string][]SRV
	TLSA  map[string][]TLSA
	CNAME map[string]string

	// Script, if not nil, is called first in each lookup of one type. An error that it
	// returns is the outcome: the cause of an *Error unless it is one. For failures that
	// come and go, and to count lookups. Safe for concurrent use.
	Script func(ctx context.Context, typ, name string) error

	// Fail has lookups that fail, by "type name" with type in lower case, as in
	// "mx example.org"; lookups by "ip" are one of "a" and one of "aaaa". A nil error
	// is a server failure.
	Fail map[string]error
	// Delay has lookups, in the same form, that take a while.
	Delay map[string]time.Duration

	// AllAuthentic makes every answer authentic, except those in Inauthentic.
	// Without it only those in Authentic are. Both are of the form "type name".
	AllAuthentic bool
	Authentic    []string
	Inauthentic  []string
}

var _ Resolver = MockResolver{}

// LookupNS implements [Resolver].
func (r MockResolver) LookupNS(ctx context.Context, name string) ([]string, Result, error) {
	return mockLookup(ctx, r, "ns", name, r.NS)
}

// LookupSRV implements [Resolver].
func (r MockResolver) LookupSRV(ctx context.Context, name string) ([]SRV, Result, error) {
	return mockLookup(ctx, r, "srv", name, r.SRV)
}

// LookupTLSA implements [Resolver].
func (r MockResolver) LookupTLSA(ctx context.Context, name string) ([]TLSA, Result, error) {
	return mockLookup(ctx, r, "tlsa", name, r.TLSA)
}

// ask does what is common to all lookups: delay, failure, and whether the answer is
// authentic.
func (r MockResolver) ask(ctx context.Context, typ, name string) (Result, error) {
	key := typ + " " + name
	if d := r.Delay[key]; d > 0 {
		select {
		case <-time.After(d):
		case <-ctx.Done():
		}
	}
	if err := ctx.Err(); err != nil {
		return Result{}, &Error{Name: name, Type: typ, Timeout: err == context.DeadlineExceeded, Err: err}
	}
	if r.Script != nil {
		if err := r.Script(ctx, typ, name); err != nil {
			if e := (*Error)(nil); errors.As(err, &e) {
				return Result{}, err
			}
			return Result{}, &Error{Name: name, Type: typ, Err: err}
		}
	}
	if err, ok := r.Fail[key]; ok {
		return Result{}, &Error{Name: name, Type: typ, Err: err}
	}
	auth := slices.Contains(r.Authentic, key)
	if r.AllAuthentic {
		auth = !slices.Contains(r.Inauthentic, key)
	}
	return Result{Authentic: auth}, nil
}

// exists tells whether the name or one below it has records.
func (r MockResolver) exists(name string) bool {
	return under(r.A, name) || under(r.AAAA, name) || under(r.TXT, name) || under(r.MX, name) ||
		under(r.NS, name) || under(r.SRV, name) || under(r.TLSA, name) || under(r.CNAME, name)
}

func under[T any](table map[string]T, name string) bool {
	if _, ok := table[name]; ok {
		return true
	}
	for n := range table {
		if len(n) > len(name) && strings.HasSuffix(n, name) && n[len(n)-len(name)-1] == '.' {
			return true
		}
	}
	return false
}

// source returns the name whose records are those of name: itself or a wildcard (RFC
// 4592 3.3.1).
func (r MockResolver) source(name string) string {
	if r.exists(name) {
		return name
	}
	for above := name; above != ""; {
		_, above, _ = strings.Cut(above, ".")
		if r.exists("*." + above) {
			return "*." + above
		}
		if r.exists(above) {
			break
		}
	}
	return name
}

func (r MockResolver) none(typ, name string) error {
	return &Error{Name: name, Type: typ, NotFound: true, NXDomain: !r.exists(r.source(name))}
}

// follow goes along aliases to the name that has records.
func (r MockResolver) follow(ctx context.Context, name string) (string, Result, error) {
	name = canonical(name)
	res := Result{Authentic: true}
	for i := range 16 {
		next, ok := r.CNAME[r.source(name)]
		if !ok {
			if i > 0 {
				res.Name = name
			}
			return name, res, nil
		}
		one, err := r.ask(ctx, "cname", name)
		if err != nil {
			return "", res, err
		}
		if i == 0 {
			res.AliasAuthentic = one.Authentic
		}
		res.Authentic = res.Authentic && one.Authentic
		name = next
	}
	return "", Result{}, &Error{Name: name, Type: "cname", Err: fmt.Errorf("too many aliases")}
}

func mockLookup[T any](ctx context.Context, r MockResolver, typ, name string, table map[string][]T) ([]T, Result, error) {
	name, chain, err := r.follow(ctx, name)
	if err != nil {
		return nil, Result{}, err
	}
	res, err := r.ask(ctx, typ, name)
	res.Authentic = res.Authentic && chain.Authentic
	res.Name = chain.Name
	if err != nil {
		return nil, res, err
	}
	l := table[r.source(name)]
	if len(l) == 0 {
		return nil, res, r.none(typ, name)
	}
	return slices.Clone(l), res, nil
}

// LookupAddr implements [Resolver].
func (r MockResolver) LookupAddr(ctx context.Context, ip netip.Addr) ([]string, Result, error) {
	name := ip.Unmap().WithZone("").String()
	res, err := r.ask(ctx, "ptr", name)
	if err != nil {
		return nil, res, err
	}
	l := r.PTR[name]
	if len(l) == 0 {
		return nil, res, &Error{Name: name, Type: "ptr", NotFound: true, NXDomain: true}
	}
	return slices.Clone(l), res, nil
}

// LookupIP implements [Resolver].
func (r MockResolver) LookupIP(ctx context.Context, network, host string) ([]netip.Addr, Result, error) {
	var all []netip.Addr
	res := Result{Authentic: true}
	var firstErr error
	for _, q := range []struct {
		network, typ string
		table        map[string][]string
	}{{"ip4", "a", r.A}, {"ip6", "aaaa", r.AAAA}} {
		if network != "ip" && network != q.network {
			continue
		}
		l, one, err := mockLookup(ctx, r, q.typ, host, q.table)
		res.Authentic = res.Authentic && one.Authentic
		res.Name = one.Name
		if err != nil && (firstErr == nil || !IsNotFound(err)) {
			firstErr = err
		}
		for _, s := range l {
			ip, err := netip.ParseAddr(s)
			if err != nil {
				return nil, Result{}, &Error{Name: host, Type: q.typ, Err: err}
			}
			all = append(all, ip)
		}
	}
	if len(all) == 0 {
		return nil, res, firstErr
	}
	return all, res, nil
}

// LookupTXT implements [Resolver].
func (r MockResolver) LookupTXT(ctx context.Context, name string) ([]string, Result, error) {
	return mockLookup(ctx, r, "txt", name, r.TXT)
}

// LookupMX implements [Resolver].
func (r MockResolver) LookupMX(ctx context.Context, name string) ([]MX, Result, error) {
	l, res, err := mockLookup(ctx, r, "mx", name, r.MX)
	slices.SortStableFunc(l, func(a, b MX) int { return int(a.Preference) - int(b.Preference) })
	return l, res, err
}

// LookupCNAME implements [Resolver].
func (r MockResolver) LookupCNAME(ctx context.Context, name string) (string, Result, error) {
	end, res, err := r.follow(ctx, name)
	if err == nil && end == canonical(name) {
		res, err = r.ask(ctx, "cname", end)
	}
	if err == nil && !r.exists(r.source(end)) {
		err = r.none("cname", end)
	}
	if err != nil {
		return "", res, err
	}
	return end, res, nil
}
