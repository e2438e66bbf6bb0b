package dns

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// MockResolver is a Resolver that answers from its fields, for tests. Names are in
// lower case without final dot. It must not change once in use.
type MockResolver struct {
	PTR   map[string][]string // by address
	A     map[string][]string
	AAAA  map[string][]string
	TXT   map[string][]string
	MX    map[string][]MX
	CNAME map[string]string

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
	if err, ok := r.Fail[key]; ok {
		return Result{}, &Error{Name: name, Type: typ, Err: err}
	}
	auth := slices.Contains(r.Authentic, key)
	if r.AllAuthentic {
		auth = !slices.Contains(r.Inauthentic, key)
	}
	return Result{Authentic: auth}, nil
}

func (r MockResolver) exists(name string) bool {
	_, a := r.A[name]
	_, aaaa := r.AAAA[name]
	_, txt := r.TXT[name]
	_, mx := r.MX[name]
	_, cname := r.CNAME[name]
	return a || aaaa || txt || mx || cname
}

func (r MockResolver) none(typ, name string) error {
	return &Error{Name: name, Type: typ, NotFound: true, NXDomain: !r.exists(name)}
}

// follow goes along aliases to the name that has records.
func (r MockResolver) follow(ctx context.Context, name string) (string, Result, error) {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	res := Result{Authentic: true}
	for range 16 {
		next, ok := r.CNAME[name]
		if !ok {
			return name, res, nil
		}
		one, err := r.ask(ctx, "cname", name)
		if err != nil {
			return "", Result{}, err
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
	if err != nil {
		return nil, res, err
	}
	l := table[name]
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
	if err == nil && !r.exists(end) {
		return "", res, r.none("cname", end)
	}
	return end, res, err
}
