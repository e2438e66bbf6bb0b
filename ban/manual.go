package ban

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// Errors of what administrators ask for. Their texts are for them.
var (
	ErrNetwork   = errors.New("cannot be banned")
	ErrNoBan     = errors.New("no such ban")
	ErrTooMany   = errors.New("there are too many bans by hand")
	errNoAddress = errors.New("is no address or network, such as 192.0.2.1 or 192.0.2.0/24")
)

// Shortest lengths of networks that can be banned by hand: larger ones are mistakes.
const (
	least4 = 8
	least6 = 16
)

// maxComment bounds what is kept of one, in octets.
const maxComment = 200

// ParseNetwork reads an address or network. An address stands for its own network: a /32, or the
// /64 of IPv6.
func ParseNetwork(s string) (netip.Prefix, error) {
	if ip, err := netip.ParseAddr(s); err == nil {
		return own(ip), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("%q %w", s, errNoAddress)
	}
	if p.Addr().Is4In6() {
		return netip.Prefix{}, fmt.Errorf("%q is of IPv4 addresses in IPv6 form: write it as IPv4", s)
	}
	if p != p.Masked() {
		return netip.Prefix{}, fmt.Errorf("network %q must be written as %s", s, p.Masked())
	}
	return p, nil
}

// Add bans a network by hand at doors, for a time or, with 0, for good. It is durable on return.
// ErrNetwork: it is exempt, or far too large.
func (b *Bans) Add(ctx context.Context, network netip.Prefix, at []Door, d time.Duration, comment string) ([]Ban, error) {
	least := least6
	if network.Addr().Is4() {
		least = least4
	}
	if network.Bits() < least {
		return nil, fmt.Errorf("network %s %w: it is too large, a /%d is the largest", network, ErrNetwork, least)
	}
	for _, e := range b.o.Exempt {
		if covers(e, network) {
			return nil, fmt.Errorf("network %s %w: all of %s is allowed, as it is local, of this server, a proxy, or in AutoBan.Allow or Relay of mox.conf", network, ErrNetwork, e)
		}
	}
	if len(comment) > maxComment {
		return nil, fmt.Errorf("the comment is longer than %d octets", maxComment)
	}
	now := b.o.Now().Truncate(time.Second) // as it is stored
	var expires time.Time
	if d > 0 {
		expires = now.Add(d)
	}
	var added []Ban
	b.mu.Lock()
	for _, door := range at {
		k := key{network, door}
		times := 1
		if old := b.record(k); old != nil {
			times += old.Times
		}
		x := &Ban{Network: network, Door: door, Reason: Manual, Comment: comment, Times: times, Since: now, Expires: expires}
		if !b.put(x, now) {
			b.mu.Unlock()
			return added, ErrTooMany
		}
		added = append(added, *x)
	}
	b.mu.Unlock()
	return added, b.flush(ctx)
}

// Remove ends bans, and forgets that there were any: those of exactly this network or, with
// covering, of all that include it. It is durable on return. ErrNoBan: there were none in force.
func (b *Bans) Remove(ctx context.Context, network netip.Prefix, covering bool) ([]Ban, error) {
	now := b.o.Now()
	var removed []Ban
	b.mu.Lock()
	for i := range b.sets {
		for p, x := range b.sets[i].bans {
			if (p == network || covering && covers(p, network)) && x.Active(now) {
				removed = append(removed, *x)
			}
		}
	}
	for _, x := range removed {
		b.drop(x.key())
	}
	for k := range b.offences {
		if covers(network, k.network) {
			delete(b.offences, k)
		}
	}
	b.mu.Unlock()
	if len(removed) == 0 {
		return nil, fmt.Errorf("network %s: %w", network, ErrNoBan)
	}
	sortBans(removed)
	return removed, b.flush(ctx)
}

// List returns the bans in force, the newest first.
func (b *Bans) List() []Ban {
	now := b.o.Now()
	var l []Ban
	b.mu.RLock()
	for i := range b.sets {
		for _, x := range b.sets[i].bans {
			if x.Active(now) {
				l = append(l, *x)
			}
		}
	}
	b.mu.RUnlock()
	sortBans(l)
	return l
}

func sortBans(l []Ban) {
	slices.SortFunc(l, func(x, y Ban) int {
		return cmp.Or(y.Since.Compare(x.Since), x.Network.Compare(y.Network), cmp.Compare(x.Door, y.Door))
	})
}

// Verdict is what is known of an address.
type Verdict struct {
	Address netip.Addr
	Bans    []Ban // of networks that it is in
	// Allowed is why no ban holds for it; empty: they hold.
	Allowed string `json:",omitempty"`
	// Login is when somebody has last logged in from its network, within an hour. Zero: nobody has.
	Login time.Time `json:",omitzero"`
	// Mail is likewise when mail of a verified sender has last come from its network, within 30 days.
	Mail   time.Time `json:",omitzero"`
	Counts []Count   // of offences that count towards a ban
}

// Count is how many offences a network has within the day.
type Count struct {
	Network netip.Prefix
	Door    Door
	Reason  Reason
	Events  int
	Limit   int // with which it is banned
}

// Test tells what is known of an address.
func (b *Bans) Test(ip netip.Addr) Verdict {
	ip = plain(ip)
	v := Verdict{Address: ip}
	if i := slices.IndexFunc(b.o.Exempt, func(p netip.Prefix) bool { return p.Contains(ip) }); i >= 0 {
		v.Allowed = b.o.Exempt[i].String()
	}
	now := b.o.Now()
	b.mu.RLock()
	defer b.mu.RUnlock()
	for i := range b.sets {
		b.sets[i].find(ip, func(x *Ban) bool {
			if x.Active(now) {
				v.Bans = append(v.Bans, *x)
			}
			return true
		})
	}
	v.Login = b.users.seen[own(ip)]
	v.Mail = b.senders.seen[own(ip)]
	for k, o := range b.offences {
		if k.network.Contains(ip) && o.n > 0 && now.Sub(o.start) < window {
			limit := b.o.Limits.of(k.reason)
			if k.network != own(ip) {
				limit *= wideFactor
			}
			v.Counts = append(v.Counts, Count{k.network, k.door, k.reason, o.n, limit})
		}
	}
	slices.SortFunc(v.Counts, func(x, y Count) int {
		return cmp.Or(cmp.Compare(y.Network.Bits(), x.Network.Bits()), cmp.Compare(x.Door, y.Door), cmp.Compare(x.Reason, y.Reason))
	})
	return v
}

// User is a ban of a network from which somebody has logged in.
type User struct {
	Ban   Ban
	Login time.Time
}

// Users returns bans at the door of logins of networks from which somebody has logged in within 90
// days, the latest login first.
func (b *Bans) Users() []User {
	if b == nil || b.held.Load() == 0 {
		return nil
	}
	now := b.o.Now()
	var l []User
	b.mu.RLock()
	defer b.mu.RUnlock()
	last := map[netip.Prefix]User{}
	for network, seen := range b.users.seen {
		b.sets[Logins].find(network.Addr(), func(x *Ban) bool {
			if x.Active(now) && covers(x.Network, network) && seen.After(last[x.Network].Login) {
				last[x.Network] = User{*x, seen}
			}
			return true
		})
	}
	for _, u := range last {
		l = append(l, u)
	}
	slices.SortFunc(l, func(x, y User) int {
		return cmp.Or(y.Login.Compare(x.Login), x.Ban.Network.Compare(y.Ban.Network))
	})
	return l
}
