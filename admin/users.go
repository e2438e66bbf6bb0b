package admin

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"mox/config"
	"mox/invite"
	"mox/smtp"
)

// invitePath is where the page of an invitation is; see package welcome.
const invitePath = "/invite/"

// errNoInvites: the server was made without.
var errNoInvites = errors.New("this server has no invitations")

// Invited is an invitation that was made.
type Invited struct {
	invite.Invite
	URL     string
	Created bool // the account was made for it
}

// UserInvite makes an invitation for an address: its link lets who has it set the password of the account, once.
// The account is made if no account has the address; its name is account, or "" for the localpart. life is how long
// the link works, 0 for three days.
func (a *Admin) UserInvite(ctx context.Context, actor Actor, account, address string, life time.Duration) (inv Invited, rerr error) {
	defer func() {
		a.audit(ctx, actor, "invite user", rerr, "account", inv.Account, "address", address, "invite", inv.ID)
	}()
	if a.Invites == nil {
		return inv, errNoInvites
	}
	if life < 0 || life > invite.MaxLife {
		return inv, fmt.Errorf("an invitation works for at most %d days", invite.MaxLife/(24*time.Hour))
	}
	snap := a.Config.Snapshot()
	addr, err := smtp.ParseAddress(address)
	if err != nil {
		return inv, fmt.Errorf("address %q: %w", address, err)
	}
	d := snap.Domain(addr.Domain)
	if d == nil {
		return inv, fmt.Errorf("domain %s: %w", addr.Domain, ErrNotFound)
	}
	base, err := inviteBase(snap, d)
	if err != nil {
		return inv, err
	}
	dest := snap.Destination(d.Key(addr.Localpart))
	switch {
	case dest == nil:
		if account == "" {
			account = AccountName(addr.Localpart)
		}
		if _, ok := snap.Dynamic.Accounts[account]; ok {
			return inv, fmt.Errorf("account %q %w and does not have address %s: add the address first (mox config address add), or name another account", account, ErrExists, addr)
		}
		if err := a.AccountAdd(ctx, actor, account, addr.String()); err != nil {
			return inv, err
		}
		inv.Created = true
	case account != "" && dest.Account != account:
		return inv, fmt.Errorf("address %s is of account %q", addr, dest.Account)
	default:
		account = dest.Account
	}
	token, i, err := a.Invites.Add(account, addr.String(), life)
	if err != nil {
		return inv, err
	}
	inv.Invite, inv.URL = i, base+invitePath+token
	return inv, nil
}

// AccountName makes the name of an account of a localpart: it is a directory too.
func AccountName(l smtp.Localpart) string {
	name := strings.Map(func(r rune) rune {
		if r < ' ' || strings.ContainsRune(`/\:*?"<>| `, r) {
			return '-'
		}
		return r
	}, strings.ToLower(string(l)))
	return strings.Trim(name, ".")
}

// inviteBase is the beginning of links, up to the path: the host is that which mail programs of the domain use.
func inviteBase(snap *config.Snapshot, d *config.DomainInfo) (string, error) {
	for _, name := range slices.Sorted(mapKeys(snap.Listeners)) {
		l := snap.Listeners[name]
		c := l.AutoconfigHTTPS
		if !c.Enabled {
			continue
		}
		host := l.Hostname
		if !d.ClientSettingsDomain.IsZero() {
			host = d.ClientSettingsDomain
		}
		port := strconv.Itoa(c.Port)
		switch {
		case c.NonTLS && !c.Forwarded && !slices.ContainsFunc(l.IPs, func(ip netip.Addr) bool { return !ip.IsLoopback() }):
			return "http://" + net.JoinHostPort(host.ASCII, port), nil // of this machine only
		case c.NonTLS || c.Forwarded || c.Port == 443:
			return "https://" + host.ASCII, nil // clients come to a proxy, or here
		}
		return "https://" + net.JoinHostPort(host.ASCII, port), nil
	}
	return "", errors.New("no listener has AutoconfigHTTPS, with which the page of invitations is served: enable it in mox.conf and restart")
}

