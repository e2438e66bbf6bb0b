package admin

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"mox/ban"
)

var errNoBans = errors.New("this server bans nobody")

// BanList returns the networks that are banned, the newest first.
func (a *Admin) BanList() ([]ban.Ban, error) {
	if a.Bans == nil {
		return nil, errNoBans
	}
	return a.Bans.List(), nil
}

// BanAdd bans a network, or that of an address, for a time or, with 0, for good.
func (a *Admin) BanAdd(ctx context.Context, actor Actor, network string, doors []ban.Door, d time.Duration, comment string) (added []ban.Ban, err error) {
	if a.Bans == nil {
		return nil, errNoBans
	}
	defer func() {
		a.audit(ctx, actor, "ban network", err, "network", network, "doors", fmt.Sprint(doors), "duration", d, "comment", comment)
	}()
	p, err := ban.ParseNetwork(network)
	if err != nil {
		return nil, err
	}
	return a.Bans.Add(ctx, p, doors, d, comment)
}

// BanRemove ends the bans of a network; of an address, all that it is in.
func (a *Admin) BanRemove(ctx context.Context, actor Actor, network string) (removed []ban.Ban, err error) {
	if a.Bans == nil {
		return nil, errNoBans
	}
	defer func() { a.audit(ctx, actor, "end ban of network", err, "network", network, "ended", len(removed)) }()
	p, err := ban.ParseNetwork(network)
	if err != nil {
		return nil, err
	}
	removed, err = a.Bans.Remove(ctx, p, !strings.Contains(network, "/"))
	if errors.Is(err, ban.ErrNoBan) {
		return nil, fmt.Errorf("ban of %s: %w", network, ErrNotFound)
	}
	return removed, err
}

// BanTest tells what is known of an address.
func (a *Admin) BanTest(address string) (ban.Verdict, error) {
	if a.Bans == nil {
		return ban.Verdict{}, errNoBans
	}
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return ban.Verdict{}, fmt.Errorf("%q is no address, such as 192.0.2.1 or 2001:db8::1", address)
	}
	return a.Bans.Test(ip), nil
}