// InviteLook returns the invitation of a token. invite.ErrInvalid: it is of no use.
func (a *Admin) InviteLook(token string) (invite.Invite, error) {
	inv, err := a.Invites.Look(token)
	if err == nil && !a.invitable(inv) {
		return invite.Invite{}, invite.ErrInvalid
	}
	return inv, err
}

// invitable tells whether there is the account, still, with that address.
func (a *Admin) invitable(inv invite.Invite) bool {
	snap := a.Config.Snapshot()
	acc, ok := snap.Dynamic.Accounts[inv.Account]
	if !ok || acc.LoginDisabled != "" {
		return false
	}
	addr, err := smtp.ParseAddress(inv.Address)
	if err != nil {
		return false
	}
	d := snap.Domain(addr.Domain)
	if d == nil {
		return false
	}
	dest := snap.Destination(d.Key(addr.Localpart))
	return dest != nil && dest.Account == inv.Account
}

// InviteAccept sets the password of the account of an invitation, which ends. Sessions that are open stay, but for those of
// browsers.
// Errors are invite.ErrInvalid, auth.ErrBadPassword, after which it works still, and others.
func (a *Admin) InviteAccept(ctx context.Context, actor Actor, token, password string) (inv invite.Invite, rerr error) {
	if inv, rerr = a.InviteLook(token); rerr != nil {
		return inv, rerr
	}
	defer func() {
		a.audit(ctx, actor, "accept invitation", rerr, "account", inv.Account, "invite", inv.ID)
	}()
	_, rerr = a.Invites.Take(token, func(i invite.Invite) error { return a.Auth.SetPassword(ctx, i.Account, password) })
	return inv, rerr
}

// InviteRevoke ends an invitation.
func (a *Admin) InviteRevoke(ctx context.Context, actor Actor, id int) (rerr error) {
	defer func() { a.audit(ctx, actor, "revoke invitation", rerr, "invite", id) }()
	if a.Invites == nil {
		return errNoInvites
	}
	_, err := a.Invites.Revoke(id)
	if errors.Is(err, invite.ErrNotFound) {
		return fmt.Errorf("invitation %d that waits: %w", id, ErrNotFound)
	}
	return err
}

// InviteState is an invitation, and whether it waits.
type InviteState struct {
	ID               int
	Account, Address string
	Created, Expires time.Time
	Used             time.Time `json:",omitzero"`
	State            string    // "waits", "used" or "expired"
}

// InviteList returns invitations that are known, the newest first.
func (a *Admin) InviteList() ([]InviteState, error) {
	if a.Invites == nil {
		return nil, errNoInvites
	}
	var l []InviteState
	for _, i := range a.Invites.List() {
		s := InviteState{ID: i.ID, Account: i.Account, Address: i.Address, Created: i.Created, Expires: i.Expires, Used: i.Used, State: "expired"}
		switch {
		case i.Open(a.Now()):
			s.State = "waits"
		case !i.Used.IsZero():
			s.State = "used"
		}
		l = append(l, s)
	}
	return l, nil
}

// User is an account as a person who may use it.
type User struct {
	Account   string
	Addresses []string
	// State is "active", "invited", "disabled", or "no password".
	State   string
	Expires time.Time `json:",omitzero"` // of the invitation
}

// Users returns all accounts, by name.
func (a *Admin) Users(ctx context.Context) ([]User, error) {
	invited := map[string]time.Time{}
	if a.Invites != nil {
		for _, i := range a.Invites.List() {
			if i.Open(a.Now()) {
				invited[i.Account] = i.Expires
			}
		}
	}
	var l []User
	for _, acc := range a.Accounts() {
		addresses, err := a.AccountAddresses(acc.Name)
		if err != nil {
			continue // removed meanwhile
		}
		u := User{Account: acc.Name, Addresses: addresses, State: "active"}
		secret, err := a.Auth.Secrets.Secret(ctx, acc.Name)
		if err != nil {
			return nil, fmt.Errorf("account %q: %w", acc.Name, err)
		}
		u.Expires = invited[acc.Name]
		switch {
		case acc.Disabled:
			u.State = "disabled"
		case !u.Expires.IsZero():
			u.State = "invited"
		case secret == nil:
			u.State = "no password"
		}
		l = append(l, u)
	}
	return l, nil
}
